//! Equal to what a slow and simple reading of the whole history says, for generated files and histories; and what its parts say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::openings::Sent;
use super::said::said;
use super::*;
use crate::config::load_without_secrets;
use crate::event::{Form, Received, parse};
use crate::routing::decide;

fn config(text: &str) -> Arc<Config> {
    let (config, problems) = load_without_secrets(text);
    Arc::new(config.unwrap_or_else(|| panic!("{text}\n{problems:?}")))
}

/// Something that happened.
#[derive(Debug, Clone)]
struct Happened {
    product: &'static str,
    status: &'static str,
    test: bool,
    /// Hours after the one before.
    later: i64,
}

const RUNNING: &str = r#"{"state":"RUNNING"}"#;
const SUCCEEDED: &str = r#"{"state":"DONE"}"#;
const FAILED: &str = r#"{"state":"DONE","error":{"reason":"PLANNING_FAILED"}}"#;
const STOPPED: &str = r#"{"state":"DONE","error":{"reason":"STOPPED_BY_USER"}}"#;

fn happened(product: &'static str, status: &'static str) -> Happened {
    Happened { product, status, test: false, later: 1 }
}

fn history(all: &[Happened]) -> Vec<(EventId, Arc<Event>)> {
    let mut at: Timestamp = "2026-01-31T09:00:00Z".parse().unwrap();
    let mut events = Vec::new();
    for (n, happened) in all.iter().enumerate() {
        at += SignedDuration::from_hours(happened.later);
        let status: serde_json::Value = serde_json::from_str(happened.status).unwrap();
        let body = json!({
            "specversion": "1.0", "id": format!("e-{n}"), "source": "acme.tamr.cloud/webhooks/1", "type": "tamr.job",
            "jobrelaytest": happened.test,
            "data": {
                "jobId": format!("job-{n}"), "jobType": "UPDATE_DATA_PRODUCT", "dataProductId": format!("id of {}", happened.product),
                "dataProductDisplayName": happened.product, "status": status,
            },
        });
        let form = Form { content_type: "application/json".to_owned(), attributes: Vec::new() };
        let received = Received { form, body: body.to_string().into(), received_at: at };
        let id = EventId(i64::try_from(n).unwrap() + 1_000);
        events.push((id, Arc::new(parse(received).unwrap())));
    }
    events
}

fn compared(old: &str, new: &str, history: &[(EventId, Arc<Event>)]) -> Difference {
    let mut comparison = Comparison::new(config(old), config(new));
    for (id, event) in history {
        comparison.add(*id, event);
    }
    comparison.finish()
}

/// By several judges, page by page in turns, as several threads would.
fn compared_in_pages(old: &str, new: &str, history: &[(EventId, Arc<Event>)], page: usize) -> Difference {
    let mut comparison = Comparison::new(config(old), config(new));
    let mut judges = [comparison.judge(), comparison.judge(), comparison.judge()];
    let ends = history.chunks(page).enumerate().map(|(n, page)| {
        let judge = &mut judges[n % 3];
        page.iter().filter_map(|(id, event)| judge.judge(*id, event)).collect::<Vec<_>>()
    });
    let ends: Vec<RunEnd> = ends.flatten().collect();
    for end in &ends {
        comparison.settle(end);
    }
    for judge in judges {
        comparison.join(judge);
    }
    comparison.finish()
}

/// What a file sends for the event at `place`, found by looking back through all of the history.
fn oracle_sends(config: &Config, history: &[(EventId, Arc<Event>)], place: usize) -> Vec<Sent> {
    let outcome = |event: &Event| event.job.as_ref().and_then(|job| job.outcome);
    let event = &history[place].1;
    let mut sent: Vec<Sent> = decide(&config.routes, event).targets.iter().map(Sent::from).collect();
    if outcome(event) != Some(Outcome::Succeeded) {
        return sent;
    }
    for receiver in config.receivers.values().filter(|receiver| receiver.common.recovered) {
        let of_key = history[..place].iter().rev().map(|(_, event)| event).filter(|before| before.key == event.key);
        let open = of_key
            .take_while(|before| outcome(before) != Some(Outcome::Succeeded))
            .filter(|before| outcome(before) == Some(Outcome::Failed))
            .any(|failure| decide(&config.routes, failure).targets.iter().any(|t| t.receiver == receiver.name));
        if open {
            match sent.iter_mut().find(|sent| sent.receiver == receiver.name) {
                Some(sent) => sent.closes = true,
                None => sent.push(Sent { receiver: receiver.name.clone(), route: "".into(), closes: true }),
            }
        }
    }
    sent
}

