//! A receiver's `rate`, kept as the theoretical time of the next message (the generic cell rate algorithm).

use std::time::Duration;

use crate::receiver::Rate;

/// Fast rates may send what a tenth of a second allows in one go, since timers are no finer than a millisecond.
const BURST_WINDOW: Duration = Duration::from_millis(100);

/// Paces messages to a rate. Times are those of the lane's monotonic clock.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Time per message; zero: no limit.
    interval: Duration,
    /// How far ahead of the steady pace a burst may run.
    tolerance: Duration,
    /// When the next message would be due at the steady pace; `None`: nothing was sent yet.
    due: Option<Duration>,
}

impl Pace {
    /// `None`: no limit.
    #[must_use]
    pub fn new(rate: Option<Rate>) -> Pace {
        let interval = rate.map_or(Duration::ZERO, |rate| rate.per / rate.count.max(1));
        Pace { interval, tolerance: BURST_WINDOW.saturating_sub(interval), due: None }
    }

    /// From now on at another rate: the next message waits as long after the last one as this rate says, not as the old one did.
    pub fn change(&mut self, rate: Option<Rate>) {
        let changed = Pace::new(rate);
        let due = self.due.map(|due| due.saturating_sub(self.interval).saturating_add(changed.interval));
        *self = Pace { due, ..changed };
    }

    /// When the next message may go, at the earliest.
    #[must_use]
    pub fn ready_at(&self) -> Duration {
        self.due.unwrap_or_default().saturating_sub(self.tolerance)
    }

    /// A message goes out now.
    pub fn sent(&mut self, now: Duration) {
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_within(rate: Rate, span: Duration) -> u32 {
        let mut pace = Pace::new(Some(rate));
        let mut sent = 0;
        let mut now = Duration::from_secs(5);
        let end = now + span;
        while now < end {
            while pace.ready_at() <= now {
                pace.sent(now);
                sent += 1;
            }
            now += Duration::from_millis(1);
        }
        sent
    }

    #[test]
    fn one_a_second_is_one_a_second() {
        let rate = Rate { count: 1, per: Duration::from_secs(1) };
        assert_eq!(sent_within(rate, Duration::from_secs(10)), 10);
    }

    #[test]
    fn thirty_a_minute_is_one_every_two_seconds() {
        let rate = Rate { count: 30, per: Duration::from_secs(60) };
        assert_eq!(sent_within(rate, Duration::from_secs(10)), 5);
    }

    #[test]
    fn a_fast_rate_is_reached_with_coarse_timers() {
        let rate = Rate { count: 5_000, per: Duration::from_secs(1) };
        let sent = sent_within(rate, Duration::from_secs(2));
        assert!((10_000..=10_500).contains(&sent), "{sent}");
    }

    #[test]
    fn another_rate_applies_to_what_waits() {
        let rate = |count, secs| Some(Rate { count, per: Duration::from_secs(secs) });
        let at = Duration::from_secs;
        // (before, after, the next message after one at 100 s)
        for (before, after, next) in [
            (rate(1, 3600), rate(1, 1), 101),
            (rate(1, 1), rate(1, 3600), 3700),
            (None, rate(1, 60), 160),
            (rate(1, 60), None, 100),
        ] {
            let mut pace = Pace::new(before);
            pace.sent(at(100));
            pace.change(after);
            assert!(
                pace.ready_at() <= at(next) && pace.ready_at() + BURST_WINDOW >= at(next),
                "{before:?} {after:?} {pace:?}"
            );
        }
        let mut unused = Pace::new(rate(1, 1));
        unused.change(rate(1, 3600));
        assert_eq!(unused.ready_at(), Duration::ZERO);
    }

    #[test]
    fn no_rate_never_waits() {
        let mut pace = Pace::new(None);
        pace.sent(Duration::from_secs(1));
        assert!(pace.ready_at() <= Duration::from_secs(1));
    }
}
