//! Small things kept by name: lane states and versions of routes.yaml.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::backlog::Counts;
use super::rows::to_ns;
use super::task::Writing;
use crate::store::LaneRow;

pub fn save_lane(w: &mut Writing<'_>, receiver: &Arc<str>, state: &str) -> rusqlite::Result<()> {
    let receiver = w.memory.names.number(w.db, receiver)?;
    w.db.prepare_cached("INSERT OR REPLACE INTO lanes(receiver, state) VALUES(?1, ?2)")?
        .execute(params![receiver, state])?;
    Ok(())
}

/// Receivers that have a state or are owed something, by name.
pub fn lanes(db: &Connection, counts: &Counts) -> rusqlite::Result<Vec<LaneRow>> {
    // Counted before the names are read: a name is on disk before its first count is published.
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut names = db.prepare_cached(
        "SELECT names.id, text, state FROM names LEFT JOIN lanes ON lanes.receiver = names.id ORDER BY text",
    )?;
    let mut rows = names.query([])?;
    let mut lanes = Vec::new();
    while let Some(row) = rows.next()? {
        let owed = counts.get(&row.get(0)?).copied().unwrap_or(0);
        let state: Option<String> = row.get(2)?;
        if owed > 0 || state.is_some() {
            lanes.push(LaneRow { receiver: row.get(1)?, owed, state });
        }
    }
    Ok(lanes)
}

pub fn save_version(w: &mut Writing<'_>, version: &str, text: &str, now: Timestamp) -> rusqlite::Result<()> {
    w.db.prepare_cached("INSERT OR IGNORE INTO versions(version, text, saved_at) VALUES(?1, ?2, ?3)")?
        .execute(params![version, text, to_ns(now)])?;
    Ok(())
}

pub fn version(db: &Connection, version: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT text FROM versions WHERE version = ?1")?
        .query_row(params![version], |row| row.get(0))
        .optional()
}
