//! How fast the relay is, and how little it needs, beside its floor: the same actix-web, `serde_json` and reqwest, receiving, parsing and
//! forwarding the same body, storing nothing and deciding nothing. Run alternately in one sitting; figures are medians.
//!
//! `cargo bench --bench relay -- [--case NAMES] [--rounds N] [--relay PROGRAM]… [--full] [--write]`
//!
//! `cases` ask the questions. `subject` starts what is measured (`floor`, or the real binary), `generator` posts `events` to it, `sink`
//! takes what comes out at the other end; `process` reads what that cost from Linux. `report` makes a table of it.

mod arguments;
mod bench;
mod cases;
mod events;
mod figures;
mod floor;
mod generator;
mod http;
mod process;
mod report;
mod sink;
mod statistics;
mod subject;

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
        println!("{}", bench.report.table(case.name));
    }
}
