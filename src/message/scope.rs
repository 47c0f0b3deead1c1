//! The vocabulary as templates see it: names are looked up when asked for, not built up front.

use std::sync::{Arc, OnceLock};

use minijinja::Value;
use minijinja::value::Object;

use super::values;
use crate::event::{DeliveryId, Event, Job, Outcome, State};

/// What a template can speak of.
#[derive(Debug, Clone)]
pub struct Scope {
    /// What happened.
    pub event: Arc<Event>,
    /// Empty for a recovery.
    pub route: Arc<str>,
    /// Its name.
    pub receiver: Arc<str>,
    /// Its ID.
    pub delivery: DeliveryId,
}

impl Scope {
    /// The value of a name of the vocabulary; absent ones are undefined, unknown ones `None`.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let event = &self.event;
        let job = event.job.as_ref();
        Some(match name {
            "type" => values::text(job.and_then(|j| j.job_type.as_ref()).map(crate::event::JobType::as_str)),
            "type_label" => {
                values::text(job.and_then(|j| j.job_type.as_ref()).map(crate::event::JobType::label).as_deref())
            }
            "state" => values::text(job.and_then(|j| j.state.as_ref()).map(State::as_str)),
            "since" => timestamp(job.and_then(|j| j.since)),
            "outcome" => values::text(job.and_then(|j| j.outcome).map(Outcome::as_str)),
            "reason" => values::text(job.and_then(|j| j.reason.as_deref())),
            "error" => values::text(job.and_then(|j| j.error.as_deref())),
            "resource" => {
                let resource = job.and_then(Job::resource);
                values::resource(resource.as_ref().map(|(_, r)| r), resource.as_ref().map(|(kind, _)| *kind))
            }
            "source" => values::resource(job.and_then(|j| j.source.as_ref()), None),
            "data_product" => values::resource(job.and_then(|j| j.data_product.as_ref()), None),
            "workflow" => values::resource(job.and_then(|j| j.workflow.as_ref()), None),
            "destination" => values::resource(job.and_then(|j| j.destination.as_ref()), None),
            "job" => values::text(job.and_then(|j| j.id.as_deref())),
            "queued_for" => values::duration(job.and_then(|j| j.queued_for)),
            "ran_for" => values::duration(job.and_then(|j| j.ran_for)),
            "tenant" => values::text(Some(&event.tenant)),
            "event_id" => values::text(Some(&event.id)),
            "event_type" => values::text(Some(&event.event_type)),
            "time" => timestamp(event.time),
            "received_at" => timestamp(Some(event.received.received_at)),
            "history" => job.map_or(Value::UNDEFINED, |j| values::history(&j.history)),
            "raw" => values::from_json(&event.envelope()),
            "route" => values::text(Some(&self.route)),
            "receiver" => values::text(Some(&self.receiver)),
            "delivery" => Value::from(self.delivery.to_string()),
            _ => return None,
        })
    }
}

fn timestamp(timestamp: Option<jiff::Timestamp>) -> Value {
    timestamp.map_or(Value::UNDEFINED, |t| Value::from(values::timestamp(t)))
}

/// A name no template can write, under which a rendering finds its [`Root`].
pub(super) const ROOT: &str = " root";

/// What one rendering looks its names up in.
#[derive(Debug)]
pub(super) struct Root {
    pub scope: Scope,
    /// `message.title` …, in bodies.
    pub message: Option<Value>,
    /// How a body's inserted values are escaped.
    pub escape: fn(&str) -> String,
    /// `raw`, once asked for.
    raw: OnceLock<Value>,
}

impl Root {
    /// For a message's own parts.
    pub fn of_message(scope: &Scope) -> Value {
        Root::of(scope, None, str::to_owned)
    }

    /// For a body, with the message's parts as they became.
    pub fn of(scope: &Scope, message: Option<Value>, escape: fn(&str) -> String) -> Value {
        Value::from_object(Root { scope: scope.clone(), message, escape, raw: OnceLock::new() })
    }
}

impl Object for Root {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "message" => self.message.clone(),
            "raw" => Some(self.raw.get_or_init(|| self.scope.get(key).unwrap_or_default()).clone()),
            ROOT => Some(Value::from_dyn_object(self.clone())),
            name => self.scope.get(name),
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
}
