//! The event in the one vocabulary, flat: what `webhook` sends, the API answers and the commands print.

use std::borrow::Cow;
use std::time::Duration;

use compact_str::CompactString;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Event, Job, JobType, Outcome, Past, Resource, State};

/// The normalised event as one flat JSON object (see the receivers reference: `webhook` without `body`). Absent values
/// are null. To add members, `#[serde(flatten)]` it into another struct.
#[derive(Debug, Clone, Serialize)]
pub struct FlatEvent<'a> {
    event_id: &'a str,
    event_type: Option<&'a str>,
    tenant: Option<&'a str>,
    time: Option<Millis>,
    received_at: Millis,
    job: Option<&'a str>,
    #[serde(rename = "type")]
    job_type: Option<&'a str>,
    type_label: Option<Cow<'static, str>>,
    state: Option<&'a str>,
    since: Option<Millis>,
    outcome: Option<&'static str>,
    reason: Option<&'a str>,
    error: Option<&'a str>,
    resource: Option<FlatSubject>,
    source: Option<FlatResource<'a>>,
    data_product: Option<FlatResource<'a>>,
    workflow: Option<FlatResource<'a>>,
    destination: Option<FlatResource<'a>>,
    queued_for: Option<Seconds>,
    ran_for: Option<Seconds>,
    history: Vec<FlatPast<'a>>,
    /// Only there, and true, for events of `jobrelay send`: a machine must be able to tell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
}

#[derive(Debug, Clone, Serialize)]
struct FlatSubject {
    kind: &'static str,
    id: Option<CompactString>,
    name: Option<CompactString>,
}

#[derive(Debug, Clone, Serialize)]
struct FlatResource<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
struct FlatPast<'a> {
    state: &'a str,
    since: Option<Millis>,
}

/// RFC 3339 in UTC with milliseconds, as the sender writes its own times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Millis(pub Timestamp);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{:.3}", self.0))
    }
}

/// Whole seconds as an integer, others with their fraction.
#[derive(Debug, Clone, Copy)]
struct Seconds(Duration);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            s.serialize_u64(self.0.as_secs())
        } else {
            s.serialize_f64(self.0.as_secs_f64())
        }
    }
}

/// Views an event in the vocabulary.
#[must_use]
pub fn flat(event: &Event) -> FlatEvent<'_> {
    let job = event.job.as_ref();
    let of = |get: fn(&Job) -> Option<&Resource>| job.and_then(get).map(flat_resource);
    let filled = |text: &'_ str| !text.is_empty();
    FlatEvent {
        event_id: &event.id,
        event_type: Some(event.event_type.as_str()).filter(|text| filled(text)),
        tenant: Some(event.tenant.as_str()).filter(|text| filled(text)),
        time: event.time.map(Millis),
        received_at: Millis(event.received.received_at),
        job: job.and_then(|job| job.id.as_deref()),
        job_type: job.and_then(|job| job.job_type.as_ref()).map(JobType::as_str),
        type_label: job.and_then(|job| job.job_type.as_ref()).map(JobType::label),
        state: job.and_then(|job| job.state.as_ref()).map(State::as_str),
        since: job.and_then(|job| job.since).map(Millis),
        outcome: job.and_then(|job| job.outcome).map(Outcome::as_str),
        reason: job.and_then(|job| job.reason.as_deref()),
        error: job.and_then(|job| job.error.as_deref()),
        resource: job.and_then(Job::resource).map(|(kind, Resource { id, name })| FlatSubject {
            kind: kind.as_str(),
            id,
            name,
        }),
        source: of(|job| job.source.as_ref()),
        data_product: of(|job| job.data_product.as_ref()),
        workflow: of(|job| job.workflow.as_ref()),
        destination: of(|job| job.destination.as_ref()),
        queued_for: job.and_then(|job| job.queued_for).map(Seconds),
        ran_for: job.and_then(|job| job.ran_for).map(Seconds),
        history: job.map_or_else(Vec::new, |job| job.history.iter().map(flat_past).collect()),
        test: event.test,
    }
}

