//! How fast the relay is, and how little it needs, beside its floor: the same actix-web, `serde_json` and reqwest, receiving, parsing and
//! forwarding the same body, storing nothing and deciding nothing. Run alternately in one sitting; figures are medians.
//!
//! `cargo bench --bench relay -- [--case NAMES] [--rounds N] [--relay PROGRAM]… [--full] [--build] [--write]`
//!
//! Stores are made where the environment's `TMPDIR` says: that must be on a disk, not in memory.
//!
//! `cases` ask the questions. `subject` starts what is measured (`floor`, or the real binary), `generator` (as fast as it
//! goes) or `schedule` (at set times) posts `requests` to it, `sink` takes what comes out at the other end; `process` reads from Linux what
//! that cost. `report` makes a table of it, `data` a file, `plot` pictures.

mod arguments;
mod bench;
mod cases;
mod data;
#[path = "../support/events.rs"]
mod events;
mod figures;
mod floor;
mod generator;
#[path = "../support/history.rs"]
mod history;
mod http;
mod machine;
#[path = "../support/many_routes.rs"]
mod many_routes;
#[path = "../support/new_event.rs"]
mod new_event;
mod plot;
mod process;
mod query;
mod report;
mod requests;
mod schedule;
mod sink;
mod statistics;
mod stores;
mod subject;
#[path = "../support/team.rs"]
mod team;

use std::path::Path;

use clap::Parser as _;

use arguments::Arguments;
use bench::Bench;
use cases::CASES;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let [_, flag, of_ten, urls @ ..] = words.as_slice()
        && flag == "--floor"
    {
        floor::run(of_ten.parse().expect("a number"), urls);
        return;
    }
    let arguments = Arguments::parse();
    let mut bench = Bench::new(&arguments);
    let chosen = if arguments.cases.is_empty() { CASES.iter().collect() } else { arguments.cases };
    for case in chosen {
        eprintln!("{}: {}", case.name, case.asks);
        (case.run)(&mut bench);
        println!("\n{}", bench.report.table(case.name));
    }
    if arguments.write {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
        data::write(&bench.report, &dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    }
}
