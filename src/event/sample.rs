//! A realistic event, made up from a few words of the vocabulary: what `send`, `demo`, `explain` and the tests of routes.yaml speak of.
//! Pure: time and chance are arguments.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::own::{OwnEvent, TYPE_PREFIX, own};
use super::view::Millis;
use super::{DeliveryId, Event, EventId, JobType, Outcome, Received, Resource, State, parse};
use crate::yaml::nearest;

/// What the relay's own events are called, without their prefix.
const OWN: [&str; 7] = [
    "receiver_blocked",
    "receiver_down",
    "receiver_recovered",
    "delivery_dead",
    "routes_refused",
    "quarantined",
    "disk_low",
];
/// How many of them, from the first, speak of a receiver.
const SPEAK_OF_A_RECEIVER: usize = 4;

/// What an event shall say; the rest is made up to fit, as the vendor would send it.
///
/// ```
/// # use jobrelay::event::{Outcome, Resource, Sample};
/// let sample = Sample { source: Some(Resource::named("CRM")), outcome: Some(Outcome::Succeeded), ..Sample::default() };
/// let event = sample.read("2026-01-31T09:00:00Z".parse().unwrap(), 7).unwrap();
/// assert_eq!(event.job.unwrap().job_type.unwrap().as_str(), "load_source");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Default: what the named resources are for, else `update_data_product`.
    pub job_type: Option<JobType>,
    /// Default: DONE.
    pub state: Option<State>,
    /// How the DONE job ended. Default: failed.
    pub outcome: Option<Outcome>,
    /// Default: `PLANNING_FAILED` if failed, `STOPPED_BY_USER` if stopped.
    pub reason: Option<String>,
    /// Default: the vendor's words for the reasons it documents.
    pub error: Option<String>,
    /// What was loaded.
    pub source: Option<Resource>,
    /// What was updated or published.
    pub data_product: Option<Resource>,
    /// What was run.
    pub workflow: Option<Resource>,
    /// Where it was published. Events of `publish_configuration` carry its ID alone, so there a name is taken for that.
    pub destination: Option<Resource>,
    /// Job ID.
    pub job: Option<String>,
    /// A host, or the first label of one under the vendor's domain.
    pub tenant: Option<String>,
    /// Time in PENDING.
    pub queued_for: Option<Duration>,
    /// Time from RUNNING to DONE.
    pub ran_for: Option<Duration>,
    /// The envelope's type. `jobrelay.…`: one of the relay's own events; any other beside no word of a job: an event of no job.
    pub event_type: Option<String>,
    /// Whom one of the relay's own events speaks of.
    pub receiver: Option<String>,
    /// Marked as `jobrelay send` marks it.
    pub test: bool,
}

/// Words that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Contradiction {
    /// The word of the vocabulary that is too much.
    pub word: &'static str,
    /// A sentence in words of the vocabulary.
    pub message: String,
}

impl From<Contradiction> for String {
    fn from(contradiction: Contradiction) -> String {
        contradiction.message
    }
}

pub(super) fn refused<T>(word: &'static str, message: impl Into<String>) -> Result<T, Contradiction> {
    Err(Contradiction { word, message: message.into() })
}

impl Sample {
    /// A structured `CloudEvent` as it would come at `now`. The same `chance` makes the same IDs and durations.
    ///
    /// # Errors
    /// If the words contradict each other.
    pub fn event(&self, now: Timestamp, chance: u128) -> Result<Value, Contradiction> {
        let name = self.event_type.as_deref().and_then(|event_type| event_type.strip_prefix(TYPE_PREFIX));
        let mut envelope = match name {
            Some(name) => self.own_event(name, now)?,
            None => self.sent_event(now, chance)?,
        };
        if self.test {
            envelope.insert("jobrelaytest".to_owned(), true.into());
        }
        Ok(Value::Object(envelope))
    }

    /// The same, received at `now` and read.
    ///
    /// # Errors
    /// If the words contradict each other.
    pub fn read(&self, now: Timestamp, chance: u128) -> Result<Event, Contradiction> {
        let received = Received::structured(&self.event(now, chance)?, now);
        Ok(parse(received).unwrap_or_else(|(_, unreadable)| unreachable!("an envelope is an event: {unreadable}")))
    }

    /// Every job type with every outcome and state, an event of no job, and all of the relay's own.
    pub fn every_sort() -> impl Iterator<Item = Sample> {
        let of_type = |job_type: JobType| {
            let typed = Sample { job_type: Some(job_type), ..Sample::default() };
            let ended = Outcome::ALL.map(|outcome| Sample { outcome: Some(outcome), ..typed.clone() });
            let unfinished = [State::Pending, State::Running, State::Stopping];
            ended.into_iter().chain(unfinished.map(|state| Sample { state: Some(state), ..typed.clone() }))
        };
        let of_event_type = |event_type: String| Sample { event_type: Some(event_type), ..Sample::default() };
        let own = OWN.map(|name| of_event_type(format!("{TYPE_PREFIX}{name}")));
        JobType::KNOWN.into_iter().flat_map(of_type).chain([of_event_type("record.updated".to_owned())]).chain(own)
    }

