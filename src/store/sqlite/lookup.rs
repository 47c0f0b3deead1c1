//! Finding events by the sender's ID, the job or the key: an index of hashes, filled behind the hot path.
//!
//! Hashes come in no order, and a row put anywhere into a large tree costs ten times one put at its end. So the newest events are
//! held in memory; once there are many, they become a generation: their hashes are sorted and appended, a few at a time between
//! commits. A search looks through memory and then seeks once in each generation. A hash may belong to several texts, and an
//! event may be gone: whoever asks checks the events found.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};

use super::hashes::{self, Pair, ROW};
use super::prints::Print;
use super::rows::to_limit;
use super::task::Writing;
use crate::event::Event;
use crate::store::KeyHash;

/// Events of one generation. Small in tests, so that they see many.
const GENERATION: usize = if cfg!(test) { 30 } else { 20_000 };
/// Events held in memory at most. Those beyond are found by their time only: the index cannot be written for long, and memory must not
/// grow with what comes meanwhile.
const HELD: usize = 50 * GENERATION;
/// Rows written or removed in one go: well below a millisecond of the writer's time.
const STEP: usize = if cfg!(test) { 3 } else { 32 };

/// The hashes one event is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashes {
    pub key: KeyHash,
    pub job: Option<i64>,
    pub sender: i64,
}

impl Hashes {
    pub fn of(event: &Event) -> Hashes {
        let job = event.job.as_ref().and_then(|j| j.id.as_deref());
        Hashes { key: KeyHash::of(&event.key), job: job.map(of_job), sender: of_sender_id(&event.id) }
    }

    fn all(self) -> impl Iterator<Item = i64> {
        [Some(self.key.0), self.job, Some(self.sender)].into_iter().flatten()
    }
}

/// Of a job ID.
pub fn of_job(id: &str) -> i64 {
    KeyHash::of_parts(&["job ", id]).0
}

/// Of an envelope's ID.
pub fn of_sender_id(id: &str) -> i64 {
    KeyHash::of_parts(&["sender's ID ", id]).0
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    event: i64,
    hashes: Hashes,
}

/// The newest events, oldest first, as readers see them.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<Entry>>>);

impl Tail {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Begins to look for events with this hash. Before the first statement of a read: what goes from memory to disk after it is seen
    /// here, and what went before is seen there.
    pub fn search(&self, hash: i64) -> Search {
        let tail = self.lock();
        let found = tail.iter().rev().filter(|entry| entry.hashes.all().any(|h| h == hash));
        Search { hash, in_memory: found.map(|entry| entry.event).collect() }
    }
}

/// A search for the events with one hash.
#[derive(Debug)]
pub struct Search {
    hash: i64,
    /// Those that were in memory, newest first.
    in_memory: Vec<i64>,
}

/// A generation on its way to disk.
#[derive(Debug)]
struct Generation {
    /// Its first event.
    id: i64,
    last: i64,
    events: usize,
    /// Sorted.
    pairs: Vec<Pair>,
    /// Pairs on disk.
    written: usize,
    /// Pairs the running transaction adds.
    writing: usize,
}

/// The writer's side.
#[derive(Debug)]
pub struct Unindexed {
    tail: Tail,
    fresh: Vec<Entry>,
    generation: Option<Generation>,
}

impl Unindexed {
    /// `newest`: of events, oldest first. Those that are not indexed are among them, unless the index has fallen far behind.
    pub fn load(db: &Connection, newest: &[Print]) -> rusqlite::Result<Unindexed> {
        let newest = &newest[newest.len().saturating_sub(HELD)..];
        let indexed: i64 = db.query_row("SELECT indexed FROM meta", [], |row| row.get(0))?;
        let known = newest.first().map_or(i64::MAX, |print| print.event);
        let mut entries = db
            .prepare("SELECT id, key, job, sender FROM events WHERE id > ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3")?
            .query_map(params![indexed, known, to_limit(HELD.saturating_sub(newest.len()))], |row| {
                let hashes = Hashes { key: KeyHash(row.get(1)?), job: row.get(2)?, sender: row.get(3)? };
                Ok(Entry { event: row.get(0)?, hashes })
            })?
            .collect::<rusqlite::Result<VecDeque<_>>>()?;
        entries.make_contiguous().reverse();
        let newest = newest.iter().filter(|print| print.event > indexed);
        entries.extend(newest.map(|print| Entry { event: print.event, hashes: print.hashes }));
        Ok(Unindexed { tail: Tail(Arc::new(Mutex::new(entries))), fresh: Vec::new(), generation: None })
    }

