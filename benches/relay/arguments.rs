//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::cases;

/// How fast the relay is, and how little it needs, beside its floor: the same actix-web, `serde_json` and reqwest, receiving, parsing and
/// forwarding the same body, storing nothing and deciding nothing.
#[derive(Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Arguments {
    /// Only these cases
    #[arg(long = "case", value_name = "NAMES", value_delimiter = ',', value_parser = cases::named)]
    pub cases: Vec<&'static cases::Case>,

    /// How often everything is measured, floor and relay in turn
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,

    /// A relay to measure in place of the built one; given twice, both are measured in turn
    #[arg(long = "relay", value_name = "PROGRAM")]
    pub relays: Vec<PathBuf>,

    /// Also the long histories: a million owed, ten million events
    #[arg(long)]
    pub full: bool,

    /// Also build the relay from nothing, and say how long that takes (case `build`)
    #[arg(long)]
    pub build: bool,

    /// Write what was measured to docs/benchmarks
    #[arg(long)]
    pub write: bool,

    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}
