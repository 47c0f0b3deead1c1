//! The store as the rest of the relay sees it: writes go to the writer's queue, reads to a reader.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;

use super::accept::{self, Prepared};
use super::checkpoint::{Checkpointer, Log};
use super::contents::Contents;
use super::ledger::Shared;
use super::lookup::Tail;
use super::memory::Memory;
use super::owed::Wanted;
use super::place::Place;
use super::readers::Readers;
use super::task::{Queue, Writing, queue};
use super::trouble::damaged;
use super::writer::{self, Health, Writer};
use super::{deliveries, events, keep, owe, owed, prune, quarantine, record, schema, threads, totals, walk};
use crate::event::{DeliveryId, Event, EventId};
use crate::store::{
    Accepted, Attempt, Attempted, Delivery, DeliveryFilter, EventFilter, EventPage, Handoff, InThread, KeyHash,
    LaneRow, Ledger, Mark, NewEvent, NewQuarantined, NewTarget, Owed, Quarantined, Replayed, Store, StoreError,
    StoredEvent, Totals, Unchanged, Version, Walked,
};

/// Fewer outcomes than this are worth no commit of their own yet.
const FEW: usize = 32;

/// The store in a file.
pub struct SqliteStore {
    pub(super) queue: Queue,
    readers: Arc<Readers>,
    contents: Arc<Contents>,
    health: Arc<Health>,
    ledger: Shared,
    pub(super) tail: Tail,
    /// Where the next look for old events goes on.
    prune_from: AtomicI64,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens or creates the file (mode 0600), takes it exclusively, loads what must be in memory.
    ///
    /// `handoff` is called on the writer's thread: it must not wait for this store.
    ///
    /// # Errors
    /// In use, newer schema, unreadable, unwritable.
    pub fn open(path: &Path, handoff: Handoff) -> Result<SqliteStore, StoreError> {
        let mut place = Place::take(path)?;
        schema::prepare(&place)?;
        let log = Arc::new(Log::default());
        let (db, memory) = load(&place.path, &log).map_err(|e| damaged(&place.path, &e.to_string()))?;
        place.opened().map_err(|e| StoreError::Unwritable(format!("{}: {e}", place.path.display())))?;
        let no_thread = |e: std::io::Error| StoreError::Unwritable(e.to_string());
        let checkpointer = Checkpointer::start(place.path.clone(), Arc::clone(&log)).map_err(no_thread)?;
        let readers = Arc::new(Readers::new(place.path.clone()));
        let health = Arc::new(Health::new());
        let (ledger, tail) = (memory.ledger.shared(), memory.unindexed.tail());
        let (queue, inbox) = queue();
        let writer = Writer {
            place,
            db,
            memory,
            inbox,
            handoff,
            health: Arc::clone(&health),
            log,
            checkpointer,
            readers: Arc::clone(&readers),
            index_failed: false,
        };
        let thread = thread::Builder::new().name("jobrelay-store".to_owned()).spawn(move || writer.run());
        let writer = Mutex::new(Some(thread.map_err(no_thread)?));
        let contents = Arc::default();
        Ok(SqliteStore { queue, readers, contents, health, ledger, tail, prune_from: AtomicI64::new(0), writer })
    }

    async fn page(&self, wanted: Wanted) -> Result<Vec<Owed>, StoreError> {
        let contents = Arc::clone(&self.contents);
        self.readers.read(move |db| owed::page(db, &contents, &wanted)).await
    }

    fn take_writer(&self) -> Option<JoinHandle<()>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The writer's connection and what it knows. A file that cannot be read stays as it is, and so does its log.
fn load(path: &Path, log: &Arc<Log>) -> rusqlite::Result<(Connection, Memory)> {
    let db = writer::open(path, log)?;
    schema::keep_log(&db, true)?;
    let memory = Memory::load(&db)?;
    schema::keep_log(&db, false)?;
    Ok((db, memory))
}

impl Drop for SqliteStore {
    /// Waits for the writer: once this returns, another may open the file.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.take_writer()
            && writer.thread().id() != thread::current().id()
        {
            let _ = writer.join();
        }
    }
}

