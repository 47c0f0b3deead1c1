//! The simulation's two clocks. Time passes on the runtime's paused clock within a life of the process, and is carried over to the next;
//! the wall clock follows it, but for the jumps it makes.

use std::cell::Cell;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// 2026-09-21T14:13:20Z.
const START: i64 = 1_790_000_000;

#[derive(Clone, Copy)]
struct Clock {
    /// What had passed when this life began.
    before: Duration,
    /// When this life began.
    began: Option<Instant>,
    /// Seconds by which the wall clock is ahead.
    ahead: i64,
}

thread_local! {
    static CLOCK: Cell<Clock> = const { Cell::new(Clock { before: Duration::ZERO, began: None, ahead: 0 }) };
}

/// A new simulation begins on this thread.
pub fn reset() {
    CLOCK.set(Clock { before: Duration::ZERO, began: None, ahead: 0 });
}

/// A life begins, on the runtime this is called in.
pub fn begin() {
    CLOCK.set(Clock { began: Some(Instant::now()), ..CLOCK.get() });
}

/// A life has ended, at `at`; the next begins so much later.
pub fn end(at: Duration, down: Duration) {
    CLOCK.set(Clock { before: at + down, began: None, ..CLOCK.get() });
}

/// Since the beginning of the simulation. Within a life only on its runtime.
pub fn now() -> Duration {
    let Clock { before, began, .. } = CLOCK.get();
    before + began.map_or(Duration::ZERO, |began| began.elapsed())
}

/// The time of day.
pub fn wall() -> Timestamp {
    let passed = SignedDuration::try_from(now()).expect("days at most");
    Timestamp::from_second(START + CLOCK.get().ahead).expect("in range") + passed
}

/// The wall clock is set.
pub fn jump(seconds: i64) {
    let clock = CLOCK.get();
    CLOCK.set(Clock { ahead: clock.ahead + seconds, ..clock });
}
