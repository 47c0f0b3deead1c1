//! The JSON of `/api/v1`, used by the server that writes it and the commands that read it.

mod explain;
mod letters;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use explain::{Explained, File, Ruling, Told};
pub use letters::{
    Counted, DismissAnswer, DismissItemsRequest, DismissRequest, QuarantineItem, QuarantineList, Range, ReplayAnswer,
    ReplayRequest, Reread, RereadAnswer, RereadEvent, RereadRequest, RereadResult, Step,
};

use crate::event::{DeliveryId, EventId, Form};
use crate::store::{Attempt, Delivery, Totals};

/// `GET /api/v1/…` lists: newest first; `next` is the `before` of the following page.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// `None`: this was the last page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// `GET /api/v1/events`: one event with its decision.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventSummary {
    /// The relay's own ID of the event.
    pub id: EventId,
    /// When it came in.
    pub received_at: Timestamp,
    /// Sent by `jobrelay send`.
    pub test: bool,
    /// The flat event of the vocabulary.
    pub event: serde_json::Value,
    /// The version of routes.yaml that decided.
    pub version: Arc<str>,
    /// Routes that matched; empty: unmatched.
    pub matched: Vec<Arc<str>>,
}

/// `GET /api/v1/events/{id}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventDetail {
    /// As in lists.
    #[serde(flatten)]
    pub summary: EventSummary,
    /// Since when the version of routes.yaml that decided applied then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_since: Option<Timestamp>,
    /// The structured envelope.
    pub raw: serde_json::Value,
    /// How it was carried. Its bytes are at `/body`.
    pub form: Form,
    /// All of it, oldest first.
    pub deliveries: Vec<DeliveryDetail>,
}

/// `GET /api/v1/deliveries/{id}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeliveryDetail {
    /// As in lists.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// Its attempts, oldest first.
    pub history: Vec<Attempt>,
}

/// `GET /api/v1/deliveries/{id}/message`.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageView {
    /// What its reader sees; secrets redacted.
    pub text: String,
    /// `true`: a copy of what was sent; `false`: as it would be sent now.
    pub sent: bool,
}

/// `GET /api/v1/names`: values seen in the newest events, with how often, to copy into routes.yaml.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Names {
    /// How many events were looked at.
    pub events: usize,
    /// From a word of the vocabulary (`type`, `reason`, `data_product`, `event_type`, …) to value → count.
    pub names: BTreeMap<String, BTreeMap<String, u64>>,
}

/// `POST /api/v1/send`.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendRequest {
    /// A structured `CloudEvent` or bare job event; marked as a test by the relay.
    pub event: serde_json::Value,
    /// Straight to this receiver, whatever the routes say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Its answer: what was decided. How the deliveries end is read from `GET /api/v1/events/{id}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendAnswer {
    /// The relay's own ID of the event.
    pub id: EventId,
    /// Routes that matched; empty: unmatched.
    pub matched: Vec<Arc<str>>,
    /// What is owed now, and to whom.
    pub deliveries: Vec<(DeliveryId, Arc<str>)>,
}

/// The webhook's answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct IngestAnswer {
    /// Events that are durable now.
    pub accepted: usize,
    /// Events that were known already: not sent again.
    pub duplicates: usize,
    /// Items that could not be read.
    pub quarantined: usize,
    /// Of accepted and duplicate ones, in the order they came; of a duplicate, the first one's.
    pub ids: Vec<EventId>,
}

/// RFC 9457 problem details.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProblemDetails {
    /// A stable name of the sort of problem, as a relative URI: `/problems/unreadable`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for all of the sort.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong and how to mend it.
    pub detail: String,
}

/// `GET /api/v1/config`: the routes.yaml that is running.
#[derive(Debug, Serialize, Deserialize)]
pub struct ConfigView {
    /// Names it; stored with each decision.
    pub version: Arc<str>,
    /// Since when it decides.
    pub since: Timestamp,
    /// Its receivers, by name.
    pub receivers: Vec<Arc<str>>,
    /// Its routes, in order.
    pub routes: Vec<Arc<str>>,
    /// Set while the file on disk is not the one that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
}

/// Why the routes.yaml on disk is not the one that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Since when.
    pub since: Timestamp,
    /// Its path.
    pub file: String,
    /// How many errors were found.
    pub problems: usize,
    /// The first by its sort and place: `unknown-key at 4:25, and 2 more`.
    pub summary: String,
    /// All of them, a line each, as `jobrelay check` tells them.
    pub report: String,
}

/// `POST /api/v1/reload`: what came of it. A file that cannot be used is answered 422, with the report as the detail.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReloadAnswer {
    /// Whether anything is new.
    pub result: ReloadResult,
    /// The version that runs now.
    pub version: Arc<str>,
    /// The version that ran before.
    pub before: Arc<str>,
    /// What changed, a line each; none for a change of layout or comments.
    pub changes: Vec<String>,
}

/// What became of a routes.yaml that was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// It runs now.
    Applied,
    /// It is what ran already.
    Unchanged,
}

/// `GET /api/v1/stats`: what happened at the door since the process started, and what is listed for people.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Events made durable.
    pub accepted: u64,
    /// Events that were known already.
    pub duplicates: u64,
    /// Items that could not be read.
    pub quarantined: u64,
    /// Requests answered 503 because the store could not take them.
    pub unwritable: u64,
    /// Requests turned away at the webhook, by cause.
    pub refused: BTreeMap<String, u64>,
    /// Quarantine and dead deliveries: counted since the store was made.
    #[serde(default)]
    pub totals: Totals,
}

/// `POST /api/v1/receivers/{name}/resume`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResumeAnswer {
    /// The lane that tries again at once.
    pub receiver: String,
}

/// `GET /readyz`: 200 with this; 503 with [`ProblemDetails`] that say what is wrong.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Events can be accepted and messages move.
    pub ready: bool,
    /// What should be looked at all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