/// With the bytes they take while they wait.
fn prepared(events: Vec<NewEvent>) -> Result<(Vec<Prepared>, usize), StoreError> {
    let prepared = events.into_iter().map(Prepared::new).collect::<Result<Vec<_>, _>>()?;
    let bytes = prepared.iter().map(Prepared::bytes).sum();
    Ok((prepared, bytes))
}

#[async_trait]
impl Store for SqliteStore {
    async fn accept(&self, items: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let (items, bytes) = prepared(items)?;
        self.queue.take_in(bytes, move |w| accept::accept(w, &items)).await
    }

    async fn record(&self, attempts: Arc<[Attempted]>) -> Result<(), StoreError> {
        let few = attempts.len() < FEW;
        let record = move |w: &mut Writing<'_>| record::record(w, &attempts);
        if few { self.queue.ask_at_leisure(record).await } else { self.queue.ask(record).await }
    }

    async fn owed(&self, receiver: &str, after: DeliveryId, limit: usize) -> Result<Vec<Owed>, StoreError> {
        self.page(Wanted { receiver: Arc::from(receiver), key: None, after, limit }).await
    }

    async fn owed_of_key(
        &self,
        receiver: &str,
        key: KeyHash,
        after: DeliveryId,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreError> {
        self.page(Wanted { receiver: Arc::from(receiver), key: Some(key), after, limit }).await
    }

    async fn lanes(&self) -> Result<Vec<LaneRow>, StoreError> {
        let ledger = self.ledger.clone();
        self.readers.read(move |db| keep::lanes(db, &ledger)).await
    }

    async fn ledger(&self) -> Result<Ledger, StoreError> {
        Ok(self.ledger.ledger())
    }

    async fn claim(&self, _receiver: &str, _expiry: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn release(&self, _receiver: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn save_lane(&self, receiver: &str, state: &str) -> Result<(), StoreError> {
        let (receiver, state) = (Arc::from(receiver), state.to_owned());
        self.queue.ask(move |w| keep::save_lane(w, &receiver, &state)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        self.readers.read(move |db| events::one(db, id)).await?.transpose()
    }

    async fn content(&self, id: EventId) -> Result<Option<Arc<Event>>, StoreError> {
        self.readers.read(move |db| events::content_of(db, id)).await?.transpose()
    }

    async fn events(&self, filter: &EventFilter) -> Result<EventPage, StoreError> {
        let (tail, filter) = (self.tail.clone(), filter.clone());
        self.readers.read(move |db| events::page(db, &tail, &filter)).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        let filter = filter.clone();
        self.readers.read(move |db| deliveries::page(db, &filter)).await
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
        self.readers.read(move |db| deliveries::attempts(db, id)).await
    }

    async fn copy(&self, id: DeliveryId) -> Result<Option<String>, StoreError> {
        self.readers.read(move |db| deliveries::copy(db, id)).await
    }

    async fn reference(&self, message: &InThread) -> Result<Option<String>, StoreError> {
        let message = message.clone();
        self.readers.read(move |db| threads::reference(db, &message)).await
    }

    async fn next_of_key(
        &self,
        key: &str,
        after: EventId,
        until: Timestamp,
    ) -> Result<Option<StoredEvent>, StoreError> {
        let (tail, key) = (self.tail.clone(), key.to_owned());
        self.readers.read(move |db| events::next_of_key(db, &tail, &key, after, until)).await
    }

    async fn walk(&self, filter: &DeliveryFilter, from: Mark) -> Result<Walked, StoreError> {
        let filter = filter.clone();
        self.readers.read(move |db| walk::page(db, &filter, from)).await
    }

    async fn replay(&self, deliveries: &[DeliveryId], to: Option<&str>) -> Result<Vec<Replayed>, StoreError> {
        let (deliveries, to) = (deliveries.to_vec(), to.map(Arc::from));
        self.queue.ask(move |w| owe::replay(w, &deliveries, None, to.as_ref())).await
    }

    async fn replay_unchanged(
        &self,
        deliveries: &[DeliveryId],
        unchanged: Unchanged,
        to: Option<&str>,
    ) -> Result<Vec<Replayed>, StoreError> {
        let (deliveries, to) = (deliveries.to_vec(), to.map(Arc::from));
        self.queue.ask(move |w| owe::replay(w, &deliveries, Some(unchanged), to.as_ref())).await
    }

    async fn replay_event(&self, event: EventId, targets: Vec<NewTarget>) -> Result<Vec<Replayed>, StoreError> {
        self.queue.ask(move |w| owe::replay_event(w, event, &targets)).await
    }

    async fn dismiss(&self, deliveries: &[DeliveryId]) -> Result<u64, StoreError> {
        let deliveries = deliveries.to_vec();
        self.queue.ask(move |w| owe::dismiss(w, &deliveries)).await
    }

    async fn move_owed(&self, receiver: &str, to: &str, limit: usize) -> Result<u64, StoreError> {
        let (from, to) = (Arc::from(receiver), Arc::from(to));
        self.queue.ask(move |w| owe::move_owed(w, &from, &to, limit)).await
    }

    async fn quarantine(&self, item: NewQuarantined) -> Result<bool, StoreError> {
        self.queue.take_in(item.body.len(), move |w| quarantine::quarantine(w, &item)).await
    }

    async fn quarantined(&self, limit: usize) -> Result<Vec<Quarantined>, StoreError> {
        self.readers.read(move |db| quarantine::newest(db, limit)).await
    }

    async fn quarantined_item(&self, id: i64) -> Result<Option<Quarantined>, StoreError> {
        self.readers.read(move |db| quarantine::one(db, id)).await
    }

    async fn accept_quarantined(&self, id: i64, events: Vec<NewEvent>) -> Result<Option<Vec<Accepted>>, StoreError> {
        let (events, bytes) = prepared(events)?;
        self.queue.take_in(bytes, move |w| quarantine::accept_item(w, id, &events)).await
    }

    async fn still_unreadable(&self, id: i64, reason: &str) -> Result<(), StoreError> {
        let reason = reason.to_owned();
        self.queue.ask(move |w| quarantine::still_unreadable(w, id, &reason)).await
    }

    async fn dismiss_quarantined(&self, ids: &[i64]) -> Result<u64, StoreError> {
        let ids = ids.to_vec();
        self.queue.ask(move |w| quarantine::dismiss(w, &ids)).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.readers.read(totals::all).await
    }

    async fn apply_version(&self, version: &str, text: &str, now: Timestamp) -> Result<(), StoreError> {
        let (version, text) = (version.to_owned(), text.to_owned());
        self.queue.ask(move |w| keep::apply_version(w, &version, &text, now)).await
    }

    async fn version(&self, version: &str) -> Result<Option<Version>, StoreError> {
        let version = version.to_owned();
        self.readers.read(move |db| keep::version(db, &version)).await
    }

    async fn ruled_since(&self, version: &str, by: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let version = version.to_owned();
        self.readers.read(move |db| keep::ruled_since(db, &version, by)).await
    }

    async fn last_version(&self) -> Result<Option<Version>, StoreError> {
        self.readers.read(keep::last_version).await
    }

    async fn prune(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let from = self.prune_from.load(Ordering::Relaxed);
        let found = self.readers.read(move |db| prune::look(db, from, before, limit)).await?;
        let removed = match found.events {
            none if none.is_empty() => 0,
            events => self.queue.ask(move |w| prune::remove(w, &events, before)).await?,
        };
        self.prune_from.store(found.next, Ordering::Relaxed);
        Ok(removed)
    }

    fn writable(&self) -> bool {
        self.health.is_good()
    }

    fn alive(&self) -> bool {
        self.health.is_alive()
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.queue.ask(writer::fill).await
    }

    async fn close(&self) {
        self.queue.close();
        if let Some(writer) = self.take_writer() {
            // Joining waits for the last commit, so not on a task's thread.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("writable", &self.writable()).finish_non_exhaustive()
    }
}
