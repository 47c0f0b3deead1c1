//! What the tests of this folder share.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::{Route, Routes, When, read_when};
use crate::event::{Event, parse, split};
use crate::yaml::{self, Key, Map, Node, Problems, Scalar, Span, Style, Value};

/// The event of `envelope`, received on Tuesday, 2025-12-02 at 14:46:05 UTC.
pub(super) fn event(envelope: &serde_json::Value) -> Event {
    received(envelope, "2025-12-02T14:46:05Z".parse().expect("a time"))
}

fn received(envelope: &serde_json::Value, received_at: Timestamp) -> Event {
    let body = Bytes::from(envelope.to_string());
    let received = split("application/json", Vec::new(), body, received_at).expect("an object").remove(0);
    parse(received).unwrap_or_else(|(_, e)| panic!("{e}"))
}

/// A job event with `data`.
pub(super) fn job_event(data: &serde_json::Value) -> Event {
    event(&json!({
        "specversion": "1.0", "id": "e-1", "source": "acme.tamr.cloud/webhooks/7", "type": "tamr.job.status",
        "time": "2025-12-02T14:46:04.600Z", "priority": 3, "data": data
    }))
}

/// A load of source CRM (s-1) that waited 2 minutes, ran 90 and failed.
pub(super) fn failed_load() -> Event {
    job_event(&json!({
        "jobId": "j-17", "jobType": "LOAD_SOURCE", "sourceId": "s-1", "sourceDisplayName": "CRM",
        "tags": ["prod", "EU"], "billable": true, "code": "0123",
        "status": {
            "state": "DONE", "stateStartTime": "2025-12-02T14:46:04.518Z",
            "error": {"reason": "PLANNING_FAILED", "message": "Something went wrong."}
        },
        "pastStatuses": [
            {"state": "PENDING", "stateStartTime": "2025-12-02T13:14:04.518Z"},
            {"state": "RUNNING", "stateStartTime": "2025-12-02T13:16:04.518Z"}
        ]
    }))
}

/// Reads a condition, with the messages and cures of its problems.
pub(super) fn read(text: &str) -> (When, Vec<String>) {
    let mut problems = Problems::default();
    let node = yaml::parse(text, &mut problems).unwrap_or_else(|| panic!("not YAML: {text}: {problems:?}"));
    let when = read_when(&node, &mut problems);
    let said = problems.iter().map(|problem| {
        let place = &text[problem.span.start..problem.span.end];
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{:?} {} at `{place}`: {} | {help}", problem.severity, problem.code.name(), problem.message)
    });
    (when, said.collect())
}

/// Reads a condition without problems.
pub(super) fn when(text: &str) -> When {
    let (when, problems) = read(text);
    assert_eq!(problems, Vec::<String>::new(), "{text}");
    when
}

fn node(value: Value) -> Node {
    Node { span: Span::default(), value }
}

fn map(entries: Vec<(String, Node)>) -> Node {
    node(Value::Map(Map(entries.into_iter().map(|(text, node)| (Key { text, span: Span::default() }, node)).collect())))
}

fn any_value() -> impl Strategy<Value = Node> {
    let texts = vec![
        "load_source",
        "update*",
        "DONE",
        "RUNNING",
        "failed",
        "succeeded",
        "*",
        "CRM",
        "s-?",
        "PLANNING_FAILED",
        "> 1h",
        "<= 2m",
        "Tue 14:00-15:00",
        "Wed",
        "acme",
        "",
        // Of case, escapes, beginnings.
        "crm",
        "Crm 2",
        "cr*",
        "CRM*",
        "ÄRG?r",
        "ärger",
        r"s-\*",
        r"s\-*",
        "S-*",
        "C*M",
        "e-1",
        "load_source",
        "Load source",
        "2025-12-0*",
    ];
    let scalar = prop::sample::select(texts).prop_map(|text| node(Value::Scalar(Scalar::new(text, Style::Plain))));
    prop_oneof![
        4 => scalar.clone(),
        1 => prop::collection::vec(scalar, 0..3).prop_map(|nodes| node(Value::List(nodes))),
        1 => Just(node(Value::Null)),
    ]
}

