//! Faults on the real binary: what is accepted reaches everyone it was decided for, whatever happens to the process, the disk, the
//! clock, the machine, the receivers and the senders.
//!
//! `cargo test --test faults -- --list` reads as the list of what was tried; with `--nocapture` each says what it came to. The kill
//! loop goes on longer with `JOBRELAY_FAULT_ROUNDS=300`.

#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;

/// Says so past the capture of what passing tests print: a fault that was not tried is not one that was stood.
fn not_tried(why: &str) {
    writeln!(std::io::stderr(), "NOT TRIED: {why}").expect("standard error is open");
}

mod account;
mod figures;

mod clock;
mod disk;
mod overload;
mod process;
mod receivers;
mod resources;
mod senders;
