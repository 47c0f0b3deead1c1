//! What goes into a store and comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::{DeliveryId, Event, EventId, Form};
use crate::receiver::{Reason, Verdict};
use crate::routing::Decision;

/// How many of the newest events are remembered, to know a duplicate. Fewer in tests, which go through all of them.
pub const REMEMBERED: usize = if cfg!(test) { 20_000 } else { 200_000 };
/// How many quarantined items are kept.
pub const QUARANTINED: usize = 1_000;
/// How many bytes their bodies may have together; the newest item stays whatever its size.
pub const QUARANTINED_BYTES: usize = 64 << 20;

/// A short stand-in for [`Event::key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub i64);

impl KeyHash {
    /// The first 8 bytes of the key's SHA-256.
    #[must_use]
    pub fn of(key: &str) -> KeyHash {
        KeyHash::of_parts(&[key])
    }

    /// Of a key that these make one after the other.
    pub(super) fn of_parts(parts: &[&str]) -> KeyHash {
        let digest: [u8; 32] = parts.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into();
        KeyHash(i64::from_be_bytes(*digest.first_chunk().expect("32 bytes have a first 8")))
    }
}

/// An event to accept.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// As read.
    pub event: Arc<Event>,
    /// What routing said about it.
    pub decision: Decision,
    /// Of `decision.targets`, the receivers that want to hear of the recovery (a failure opens for these).
    pub opens: Vec<Arc<str>>,
    /// The version of routes.yaml that decided.
    pub version: Arc<str>,
}

/// What became of a [`NewEvent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Of a duplicate: the first one's.
    pub id: EventId,
    /// Known already, and not accepted again.
    pub duplicate: bool,
    /// Same sender's ID as a known event, other data: accepted as a new event, worth a log line.
    pub id_reused: bool,
    /// With their receivers. Recoveries included. Empty for a duplicate.
    pub deliveries: Vec<(DeliveryId, Arc<str>)>,
}

/// Bytes of a body that may be held in memory while its delivery waits.
pub const LIGHT: usize = 8 * 1024;

/// A delivery still owed.
#[derive(Debug, Clone)]
pub struct Owed {
    /// The same through all attempts.
    pub id: DeliveryId,
    /// What it tells of.
    pub event: EventId,
    /// Whom it is owed to.
    pub receiver: Arc<str>,
    /// Empty for a recovery.
    pub route: Arc<str>,
    /// Order is kept among deliveries of one key.
    pub key: KeyHash,
    /// Attempts made so far.
    pub attempts: u32,
    /// Not before this time (a retry's).
    pub not_before: Option<Timestamp>,
    /// Of a recovery: the failure's delivery it closes.
    pub closes: Option<DeliveryId>,
    /// Someone may have to act on it now: a failure, the recovery that closes one, or a word of the relay itself. Not known of a
    /// failure that is read from disk without its event.
    pub urgent: bool,
    /// Absent after a failed attempt, and where its body is larger than [`LIGHT`], so that what waits is cheap: it is read by ID
    /// when its turn comes.
    pub content: Option<Arc<Event>>,
}

impl Owed {
    /// Whether someone may have to act now on a delivery that closes this failure, or tells of this event.
    #[must_use]
    pub fn is_urgent(closes: Option<DeliveryId>, event: Option<&Event>) -> bool {
        closes.is_some() || event.is_some_and(Event::is_alarm)
    }
}

/// What one attempt came to.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// Of what.
    pub delivery: DeliveryId,
    /// Whom it was sent to. The store's own word counts; it need not be asked for where this is the same.
    pub receiver: Arc<str>,
    /// How it went.
    pub attempt: Attempt,
    /// What follows for the delivery.
    pub end: End,
    /// What was sent, secrets redacted, for kinds that keep it.
    pub copy: Option<String>,
    /// Of a message that began a thread: what later messages of its job answer to.
    pub reference: Option<String>,
}

/// A message whose thread is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InThread {
    /// Whom it goes to.
    pub receiver: Arc<str>,
    /// Of its event.
    pub key: KeyHash,
    /// Of its event. Messages of no job are in no thread.
    pub job: Option<String>,
    /// Of a recovery: the failure's delivery it closes.
    pub closes: Option<DeliveryId>,
    /// The message itself: threads that began later are none of its own.
    pub before: DeliveryId,
}

/// Where an attempt leaves its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It arrived.
    Delivered,
    /// Still owed.
    Owed {
        /// No further attempt before this time.
        not_before: Option<Timestamp>,
    },
    /// Given up; listed until dismissed or past retention.
    Dead,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// Until the answer was read.
    pub took: Duration,
    /// What the answer means.
    pub verdict: Verdict,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// In the service's words, secrets redacted.
    pub detail: String,
    /// Worth knowing about the message (`title cut to 150 characters`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A receiver's standing in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRow {
    /// By name, as in routes.yaml.
    pub receiver: Arc<str>,
    /// Deliveries still owed.
    pub owed: u64,
    /// As given to `save_lane`.
    pub state: Option<String>,
}

