//! What attempts came to. The last attempt is part of its delivery's row, so a first one costs a single UPDATE; only a further
//! one moves the one before to `attempts`.

use rusqlite::{OptionalExtension as _, params};

use super::rows::{DEAD, DELIVERED, OWED, duration_ns, notes_json, reason_code, to_ns, verdict_code};
use super::task::Writing;
use super::threads;
use crate::store::{Attempted, End};

/// Records attempts in order. One of a delivery that is gone is left out.
pub fn record(w: &mut Writing<'_>, attempts: &[Attempted]) -> rusqlite::Result<()> {
    for attempted in attempts {
        one(w, attempted)?;
    }
    Ok(())
}

fn one(w: &mut Writing<'_>, attempted: &Attempted) -> rusqlite::Result<()> {
    let id = attempted.delivery.0;
    let look = "SELECT receiver, state, attempts FROM deliveries WHERE id = ?1";
    let look = w.statements.look_at_delivery.of(w.db, look)?;
    let row = look.query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((receiver, state, attempts)): Option<(i64, i64, i64)> = row else { return Ok(()) };
    if attempts > 0 {
        put_last_aside(w, id)?;
    }
    let end = after(state, attempted.end);
    let not_before = match attempted.end {
        End::Owed { not_before } if end == OWED => not_before.map(to_ns),
        _ => None,
    };
    let attempt = &attempted.attempt;
    let update = w.statements.update_delivery.of(
        w.db,
        "UPDATE deliveries SET state = ?2, not_before = ?3, attempts = ?4, at = ?5, took = ?6, verdict = ?7, reason = ?8, \
         detail = ?9, notes = ?10 WHERE id = ?1",
    )?;
    update.execute(params![
        id,
        end,
        not_before,
        i64::from(attempt.number).max(attempts + 1),
        to_ns(attempt.at),
        duration_ns(attempt.took),
        verdict_code(attempt.verdict),
        attempt.reason.map(reason_code),
        attempt.detail,
        notes_json(&attempt.notes),
    ])?;
    if end != state {
        w.memory.ledger.move_to(receiver, state, end);
    }
    if let Some(copy) = &attempted.copy {
        w.db.prepare_cached("INSERT OR REPLACE INTO copies(delivery, text) VALUES(?1, ?2)")?
            .execute(params![id, copy])?;
    }
    if let Some(reference) = &attempted.reference {
        threads::begin(w, attempted.delivery, reference)?;
    }
    Ok(())
}

/// An attempt may end after its delivery did (dismissed or moved while it was under way). A message that arrived is delivered,
/// whatever was said meanwhile; otherwise an end stays.
fn after(state: i64, end: End) -> i64 {
    match end {
        End::Delivered => DELIVERED,
        End::Dead if state == OWED => DEAD,
        End::Dead | End::Owed { .. } => state,
    }
}

fn put_last_aside(w: &Writing<'_>, id: i64) -> rusqlite::Result<()> {
    w.db.prepare_cached(
        "INSERT OR IGNORE INTO attempts(delivery, number, at, took, verdict, reason, detail, notes) \
         SELECT id, attempts, at, took, verdict, reason, detail, notes FROM deliveries WHERE id = ?1",
    )?
    .execute(params![id])?;
    Ok(())
}
