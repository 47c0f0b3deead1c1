//! The one thread that writes: it commits whatever has queued up since its last commit, hands fresh deliveries over, and answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::checkpoint::{Checkpointer, Log};
use super::lookup;
use super::memory::Memory;
use super::place::Place;
use super::readers::Readers;
use super::schema::{Role, connect};
use super::task::{Inbox, Message, Statements, Work, Writing};
use super::trouble::{broken, is_of_the_disk, lost, unwritable};
use crate::store::Handoff;

/// Works and bytes in one transaction.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 16 << 20;
/// How often the writer lets others run before it begins to write without anything more.
const YIELDS: usize = 16;
/// It does so no longer than this, whatever comes.
const GATHERING: Duration = Duration::from_millis(2);
/// What can wait for others does for so long: at a thousand events a second nearly every outcome is on disk with the next event, and not
/// by a sync of its own. A kill in this time sends again what was not on record yet.
const LEISURE: Duration = Duration::from_millis(10);
/// A start has other things to write first: until then nothing is indexed. Tests do not wait for it.
const SETTLING: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(1) };
/// How often a store that cannot be written is tried.
const PROBE: Duration = Duration::from_secs(1);
/// A transaction that takes longer than this is stuck.
const STUCK: Duration = Duration::from_secs(10);

/// How the writer is doing, for all to see.
#[derive(Debug)]
pub struct Health {
    /// The last commit succeeded.
    committed: AtomicBool,
    started: Instant,
    /// Milliseconds after `started` at which the running transaction began, plus one; 0: none runs.
    busy_since: AtomicU64,
    /// The thread broke.
    broke: AtomicBool,
}

impl Health {
    pub fn new() -> Health {
        let (committed, broke) = (AtomicBool::new(true), AtomicBool::new(false));
        Health { committed, started: Instant::now(), busy_since: AtomicU64::new(0), broke }
    }

    pub fn is_good(&self) -> bool {
        let since = self.busy_since.load(Ordering::Relaxed);
        let stuck =
            since > 0 && self.now().saturating_sub(since) > u64::try_from(STUCK.as_millis()).unwrap_or(u64::MAX);
        self.committed.load(Ordering::Relaxed) && !stuck
    }

    /// Whether it may write again without a restart.
    pub fn is_alive(&self) -> bool {
        !self.broke.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }
}

/// Marks the writer as gone however it ends.
struct Gone(Arc<Health>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.committed.store(false, Ordering::Relaxed);
        self.0.broke.store(thread::panicking(), Ordering::Relaxed);
    }
}

/// The thread's state.
pub struct Writer {
    pub place: Place,
    pub db: Connection,
    pub memory: Memory,
    pub inbox: Inbox,
    pub handoff: Handoff,
    pub health: Arc<Health>,
    pub log: Arc<Log>,
    pub checkpointer: Checkpointer,
    pub readers: Arc<Readers>,
    /// The last step of the index failed.
    pub index_failed: bool,
}

struct Batch {
    works: Vec<Box<dyn Work>>,
    bytes: usize,
    close: bool,
}

impl Writer {
    /// Runs until asked to close, or until no one can ask any more.
    pub fn run(mut self) {
        let _gone = Gone(Arc::clone(&self.health));
        loop {
            let Some(batch) = self.next_batch() else { continue };
            let close = batch.close;
            self.write(batch);
            if close {
                break;
            }
            if self.indexes_in() == Some(Duration::ZERO) {
                self.index();
            }
            if self.log.wants_to_start_over() || self.log.is_too_long() {
                self.start_log_over();
            }
        }
        self.close();
    }

