//! How text looks where it is read: its width and colours.

use std::io::IsTerminal;

use super::table::terminal_width;

/// Where there is no terminal, lines are only as long as people like to read them.
const WIDTH: usize = 100;

/// What the output can show.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Colours are understood, and wanted.
    pub color: bool,
    /// Columns.
    pub width: usize,
}

/// A colour with a meaning.
#[derive(Debug, Clone, Copy)]
pub enum Paint {
    Good,
    Bad,
    Quiet,
    Strong,
}

impl Look {
    /// Of the terminal this runs in, or of whatever the output goes to.
    pub fn of_terminal() -> Look {
        let color =
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Look { color, width: terminal_width().map_or(WIDTH, |width| usize::from(width).clamp(40, 160)) }
    }

    /// `text` in a colour, if there are any.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Quiet => "2",
            Paint::Strong => "1",
        };
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// The words of `text` in lines that fit: the first one behind `start`, which takes `taken` columns, the others `indent` columns in.
    pub fn fold(self, start: &str, taken: usize, text: &str, indent: usize) -> String {
        let mut folded = start.to_owned();
        let mut column = taken;
        let mut fresh = true;
        for word in text.split(' ') {
            let length = word.chars().count();
            if !fresh && column + 1 + length > self.width {
                folded.push('\n');
                folded.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            } else if !fresh {
                folded.push(' ');
                column += 1;
            }
            folded.push_str(word);
            column += length;
            fresh = false;
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_unless_a_word_does_not() {
        let look = Look { color: false, width: 20 };
        assert_eq!(look.fold("✗ ", 2, "one two three four five", 4), "✗ one two three four\n    five");
        assert_eq!(look.fold("", 0, "a averyverylongwordindeed b", 2), "a\n  averyverylongwordindeed\n  b");
    }

    #[test]
    fn colours_are_for_those_who_see_them() {
        assert_eq!(Look { color: false, width: 80 }.paint(Paint::Good, "✓"), "✓");
        assert_eq!(Look { color: true, width: 80 }.paint(Paint::Good, "✓"), "\u{1b}[32m✓\u{1b}[0m");
    }
}
