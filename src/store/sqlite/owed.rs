//! Pages of what is still owed, oldest first.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

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

pub fn of_receiver(
    db: &Connection,
    receiver: &Arc<str>,
    after: DeliveryId,
    limit: usize,
) -> rusqlite::Result<Vec<Owed>> {
    either(|what| page(db, what, "owed", receiver, None, after, limit))
}

pub fn of_key(
    db: &Connection,
    receiver: &Arc<str>,
    key: KeyHash,
    after: DeliveryId,
    limit: usize,
) -> rusqlite::Result<Vec<Owed>> {
    either(|what| page(db, what, "owed_of_key", receiver, Some(key), after, limit))
}

/// With their events, if all of these can be read.
fn either(page: impl Fn([&str; 2]) -> rusqlite::Result<Vec<Owed>>) -> rusqlite::Result<Vec<Owed>> {
    page(WITH_EVENTS).or_else(|_| page(ALONE))
}

fn page(
    db: &Connection,
    [columns, events]: [&str; 2],
    index: &str,
    receiver: &Arc<str>,
    key: Option<KeyHash>,
    after: DeliveryId,
    limit: usize,
) -> rusqlite::Result<Vec<Owed>> {
    let of_key = if key.is_some() { "AND d.key = ?5" } else { "AND ?5 IS NULL" };
    db.prepare_cached(&format!(
        "SELECT d.id, d.event, coalesce(t.text, 'unknown'), d.key, d.attempts, d.not_before, d.closes, {columns} FROM deliveries d INDEXED BY {index} \
         LEFT JOIN names t ON t.id = d.route {events} \
         WHERE d.receiver = (SELECT id FROM names WHERE text = ?1) AND d.state = 0 AND d.id > ?2 {of_key} ORDER BY d.id LIMIT ?3"
    ))?
    .query_map(params![&**receiver, after.0, to_limit(limit), to_limit(LIGHT), key.map(|key| key.0)], |row| {
        owed(row, receiver)
    })?
    .collect()
}

fn owed(row: &Row<'_>, receiver: &Arc<str>) -> rusqlite::Result<Owed> {
    let event = EventId(row.get(1)?);
    let closes = row.get::<_, Option<i64>>(6)?.map(DeliveryId);
    let is_here = row.get_ref(10)? != ValueRef::Null;
    // One that cannot be read any more is told of when its turn comes.
    let content = if is_here { events::content(row, 7)?.ok() } else { None };
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
