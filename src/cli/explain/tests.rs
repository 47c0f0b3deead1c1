//! What people read, for made-up events and files.

use jiff::Timestamp;

use super::local::Local;
use super::{Wanted, answer, report};
use crate::cli::advice::tests::delivery;
use crate::cli::lanes::tests::in_lane;
use crate::cli::look::Look;
use crate::delivery::Health;
use crate::event::{DeliveryId, EventId, JobType, Outcome, Resource, Sample};
use crate::server::types::{Explained, Ruling};
use crate::store::{Delivery, DeliveryState};

const LOOK: Look = Look { color: false, width: 80 };

const ROUTES: &str = "
receivers:
  data-ops: { kind: inbox }
  nights: { kind: inbox }
  log: { kind: console }
  lone: { kind: console }
routes:
  - name: failed customers
    when: { outcome: failed, data_product: Customers, not: { reason: [PLANNING_FAILED, OUT_OF_MEMORY] } }
    to: data-ops
  - name: nights
    when: { outcome: failed, any: [{ time: 'Mon-Fri 18:00-24:00', type: load_source }, { tenant: acme }] }
    to: [nights, data-ops]
  - name: loads
    when: { type: load_source, state: DONE }
    to: log
  - name: quiet
    when: { type: publish_destination }
    to: []
    stop: true
  - name: rest
    otherwise: true
    to: log
  - name: published
    when: { destination: Warehouse }
    to: lone
";

fn at() -> Timestamp {
    "2026-01-30T09:05:00Z".parse().unwrap()
}

fn explained(routes: &str, sample: &Sample, receiver: Option<&str>) -> Explained {
    let local = Local::of_text("routes.yaml".to_owned(), routes).unwrap();
    let mut explained = local.explain(sample.read(at(), 7).unwrap(), &Wanted { receiver, message: false }).unwrap();
    explained.file.version = "0123456789ab".into();
    explained
}

fn failed(data_product: &str) -> Sample {
    Sample { data_product: Some(Resource::named(data_product)), ..Sample::default() }
}

fn text(sample: &Sample) -> String {
    report::text(&explained(ROUTES, sample, None), &[], &Wanted { receiver: None, message: false }, false, LOOK)
}

fn said(sample: &Sample, receiver: &str) -> String {
    answer::text(&explained(ROUTES, sample, Some(receiver)), receiver)
}