    /// Waits for work, and takes all there is. `None`: there was none, and something else was done.
    fn next_batch(&mut self) -> Option<Batch> {
        let healthy = self.health.committed.load(Ordering::Relaxed);
        let wait = if healthy { self.indexes_in() } else { Some(PROBE) };
        let first = match wait {
            None => self.inbox.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => self.inbox.receiver.recv_timeout(wait),
        };
        let (mut awaited, begun) = (false, Instant::now());
        let mut batch = Batch { works: Vec::with_capacity(16), bytes: 0, close: false };
        let mut next = match first {
            Ok(message) => Ok(message),
            Err(RecvTimeoutError::Disconnected) => Err(TryRecvError::Disconnected),
            Err(RecvTimeoutError::Timeout) if healthy => {
                self.index();
                return None;
            }
            Err(RecvTimeoutError::Timeout) => {
                self.probe();
                return None;
            }
        };
        loop {
            match next {
                Ok(Message::Work { work, bytes, can_wait }) => {
                    batch.works.push(work);
                    batch.bytes += bytes;
                    awaited |= !can_wait;
                }
                Ok(Message::Close) | Err(TryRecvError::Disconnected) => {
                    batch.close = true;
                    return Some(batch);
                }
                Err(TryRecvError::Empty) => return Some(batch),
            }
            if batch.works.len() >= BATCH || batch.bytes >= BATCH_BYTES {
                return Some(batch);
            }
            next = self.another(awaited, begun);
        }
    }

