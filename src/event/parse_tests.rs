//! What the reader accepts, refuses, and must never do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, json};

use super::super::{Event, Form, JobType, Outcome, ResourceKind, State, split};
use super::*;

fn received(body: impl Into<Bytes>) -> Received {
    let form = Form { content_type: "application/json".to_owned(), attributes: Vec::new() };
    Received { form, body: body.into(), received_at: Timestamp::UNIX_EPOCH }
}

fn read(body: &Value) -> Event {
    parse(received(body.to_string())).unwrap_or_else(|(_, e)| panic!("{e}: {body}"))
}

fn refused(body: &str) -> String {
    parse(received(body.to_owned())).expect_err(body).1.to_string()
}

fn job(data: &Value) -> Job {
    read(&envelope("tamr.job.status", data)).job.unwrap_or_else(|| panic!("no job in {data}"))
}

fn envelope(event_type: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": "e-1", "source": "acme.tamr.cloud/webhooks/7", "type": event_type, "data": data})
}

fn done() -> Value {
    json!({"state": "DONE", "stateStartTime": "2025-12-02T14:46:04.518Z"})
}

/// `members` and a status of DONE.
fn with_status(mut members: Value) -> Value {
    members.as_object_mut().expect("an object").insert("status".to_owned(), done());
    members
}

#[test]
fn the_vendors_examples_are_read() {
    let stopped = job(&json!({
        "jobId": "j-1", "jobType": "UPDATE_DATA_PRODUCT", "dataProductId": "p-1", "dataProductDisplayName": "Customers",
        "workflowId": "", "workflowDisplayName": "",
        "status": {
            "state": "DONE", "stateStartTime": "2025-12-02T14:46:04.518Z",
            "error": {"reason": "STOPPED_BY_USER", "message": "The job was stopped by a user."}
        }
    }));
    assert_eq!(stopped.outcome, Some(Outcome::Stopped));
    assert_eq!(stopped.error.as_deref(), Some("The job was stopped by a user."));
    assert_eq!(stopped.workflow, None, "empty is absent");
    let failed = job(&json!({
        "job_id": 17, "source_id": "s-1", "source_display_name": "CRM",
        "status": {
            "state": "DONE", "state_start_time": "2025-12-02T14:46:04.518Z",
            "error": {"reason": "PLANNING_FAILED", "message": "Something went wrong while planning the job."}
        },
        "previous_statuses": [{"state": "RUNNING", "state_start_time": "2025-12-02T14:46:00.018Z"}]
    }));
    assert_eq!(failed.outcome, Some(Outcome::Failed));
    assert_eq!(failed.id.as_deref(), Some("17"));
    assert_eq!(failed.reason.as_deref(), Some("PLANNING_FAILED"));
    assert_eq!(failed.job_type, Some(JobType::LoadSource));
    assert_eq!(failed.ran_for, Some(std::time::Duration::from_millis(4500)));
}

