//! Pages of what is still owed, oldest first.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::contents::Contents;
use super::events;
use super::rows::{from_ns, to_limit};
use crate::event::{DeliveryId, EventId};
use crate::store::{KeyHash, LIGHT, Owed};

/// The body of a large event stays where it is: a page of them would fill the memory.
const WITH_EVENTS: [&str; 2] = [
    // Only light ones are packed.
    "e.received_at, e.content_type, e.attributes, CASE WHEN length(e.body) <= ?4 THEN e.body END, \
     CASE WHEN length(e.body) <= ?4 THEN e.unpacked END",
    "LEFT JOIN events e ON e.id = d.event",
];
/// What is owed does not depend on events that are damaged or gone: one of them must neither hold up a whole lane nor vanish from it.
const ALONE: [&str; 2] = ["NULL, NULL, NULL, CASE WHEN ?4 THEN NULL END, NULL", ""];

/// Which deliveries are wanted: of this receiver, perhaps of one key, above an ID.
pub struct Wanted {
    pub receiver: Arc<str>,
    pub key: Option<KeyHash>,
    pub after: DeliveryId,
    pub limit: usize,
}

/// With their events, if all of these can be read.
pub fn page(db: &Connection, contents: &Contents, wanted: &Wanted) -> rusqlite::Result<Vec<Owed>> {
    let page = read(db, contents, wanted, WITH_EVENTS).or_else(|_| read(db, contents, wanted, ALONE))?;
    if wanted.key.is_none() && page.len() < wanted.limit {
        // The lane has caught up: no more pages may come that would make room.
        contents.sweep();
    }
    Ok(page)
}

fn read(
    db: &Connection,
    contents: &Contents,
    wanted: &Wanted,
    [columns, events]: [&str; 2],
) -> rusqlite::Result<Vec<Owed>> {
    let Wanted { receiver, key, after, limit } = wanted;
    let (index, of_key) = match key {
        Some(_) => ("owed_of_key", "AND d.key = ?5"),
        None => ("owed", "AND ?5 IS NULL"),
    };
    db.prepare_cached(&format!(
        "SELECT d.id, d.event, coalesce(t.text, 'unknown'), d.key, d.attempts, d.not_before, d.closes, {columns} FROM deliveries d INDEXED BY {index} \
         LEFT JOIN names t ON t.id = d.route {events} \
         WHERE d.receiver = (SELECT id FROM names WHERE text = ?1) AND d.state = 0 AND d.id > ?2 {of_key} ORDER BY d.id LIMIT ?3"
    ))?
    .query_map(params![&**receiver, after.0, to_limit(*limit), to_limit(LIGHT), key.map(|key| key.0)], |row| {
        owed(row, contents, receiver)
    })?
    .collect()
}

fn owed(row: &Row<'_>, contents: &Contents, receiver: &Arc<str>) -> rusqlite::Result<Owed> {
    let event = EventId(row.get(1)?);
    let closes = row.get::<_, Option<i64>>(6)?.map(DeliveryId);
    let is_here = row.get_ref(10)? != ValueRef::Null;
    // One that cannot be read any more is told of when its turn comes.
    let content = if is_here { contents.of(event, || events::content(row, 7).map(Result::ok))? } else { None };
    Ok(Owed {
        id: DeliveryId(row.get(0)?),
        event,
        receiver: Arc::clone(receiver),
        route: row.get(2)?,
        key: KeyHash(row.get(3)?),
        attempts: row.get(4)?,
        not_before: row.get::<_, Option<i64>>(5)?.map(from_ns),
        closes,
        urgent: Owed::is_urgent(closes, content.as_deref()),
        content,
    })
}
