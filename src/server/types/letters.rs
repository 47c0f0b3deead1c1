//! Many deliveries at once, and the quarantine.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{DeliveryId, EventId};
use crate::receiver::Reason;
use crate::store::{Delivery, DeliveryState, QuarantineTotals, Replayed};

/// Many deliveries: those for which all set parts hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// To this receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// From this route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Standing so; dead ones if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryState>,
    /// Whose last attempt failed for this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Owed then or later, by the relay's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Owed before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Also what is still owed: to dismiss it, or to move all of a receiver's to another one.
    #[serde(default)]
    pub owed: bool,
    /// With IDs below this: a step's [`Step::before`], to act on exactly what a dry run counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DeliveryId>,
}

/// What one request did, or would do, of a [`Range`]: a share of it. Ask again with `next` until there is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Step {
    /// Deliveries of this share.
    #[serde(default)]
    pub counts: Vec<Counted>,
    /// The first few of them.
    #[serde(default)]
    pub first: Vec<Delivery>,
    /// The range ends below this ID: what came after its beginning is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DeliveryId>,
    /// Where the next request goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How many deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// To this receiver.
    pub receiver: Arc<str>,
    /// From this route; empty for a recovery.
    pub route: Arc<str>,
    /// Standing so, before anything was done.
    pub state: DeliveryState,
    /// So many.
    pub count: u64,
}

/// `POST /api/v1/replay`: exactly one of `event`, `deliveries`, `range`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ReplayRequest {
    /// Decide this event anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// These deliveries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<DeliveryId>,
    /// All of these. What was replayed before is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// To another receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of a range: also what was replayed before.
    #[serde(default)]
    pub again: bool,
    /// Of a range: only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Of a range: [`Step::next`] of the answer before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Its answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ReplayAnswer {
    /// The new deliveries, in the order they will be sent.
    pub replayed: Vec<Replayed>,
    /// Owed deliveries moved to another receiver; in a dry run those that would be, which are among the `counts` too.
    pub moved: u64,
    /// Of a range.
    #[serde(flatten)]
    pub step: Step,
}

/// `POST /api/v1/dismiss`: exactly one of `deliveries`, `range`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct DismissRequest {
    /// These deliveries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<DeliveryId>,
    /// All of these: dead or owed ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Of a range: only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Of a range: [`Step::next`] of the answer before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Its answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct DismissAnswer {
    /// How many were taken off the list.
    pub dismissed: u64,
    /// Of a range.
    #[serde(flatten)]
    pub step: Step,
}

/// `GET /api/v1/quarantine`: newest first, and what became of others.
#[derive(Debug, Serialize, Deserialize)]
pub struct QuarantineList {
    /// At most `limit` of them.
    pub items: Vec<QuarantineItem>,
    /// The quarantine in numbers.
    pub totals: QuarantineTotals,
}

/// `GET /api/v1/quarantine/{id}`, and in lists: something that could not be read. Its bytes are at `/body`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QuarantineItem {
    /// Its number in the quarantine.
    pub id: i64,
    /// As it came.
    pub content_type: String,
    /// The `ce-*` headers it came with, if it came in the binary form, without the prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// What was wrong, and where.
    pub reason: String,
    /// When it came first.
    pub first: Timestamp,
    /// When it came last.
    pub last: Timestamp,
    /// How often the same came.
    pub count: u64,
    /// Length of the body.
    pub bytes: u64,
    /// The beginning of the body, as text; secrets are hidden.
    pub body: String,
}

/// `POST /api/v1/quarantine/replay`: reads items again, as if they came now.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RereadRequest {
    /// These items, in this order.
    pub ids: Vec<i64>,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct RereadAnswer {
    /// One for each item asked for, in order.
    pub items: Vec<Reread>,
}

/// What became of an item that was read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reread {
    /// Its number in the quarantine.
    pub id: i64,
    /// What became of it.
    pub result: RereadResult,
    /// Why it still cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The events it turned out to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<RereadEvent>,
}

/// See [`Reread`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RereadResult {
    /// It can be read now, and would be accepted (a dry run).
    Readable,
    /// Its events are durable, and it has left the quarantine.
    Accepted,
    /// It stays.
    Unreadable,
    /// It is not in the quarantine (any more).
    Gone,
}

/// An event from the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RereadEvent {
    /// Given at acceptance; of a duplicate, the first one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EventId>,
    /// It was known already, and is not sent again.
    #[serde(default)]
    pub duplicate: bool,
    /// Routes that match; empty: unmatched.
    pub matched: Vec<Arc<str>>,
    /// Receivers that get it.
    pub receivers: Vec<Arc<str>>,
}

/// `POST /api/v1/quarantine/dismiss`: exactly one of `ids`, `all`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct DismissItemsRequest {
    /// These items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    /// All that are there now.
    #[serde(default)]
    pub all: bool,
}
