//! Sustained durable delivery: one route to one webhook, many keys, as fast as it goes.

use crate::bench::{Bench, Load, Messages, PRODUCTS};
use crate::figures::{CPU_PER_EVENT, RATE};
use crate::report::{Budget, Point};
use crate::requests::Requests;
use crate::subject::Setup;

pub const NAME: &str = "sustained";
const EVENTS: usize = 40_000;

pub fn run(bench: &mut Bench) {
    let setup = Setup::one(&bench.sink.url());
    let mut requests = Requests::of_products(PRODUCTS);
    bench.report.budget(&point(128), &RATE, Budget::ToFloor(0.8));
    bench.report.budget(&point(128), &CPU_PER_EVENT, Budget::ToFloor(1.4));
    for connections in [128, 32] {
        bench.alternate(bench.rounds, |bench, subject| {
            let load = Load { connections, events: EVENTS, messages: Messages::ONE, requests: &mut requests };
            let run = bench.fresh(subject, &setup, load);
            bench.add(&point(connections), subject, &run);
        });
    }
}

/// Where its figures are.
pub fn point(connections: usize) -> Point {
    Point::new(NAME, format!("{connections} connections"))
}
