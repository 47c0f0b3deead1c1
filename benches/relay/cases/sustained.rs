//! Sustained durable delivery: one route to one webhook, many keys, as fast as it goes.

use crate::bench::{Bench, Load, Messages};
use crate::events::Requests;
use crate::figures::{CPU_PER_EVENT, HARNESS, RATE};
use crate::report::{Budget, Point};
use crate::subject::Setup;

pub const NAME: &str = "sustained";
const EVENTS: usize = 40_000;
const PRODUCTS: usize = 500;

pub fn run(bench: &mut Bench) {
    let setup = Setup::one(&bench.sink.url());
    let mut requests = Requests::of_products(PRODUCTS);
    let points = [128, 32].map(|connections| (connections, Point::new(NAME, format!("{connections} connections"))));
    bench.report.budget(&points[0].1, &RATE, Budget::ToFloor(0.8));
    bench.report.budget(&points[0].1, &CPU_PER_EVENT, Budget::ToFloor(1.4));
    for (connections, point) in points {
        bench.alternate(bench.rounds, |bench, subject| {
            let load = Load { connections, events: EVENTS, messages: Messages::ONE, requests: &mut requests };
            let run = bench.fresh(subject, &setup, load);
            bench.report.add(&point, &RATE, subject.name(), run.rate);
            bench.report.add(&point, &CPU_PER_EVENT, subject.name(), run.cpu);
            bench.report.add(&point, &HARNESS, subject.name(), run.harness);
        });
    }
}
