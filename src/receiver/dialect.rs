//! How a service writes text: what it must not interpret, its markup, and how it counts. A table for each instead of a writer for
//! each.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::message::{Block, Inline, Markdown};

/// One way of writing text.
pub(super) struct Dialect {
    /// Writes one literal character so that the service does not interpret it.
    pub escape: fn(char, &mut String),
    /// What stands before and after bold text.
    pub bold: (&'static str, &'static str),
    /// What stands before and after italic text.
    pub italic: (&'static str, &'static str),
    /// What stands before and after code inside a line.
    pub code: (&'static str, &'static str),
    /// What stands before and after code on lines of its own.
    pub fence: (&'static str, &'static str),
    /// Writes one literal character of code.
    pub escape_code: fn(char, &mut String),
    /// A link: its literal address, and what it says in this dialect.
    pub link: fn(&str, &str) -> String,
    /// What stands before a list's item: its depth, and its number in an ordered list.
    pub item: fn(usize, Option<u64>) -> String,
    /// Begins a new line inside a block.
    pub line: &'static str,
    /// Stands between blocks.
    pub gap: &'static str,
    /// How the service counts.
    pub unit: Unit,
}

/// How a service counts the length of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// UTF-16 code units: never fewer than characters.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

impl Unit {
    pub fn of(self, text: &str) -> usize {
        match self {
            Unit::Utf16 => text.encode_utf16().count(),
            Unit::Bytes => text.len(),
        }
    }
}

