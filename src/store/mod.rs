//! What is kept: one trait, one conformance suite that every implementation passes.

mod model;
mod sqlite;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod memory;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

pub use model::*;
pub use sqlite::{Audit, BackedUp, Checked, Finding, Flaw, History, Repair, SqliteStore, Unread, Walk, repair};

use crate::event::{DeliveryId, Event, EventId};

/// Called with each batch of fresh deliveries right after it became durable, in the order of acceptance, before `accept` returns.
/// Must not block. (A store shared between relays hands over only the deliveries of lanes this relay holds.)
pub type Handoff = Arc<dyn Fn(Vec<Owed>) + Send + Sync>;

/// Durable state. All methods may be called at any time from any task; a method's effect is on disk when it returns `Ok`.
///
/// Order: deliveries have the order in which their events were accepted, which is the order of their IDs.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Accepts events in order: drops duplicates (of the newest [`REMEMBERED`] events), adds the recoveries that a success owes, opens
    /// the failures that want one. One answer for each item. All or none.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too much is queued already, [`StoreError::Unwritable`] when the disk says no. Nothing of it is kept then.
    async fn accept(&self, items: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError>;

    /// Records what attempts came to, in order. Shared, as whoever could not record them has to try again.
    async fn record(&self, attempts: Arc<[Attempted]>) -> Result<(), StoreError>;

    /// The next deliveries still owed to `receiver`, oldest first, with IDs above `after` and their events.
    async fn owed(&self, receiver: &str, after: DeliveryId, limit: usize) -> Result<Vec<Owed>, StoreError>;

    /// The same, of one key.
    async fn owed_of_key(
        &self,
        receiver: &str,
        key: KeyHash,
        after: DeliveryId,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreError>;

    /// Every receiver that is owed something or has a lane state, with the number owed.
    async fn lanes(&self) -> Result<Vec<LaneRow>, StoreError>;

    /// The books: what came in and what became of it, over the store's life and as it stood when this store was opened. All numbers
    /// are of one moment, and agree with what is on disk then.
    async fn ledger(&self) -> Result<Ledger, StoreError>;

    /// Claims a lane for this relay until `expiry` from now, or extends the claim. `false`: another relay holds it. A store that
    /// only one relay can open always says `true`.
    async fn claim(&self, receiver: &str, expiry: Duration) -> Result<bool, StoreError>;

    /// Gives up the claim of a lane whose work has ended, so that another relay need not wait for the claim to expire. A lane that this
    /// relay does not hold is left alone.
    async fn release(&self, receiver: &str) -> Result<(), StoreError>;

    /// Keeps a lane's state (opaque JSON of the lane).
    async fn save_lane(&self, receiver: &str, state: &str) -> Result<(), StoreError>;

    /// One event.
    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError>;

    /// The event alone, as far as that can still be read: a message needs nothing else that is kept with it.
    async fn content(&self, id: EventId) -> Result<Option<Arc<Event>>, StoreError> {
        Ok(self.event(id).await?.map(|stored| stored.event))
    }

    /// Events, newest first. A page ends after [`EventFilter::limit`], or [`PAGE_BYTES`] of bodies.
    async fn events(&self, filter: &EventFilter) -> Result<EventPage, StoreError>;

    /// Deliveries, newest first.
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError>;

    /// The attempts of a delivery, oldest first.
    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError>;

    /// What was sent, for deliveries that keep a copy (see [`Attempted::copy`]).
    async fn copy(&self, id: DeliveryId) -> Result<Option<String>, StoreError>;

    /// What later messages of a thread answer to: the reference kept last (see [`Attempted::reference`]) for a delivery before
    /// `message.before` to the same receiver, of the failed job where the message closes a failure that got one, else of its own job.
    async fn reference(&self, message: &InThread) -> Result<Option<String>, StoreError>;

    /// The newest event with this key after `after` that was received before `until`, if any.
    async fn next_of_key(&self, key: &str, after: EventId, until: Timestamp)
    -> Result<Option<StoredEvent>, StoreError>;

    /// Deliveries for actions on many of them: at most `filter.limit` that `filter` names, and where to go on. Each receiver's come
    /// oldest first, and none twice. Reads a short stretch only, so a page may be empty without being the last.
    async fn walk(&self, filter: &DeliveryFilter, from: Mark) -> Result<Walked, StoreError>;

    /// Owes deliveries anew: a copy of each named delivery (same event and route), with a new ID that names the old; to `to` if
    /// given. A dead one ends `dismissed` with it.
    async fn replay(&self, deliveries: &[DeliveryId], to: Option<&str>) -> Result<Vec<Replayed>, StoreError>;

    /// The same for deliveries that were looked up before, as far as they are `unchanged`: so what is done twice, at the same moment
    /// or after a kill, sends nothing twice. Those still owed are left out.
    async fn replay_unchanged(
        &self,
        deliveries: &[DeliveryId],
        unchanged: Unchanged,
        to: Option<&str>,
    ) -> Result<Vec<Replayed>, StoreError>;

    /// Decides an event anew: adds `targets` as new deliveries of it.
    async fn replay_event(&self, event: EventId, targets: Vec<NewTarget>) -> Result<Vec<Replayed>, StoreError>;

    /// Takes deliveries off the list: owed or dead ones end `dismissed`. Returns how many.
    async fn dismiss(&self, deliveries: &[DeliveryId]) -> Result<u64, StoreError>;

    /// Moves everything owed to `receiver` to `to` (replays each and dismisses the old), oldest first, at most `limit`; 0: nothing left.
    async fn move_owed(&self, receiver: &str, to: &str, limit: usize) -> Result<u64, StoreError>;

    /// Keeps something unreadable; a repeat only counts up. At most [`QUARANTINED`] are kept, of [`QUARANTINED_BYTES`] together; the
    /// oldest go, and are counted. `true` if it is new.
    async fn quarantine(&self, item: NewQuarantined) -> Result<bool, StoreError>;

    /// Quarantined items, newest first, each with the beginning of its body.
    async fn quarantined(&self, limit: usize) -> Result<Vec<Quarantined>, StoreError>;

    /// One quarantined item, whole.
    async fn quarantined_item(&self, id: i64) -> Result<Option<Quarantined>, StoreError>;

    /// Accepts the events that a quarantined item turned out to be, as [`accept`](Store::accept) does, and takes the item out: both or
    /// neither. `None` if there is no such item (any more): nothing is accepted then.
    ///
    /// # Errors
    /// As [`accept`](Store::accept).
    async fn accept_quarantined(&self, id: i64, events: Vec<NewEvent>) -> Result<Option<Vec<Accepted>>, StoreError>;

    /// A quarantined item still cannot be read, for this reason.
    async fn still_unreadable(&self, id: i64, reason: &str) -> Result<(), StoreError>;

    /// Takes items out of the quarantine. Returns how many were there.
    async fn dismiss_quarantined(&self, ids: &[i64]) -> Result<u64, StoreError>;

    /// What is listed for people, in numbers.
    async fn totals(&self) -> Result<Totals, StoreError>;

    /// Records that a version of routes.yaml (its text with secrets masked) rules from now on. The text of a known one is left alone.
    async fn apply_version(&self, version: &str, text: &str, now: Timestamp) -> Result<(), StoreError>;

    /// A version that ruled once.
    async fn version(&self, version: &str) -> Result<Option<Version>, StoreError>;

    /// When a version last began to rule, of the times not after `by`: A, B and A again are three.
    async fn ruled_since(&self, version: &str, by: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// The version that ruled last.
    async fn last_version(&self) -> Result<Option<Version>, StoreError>;

    /// Deletes at most `limit` events received before `before` that owe nothing and of which nothing died at `before` or later, with
    /// all that hangs on them; dead deliveries among that are counted (see [`Totals::dead_expired`]). Returns how many events.
    async fn prune(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;

    /// Whether it can write right now: the last commit succeeded and the writer moves.
    fn writable(&self) -> bool;

    /// Whether it may ever write again: if not, only a new process helps.
    fn alive(&self) -> bool {
        true
    }

    /// Goes the way of an accept: queues up with it, writes as much as a usual commit takes and makes it durable, for nobody to see.
    /// Who asks bounds the wait: a store that hangs does not answer.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Commits what is queued and closes. Later calls fail.
    async fn close(&self);
}
