//! Tables for people: aligned, without borders, as wide as the terminal; one line per row when the output is no terminal.

use std::io::IsTerminal;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

use super::output::{one_line, shortened};

/// A cell of a list shows no more than this; the whole is in JSON and in the detail views.
const CELL: usize = 160;

/// A cell that may be broken is broken between words, unless a word is longer than this.
const WORD: usize = 20;
const GAP: u16 = 2;

/// A column's heading, and what happens to it when the terminal is narrow.
pub enum Column {
    /// Stays as it is: IDs, states.
    Fixed(&'static str),
    /// Its cells are broken into lines: names and sentences.
    Wraps(&'static str),
    /// Is left out, the last one first: what the detail views tell too.
    Spare(&'static str),
}

/// Lays out `rows` for the terminal this runs in.
pub fn table(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    layout(columns, rows, terminal_width())
}

/// The width of the terminal; `None` if the output goes elsewhere.
pub fn terminal_width() -> Option<u16> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(out).map(|(width, _)| width.0)
}

fn layout(columns: &[Column], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.iter().map(|cell| shortened(&one_line(cell), CELL)).collect()).collect();
    let needed: Vec<u16> = columns.iter().enumerate().map(|(i, column)| column.needs(&rows, i)).collect();
    let hidden = left_out(columns, &needed, width.unwrap_or(u16::MAX));

    let mut table = Table::new();
    table.load_style(NOTHING);
    if columns.iter().any(|column| !column.title().is_empty()) {
        table.set_header(columns.iter().map(Column::title).collect::<Vec<_>>());
    }
    table.add_rows(rows);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.discover_columns();
    for (i, (column, wish)) in table.column_iter_mut().zip(columns).enumerate() {
        column.set_padding((0, if i + 1 < columns.len() { GAP } else { 0 }));
        column.set_constraint(match wish {
            _ if hidden.contains(&i) => ColumnConstraint::Hidden,
            // A constraint counts the padding, too.
            Column::Wraps(_) => ColumnConstraint::LowerBoundary(Width::Fixed(needed[i] + column.padding_width())),
            Column::Fixed(_) | Column::Spare(_) => ColumnConstraint::ContentWidth,
        });
    }
    table.trim_fmt()
}

/// The spare columns for which there is no room.
fn left_out(columns: &[Column], needed: &[u16], width: u16) -> Vec<usize> {
    let gaps = GAP.saturating_mul(u16::try_from(columns.len()).unwrap_or(u16::MAX)).saturating_sub(GAP);
    let mut total = needed.iter().fold(gaps, |sum, column| sum.saturating_add(*column));
    let mut hidden = Vec::new();
    for (i, column) in columns.iter().enumerate().rev() {
        if total > width && matches!(column, Column::Spare(_)) {
            total = total.saturating_sub(needed[i] + GAP);
            hidden.push(i);
        }
    }
    hidden
}

impl Column {
    fn title(&self) -> &'static str {
        match self {
            Column::Fixed(title) | Column::Wraps(title) | Column::Spare(title) => title,
        }
    }

    /// The width below which column `i` of `rows` cannot be read any more.
    fn needs(&self, rows: &[Vec<String>], i: usize) -> u16 {
        let cells = rows.iter().filter_map(|row| row.get(i).map(String::as_str)).chain([self.title()]);
        let length = |text: &str| text.chars().count();
        let needed = match self {
            Column::Wraps(_) => cells.flat_map(str::split_whitespace).map(length).max().map(|word| word.min(WORD)),
            Column::Fixed(_) | Column::Spare(_) => cells.map(length).max(),
        };
        // A cell has at most CELL characters, so it fits.
        u16::try_from(needed.unwrap_or(0)).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(width: Option<u16>) -> String {
        let columns = [Column::Fixed("ID"), Column::Fixed("STATE"), Column::Wraps("ANSWER")];
        let rows = vec![
            vec!["dlv_1".into(), "delivered".into(), "200 ok".into()],
            vec!["dlv_22".into(), "dead".into(), "the service\nsays no, and says it at some length".into()],
        ];
        layout(&columns, rows, width)
    }

    #[test]
    fn one_line_per_row_where_there_is_no_terminal() {
        insta::assert_snapshot!(sample(None), @r"
        ID      STATE      ANSWER
        dlv_1   delivered  200 ok
        dlv_22  dead       the service says no, and says it at some length
        ");
    }

    #[test]
    fn sentences_wrap_in_a_narrow_terminal_and_ids_do_not() {
        insta::assert_snapshot!(sample(Some(44)), @r"
        ID      STATE      ANSWER
        dlv_1   delivered  200 ok
        dlv_22  dead       the service says no, and
                           says it at some length
        ");
    }

    #[test]
    fn spare_columns_go_first_and_words_stay_whole() {
        let columns = [
            Column::Fixed("ID"),
            Column::Spare("WHEN"),
            Column::Wraps("STATE"),
            Column::Spare("JOB"),
            Column::Wraps("TO"),
        ];
        let row = ["evt_1", "2026-01-31 09:05:00Z", "failed: PLANNING_FAILED", "4711", "everybody here"];
        let rows = vec![row.map(str::to_owned).to_vec()];
        insta::assert_snapshot!([80, 56, 36].map(|width| layout(&columns, rows.clone(), Some(width))).join("\n\n"), @r"
        ID     WHEN                  STATE                    JOB   TO
        evt_1  2026-01-31 09:05:00Z  failed: PLANNING_FAILED  4711  everybody here

        ID     WHEN                  STATE            TO
        evt_1  2026-01-31 09:05:00Z  failed:          everybody
                                     PLANNING_FAILED  here

        ID     STATE            TO
        evt_1  failed:          everybody
               PLANNING_FAILED  here
        ");
    }

    #[test]
    fn a_huge_cell_is_cut() {
        let text = layout(&[Column::Wraps("ERROR")], vec![vec!["x".repeat(10_000)]], None);
        assert_eq!(text.lines().last().map(|line| line.chars().count()), Some(CELL));
    }

    #[test]
    fn without_titles_there_is_no_heading() {
        assert_eq!(layout(&[Column::Fixed(""), Column::Wraps("")], vec![vec!["a".into(), "b".into()]], None), "a  b");
    }
}
