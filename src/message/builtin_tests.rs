//! What the built-in message says, in full: read it as its readers will.

use super::Scope;
use super::builtin;
use super::testing::{event_of, failed_job, job, own_event, scope, scope_of};
use crate::event::{JobType, Outcome, State};

const TYPES: [JobType; 5] = [
    JobType::LoadSource,
    JobType::UpdateDataProduct,
    JobType::UpdateWorkflow,
    JobType::PublishConfiguration,
    JobType::PublishDestination,
];

/// `[level] title | text | fields`
fn shown(scope: &Scope) -> String {
    let message = builtin(scope);
    let text = message.text.plain().replace("\n\n", " ⏎ ");
    let fields: Vec<_> = message.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let mut parts = vec![format!("[{}] {}", message.level.name(), message.title), text, fields.join(", ")];
    parts.retain(|part| !part.is_empty());
    parts.join(" | ")
}

fn every_type(state: &State, outcome: Option<Outcome>) -> String {
    TYPES.map(|job_type| shown(&scope_of(job(job_type, state.clone(), outcome)))).join("\n")
}

#[test]
fn pending() {
    insta::assert_snapshot!(every_type(&State::Pending, None), @"
        [info] Load source is waiting: CRM | Waiting to start. Nothing to do. | Job: job_1, Tenant: acme.tamr.cloud
        [info] Update data product is waiting: Customers | Waiting to start. Nothing to do. | Job: job_1, Tenant: acme.tamr.cloud
        [info] Update workflow is waiting: Nightly | Waiting to start. Nothing to do. | Job: job_1, Tenant: acme.tamr.cloud
        [info] Publish configuration is waiting: Customers → dest_1 | Waiting to start. Nothing to do. | Job: job_1, Tenant: acme.tamr.cloud
        [info] Publish destination is waiting: Snowflake | Waiting to start. Nothing to do. | Job: job_1, Tenant: acme.tamr.cloud
    ");
}

#[test]
fn running() {
    insta::assert_snapshot!(every_type(&State::Running, None), @"
        [info] Load source is running: CRM | Started after 5m in the queue. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
        [info] Update data product is running: Customers | Started after 5m in the queue. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
        [info] Update workflow is running: Nightly | Started after 5m in the queue. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
        [info] Publish configuration is running: Customers → dest_1 | Started after 5m in the queue. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
        [info] Publish destination is running: Snowflake | Started after 5m in the queue. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
    ");
}

#[test]
fn stopping() {
    insta::assert_snapshot!(every_type(&State::Stopping, None), @"
        [info] Load source is stopping: CRM | It was asked to stop and has not ended yet. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
        [info] Update data product is stopping: Customers | It was asked to stop and has not ended yet. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
        [info] Update workflow is stopping: Nightly | It was asked to stop and has not ended yet. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
        [info] Publish configuration is stopping: Customers → dest_1 | It was asked to stop and has not ended yet. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
        [info] Publish destination is stopping: Snowflake | It was asked to stop and has not ended yet. Nothing to do. | Job: job_1, Queued: 5m, Tenant: acme.tamr.cloud
    ");
}

#[test]
fn succeeded() {
    insta::assert_snapshot!(every_type(&State::Done, Some(Outcome::Succeeded)), @"
        [success] Load source succeeded: CRM | Finished after 1h 30m. Nothing to do. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Tenant: acme.tamr.cloud
        [success] Update data product succeeded: Customers | Finished after 1h 30m. Nothing to do. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Tenant: acme.tamr.cloud
        [success] Update workflow succeeded: Nightly | Finished after 1h 30m. Nothing to do. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Tenant: acme.tamr.cloud
        [success] Publish configuration succeeded: Customers → dest_1 | Finished after 1h 30m. Nothing to do. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Tenant: acme.tamr.cloud
        [success] Publish destination succeeded: Snowflake | Finished after 1h 30m. Nothing to do. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Tenant: acme.tamr.cloud
    ");
}

#[test]
fn stopped() {
    insta::assert_snapshot!(every_type(&State::Done, Some(Outcome::Stopped)), @"
        [warning] Load source stopped: CRM | The job was stopped by a user. ⏎ What to do: nothing, if this was meant to be. Otherwise run it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: STOPPED_BY_USER, Tenant: acme.tamr.cloud
        [warning] Update data product stopped: Customers | The job was stopped by a user. ⏎ What to do: nothing, if this was meant to be. Otherwise run it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: STOPPED_BY_USER, Tenant: acme.tamr.cloud
        [warning] Update workflow stopped: Nightly | The job was stopped by a user. ⏎ What to do: nothing, if this was meant to be. Otherwise run it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: STOPPED_BY_USER, Tenant: acme.tamr.cloud
        [warning] Publish configuration stopped: Customers → dest_1 | The job was stopped by a user. ⏎ What to do: nothing, if this was meant to be. Otherwise run it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: STOPPED_BY_USER, Tenant: acme.tamr.cloud
        [warning] Publish destination stopped: Snowflake | The job was stopped by a user. ⏎ What to do: nothing, if this was meant to be. Otherwise run it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: STOPPED_BY_USER, Tenant: acme.tamr.cloud
    ");
}

#[test]
fn failed() {
    insta::assert_snapshot!(every_type(&State::Done, Some(Outcome::Failed)), @"
        [error] Load source failed: CRM | Planning failed: Bad plan. ⏎ What to do: check the source and the connection it is read through, then load it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: PLANNING_FAILED, Tenant: acme.tamr.cloud
        [error] Update data product failed: Customers | Planning failed: Bad plan. ⏎ What to do: check the data product's configuration and sources, then update it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: PLANNING_FAILED, Tenant: acme.tamr.cloud
        [error] Update workflow failed: Nightly | Planning failed: Bad plan. ⏎ What to do: check the workflow's configuration, then update it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: PLANNING_FAILED, Tenant: acme.tamr.cloud
        [error] Publish configuration failed: Customers → dest_1 | Planning failed: Bad plan. ⏎ What to do: check the publish configuration and that its destination can be written to, then publish again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: PLANNING_FAILED, Tenant: acme.tamr.cloud
        [error] Publish destination failed: Snowflake | Planning failed: Bad plan. ⏎ What to do: check the destination's connection and that it can be written to, then publish again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: PLANNING_FAILED, Tenant: acme.tamr.cloud
    ");
}

#[test]
fn jobs_that_tell_little() {
    let mut unknown = failed_job();
    unknown.job_type = Some(JobType::Other("rebuild_index".into()));
    unknown.data_product = None;
    unknown.reason = Some("UNKNOWN".into());
    let mut silent = unknown.clone();
    (silent.id, silent.reason, silent.error, silent.ran_for, silent.queued_for) = (None, None, None, None, None);
    let mut paused = silent.clone();
    (paused.outcome, paused.state) = (None, Some(State::Other("PAUSED".into())));
    let mut legacy = failed_job();
    legacy.data_product.as_mut().expect("an update has one").name = None;
    legacy.error = None;
    insta::assert_snapshot!([unknown, silent, paused, legacy].map(|job| shown(&scope_of(job))).join("\n"), @"
        [error] Rebuild index failed (job job_1) | Bad plan. ⏎ What to do: look at the job in Tamr, mend the cause, then run it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Tenant: acme.tamr.cloud
        [error] Rebuild index failed | The job failed without saying why. ⏎ What to do: look at the job in Tamr, mend the cause, then run it again. | Tenant: acme.tamr.cloud
        [info] Rebuild index is PAUSED | It has not ended yet. | Tenant: acme.tamr.cloud
        [error] Update data product failed: dp_1 | Planning failed. The job gave no further message. ⏎ What to do: check the data product's configuration and sources, then update it again. | Job: job_1, Ran for: 1h 30m, Queued: 5m, Reason: PLANNING_FAILED, Tenant: acme.tamr.cloud
    ");
}

#[test]
fn events_that_are_no_jobs() {
    let own = |name: &str, about: Option<&str>| shown(&scope(own_event(name, about, "Something happened.")));
    let lines = [
        shown(&scope(event_of(None))),
        own("receiver_blocked", Some("data-ops")),
        own("receiver_down", Some("data-ops")),
        own("receiver_recovered", Some("data-ops")),
        own("delivery_dead", None),
        own("routes_refused", None),
        own("quarantined", None),
        own("disk_low", None),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
        [info] Event com.tamr.job | An event that is not about a job came in from acme.tamr.cloud. | Event: e-1, Tenant: acme.tamr.cloud
        [error] Receiver blocked: data-ops | Something happened. ⏎ What to do: correct its settings in routes.yaml; it is tried again as soon as they change.
        [warning] Receiver down: data-ops | Something happened. ⏎ What to do: nothing yet. If it stays down, check the service.
        [success] Receiver recovered: data-ops | Something happened.
        [error] Delivery dead | Something happened. ⏎ What to do: mend the cause, then replay it.
        [error] Routes refused | Something happened. ⏎ What to do: mend the file; jobrelay check shows every problem.
        [warning] Quarantined | Something happened. ⏎ What to do: look at what came, and check what the sender is set up to send.
        [critical] Disk low | Something happened. ⏎ What to do: make room, or keep events for a shorter time (--retention).
    ");
}
