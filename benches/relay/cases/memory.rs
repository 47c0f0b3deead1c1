//! Memory: idle, under load, with deliveries owed to a receiver that is dead, after a long history.

use std::thread::sleep;
use std::time::Duration;

use crate::bench::{Bench, Load, Messages, PRODUCTS};
use crate::figures::{MEMORY, PEAK};
use crate::generator;
use crate::report::{Budget, Point};
use crate::requests::Requests;
use crate::statistics::float;
use crate::stores::Kept;
use crate::subject::{Running, Setup, Subject};

pub const NAME: &str = "memory";
/// Until what a start or a load has begun is done.
const SETTLED: Duration = Duration::from_secs(2);

pub fn run(bench: &mut Bench) {
    let url = bench.sink.url();
    let rounds = bench.rounds.min(2);
    let idle = Point::new(NAME, "idle");
    let loaded = Point::new(NAME, "under load, 128 connections");
    bench.report.budget(&idle, &MEMORY, Budget::Itself(20.0));
    bench.report.budget(&loaded, &PEAK, Budget::Itself(48.0));
    let mut requests = Requests::of_products(PRODUCTS);
    bench.alternate(rounds, |bench, subject| {
        let running = subject.start(&Setup::one(&url));
        sleep(SETTLED);
        add(bench, &idle, subject, &running);
        let load = Load { connections: 128, events: 60_000, messages: Messages::ONE, requests: &mut requests };
        bench.drive(&running, load);
        add(bench, &loaded, subject, &running);
    });
    let most = if bench.full { 1_000_000 } else { 100_000 };
    for owed in [10_000, 30_000, 100_000, 300_000, 1_000_000].into_iter().filter(|&owed| owed <= most) {
        with_owed(bench, owed);
    }
    if bench.full {
        after(bench, 10_000_000);
    }
}

/// Nobody listens there.
pub const DEAD: &str = "http://127.0.0.1:9/";

/// Taken in while the receiver is dead; and found at a start.
fn with_owed(bench: &mut Bench, owed: usize) {
    let setup = Setup::one(DEAD);
    let taken_in = Point::at(NAME, format!("{owed} owed to a dead receiver"), float(owed));
    let found = Point::new(NAME, format!("started with {owed} owed"));
    if owed == 1_000_000 {
        bench.report.budget(&taken_in, &PEAK, Budget::Itself(64.0));
        bench.report.budget(&found, &PEAK, Budget::Itself(64.0));
    }
    let mut requests = Requests::of_products(PRODUCTS);
    bench.alternate_relays(1, |bench, subject| {
        let dir = tempfile::tempdir().expect("a directory");
        let running = subject.start_in(dir.path(), &setup);
        generator::closed(running.address, 128, owed, &mut requests);
        sleep(SETTLED);
        add(bench, &taken_in, subject, &running);
        drop(running);
        let running = subject.start_in(dir.path(), &setup);
        sleep(SETTLED);
        add(bench, &found, subject, &running);
    });
}

fn after(bench: &mut Bench, events: usize) {
    let point = Point::new(NAME, format!("after {events} events, under load"));
    let setup = Setup::one(&bench.sink.url());
    let kept = Kept::of(bench, events);
    let mut requests = Requests::of_products(PRODUCTS);
    bench.alternate_relays(1, |bench, subject| {
        let running = subject.start_in(kept.path(), &setup);
        let load = Load { connections: 128, events: 60_000, messages: Messages::ONE, requests: &mut requests };
        bench.drive(&running, load);
        add(bench, &point, subject, &running);
    });
}

fn add(bench: &mut Bench, point: &Point, subject: &Subject, running: &Running) {
    bench.report.add(point, &MEMORY, subject.name(), running.figures.memory());
    bench.report.add(point, &PEAK, subject.name(), running.figures.peak());
}
