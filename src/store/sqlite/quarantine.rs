//! What could not be read: bounded in number and bytes, repeats counted, the oldest out, nothing gone uncounted.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::accept::{Prepared, accept};
use super::ledger::{self, DOOR};
use super::rows::{from_ns, to_limit, to_ns};
use super::task::Writing;
use super::totals::{Total, add};
use crate::event::Form;
use crate::store::{Accepted, BEGINNING, NewQuarantined, QUARANTINED, QUARANTINED_BYTES, Quarantined};

/// Keeps an item. `true`: it is new.
pub fn quarantine(w: &mut Writing<'_>, item: &NewQuarantined) -> rusqlite::Result<bool> {
    w.memory.ledger.add(DOOR, ledger::QUARANTINED, 1);
    let attributes = attributes(&item.form);
    let hash = hash(&item.form.content_type, &item.body, attributes.as_deref());
    let known =
        w.db.prepare_cached("UPDATE quarantine SET count = count + 1, last = max(last, ?2) WHERE hash = ?1")?
            .execute(params![&hash[..], to_ns(item.received_at)])?;
    if known > 0 {
        add(w.db, Total::QuarantineRepeated, 1)?;
        return Ok(false);
    }
    let newest: i64 = w.db.query_row("SELECT ifnull(max(id), 0) FROM quarantine", [], |row| row.get(0))?;
    let id = newest.max(super::totals::get(w.db, Total::QuarantineLastId)?) + 1;
    w.db.prepare_cached(
        "INSERT INTO quarantine(id, hash, first, last, count, content_type, attributes, reason, body) \
         VALUES(?1, ?2, ?3, ?3, 1, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        id,
        &hash[..],
        to_ns(item.received_at),
        item.form.content_type,
        attributes,
        item.reason,
        &item.body[..]
    ])?;
    // The newest that fit stay, and always the new one.
    let dropped =
        w.db.prepare_cached(
            "DELETE FROM quarantine WHERE id < ?3 AND id IN (\
           SELECT id FROM (SELECT id, sum(length(body)) OVER newest AS bytes, row_number() OVER newest AS number \
             FROM quarantine WINDOW newest AS (ORDER BY id DESC)) \
           WHERE bytes > ?1 OR number > ?2)",
        )?
        .execute(params![to_limit(QUARANTINED_BYTES), to_limit(QUARANTINED), id])?;
    add(w.db, Total::QuarantineDropped, dropped)?;
    Ok(true)
}

/// In one order, whatever order the headers came in; `None` without any.
fn attributes(form: &Form) -> Option<String> {
    let mut attributes: Vec<_> = form.attributes.iter().collect();
    attributes.sort_unstable();
    (!attributes.is_empty()).then(|| serde_json::to_string(&attributes).expect("pairs of strings are always JSON"))
}

/// Of a body without headers of its own, of the body alone.
pub fn hash(content_type: &str, body: &[u8], attributes: Option<&str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    if let Some(attributes) = attributes {
        let form = serde_json::to_vec(&(content_type, attributes)).expect("two strings are always JSON");
        hash.update(Sha256::digest(form));
    }
    hash.update(body);
    hash.finalize().into()
}

const COLUMNS: &str = "id, content_type, attributes, reason, first, last, count, length(body)";

/// The newest items, with the beginnings of their bodies. (The beginning of an empty one is NULL in SQL.)
pub fn newest(db: &Connection, limit: usize) -> rusqlite::Result<Vec<Quarantined>> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS}, ifnull(substr(body, 1, ?2), x'') FROM quarantine ORDER BY id DESC LIMIT ?1"
    ))?
    .query_map(params![to_limit(limit), to_limit(BEGINNING)], item)?
    .collect()
}

/// One item, whole.
pub fn one(db: &Connection, id: i64) -> rusqlite::Result<Option<Quarantined>> {
    db.prepare_cached(&format!("SELECT {COLUMNS}, body FROM quarantine WHERE id = ?1"))?
        .query_row(params![id], item)
        .optional()
}

fn item(row: &Row<'_>) -> rusqlite::Result<Quarantined> {
    let attributes: Option<String> = row.get(2)?;
    let attributes = attributes.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    Ok(Quarantined {
        id: row.get(0)?,
        form: Form { content_type: row.get(1)?, attributes },
        reason: row.get(3)?,
        first: from_ns(row.get(4)?),
        last: from_ns(row.get(5)?),
        count: row.get::<_, i64>(6)?.unsigned_abs(),
        bytes: row.get::<_, i64>(7)?.unsigned_abs(),
        body: row.get::<_, Vec<u8>>(8)?.into(),
    })
}

/// Takes an item out and accepts the events it turned out to be.
pub fn accept_item(w: &mut Writing<'_>, id: i64, events: &[Prepared]) -> rusqlite::Result<Option<Vec<Accepted>>> {
    if remove(w, id)? == 0 {
        return Ok(None);
    }
    add(w.db, Total::QuarantineReread, 1)?;
    accept(w, events).map(Some)
}

/// Writes down why an item still cannot be read.
pub fn still_unreadable(w: &mut Writing<'_>, id: i64, reason: &str) -> rusqlite::Result<()> {
    w.db.prepare_cached("UPDATE quarantine SET reason = ?2 WHERE id = ?1")?.execute(params![id, reason]).map(|_| ())
}

/// Takes items out.
pub fn dismiss(w: &mut Writing<'_>, ids: &[i64]) -> rusqlite::Result<u64> {
    let mut removed = 0;
    for &id in ids {
        removed += remove(w, id)?;
    }
    add(w.db, Total::QuarantineDismissed, removed)?;
    Ok(removed as u64)
}

/// The newest ID is remembered: a person may still have it in mind.
fn remove(w: &mut Writing<'_>, id: i64) -> rusqlite::Result<usize> {
    let newest: i64 = w.db.query_row("SELECT ifnull(max(id), 0) FROM quarantine", [], |row| row.get(0))?;
    super::totals::at_least(w.db, Total::QuarantineLastId, newest)?;
    w.db.prepare_cached("DELETE FROM quarantine WHERE id = ?1")?.execute(params![id])
}
