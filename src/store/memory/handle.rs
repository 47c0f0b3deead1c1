//! The durable part, and a relay's handle of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::accept;
use super::state::{KeptEvent, State};
use crate::event::{DeliveryId, EventId};
use crate::store::{
    Accepted, Attempt, Attempted, Books, Delivery, DeliveryFilter, EventFilter, EventPage, Handoff, InThread, KeyHash,
    LaneRow, Ledger, Mark, NewEvent, NewQuarantined, NewTarget, Owed, Quarantined, Replayed, Store, StoreError,
    StoredEvent, Totals, Unchanged, Version, Walked,
};

/// Tells the time: when claims expire, and when deliveries were made.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What is durable. It outlives the stores opened on it; clones are the same.
#[derive(Clone)]
pub(crate) struct Durable {
    state: Arc<Mutex<State>>,
    pub(super) clock: Clock,
}

impl Durable {
    /// An empty one. IDs are counted from `first`, and from the time at which they are given if that is more.
    pub fn new(first: i64, clock: Clock) -> Durable {
        Durable { state: Arc::new(Mutex::new(State::new(first - 1))), clock }
    }

    /// Opens it for the relay of this name. If that relay has it open already, this is its restart after a kill: it keeps its claims,
    /// and whatever still has the old handle can do nothing any more. Other relays are not concerned.
    ///
    /// `handoff` is called with the state locked, so that batches come in the order of acceptance: it must not call the store.
    pub fn open(&self, relay: &str, handoff: Handoff) -> MemoryStore {
        let relay: Arc<str> = Arc::from(relay);
        let mut state = self.lock();
        let opened = state.opened.entry(Arc::clone(&relay)).or_default();
        *opened += 1;
        let opening = *opened;
        let at_open = state.books();
        drop(state);
        MemoryStore { at_open, durable: self.clone(), relay, opening, handoff, closed: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One relay's handle.
pub(crate) struct MemoryStore {
    /// The books when it was opened.
    at_open: Books,
    durable: Durable,
    relay: Arc<str>,
    /// Which of this relay's openings this is.
    opening: u64,
    handoff: Handoff,
    closed: AtomicBool,
}

impl MemoryStore {
    fn is_open(&self, state: &State) -> bool {
        !self.closed.load(Ordering::Relaxed) && state.opened.get(&self.relay) == Some(&self.opening)
    }

    /// Does something with the state, all or none of it.
    fn with<T>(&self, act: impl FnOnce(&mut State, Timestamp) -> T) -> Result<T, StoreError> {
        let mut state = self.durable.lock();
        if self.is_open(&state) { Ok(act(&mut state, (self.durable.clock)())) } else { Err(StoreError::Closed) }
    }

    /// The same for what makes deliveries: those of lanes this relay holds are handed over.
    fn owing<T>(&self, act: impl FnOnce(&mut State, Timestamp, &mut Vec<Owed>) -> T) -> Result<T, StoreError> {
        self.with(|state, now| {
            state.catch_up(now);
            let mut fresh = Vec::new();
            let answer = act(state, now, &mut fresh);
            fresh.retain(|owed| state.holds(&self.relay, &owed.receiver, now));
            if !fresh.is_empty() {
                (self.handoff)(fresh);
            }
            answer
        })
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn accept(&self, items: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
        self.owing(|state, now, fresh| items.iter().map(|item| accept::accept(state, item, now, fresh)).collect())
    }

    async fn record(&self, attempts: Arc<[Attempted]>) -> Result<(), StoreError> {
        self.with(|state, _| attempts.iter().for_each(|attempted| state.record(attempted.clone())))
    }

    async fn owed(&self, receiver: &str, after: DeliveryId, limit: usize) -> Result<Vec<Owed>, StoreError> {
        self.with(|state, _| state.page(receiver, None, after, limit))
    }

    async fn owed_of_key(
        &self,
        receiver: &str,
        key: KeyHash,
        after: DeliveryId,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreError> {
        self.with(|state, _| state.page(receiver, Some(key), after, limit))
    }

    async fn lanes(&self) -> Result<Vec<LaneRow>, StoreError> {
        self.with(|state, _| state.lanes())
    }

    async fn ledger(&self) -> Result<Ledger, StoreError> {
        self.with(|state, _| Ledger { life: state.books(), at_open: self.at_open.clone() })
    }

    async fn claim(&self, receiver: &str, expiry: Duration) -> Result<bool, StoreError> {
        self.with(|state, now| {
            let until = now.saturating_add(expiry).unwrap_or(Timestamp::MAX);
            state.claim(&self.relay, receiver, until, now)
        })
    }

    async fn release(&self, receiver: &str) -> Result<(), StoreError> {
        self.with(|state, _| state.release(&self.relay, receiver))
    }

    async fn save_lane(&self, receiver: &str, lane: &str) -> Result<(), StoreError> {
        self.with(|state, _| {
            state.lanes.insert(Arc::from(receiver), lane.to_owned());
        })
    }

    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        self.with(|state, _| state.events.get(&id).map(|kept: &KeptEvent| kept.stored(id)))
    }

    async fn events(&self, filter: &EventFilter) -> Result<EventPage, StoreError> {
        self.with(|state, _| state.find_events(filter))
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        self.with(|state, _| state.find_deliveries(filter))
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
        self.with(|state, _| state.deliveries.get(&id).map(|kept| kept.attempts.clone()).unwrap_or_default())
    }

    async fn copy(&self, id: DeliveryId) -> Result<Option<String>, StoreError> {
        self.with(|state, _| state.deliveries.get(&id).and_then(|kept| kept.copy.clone()))
    }

    async fn reference(&self, message: &InThread) -> Result<Option<String>, StoreError> {
        self.with(|state, _| state.reference(message))
    }

    async fn next_of_key(
        &self,
        key: &str,
        after: EventId,
        until: Timestamp,
    ) -> Result<Option<StoredEvent>, StoreError> {
        self.with(|state, _| state.next_of_key(key, after, until))
    }

    async fn replay(&self, deliveries: &[DeliveryId], to: Option<&str>) -> Result<Vec<Replayed>, StoreError> {
        let to = to.map(Arc::from);
        self.owing(|state, now, fresh| state.replay(deliveries, None, to.as_ref(), now, fresh))
    }

    async fn replay_unchanged(
        &self,
        deliveries: &[DeliveryId],
        unchanged: Unchanged,
        to: Option<&str>,
    ) -> Result<Vec<Replayed>, StoreError> {
        let to = to.map(Arc::from);
        self.owing(|state, now, fresh| state.replay(deliveries, Some(unchanged), to.as_ref(), now, fresh))
    }

    async fn walk(&self, filter: &DeliveryFilter, from: Mark) -> Result<Walked, StoreError> {
        self.with(|state, _| state.walk(filter, from))
    }

    async fn replay_event(&self, event: EventId, targets: Vec<NewTarget>) -> Result<Vec<Replayed>, StoreError> {
        self.owing(|state, now, fresh| state.replay_event(event, &targets, now, fresh))
    }

    async fn dismiss(&self, deliveries: &[DeliveryId]) -> Result<u64, StoreError> {
        self.with(|state, _| state.dismiss(deliveries))
    }

    async fn move_owed(&self, receiver: &str, to: &str, limit: usize) -> Result<u64, StoreError> {
        let to = Arc::from(to);
        self.owing(|state, now, fresh| state.move_owed(receiver, &to, limit, now, fresh))
    }

    async fn quarantine(&self, item: NewQuarantined) -> Result<bool, StoreError> {
        self.with(|state, _| state.put_in_quarantine(item))
    }

    async fn quarantined(&self, limit: usize) -> Result<Vec<Quarantined>, StoreError> {
        self.with(|state, _| state.quarantined(limit))
    }

    async fn quarantined_item(&self, id: i64) -> Result<Option<Quarantined>, StoreError> {
        self.with(|state, _| state.quarantined_item(id))
    }

    async fn accept_quarantined(&self, id: i64, events: Vec<NewEvent>) -> Result<Option<Vec<Accepted>>, StoreError> {
        self.owing(|state, now, fresh| state.accept_quarantined(id, &events, now, fresh))
    }

    async fn still_unreadable(&self, id: i64, reason: &str) -> Result<(), StoreError> {
        self.with(|state, _| state.still_unreadable(id, reason))
    }

    async fn dismiss_quarantined(&self, ids: &[i64]) -> Result<u64, StoreError> {
        self.with(|state, _| state.dismiss_quarantined(ids))
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.with(|state, _| state.count_all())
    }

    async fn apply_version(&self, version: &str, text: &str, now: Timestamp) -> Result<(), StoreError> {
        self.with(|state, _| state.apply_version(version, text, now))
    }

    async fn version(&self, version: &str) -> Result<Option<Version>, StoreError> {
        self.with(|state, _| state.version(version))
    }

    async fn ruled_since(&self, version: &str, by: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.with(|state, _| state.ruled_since(version, by))
    }

    async fn last_version(&self) -> Result<Option<Version>, StoreError> {
        self.with(|state, _| state.last_version())
    }

    async fn prune(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.with(|state, _| state.prune(before, limit))
    }

    fn writable(&self) -> bool {
        self.is_open(&self.durable.lock())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        if self.writable() { Ok(()) } else { Err(StoreError::Closed) }
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}