/// The books at one moment, and at the moment when the store was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Since the store was begun; what retention has removed since is still counted.
    pub life: Books,
    /// The same, as it stood when the store was opened.
    pub at_open: Books,
}

/// What came in, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Of events.
    pub events: EventBooks,
    /// Of deliveries, by receiver; also those that are not in routes.yaml any more.
    pub receivers: BTreeMap<Arc<str>, DeliveryBooks>,
}

/// Events accepted, by what was decided, and what came beside them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBooks {
    /// For somebody.
    pub matched: u64,
    /// Routes matched, and all say "nobody".
    pub nobody: u64,
    /// No route matched. A recovery may be owed all the same.
    pub unmatched: u64,
    /// Events that were known already. Not accepted again.
    pub duplicates: u64,
    /// Items that could not be read, repeats counted.
    pub quarantined: u64,
}

impl EventBooks {
    /// Adds an event.
    pub fn count(&mut self, decision: &Decision) {
        *(match (decision.targets.is_empty(), decision.matched.is_empty()) {
            (false, _) => &mut self.matched,
            (true, false) => &mut self.nobody,
            (true, true) => &mut self.unmatched,
        }) += 1;
    }

    /// Events that were made durable.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.matched + self.nobody + self.unmatched
    }
}

/// Deliveries to one receiver. `made = delivered + dead + dismissed + owed`, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryBooks {
    /// Ever owed: by a decision, a recovery, a replay or a move.
    pub made: u64,
    /// Arrived.
    pub delivered: u64,
    /// Given up, and not dismissed since.
    pub dead: u64,
    /// Taken off the list by a person, or moved to another receiver.
    pub dismissed: u64,
    /// Not there yet.
    pub owed: u64,
}

impl DeliveryBooks {
    /// Adds a delivery.
    pub fn count(&mut self, state: DeliveryState) {
        self.made += 1;
        *(match state {
            DeliveryState::Owed => &mut self.owed,
            DeliveryState::Delivered => &mut self.delivered,
            DeliveryState::Dead => &mut self.dead,
            DeliveryState::Dismissed => &mut self.dismissed,
        }) += 1;
    }

    /// Whether each delivery made stands in exactly one state.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.made == self.delivered + self.dead + self.dismissed + self.owed
    }
}

/// An event as kept.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Given at acceptance.
    pub id: EventId,
    /// Read again from the bytes that came.
    pub event: Arc<Event>,
    /// What routing said about it.
    pub decision: Decision,
    /// The version of routes.yaml that decided.
    pub version: Arc<str>,
}

/// Bytes of bodies beyond which a page of events ends, so that many large ones are never in memory at once.
pub const PAGE_BYTES: usize = 8 << 20;

/// A page of events, newest first.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// Those that can be read: there may be fewer than asked for, or none, and more behind them.
    pub events: Vec<StoredEvent>,
    /// Where the next page begins ([`EventFilter::before`]); `None`: there is none.
    pub next: Option<EventId>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Not there yet.
    Owed,
    /// It arrived.
    Delivered,
    /// Given up.
    Dead,
    /// Taken off the list by a person, or moved to another receiver.
    Dismissed,
}

/// A delivery as kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// The same through all attempts.
    pub id: DeliveryId,
    /// What it tells of.
    pub event: EventId,
    /// Whom it goes to.
    pub receiver: Arc<str>,
    /// Empty for a recovery.
    pub route: Arc<str>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made so far.
    pub attempts: u32,
    /// Of the last attempt.
    pub at: Option<Timestamp>,
    /// Of an owed one: no attempt before this time.
    pub not_before: Option<Timestamp>,
    /// Of the last attempt.
    pub reason: Option<Reason>,
    /// Of the last attempt, in the service's words.
    pub detail: Option<String>,
    /// Of a recovery: the failure's delivery it closes.
    pub closes: Option<DeliveryId>,
    /// The delivery this one repeats.
    pub replay_of: Option<DeliveryId>,
    /// The newest delivery that repeats this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_by: Option<DeliveryId>,
}

/// Which events. All set parts must hold.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only IDs below this (for the next page).
    pub before: Option<EventId>,
    /// Received then or later.
    pub since: Option<Timestamp>,
    /// Received before then.
    pub until: Option<Timestamp>,
    /// Exactly this job.
    pub job: Option<String>,
    /// Exactly this key.
    pub key: Option<String>,
    /// The sender's ID.
    pub sender_id: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Which deliveries. All set parts must hold.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// This one.
    pub id: Option<DeliveryId>,
    /// Only IDs below this (for the next page).
    pub before: Option<DeliveryId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// To this receiver.
    pub receiver: Option<String>,
    /// From this route.
    pub route: Option<String>,
    /// Standing so.
    pub state: Option<DeliveryState>,
    /// Whose last attempt failed for this reason.
    pub reason: Option<Reason>,
    /// Owed then or later (by the relay's clock, as in the ID).
    pub since: Option<Timestamp>,
    /// Owed before then (by the same clock).
    pub until: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
}

