//! What is measured: a file for each question.

mod build;
mod dead;
mod direct;
mod disk;
mod fan_out;
mod growth;
mod history;
mod latency;
mod memory;
mod mix;
mod routes;
mod start;
mod sustained;

use crate::bench::Bench;

pub use growth::{BY_RATE, BY_RECEIVERS};
pub use history::NAME as HISTORY;
pub use memory::NAME as MEMORY;
pub use routes::NAME as ROUTES;

/// A question, and how it is answered.
pub struct Case {
    /// As `--case` names it.
    pub name: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// Measures it.
    pub run: fn(&mut Bench),
}

const fn case(name: &'static str, run: fn(&mut Bench), asks: &'static str) -> Case {
    Case { name, asks, run }
}

/// All, in the order they are run.
pub const CASES: &[Case] = &[
    case(direct::NAME, direct::run, "How much faster are generator and sink than what they measure?"),
    case(
        sustained::NAME,
        sustained::run,
        "How many events a second are durable and delivered, and what does one cost?",
    ),
    case(fan_out::NAME, fan_out::run, "What does an event for five receivers cost?"),
    case(mix::NAME, mix::run, "What does an event cost a team's relay, where most concern nobody?"),
    case(latency::NAME, latency::run, "How long after an event does its message arrive?"),
    case(memory::NAME, memory::run, "How much memory does it take?"),
    case(start::NAME, start::run, "How soon after its start is it ready?"),
    case(routes::NAME, routes::run, "What do more routes cost?"),
    case(history::NAME, history::run, "Does a long history slow it down?"),
    case(dead::NAME, dead::run, "Do healthy receivers notice dead ones?"),
    case(disk::NAME, disk::run, "How much is written to disk?"),
    case(BY_RATE, growth::by_rate, "What does an event cost at which rate?"),
    case(BY_RECEIVERS, growth::by_receivers, "What do more receivers cost?"),
    case(build::NAME, build::run, "How large is the program?"),
];

/// The case with this name.
///
/// # Errors
/// There is none.
pub fn named(name: &str) -> Result<&'static Case, String> {
    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    CASES.iter().find(|case| case.name == name).ok_or_else(|| format!("the cases are {}", names.join(", ")))
}
