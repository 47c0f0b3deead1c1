//! Retention: looking for old events that hold nothing any more is a reader's work; the writer only removes what was found.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::ids;
use super::ledger::{self, DOOR, REMOVED};
use super::lookup;
use super::rows::{DEAD, OWED, to_ns};
use super::task::Writing;
use super::totals::{Total, add};

/// Events looked at in one call.
const LOOKED_AT: i64 = 50_000;
/// Free pages beyond which some go back to the disk; below, new events fill them.
const FREE_PAGES: i64 = 4_096;
/// Pages given back in one call.
const GIVEN_BACK: i64 = 512;

/// What one look found.
#[derive(Debug)]
pub struct Found {
    pub events: Vec<i64>,
    /// Where the next look goes on, so that old events which are still owed are not looked at each time; 0: from the start.
    pub next: i64,
}

/// Up to `limit` events after `from` that were received before `before`, owe nothing, and have no delivery that died since.
pub fn look(db: &Connection, from: i64, before: Timestamp, limit: usize) -> rusqlite::Result<Found> {
    let end = ids::above(before, ids::skew(db)?);
    let mut old = db.prepare_cached(
        "SELECT id, fanout FROM (SELECT id, fanout, received_at FROM events WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3) \
         WHERE received_at < ?4",
    )?;
    let mut rows = old.query(params![from, end, LOOKED_AT, to_ns(before)])?;
    let mut found = Found { events: Vec::new(), next: 0 };
    while let Some(row) = rows.next()? {
        let event = row.get(0)?;
        if found.events.len() == limit {
            return Ok(found);
        }
        if !holds(db, event, row.get(1)?, before)? {
            found.events.push(event);
        }
        found.next = event;
    }
    let last: Option<i64> = db
        .prepare_cached("SELECT id FROM events WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT 1 OFFSET ?3")?
        .query_row(params![from, end, LOOKED_AT - 1], |row| row.get(0))
        .optional()?;
    found.next = last.unwrap_or(0);
    Ok(found)
}

/// Whether something of an event is still owed, or died at `before` or later: what is dead is listed for the whole retention from then
/// on, however long it was tried.
fn holds(db: &Connection, event: i64, fanout: i64, before: Timestamp) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM deliveries WHERE id > ?1 AND id <= ?1 + ?2 AND (state = ?3 OR (state = ?4 AND at >= ?5))) \
         OR EXISTS(SELECT 1 FROM deliveries INDEXED BY extra WHERE event = ?1 AND extra = 1 \
                   AND (state = ?3 OR (state = ?4 AND at >= ?5)))",
    )?
    .query_row(params![event, fanout, OWED, DEAD, to_ns(before)], |row| row.get(0))
}

/// How many deliveries of an event stand so.
fn standing(db: &Connection, event: i64, fanout: i64, state: i64) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "SELECT (SELECT count(*) FROM deliveries WHERE id > ?1 AND id <= ?1 + ?2 AND state = ?3) \
         + (SELECT count(*) FROM deliveries INDEXED BY extra WHERE event = ?1 AND extra = 1 AND state = ?3)",
    )?
    .query_row(params![event, fanout, state], |row| row.get::<_, u32>(0))
    .map(|count| count as usize)
}

/// Removes events with all that hangs on them, if they still hold nothing. An open failure stays open: its recovery may come
/// from a job that runs once a month.
pub fn remove(w: &mut Writing<'_>, events: &[i64], before: Timestamp) -> rusqlite::Result<u64> {
    let mut removed = 0;
    for &event in events {
        let found =
            w.db.prepare_cached("SELECT fanout, decision FROM events WHERE id = ?1")?
                .query_row(params![event], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
                .optional()?;
        let Some((fanout, decision)) = found else { continue };
        if holds(w.db, event, fanout, before)? {
            continue;
        }
        w.memory.ledger.add(DOOR, REMOVED + ledger::decided(&decision), 1);
        close_books(w, event, fanout)?;
        add(w.db, Total::DeadExpired, standing(w.db, event, fanout, DEAD)?)?;
        for (table, column) in
            [("attempts", "delivery"), ("copies", "delivery"), ("threads", "delivery"), ("deliveries", "id")]
        {
            w.db.prepare_cached(&format!(
                "DELETE FROM {table} WHERE {column} IN (SELECT id FROM deliveries WHERE event = ?1 AND extra = 1)"
            ))?
            .execute(params![event])?;
            w.db.prepare_cached(&format!("DELETE FROM {table} WHERE {column} > ?1 AND {column} <= ?1 + ?2"))?
                .execute(params![event, fanout])?;
        }
        w.db.prepare_cached("DELETE FROM events WHERE id = ?1")?.execute(params![event])?;
        removed += 1;
    }
    w.memory.prints.outlive(events);
    lookup::clean(w.db)?;
    // The numbers of removed rows are never given again, wherever the clock stands after the next start.
    w.db.prepare_cached("UPDATE meta SET last = ?1")?.execute(params![w.memory.ids.last()])?;
    give_back(w.db)?;
    Ok(removed)
}

/// Counts the deliveries that go with an event.
fn close_books(w: &mut Writing<'_>, event: i64, fanout: i64) -> rusqlite::Result<()> {
    let mut of_event = w.db.prepare_cached(
        "SELECT receiver, state FROM deliveries WHERE id > ?1 AND id <= ?1 + ?2 \
         UNION ALL SELECT receiver, state FROM deliveries WHERE event = ?1 AND extra = 1",
    )?;
    let mut rows = of_event.query(params![event, fanout])?;
    while let Some(row) = rows.next()? {
        w.memory.ledger.add(row.get(0)?, REMOVED + row.get::<_, i64>(1)?, 1);
    }
    Ok(())
}

fn give_back(db: &Connection) -> rusqlite::Result<()> {
    let pages = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if pages("freelist_count")? > FREE_PAGES.max(pages("page_count")? / 8) {
        let mut step = db.prepare(&format!("PRAGMA incremental_vacuum({GIVEN_BACK})"))?;
        let mut rows = step.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}
