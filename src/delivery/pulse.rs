//! Whether a lane moves: what its driver tells at each turn, and what that means some time later.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A driver turns at least once in ten seconds, for its housekeeping.
const TURN_WITHIN: Duration = Duration::from_secs(30);
/// Reads and records of a store that is well take milliseconds.
const STORE_WITHIN: Duration = Duration::from_secs(30);
/// A message that is due goes out at once.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// What an attempt does besides waiting for its receiver: it reads the event and what came after it.
const AROUND_AN_ATTEMPT: Duration = Duration::from_secs(60);

/// What a driver waits for between two turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// A message, the time of a retry, its pace: nothing has to happen.
    Idle,
    /// Answers to attempts; the receiver's `timeout` bounds each.
    Answers { timeout: Duration },
    /// The store's: a page, or its own state being kept.
    Store,
    /// As many outcomes as it may hold are not on disk yet.
    Records,
    /// Nothing, though a message could go out.
    Nothing,
    /// It broke, and begins anew soon.
    Broken,
}

/// One turn of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// When it turned last, on the lanes' clock.
    pub turned: Duration,
    /// When something last came of what it waits for, or when it began to wait.
    pub moved: Duration,
    pub waits: Waits,
}

/// Why a lane stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// Its task does not turn any more.
    Hangs(Duration),
    Waits(Waits, Duration),
}

impl Beat {
    /// Whether it stands still at `now`.
    #[must_use]
    pub fn still(&self, now: Duration) -> Option<Still> {
        let hangs = now.saturating_sub(self.turned);
        if hangs > TURN_WITHIN && self.waits != Waits::Broken {
            return Some(Still::Hangs(hangs));
        }
        let within = match self.waits {
            Waits::Idle => return None,
            // In its form and once more in plain form.
            Waits::Answers { timeout } => timeout * 2 + AROUND_AN_ATTEMPT,
            Waits::Store | Waits::Records => STORE_WITHIN,
            Waits::Nothing => SEND_WITHIN,
            Waits::Broken => Duration::ZERO,
        };
        let waits = now.saturating_sub(self.moved);
        (waits > within).then_some(Still::Waits(self.waits, waits))
    }
}

impl fmt::Display for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (why, seconds) = match self {
            Still::Hangs(time) => ("its task hangs", time),
            Still::Waits(Waits::Answers { .. }, time) => ("no attempt has ended", time),
            Still::Waits(Waits::Store, time) => ("the store does not answer it", time),
            Still::Waits(Waits::Records, time) => ("the store records no outcomes", time),
            Still::Waits(Waits::Idle | Waits::Nothing, time) => ("what is due is not sent", time),
            Still::Waits(Waits::Broken, time) => ("it broke and begins anew", time),
        };
        write!(f, "{why}, for {} s", seconds.as_secs())
    }
}

/// The last beat, shared between a driver and those who ask.
#[derive(Debug)]
pub struct Pulse(Mutex<Beat>);

impl Pulse {
    /// Of a lane that begins at `now`.
    #[must_use]
    pub fn new(now: Duration) -> Pulse {
        Pulse(Mutex::new(Beat { turned: now, moved: now, waits: Waits::Idle }))
    }

    /// The driver turned at `now`. `moved`: something came of what it waited for. Waiting for something else counts from now on.
    pub fn turn(&self, now: Duration, waits: Waits, moved: bool) {
        let mut beat = self.lock();
        if moved || beat.waits != waits {
            beat.moved = now;
        }
        beat.turned = now;
        beat.waits = waits;
    }

    #[must_use]
    pub fn last(&self) -> Beat {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_lane_stands_still_when_it_does_not_turn_or_nothing_comes_of_its_waiting() {
        let timeout = S(15);
        for (waits, turned, moved, now, said) in [
            (Waits::Idle, 100, 0, 110, None),
            (Waits::Idle, 100, 0, 131, Some("its task hangs, for 31 s")),
            (Waits::Answers { timeout }, 100, 20, 110, None),
            (Waits::Answers { timeout }, 110, 20, 111, Some("no attempt has ended, for 91 s")),
            (Waits::Store, 100, 71, 101, None),
            (Waits::Store, 100, 70, 101, Some("the store does not answer it, for 31 s")),
            (Waits::Records, 100, 70, 101, Some("the store records no outcomes, for 31 s")),
            (Waits::Nothing, 100, 99, 101, None),
            (Waits::Nothing, 100, 60, 101, Some("what is due is not sent, for 41 s")),
            (Waits::Broken, 0, 100, 101, Some("it broke and begins anew, for 1 s")),
        ] {
            let beat = Beat { turned: S(turned), moved: S(moved), waits };
            assert_eq!(beat.still(S(now)).map(|still| still.to_string()).as_deref(), said, "{beat:?} at {now}");
        }
    }

    #[test]
    fn waiting_counts_from_the_last_thing_that_moved() {
        let pulse = Pulse::new(S(0));
        pulse.turn(S(10), Waits::Store, false);
        pulse.turn(S(20), Waits::Store, false);
        assert_eq!(pulse.last(), Beat { turned: S(20), moved: S(10), waits: Waits::Store });
        pulse.turn(S(30), Waits::Store, true);
        assert_eq!(pulse.last().moved, S(30));
        pulse.turn(S(40), Waits::Nothing, false);
        assert_eq!(pulse.last().moved, S(40), "another thing to wait for");
    }
}
