//! From the moment an event should be sent until its message arrives, under an even load.

use crate::bench::{Bench, Load, Messages, PRODUCTS};
use crate::cases::sustained;
use crate::figures::{CPU_PER_EVENT, LATE, P50, P99, P999, RATE};
use crate::report::{Budget, Point};
use crate::requests::Requests;
use crate::schedule::{self, Schedule};
use crate::statistics::{float, of_thousand};
use crate::subject::{Running, Setup, Subject};

pub const NAME: &str = "latency";

pub fn run(bench: &mut Bench) {
    let setup = Setup::one(&bench.sink.url());
    let thousand = Point::new(NAME, "1,000/s");
    bench.report.budget(&thousand, &P50, Budget::Itself(2.0));
    bench.report.budget(&thousand, &P99, Budget::Itself(5.0));
    bench.alternate_relays(bench.rounds.min(3), |bench, subject| {
        let running = subject.start(&setup);
        measure(bench, &running, subject, &Point::new(NAME, "10/s"), 10.0, 40);
    });
    bench.alternate(bench.rounds, |bench, subject| {
        let running = subject.start(&setup);
        measure(bench, &running, subject, &thousand, 1_000.0, 5_000);
    });
    let half = Point::new(NAME, "half of the maximum");
    bench.alternate(bench.rounds, |bench, subject| {
        let running = subject.start(&setup);
        let most = maximum(bench, &running, subject);
        bench.report.add(&half, &RATE, subject.name(), most / 2.0);
        measure(bench, &running, subject, &half, most / 2.0, 20_000);
    });
}

/// Runs an even load for a second to warm up and then for `events`, and adds what it took.
pub fn measure(bench: &mut Bench, running: &Running, subject: &Subject, point: &Point, rate: f64, events: usize) {
    let mut requests = Requests::of_products(PRODUCTS);
    let mut go = |events| {
        let schedule = Schedule { rate, events, requests: &mut requests };
        schedule::run(running.address, &bench.sink, schedule, |_| true)
    };
    go((events / 10).clamp(1, 1_000));
    let cpu = running.figures.cpu();
    let found = go(events);
    let cpu = running.figures.cpu().since(&cpu) * 1e6 / float(events);
    let name = subject.name();
    bench.report.add(point, &P50, name, of_thousand(&found.end_to_end, 500));
    bench.report.add(point, &P99, name, of_thousand(&found.end_to_end, 990));
    if events >= 1_000 {
        bench.report.add(point, &P999, name, of_thousand(&found.end_to_end, 999));
    }
    bench.report.add(point, &CPU_PER_EVENT, name, cpu);
    bench.report.add(point, &LATE, name, of_thousand(&found.sending, 990));
}

/// The most events a second it delivers: as measured in this sitting, or now.
pub fn maximum(bench: &Bench, running: &Running, subject: &Subject) -> f64 {
    bench.report.median(&sustained::point(128), &RATE, subject.name()).unwrap_or_else(|| {
        let mut requests = Requests::of_products(PRODUCTS);
        let load = Load { connections: 128, events: 10_000, messages: Messages::ONE, requests: &mut requests };
        bench.drive(running, load).rate
    })
}