impl Dialect {
    /// Literal text, nothing of it interpreted.
    pub fn escaped(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 8);
        text.chars().for_each(|c| (self.escape)(c, &mut out));
        out
    }

    /// Code inside a line. Between ticks it stays in that line: a blank line or a heading would end it, and what follows would be read
    /// as markup and mentions.
    fn inline_code(&self, code: &str, out: &mut String) {
        let ticks = self.code.0.ends_with('`');
        out.push_str(self.code.0);
        for c in code.chars() {
            let c = if ticks && matches!(c, '\n' | '\r') { ' ' } else { c };
            (self.escape_code)(c, out);
        }
        out.push_str(self.code.1);
    }

    /// Literal text, escaped, in at most `max` units; the last is an `…` if anything was cut, and whether anything was. Never cut
    /// inside an escape, nor inside what a reader sees as one character.
    pub fn fit(&self, text: &str, max: usize) -> (String, bool) {
        self.fit_by(self.escape, text, max)
    }

    fn fit_by(&self, escape: fn(char, &mut String), text: &str, max: usize) -> (String, bool) {
        let mark = self.unit.of("…");
        let mut out = String::new();
        let (mut used, mut fits) = (0, 0);
        for cluster in text.graphemes(true) {
            let before = out.len();
            cluster.chars().for_each(|c| escape(c, &mut out));
            if used + mark <= max {
                fits = before;
            }
            used += self.unit.of(&out[before..]);
            if used > max {
                out.truncate(fits);
                if mark <= max {
                    out.push('…');
                }
                return (out, true);
            }
        }
        (out, false)
    }

    /// The whole text.
    pub fn text(&self, markdown: &Markdown) -> String {
        self.text_within(markdown, usize::MAX).0
    }

    /// The text in at most `max` units, and whether anything was cut. What is cut leaves no markup open.
    pub fn text_within(&self, markdown: &Markdown, max: usize) -> (String, bool) {
        let mut out = String::new();
        let mut after_item = false;
        for block in markdown.blocks() {
            let is_item = matches!(block, Block::Item { .. });
            let gap = match (out.is_empty(), is_item && after_item) {
                (true, _) => "",
                (false, true) => self.line,
                (false, false) => self.gap,
            };
            after_item = is_item;
            let room = max.saturating_sub(self.unit.of(&out)).saturating_sub(self.unit.of(gap));
            let (written, was_cut) = self.block_within(&block, room);
            if was_cut && written.is_empty() {
                return (self.ended(out, max), true);
            }
            out.push_str(gap);
            out.push_str(&written);
            if was_cut {
                return (out, true);
            }
        }
        (out, false)
    }

    /// The blocks of a text, each in at most `max` units, and whether any was cut.
    pub fn blocks_within(&self, markdown: &Markdown, max: usize) -> (Vec<String>, bool) {
        let mut any_cut = false;
        let mut bounded = |block: &Block| {
            let (written, was_cut) = self.block_within(block, max);
            any_cut |= was_cut;
            written
        };
        let blocks = markdown.blocks().iter().map(&mut bounded).collect();
        (blocks, any_cut)
    }

    /// An `…` for what no longer had room.
    fn ended(&self, mut out: String, max: usize) -> String {
        if self.unit.of(&out) + self.unit.of("\n…") <= max {
            out.push_str(self.line);
            out.push('…');
        }
        out
    }

    /// A block in at most `max` units. One that is too long loses its markup: what is cut must not leave any of it open.
    fn block_within(&self, block: &Block, max: usize) -> (String, bool) {
        let whole = self.block(block);
        if self.unit.of(&whole) <= max {
            return (whole, false);
        }
        let cut = match block {
            Block::Code(code) => {
                let (open, close) = self.fence;
                let room = max.saturating_sub(self.unit.of(open) + self.unit.of(close));
                let (code, _) = self.fit_by(self.escape_code, code, room);
                if code.is_empty() { code } else { format!("{open}{code}{close}") }
            }
            Block::Item { depth, number, content } => {
                let mark = (self.item)(*depth, *number);
                let room = max.saturating_sub(self.unit.of(&mark));
                let (text, _) = self.fit(&plain(content), room);
                if text.is_empty() { text } else { mark + &text }
            }
            Block::Paragraph(content) => self.fit(&plain(content), max).0,
        };
        (cut, true)
    }

    fn block(&self, block: &Block) -> String {
        match block {
            Block::Paragraph(content) => self.run(content),
            Block::Item { depth, number, content } => (self.item)(*depth, *number) + &self.run(content),
            Block::Code(code) => {
                let mut out = self.fence.0.to_owned();
                code.chars().for_each(|c| (self.escape_code)(c, &mut out));
                out + self.fence.1
            }
        }
    }

    fn run(&self, content: &[Inline]) -> String {
        let mut out = String::new();
        self.write(content, &mut out);
        out
    }

    fn write(&self, content: &[Inline], out: &mut String) {
        for inline in content {
            match inline {
                Inline::Text(text) => text.chars().for_each(|c| (self.escape)(c, out)),
                Inline::Code(code) => self.inline_code(code, out),
                Inline::Bold(content) => self.within(self.bold, content, out),
                Inline::Italic(content) => self.within(self.italic, content, out),
                Inline::Link { url, content } => {
                    let label = plain(content).replace('\n', " ");
                    let label = self.escaped(if label.is_empty() { url } else { &label });
                    out.push_str(&(self.link)(url, &label));
                }
                Inline::Break => out.push_str(self.line),
            }
        }
    }

    fn within(&self, (open, close): (&str, &str), content: &[Inline], out: &mut String) {
        mark(open, out);
        self.write(content, out);
        mark(close, out);
    }

    /// Escaped text in bold.
    pub fn bold(&self, escaped: &str) -> String {
        let mut out = format!("{}{escaped}", self.bold.0);
        mark(self.bold.1, &mut out);
        out
    }
}

/// Asterisks right behind these would make them a mention (`@**name**`), or a link to a channel.
fn mark(mark: &str, out: &mut String) {
    if mark.starts_with('*') && out.ends_with(['@', '_', '#']) {
        out.push('\u{200B}');
    }
    out.push_str(mark);
}

/// Literal text without any dialect, cut to `max` units.
pub(super) fn plain_fit(text: &str, max: usize, unit: Unit) -> (String, bool) {
    Dialect { unit, ..PLAIN }.fit(text, max)
}

/// Text of which nothing is interpreted.
pub(super) const PLAIN: Dialect = Dialect {
    escape: |c, out| out.push(c),
    bold: ("", ""),
    italic: ("", ""),
    code: ("", ""),
    fence: ("", ""),
    escape_code: |c, out| out.push(c),
    link: |url, label| if label == url { label.to_owned() } else { format!("{label} ({url})") },
    item: crate::message::item_mark,
    line: "\n",
    gap: "\n\n",
    unit: Unit::Utf16,
};

