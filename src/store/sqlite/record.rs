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
    let moved = match first(w, attempted)? {
        None => further(w, attempted)?,
        first => first,
    };
    let Some(Moved { receiver, from, to }) = moved else { return Ok(()) };
    if from != to {
        w.memory.ledger.move_to(receiver, from, to);
    }
    let id = attempted.delivery.0;
    if let Some(copy) = &attempted.copy {
        w.db.prepare_cached("INSERT OR REPLACE INTO copies(delivery, text) VALUES(?1, ?2)")?
            .execute(params![id, copy])?;
    }
    if let Some(reference) = &attempted.reference {
        threads::begin(w, attempted.delivery, reference)?;
    }
    Ok(())
}

/// What became of a delivery.
struct Moved {
    receiver: i64,
    from: i64,
    to: i64,
}

/// Nearly every message arrives at once: its row need not be read if it is what it is thought to be.
fn first(w: &mut Writing<'_>, attempted: &Attempted) -> rusqlite::Result<Option<Moved>> {
    if attempted.attempt.number > 1 {
        return Ok(None);
    }
    let Some(receiver) = w.memory.names.known(&attempted.receiver) else { return Ok(None) };
    let to = after(OWED, attempted.end);
    let was_so = update(w, attempted, to, 0, Some(receiver))?;
    Ok(was_so.then_some(Moved { receiver, from: OWED, to }))
}

fn further(w: &mut Writing<'_>, attempted: &Attempted) -> rusqlite::Result<Option<Moved>> {
    let id = attempted.delivery.0;
    let row =
        w.db.prepare_cached("SELECT receiver, state, attempts FROM deliveries WHERE id = ?1")?
            .query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
    let Some((receiver, from, attempts)): Option<(i64, i64, i64)> = row else { return Ok(None) };
    if attempts > 0 {
        put_last_aside(w, id)?;
    }
    let to = after(from, attempted.end);
    update(w, attempted, to, attempts, None)?;
    Ok(Some(Moved { receiver, from, to }))
}

/// Puts the attempt into its delivery's row, which has so many `before`; if `fresh_of` is given, only into one that is owed to this
/// receiver and was never tried. Says whether it did.
fn update(
    w: &mut Writing<'_>,
    attempted: &Attempted,
    to: i64,
    before: i64,
    fresh_of: Option<i64>,
) -> rusqlite::Result<bool> {
    let not_before = match attempted.end {
        End::Owed { not_before } if to == OWED => not_before.map(to_ns),
        _ => None,
    };
    let attempt = &attempted.attempt;
    let update = w.statements.update_delivery.of(
        w.db,
        "UPDATE deliveries SET state = ?2, not_before = ?3, attempts = ?4, at = ?5, took = ?6, verdict = ?7, reason = ?8, \
         detail = ?9, notes = ?10 WHERE id = ?1 AND (?11 IS NULL OR receiver = ?11 AND state = 0 AND attempts = 0)",
    )?;
    let updated = update.execute(params![
        attempted.delivery.0,
        to,
        not_before,
        i64::from(attempt.number).max(before + 1),
        to_ns(attempt.at),
        duration_ns(attempt.took),
        verdict_code(attempt.verdict),
        attempt.reason.map(reason_code),
        attempt.detail,
        notes_json(&attempt.notes),
        fresh_of,
    ])?;
    Ok(updated > 0)
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
