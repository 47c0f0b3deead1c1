//! Deliveries come to be here, and are replayed, moved and dismissed.

use std::sync::Arc;

use rusqlite::{OptionalExtension as _, params};

use super::ledger::MADE;
use super::openings::Opening;
use super::rows::{DEAD, DISMISSED, OWED, state_code};
use super::task::Writing;
use crate::event::{DeliveryId, Event, EventId};
use crate::store::{KeyHash, NewTarget, Owed, Replayed, Unchanged};

/// A delivery to make.
#[derive(Debug, Clone, Copy)]
pub struct Owe<'a> {
    pub event: EventId,
    pub receiver: &'a Arc<str>,
    pub route: &'a Arc<str>,
    pub key: KeyHash,
    pub closes: Option<DeliveryId>,
    pub replay_of: Option<DeliveryId>,
    /// Added after its event.
    pub extra: bool,
}

impl<'a> Owe<'a> {
    /// One that comes with its event.
    pub fn new(event: EventId, receiver: &'a Arc<str>, route: &'a Arc<str>, key: KeyHash) -> Owe<'a> {
        Owe { event, receiver, route, key, closes: None, replay_of: None, extra: false }
    }
}

/// Makes a delivery.
pub fn owe(w: &mut Writing<'_>, new: Owe<'_>, content: Option<&Arc<Event>>) -> rusqlite::Result<DeliveryId> {
    let id = w.memory.ids.delivery(w.now_ms);
    let receiver = w.memory.names.number(w.db, new.receiver)?;
    let route = w.memory.names.number(w.db, new.route)?;
    let insert = w.statements.insert_delivery.of(
        w.db,
        "INSERT INTO deliveries(id, event, receiver, route, key, state, extra, closes, replay_of, attempts) \
         VALUES(?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, 0)",
    )?;
    insert.execute(params![
        id.0,
        new.event.0,
        receiver,
        route,
        new.key.0,
        new.extra,
        new.closes.map(|d| d.0),
        new.replay_of.map(|d| d.0)
    ])?;
    w.memory.ledger.add(receiver, MADE, 1);
    w.memory.ledger.add(receiver, OWED, 1);
    w.fresh.push(Owed {
        id,
        event: new.event,
        receiver: Arc::clone(new.receiver),
        route: Arc::clone(new.route),
        key: new.key,
        attempts: 0,
        not_before: None,
        closes: new.closes,
        urgent: Owed::is_urgent(new.closes, content.map(|event| &**event)),
        content: content.cloned(),
    });
    Ok(id)
}

/// What is copied from an earlier delivery.
struct Earlier {
    event: EventId,
    receiver: i64,
    route: i64,
    key: KeyHash,
    state: i64,
    attempts: i64,
    closes: Option<DeliveryId>,
}

fn earlier(w: &Writing<'_>, id: DeliveryId) -> rusqlite::Result<Option<Earlier>> {
    w.db.prepare_cached("SELECT event, receiver, route, key, state, attempts, closes FROM deliveries WHERE id = ?1")?
        .query_row(params![id.0], |row| {
            Ok(Earlier {
                event: EventId(row.get(0)?),
                receiver: row.get(1)?,
                route: row.get(2)?,
                key: KeyHash(row.get(3)?),
                state: row.get(4)?,
                attempts: row.get(5)?,
                closes: row.get::<_, Option<i64>>(6)?.map(DeliveryId),
            })
        })
        .optional()
}

/// Owes a copy of `old`. Unknown ones are skipped.
fn again(w: &mut Writing<'_>, id: DeliveryId, old: &Earlier, to: &Arc<str>) -> rusqlite::Result<Replayed> {
    let route = w.memory.names.text(old.route)?;
    let new = Owe { closes: old.closes, replay_of: Some(id), extra: true, ..Owe::new(old.event, to, &route, old.key) };
    let delivery = owe(w, new, None)?;
    Ok(Replayed { delivery, receiver: Arc::clone(to), replay_of: Some(id) })
}

