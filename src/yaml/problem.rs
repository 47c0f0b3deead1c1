//! A problem: what is wrong, where, and the cure. Rendered in one place, `report`.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{Code, Span};

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file can be used, but may not do what was meant.
    Warning,
    /// The file cannot be used.
    Error,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One problem of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether the file can still be used.
    pub severity: Severity,
    /// What sort of problem it is.
    pub code: Code,
    /// The token at fault.
    pub span: Span,
    /// What is wrong: `unknown key "stat"`.
    pub message: String,
    /// The cure: `did you mean "state"?`
    pub help: Option<String>,
}

/// The problems found in a file so far, in the order of the file. The same problem at the same place (of an anchored value used in
/// several places) counts once.
#[derive(Debug, Clone, Default)]
pub struct Problems(BTreeSet<Problem>);

impl Problems {
    /// Records an error at `span`.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.0.insert(Problem { severity: Severity::Error, code, span, message: message.into(), help: help.into() });
    }

    /// Records a warning at `span`.
    pub fn warn(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.0.insert(Problem { severity: Severity::Warning, code, span, message: message.into(), help: help.into() });
    }

    /// Whether any error (not only warnings) was recorded.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are, warnings included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// In the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Adds what another reader found.
    pub fn extend(&mut self, other: Problems) {
        self.0.extend(other.0);
    }

    /// Drops the problems that `keep` does not want.
    pub fn retain(&mut self, keep: impl FnMut(&Problem) -> bool) {
        self.0.retain(keep);
    }

    /// The same problems with every text put through `change`: how secrets are kept out of them.
    #[must_use]
    pub fn reworded(self, change: impl Fn(&str) -> String) -> Problems {
        let reword = |problem: Problem| Problem {
            message: change(&problem.message),
            help: problem.help.as_deref().map(&change),
            ..problem
        };
        Problems(self.0.into_iter().map(reword).collect())
    }
}

impl Ord for Problem {
    /// By place; then anything that tells two apart.
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |problem: &Problem| (problem.span, problem.severity, problem.code);
        order(self)
            .cmp(&order(other))
            .then_with(|| self.message.cmp(&other.message))
            .then_with(|| self.help.cmp(&other.help))
    }
}

impl PartialOrd for Problem {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The longest name that is looked at for a slip; comparing takes the product of both lengths.
const LONGEST_NAME: usize = 100;

/// The name among `known` nearest to `wrong`, if near enough to be a slip: at most a third of its letters differ, case aside.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > LONGEST_NAME {
        return None;
    }
    let lower = wrong.to_lowercase();
    let tolerated = (lower.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|name| name.len() <= LONGEST_NAME)
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name() {
        let known = ["state", "since", "data_product", "type", "any"];
        let cases = [
            ("stat", Some("state")),
            ("State", Some("state")),
            ("sate", Some("state")),
            ("dataproduct", Some("data_product")),
            ("tpye", Some("type")),
            ("colour", None),
            ("x", None),
            ("", None),
        ];
        for (wrong, expected) in cases {
            assert_eq!(nearest(wrong, known), expected, "{wrong:?}");
        }
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
    }

    #[test]
    fn problems_come_in_the_order_of_the_file_and_once() {
        let mut problems = Problems::default();
        problems.warn(Code::UnknownName, Span { start: 9, end: 10 }, "b", None);
        assert!(!problems.has_errors());
        problems.error(Code::WrongType, Span { start: 1, end: 2 }, "a", None);
        problems.error(Code::WrongType, Span { start: 1, end: 2 }, "a", None);
        let mut other = Problems::default();
        other.error(Code::UnknownKey, Span { start: 4, end: 5 }, "c", Some("secret".to_owned()));
        problems.extend(other);
        assert_eq!(
            problems.iter().map(|problem| problem.code).collect::<Vec<_>>(),
            [Code::WrongType, Code::UnknownKey, Code::UnknownName]
        );
        assert_eq!(problems.len(), 3);
        assert!(problems.has_errors());
        let reworded = problems.reworded(|text| text.replace("secret", "***"));
        assert_eq!(reworded.iter().nth(1).and_then(|problem| problem.help.as_deref()), Some("***"));
    }
}
