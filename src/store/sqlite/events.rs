//! Events as history: read again from the bytes that came, page by page, newest first.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use super::ids;
use super::lookup::{self, Tail};
use super::rows::{from_ns, to_limit, to_ns};
use crate::event::{self, Event, EventId, Form, Received};
use crate::store::{EventFilter, KeyHash, StoreError, StoredEvent};

/// Candidates fetched from the index at a time.
const CANDIDATES: usize = 200;

const COLUMNS: &str = "e.id, e.decision, v.text, e.received_at, e.content_type, e.attributes, e.body \
                       FROM events e JOIN names v ON v.id = e.version";

/// An event's row, or why it cannot be read.
type Read = Result<StoredEvent, StoreError>;

/// # Errors
/// `SQLite`'s; inside, that this one cannot be read.
pub fn one(db: &Connection, id: EventId) -> rusqlite::Result<Option<Read>> {
    let found =
        db.prepare_cached(&format!("SELECT {COLUMNS} WHERE e.id = ?1"))?.query_row(params![id.0], stored).optional();
    match found {
        // Its place in the file is damaged, and will be next time.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(Some(Err(StoreError::EventUnreadable { event: id, why: error.to_string() })))
        }
        found => found,
    }
}

pub fn page(db: &Connection, tail: &Tail, filter: &EventFilter) -> rusqlite::Result<Vec<StoredEvent>> {
    let hash = match (&filter.sender_id, &filter.job, &filter.key) {
        (Some(id), _, _) => lookup::of_sender_id(id),
        (_, Some(job), _) => lookup::of_job(job),
        (_, _, Some(key)) => KeyHash::of(key).0,
        _ => return walk(db, filter),
    };
    let before = filter.before.map_or(i64::MAX, |id| id.0);
    found(db, tail, hash, before, i64::MIN, filter.limit, |stored| holds(stored, filter))
}

/// The newest event of a key after another, received before `until`.
pub fn next_of_key(
    db: &Connection,
    tail: &Tail,
    key: &str,
    after: EventId,
    until: Timestamp,
) -> rusqlite::Result<Option<StoredEvent>> {
    let holds = |stored: &StoredEvent| stored.event.key == key && stored.event.received.received_at < until;
    let newest = found(db, tail, KeyHash::of(key).0, i64::MAX, after.0, 1, holds)?;
    Ok(newest.into_iter().next())
}

/// Events found by a hash between two IDs (both exclusive), for which `holds`.
fn found(
    db: &Connection,
    tail: &Tail,
    hash: i64,
    mut before: i64,
    after: i64,
    limit: usize,
    holds: impl Fn(&StoredEvent) -> bool,
) -> rusqlite::Result<Vec<StoredEvent>> {
    let mut events = Vec::new();
    while events.len() < limit {
        // With one wanted, the first candidate nearly always is it.
        let candidates = lookup::find(db, tail, hash, before, after, CANDIDATES.min(limit.saturating_mul(2)))?;
        let Some(&lowest) = candidates.last() else { break };
        for id in candidates {
            if events.len() == limit {
                return Ok(events);
            }
            events.extend(one(db, EventId(id))?.and_then(readable).filter(&holds));
        }
        before = lowest;
    }
    Ok(events)
}

/// By time alone: IDs follow the clock, but for the skew on record.
fn walk(db: &Connection, filter: &EventFilter) -> rusqlite::Result<Vec<StoredEvent>> {
    let skew = ids::skew(db)?;
    let since = filter.since.unwrap_or(Timestamp::MIN);
    let until = filter.until.unwrap_or(Timestamp::MAX);
    let end = filter.before.map_or(i64::MAX, |id| id.0).min(ids::above(until, skew));
    let mut page = db.prepare_cached(&format!(
        "SELECT {COLUMNS} WHERE e.id < ?1 AND e.id >= ?2 AND e.received_at >= ?3 AND e.received_at < ?4 ORDER BY e.id DESC LIMIT ?5"
    ))?;
    // An end that is open must not shut out a time at the end of its range.
    let until = filter.until.map_or(i64::MAX, to_ns);
    let rows =
        page.query_map(params![end, ids::lowest(since, skew), to_ns(since), until, to_limit(filter.limit)], stored)?;
    rows.filter_map(|row| row.map(readable).transpose()).collect()
}

fn holds(stored: &StoredEvent, filter: &EventFilter) -> bool {
    let event = &stored.event;
    let received_at = event.received.received_at;
    filter.sender_id.as_ref().is_none_or(|id| event.id == *id)
        && filter.job.as_ref().is_none_or(|id| event.job.as_ref().is_some_and(|job| job.id.as_ref() == Some(id)))
        && filter.key.as_ref().is_none_or(|key| event.key == *key)
        && filter.since.is_none_or(|since| received_at >= since)
        && filter.until.is_none_or(|until| received_at < until)
}

/// A list goes on without an event it cannot read; the log says so.
fn readable(read: Read) -> Option<StoredEvent> {
    read.inspect_err(|error| tracing::error!(%error, "an event in the store cannot be read any more")).ok()
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Read> {
    let id = EventId(row.get(0)?);
    let (decision, version): (String, _) = (row.get(1)?, row.get(2)?);
    let read = content(row, 3)?.and_then(|event| {
        let decision = serde_json::from_str(&decision).map_err(|e| e.to_string())?;
        Ok(StoredEvent { id, event, decision, version })
    });
    Ok(read.map_err(|why| StoreError::EventUnreadable { event: id, why }))
}

/// The event itself, from four columns: `received_at`, `content_type`, `attributes`, `body`. The inner error says why it cannot be
/// read any more.
pub fn content(row: &Row<'_>, first: usize) -> rusqlite::Result<Result<Arc<Event>, String>> {
    Ok(unread(row, first)?.read())
}

/// The same, to be read elsewhere.
pub fn unread(row: &Row<'_>, first: usize) -> rusqlite::Result<Unread> {
    Ok(Unread {
        received_at: from_ns(row.get(first)?),
        content_type: row.get(first + 1)?,
        attributes: row.get(first + 2)?,
        body: row.get(first + 3)?,
    })
}

/// An event's bytes as they came.
#[derive(Debug)]
pub struct Unread {
    /// By the relay's clock.
    pub received_at: Timestamp,
    content_type: String,
    attributes: Option<String>,
    body: Vec<u8>,
}

impl Unread {
    pub(super) fn new(
        received_at: Timestamp,
        content_type: String,
        attributes: Option<String>,
        body: Vec<u8>,
    ) -> Unread {
        Unread { received_at, content_type, attributes, body }
    }

    /// Reads it, as when it was received.
    ///
    /// # Errors
    /// Why it cannot be read any more.
    pub fn read(self) -> Result<Arc<Event>, String> {
        let attributes =
            self.attributes.as_deref().map_or(Ok(Vec::new()), serde_json::from_str).map_err(|e| e.to_string())?;
        let form = Form { content_type: self.content_type, attributes };
        let received = Received { form, body: self.body.into(), received_at: self.received_at };
        event::parse(received).map(Arc::new).map_err(|(_, why)| why.to_string())
    }
}