#[test]
fn the_type_comes_from_a_name_the_configuration_or_the_identifiers() {
    for (members, job_type) in [
        (json!({"jobId": "j", "jobType": "Load source"}), "load_source"),
        (json!({"jobId": "j", "type": "loadSource", "jobType": ""}), "load_source"),
        (json!({"jobId": "j", "jobType": "EXPORT_ALL"}), "export_all"),
        (json!({"jobId": "j", "configuration": {"load": {"sourceId": "s-1"}}}), "load_source"),
        (json!({"jobId": "j", "configuration": {"load": {}}}), "load_source"),
        (json!({"jobId": "j", "configuration": {"update": {"dataProductId": "p-1"}}}), "update_data_product"),
        (
            json!({"jobId": "j", "configuration": {"update": {"workflowId": "w", "dataProductId": ""}}}),
            "update_workflow",
        ),
        (
            json!({"jobId": "j", "configuration": {"load": null, "publish": {"destinationId": "d", "dataProductId": "p"}}}),
            "publish_configuration",
        ),
        (json!({"jobId": "j", "configuration": {"publish": {"destinationId": "d"}}}), "publish_configuration"),
        (json!({"jobId": "j", "configuration": {"archive": {"after": 7}}}), "archive"),
        (json!({"jobId": "j", "jobType": "update", "workflowId": "w"}), "update_workflow"),
        (json!({"jobId": "j", "jobType": "update"}), "update"),
        (
            json!({"jobId": "j", "jobType": "publish", "destinationId": "d", "destinationDisplayName": "D"}),
            "publish_destination",
        ),
        (json!({"sourceId": "s-1", "sourceDisplayName": "CRM"}), "load_source"),
        (json!({"dataProductId": "p-1", "workflowId": "", "workflowDisplayName": null}), "update_data_product"),
        (json!({"workflowId": "w-1", "dataProductId": ""}), "update_workflow"),
        (
            json!({"dataProductId": "p-1", "destinationId": "d-1", "destinationDisplayName": ""}),
            "publish_configuration",
        ),
        (json!({"destinationId": "d-1", "destinationDisplayName": "D", "dataProductId": ""}), "publish_destination"),
        (json!({"destinationId": "d-1"}), "publish_configuration"),
    ] {
        let job = job(&with_status(members.clone()));
        assert_eq!(job.job_type.as_ref().map(JobType::as_str), Some(job_type), "{members}");
    }
    assert_eq!(job(&with_status(json!({"jobId": "j"}))).job_type, None);
}

#[test]
fn a_job_is_found_wherever_it_stands() {
    let fields = with_status(json!({"jobId": "j-1", "jobType": "load", "sourceId": "s-1"}));
    let base64 = STANDARD.encode(fields.to_string());
    let mut among = envelope("tamr.job", &json!(null));
    among.as_object_mut().expect("an object").remove("data");
    among.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let flat = json!({"jobId": "j-1", "jobType": "load", "sourceId": "s-1", "state": "DONE", "stateStartTime": "2025-12-02T14:46:04.518Z"});
    let text = json!({"jobId": "j-1", "jobType": "load", "sourceId": "s-1", "status": "DONE", "stateStartTime": "2025-12-02T14:46:04.518Z"});
    let mut encoded = envelope("tamr.job", &json!(null));
    encoded["data_base64"] = base64.into();
    let expected = job(&fields);
    for (body, at) in [
        (envelope("x", &fields), "data"),
        (envelope("x", &flat), "flat"),
        (envelope("x", &text), "status as a text"),
        (envelope("x", &json!({"job": fields})), "data.job"),
        (envelope("x", &json!({"id": "7", "type": "changed", "job": fields})), "data.job beside others"),
        (envelope("x", &json!({"version": 1, "jobEvent": fields})), "data.*"),
        (
            envelope("x", &with_status(json!({"job": {"id": "j-1", "type": "LOAD", "sourceId": "s-1"}}))),
            "data.job, its status beside it",
        ),
        (envelope("x", &json!(fields.to_string())), "JSON in a string"),
        (encoded, "data_base64"),
        (among, "among the attributes"),
        (fields.clone(), "alone"),
        (json!({"data": fields}), "alone under data"),
        (json!({"data": {"job": fields}}), "alone under data.job"),
        (json!({"job": fields}), "alone under job"),
        (
            json!({"specVersion": "1.0", "id": "1", "dataContentType": "application/json", "data": fields}),
            "specVersion",
        ),
    ] {
        assert_eq!(read(&body).job.as_ref(), Some(&expected), "{at}");
    }
    let (kind, resource) = expected.resource().expect("has one");
    assert_eq!((kind, resource.id.as_deref()), (ResourceKind::Source, Some("s-1")));
}

