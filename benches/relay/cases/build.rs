//! How large the program is; with `--build` how long it takes to build from nothing, and of how many crates.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::bench::Bench;
use crate::figures::{BUILD, CRATES, PROGRAM};
use crate::report::Point;
use crate::statistics::float;
use crate::subject::Subject;

pub const NAME: &str = "build";

pub fn run(bench: &mut Bench) {
    let point = Point::new(NAME, "release");
    for subject in bench.subjects.clone() {
        if let Subject::Relay { name, program } = &subject {
            let bytes = std::fs::metadata(program).expect("it is there").len();
            let kibibytes = u32::try_from(bytes / 1_024).expect("a program of less than 4 TiB");
            bench.report.add(&point, &PROGRAM, name, f64::from(kibibytes) / 1_024.0);
        }
    }
    let Some(name) = bench.report.subjects.get(1).cloned().filter(|_| bench.build) else { return };
    bench.report.add(&point, &CRATES, &name, float(crates()));
    let dir = tempfile::tempdir().expect("a directory");
    let begun = Instant::now();
    let mut cargo = cargo();
    let built = cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(dir.path()).status();
    assert!(built.is_ok_and(|status| status.success()), "it cannot be built");
    bench.report.add(&point, &BUILD, &name, begun.elapsed().as_secs_f64());
}

fn crates() -> usize {
    let tree = cargo().args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none"]).output();
    let text = String::from_utf8(tree.expect("cargo runs").stdout).expect("UTF-8");
    let names: BTreeSet<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    names.len() - 1
}

fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}