pub(super) fn any_condition() -> impl Strategy<Value = Node> {
    let keys = vec![
        "type",
        "state",
        "outcome",
        "reason",
        "resource",
        "source",
        "data_product.id",
        "destination.name",
        "job",
        "error",
        "since",
        "event_id",
        "type_label",
        "queued_for",
        "ran_for",
        "tenant",
        "event_type",
        "time",
        "raw",
        "unheard_of",
    ];
    let of_key = |key: &'static str| {
        let path = move |value: Node| if key == "raw" { map(vec![("data.tags".to_owned(), value)]) } else { value };
        any_value().prop_map(move |value| (key.to_owned(), path(value)))
    };
    // As in a file, no key stands twice.
    let plain = prop::collection::vec(prop::sample::select(keys).prop_flat_map(of_key), 0..5)
        .prop_map(|entries| entries.into_iter().collect::<HashMap<_, _>>())
        .boxed();
    let leaf = plain.clone().prop_map(|entries| map(entries.into_iter().collect()));
    leaf.prop_recursive(3, 24, 3, move |inner| {
        let nested =
            prop::option::of(prop::collection::vec(inner, 0..3).prop_map(|nodes| node(Value::List(nodes)))).boxed();
        (plain.clone(), nested.clone(), nested).prop_map(|(plain, any, not)| {
            let nested =
                [("any", any), ("not", not)].into_iter().filter_map(|(key, node)| Some((key.to_owned(), node?)));
            map(plain.into_iter().chain(nested).collect())
        })
    })
}

/// A condition as it is read, whatever is wrong with it.
pub(super) fn any_when() -> impl Strategy<Value = When> {
    any_condition().prop_map(|condition| read_when(&condition, &mut Problems::default()))
}

pub(super) fn any_routes() -> impl Strategy<Value = Routes> {
    some_routes(any_when(), 0..5)
}

/// So many routes with such conditions.
pub(super) fn some_routes(
    when: impl Strategy<Value = When>,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Routes> {
    let zones = prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York"]);
    let route = (when, prop::collection::vec(prop::sample::select(vec!["ops", "log"]), 0..3), any::<[bool; 2]>());
    (zones, prop::collection::vec(route, count)).prop_map(|(zone, routes)| {
        let routes = (0..).zip(routes).map(|(n, (when, to, [stop, otherwise])): (usize, _)| Route {
            name: n.to_string().into(),
            when,
            to: to.into_iter().map(Into::into).collect(),
            stop,
            otherwise,
        });
        Routes::new(routes.collect(), TimeZone::get(zone).expect("bundled"))
    })
}

/// A job event, or another, of the words that conditions here ask for and of others.
pub(super) fn any_event() -> impl Strategy<Value = Event> {
    let text = |texts: &[&'static str]| prop::option::of(prop::sample::select(texts.to_vec()));
    let resource = || (text(&["s-1", "s-22", "CRM", "S-*"]), text(&["CRM", "ERP", "Crm 2", "DONE", "Ärger", "ärgeR"]));
    let minutes = || prop::sample::select(vec![0_i64, 1, 2, 30, 59, 60, 61, 200]);
    (
        text(&["LOAD_SOURCE", "update_data_product", "update_workflow", "publish_destination", "reindex"]),
        text(&["PENDING", "RUNNING", "STOPPING", "DONE", "DONE", "DONE", "PAUSED"]),
        text(&["PLANNING_FAILED", "stopped_by_user", "QUOTA"]),
        [resource(), resource()],
        (text(&["j-17", "acme"]), text(&["acme.tamr.cloud", "acme", "globex.example"])),
        (minutes(), minutes()),
        (0_i64..7 * 24 * 4, any::<bool>(), text(&["high", "eu"])),
    )
        .prop_map(|(job_type, state, reason, [source, product], (job, tenant), (queued, ran), (quarter, bare, tag))| {
            let monday: Timestamp = "2025-12-01T00:00:00Z".parse().expect("a time");
            let received_at = monday + jiff::SignedDuration::from_mins(quarter * 15);
            let ago = |minutes| (received_at - jiff::SignedDuration::from_mins(minutes)).to_string();
            let data = json!({
                "jobId": job, "jobType": job_type, "tags": [tag, "prod"],
                "sourceId": source.0, "sourceDisplayName": source.1,
                "dataProductId": product.0, "dataProductDisplayName": product.1,
                "status": {"state": state, "stateStartTime": ago(0), "error": {"reason": reason}},
                "pastStatuses": [
                    {"state": "PENDING", "stateStartTime": ago(ran + queued)},
                    {"state": "RUNNING", "stateStartTime": ago(ran)}
                ]
            });
            let data = if bare { json!({"tags": [tag]}) } else { data };
            let envelope = json!({
                "specversion": "1.0", "id": "e-1", "source": tenant, "type": if bare { "record.updated" } else { "tamr.job.status" },
                "data": data
            });
            received(&envelope, received_at)
        })
}
