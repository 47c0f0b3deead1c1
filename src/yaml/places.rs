//! Where the letters of a scalar's text stand in the file, however it was written: over several lines, folded, or with escapes.

use std::ops::Range;
use std::str::CharIndices;

use super::{Span, Style};

/// Where each letter of a scalar's text but white space stands, which folding moves about. Empty: not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(Vec<Run>);

/// A stretch of text that stands in the file as it is, or one escaped letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    text: usize,
    text_len: usize,
    source: usize,
    source_len: usize,
}

impl Places {
    /// Of the scalar whose source is `file[span]`. Found by reading both letter by letter; what does not agree is not known.
    pub(super) fn new(file: &str, span: Span, style: Style, text: &str) -> Places {
        let source = &file[span.start..span.end];
        let whole = |source| Places(vec![Run { text: 0, text_len: text.len(), source, source_len: text.len() }]);
        if source == text {
            return whole(span.start);
        }
        let quote = source.chars().next().filter(|quote| style == Style::Quoted && matches!(quote, '"' | '\''));
        let inner = quote.map_or(source, |quote| source[1..].strip_suffix(quote).unwrap_or(&source[1..]));
        if inner == text {
            return whole(span.start + 1);
        }
        let base = span.start + usize::from(quote.is_some());
        let mut letters = Letters { source: inner, rest: inner.char_indices(), quote };
        let mut runs: Vec<Run> = Vec::new();
        for (at, letter) in text.char_indices().filter(|(_, letter)| !letter.is_whitespace()) {
            let Some((read, range)) = letters.by_ref().find(|(read, _)| !read.is_whitespace()) else {
                return Places::default();
            };
            if read != letter {
                return Places::default();
            }
            let run = Run {
                text: at,
                text_len: letter.len_utf8(),
                source: base + range.start,
                source_len: range.end - range.start,
            };
            match runs.last_mut() {
                Some(last) if last.goes_on_with(run) => {
                    last.text_len += run.text_len;
                    last.source_len += run.source_len;
                }
                _ => runs.push(run),
            }
        }
        Places(runs)
    }

    /// Where a part of the text stands. `None` if that is not known.
    pub(super) fn span(&self, part: &Range<usize>) -> Option<Span> {
        let first = self.0.iter().find(|run| run.text + run.text_len > part.start)?;
        let last = self.0.iter().rev().find(|run| run.text < part.end).filter(|last| last.text >= first.text)?;
        let start = if first.is_plain() { first.source + part.start.saturating_sub(first.text) } else { first.source };
        let end = if last.is_plain() {
            last.source + (part.end - last.text).min(last.text_len)
        } else {
            last.source + last.source_len
        };
        Some(Span { start, end })
    }
}

impl Run {
    fn is_plain(self) -> bool {
        self.text_len == self.source_len
    }

    fn goes_on_with(self, next: Run) -> bool {
        let adjacent = self.text + self.text_len == next.text && self.source + self.source_len == next.source;
        adjacent && self.is_plain() && next.is_plain()
    }
}

/// The letters a source says, with the bytes that say them.
struct Letters<'a> {
    source: &'a str,
    rest: CharIndices<'a>,
    quote: Option<char>,
}

impl Iterator for Letters<'_> {
    type Item = (char, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let (at, letter) = self.rest.next()?;
        let said = match (self.quote, letter) {
            (Some('\''), '\'') => {
                self.rest.next();
                '\''
            }
            (Some('"'), '\\') => self.escaped()?,
            _ => letter,
        };
        Some((said, at..self.source.len() - self.rest.as_str().len()))
    }
}

