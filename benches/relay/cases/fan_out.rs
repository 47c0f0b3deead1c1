//! One event, five receivers.

use std::fmt::Write as _;

use crate::bench::{Bench, Load, Messages, PRODUCTS};
use crate::figures::CPU_PER_MESSAGE;
use crate::report::Point;
use crate::requests::Requests;
use crate::subject::Setup;

pub const NAME: &str = "fan-out";
const EVENTS: usize = 10_000;
const RECEIVERS: u8 = 5;

pub fn run(bench: &mut Bench) {
    let urls: Vec<String> = (0..RECEIVERS).map(|n| format!("{}{n}", bench.sink.url())).collect();
    let mut routes = "receivers:\n".to_owned();
    for (n, url) in urls.iter().enumerate() {
        writeln!(routes, "  sink{n}: {{ kind: webhook, url: \"{url}\", concurrency: 128 }}")
            .expect("a String takes any text");
    }
    routes.push_str("routes:\n  - { name: all, when: { type: \"*\" }, to: [sink0, sink1, sink2, sink3, sink4] }\n");
    let setup = Setup { routes, floor: urls, of_ten: 10 };
    let mut requests = Requests::of_products(PRODUCTS);
    let point = Point::new(NAME, "1 event to 5 receivers, 128 connections");
    bench.alternate(bench.rounds, |bench, subject| {
        let messages = Messages { of_ten: 50 };
        let load = Load { connections: 128, events: EVENTS, messages, requests: &mut requests };
        let run = bench.fresh(subject, &setup, load);
        bench.add(&point, subject, &run);
        bench.report.add(&point, &CPU_PER_MESSAGE, subject.name(), run.cpu / f64::from(RECEIVERS));
    });
}