/// HTML as chat services and mail readers take it: `<b> <i> <code> <pre> <a>`, and lines by `<br>`.
pub(super) const HTML: Dialect = Dialect {
    escape: html_escape,
    bold: ("<b>", "</b>"),
    italic: ("<i>", "</i>"),
    code: ("<code>", "</code>"),
    fence: ("<pre>", "</pre>"),
    escape_code: html_escape,
    link: |url, label| format!("<a href=\"{}\">{label}</a>", html(url)),
    item: crate::message::item_mark,
    line: "<br>",
    gap: "<br><br>",
    unit: Unit::Utf16,
};

/// Literal text in HTML, for elements and quoted attributes.
pub(super) fn html(text: &str) -> String {
    HTML.escaped(text)
}

fn html_escape(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        c => out.push(c),
    }
}

/// Markdown in which `escape` writes a backslash before what would be markup. Kinds lay their own habits over it.
pub(super) const MARKDOWN: Dialect = Dialect {
    escape: |c, out| {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '~' | '#' | '>' | '|' | '<') {
            out.push('\\');
        }
        out.push(c);
    },
    bold: ("**", "**"),
    italic: ("_", "_"),
    code: ("`", "`"),
    fence: ("```\n", "\n```"),
    escape_code: |c, out| out.push(without_tick(c)),
    link: |url, label| format!("[{label}]({})", url.replace('(', "%28").replace(')', "%29").replace(' ', "%20")),
    item: |depth, number| {
        let indent = "  ".repeat(depth.min(8));
        number.map_or_else(|| format!("{indent}- "), |number| format!("{indent}{number}. "))
    },
    line: "\n",
    gap: "\n\n",
    unit: Unit::Utf16,
};

/// A tick in a value would end the code it stands in.
pub(super) fn without_tick(c: char) -> char {
    if c == '`' { 'ˋ' } else { c }
}

/// The words without their markup.
fn plain(content: &[Inline]) -> String {
    let mut out = String::new();
    for inline in content {
        match inline {
            Inline::Text(text) | Inline::Code(text) => out.push_str(text),
            Inline::Bold(content) | Inline::Italic(content) | Inline::Link { content, .. } => {
                out.push_str(&plain(content));
            }
            Inline::Break => out.push('\n'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cut_is_never_inside_an_escape_or_a_character() {
        for (text, max, expected) in [
            ("short", 5, "short"),
            ("longer", 5, "long…"),
            ("a&b", 4, "a…"),
            ("a&b", 7, "a&amp;b"),
            ("e\u{301}e\u{301}e\u{301}", 4, "e\u{301}…"),
            ("ab👩\u{200D}🔧cd", 6, "ab…"),
            ("😀😀😀", 4, "😀…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(HTML.fit(text, max).0, expected, "{text:?} to {max}");
        }
        assert_eq!(MARKDOWN.fit("a*b*c", 5).0, "a\\*b…");
        assert_eq!(Dialect { unit: Unit::Bytes, ..MARKDOWN }.fit("日本語", 7).0, "日…");
    }

    proptest! {
        #[test]
        fn a_fit_fits(text in any::<String>(), max in 0usize..40) {
            for dialect in [&PLAIN, &HTML, &MARKDOWN, &Dialect { unit: Unit::Bytes, ..HTML }] {
                let (short, was_cut) = dialect.fit(&text, max);
                prop_assert!(dialect.unit.of(&short) <= max);
                prop_assert_eq!(was_cut, dialect.unit.of(&dialect.escaped(&text)) > max);
                prop_assert!(dialect.escaped(&text).starts_with(short.trim_end_matches('…')));
            }
        }

        #[test]
        fn a_text_within_its_bounds_is_whole_or_marked(parts in prop::collection::vec("[a-z*`\\[\\]() &<>-]{0,30}", 0..8), max in 4usize..200) {
            let markdown = Markdown::literal(&parts.join("\n\n"));
            for dialect in [&PLAIN, &HTML, &MARKDOWN] {
                let (text, was_cut) = dialect.text_within(&markdown, max);
                prop_assert!(dialect.unit.of(&text) <= max, "{text:?}");
                prop_assert_eq!(was_cut, text != dialect.text(&markdown));
            }
        }
    }
}