#[derive(Debug, Default, PartialEq)]
struct Counts {
    /// Before, after, more, fewer, changed.
    receivers: BTreeMap<String, [u64; 5]>,
    nobody: u64,
    unheard: u64,
    unmatched: BTreeSet<String>,
}

fn oracle(old: &Config, new: &Config, history: &[(EventId, Arc<Event>)]) -> Counts {
    let mut counts = Counts::default();
    let mut matched = BTreeSet::new();
    for place in 0..history.len() {
        let (id, event) = &history[place];
        if event.test {
            continue;
        }
        let (was, will) = (oracle_sends(old, history, place), oracle_sends(new, history, place));
        let all: BTreeSet<&Arc<str>> = was.iter().chain(&will).map(|sent| &sent.receiver).collect();
        for name in all {
            let text = |config: &Config, sent: &[Sent]| {
                sent.iter()
                    .find(|sent| sent.receiver == *name)
                    .map(|s| said(config, &config.receivers[name], *id, event, s))
            };
            let row = counts.receivers.entry(name.to_string()).or_default();
            let at = match (text(old, &was), text(new, &will)) {
                (Some(was), Some(will)) => [true, true, false, false, was != will],
                (Some(_), None) => [true, false, false, true, false],
                (None, _) => [false, true, true, false, false],
            };
            row.iter_mut().zip(at).for_each(|(count, one)| *count += u64::from(one));
        }
        let failed = event.job.as_ref().is_some_and(|job| job.outcome == Some(Outcome::Failed));
        counts.nobody += u64::from(!was.is_empty() && will.is_empty());
        counts.unheard += u64::from(!was.is_empty() && will.is_empty() && failed);
        matched.extend(decide(&new.routes, event).matched.iter().map(ToString::to_string));
    }
    let routes = new.routes.all().iter().map(|route| route.name.to_string());
    counts.unmatched = routes.filter(|name| !matched.contains(name)).collect();
    counts
}

fn counts(difference: &Difference) -> Counts {
    let row = |of: &ReceiverDifference| [of.before, of.after, of.more, of.fewer, of.changed];
    Counts {
        receivers: difference.receivers.iter().map(|(name, of)| (name.to_string(), row(of))).collect(),
        nobody: difference.newly_nobody.count,
        unheard: difference.failed_unheard.count,
        unmatched: difference.routes_unmatched.iter().map(ToString::to_string).collect(),
    }
}

fn any_history() -> impl Strategy<Value = Vec<Happened>> {
    let product = prop::sample::select(vec!["Customers", "Orders", "Sites"]);
    let status = prop::sample::select(vec![RUNNING, SUCCEEDED, SUCCEEDED, FAILED, FAILED, STOPPED]);
    let one = (product, status, prop::bool::weighted(0.1), 0_i64..9);
    prop::collection::vec(
        one.prop_map(|(product, status, test, later)| Happened { product, status, test, later }),
        1..30,
    )
}