/// Replays deliveries, in the order given; those that do not exist (any more), or are not `unchanged`, are left out. A dead one is
/// off the list with it.
///
/// A failure told anew to the same receiver is the one its recovery closes.
pub fn replay(
    w: &mut Writing<'_>,
    ids: &[DeliveryId],
    unchanged: Option<Unchanged>,
    to: Option<&Arc<str>>,
) -> rusqlite::Result<Vec<Replayed>> {
    let mut replayed = Vec::with_capacity(ids.len());
    for &id in ids {
        let Some(old) = earlier(w, id)? else { continue };
        if let Some(unchanged) = unchanged
            && !is(w, id, &old, unchanged)?
        {
            continue;
        }
        let same = w.memory.names.text(old.receiver)?;
        let to = to.unwrap_or(&same);
        let new = again(w, id, &old, to)?;
        if *to == same {
            let opening = Opening { receiver: old.receiver, delivery: new.delivery };
            w.memory.openings.replace(w.db, old.key, id, Some(opening))?;
        }
        if old.state == DEAD {
            end(w, id, &old)?;
        }
        replayed.push(new);
    }
    Ok(replayed)
}

/// Whether a delivery is as it was when it was looked up.
fn is(w: &Writing<'_>, id: DeliveryId, old: &Earlier, unchanged: Unchanged) -> rusqlite::Result<bool> {
    if old.state != state_code(unchanged.state) || old.state == OWED {
        return Ok(false);
    }
    let replayed = || {
        w.db.prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM deliveries WHERE event = ?1 AND extra = 1 AND replay_of = ?2)",
        )?
        .query_row(params![old.event.0, id.0], |row| row.get::<_, bool>(0))
    };
    Ok(unchanged.again || !replayed()?)
}

/// Adds deliveries to an event; none if there is no such event (any more).
pub fn replay_event(w: &mut Writing<'_>, event: EventId, targets: &[NewTarget]) -> rusqlite::Result<Vec<Replayed>> {
    let key = w.db.prepare_cached("SELECT key FROM events WHERE id = ?1")?.query_row(params![event.0], |r| r.get(0));
    let Some(key) = key.optional()?.map(KeyHash) else { return Ok(Vec::new()) };
    let mut replayed = Vec::with_capacity(targets.len());
    for target in targets {
        let new = Owe { extra: true, ..Owe::new(event, &target.receiver, &target.route, key) };
        let delivery = owe(w, new, None)?;
        replayed.push(Replayed { delivery, receiver: Arc::clone(&target.receiver), replay_of: None });
    }
    Ok(replayed)
}

/// Ends what is owed or dead. A failure that was never tried and never will be needs no recovery; one that was tried may
/// have arrived, whatever the answer said.
pub fn dismiss(w: &mut Writing<'_>, ids: &[DeliveryId]) -> rusqlite::Result<u64> {
    let mut dismissed = 0;
    for &id in ids {
        let Some(old) = earlier(w, id)? else { continue };
        if old.state != OWED && old.state != DEAD {
            continue;
        }
        end(w, id, &old)?;
        if old.attempts == 0 {
            w.memory.openings.replace(w.db, old.key, id, None)?;
        }
        dismissed += 1;
    }
    Ok(dismissed)
}

/// Moves the oldest owed deliveries. The recovery of a failure follows it to its new place.
pub fn move_owed(w: &mut Writing<'_>, from: &Arc<str>, to: &Arc<str>, limit: usize) -> rusqlite::Result<u64> {
    if from == to {
        return Ok(0);
    }
    let from = w.memory.names.number(w.db, from)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let oldest: Vec<i64> =
        w.db.prepare_cached(
            "SELECT id FROM deliveries INDEXED BY owed WHERE receiver = ?1 AND state = 0 ORDER BY id LIMIT ?2",
        )?
        .query_map(params![from, limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut moved = 0;
    for id in oldest.into_iter().map(DeliveryId) {
        let Some(old) = earlier(w, id)? else { continue };
        let new = again(w, id, &old, to)?;
        end(w, id, &old)?;
        let opening = Opening { receiver: w.memory.names.number(w.db, to)?, delivery: new.delivery };
        w.memory.openings.replace(w.db, old.key, id, Some(opening))?;
        moved += 1;
    }
    Ok(moved)
}

fn end(w: &mut Writing<'_>, id: DeliveryId, old: &Earlier) -> rusqlite::Result<()> {
    w.db.prepare_cached("UPDATE deliveries SET state = ?2, not_before = NULL WHERE id = ?1")?
        .execute(params![id.0, DISMISSED])?;
    w.memory.ledger.move_to(old.receiver, old.state, DISMISSED);
    Ok(())
}