impl Letters<'_> {
    /// What follows a backslash in double quotes. White space is all alike here.
    fn escaped(&mut self) -> Option<char> {
        let digits = match self.rest.next()?.1 {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0' => return Some('\0'),
            'a' => return Some('\u{7}'),
            'b' => return Some('\u{8}'),
            'e' => return Some('\u{1b}'),
            'n' | 't' | 'r' | 'v' | 'f' | 'N' | '_' | 'L' | 'P' => return Some(' '),
            other => return Some(other),
        };
        let number: String = self.rest.by_ref().take(digits).map(|(_, digit)| digit).collect();
        char::from_u32(u32::from_str_radix(&number, 16).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Node, Problems, Value, parse};

    fn value(file: &str) -> Node {
        let mut problems = Problems::default();
        let node = parse(file, &mut problems).unwrap_or_else(|| panic!("{file:?}: {problems:?}"));
        let Value::Map(map) = node.value else { panic!("a map") };
        map.0.into_iter().next().expect("an entry").1
    }

    fn text(node: &Node) -> String {
        let Value::Scalar(scalar) = &node.value else { panic!("a scalar") };
        scalar.text.clone()
    }

    #[test]
    fn a_part_is_found_however_it_is_written() {
        for (file, part, source) in [
            ("a: x {{ y }}", "y", "y"),
            ("a: 'x {{ y }}'", "y", "y"),
            ("a: one\n  {{ y }}\n\n  z", "{{ y }}", "{{ y }}"),
            ("a: |\n  one\n\n    {{ y }}\n", "y }}", "y }}"),
            ("a: |2-\n    one\n  {{ y }}", "{{ y", "{{ y"),
            ("a: >+ # a note\n\n  one\n  {{ y\n  }}\n\n\n", "y", "y"),
            ("a: >\n  one\n    {{ y }}\n  two\n", "two", "two"),
            ("a: \"it is\n  {{ \\\"y\\\" }}\"", "\"y\"", "\\\"y\\\""),
            ("a: \"\\u00fc\\n\\x41 {{ y }}\"", "A {{ y", "\\x41 {{ y"),
            ("a: \"on\\\n  e {{ y }}\"", "y", "y"),
            ("a: 'it''s {{ y }}'", "'s {{ y", "''s {{ y"),
            ("a: |\r\n  one\r\n  {{ y }}\r\n", "y", "y"),
            ("ü: |\n  é {{ ü }} x\n", "ü }} x", "ü }} x"),
        ] {
            let node = value(file);
            let text = text(&node);
            let start = text.find(part).unwrap_or_else(|| panic!("{part:?} is not in {text:?}"));
            let span = node.place(start..start + part.len());
            assert_eq!(&file[span.start..span.end], source, "{file:?}");
        }
    }

    /// Lines of words, some indented further, some empty.
    fn lines() -> impl Strategy<Value = Vec<String>> {
        let line = prop_oneof![
            6 => "[a-zé{}%|:#'\"\\\\-]{1,8}( {1,2}[a-zé{}%]{1,5}){0,3} {0,2}",
            2 => " {1,3}[a-z{}]{1,5}( [a-z]{1,3}){0,2}",
            1 => Just(String::new()),
        ];
        prop::collection::vec(line, 1..7)
    }

    proptest! {
        #[test]
        fn parts_of_block_scalars_stand_where_they_are_said_to(
            lines in lines(),
            indent in 1usize..5,
            style in prop::sample::select(vec!["|", ">"]),
            chomping in prop::sample::select(vec!["", "-", "+"]),
            end in prop::sample::select(vec!["\n", "\n\n\n", "", "\nb: c\n", "\n# a note\n"]),
            newline in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let margin = " ".repeat(indent);
            let body: Vec<String> =
                lines.iter().map(|line| if line.is_empty() { String::new() } else { format!("{margin}{line}") }).collect();
            let file = format!("a: {style}{indent}{chomping}\n{}{end}", body.join("\n")).replace('\n', newline);
            let node = value(&file);
            let Value::Scalar(scalar) = &node.value else { return Ok(()) };
            let text = &scalar.text;
            // Every word, and from every word to the end of its line.
            for line in text.split('\n') {
                let base = line.as_ptr().addr() - text.as_ptr().addr();
                for word in line.split_whitespace() {
                    let from = base + (word.as_ptr().addr() - line.as_ptr().addr());
                    let span = node.place(from..from + word.len());
                    prop_assert_eq!(&file[span.start..span.end], word, "{:?}", file);
                }
            }
        }

        #[test]
        fn letters_of_quoted_scalars_stand_where_they_are_said_to(text in "[ -~é\n\t\u{7}]{0,30}") {
            let json = serde_json::to_string(&text).expect("JSON");
            let single = text.replace('\'', "''").replace(['\n', '\u{7}', '\t'], " ");
            for (file, text) in [(format!("a: {json}"), text.clone()), (format!("a: '{single}'"), single.replace("''", "'"))] {
                let node = value(&file);
                for (at, letter) in text.char_indices().filter(|(_, letter)| !letter.is_whitespace()) {
                    let span = node.place(at..at + letter.len_utf8());
                    let source = &file[span.start..span.end];
                    let escaped = source.starts_with('\\') || source == "''";
                    prop_assert!(escaped || source == letter.to_string(), "{file:?}: {letter:?} is not {source:?}");
                }
            }
        }
    }
}
