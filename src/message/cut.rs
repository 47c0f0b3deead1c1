//! Shortening text for people, so that what is left is whole.

use std::borrow::Cow;

/// At most `max` UTF-16 units (what services count; never fewer than characters), the last an `…` if anything was cut, and whether
/// anything was. Never cut inside what a reader sees as one character, nor inside one of the entities `&amp;` `&lt;` `&gt;`.
#[must_use]
pub fn cut(text: &str, max: usize) -> (Cow<'_, str>, bool) {
    cut_by(text, max, char::len_utf16)
}

/// [`cut`], counting characters.
pub(super) fn cut_characters(text: &str, max: usize) -> (Cow<'_, str>, bool) {
    cut_by(text, max, |_| 1)
}

fn cut_by(text: &str, max: usize, measure: fn(char) -> usize) -> (Cow<'_, str>, bool) {
    // A text never has fewer bytes than UTF-16 units or characters.
    if text.len() <= max {
        return (Cow::Borrowed(text), false);
    }
    let mut units = 0;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if units < max {
            end = at;
        }
        units += measure(c);
        if units > max {
            let kept = whole(text, end);
            let mark = if max == 0 { "" } else { "…" };
            return (Cow::Owned(format!("{}{mark}", &text[..kept])), true);
        }
    }
    (Cow::Borrowed(text), false)
}

/// All white space, line ends included, as single spaces; control characters are gone, and so is what turns the text.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let mut shown = word.chars().filter(|&c| !is_directional(c)).peekable();
        if shown.peek().is_some() && !out.is_empty() {
            out.push(' ');
        }
        out.extend(shown);
    }
    out
}

/// Whether a character has no place in a text for people: control characters but line ends and tabs (they steer terminals, and some
/// services refuse a NUL), and what turns the text.
#[must_use]
pub fn is_unwanted(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || is_directional(c)
}

/// Whether a character turns the direction in which those behind it are shown, so that a name can pretend to be another: the explicit
/// directional formatting characters of UAX #9 (<https://www.unicode.org/reports/tr9/>). Marks, which turn nothing else, are none.
pub(super) fn is_directional(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The last place not after `end` where `text` can be parted.
fn whole(text: &str, end: usize) -> usize {
    let mut end = end;
    if let Some(entity) = text[..end].rfind('&') {
        let entire = ["&amp;", "&lt;", "&gt;"].into_iter().find(|e| text[entity..].starts_with(e));
        if entire.is_some_and(|e| entity + e.len() > end) {
            end = entity;
        }
    }
    // A bound keeps hostile text (a million combining marks) from costing time.
    for _ in 0..64 {
        let (before, after) = (text[..end].chars().next_back(), text[end..].chars().next());
        match (before, after) {
            (Some(before), Some(after)) if joined(before, after) => end -= before.len_utf8(),
            _ => break,
        }
    }
    end
}

/// Whether two neighbours look like one character: combining marks, emoji sequences, flags.
fn joined(before: char, after: char) -> bool {
    let extends = |c: char| {
        matches!(u32::from(c),
            0x300..=0x36F | 0x483..=0x489 | 0x591..=0x5BD | 0x610..=0x61A | 0x64B..=0x65F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF
            | 0x200D | 0x20D0..=0x20FF | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F | 0x1F3FB..=0x1F3FF | 0xE0020..=0xE01EF)
    };
    let flag = |c: char| matches!(u32::from(c), 0x1F1E6..=0x1F1FF);
    extends(after) || before == '\u{200D}' || (flag(before) && flag(after)) || (before == '\r' && after == '\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_keep_what_is_whole() {
        let cases = [
            ("short", 5, "short"),
            ("longer", 5, "long…"),
            ("a&amp;b", 4, "a…"),
            ("a&b c d", 4, "a&b…"),
            ("e\u{301}e\u{301}e\u{301}", 4, "e\u{301}…"),
            ("ab👩\u{200D}🔧cd", 6, "ab…"),
            ("日本語テキスト", 4, "日本語…"),
            ("😀😀😀", 4, "😀…"),
            ("abc", 0, ""),
        ];
        for (text, max, expected) in cases {
            assert_eq!(cut(text, max).0, expected, "{text:?} to {max}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_fits_and_is_a_beginning(text in any::<String>(), max in 0usize..40) {
            let (short, was_cut) = cut(&text, max);
            prop_assert!(short.encode_utf16().count() <= max);
            prop_assert_eq!(was_cut, text.encode_utf16().count() > max);
            prop_assert!(text.starts_with(short.trim_end_matches('…')));
        }
    }
}
