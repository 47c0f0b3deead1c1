//! What more routes cost: each has a data product of its own, and the last takes all, so that every event is sent once.

use crate::bench::{Bench, Load, Messages, PRODUCTS};
use crate::figures::{CPU_PER_EVENT, RELATIVE_CPU};
use crate::many_routes;
use crate::report::{Budget, Point};
use crate::requests::Requests;
use crate::statistics::float;
use crate::subject::Setup;

pub const NAME: &str = "routes";
const EVENTS: usize = 20_000;

pub fn run(bench: &mut Bench) {
    let url = bench.sink.url();
    let counts = [10, 1_000, 10_000];
    let points = counts.map(|count| Point::at(NAME, format!("{count} routes"), float(count)));
    bench.report.budget(&points[2], &RELATIVE_CPU, Budget::Itself(1.2));
    let mut requests = Requests::of_products(PRODUCTS);
    bench.alternate_relays(bench.rounds, |bench, subject| {
        for (count, point) in counts.into_iter().zip(&points) {
            let setup = Setup { routes: many_routes::routes(&url, count), ..Setup::one(&url) };
            let load = Load { connections: 128, events: EVENTS, messages: Messages::ONE, requests: &mut requests };
            let run = bench.fresh(subject, &setup, load);
            bench.add(point, subject, &run);
            if let Some(first) = bench.report.last(&points[0], &CPU_PER_EVENT, subject.name()) {
                bench.report.add(point, &RELATIVE_CPU, subject.name(), run.cpu / first);
            }
        }
    });
}
