//! What comes in, read once: the bytes as received, the `CloudEvents` envelope, and the job event inside.

pub mod duration;
mod envelope;
mod fingerprint;
mod history;
mod id;
mod job;
mod job_type;
mod json;
mod own;
mod parse;
mod raw;
mod read_job;
mod received;
mod sample;
mod sample_job;
mod status;
mod tenant;
mod view;
pub mod vocabulary;
mod words;

use compact_str::CompactString;
use jiff::Timestamp;

pub use fingerprint::Fingerprint;
pub use id::{BadId, DeliveryId, EventId, next as next_id};
pub use job::{Job, Outcome, Past, Resource, ResourceKind, State};
pub use job_type::JobType;
pub use own::{OwnEvent, own};
pub use parse::{Unreadable, parse};
#[cfg(test)]
pub(crate) use raw::Raw;
pub use received::{Form, Received, split};
pub use sample::{Contradiction, Sample};
pub use status::STOPPED_BY_USER;
pub use view::{FlatEvent, flat};

/// One `CloudEvent`, read. Everything is derived from `received`, so the store keeps only that and reads it again.
#[derive(Debug, Clone)]
pub struct Event {
    /// The envelope's `id`; for a bare job event one derived from job ID, state and `stateStartTime`, else from the body.
    pub id: String,
    /// The envelope's `source` as sent; empty for a bare job event.
    pub source: String,
    /// The envelope's `type`; `jobrelay.…` for the relay's own events.
    pub event_type: CompactString,
    /// The envelope's `time`.
    pub time: Option<Timestamp>,
    /// Host of `source`; empty if there is none.
    pub tenant: CompactString,
    /// The job event, if this is one.
    pub job: Option<Job>,
    pub(crate) raw: raw::Raw,
    /// Marked as a test by `jobrelay send`: messages say so, and its key is its own.
    pub test: bool,
    /// The receiver one of the relay's own events speaks of; it is never sent there.
    pub about: Option<String>,
    /// "The same thing, run again": tenant, job type and resource; else the job ID; else the event. A test has its own;
    /// what the relay says of one receiver shares one, so that it stays in order.
    pub key: String,
    /// Tells a repeat from a new event.
    pub fingerprint: Fingerprint,
    /// The bytes as they came.
    pub received: Received,
}

impl Event {
    /// Whether this is one of the relay's own events.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.source == own::SOURCE && self.event_type.starts_with(own::TYPE_PREFIX)
    }

    /// Whether what it tells of may happen again under the same key: a job without a resource, like a test, is its own.
    #[must_use]
    pub fn may_run_again(&self) -> bool {
        !self.test && self.job.as_ref().is_some_and(|job| job.subject().is_some())
    }

    /// Whether someone may have to act on it: a failed job, or a word of the relay itself.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        self.is_own() || self.job.as_ref().is_some_and(|job| job.outcome == Some(Outcome::Failed))
    }
}
