//! Between rows and the store's types.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Row;

use crate::event::{DeliveryId, EventId};
use crate::receiver::{Reason, Verdict};
use crate::store::{Attempt, Delivery, DeliveryState};

// The column `deliveries.state`. Partial indexes name the first and the third.
pub const OWED: i64 = 0;
pub const DELIVERED: i64 = 1;
pub const DEAD: i64 = 2;
pub const DISMISSED: i64 = 3;

pub fn state_code(state: DeliveryState) -> i64 {
    match state {
        DeliveryState::Owed => OWED,
        DeliveryState::Delivered => DELIVERED,
        DeliveryState::Dead => DEAD,
        DeliveryState::Dismissed => DISMISSED,
    }
}

fn state(code: i64) -> DeliveryState {
    match code {
        OWED => DeliveryState::Owed,
        DELIVERED => DeliveryState::Delivered,
        DEAD => DeliveryState::Dead,
        _ => DeliveryState::Dismissed,
    }
}

pub fn verdict_code(verdict: Verdict) -> i64 {
    match verdict {
        Verdict::Delivered => 0,
        Verdict::Later => 1,
        Verdict::Refused => 2,
        Verdict::Blocked => 3,
    }
}

fn verdict(code: i64) -> Verdict {
    [Verdict::Delivered, Verdict::Later, Verdict::Refused]
        .into_iter()
        .find(|v| verdict_code(*v) == code)
        .unwrap_or(Verdict::Blocked)
}

/// All reasons; a new one gets the next code.
const REASONS: [Reason; 10] = [
    Reason::Auth,
    Reason::RateLimited,
    Reason::Client,
    Reason::Server,
    Reason::Timeout,
    Reason::Dns,
    Reason::Tls,
    Reason::Connect,
    Reason::Form,
    Reason::Template,
];

pub fn reason_code(reason: Reason) -> i64 {
    match reason {
        Reason::Auth => 0,
        Reason::RateLimited => 1,
        Reason::Client => 2,
        Reason::Server => 3,
        Reason::Timeout => 4,
        Reason::Dns => 5,
        Reason::Tls => 6,
        Reason::Connect => 7,
        Reason::Form => 8,
        Reason::Template => 9,
    }
}

fn reason(code: i64) -> Option<Reason> {
    REASONS.into_iter().find(|r| reason_code(*r) == code)
}

/// Nanoseconds since the Unix epoch; times a broken clock puts beyond their range (years 1677 to 2262) go to its ends.
pub fn to_ns(time: Timestamp) -> i64 {
    let ns = time.as_nanosecond();
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

pub fn from_ns(ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(ns)).expect("64 bits of nanoseconds are within a timestamp's range")
}

pub fn duration_ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

pub fn notes_json(notes: &[String]) -> Option<String> {
    (!notes.is_empty()).then(|| serde_json::to_string(notes).expect("strings are always JSON"))
}

/// The columns of [`delivery`], of the table named `d` with receivers as `r` and routes as `t`.
pub const DELIVERY: &str = "d.id, d.event, r.text, t.text, d.state, d.attempts, d.at, d.not_before, d.reason, d.detail, \
                            d.closes, d.replay_of, \
                            (SELECT max(n.id) FROM deliveries n WHERE n.event = d.event AND n.extra = 1 AND n.replay_of = d.id)";

pub fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: DeliveryId(row.get(0)?),
        event: EventId(row.get(1)?),
        receiver: row.get(2)?,
        route: row.get(3)?,
        state: state(row.get(4)?),
        attempts: row.get(5)?,
        at: row.get::<_, Option<i64>>(6)?.map(from_ns),
        not_before: row.get::<_, Option<i64>>(7)?.map(from_ns),
        reason: row.get::<_, Option<i64>>(8)?.and_then(reason),
        detail: row.get(9)?,
        closes: row.get::<_, Option<i64>>(10)?.map(DeliveryId),
        replay_of: row.get::<_, Option<i64>>(11)?.map(DeliveryId),
        replayed_by: row.get::<_, Option<i64>>(12)?.map(DeliveryId),
    })
}

/// The columns of [`attempt`], but the first (its number).
pub const ATTEMPT: &str = "at, took, verdict, reason, detail, notes";

pub fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let notes: Option<String> = row.get(6)?;
    Ok(Attempt {
        number: row.get(0)?,
        at: from_ns(row.get(1)?),
        took: Duration::from_nanos(row.get::<_, i64>(2)?.unsigned_abs()),
        verdict: verdict(row.get(3)?),
        reason: row.get::<_, Option<i64>>(4)?.and_then(reason),
        detail: row.get(5)?,
        notes: notes.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
    })
}

/// A limit as SQL has it.
pub fn to_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back() {
        for v in [Verdict::Delivered, Verdict::Later, Verdict::Refused, Verdict::Blocked] {
            assert_eq!(verdict(verdict_code(v)), v);
        }
        for r in REASONS {
            assert_eq!(reason(reason_code(r)), Some(r));
        }
        for s in [DeliveryState::Owed, DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Dismissed] {
            assert_eq!(state(state_code(s)), s);
        }
    }

    #[test]
    fn times_keep_their_nanoseconds_and_never_overflow() {
        let time = Timestamp::new(1_790_000_000, 123_456_789).unwrap();
        assert_eq!(from_ns(to_ns(time)), time);
        assert!(from_ns(to_ns(Timestamp::MAX)) > time);
        assert!(from_ns(to_ns(Timestamp::MIN)) < Timestamp::UNIX_EPOCH);
    }
}