    /// What else there is for a transaction that has been gathered since `begun`; `awaited`: somebody waits for it.
    fn another(&self, awaited: bool, begun: Instant) -> Result<Message, TryRecvError> {
        let inbox = &self.inbox.receiver;
        // Others may be about to ask. On a busy machine one commit then serves many more; on an idle one it begins at once.
        for _ in 0..YIELDS {
            match inbox.try_recv() {
                // A neighbour that computes may take milliseconds.
                Err(TryRecvError::Empty) if begun.elapsed() < GATHERING => thread::yield_now(),
                Err(TryRecvError::Empty) => break,
                there_is => return there_is,
            }
        }
        if awaited {
            return inbox.try_recv();
        }
        inbox.recv_timeout(LEISURE.saturating_sub(begun.elapsed())).map_err(|error| match error {
            RecvTimeoutError::Timeout => TryRecvError::Empty,
            RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Writes a batch as one transaction. If one work cannot be done for reasons of its own, each gets its own transaction, so
    /// that the others do not suffer.
    fn write(&mut self, batch: Batch) {
        let Batch { mut works, bytes, .. } = batch;
        let count = works.len();
        if count == 0 {
            return;
        }
        let end = self.transaction(|writing| works.iter_mut().try_for_each(|work| work.apply(writing)));
        match end {
            Err(error) if count > 1 && !is_of_the_disk(&error) => {
                for mut work in works {
                    let end = self.transaction(|writing| work.apply(writing));
                    work.answer(end.map_err(|e| unwritable(&e)));
                }
            }
            end => {
                let end = end.map_err(|e| unwritable(&e));
                for work in works {
                    work.answer(end.clone());
                }
            }
        }
        self.inbox.done(count, bytes);
    }

    /// All of `body` becomes durable, and then its deliveries are handed over; or nothing of it happened.
    ///
    /// If the file was lost in the meantime, it is in the file all right, but nobody may be told so.
    fn transaction(&mut self, body: impl FnOnce(&mut Writing<'_>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        if !self.health.committed.load(Ordering::Relaxed)
            && let Some(what) = self.place.lost()
        {
            return Err(lost(what));
        }
        self.health.busy_since.store(self.health.now(), Ordering::Relaxed);
        let now_ms = Timestamp::now().as_millisecond();
        let mut writing = Writing {
            db: &self.db,
            memory: &mut self.memory,
            fresh: Vec::new(),
            now_ms,
            statements: Statements::default(),
        };
        // A fault in one work is that one's failure: nothing of its transaction stays, on disk or in memory.
        let end = catch_unwind(AssertUnwindSafe(|| {
            execute(&self.db, "BEGIN IMMEDIATE")
                .and_then(|()| body(&mut writing))
                .and_then(|()| writing.memory.write(&self.db))
                .and_then(|()| execute(&self.db, "COMMIT"))
        }))
        .unwrap_or_else(|_| Err(broken()));
        let fresh = std::mem::take(&mut writing.fresh);
        drop(writing);
        let end = match end {
            Ok(()) => {
                self.memory.keep();
                if !fresh.is_empty() {
                    (self.handoff)(fresh);
                }
                match self.place.lost() {
                    None => {
                        self.health.committed.store(true, Ordering::Relaxed);
                        Ok(())
                    }
                    Some(what) => {
                        let error = lost(what);
                        self.cannot_write(&error);
                        Err(error)
                    }
                }
            }
            Err(error) => {
                self.memory.forget();
                self.give_up(&error);
                Err(error)
            }
        };
        self.health.busy_since.store(0, Ordering::Relaxed);
        end
    }

    fn give_up(&mut self, error: &rusqlite::Error) {
        let rolled_back = self.db.is_autocommit() || execute(&self.db, "ROLLBACK").is_ok();
        if is_of_the_disk(error) {
            self.cannot_write(error);
        } else {
            tracing::error!(%error, "the store could not do what it was asked");
        }
        let of_the_file = !matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
        if (!rolled_back || (is_of_the_disk(error) && of_the_file)) && self.place.lost().is_none() {
            // After an I/O error a fresh connection may do better; if there is none, the next failure tries again.
            match open(&self.place.path, &self.log) {
                Ok(db) => self.db = db,
                Err(error) => tracing::warn!(%error, "the store could not be opened again yet"),
            }
        }
    }

    /// Says so once.
    fn cannot_write(&self, error: &rusqlite::Error) {
        if self.health.committed.swap(false, Ordering::Relaxed) {
            tracing::error!(%error, path = %self.place.path.display(), "the store cannot be written");
        }
    }

    /// Tries whether the disk takes as much as a usual commit again: with no traffic nothing else would tell.
    fn probe(&mut self) {
        let tried = self.transaction(fill);
        if tried.is_ok() {
            tracing::info!(path = %self.place.path.display(), "the store can be written again");
        }
    }

    /// How long the next step of the index waits; `None`: there is nothing to index.
    fn indexes_in(&self) -> Option<Duration> {
        if self.index_failed {
            return Some(PROBE);
        }
        self.memory.unindexed.is_due().then(|| SETTLING.saturating_sub(self.health.started.elapsed()))
    }

    fn index(&mut self) {
        // What fails is indexed another time, not at once; until then it is found in memory.
        self.index_failed = self.transaction(lookup::index).is_err();
    }

    fn start_log_over(&mut self) {
        let finished = self.db.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE);
        self.log.finished(finished.as_ref().ok().map(|(_, done)| *done));
        if let Err(error) = finished {
            tracing::warn!(%error, "the store's log could not be finished");
        }
    }

    fn close(mut self) {
        self.checkpointer.stop();
        self.readers.close();
        // A read that is still running may keep the log from going; it is whole, and moved at the next start.
        let _ = self.db.busy_timeout(Duration::from_secs(1));
        if let Err(error) = self.db.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE) {
            tracing::debug!(%error, "the store's log stays for the next start");
        }
        // The connection goes before the lock, which another relay may be waiting for.
        let Writer { place, db, .. } = self;
        drop(db);
        drop(place);
    }
}

/// Writes as much as a usual commit.
pub fn fill(w: &mut Writing<'_>) -> rusqlite::Result<()> {
    w.db.execute("INSERT OR REPLACE INTO probe(id, filler) VALUES(1, zeroblob(65536))", []).map(|_| ())
}

/// The writer's connection, which tells how long the log is.
pub fn open(path: &Path, log: &Arc<Log>) -> rusqlite::Result<Connection> {
    let mut db = connect(path, Role::Writer)?;
    let log = Arc::clone(log);
    db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
        log.committed(pages);
        Ok(())
    }))?;
    Ok(db)
}

fn execute(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(|_| ())
}
