//! How cost grows: with the rate, and with the number of receivers. (With history, routes and what is owed: the cases of that name.)

use crate::bench::{Bench, Load, Messages, PRODUCTS};
use crate::cases::{dead, latency};
use crate::figures::{CPU_PER_EVENT, RATE};
use crate::report::Point;
use crate::requests::Requests;
use crate::statistics::float;
use crate::subject::Setup;

pub const BY_RATE: &str = "rate";
pub const BY_RECEIVERS: &str = "receivers";

/// From a trickle to all it takes.
pub fn by_rate(bench: &mut Bench) {
    let setup = Setup::one(&bench.sink.url());
    let seconds = if bench.full { 10 } else { 3 };
    let rounds = if bench.full { bench.rounds } else { 1 };
    bench.alternate(rounds, |bench, subject| {
        let running = subject.start(&setup);
        let most = latency::maximum(bench, &running, subject);
        for rate in [1_u32, 10, 100, 1_000, 3_000, 6_000, 10_000, 15_000] {
            if f64::from(rate) > most * 0.9 {
                break;
            }
            let events = (usize::try_from(rate).expect("small") * seconds).max(5);
            let point = Point::at(BY_RATE, format!("{rate}/s"), rate.into());
            latency::measure(bench, &running, subject, &point, rate.into(), events);
        }
    });
}

/// The same events, spread over more and more receivers.
pub fn by_receivers(bench: &mut Bench) {
    let url = bench.sink.url();
    bench.alternate_relays(bench.rounds.min(3), |bench, subject| {
        for count in [1, 10, 100, 500] {
            let address = |n: usize| format!("{url}{n}");
            let setup = Setup { routes: dead::routes(count, address), ..Setup::one(&url) };
            let mut requests = Requests::of_products(PRODUCTS);
            let load = Load { connections: 128, events: 20_000, messages: Messages::ONE, requests: &mut requests };
            let run = bench.fresh(subject, &setup, load);
            let point = Point::at(BY_RECEIVERS, format!("{count} receivers"), float(count));
            bench.report.add(&point, &CPU_PER_EVENT, subject.name(), run.cpu);
            bench.report.add(&point, &RATE, subject.name(), run.rate);
        }
    });
}
