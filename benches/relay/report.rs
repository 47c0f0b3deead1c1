//! What was measured, as a table for people: medians with lowest and highest, ratios to the floor, budgets.

use comfy_table::{CellAlignment, Table, presets};

use crate::figures::{Better, Figure};
use crate::statistics::{Summary, ratio};

/// Where a value belongs.
#[derive(Clone, PartialEq)]
pub struct Point {
    /// The case, as `--case` names it.
    pub case: &'static str,
    /// What differs within the case.
    pub name: String,
    /// Its place on the horizontal axis of the case's plot.
    pub at: Option<f64>,
}

impl Point {
    /// A point of no curve.
    pub fn new(case: &'static str, name: impl Into<String>) -> Point {
        Point { case, name: name.into(), at: None }
    }

    /// A point of the case's curve.
    pub fn at(case: &'static str, name: impl Into<String>, at: f64) -> Point {
        Point { at: Some(at), ..Point::new(case, name) }
    }
}

/// What a figure may be.
#[derive(Clone, Copy)]
pub enum Budget {
    /// Its median, in its unit.
    Itself(f64),
    /// The ratio to the floor.
    ToFloor(f64),
}

/// One figure at one point, of every subject.
pub struct Row {
    pub point: Point,
    pub figure: &'static Figure,
    pub budget: Option<Budget>,
    /// By subject, in the order of [`Report::subjects`]; a value for each round.
    pub values: Vec<Vec<f64>>,
}

/// All of it.
pub struct Report {
    /// Their names; the floor is the first.
    pub subjects: Vec<String>,
    pub rows: Vec<Row>,
    budgets: Vec<(Point, &'static Figure, Budget)>,
}

impl Report {
    /// Nothing measured yet.
    pub fn new(subjects: Vec<String>) -> Report {
        Report { subjects, rows: Vec::new(), budgets: Vec::new() }
    }

    /// Adds a round's value.
    pub fn add(&mut self, point: &Point, figure: &'static Figure, subject: &str, value: f64) {
        let place = self.subjects.iter().position(|name| name == subject).expect("a subject of this run");
        self.row(point, figure).values[place].push(value);
    }

    /// Says what a figure may be, before it is measured.
    pub fn budget(&mut self, point: &Point, figure: &'static Figure, budget: Budget) {
        self.budgets.push((point.clone(), figure, budget));
    }

    /// The value added last.
    pub fn last(&self, point: &Point, figure: &'static Figure, subject: &str) -> Option<f64> {
        self.values(point, figure, subject).and_then(|values| values.last().copied())
    }

    /// The median of one subject's values.
    pub fn median(&self, point: &Point, figure: &'static Figure, subject: &str) -> Option<f64> {
        self.values(point, figure, subject).and_then(Summary::of).map(|summary| summary.median)
    }

    fn values(&self, point: &Point, figure: &'static Figure, subject: &str) -> Option<&[f64]> {
        let place = self.subjects.iter().position(|name| name == subject)?;
        let row = self.rows.iter().find(|row| row.point == *point && row.figure == figure)?;
        Some(&row.values[place])
    }

    fn row(&mut self, point: &Point, figure: &'static Figure) -> &mut Row {
        let known = self.rows.iter().position(|row| row.point == *point && row.figure == figure);
        let at = known.unwrap_or_else(|| {
            let values = vec![Vec::new(); self.subjects.len()];
            let budget = self.budgets.iter().find(|(of, what, _)| of == point && *what == figure);
            let budget = budget.map(|(_, _, budget)| *budget);
            self.rows.push(Row { point: point.clone(), figure, budget, values });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// One case as a table.
    pub fn table(&self, case: &str) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let relays = &self.subjects[1..];
        let mut header = vec![case.to_owned(), String::new()];
        header.extend(self.subjects.iter().cloned());
        header.extend(relays.iter().map(|name| format!("{name} / floor")));
        if let [first, second] = relays {
            header.push(format!("{second} / {first}"));
        }
        header.push("budget".to_owned());
        table.set_header(header);
        let rows = || self.rows.iter().filter(|row| row.point.case == case);
        let mut points: Vec<&Point> = Vec::new();
        for row in rows() {
            if !points.contains(&&row.point) {
                points.push(&row.point);
            }
        }
        for point in points {
            for (place, row) in rows().filter(|row| row.point == *point).enumerate() {
                table.add_row(row.cells(if place == 0 { &point.name } else { "" }));
            }
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

impl Row {
    fn cells(&self, name: &str) -> Vec<String> {
        let digits = self.figure.decimals;
        let shown = |values: &Vec<f64>| {
            Summary::of(values).map_or_else(String::new, |s| match values.len() {
                1 => format!("{:.digits$}", s.median),
                _ => format!("{:.digits$} ({:.digits$}–{:.digits$})", s.median, s.min, s.max),
            })
        };
        let quotient = |value: &[f64], to: &[f64]| {
            let shown = ratio(value, to).filter(|_| self.figure.better != Better::Neither);
            shown.map_or_else(String::new, |ratio| format!("{ratio:.2}×"))
        };
        let mut cells = vec![name.to_owned(), format!("{}, {}", self.figure.name, self.figure.unit)];
        cells.extend(self.values.iter().map(shown));
        let (floor, relays) = (&self.values[0], &self.values[1..]);
        cells.extend(relays.iter().map(|values| quotient(values, floor)));
        if let [first, second] = relays {
            cells.push(quotient(second, first));
        }
        cells.push(self.judged());
        cells
    }

    /// The ratio to the floor, where that has been measured, too.
    pub fn to_floor(&self, values: &[f64]) -> Option<f64> {
        ratio(values, &self.values[0]).filter(|_| self.figure.better != Better::Neither)
    }

    /// What a subject's values are held against the budget with.
    fn spent(&self, values: &[f64]) -> Option<f64> {
        match self.budget? {
            Budget::Itself(_) => Summary::of(values).map(|summary| summary.median),
            Budget::ToFloor(_) => ratio(values, &self.values[0]),
        }
    }

    /// Whether a subject keeps the budget.
    pub fn kept(&self, values: &[f64]) -> Option<bool> {
        let (Budget::Itself(limit) | Budget::ToFloor(limit)) = self.budget?;
        let spent = self.spent(values)?;
        Some(if self.figure.better == Better::More { spent >= limit } else { spent <= limit })
    }

    /// The budget, and for each relay whether it is kept.
    fn judged(&self) -> String {
        let limit = match self.budget {
            None => return String::new(),
            Some(Budget::Itself(limit)) => format!("{limit}"),
            Some(Budget::ToFloor(limit)) => format!("{limit}×"),
        };
        let sign = if self.figure.better == Better::More { '≥' } else { '≤' };
        let marks = self.values[1..].iter().filter_map(|values| self.kept(values));
        let marks: String = marks.map(|kept| if kept { " ✓" } else { " ✗" }).collect();
        format!("{sign} {limit}{marks}")
    }
}