    /// What the sender would send.
    fn sent_event(&self, now: Timestamp, chance: u128) -> Result<Map<String, Value>, Contradiction> {
        if self.receiver.is_some() {
            let list = OWN[..SPEAK_OF_A_RECEIVER].iter().map(|name| format!("{TYPE_PREFIX}{name}")).collect::<Vec<_>>();
            return refused("receiver", format!("receiver goes with event_type {} only", list.join(", ")));
        }
        // The vendor does not document the type of its job events.
        let event_type = self.event_type.as_deref().unwrap_or("jobEvent");
        let of_a_job = event_type.to_ascii_lowercase().contains("job") || self.word_of_a_job().is_some();
        let data = if of_a_job { self.job_event(now, chance)? } else { Map::new() };
        let envelope = json!({
            "specversion": "1.0",
            "id": uuid(chance),
            "source": format!("{}/webhooks/v1alpha1/jobEvents", self.tenant_host()),
            "type": event_type,
            "time": Millis(now),
            "datacontenttype": "application/json",
            "data": data,
        });
        Ok(members(envelope))
    }

    fn own_event(&self, name: &str, now: Timestamp) -> Result<Map<String, Value>, Contradiction> {
        let too_much = self.word_of_a_job().or(self.tenant.as_ref().map(|_| "tenant"));
        if let Some(word) = too_much {
            return refused(word, format!("{word} does not go with {TYPE_PREFIX}{name}, an event of the relay's own"));
        }
        let Some(position) = OWN.iter().position(|known| *known == name) else {
            let near = nearest(name, OWN).map_or_else(
                || format!("there are {}", OWN.map(|known| format!("{TYPE_PREFIX}{known}")).join(", ")),
                |near| format!("did you mean {TYPE_PREFIX}{near}?"),
            );
            return refused("event_type", format!("the relay has no event {TYPE_PREFIX}{name}: {near}"));
        };
        if self.receiver.is_some() && position >= SPEAK_OF_A_RECEIVER {
            return refused("receiver", format!("{TYPE_PREFIX}{name} speaks of no receiver"));
        }
        let receiver = self.receiver.clone().unwrap_or_else(|| "another-receiver".to_owned());
        let reason = "connection refused".to_owned();
        let what = match name {
            "receiver_blocked" => OwnEvent::ReceiverBlocked { receiver, reason: "403 invalid_token".to_owned() },
            "receiver_down" => OwnEvent::ReceiverDown { receiver, reason },
            "receiver_recovered" => OwnEvent::ReceiverRecovered { receiver },
            "delivery_dead" => {
                OwnEvent::DeliveryDead { receiver, delivery: DeliveryId(2), event: EventId(1), reason, more: 0 }
            }
            "routes_refused" => {
                let report = "routes.yaml:1:1: error[unknown-key]: unknown key \"rotues\"".to_owned();
                OwnEvent::RoutesRefused { problems: 1, report }
            }
            "quarantined" => {
                OwnEvent::Quarantined { reason: "not JSON: expected value at line 1 column 1".to_owned(), more: 0 }
            }
            _ => OwnEvent::DiskLow { free_bytes: 50 << 20, path: "data/jobrelay.db".to_owned() },
        };
        let said = own(&what, now);
        Ok(members(serde_json::from_slice(&said.body).unwrap_or_default()))
    }

    /// The first word that only the event of a job has.
    fn word_of_a_job(&self) -> Option<&'static str> {
        let given = [
            ("type", self.job_type.is_some()),
            ("state", self.state.is_some()),
            ("outcome", self.outcome.is_some()),
            ("reason", self.reason.is_some()),
            ("error", self.error.is_some()),
            ("job", self.job.is_some()),
            ("queued_for", self.queued_for.is_some()),
            ("ran_for", self.ran_for.is_some()),
        ];
        let given = given.into_iter().filter_map(|(word, given)| given.then_some(word));
        given.chain(self.resources().into_iter().flatten()).next()
    }

    /// The words of the resources that are given.
    pub(super) fn resources(&self) -> [Option<&'static str>; 4] {
        [
            ("source", self.source.is_some()),
            ("data_product", self.data_product.is_some()),
            ("workflow", self.workflow.is_some()),
            ("destination", self.destination.is_some()),
        ]
        .map(|(word, given)| given.then_some(word))
    }

    fn tenant_host(&self) -> String {
        let tenant = self.tenant.as_deref().unwrap_or("sample");
        if tenant.contains('.') { tenant.to_owned() } else { format!("{tenant}.tamr.cloud") }
    }
}

fn members(envelope: Value) -> Map<String, Value> {
    match envelope {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// A version 4 UUID with the bits of `chance`.
fn uuid(chance: u128) -> String {
    let bits = chance & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;
