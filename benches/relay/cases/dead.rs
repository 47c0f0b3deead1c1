//! 500 receivers, of which one in ten is dead: half of those refuse connections, half never answer. The others must not notice.

use std::fmt::Write as _;
use std::net::TcpListener;

use crate::bench::{Bench, PRODUCTS};
use crate::cases::memory::DEAD;
use crate::figures::{P50, P99, RELATIVE_P99};
use crate::report::{Budget, Point};
use crate::requests::Requests;
use crate::schedule::{self, Schedule};
use crate::statistics::of_thousand;
use crate::subject::Setup;

pub const NAME: &str = "dead";
const RATE: f64 = 1_000.0;
const EVENTS: usize = 8_000;
const WARM_UP: usize = 3_000;

pub fn run(bench: &mut Bench) {
    // Connections wait in its backlog for good.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = (format!("http://{}/", silent.local_addr().expect("bound")), silent).0;
    let url = bench.sink.url();
    let none = Point::new(NAME, "500 receivers, none dead, 1,000/s");
    let some = Point::new(NAME, "500 receivers, 50 dead, 1,000/s: the others");
    bench.report.budget(&some, &RELATIVE_P99, Budget::Itself(1.1));
    let mut requests = Requests::of_products(PRODUCTS);
    bench.alternate_relays(bench.rounds.min(3), |bench, subject| {
        for (point, dead) in [(&none, 0), (&some, 50)] {
            let address = |n: usize| match n {
                n if n < dead / 2 => DEAD.to_owned(),
                n if n < dead => silent.clone(),
                _ => format!("{url}{n}"),
            };
            let setup = Setup { routes: routes(PRODUCTS, address), ..Setup::one(&url) };
            let running = subject.start(&setup);
            let mut go = |events| {
                let schedule = Schedule { rate: RATE, events, requests: &mut requests };
                schedule::run(running.address, &bench.sink, schedule, |number| number % PRODUCTS >= dead)
            };
            go(WARM_UP);
            let found = go(EVENTS).end_to_end;
            let p99 = of_thousand(&found, 990);
            bench.report.add(point, &P50, subject.name(), of_thousand(&found, 500));
            bench.report.add(point, &P99, subject.name(), p99);
            if dead > 0
                && let Some(first) = bench.report.last(&none, &P99, subject.name())
            {
                bench.report.add(point, &RELATIVE_P99, subject.name(), p99 / first);
            }
        }
    });
}

/// The data products shared out among so many receivers.
pub fn routes(receivers: usize, address: impl Fn(usize) -> String) -> String {
    // All together as many as one of many keys has elsewhere.
    let concurrency = (128 / receivers).max(4);
    let (mut text, mut routes) = ("receivers:\n".to_owned(), "routes:\n".to_owned());
    for n in 0..receivers {
        writeln!(text, "  sink{n}: {{ kind: webhook, url: \"{}\", concurrency: {concurrency} }}", address(n))
            .expect("a String takes any text");
    }
    for n in 0..PRODUCTS {
        let to = n % receivers;
        writeln!(routes, "  - {{ name: product {n}, when: {{ data_product: \"Customers {n}\" }}, to: sink{to} }}")
            .expect("a String takes any text");
    }
    text + &routes
}
