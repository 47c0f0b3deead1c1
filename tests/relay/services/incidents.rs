//! Incidents pair up: what a failure opened, the next success of the same thing closes, over restarts and without a route.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Desk, Service, alertmanager, incident_io, jsm, pagerduty};
use crate::support::{PLANNING_FAILED, Relay, Request, update};

/// What a request does to an incident.
#[derive(Debug, PartialEq)]
enum Action {
    Opens(String),
    Closes(String),
}

/// By its service's own rules.
fn action(kind: &str, request: &Request) -> Action {
    let body = request.json();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned();
    let (opens, key) = match kind {
        "pagerduty" => (text("/event_action") == "trigger", text("/dedup_key")),
        "incident_io" => (text("/status") == "firing", text("/deduplication_key")),
        "jsm" => match request.target.strip_suffix("/close?identifierType=alias") {
            Some(alert) => (false, alert.rsplit('/').next().expect("an alias").to_owned()),
            None => (true, text("/alias")),
        },
        "alertmanager" => {
            let ends: jiff::Timestamp = text("/0/endsAt").parse().expect("a time");
            (ends > jiff::Timestamp::now(), body[0]["labels"].to_string())
        }
        other => panic!("{other} has no incidents"),
    };
    if opens { Action::Opens(key) } else { Action::Closes(key) }
}

const INCIDENTS: [Service; 4] = [pagerduty::SERVICE, jsm::SERVICE, incident_io::SERVICE, alertmanager::SERVICE];
static KINDS: [Service; INCIDENTS.len()] = INCIDENTS;

#[tokio::test]
async fn the_next_success_closes_what_a_failure_opened_over_a_restart() {
    let desks: Vec<Desk> = KINDS.iter().map(Desk::open).collect();
    let mut routes = String::from("receivers:\n");
    for (service, desk) in KINDS.iter().zip(&desks) {
        let settings = (service.settings)(desk.fake.url("").trim_end_matches('/'));
        let _ = writeln!(routes, "  {0}: {{ kind: {0}, {settings} }}", service.kind);
    }
    routes += "routes:\n  - name: failed\n    when: { outcome: failed }\n    to: [pagerduty, jsm, incident_io, alertmanager]\n";
    let mut relay = Relay::start(&routes).await;

    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    for desk in &desks {
        desk.fake.wait_for(1).await;
    }
    relay.restart().await;
    // Another thing's success closes nothing; the same thing's does, once.
    relay.accept(&update("job-2", "Orders", "")).await;
    relay.accept(&update("job-3", "Customers", "")).await;
    for desk in &desks {
        desk.fake.wait_for(2).await;
    }
    relay.accept(&update("job-4", "Customers", "")).await;
    relay.accept(&update("job-5", "Customers", PLANNING_FAILED)).await;

    for (service, desk) in KINDS.iter().zip(&desks) {
        desk.fake.wait_for(3).await;
        relay.drained(service.kind).await;
        let wrong = desk.wrong.lock().expect("not poisoned").clone();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", service.kind);
        let actions: Vec<Action> = desk.fake.requests().iter().map(|request| action(service.kind, request)).collect();
        let [Action::Opens(first), Action::Closes(second), Action::Opens(third)] = actions.as_slice() else {
            panic!("{}: {actions:#?}", service.kind);
        };
        assert!(first == second && second == third, "{}: {actions:#?}", service.kind);
    }
}
