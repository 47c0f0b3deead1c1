//! What the tests of this folder share.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{When, read_when};
use crate::event::{Event, parse, split};
use crate::yaml::{self, Problems};

/// The event of `envelope`, received on Tuesday, 2025-12-02 at 14:46:05 UTC.
pub(super) fn event(envelope: &Value) -> Event {
    let received_at: Timestamp = "2025-12-02T14:46:05Z".parse().expect("a time");
    let body = Bytes::from(envelope.to_string());
    let received = split("application/json", Vec::new(), body, received_at).expect("an object").remove(0);
    parse(received).unwrap_or_else(|(_, e)| panic!("{e}"))
}

/// A job event with `data`.
pub(super) fn job_event(data: &Value) -> Event {
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
