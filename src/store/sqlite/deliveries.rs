//! Deliveries as history: pages, newest first, and what was tried.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::ids::bounds;
use super::rows::{ATTEMPT, DEAD, DELIVERY, OWED, attempt, delivery, reason_code, state_code, to_limit};
use crate::event::DeliveryId;
use crate::store::{Attempt, Delivery, DeliveryFilter};

pub fn page(db: &Connection, filter: &DeliveryFilter) -> rusqlite::Result<Vec<Delivery>> {
    // Else all deliveries would be looked through for a name that none can have.
    for name in [&filter.receiver, &filter.route].into_iter().flatten() {
        if !db.prepare_cached("SELECT 1 FROM names WHERE text = ?1")?.exists(params![name])? {
            return Ok(Vec::new());
        }
    }
    let mut conditions: Vec<String> = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut holds = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(id) = filter.id {
        holds("d.id = ?", id.0.into());
    }
    let (first, end) = bounds(filter);
    if filter.since.is_some() {
        holds("d.id >= ?", first.into());
    }
    if filter.before.is_some() || filter.until.is_some() {
        holds("d.id < ?", end.into());
    }
    if let Some(event) = filter.event {
        // Those made with it have the IDs after its own; those added later have an index.
        holds(
            "d.id IN (SELECT o.id FROM events e JOIN deliveries o ON o.id > e.id AND o.id <= e.id + e.fanout WHERE e.id = ? \
             UNION ALL SELECT x.id FROM deliveries x WHERE x.event = ? AND x.extra = 1)",
            event.0.into(),
        );
    }
    if let Some(receiver) = &filter.receiver {
        holds("d.receiver = (SELECT id FROM names WHERE text = ?)", receiver.clone().into());
    }
    if let Some(route) = &filter.route {
        holds("d.route = (SELECT id FROM names WHERE text = ?)", route.clone().into());
    }
    if let Some(reason) = filter.reason {
        holds("d.reason = ?", reason_code(reason).into());
    }
    if let Some(state) = filter.state {
        // Written out, as the partial indexes have it.
        conditions.push(format!("d.state = {}", state_code(state)));
    }
    if conditions.is_empty() {
        conditions.push("1".to_owned());
    }
    values.push(to_limit(filter.limit).into());
    let indexed = match filter.state.map(state_code) {
        // What is owed or dead is found by its own index, however long the history; it is sorted by ID within a receiver.
        Some(OWED) if filter.id.is_none() && filter.event.is_none() => "INDEXED BY owed",
        Some(DEAD) if filter.id.is_none() && filter.event.is_none() => "INDEXED BY dead",
        _ => "NOT INDEXED",
    };
    let (conditions, limit) = (conditions.join(" AND "), values.len());
    db.prepare_cached(&format!(
        "SELECT {DELIVERY} FROM deliveries d {indexed} JOIN names r ON r.id = d.receiver JOIN names t ON t.id = d.route \
         WHERE {conditions} ORDER BY d.id DESC LIMIT ?{limit}"
    ))?
    .query_map(params_from_iter(values), delivery)?
    .collect()
}

/// All attempts of a delivery, oldest first.
pub fn attempts(db: &Connection, id: DeliveryId) -> rusqlite::Result<Vec<Attempt>> {
    db.prepare_cached(&format!(
        "SELECT number, {ATTEMPT} FROM attempts WHERE delivery = ?1 \
         UNION ALL SELECT attempts, {ATTEMPT} FROM deliveries WHERE id = ?1 AND attempts > 0 ORDER BY 1"
    ))?
    .query_map(params![id.0], attempt)?
    .collect()
}

pub fn copy(db: &Connection, id: DeliveryId) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT text FROM copies WHERE delivery = ?1")?
        .query_row(params![id.0], |row| row.get(0))
        .optional()
}
