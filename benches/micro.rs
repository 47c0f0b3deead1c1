//! What each room of the corridor costs by itself.
//!
//! `cargo bench --bench micro -- [NAME]`

#[path = "support/events.rs"]
mod events;
#[path = "support/many_routes.rs"]
mod many_routes;
#[path = "support/new_event.rs"]
mod new_event;

use std::cell::Cell;
use std::sync::Arc;

use divan::{Bencher, black_box};
use jiff::Timestamp;
use jobrelay::config::{self, Config};
use jobrelay::delivery::{Subject, prepare};
use jobrelay::event::{DeliveryId, Event, Form, Received, parse};
use jobrelay::routing::decide;
use jobrelay::store::{SqliteStore, Store};

/// Events in a usual commit under load.
const BATCH: usize = 64;
const URL: &str = "http://127.0.0.1:9/";

fn main() {
    divan::main();
}

/// Bytes to an event.
#[divan::bench(name = "parse")]
fn parsing(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| received(1)).bench_values(|received| parse(received).expect("readable"));
}

/// An event through so many routes.
#[divan::bench(name = "decide", args = [10, 1_000, 10_000])]
fn deciding(bencher: Bencher<'_, '_>, routes: usize) {
    let (config, event) = (config(&many_routes::routes(URL, routes)), event(1));
    bencher.bench_local(|| decide(black_box(&config.routes), black_box(&event)));
}

/// A file with so many routes, read and judged as at a reload.
#[divan::bench(name = "load", args = [10, 1_000, 10_000], sample_count = 10, sample_size = 1)]
fn loading(bencher: Bencher<'_, '_>, routes: usize) {
    let text = many_routes::routes(URL, routes);
    bencher.bench_local(|| config(black_box(&text)));
}

/// An event to the request that a receiver gets: its message, in its service's form, signed where it is.
#[divan::bench(name = "render", args = [
    "kind: webhook, url: \"https://example.com/\"",
    "kind: webhook, url: \"https://example.com/\", sign: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "kind: slack, url: \"https://hooks.slack.com/services/T/B/x\"",
    "kind: pagerduty, routing_key: 0123456789abcdef0123456789abcdef",
])]
fn rendering(bencher: Bencher<'_, '_>, settings: &str) {
    let config = config(&format!(
        "receivers:\n  one: {{ {settings} }}\nroutes:\n  - {{ name: all, when: {{ type: \"*\" }}, to: one }}\n"
    ));
    let receiver = &config.receivers["one"];
    let subject =
        Subject { id: DeliveryId(1), event: Arc::new(event(1)), route: "all".into(), closes: None, earlier: None };
    let now = Timestamp::now();
    bencher.bench_local(|| {
        prepare(&config, receiver, None, black_box(&subject), None, now, false).expect("there is something to send")
    });
}

/// A batch of events into the store, durable, on a real file.
#[divan::bench(name = "accept 64 events", sample_count = 200, sample_size = 1)]
fn accepting(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&dir.path().join("jobrelay.db"), Arc::new(|_| {})).expect("a store");
    let config = config(&many_routes::routes(URL, 1));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let next = Cell::new(0);
    let batch = || {
        let first = next.replace(next.get() + BATCH);
        (first..first + BATCH).map(|n| new_event::new(&config, body(n), Timestamp::now())).collect::<Vec<_>>()
    };
    bencher
        .counter(divan::counter::ItemsCount::new(BATCH))
        .with_inputs(batch)
        .bench_local_values(|batch| runtime.block_on(store.accept(batch)).expect("accepted"));
    runtime.block_on(store.close());
}

fn config(routes: &str) -> Config {
    let (config, problems) = config::load_without_secrets(routes);
    config.unwrap_or_else(|| panic!("{problems:?}"))
}

fn event(n: usize) -> Event {
    parse(received(n)).expect("readable")
}

fn received(n: usize) -> Received {
    let form = Form { content_type: "application/cloudevents+json".to_owned(), attributes: Vec::new() };
    Received { form, body: body(n).into(), received_at: Timestamp::now() }
}

fn body(n: usize) -> String {
    let product = n % 500;
    events::numbered(&events::job(&format!("Customers {product}"), product, true), n)
}
