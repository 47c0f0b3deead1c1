//! Small things kept by name: lane states and versions of routes.yaml.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::ledger::Shared;
use super::rows::{from_ns, to_ns};
use super::task::Writing;
use crate::store::{LaneRow, Version};

pub fn save_lane(w: &mut Writing<'_>, receiver: &Arc<str>, state: &str) -> rusqlite::Result<()> {
    let receiver = w.memory.names.number(w.db, receiver)?;
    w.db.prepare_cached("INSERT OR REPLACE INTO lanes(receiver, state) VALUES(?1, ?2)")?
        .execute(params![receiver, state])?;
    Ok(())
}

/// Receivers that have a state or are owed something, by name.
pub fn lanes(db: &Connection, ledger: &Shared) -> rusqlite::Result<Vec<LaneRow>> {
    // Counted before the names are read: a name is on disk before its first count is published.
    let counts = ledger.owed();
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

const VERSIONS: &str =
    "SELECT versions.version, text, at FROM versions JOIN applied ON applied.version = versions.version";
const NEWEST: &str = "ORDER BY applied.id DESC LIMIT ?2";

pub fn apply_version(w: &mut Writing<'_>, version: &str, text: &str, now: Timestamp) -> rusqlite::Result<()> {
    w.db.prepare_cached("INSERT OR IGNORE INTO versions(version, text) VALUES(?1, ?2)")?
        .execute(params![version, text])?;
    w.db.prepare_cached("INSERT INTO applied(version, at) VALUES(?1, ?2)")?.execute(params![version, to_ns(now)])?;
    Ok(())
}

pub fn version(db: &Connection, version: &str) -> rusqlite::Result<Option<Version>> {
    db.prepare_cached(&format!("{VERSIONS} WHERE versions.version = ?1 {NEWEST}"))?
        .query_row(params![version, 1], whole_version)
        .optional()
}

pub fn last_version(db: &Connection) -> rusqlite::Result<Option<Version>> {
    db.prepare_cached(&format!("{VERSIONS} WHERE ?1 {NEWEST}"))?.query_row(params![true, 1], whole_version).optional()
}

/// By the order in which they began to rule, whatever the clock said.
pub fn ruled_since(db: &Connection, version: &str, by: Timestamp) -> rusqlite::Result<Option<Timestamp>> {
    db.prepare_cached("SELECT at FROM applied WHERE version = ?1 AND at <= ?2 ORDER BY id DESC LIMIT 1")?
        .query_row(params![version, to_ns(by)], |row| Ok(from_ns(row.get(0)?)))
        .optional()
}

fn whole_version(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version { version: row.get(0)?, text: row.get(1)?, at: from_ns(row.get(2)?) })
}
