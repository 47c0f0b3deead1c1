//! Events and scopes for tests of messages and receivers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;

use super::{Definition, Engine, Scope, read_definition};
use crate::event::{DeliveryId, Event, Fingerprint, Form, Job, JobType, Outcome, Past, Raw, Received, Resource, State};
use crate::yaml::{Node, Problems, parse};

pub(crate) fn node(yaml: &str) -> Node {
    let mut problems = Problems::default();
    let node = parse(yaml, &mut problems);
    assert!(!problems.has_errors(), "{problems:?}");
    node.expect("a tree")
}

pub(crate) fn layer(engine: &mut Engine, yaml: &str) -> Definition {
    let mut problems = Problems::default();
    let definition = read_definition(&node(yaml), engine, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    definition
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn named(id: &str, name: &str) -> Resource {
    Resource { id: Some(id.into()), name: Some(name.into()) }
}

/// A job of this type, with the identifiers the vendor fills for it.
pub(crate) fn job(job_type: JobType, state: State, outcome: Option<Outcome>) -> Job {
    let product = matches!(job_type, JobType::UpdateDataProduct | JobType::PublishConfiguration);
    let destination = match job_type {
        JobType::PublishConfiguration => Some(Resource { id: Some("dest_1".into()), name: None }),
        JobType::PublishDestination => Some(named("dest_1", "Snowflake")),
        _ => None,
    };
    let (reason, error) = match outcome {
        Some(Outcome::Failed) => (Some("PLANNING_FAILED"), Some("Bad plan.")),
        Some(Outcome::Stopped) => (Some("STOPPED_BY_USER"), Some("The job was stopped by a user.")),
        _ => (None, None),
    };
    let ended = outcome.is_some();
    Job {
        id: Some("job_1".into()),
        source: (job_type == JobType::LoadSource).then(|| named("src_1", "CRM")),
        data_product: product.then(|| named("dp_1", "Customers")),
        workflow: (job_type == JobType::UpdateWorkflow).then(|| named("wf_1", "Nightly")),
        destination,
        queued_for: (state != State::Pending).then(|| Duration::from_secs(5 * 60)),
        ran_for: ended.then(|| Duration::from_secs(90 * 60)),
        job_type: Some(job_type),
        state: Some(state),
        since: Some(time("2025-12-02T14:46:04.518Z")),
        outcome,
        reason: reason.map(Into::into),
        error: error.map(str::to_owned),
        history: vec![
            Past { state: State::Pending, since: Some(time("2025-12-02T13:11:04Z")) },
            Past { state: State::Running, since: Some(time("2025-12-02T13:16:04Z")) },
        ],
    }
}

pub(crate) fn failed_job() -> Job {
    job(JobType::UpdateDataProduct, State::Done, Some(Outcome::Failed))
}

pub(crate) fn succeeded_job() -> Job {
    job(JobType::UpdateDataProduct, State::Done, Some(Outcome::Succeeded))
}

pub(crate) fn event_of(job: Option<Job>) -> Event {
    let error = job.as_ref().map(|j| json!({"reason": j.reason, "message": j.error}));
    let raw = json!({
        "specversion": "1.0", "id": "e-1", "source": "acme.tamr.cloud/webhooks/1", "type": "com.tamr.job",
        "data": {"jobId": "job_1", "status": {"state": "DONE", "error": error}},
    });
    Event {
        id: "e-1".into(),
        source: "acme.tamr.cloud/webhooks/1".into(),
        event_type: "com.tamr.job".into(),
        time: None,
        tenant: "acme.tamr.cloud".into(),
        job,
        received: Received {
            form: Form { content_type: "application/cloudevents+json".into(), attributes: Vec::new() },
            body: Bytes::from(raw.to_string()),
            received_at: time("2025-12-02T14:46:05Z"),
        },
        raw: Raw::default(),
        test: false,
        about: None,
        key: "acme/update_data_product/dp_1".into(),
        fingerprint: Fingerprint { id: [0; 16], data: [0; 16] },
    }
}

/// One of the relay's own events.
pub(crate) fn own_event(name: &str, about: Option<&str>, summary: &str) -> Event {
    let mut event = event_of(None);
    event.event_type = format!("jobrelay.{name}").into();
    event.about = about.map(str::to_owned);
    event.set_raw(&json!({
        "specversion": "1.0", "id": event.id, "type": event.event_type, "data": {"summary": summary, "receiver": about}
    }));
    event
}

pub(crate) fn scope(event: Event) -> Scope {
    Scope {
        event: Arc::new(event),
        route: "nightly".into(),
        receiver: "data-ops".into(),
        delivery: DeliveryId(1 << 50),
    }
}

pub(crate) fn scope_of(job: Job) -> Scope {
    scope(event_of(Some(job)))
}

pub(crate) fn scope_with(job: Job, change: impl FnOnce(&mut Event)) -> Scope {
    let mut event = event_of(Some(job));
    change(&mut event);
    scope(event)
}
