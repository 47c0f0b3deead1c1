//! A pattern: whole value, without case; `*` and `?` are special, `\` escapes them.

use std::iter::Peekable;
use std::str::Chars;

/// One compiled pattern. It matches a whole value, upper and lower case alike: `*` stands for any text, `?` for one
/// letter; `\*`, `\?` and `\\` stand for themselves, a `\` before anything else too. An empty value is an absent one
/// and matches nothing, not even `*`.
///
/// ```
/// # use jobrelay::routing::Pattern;
/// assert!(Pattern::new("Customers*").matches("customers (EU)"));
/// assert!(!Pattern::new("*").matches(""));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    tokens: Box<[Token]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    /// A letter, folded.
    Letter(char),
    /// `?`
    One,
    /// `*`
    Many,
}

impl Pattern {
    /// Compiles a pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Pattern {
        let mut chars = text.chars().peekable();
        let mut tokens = Vec::with_capacity(text.len());
        while let Some(token) = next(&mut chars) {
            // Several stars in a row say no more than one.
            if token != Token::Many || tokens.last() != Some(&Token::Many) {
                tokens.push(token);
            }
        }
        Pattern { tokens: tokens.into() }
    }

    /// Whether the whole of `value` fits. Takes at most time proportional to the lengths of both multiplied.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        !value.is_empty() && self.takes(value.chars().map(|c| Token::Letter(folded(c))))
    }

    /// Whether every value that `other` matches is matched by this, as far as that can be told by walking along both.
    pub(super) fn covers(&self, other: &Pattern) -> bool {
        self.takes(other.tokens.iter().copied())
    }

    /// Whether it matches one value alone, but for case.
    pub(super) fn is_literal(&self) -> bool {
        self.tokens.iter().all(|token| matches!(token, Token::Letter(_)))
    }

    /// What every value that it matches begins with, folded, and whether that is the whole of each.
    pub(super) fn beginning(&self) -> (String, bool) {
        let letters = self.tokens.iter().map_while(|token| match token {
            Token::Letter(letter) => Some(*letter),
            Token::One | Token::Many => None,
        });
        (letters.collect(), self.is_literal())
    }

    /// Whether the whole of `rest` fits. Any text may stand for a `*` in it, so only a `*` takes one.
    fn takes(&self, mut rest: impl Iterator<Item = Token> + Clone) -> bool {
        let mut at = 0;
        // After the last `*` met: which token follows it, and where the text it is tried against begins. A `*` before
        // it need not be tried again: what it could take more, the last one can.
        let mut retry = None;
        loop {
            let here = rest.clone();
            let fits = match (self.tokens.get(at), rest.next()) {
                (Some(Token::Many), _) => {
                    at += 1;
                    if at == self.tokens.len() {
                        return true;
                    }
                    rest = here.clone();
                    retry = Some((at, here));
                    continue;
                }
                (None, None) => return true,
                (Some(_), None) => return false,
                (Some(Token::One), Some(token)) => token != Token::Many,
                (Some(Token::Letter(letter)), Some(token)) => token == Token::Letter(*letter),
                (None, Some(_)) => false,
            };
            if fits {
                at += 1;
            } else if let Some((after_star, begins)) = &mut retry {
                begins.next();
                at = *after_star;
                rest = begins.clone();
            } else {
                return false;
            }
        }
    }
}

/// A text that `pattern` matches.
pub(super) fn fulfilling(pattern: &str) -> String {
    let mut chars = pattern.chars().peekable();
    let mut text = String::with_capacity(pattern.len());
    while let Some(token) = next(&mut chars) {
        text.push(if let Token::Letter(letter) = token { letter } else { 'x' });
    }
    text
}

/// The text of `pattern` without its escapes, case kept, if nothing in it is special.
pub(super) fn literal(pattern: &str) -> Option<String> {
    let mut chars = pattern.chars().peekable();
    let mut text = String::with_capacity(pattern.len());
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' => return None,
            '\\' => text.push(chars.next_if(|c| special(*c)).unwrap_or(c)),
            c => text.push(c),
        }
    }
    Some(text)
}

fn next(chars: &mut Peekable<Chars<'_>>) -> Option<Token> {
    Some(match chars.next()? {
        '*' => Token::Many,
        '?' => Token::One,
        '\\' => Token::Letter(chars.next_if(|c| special(*c)).map_or('\\', folded)),
        c => Token::Letter(folded(c)),
    })
}

