//! What is written to disk for an event, once the log is in the file, and how large the program is.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Load, Messages, PRODUCTS};
use crate::figures::WRITTEN;
use crate::report::{Budget, Point};
use crate::requests::Requests;
use crate::statistics::float;
use crate::subject::{Running, Setup};

pub const NAME: &str = "disk";
const EVENTS: usize = 60_000;

pub fn run(bench: &mut Bench) {
    let setup = Setup::one(&bench.sink.url());
    let point = Point::new(NAME, "events of 700 bytes at the maximum, 128 connections");
    bench.report.budget(&point, &WRITTEN, Budget::Itself(3_000.0));
    let mut requests = Requests::of_products(PRODUCTS);
    bench.alternate_relays(bench.rounds.min(3), |bench, subject| {
        let running = subject.start(&setup);
        let before = settled(&running);
        let load = Load { connections: 128, events: EVENTS, messages: Messages::ONE, requests: &mut requests };
        bench.drive(&running, load);
        // With those that warmed it up.
        let events = EVENTS + EVENTS / 10;
        bench.report.add(&point, &WRITTEN, subject.name(), (settled(&running) - before) / float(events));
    });
}

/// Bytes written, once nothing has been for longer than the store lets its log wait.
fn settled(running: &Running) -> f64 {
    let (mut written, mut since) = (running.figures.written(), Instant::now());
    let begun = since;
    while since.elapsed() < Duration::from_millis(3_500) && begun.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(100));
        let now = running.figures.written();
        if now > written {
            (written, since) = (now, Instant::now());
        }
    }
    written
}
