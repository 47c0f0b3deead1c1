//! The two times a lane lives by, and the age of what it is owed.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::DeliveryId;

/// A moment: steps are timed by `mono`, which no clock jump touches; `wall` is for records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since the relay's start.
    pub mono: Duration,
    pub wall: Timestamp,
}

/// At most this many marks are kept; with one for each 1/64 of `retry.for` they reach well beyond it.
const MARKS: usize = 128;

/// Time that counts towards giving up: while the relay ran and the lane was not blocked.
///
/// The age of a delivery must survive restarts without a write for each: marks say "when the highest ID was so much, the clock
/// stood there". A delivery is taken to be as old as the first mark at or above its ID, so it is never taken for older than it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AgeClock {
    /// Counted up to `since`.
    counted: Duration,
    /// Counting since this moment of this run; `None`: blocked.
    #[serde(skip)]
    since: Option<Duration>,
    marks: VecDeque<(DeliveryId, Duration)>,
}

impl AgeClock {
    /// Starts counting at the beginning of a run or when a block ends.
    pub fn go(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// Stops counting.
    pub fn halt(&mut self, now: Duration) {
        self.counted = self.reads(now);
        self.since = None;
    }

    /// What the clock shows.
    #[must_use]
    pub fn reads(&self, now: Duration) -> Duration {
        self.counted + self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// Notes that every delivery up to `newest` exists by now. `spacing`: how fine ages must be. Returns whether a mark was added.
    ///
    /// Marks above `newest` were made while the wall clock, which IDs follow, was ahead: they go, or they would make what comes
    /// until it is there again as old as themselves.
    pub fn mark(&mut self, newest: DeliveryId, spacing: Duration, now: Duration) -> bool {
        let reads = self.reads(now);
        while self.marks.back().is_some_and(|&(id, _)| id > newest) {
            self.marks.pop_back();
        }
        if self.marks.back().is_some_and(|&(id, at)| id >= newest || at + spacing > reads) {
            return false;
        }
        self.marks.push_back((newest, reads));
        if self.marks.len() > MARKS {
            self.marks.pop_front();
        }
        true
    }

    /// When `delivery` came, on this clock; not later than now.
    #[must_use]
    pub fn came(&self, delivery: DeliveryId, now: Duration) -> Duration {
        let first_above = self.marks.partition_point(|&(id, _)| id < delivery);
        self.marks.get(first_above).map_or_else(|| self.reads(now), |&(_, at)| at)
    }

    /// The clock as it is to be kept over a restart.
    #[must_use]
    pub fn kept(&self, now: Duration) -> AgeClock {
        AgeClock { counted: self.reads(now), since: None, marks: self.marks.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_blocked_time_does_not_count() {
        let mut clock = AgeClock::default();
        clock.go(S(0));
        clock.halt(S(10));
        clock.go(S(1_000));
        assert_eq!(clock.reads(S(1_005)), S(15));
    }

    #[test]
    fn ages_survive_a_restart_and_are_never_too_high() {
        let mut clock = AgeClock::default();
        clock.go(S(0));
        assert!(clock.mark(DeliveryId(5), S(60), S(100)));
        assert!(!clock.mark(DeliveryId(6), S(60), S(130)), "too soon for another mark");
        assert!(clock.mark(DeliveryId(9), S(60), S(200)));
        let mut kept = clock.kept(S(300));
        kept.go(S(0));
        assert_eq!(kept.came(DeliveryId(3), S(0)), S(100));
        assert_eq!(kept.came(DeliveryId(6), S(0)), S(200));
        assert_eq!(kept.came(DeliveryId(10), S(50)), S(350), "unknown to any mark: new");
    }

    #[test]
    fn a_wall_clock_set_forward_and_back_makes_nothing_older() {
        let mut clock = AgeClock::default();
        clock.go(S(0));
        clock.mark(DeliveryId(1_000), S(1), S(10));
        clock.mark(DeliveryId(900_000), S(1), S(20));
        clock.mark(DeliveryId(1_500), S(1), S(500));
        assert_eq!(clock.came(DeliveryId(1_400), S(500)), S(500));
        assert_eq!(clock.came(DeliveryId(2_000), S(600)), S(600));
        assert_eq!(clock.came(DeliveryId(900), S(600)), S(10));
    }

    #[test]
    fn marks_are_bounded() {
        let mut clock = AgeClock::default();
        clock.go(S(0));
        for n in 0..10_000 {
            clock.mark(DeliveryId(n), S(1), S(n.unsigned_abs() * 2));
        }
        assert_eq!(clock.marks.len(), MARKS);
    }
}
