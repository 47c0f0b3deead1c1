//! Keeps the log readable: a line for each event and each message while there are few of them, else a sum now and then.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// So many lines a second, events and messages together.
const LINES: u64 = 10;
/// The lines of a second are counted in the low bits of the window, the second stands above.
const BITS: u32 = 8;

/// What is logged of the usual course of things. On the hot path it costs two atomic additions.
#[derive(Debug)]
pub struct Narrator {
    started: Instant,
    /// The running second, and how many lines it had.
    window: AtomicU64,
    accepted: AtomicU64,
    delivered: AtomicU64,
    /// Something had no line of its own since the last sum.
    unsaid: AtomicBool,
}

/// What happened since the last sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Events.
    pub accepted: u64,
    /// Messages.
    pub delivered: u64,
}

impl Default for Narrator {
    fn default() -> Narrator {
        Narrator {
            started: Instant::now(),
            window: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            unsaid: AtomicBool::new(false),
        }
    }
}

impl Narrator {
    /// An event was accepted. `true`: it may have a line of its own.
    pub fn accepted(&self) -> bool {
        self.accepted.fetch_add(1, Relaxed);
        self.may_say(self.started.elapsed().as_secs())
    }

    /// A message was delivered. `true`: it may have a line of its own.
    pub fn delivered(&self) -> bool {
        self.delivered.fetch_add(1, Relaxed);
        self.may_say(self.started.elapsed().as_secs())
    }

    /// The sum since the last call. `None`: everything had its own line.
    pub fn sum(&self) -> Option<Sum> {
        let sum = Sum { accepted: self.accepted.swap(0, Relaxed), delivered: self.delivered.swap(0, Relaxed) };
        self.unsaid.swap(false, Relaxed).then_some(sum)
    }

    fn may_say(&self, second: u64) -> bool {
        // Whoever loses a race says nothing more than too little.
        let window = self.window.load(Relaxed);
        let lines = if window >> BITS == second { window & ((1 << BITS) - 1) } else { 0 };
        let next = second << BITS | (lines + 1);
        let says = lines < LINES && self.window.compare_exchange(window, next, Relaxed, Relaxed).is_ok();
        if !says {
            self.unsaid.store(true, Relaxed);
        }
        says
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_a_second_have_their_lines_and_the_rest_is_summed_up() {
        let narrator = Narrator::default();
        let said = |second| (0..50).filter(|_| narrator.may_say(second)).count() as u64;
        assert_eq!([said(0), said(0), said(1), said(1), said(900)], [LINES, 0, LINES, 0, LINES]);
    }

    #[test]
    fn a_sum_is_said_only_where_something_was_not() {
        let narrator = Narrator::default();
        for _ in 0..3 {
            narrator.accepted();
            narrator.delivered();
        }
        assert_eq!(narrator.sum(), None, "each had its line");
        // However the seconds fall: more than two of them allow.
        for _ in 0..1_000 {
            narrator.accepted();
        }
        narrator.delivered();
        assert_eq!(narrator.sum(), Some(Sum { accepted: 1_000, delivered: 1 }));
        assert_eq!(narrator.sum(), None);
    }
}