    pub fn tail(&self) -> Tail {
        self.tail.clone()
    }

    /// Whether there is something to [`index`].
    pub fn is_due(&self) -> bool {
        self.generation.is_some() || self.tail.lock().len() >= GENERATION
    }

    pub fn add(&mut self, event: i64, hashes: Hashes) {
        self.fresh.push(Entry { event, hashes });
    }

    pub fn keep(&mut self) {
        if !self.fresh.is_empty() {
            let mut tail = self.tail.lock();
            tail.extend(self.fresh.drain(..));
            if tail.len() > HELD {
                let beyond = (tail.len() - HELD).max(GENERATION);
                tracing::error!(
                    "the index of events cannot be written: {beyond} of the oldest that are not in it are found by time only"
                );
                tail.drain(..beyond);
                self.generation = None;
            }
        }
        if let Some(generation) = &mut self.generation {
            generation.written += generation.writing;
            generation.writing = 0;
            if generation.written == generation.pairs.len() {
                // Only now: a reader that no longer sees them here sees them there.
                self.tail.lock().drain(..generation.events);
                self.generation = None;
            }
        }
    }

    pub fn forget(&mut self) {
        self.fresh.clear();
        if let Some(generation) = &mut self.generation {
            generation.writing = 0;
        }
    }

    fn begin(&self) -> Option<Generation> {
        let tail = self.tail.lock();
        let (first, last) = (tail.front()?.event, tail.get(GENERATION - 1)?.event);
        let entries = tail.iter().take(GENERATION);
        let mut pairs: Vec<_> = entries.flat_map(|e| e.hashes.all().map(|hash| (hash, e.event))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        Some(Generation { id: first, last, events: GENERATION, pairs, written: 0, writing: 0 })
    }
}

/// Writes the next rows of a generation. After a kill it is begun again.
pub fn index(w: &mut Writing<'_>) -> rusqlite::Result<()> {
    let unindexed = &mut w.memory.unindexed;
    if unindexed.generation.is_none() {
        unindexed.generation = unindexed.begin();
    }
    let Some(generation) = &mut unindexed.generation else { return Ok(()) };
    if generation.written == 0 {
        // Of before a kill: it may have begun elsewhere, as events have gone since.
        hashes::remove_unfinished(w.db)?;
    }
    let left = &generation.pairs[generation.written..];
    generation.writing = left.len().min(STEP * ROW);
    hashes::append(w.db, generation.id, &left[..generation.writing])?;
    if generation.writing == left.len() {
        w.db.prepare_cached("UPDATE meta SET indexed = ?1")?.execute(params![generation.last])?;
    }
    Ok(())
}

/// Removes some rows of the oldest generation whose events are all gone.
pub fn clean(db: &Connection) -> rusqlite::Result<()> {
    let mut generation = None;
    while let Some(oldest) = hashes::next_generation(db, generation)? {
        let end = hashes::next_generation(db, Some(oldest))?
            .map_or_else(|| db.query_row("SELECT indexed + 1 FROM meta", [], |row| row.get::<_, i64>(0)), Ok)?;
        let any: bool = db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM events WHERE id >= ?1 AND id < ?2)")?
            .query_row(params![oldest, end], |row| row.get(0))?;
        // One that is still being written ends before it begins here.
        if !any && end > oldest {
            return hashes::remove(db, oldest, STEP);
        }
        generation = Some(oldest);
    }
    Ok(())
}

impl Search {
    /// Up to `limit` events between two IDs (both exclusive), newest first.
    pub fn find(&self, db: &Connection, before: i64, after: i64, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let in_memory = self.in_memory.iter().copied().filter(|&event| event < before && event > after);
        let mut found: Vec<i64> = in_memory.take(limit).collect();
        let mut end = before;
        while found.len() < limit && end > after {
            // A generation's ID is its first event: those before it are in older ones.
            let Some(generation) = hashes::generation_of(db, end.saturating_sub(1))? else { break };
            found.extend(hashes::find(db, generation, self.hash, before, after, limit)?);
            end = generation;
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found.truncate(limit);
        Ok(found)
    }
}
