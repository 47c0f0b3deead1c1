//! Byte offsets → lines and columns, as people and editors count them.

use super::Span;

/// Where the lines of a text begin.
pub struct Lines(Vec<usize>);

/// Where a token stands: lines and columns from 1, columns in characters; the end is behind the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of the first character.
    pub line: usize,
    /// Of the first character.
    pub column: usize,
    /// Of the last character.
    pub end_line: usize,
    /// Behind the last character.
    pub end_column: usize,
}

impl Lines {
    /// Finds them.
    #[must_use]
    pub fn of(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The number of the line that holds the byte at `offset`, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    /// A line by its number, without its end, and where it starts.
    pub(super) fn text<'a>(&self, text: &'a str, line: usize) -> (&'a str, usize) {
        let start = self.0[line - 1];
        let end = self.0.get(line).map_or(text.len(), |next| next - 1);
        (text[start..end].trim_end_matches('\r'), start)
    }

    /// Where `span` stands in `text`, the text these are the lines of. A line's end does not belong to a token.
    #[must_use]
    pub fn place(&self, text: &str, span: Span) -> Place {
        let span = span.within(text);
        let (line, column) = self.position(text, span.start);
        let token = text[span.start..span.end].trim_end_matches(['\n', '\r']);
        let (end_line, end_column) = self.position(text, span.start + token.len());
        Place { line, column, end_line, end_column }
    }

    fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let before = &text[self.0[line - 1]..offset];
        (line, before.chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let text = "a: 1\nü: ö\r\nb: |\n  x\n  y\n";
        let cases = [
            ((0, 1), (1, 1, 1, 2)),
            ((3, 4), (1, 4, 1, 5)),
            ((5, 7), (2, 1, 2, 2)),
            ((9, 11), (2, 4, 2, 5)),
            ((20, 25), (4, 3, 5, 4)),
            ((99, 200), (6, 1, 6, 1)),
        ];
        for ((start, end), (line, column, end_line, end_column)) in cases {
            let place = Lines::of(text).place(text, Span { start, end });
            assert_eq!(place, Place { line, column, end_line, end_column }, "{start}..{end}");
        }
    }
}
