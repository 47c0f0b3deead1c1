//! What a team's relay sees: twenty routes, five receivers with a message of their own; seven of ten events concern nobody, two go to one
//! receiver, one is a failure that goes to three.

use crate::bench::{Bench, Load, Messages};
use crate::events::job;
use crate::figures::CPU_PER_MESSAGE;
use crate::report::Point;
use crate::requests::Requests;
use crate::subject::Setup;
use crate::team;

pub const NAME: &str = "mix";
const EVENTS: usize = 40_000;
/// Of ten events.
const MESSAGES: u8 = 5;

pub fn run(bench: &mut Bench) {
    let url = bench.sink.url();
    let settings = |name: &str| {
        format!(
            "kind: webhook, url: \"{url}{name}\", concurrency: 128, message: short, body: {{ text: \"{{{{ message.title }}}}\", id: \"{{{{ raw.id }}}}\" }}"
        )
    };
    let routes = team::routes(settings, false);
    let setup = Setup { routes, floor: vec![url.clone()], of_ten: MESSAGES.into() };
    let mut requests = Requests::new((0..500).map(body));
    let point = Point::new(NAME, "20 routes, 5 receivers, 70 % unmatched, 128 connections");
    bench.alternate(bench.rounds, |bench, subject| {
        let messages = Messages { of_ten: MESSAGES.into() };
        let load = Load { connections: 128, events: EVENTS, messages, requests: &mut requests };
        let run = bench.fresh(subject, &setup, load);
        bench.add(&point, subject, &run);
        bench.report.add(&point, &CPU_PER_MESSAGE, subject.name(), run.cpu * 10.0 / f64::from(MESSAGES));
    });
}

fn body(n: usize) -> String {
    match n % 10 {
        // A product with two digits would match the routes of both.
        0 | 5 => job(&format!("Customers {}", 2 + n / 10 % 8), n, false),
        7 => job(&format!("Customers {}", 2 + n / 10 % 8), n, true),
        _ => job(&format!("Orders {n}"), n, false),
    }
}
