//! How far a long look back has come: one line that is written over, on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Shorter ones need no progress.
const AFTER: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_millis(200);

/// The line. Time is known, the number of events is not: it goes by the time when events were received.
pub struct Progress {
    /// Of a first event, once there is one.
    from: Option<Timestamp>,
    since: Timestamp,
    to: Timestamp,
    begun: Instant,
    /// When it was last written; `None` where it never is.
    written: Option<Instant>,
    shown: bool,
}

impl Progress {
    pub fn new(since: Timestamp, to: Timestamp) -> Progress {
        let begun = Instant::now();
        let written = io::stderr().is_terminal().then_some(begun);
        Progress { from: None, since, to, begun, written, shown: false }
    }

    /// So many events were read, the last of them received `at`.
    pub fn show(&mut self, events: u64, at: Timestamp) {
        let from = *self.from.get_or_insert_with(|| at.max(self.since));
        let Some(written) = self.written else { return };
        if self.begun.elapsed() < AFTER || written.elapsed() < EVERY {
            return;
        }
        self.written = Some(Instant::now());
        self.shown = true;
        write_over(&line(events, from, at, self.to, self.begun.elapsed()));
    }

    /// Takes the line away.
    pub fn end(self) {
        if self.shown {
            write_over("");
        }
    }
}

fn write_over(text: &str) {
    // A terminal that has gone away misses nothing.
    let _ = write!(io::stderr(), "\r\x1b[K{text}").and_then(|()| io::stderr().flush());
}

fn line(events: u64, from: Timestamp, at: Timestamp, to: Timestamp, took: Duration) -> String {
    const WIDTH: i64 = 30;
    let whole = (to.as_millisecond() - from.as_millisecond()).max(1);
    let done = (at.as_millisecond() - from.as_millisecond()).clamp(0, whole);
    let of = |most: i64| usize::try_from(i128::from(done) * i128::from(most) / i128::from(whole)).unwrap_or(0);
    let bar = "#".repeat(of(WIDTH));
    let a_second = u128::from(events) * 1_000 / took.as_millis().max(1);
    format!("[{bar:<30}] {:>3} %  {events} events compared, {a_second} a second", of(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_by_the_time_of_the_events() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let shown = |second| line(9_000, at(100), at(second), at(300), Duration::from_millis(500));
        assert_eq!(shown(100), format!("[{:<30}]   0 %  9000 events compared, 18000 a second", ""));
        assert_eq!(shown(200), format!("[{:<30}]  50 %  9000 events compared, 18000 a second", "#".repeat(15)));
        // Clocks jump.
        assert!(shown(9_999).contains("] 100 %") && shown(-9_999).contains("]   0 %"));
        assert!(line(0, at(5), at(5), at(5), Duration::ZERO).contains("]   0 %"));
    }
}