fn special(c: char) -> bool {
    matches!(c, '*' | '?' | '\\')
}

/// Lower case, letter by letter, so that `?` is one letter of what people see.
pub(super) fn folded(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_values_match_without_case() {
        for (pattern, value, holds) in [
            ("customers", "Customers", true),
            ("customers", "Customers EU", false),
            ("customers*", "Customers EU", true),
            ("*eu", "Customers EU", true),
            ("*tom*", "Customers", true),
            ("c?stomers", "Customers", true),
            ("customer?", "Customer", false),
            ("*", "x", true),
            ("*", "", false),
            ("", "", false),
            ("**a**b**", "xaxbx", true),
            ("a*a", "a", false),
            ("*ab", "aab", true),
            ("ÄRGER", "ärger", true),
            ("?", "é", true),
            ("İ", "İ", true),
            (r"100\*", "100*", true),
            (r"100\*", "1000", false),
            (r"what\?", "what?", true),
            (r"a\\b", r"a\b", true),
            (r"DOMAIN\user", r"domain\USER", true),
            (r"end\", r"end\", true),
            ("0123", "123", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(value), holds, "{pattern:?} {value:?}");
        }
    }

    #[test]
    fn only_patterns_without_specials_are_literal() {
        assert_eq!(literal(r"Load \* \s").as_deref(), Some(r"Load * \s"));
        assert_eq!(literal("Load*"), None);
        assert_eq!(literal("Loa?"), None);
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = Pattern::new(&format!("{}b", "*a".repeat(200)));
        assert!(!pattern.matches(&"a".repeat(20_000)));
    }

    /// Says the same by trying everything.
    fn oracle(pattern: &[char], value: &[char]) -> bool {
        match pattern {
            [] => value.is_empty(),
            ['*', rest @ ..] => (0..=value.len()).any(|n| oracle(rest, &value[n..])),
            ['\\', c, rest @ ..] if special(*c) => value.first() == Some(c) && oracle(rest, &value[1..]),
            ['?', rest @ ..] => !value.is_empty() && oracle(rest, &value[1..]),
            [c, rest @ ..] => value.first() == Some(c) && oracle(rest, &value[1..]),
        }
    }

    #[test]
    fn a_pattern_covers_those_that_say_no_more() {
        for (wide, narrow, covers) in [
            ("*", "CRM", true),
            ("A*", "AB*", true),
            ("AB*", "A*", false),
            ("*tom*", "cus*tom*ers", true),
            ("?", "x", true),
            ("?", "*", false),
            ("?*", "a*", true),
            ("crm", "CRM", true),
            ("crm", "CR?", false),
            (r"100\*", "100*", false),
        ] {
            assert_eq!(Pattern::new(wide).covers(&Pattern::new(narrow)), covers, "{wide} {narrow}");
        }
    }

    proptest! {
        #[test]
        fn what_is_covered_is_matched(wide in r"[ab*?]{0,6}", narrow in r"[ab*?]{0,6}", value in "[ab]{1,8}") {
            let (wide, narrow) = (Pattern::new(&wide), Pattern::new(&narrow));
            prop_assert!(!wide.covers(&narrow) || !narrow.matches(&value) || wide.matches(&value));
        }

        #[test]
        fn agrees_with_trying_everything(pattern in r"[ab*?\\é]{0,8}", value in r"[ab*?\\é]{1,10}") {
            let (p, v): (Vec<char>, Vec<char>) = (pattern.chars().collect(), value.chars().collect());
            prop_assert_eq!(Pattern::new(&pattern).matches(&value), oracle(&p, &v));
        }

        #[test]
        fn an_escaped_text_matches_itself_alone(text in ".{1,20}", other in ".{1,20}") {
            let escaped: String = text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect();
            prop_assert_eq!(literal(&escaped), Some(text.clone()));
            prop_assert!(Pattern::new(&escaped).matches(&text));
            prop_assert!(Pattern::new(&other).matches(&fulfilling(&other)));
            let alike = text.chars().map(folded).eq(other.chars().map(folded));
            prop_assert_eq!(Pattern::new(&escaped).matches(&other), alike);
        }

        #[test]
        fn never_panics(pattern in ".*", value in ".*") {
            let _ = Pattern::new(&pattern).matches(&value);
        }
    }
}
