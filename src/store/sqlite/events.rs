//! Events as history: read again from the bytes that came, page by page, newest first.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use super::ids;
use super::lookup::{self, Search, Tail};
use super::pack::unpack;
use super::rows::{from_ns, to_limit, to_ns};
use super::trouble::is_of_the_row;
use crate::event::{self, Event, EventId, Form, Received};
use crate::store::{EventFilter, EventPage, KeyHash, PAGE_BYTES, StoreError, StoredEvent};

/// Candidates fetched from the index at a time.
const CANDIDATES: usize = 200;

/// An event does not vanish with the name of the version that decided it.
const COLUMNS: &str = "e.id, e.decision, coalesce(v.text, 'unknown'), e.received_at, e.content_type, e.attributes, e.body, e.unpacked \
                       FROM events e LEFT JOIN names v ON v.id = e.version";

/// An event's row, or why it cannot be read.
type Read<T> = Result<T, StoreError>;

/// # Errors
/// `SQLite`'s; inside, that this one cannot be read.
pub fn one(db: &Connection, id: EventId) -> rusqlite::Result<Option<Read<StoredEvent>>> {
    of_one(db, id, &format!("SELECT {COLUMNS} WHERE e.id = ?1"), stored)
}

/// The event alone: what else is in its row may be damaged.
///
/// # Errors
/// As [`one`].
pub fn content_of(db: &Connection, id: EventId) -> rusqlite::Result<Option<Read<Arc<Event>>>> {
    of_one(db, id, "SELECT received_at, content_type, attributes, body, unpacked FROM events WHERE id = ?1", |row| {
        Ok(content(row, 0)?.map_err(|why| StoreError::EventUnreadable { event: id, why }))
    })
}

fn of_one<T>(
    db: &Connection,
    id: EventId,
    sql: &str,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<Read<T>>,
) -> rusqlite::Result<Option<Read<T>>> {
    match db.prepare_cached(sql)?.query_row(params![id.0], read).optional() {
        // Its place in the file is damaged, and will be next time.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(Some(Err(StoreError::EventUnreadable { event: id, why: error.to_string() })))
        }
        found => found,
    }
}

pub fn page(db: &Connection, tail: &Tail, filter: &EventFilter) -> rusqlite::Result<EventPage> {
    let hash = match (&filter.sender_id, &filter.job, &filter.key) {
        (Some(id), _, _) => lookup::of_sender_id(id),
        (_, Some(job), _) => lookup::of_job(job),
        (_, _, Some(key)) => KeyHash::of(key).0,
        _ => return walk(db, filter),
    };
    let before = filter.before.map_or(i64::MAX, |id| id.0);
    found(db, &tail.search(hash), before, i64::MIN, filter.limit, |stored| holds(stored, filter))
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
    let (search, mut before) = (tail.search(KeyHash::of(key).0), i64::MAX);
    loop {
        let page = found(db, &search, before, after.0, 1, holds)?;
        if let Some(newest) = page.events.into_iter().next() {
            return Ok(Some(newest));
        }
        let Some(next) = page.next else { return Ok(None) };
        before = next.0;
    }
}

/// Events found between two IDs (both exclusive), for which `holds`.
fn found(
    db: &Connection,
    search: &Search,
    mut before: i64,
    after: i64,
    limit: usize,
    holds: impl Fn(&StoredEvent) -> bool,
) -> rusqlite::Result<EventPage> {
    let mut page = Filling::new(limit);
    while !page.is_full() {
        // With one wanted, the first candidate nearly always is it.
        let candidates = search.find(db, before, after, CANDIDATES.min(limit.saturating_mul(2)))?;
        let Some(&lowest) = candidates.last() else { return Ok(page.all()) };
        for id in candidates {
            if page.is_full() {
                break;
            }
            match one(db, EventId(id))? {
                Some(Ok(stored)) if !holds(&stored) => {}
                Some(read) => page.add(EventId(id), read),
                None => {}
            }
        }
        before = lowest;
    }
    Ok(page.part())
}

/// A page being filled. One that cannot be read takes a place in it, so that a damaged stretch is not walked through in one go.
struct Filling {
    limit: usize,
    /// Places taken.
    count: usize,
    bytes: usize,
    /// The one added last.
    last: Option<EventId>,
    events: Vec<StoredEvent>,
}

impl Filling {
    fn new(limit: usize) -> Filling {
        Filling { limit, count: 0, bytes: 0, last: None, events: Vec::new() }
    }

    fn is_full(&self) -> bool {
        self.count >= self.limit || self.bytes >= PAGE_BYTES
    }

    fn add(&mut self, id: EventId, read: Read<StoredEvent>) {
        self.count += 1;
        self.last = Some(id);
        if let Some(stored) = readable(read) {
            self.bytes += stored.event.received.body.len();
            self.events.push(stored);
        }
    }

    /// There are no more.
    fn all(self) -> EventPage {
        EventPage { events: self.events, next: None }
    }

    /// There may be more.
    fn part(self) -> EventPage {
        EventPage { events: self.events, next: self.last }
    }
}

