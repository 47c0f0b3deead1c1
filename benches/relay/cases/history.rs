//! Whether a long history slows anything down: intake and delivery, and the queries people make.

use crate::bench::{Bench, Load, Messages, PRODUCTS};
use crate::events::ID;
use crate::figures::{QUERY, RATE, RELATIVE_RATE};
use crate::query;
use crate::report::{Budget, Point};
use crate::requests::Requests;
use crate::statistics::{float, of_thousand};
use crate::stores::{FIRST, Kept};
use crate::subject::{Running, Setup, Subject};

pub const NAME: &str = "history";
const EVENTS: usize = 20_000;
/// Of each query.
const TIMES: usize = 11;

pub fn run(bench: &mut Bench) {
    let setup = Setup::one(&bench.sink.url());
    let most = if bench.full { 10_000_000 } else { 100_000 };
    let lengths: Vec<usize> =
        [0, 10_000, 100_000, 1_000_000, 10_000_000].into_iter().filter(|&length| length <= most).collect();
    let histories: Vec<_> = lengths
        .into_iter()
        .map(|length| {
            (length, Point::at(NAME, format!("{length} events before"), float(length)), Kept::of(bench, length))
        })
        .collect();
    let empty = histories[0].1.clone();
    let longest = histories.last().expect("there are some").1.clone();
    bench.report.budget(&longest, &RELATIVE_RATE, Budget::Itself(0.95));
    let mut requests = Requests::of_products(PRODUCTS);
    bench.alternate_relays(bench.rounds.min(3), |bench, subject| {
        for (length, point, kept) in &histories {
            let kept = kept.for_a_run();
            let running = subject.start_in(kept.path(), &setup);
            let load = Load { connections: 128, events: EVENTS, messages: Messages::ONE, requests: &mut requests };
            let run = bench.drive(&running, load);
            bench.add(point, subject, &run);
            if let Some(first) = bench.report.last(&empty, &RATE, subject.name()) {
                bench.report.add(point, &RELATIVE_RATE, subject.name(), run.rate / first);
            }
            queries(bench, &running, subject, *length);
        }
    });
}

fn queries(bench: &mut Bench, running: &Running, subject: &Subject, length: usize) {
    let middle = FIRST + length / 2;
    let all = [
        ("the newest events", "/api/v1/events?limit=50".to_owned(), 50),
        ("events of a data product", "/api/v1/events?limit=50&data_product=Customers%207".to_owned(), 1),
        (
            "the event with an ID of its sender",
            format!("/api/v1/events?sender_id={ID}{middle:012}"),
            usize::from(length > 0),
        ),
        ("the newest deliveries", "/api/v1/deliveries?limit=50".to_owned(), 50),
        ("deliveries of a receiver", "/api/v1/deliveries?limit=50&receiver=sink&state=delivered".to_owned(), 50),
        ("dead deliveries, where there are none", "/api/v1/deliveries?limit=50&state=dead".to_owned(), 0),
    ];
    for (what, path, at_least) in all {
        let point = Point::new(NAME, format!("{what}, {length} events before"));
        let mut took: Vec<f64> = (0..TIMES)
            .map(|_| {
                let answer = query::get(running.address, &path).unwrap_or_else(|| panic!("{path}: no 200"));
                let items =
                    answer.text.matches("\"receivedAt\"").count() + answer.text.matches("\"received_at\"").count();
                let items = items.max(answer.text.matches("\"attempts\"").count());
                assert!(items >= at_least, "{path}: {items} found: {}", answer.text);
                answer.took
            })
            .collect();
        took.sort_by(f64::total_cmp);
        bench.report.add(&point, &QUERY, subject.name(), of_thousand(&took, 500));
    }
}
