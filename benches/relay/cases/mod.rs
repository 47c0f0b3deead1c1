//! What is measured: a file for each question.

mod sustained;

use crate::bench::Bench;

/// A question, and how it is answered.
pub struct Case {
    /// As `--case` names it.
    pub name: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// Measures it.
    pub run: fn(&mut Bench),
}

/// All, in the order they are run.
pub const CASES: &[Case] = &[Case {
    name: sustained::NAME,
    asks: "How many events a second are taken in durably and delivered, and what does one cost?",
    run: sustained::run,
}];

/// The case with this name.
///
/// # Errors
/// There is none.
pub fn named(name: &str) -> Result<&'static Case, String> {
    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    CASES.iter().find(|case| case.name == name).ok_or_else(|| format!("the cases are {}", names.join(", ")))
}