fn flat_resource(resource: &Resource) -> FlatResource<'_> {
    FlatResource { id: resource.id.as_deref(), name: resource.name.as_deref() }
}

fn flat_past(past: &Past) -> FlatPast<'_> {
    FlatPast { state: past.state.as_str(), since: past.since.map(Millis) }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::super::{Form, Received, parse};
    use super::*;

    fn event(body: &Value) -> Event {
        let form = Form { content_type: "application/json".to_owned(), attributes: Vec::new() };
        let received_at = "2025-12-02T14:46:05.1234567Z".parse().expect("a timestamp");
        parse(Received { form, body: body.to_string().into(), received_at }).expect("readable")
    }

    #[test]
    fn a_failed_publish_in_the_vocabulary() {
        #[derive(Serialize)]
        struct Around<'a> {
            delivery: &'a str,
            #[serde(flatten)]
            event: FlatEvent<'a>,
        }
        let event = event(&json!({
            "specversion": "1.0", "id": "e-1", "source": "acme.tamr.cloud/webhooks/7", "type": "tamr.job",
            "time": "2025-12-02T14:46:04.6Z",
            "data": {
                "jobId": "j-1", "jobType": "PUBLISH_CONFIGURATION",
                "dataProductId": "p-1", "dataProductDisplayName": "Customers",
                "destinationId": "d-1", "destinationDisplayName": "",
                "status": {
                    "state": "DONE", "stateStartTime": "2025-12-02T14:46:04.518Z",
                    "error": {"reason": "PLANNING_FAILED", "message": "Something went wrong."}
                },
                "pastStatuses": [
                    {"state": "PENDING", "stateStartTime": "2025-12-02T14:45:00Z"},
                    {"state": "RUNNING", "stateStartTime": "2025-12-02T14:46:00.000Z"}
                ]
            }
        }));
        let printed = serde_json::to_string_pretty(&Around { delivery: "dlv_1", event: flat(&event) }).expect("JSON");
        assert_eq!(
            printed,
            r#"{
  "delivery": "dlv_1",
  "event_id": "e-1",
  "event_type": "tamr.job",
  "tenant": "acme.tamr.cloud",
  "time": "2025-12-02T14:46:04.600Z",
  "received_at": "2025-12-02T14:46:05.123Z",
  "job": "j-1",
  "type": "publish_configuration",
  "type_label": "Publish configuration",
  "state": "DONE",
  "since": "2025-12-02T14:46:04.518Z",
  "outcome": "failed",
  "reason": "PLANNING_FAILED",
  "error": "Something went wrong.",
  "resource": {
    "kind": "publish_configuration",
    "id": "p-1→d-1",
    "name": "Customers → d-1"
  },
  "source": null,
  "data_product": {
    "id": "p-1",
    "name": "Customers"
  },
  "workflow": null,
  "destination": {
    "id": "d-1",
    "name": null
  },
  "queued_for": 60,
  "ran_for": 4.518,
  "history": [
    {
      "state": "PENDING",
      "since": "2025-12-02T14:45:00.000Z"
    },
    {
      "state": "RUNNING",
      "since": "2025-12-02T14:46:00.000Z"
    }
  ]
}"#
        );
    }

    #[test]
    fn another_event_and_a_test_have_the_same_shape() {
        let record = event(&json!({
            "specversion": "1.0", "id": "e-2", "source": "x", "type": "record.updated", "jobrelaytest": true
        }));
        let members = serde_json::to_value(flat(&record)).expect("JSON");
        assert_eq!(members["job"], Value::Null);
        assert_eq!(members["tenant"], Value::Null);
        assert_eq!(members["history"], json!([]));
        assert_eq!(members["test"], json!(true));
        assert_eq!(members.as_object().expect("an object").len(), 22);
    }
}