fn any_file() -> impl Strategy<Value = String> {
    let receiver = prop::sample::select(vec![
        "kind: inbox, recovered: true",
        "kind: inbox, message: short",
        "kind: console, recovered: true, message: { footer: false }",
        "kind: webhook, url: https://example.com/hook-1",
        "kind: webhook, url: https://example.com/hook-2, recovered: true",
        "kind: webhook, url: https://example.com/hook-1, body: { text: '{{ message.title }} {{ job }}' }",
        "kind: slack, url: https://hooks.slack.com/services/T/B/X, recovered: true",
    ]);
    let when = prop::sample::select(vec![
        "{}",
        "{ outcome: failed }",
        "{ outcome: [failed, stopped] }",
        "{ outcome: succeeded }",
        "{ data_product: Customers }",
        "{ data_product: Custmers }",
        "{ state: RUNNING }",
        "{ time: '08:00-17:00' }",
        "{ not: { data_product: 'O*' } }",
    ]);
    let message =
        prop::sample::select(vec!["", ", message: short", ", message: { title: 'Look: {{ data_product }}' }"]);
    let to = prop::sample::subsequence(vec!["a", "b", "c"], 0..=3);
    let route = (when, message, to, prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    let short = prop::sample::select(vec!["{{ outcome }}", "{{ received_at | datetime('%H') }}"]);
    let zone = prop::sample::select(vec!["UTC", "Asia/Tokyo"]);
    (prop::collection::vec(receiver, 3), prop::collection::vec(route, 1..5), short, zone).prop_map(
        |(receivers, routes, short, zone)| {
            let mut text = format!("timezone: {zone}\nmessages:\n  short: {{ title: \"{short}\" }}\nreceivers:\n");
            for (name, receiver) in ["a", "b", "c"].iter().zip(receivers) {
                writeln!(text, "  {name}: {{ {receiver} }}").unwrap();
            }
            text += "routes:\n";
            for (n, (when, message, to, stop, otherwise)) in routes.iter().enumerate() {
                let to = to.join(", ");
                let flags = format!("stop: {stop}, otherwise: {otherwise}");
                writeln!(text, "  - {{ name: r{n}, when: {when}, to: [{to}], {flags}{message} }}").unwrap();
            }
            text
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn counts_equal_those_of_looking_at_everything(old in any_file(), new in any_file(), all in any_history(), page in 1_usize..9) {
        let history = history(&all);
        let difference = compared(&old, &new, &history);
        prop_assert_eq!(counts(&difference), oracle(&config(&old), &config(&new), &history));
        prop_assert_eq!(&compared_in_pages(&old, &new, &history, page), &difference);
        prop_assert_eq!(difference.events, history.iter().filter(|(_, event)| !event.test).count() as u64);
    }

    #[test]
    fn a_file_and_itself_differ_in_nothing(file in any_file(), all in any_history()) {
        let difference = compared(&file, &file, &history(&all));
        prop_assert!(difference.is_none());
        prop_assert_eq!(difference.newly_nobody.count, 0);
    }
}

const OPS: &str = "receivers: { ops: { kind: inbox } }\nroutes:\n";

#[test]
fn examples_are_the_first_and_tell_what_differs() {
    let old = format!("{OPS}  - {{ name: failures, when: {{ outcome: failed }}, to: ops }}\n");
    let new =
        format!("{OPS}  - {{ name: failures, when: {{ outcome: failed }}, to: ops, message: {{ title: 'Oh no' }} }}\n");
    let history = history(&vec![happened("Customers", FAILED); 5]);
    let difference = compared(&old, &new, &history);
    let examples = &difference.receivers["ops"].examples.changed;
    assert_eq!(examples.iter().map(|e| e.event.0).collect::<Vec<_>>(), [1_000, 1_001, 1_002]);
    assert_eq!(examples[0].what, "Update data product failed: Customers");
    let (was, will) = examples[0].words.clone().expect("it differs");
    assert!(was.contains("Update data product failed") && will.contains("Oh no"), "{was} / {will}");
    assert_eq!(difference.receivers["ops"].changed, 5);
}

#[test]
fn a_test_counts_nowhere() {
    let old = format!("{OPS}  - {{ name: all, to: ops }}\n");
    let new = format!("{OPS}  - {{ name: running, when: {{ state: RUNNING }}, to: ops }}\n");
    let test = |status| Happened { test: true, ..happened("Customers", status) };
    let history =
        history(&[test(FAILED), test(RUNNING), happened("Customers", FAILED), happened("Customers", SUCCEEDED)]);
    let difference = compared(&old, &new, &history);
    assert_eq!((difference.events, difference.receivers["ops"].before), (2, 2));
    assert_eq!((difference.newly_nobody.count, difference.failed_unheard.count), (2, 1));
    assert_eq!(difference.failed_unheard.examples[0].event, EventId(1_002));
    assert_eq!(difference.routes_unmatched, [Arc::from("running")]);
}

#[test]
fn names_no_event_had_come_with_the_nearest() {
    let old = format!("{OPS}  - {{ name: all, to: ops }}\n");
    let new = format!(
        "{OPS}  - name: a\n    to: ops\n    when: {{ data_product: [Custmers, 'C*', orders], not: {{ tenant: acne }}, any: [{{ reason: PLANING_FAILED }}, {{ type: Update data product }}, {{ data_product.id: Customers }}, {{ source: CRM }}] }}\n"
    );
    let history = history(&[happened("Customers", FAILED), happened("Orders", RUNNING)]);
    let mut of_messages = Comparison::of_messages(config(&old), config(&new));
    for (id, event) in &history {
        of_messages.add(*id, event);
    }
    let whole = compared(&old, &new, &history);
    assert_eq!(of_messages.finish(), Difference { names_unseen: Vec::new(), ..whole.clone() });
    let found = whole.names_unseen;
    let seen: Vec<_> = found.iter().map(|n| (n.key.as_str(), n.name.as_str(), n.nearest.as_deref())).collect();
    assert_eq!(
        seen,
        [
            ("data_product", "Custmers", Some("Customers")),
            ("tenant", "acne", Some("acme")),
            ("reason", "PLANING_FAILED", Some("PLANNING_FAILED")),
            ("data_product.id", "Customers", None),
            ("source", "CRM", None),
        ]
    );
    let (text, names) = (new, config(&format!("{OPS}  - {{ name: x, when: {{ source: [A, B] }}, to: ops }}\n")));
    assert_eq!(names.names.len(), 2);
    let span = config(&text).names[found[0].index].span;
    assert_eq!(&text[span.start..span.end], "Custmers");
}
