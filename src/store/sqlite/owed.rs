//! Pages of what is still owed, oldest first.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::events;
use super::rows::{from_ns, to_limit};
use crate::event::{DeliveryId, EventId};
use crate::store::{KeyHash, LIGHT, Owed};

/// The body of a large event stays where it is: a page of them would fill the memory.
const PAGE: &str = "SELECT d.id, d.event, t.text, d.key, d.attempts, d.not_before, d.closes, e.received_at, e.content_type, \
                    e.attributes, CASE WHEN length(e.body) <= ?4 THEN e.body END FROM deliveries d";
const REST: &str = "JOIN names t ON t.id = d.route JOIN events e ON e.id = d.event \
                    WHERE d.receiver = (SELECT id FROM names WHERE text = ?1) AND d.state = 0 AND d.id > ?2";

pub fn of_receiver(
    db: &Connection,
    receiver: &Arc<str>,
    after: DeliveryId,
    limit: usize,
) -> rusqlite::Result<Vec<Owed>> {
    db.prepare_cached(&format!("{PAGE} INDEXED BY owed {REST} ORDER BY d.id LIMIT ?3"))?
        .query_map(params![&**receiver, after.0, to_limit(limit), to_limit(LIGHT)], |row| owed(row, receiver))?
        .collect()
}

pub fn of_key(
    db: &Connection,
    receiver: &Arc<str>,
    key: KeyHash,
    after: DeliveryId,
    limit: usize,
) -> rusqlite::Result<Vec<Owed>> {
    db.prepare_cached(&format!("{PAGE} INDEXED BY owed_of_key {REST} AND d.key = ?5 ORDER BY d.id LIMIT ?3"))?
        .query_map(params![&**receiver, after.0, to_limit(limit), to_limit(LIGHT), key.0], |row| owed(row, receiver))?
        .collect()
}

fn owed(row: &Row<'_>, receiver: &Arc<str>) -> rusqlite::Result<Owed> {
    let event = EventId(row.get(1)?);
    let is_light = row.get_ref(10)? != ValueRef::Null;
    Ok(Owed {
        id: DeliveryId(row.get(0)?),
        event,
        receiver: Arc::clone(receiver),
        route: row.get(2)?,
        key: KeyHash(row.get(3)?),
        attempts: row.get(4)?,
        not_before: row.get::<_, Option<i64>>(5)?.map(from_ns),
        closes: row.get::<_, Option<i64>>(6)?.map(DeliveryId),
        // One that cannot be read any more is told of when its turn comes.
        content: if is_light { events::content(row, 7)?.ok() } else { None },
    })
}
