//! Shielding: characters of inserted values are moved out of Markdown's sight until its structure is known.
//!
//! Everything that is not a letter or digit, in Unicode's planes 0 and 1, moves up by the same offset into the private-use planes
//! 15 and 16, where a Markdown parser sees nothing but word characters. Afterwards it moves back.

use std::borrow::Cow;

use super::cut::is_directional;

const OFFSET: u32 = 0xF_0000;

/// Moves what could be structure out of sight. Private-use characters that are in `value` already would come back as something
/// else: they become U+FFFD.
pub(super) fn shield(value: &str) -> Cow<'_, str> {
    if value.chars().all(char::is_alphanumeric) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + value.len() / 2);
    out.extend(value.chars().map(|c| match u32::from(c) {
        _ if c.is_alphanumeric() => c,
        code @ ..0x2_0000 => char::from_u32(code + OFFSET).unwrap_or(char::REPLACEMENT_CHARACTER),
        OFFSET.. => char::REPLACEMENT_CHARACTER,
        _ => c,
    }));
    Cow::Owned(out)
}

/// Moves everything back, but for what would turn the text.
pub(super) fn unshield(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| u32::from(c) >= OFFSET) {
        return Cow::Borrowed(text);
    }
    let back = |c: char| match u32::from(c).checked_sub(OFFSET) {
        Some(code) => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
        None => c,
    };
    Cow::Owned(text.chars().map(back).filter(|&c| !is_directional(c)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn private_use_characters_cannot_smuggle() {
        let smuggled = "\u{F003C}!channel\u{10FFFD}";
        assert_eq!(unshield(&shield(smuggled)), "\u{FFFD}!channel\u{FFFD}");
    }

    proptest! {
        #[test]
        fn what_is_shielded_comes_back(value in "[^\u{202a}-\u{202e}\u{2066}-\u{2069}\u{F0000}-\u{10FFFF}]*") {
            let shielded = shield(&value);
            prop_assert_eq!(unshield(&shielded), value.as_str());
        }

        #[test]
        fn a_shield_shows_no_punctuation_or_space(value in any::<String>()) {
            prop_assert!(shield(&value).chars().all(|c| !c.is_ascii_punctuation() && !c.is_whitespace() && !c.is_control()));
        }
    }
}