#[test]
fn other_events_of_the_sender_are_events_without_a_job() {
    for (event_type, data) in [
        ("record.updated", json!({"recordId": "r-1", "dataProductId": "p-1", "status": "MERGED"})),
        ("record.merged", json!({"recordId": "r-1", "jobId": "j-1", "dataProductId": "p-1"})),
        ("authentication", json!({"user": {"id": "u-1", "type": "human"}, "failed": true})),
        ("job.note", json!("text")),
        ("job.note", json!([1, 2])),
        ("job.note", json!(null)),
    ] {
        let event = read(&envelope(event_type, &data));
        assert_eq!(event.job, None, "{event_type} {data}");
        assert_eq!(event.raw()["data"], data);
        assert_eq!(event.key, "acme.tamr.cloud/event/e-1");
    }
    assert!(read(&envelope("job.created", &json!({"jobId": "j-1"}))).job.is_some());
}

#[test]
fn states_and_types_nobody_named_are_values() {
    let job = job(&json!({
        "jobId": "j-1", "jobType": "REINDEX",
        "status": {"state": "Paused", "stateStartTime": "yesterday", "error": {"reason": "QUOTA"}}
    }));
    assert_eq!(job.state, Some(State::Other("PAUSED".to_owned())));
    assert_eq!((job.since, job.outcome), (None, None));
    assert_eq!(job.reason.as_deref(), Some("QUOTA"));
}

#[test]
fn the_key_is_the_same_thing_run_again() {
    for (data, key) in [
        (json!({"jobId": "j-1", "sourceId": "s-1", "sourceDisplayName": "CRM"}), "acme.tamr.cloud/load_source/s-1"),
        (json!({"jobId": "j-2", "sourceId": "s-1", "sourceDisplayName": "Renamed"}), "acme.tamr.cloud/load_source/s-1"),
        (json!({"jobId": "j-1", "workflowDisplayName": "Nightly"}), "acme.tamr.cloud/update_workflow/Nightly"),
        (
            json!({"jobId": "j-1", "dataProductId": "p-1", "destinationId": "d-1"}),
            "acme.tamr.cloud/publish_configuration/p-1→d-1",
        ),
        (json!({"jobId": "j-1", "destinationId": "d-1"}), "acme.tamr.cloud/publish_configuration/d-1"),
        (json!({"jobId": "j-1", "jobType": "REINDEX", "dataProductId": "p"}), "acme.tamr.cloud/reindex/p"),
        (json!({"jobId": "j-1", "jobType": "REINDEX"}), "acme.tamr.cloud/job/j-1"),
        (json!({"jobType": "REINDEX"}), "acme.tamr.cloud/event/e-1"),
    ] {
        assert_eq!(read(&envelope("x", &with_status(data.clone()))).key, key, "{data}");
    }
    let mut test = envelope("x", &with_status(json!({"jobId": "j-1", "sourceId": "s-1"})));
    for mark in [json!(true), json!("true")] {
        test["jobrelaytest"] = mark;
        let event = read(&test);
        assert_eq!((event.test, event.key.as_str()), (true, "test/e-1"));
    }
}

#[test]
fn an_event_without_an_id_gets_one_from_its_job_or_its_body() {
    let whole = with_status(json!({"jobId": "j-1", "sourceId": "s-1"}));
    let event = read(&whole);
    assert_eq!(event.id, "j-1/DONE/2025-12-02T14:46:04.518Z");
    assert_eq!(*event.raw(), json!({"specversion": "1.0", "id": event.id, "data": whole}));
    assert_eq!((event.source.as_str(), event.event_type.as_str(), event.time), ("", "", None));
    // `id` is the job's own here.
    let own_id = with_status(json!({"id": "j-1", "type": "LOAD_SOURCE"}));
    assert_eq!(read(&own_id).id, "j-1/DONE/2025-12-02T14:46:04.518Z");
    let partial = json!({"jobId": "j-1", "sourceId": "s-1", "status": {"state": "DONE"}});
    let same = parse(received("{\"jobId\": \"j-1\", \"sourceId\":\"s-1\",\n \"status\":{\"state\":\"DONE\"}}"))
        .expect("readable");
    assert_eq!(read(&partial).id, same.id, "whitespace is not content");
    assert_ne!(read(&json!({"jobId": "j-1", "status": {"state": "DONE"}})).id, same.id);
    assert_eq!(same.id.len(), 32);
    let mut nameless = envelope("x", &whole);
    nameless["id"] = json!("");
    assert_eq!(read(&nameless).id, event.id);
}