/// By time alone: IDs follow the clock, but for the skew on record.
fn walk(db: &Connection, filter: &EventFilter) -> rusqlite::Result<EventPage> {
    let skew = ids::skew(db)?;
    let since = filter.since.unwrap_or(Timestamp::MIN);
    let until = filter.until.unwrap_or(Timestamp::MAX);
    let end = filter.before.map_or(i64::MAX, |id| id.0).min(ids::above(until, skew));
    let mut newest = db.prepare_cached(&format!(
        "SELECT {COLUMNS} WHERE e.id < ?1 AND e.id >= ?2 AND e.received_at >= ?3 AND e.received_at < ?4 ORDER BY e.id DESC LIMIT ?5"
    ))?;
    // An end that is open must not shut out a time at the end of its range.
    let until = filter.until.map_or(i64::MAX, to_ns);
    let mut rows = newest.query(params![end, ids::lowest(since, skew), to_ns(since), until, to_limit(filter.limit)])?;
    let mut page = Filling::new(filter.limit);
    while !page.is_full() {
        let Some(row) = rows.next()? else { return Ok(page.all()) };
        page.add(EventId(row.get(0)?), stored(row)?);
    }
    Ok(page.part())
}

fn holds(stored: &StoredEvent, filter: &EventFilter) -> bool {
    let event = &stored.event;
    let (received_at, job) = (event.received.received_at, event.job.as_ref().and_then(|job| job.id.as_deref()));
    filter.sender_id.as_ref().is_none_or(|id| event.id == *id)
        && filter.job.as_deref().is_none_or(|id| job == Some(id))
        && filter.key.as_ref().is_none_or(|key| event.key == *key)
        && filter.since.is_none_or(|since| received_at >= since)
        && filter.until.is_none_or(|until| received_at < until)
}

/// A list goes on without an event it cannot read; the log says so.
fn readable(read: Read<StoredEvent>) -> Option<StoredEvent> {
    read.inspect_err(|error| tracing::error!(%error, "an event in the store cannot be read any more")).ok()
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Read<StoredEvent>> {
    let id = EventId(row.get(0)?);
    let columns = || Ok((row.get::<_, String>(1)?, row.get(2)?));
    let read = of_the_row(columns()).map(|columns| {
        let (decision, version) = columns?;
        let event = unread(row, 3).map_err(|e| e.to_string())?.read()?;
        let decision = serde_json::from_str(&decision).map_err(|e| e.to_string())?;
        Ok(StoredEvent { id, event, decision, version })
    });
    Ok(read?.map_err(|why| StoreError::EventUnreadable { event: id, why }))
}

/// The event itself, from five columns: `received_at`, `content_type`, `attributes`, `body`, `unpacked`. The inner error says why it cannot be
/// read any more.
pub fn content(row: &Row<'_>, first: usize) -> rusqlite::Result<Result<Arc<Event>, String>> {
    Ok(of_the_row(unread(row, first))?.and_then(Unread::read))
}

/// What the row itself is to blame for, inside.
fn of_the_row<T>(read: rusqlite::Result<T>) -> rusqlite::Result<Result<T, String>> {
    match read {
        Err(error) if is_of_the_row(&error) => Ok(Err(error.to_string())),
        read => read.map(Ok),
    }
}

/// The same, to be read elsewhere.
pub fn unread(row: &Row<'_>, first: usize) -> rusqlite::Result<Unread> {
    Ok(Unread {
        received_at: from_ns(row.get(first)?),
        content_type: row.get(first + 1)?,
        attributes: row.get(first + 2)?,
        body: row.get(first + 3)?,
        unpacked: row.get(first + 4)?,
    })
}

/// An event's bytes, as they lie there.
#[derive(Debug)]
pub struct Unread {
    /// By the relay's clock.
    pub received_at: Timestamp,
    content_type: String,
    attributes: Option<String>,
    body: Vec<u8>,
    /// Bytes of the body, if it is packed.
    unpacked: Option<i64>,
}

impl Unread {
    pub(super) fn new(
        received_at: Timestamp,
        content_type: String,
        attributes: Option<String>,
        body: Vec<u8>,
        unpacked: Option<i64>,
    ) -> Unread {
        Unread { received_at, content_type, attributes, body, unpacked }
    }

    /// Of its body as it came.
    pub(super) fn bytes(&self) -> usize {
        self.unpacked.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(self.body.len())
    }

    /// Reads it, as when it was received.
    ///
    /// # Errors
    /// Why it cannot be read any more.
    pub fn read(self) -> Result<Arc<Event>, String> {
        let attributes =
            self.attributes.as_deref().map_or(Ok(Vec::new()), serde_json::from_str).map_err(|e| e.to_string())?;
        let form = Form { content_type: self.content_type, attributes };
        let body = match self.unpacked {
            Some(bytes) => unpack(&self.body, bytes)?,
            None => self.body,
        };
        let received = Received { form, body: body.into(), received_at: self.received_at };
        event::parse(received).map(Arc::new).map_err(|(_, why)| why.to_string())
    }
}