#[test]
fn every_route_top_to_bottom() {
    insta::assert_snapshot!(text(&failed("Customers")), @r#"
    update_data_product Customers failed: PLANNING_FAILED
    as if received 2026-01-30 09:05:00Z; read by routes.yaml, version 0123456789ab

    ✗ failed customers → data-ops
        ✓ outcome       failed
        ✓ data_product  Customers (customers)
        ✗ not           must not hold, but does:
            ✓ reason  wanted [PLANNING_FAILED, OUT_OF_MEMORY], saw PLANNING_FAILED
    ✗ nights: none of [{ time: Mon-Fri 18:00-24:00, type: load_source }, { tenant:
        acme }] holds
    ✗ loads: type is update_data_product, wanted load_source
    ✗ quiet: type is update_data_product, wanted publish_destination
    ✓ rest → log
        otherwise: it is for every event that no route above takes
    ✗ published: the event has no destination, wanted Warehouse

    Goes to 1 receiver:
      log, by route "rest"

    --all shows every condition of every route, --message what is said.
    "#);
}

#[test]
fn what_is_below_a_stop_is_not_read() {
    let published = Sample { job_type: Some(JobType::PublishDestination), ..Sample::default() };
    insta::assert_snapshot!(text(&published), @r#"
    publish_destination Warehouse failed: PLANNING_FAILED
    as if received 2026-01-30 09:05:00Z; read by routes.yaml, version 0123456789ab

    ✗ failed customers: the event has no data_product, wanted Customers
    ✗ nights → nights, data-ops
        ✓ outcome  failed
        ✗ any      none of these holds:
            ✗ all of:
                ✗ time  wanted Mon-Fri 18:00-24:00, saw Fri 09:05 UTC
                ✗ type  wanted load_source, saw publish_destination
            ✗ tenant  wanted acme, saw sample.tamr.cloud
    ✗ loads → log
        ✗ type   wanted load_source, saw publish_destination
        ✓ state  DONE
    ✓ quiet → nobody
        ✓ type  publish_destination
        stop: the routes below are not read
    – 2 routes not read, since "quiet" stops the reading: "rest", "published"

    Nobody is told: the routes that matched say so.

    --all shows every condition of every route, --message what is said.
    "#);
}

#[test]
fn every_condition_if_wanted() {
    let event = explained(ROUTES, &failed("Orders"), None);
    insta::assert_snapshot!(report::text(&event, &[], &Wanted { receiver: None, message: false }, true, LOOK), @r#"
    update_data_product Orders failed: PLANNING_FAILED
    as if received 2026-01-30 09:05:00Z; read by routes.yaml, version 0123456789ab

    ✗ failed customers → data-ops
        ✓ outcome       failed
        ✗ data_product  wanted Customers, saw Orders (orders)
        ✗ not           must not hold, but does:
            ✓ reason  wanted [PLANNING_FAILED, OUT_OF_MEMORY], saw PLANNING_FAILED
    ✗ nights → nights, data-ops
        ✓ outcome  failed
        ✗ any      none of these holds:
            ✗ all of:
                ✗ time  wanted Mon-Fri 18:00-24:00, saw Fri 09:05 UTC
                ✗ type  wanted load_source, saw update_data_product
            ✗ tenant  wanted acme, saw sample.tamr.cloud
    ✗ loads → log
        ✗ type   wanted load_source, saw update_data_product
        ✓ state  DONE
    ✗ quiet → nobody
        ✗ type  wanted publish_destination, saw update_data_product
    ✓ rest → log
        otherwise: it is for every event that no route above takes
    ✗ published → lone
        ✗ destination  wanted Warehouse, saw nothing

    Goes to 1 receiver:
      log, by route "rest"
    "#);
}

#[test]
fn the_answer_for_one_receiver() {
    let succeeded = Sample { outcome: Some(Outcome::Succeeded), ..failed("Customers") };
    let of_own = |name: &str| Sample {
        event_type: Some("jobrelay.receiver_down".to_owned()),
        receiver: Some(name.to_owned()),
        ..Sample::default()
    };
    let published = Sample { job_type: Some(JobType::PublishDestination), ..Sample::default() };
    let acme = Sample { tenant: Some("acme".to_owned()), ..failed("Orders") };
    let answers = [
        said(&failed("Customers"), "data-ops"),
        said(&failed("Custmers"), "data-ops"),
        said(&acme, "data-ops"),
        said(&acme, "log"),
        said(&succeeded, "nights"),
        said(&published, "lone"),
        said(&failed("Orders"), "lone"),
        said(&of_own("log"), "log"),
    ];
    insta::assert_snapshot!(answers.join("\n"), @r#"
    data-ops does not get it: the nearest of its 2 routes is "failed customers", but it is not for { reason: [PLANNING_FAILED, OUT_OF_MEMORY] }.
    data-ops does not get it: the nearest of its 2 routes is "nights", but none of [{ time: Mon-Fri 18:00-24:00, type: load_source }, { tenant: acme }] holds.
    data-ops gets it, by route "nights".
    log does not get it: route "rest" is only for what no other route takes (`otherwise`), and "nights" did.
    nights does not get it: its only route is "nights", but outcome is succeeded, wanted failed, and 1 condition besides.
    lone does not get it: route "published" would match, but "quiet" above it stops the reading.
    lone does not get it: its only route is "published", but the event has no destination, wanted Warehouse.
    log does not get it: the event speaks of log itself, and is never sent there.
    "#);
}

#[test]
fn the_answer_for_what_was_sent() {
    let mut recorded = explained(ROUTES, &failed("Customers"), Some("data-ops"));
    recorded.id = Some(EventId(1));
    recorded.file.standing = Ruling::Past;
    let mut answers = Vec::new();
    for state in [DeliveryState::Delivered, DeliveryState::Owed, DeliveryState::Dead, DeliveryState::Dismissed] {
        recorded.deliveries = vec![delivery(state, None)];
        answers.push(answer::text(&recorded, "data-ops"));
    }
    recorded.deliveries[0].route = "".into();
    recorded.deliveries[0].closes = Some(DeliveryId(9));
    recorded.deliveries[0].state = DeliveryState::Delivered;
    recorded.now = recorded.explanation.clone();
    answers.push(answer::text(&recorded, "data-ops"));
    recorded.deliveries.clear();
    (recorded.explanation, recorded.unexplained) = (None, Some("routes.yaml 0123456789ab is not in the store".into()));
    answers.push(answer::text(&recorded, "data-ops"));
    insta::assert_snapshot!(answers.join("\n"), @r#"
    data-ops got it at 2026-01-31 09:05:00Z, by route "failed jobs": dlv_0000000000002.
    data-ops has not got it yet, by route "failed jobs": dlv_0000000000002 was last tried at 2026-01-31 09:05:00Z: in the service's words.
    data-ops did not get it, though it was sent, by route "failed jobs": dlv_0000000000002 is dead: in the service's words.
    data-ops did not get it, by route "failed jobs": dlv_0000000000002 is dismissed.
    data-ops got it at 2026-01-31 09:05:00Z, the recovery that closes dlv_0000000000009: dlv_0000000000002. The routes.yaml that runs now would not tell it any more.
    data-ops did not get it. Why cannot be told: routes.yaml 0123456789ab is not in the store.
    "#);
}

#[test]
fn what_waits_for_its_receiver_says_why() {
    let mut recorded = explained(ROUTES, &failed("Customers"), Some("data-ops"));
    recorded.file.standing = Ruling::Running;
    recorded.deliveries = vec![Delivery { at: None, ..delivery(DeliveryState::Owed, None) }];
    let lanes = [in_lane(Health::Blocked)];
    for receiver in [Some("data-ops"), None] {
        let shown = report::text(&recorded, &lanes, &Wanted { receiver, message: false }, false, LOOK);
        let shown = shown.replace('\n', " ");
        assert!(
            shown.contains("data-ops is blocked since 2026-01-31 09:00:00Z, 3 deliveries held: make a new webhook;"),
            "{shown}"
        );
    }
    let other = report::text(&recorded, &lanes, &Wanted { receiver: Some("nights"), message: false }, false, LOOK);
    assert!(!other.contains("blocked"), "{other}");
}

#[test]
fn a_long_file_stays_readable() {
    let route = |n| format!("  - {{ name: team {n}, when: {{ outcome: failed, job: {n}, tenant: acme }}, to: box }}\n");
    let routes = (0..200).map(route).collect::<Vec<_>>().concat();
    let file = format!("receivers:\n  box: {{ kind: inbox }}\nroutes:\n{routes}");
    let sample = Sample { tenant: Some("acme".to_owned()), job: Some("77".to_owned()), ..Sample::default() };
    let event = explained(&file, &sample, None);
    let shown = report::text(&event, &[], &Wanted { receiver: None, message: false }, false, LOOK);
    assert!(shown.lines().count() < 230, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.contains("✓ team 77 → box\n    ✓ outcome  failed\n"), "{shown}");
    assert!(shown.contains("✗ team 5: job is 77, wanted 5\n"), "{shown}");
}

#[test]
fn nothing_from_an_event_can_steer_the_terminal() {
    let hostile = "x\u{1b}[31m\n\u{9b}y".repeat(100);
    let sample = Sample { reason: Some(hostile.clone()), error: Some(hostile), ..failed("\u{1b}]0;t\u{7}") };
    let routes = "receivers: { box: { kind: inbox } }\nroutes: [{ name: a, when: { reason: X, error: 'x*', data_product: Y }, to: box }]\n";
    let event = explained(routes, &sample, Some("box"));
    let shown = report::text(&event, &[], &Wanted { receiver: Some("box"), message: false }, true, LOOK);
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
}