impl DeliveryFilter {
    /// Whether a delivery is one of these, leaving its times aside: they go by the store's own clock.
    #[must_use]
    pub fn holds(&self, delivery: &Delivery) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        self.id.is_none_or(|id| delivery.id == id)
            && self.before.is_none_or(|before| delivery.id < before)
            && self.event.is_none_or(|event| delivery.event == event)
            && is(&self.receiver, &delivery.receiver)
            && is(&self.route, &delivery.route)
            && self.state.is_none_or(|state| delivery.state == state)
            && self.reason.is_none_or(|reason| delivery.reason == Some(reason))
    }
}

/// Where a [walk](crate::store::Store::walk) stands. The default: at its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// The store's own.
    pub group: i64,
    /// The delivery looked at last in the group.
    pub after: DeliveryId,
}

/// A page of a [walk](crate::store::Store::walk).
#[derive(Debug, Clone)]
pub struct Walked {
    /// What was found.
    pub deliveries: Vec<Delivery>,
    /// Where to go on; `None`: this was all.
    pub next: Option<Mark>,
}

/// Which of the deliveries looked up before are replayed: what changed since then is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unchanged {
    /// Only those that still stand so.
    pub state: DeliveryState,
    /// Also those of which there is a replay already.
    pub again: bool,
}

/// A delivery to add to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTarget {
    /// Whom it goes to.
    pub receiver: Arc<str>,
    /// The route that says so.
    pub route: Arc<str>,
}

/// A replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The new one.
    pub delivery: DeliveryId,
    /// Whom it goes to.
    pub receiver: Arc<str>,
    /// `None` when the event was decided anew.
    pub replay_of: Option<DeliveryId>,
}

/// Something unreadable, to keep. The same form and body make a repeat.
#[derive(Debug, Clone)]
pub struct NewQuarantined {
    /// As sent: with the headers it would have been read by.
    pub form: Form,
    /// Byte for byte.
    pub body: Bytes,
    /// Why it could not be read.
    pub reason: String,
    /// When it came.
    pub received_at: Timestamp,
}

/// Something unreadable, as kept.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// Grows with each new item, and is never given again.
    pub id: i64,
    /// As sent.
    pub form: Form,
    /// Byte for byte; in lists, the first [`BEGINNING`] bytes.
    pub body: Bytes,
    /// Length of the whole body.
    pub bytes: u64,
    /// Why it could not be read.
    pub reason: String,
    /// When it first came.
    pub first: Timestamp,
    /// When it last came.
    pub last: Timestamp,
    /// How often it came.
    pub count: u64,
}

/// Bytes of a quarantined body that lists show.
pub const BEGINNING: usize = 4_096;

/// What is listed for people now, and what became of such things since the store was made. Kept with the store, over restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Of things that could not be read.
    pub quarantine: QuarantineTotals,
    /// Dead deliveries, listed until they are replayed, dismissed or past the retention.
    pub dead: u64,
    /// Dead deliveries that went, still dead, when their retention was over.
    pub dead_expired: u64,
}

/// The quarantine in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineTotals {
    /// Items in it now.
    pub items: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Times something came that was in it already.
    pub repeated: u64,
    /// Items that went to make room for newer ones.
    pub dropped: u64,
    /// Items taken out by a person.
    pub dismissed: u64,
    /// Items that became events when they were read again.
    pub reread: u64,
}

/// A version of routes.yaml as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its name.
    pub version: Arc<str>,
    /// The file, secrets masked.
    pub text: String,
    /// When it last began to rule.
    pub at: Timestamp,
}

/// Why a store could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Try again soon.
    #[error("too much is waiting to be written")]
    Busy,
    /// Nothing of it was kept.
    #[error("the store cannot be written: {0}")]
    Unwritable(String),
    /// The file, or what was found in it.
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
    /// An event is there, but says nothing any more: damaged, or this version reads it more strictly than the one that took it in.
    #[error("{event} cannot be read any more: {why}")]
    EventUnreadable {
        /// Which.
        event: EventId,
        /// What is wrong with it.
        why: String,
    },
    /// Only one relay at a time.
    #[error("the store is in use by another relay (process {pid}): {path}")]
    InUse {
        /// The store's file.
        path: String,
        /// Who has it.
        pid: String,
    },
    /// Left exactly as it was found.
    #[error(
        "the store {path} was written by a newer jobrelay (schema {found}, this one knows {known}): use that version, or another --store"
    )]
    Newer {
        /// The store's file.
        path: String,
        /// Its schema.
        found: i64,
        /// The newest schema this program reads.
        known: i64,
    },
    /// After `close`.
    #[error("the store is closed")]
    Closed,
}