#[test]
fn a_repeat_has_the_same_fingerprint_and_other_data_another() {
    let first = read(&envelope("x", &with_status(json!({"jobId": "j-1"}))));
    let mut again = envelope("x", &with_status(json!({"jobId": "j-1"})));
    again["time"] = json!("2030-01-01T00:00:00Z");
    assert_eq!(read(&again).fingerprint, first.fingerprint);
    let other = read(&envelope("x", &with_status(json!({"jobId": "j-2"}))));
    assert_eq!(other.fingerprint.id, first.fingerprint.id);
    assert_ne!(other.fingerprint.data, first.fingerprint.data);
    again["source"] = json!("other.tamr.cloud");
    assert_ne!(read(&again).fingerprint.id, first.fingerprint.id);
}

#[test]
fn of_repeated_members_the_last_counts() {
    let event = parse(received(r#"{"jobId":"j-1","jobId":"j-2","status":{"state":"DONE"}}"#)).expect("readable");
    assert_eq!(event.job.and_then(|job| job.id).as_deref(), Some("j-2"));
}

#[test]
fn the_unreadable_says_what_is_wrong_and_where() {
    for (body, said) in [
        (
            "{\"jobId\": \"j-1\",\n  oops}",
            "not JSON: key must be a string at line 2 column 3; expected a CloudEvents envelope",
        ),
        ("{\"jobId\": \"j-1\"", "not JSON: EOF while parsing an object at line 1 column 15"),
        ("[]", "a JSON array where one event belongs"),
        ("17", "a single JSON value where an event belongs"),
        ("{}", "the object has no members"),
        ("{\"text\":\"hello\",\"n\":1}", "the object has \"text\", \"n\""),
        ("{\"data\":{\"hello\":1}}", "neither a CloudEvents envelope"),
    ] {
        let refused = refused(body);
        assert!(refused.contains(said), "{body}: {refused}");
    }
    let many: Map<String, Value> = (0..20).map(|n| (format!("{n}{}", "x".repeat(100)), Value::Null)).collect();
    assert!(refused(&Value::Object(many).to_string()).len() < 800, "bounded");
    let (kept, _) = parse(received("no")).expect_err("not JSON");
    assert_eq!(kept.body, "no");
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let deep = format!("{{\"jobId\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused(&deep).contains("recursion limit exceeded at line 1 column"));
    let items = split("", Vec::new(), format!("[{deep},{{\"jobId\":1}}]").into(), Timestamp::UNIX_EPOCH).expect("cut");
    let read: Vec<bool> = items.into_iter().map(|item| parse(item).is_ok()).collect();
    assert_eq!(read, [false, true], "one item does not spoil the others");
}

#[test]
fn a_binary_body_that_is_not_json_is_kept_as_it_is() {
    let binary = |content_type: &str, body: &'static [u8]| {
        let attributes = vec![("id".to_owned(), "e-1".to_owned()), ("type".to_owned(), "note".to_owned())];
        let form = Form { content_type: content_type.to_owned(), attributes };
        parse(Received { form, body: Bytes::from_static(body), received_at: Timestamp::UNIX_EPOCH })
    };
    assert_eq!(binary("text/plain", b"hello").expect("text").raw()["data"], "hello");
    assert_eq!(binary("application/octet-stream", b"\xFF").expect("bytes").raw()["data_base64"], "/w==");
    assert_eq!(binary("application/json", b"").expect("empty").raw().get("data"), None);
    let (_, said) = binary("application/json", b"hello").expect_err("promised JSON");
    assert!(said.message.contains("line 1 column 1"), "{said}");
}

/// Member names the reader knows, so that arbitrary JSON reaches its branches.
const NAMES: [&str; 24] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "data",
    "data_base64",
    "job",
    "jobId",
    "job_type",
    "status",
    "state",
    "stateStartTime",
    "error",
    "reason",
    "message",
    "pastStatuses",
    "configuration",
    "load",
    "publish",
    "sourceId",
    "dataProductDisplayName",
    "destination_id",
    "failed",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        prop::sample::select(vec!["DONE", "RUNNING", "2025-12-02T14:46:04.518Z", "update", "{\"jobId\":1}", "e30="])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let name = prop_oneof![4 => prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), 1 => ".*"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn all_forms_of(data: &Value) -> [Vec<Received>; 3] {
    let (id, source, kind, time) = ("e-1", "acme.tamr.cloud/Zoë", "tamr.job", "2025-12-02T14:46:04.518Z");
    let structured = json!({
        "specversion": "1.0", "id": id, "source": source, "type": kind, "time": time,
        "datacontenttype": "application/json", "data": data
    });
    let headers =
        [("specversion", "1.0"), ("id", id), ("source", "acme.tamr.cloud/Zo%C3%AB"), ("type", kind), ("time", time)];
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let cut = |content_type: &str, attributes, body: String| {
        split(content_type, attributes, body.into(), Timestamp::UNIX_EPOCH).expect("well-formed")
    };
    [
        cut("application/cloudevents+json", Vec::new(), structured.to_string()),
        cut("application/cloudevents-batch+json", Vec::new(), format!("[ {structured} ]")),
        cut("application/json", headers, data.to_string()),
    ]
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(received(bytes.clone()));
        for item in split("application/json", Vec::new(), bytes.into(), Timestamp::UNIX_EPOCH).into_iter().flatten() {
            let _ = parse(item);
        }
    }

    #[test]
    fn arbitrary_json_never_panics_and_reads_the_same_again(value in any_json()) {
        let body = value.to_string();
        for item in split("", Vec::new(), body.into(), Timestamp::UNIX_EPOCH).into_iter().flatten() {
            if let Ok(event) = parse(item) {
                prop_assert!(!event.id.is_empty() && !event.key.is_empty());
                let job = event.job.clone();
                let again = parse(event.received.clone()).expect("read before");
                prop_assert_eq!((again.raw().clone(), again.id, again.key, again.job), (event.raw().clone(), event.id, event.key, job));
                prop_assert_eq!(again.fingerprint, event.fingerprint);
            }
        }
    }

    #[test]
    fn an_outcome_is_only_of_done_and_a_success_has_no_error(value in any_json()) {
        if let Ok(Event { job: Some(job), .. }) = parse(received(envelope("job", &value).to_string())) {
            prop_assert_eq!(job.outcome.is_some(), job.state == Some(State::Done));
            prop_assert_eq!(job.outcome == Some(Outcome::Succeeded), job.outcome.is_some() && job.reason.is_none());
        }
    }

    #[test]
    fn the_three_forms_of_one_event_read_the_same(data in any_json()) {
        // A string in `data` may hold JSON, a binary body cannot be told from it.
        prop_assume!(!data.is_string());
        let [structured, batched, binary] = all_forms_of(&data).map(|mut items| {
            assert_eq!(items.len(), 1);
            parse(items.remove(0)).unwrap_or_else(|(_, e)| panic!("{e}"))
        });
        for other in [batched, binary] {
            prop_assert_eq!(&other.id, &structured.id);
            prop_assert_eq!(&other.source, &structured.source);
            prop_assert_eq!(&other.tenant, &structured.tenant);
            prop_assert_eq!(&other.event_type, &structured.event_type);
            prop_assert_eq!(&other.time, &structured.time);
            prop_assert_eq!(&other.job, &structured.job);
            prop_assert_eq!(other.raw(), structured.raw());
            prop_assert_eq!(&other.key, &structured.key);
            prop_assert_eq!(&other.fingerprint, &structured.fingerprint);
        }
    }
}
