//! Generator against sink with nothing between: how much faster they are than what they measure, and what they take of the cores.

use std::time::Duration;

use crate::bench::{Bench, PRODUCTS};
use crate::figures::{HARNESS, RATE};
use crate::generator;
use crate::report::Point;
use crate::requests::Requests;
use crate::statistics::float;
use crate::subject::Subject;

pub const NAME: &str = "harness";
const EVENTS: usize = 100_000;

pub fn run(bench: &mut Bench) {
    let mut requests = Requests::of_products(PRODUCTS);
    let point = Point::new(NAME, "generator to sink, 128 connections");
    for _ in 0..bench.rounds {
        let (count, cpu) = (bench.sink.count(), bench.sink.cpu());
        let posted = generator::closed(bench.sink.address, 128, EVENTS, &mut requests);
        let took = posted.begun.elapsed();
        assert_eq!(bench.sink.count(), count + EVENTS, "what was answered was counted");
        assert!(took > Duration::ZERO);
        let cpu = (posted.cpu + bench.sink.cpu() - cpu) * 1e6 / float(EVENTS);
        // In the floor's column: nothing can be faster.
        let name = Subject::Floor.name().to_owned();
        bench.report.add(&point, &RATE, &name, float(EVENTS) / took.as_secs_f64());
        bench.report.add(&point, &HARNESS, &name, cpu);
    }
}
