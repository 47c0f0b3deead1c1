//! The one number space of events and deliveries, and how far its clock strays from the events'.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::event::{DeliveryId, EventId, next_id};
use crate::store::DeliveryFilter;

/// Bits of an ID below its milliseconds.
const COUNTER_BITS: u32 = 20;
/// A clock beyond this (the year 2200) is broken and would use up the number space.
const LATEST_MS: i64 = 7_258_118_400_000;

/// Gives out IDs.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    last: i64,
    /// Most milliseconds seen between the time in an event's ID and its `received_at`: so far a search by time must look
    /// beyond its bounds. Grows when a clock jumps.
    skew: i64,
}

impl Ids {
    pub fn load(db: &Connection) -> rusqlite::Result<Ids> {
        db.query_row(
            "SELECT max(last, ifnull((SELECT max(id) FROM events), 0), ifnull((SELECT max(id) FROM deliveries), 0)), skew FROM meta",
            [],
            |row| Ok(Ids { last: row.get(0)?, skew: row.get(1)? }),
        )
    }

    /// The newest ID given.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// The next event's.
    pub fn event(&mut self, db: &Connection, now_ms: i64, received_at: Timestamp) -> rusqlite::Result<EventId> {
        self.step(now_ms);
        let apart = ((self.last >> COUNTER_BITS) - received_at.as_millisecond()).abs();
        if apart > self.skew {
            // Doubled, so that a drifting clock costs a row a few times only.
            self.skew = apart.saturating_mul(2);
            db.prepare_cached("UPDATE meta SET skew = ?1")?.execute(params![self.skew])?;
        }
        Ok(EventId(self.last))
    }

    /// The next delivery's.
    pub fn delivery(&mut self, now_ms: i64) -> DeliveryId {
        self.step(now_ms);
        DeliveryId(self.last)
    }

    fn step(&mut self, now_ms: i64) {
        let sane = if (0..LATEST_MS).contains(&now_ms) { now_ms } else { 0 };
        self.last = next_id(self.last, sane);
    }
}

/// The lowest ID an event received at or after `since` can have.
pub fn lowest(since: Timestamp, skew: i64) -> i64 {
    id_at(since.as_millisecond().saturating_sub(skew))
}

/// An ID above all that events received before `until` can have.
pub fn above(until: Timestamp, skew: i64) -> i64 {
    id_at(until.as_millisecond().saturating_add(skew).saturating_add(1))
}

/// The lowest ID of this millisecond.
fn id_at(ms: i64) -> i64 {
    if ms <= 0 {
        0
    } else if ms > i64::MAX >> COUNTER_BITS {
        i64::MAX
    } else {
        ms << COUNTER_BITS
    }
}

/// The lowest ID one of these deliveries can have, and the first above all of them.
pub fn bounds(filter: &DeliveryFilter) -> (i64, i64) {
    let at = |time: Timestamp| id_at(time.as_millisecond());
    let end = [filter.before.map(|id| id.0), filter.until.map(at)].into_iter().flatten().min();
    (filter.since.map_or(0, at), end.unwrap_or(i64::MAX))
}

/// The skew on record.
pub fn skew(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT skew FROM meta")?.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_clock_does_not_use_up_the_numbers() {
        let mut ids = Ids { last: 1000, skew: 0 };
        for now in [-1, i64::MAX, i64::MIN, LATEST_MS] {
            let before = ids.last;
            assert_eq!(ids.delivery(now), DeliveryId(before + 1));
        }
    }

    #[test]
    fn bounds_hold_at_the_ends_of_time() {
        for time in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert!(lowest(time, 0) <= above(time, 0));
            assert!(lowest(time, i64::MAX) <= above(time, i64::MAX));
        }
    }
}
