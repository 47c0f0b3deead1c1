//! What could not be read: bounded in number and bytes, repeats counted, the oldest out.

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use super::rows::{from_ns, to_limit, to_ns};
use super::task::Writing;
use crate::store::{NewQuarantined, QUARANTINED, QUARANTINED_BYTES, Quarantined};

/// Keeps an item. `true`: it is new.
pub fn quarantine(w: &mut Writing<'_>, item: &NewQuarantined) -> rusqlite::Result<bool> {
    let hash = Sha256::digest(&item.body);
    let known =
        w.db.prepare_cached("UPDATE quarantine SET count = count + 1, last = max(last, ?2) WHERE hash = ?1")?
            .execute(params![&hash[..], to_ns(item.received_at)])?;
    if known > 0 {
        return Ok(false);
    }
    w.db.prepare_cached(
        "INSERT INTO quarantine(hash, first, last, count, content_type, reason, body) VALUES(?1, ?2, ?2, 1, ?3, ?4, ?5)",
    )?
    .execute(params![&hash[..], to_ns(item.received_at), item.content_type, item.reason, &item.body[..]])?;
    // The newest that fit stay, and always the new one.
    w.db.prepare_cached(
        "DELETE FROM quarantine WHERE id < (SELECT max(id) FROM quarantine) AND id IN (\
           SELECT id FROM (SELECT id, sum(length(body)) OVER newest AS bytes, row_number() OVER newest AS number \
             FROM quarantine WINDOW newest AS (ORDER BY id DESC)) \
           WHERE bytes > ?1 OR number > ?2)",
    )?
    .execute(params![to_limit(QUARANTINED_BYTES), to_limit(QUARANTINED)])?;
    Ok(true)
}

/// The newest items.
pub fn newest(db: &Connection, limit: usize) -> rusqlite::Result<Vec<Quarantined>> {
    db.prepare_cached(
        "SELECT id, content_type, body, reason, first, last, count FROM quarantine ORDER BY id DESC LIMIT ?1",
    )?
    .query_map(params![i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(Quarantined {
            id: row.get(0)?,
            content_type: row.get(1)?,
            body: row.get::<_, Vec<u8>>(2)?.into(),
            reason: row.get(3)?,
            first: from_ns(row.get(4)?),
            last: from_ns(row.get(5)?),
            count: row.get::<_, i64>(6)?.unsigned_abs(),
        })
    })?
    .collect()
}
