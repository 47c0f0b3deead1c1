//! Deletes what is older than the retention, in small steps between the traffic.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::store::{EventFilter, Store, StoreError};

const EVERY: Duration = Duration::from_secs(60);
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// How often the wall clock is looked at: an event that came between two jumps that nobody saw would seem older than it is.
const LOOK: Duration = Duration::from_secs(1);
/// Small enough that no accept waits noticeably behind one.
const STEP: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Runs until aborted. What is still owed is never deleted, however old. `now`: the time on the wall.
pub(super) async fn run(store: Arc<dyn Store>, retention: Duration, now: fn() -> Timestamp) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let every = retention.clamp(AT_MOST_EVERY, EVERY);
    let start = Instant::now();
    let mut due = Duration::ZERO;
    let mut age: Option<Age> = None;
    loop {
        look.tick().await;
        let before = age.as_mut().and_then(|age| age.before(start.elapsed(), now()));
        if start.elapsed() < due {
            continue;
        }
        due = start.elapsed() + every;
        let (Some(age), Some(before)) = (&mut age, before) else {
            if age.is_none() {
                match newest(&*store).await {
                    Ok(newest) => (age, due) = (Some(Age::new(retention, newest, now())), Duration::ZERO),
                    Err(error) => tracing::warn!("old events were not looked for, trying again soon: {error}"),
                }
            }
            continue;
        };
        let mut deleted = 0;
        let expired = dead_expired(&*store).await;
        loop {
            match store.prune(before, STEP).await {
                Ok(0) | Err(StoreError::Closed) => break,
                Ok(step) => deleted += step,
                Err(error) => {
                    tracing::warn!("old events were not deleted, trying again in a minute: {error}");
                    break;
                }
            }
            tokio::time::sleep(PAUSE).await;
            age.before(start.elapsed(), now());
        }
        if deleted > 0 {
            tracing::info!(deleted, %before, "deleted events past the retention");
        }
        if deleted > 0
            && let (Some(was), Some(is)) = (expired, dead_expired(&*store).await)
            && is > was
        {
            let dead = is - was;
            tracing::warn!(
                dead,
                in_all = is,
                "dead deliveries were deleted past the retention: nobody replayed or dismissed them"
            );
        }
    }
}

async fn dead_expired(store: &dyn Store) -> Option<u64> {
    store.totals().await.ok().map(|totals| totals.dead_expired)
}

/// When the newest event was received.
async fn newest(store: &dyn Store) -> Result<Option<Timestamp>, StoreError> {
    let mut filter = EventFilter { limit: 1, ..EventFilter::default() };
    loop {
        let page = store.events(&filter).await?;
        if let Some(event) = page.events.first() {
            return Ok(Some(event.event.received.received_at));
        }
        // One that cannot be read any more is no sign that there is none.
        let Some(next) = page.next else { return Ok(None) };
        filter.before = Some(next);
    }
}

/// By what time events grow old.
///
/// Events bear the wall clock's time, and the wall clock jumps. A jump forward looks like time that passed; so it counts only after the
/// relay has lived through the retention itself since, when whatever was there at the jump has been kept long enough by any clock. A
/// jump back counts at once. Time in which nothing came and the relay did not run is a jump too: at its start the newest event has
/// just come.
#[derive(Debug)]
struct Age {
    retention: Duration,
    /// How far the wall clock was ahead of the relay's own, and when that was last seen: rising, and none longer ago than the retention.
    ahead: VecDeque<(Duration, SignedDuration)>,
}

impl Age {
    /// At the start of the relay, whose own clock is at zero.
    fn new(retention: Duration, newest: Option<Timestamp>, wall: Timestamp) -> Age {
        let start = newest.map_or(wall, |newest| newest.min(wall));
        Age { retention, ahead: VecDeque::from([(Duration::ZERO, start.as_duration())]) }
    }

    /// Events received before this are past the retention. `None`: no time is that long ago.
    fn before(&mut self, own: Duration, wall: Timestamp) -> Option<Timestamp> {
        let now = SignedDuration::try_from(own).ok()?;
        let ahead = wall.as_duration() - now;
        while self.ahead.back().is_some_and(|&(_, before)| before >= ahead) {
            self.ahead.pop_back();
        }
        match self.ahead.back_mut() {
            // Two clocks are never read at once, and drift: what is this close is the same.
            Some((seen, before)) if ahead - *before < SignedDuration::from_secs(1) => *seen = own,
            _ => self.ahead.push_back((own, ahead)),
        }
        while self.ahead.len() > 1 && self.ahead[0].0.saturating_add(self.retention) < own {
            self.ahead.pop_front();
        }
        Timestamp::from_duration(self.ahead[0].1 + now).ok()?.checked_sub(self.retention).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const RETENTION: Duration = Duration::from_secs(30 * 86_400);

    /// The day on the wall.
    fn day(day: u32) -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap() + DAY * day
    }

    #[test]
    fn events_grow_old_by_a_clock_that_goes() {
        let mut age = Age::new(RETENTION, Some(day(100)), day(100));
        for n in 0..200 {
            assert_eq!(age.before(DAY * n, day(100 + n)), Some(day(70 + n)));
        }
    }

    #[test]
    fn a_jump_forward_counts_once_all_that_was_there_is_old_by_any_clock() {
        let mut age = Age::new(RETENTION, Some(day(100)), day(100));
        age.before(DAY, day(101));
        for n in 2..=31 {
            assert_eq!(age.before(DAY * n, day(100 + n + 400)), Some(day(70 + n)), "day {n}");
        }
        assert_eq!(age.before(DAY * 32, day(532)), Some(day(502)));
    }

    #[test]
    fn a_jump_forward_and_back_is_as_if_it_had_not_been() {
        let mut age = Age::new(RETENTION, Some(day(100)), day(100));
        assert_eq!(age.before(DAY, day(131)), Some(day(71)));
        assert_eq!(age.before(DAY * 2, day(102)), Some(day(72)));
        assert_eq!(age.before(DAY * 40, day(140)), Some(day(110)));
    }

    #[test]
    fn a_jump_back_deletes_nothing_early() {
        let mut age = Age::new(RETENTION, Some(day(100)), day(100));
        assert_eq!(age.before(DAY, day(51)), Some(day(21)));
        assert_eq!(age.before(DAY * 2, day(102)), Some(day(22)));
    }

    #[test]
    fn a_start_with_a_clock_that_was_set_deletes_nothing_early() {
        let mut age = Age::new(RETENTION, Some(day(100)), day(500));
        assert_eq!(age.before(Duration::ZERO, day(500)), Some(day(70)));
        assert_eq!(age.before(DAY * 30, day(530)), Some(day(100)));
        assert_eq!(age.before(DAY * 31, day(531)), Some(day(501)));
        let mut empty = Age::new(RETENTION, None, day(500));
        assert_eq!(empty.before(Duration::ZERO, day(500)), Some(day(470)));
    }

    #[test]
    fn a_clock_that_drifts_takes_little_memory() {
        let mut age = Age::new(RETENTION, None, day(0));
        for n in 0..10_000u32 {
            age.before(Duration::from_secs(60) * n, day(0) + Duration::from_millis(60_003) * n);
        }
        assert!(age.ahead.len() < 60, "{}", age.ahead.len());
    }

    thread_local! {
        /// When the clock on the wall began to go, and by how many seconds it is ahead.
        static WALL: std::cell::Cell<(Option<Instant>, i64)> = const { std::cell::Cell::new((None, 0)) };
    }

    fn wall() -> Timestamp {
        let (began, ahead) = WALL.get();
        day(100) + began.expect("it goes").elapsed() + SignedDuration::from_secs(ahead)
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_the_clock_is_back_for_a_moment_is_kept_as_long_as_all_else() {
        use crate::store::conformance::Sample;

        let began = Instant::now();
        WALL.set((Some(began), 0));
        let store = crate::store::memory::Durable::new(1, Arc::new(wall)).open("relay", Arc::new(|_| {}));
        let store: Arc<dyn Store> = Arc::new(store);
        let retention = Duration::from_secs(3_600);
        let running = tokio::spawn(run(Arc::clone(&store), retention, wall));
        let ahead = |seconds| async move {
            tokio::time::sleep(Duration::from_secs(7)).await;
            WALL.set((Some(began), seconds));
        };
        ahead(0).await;
        ahead(-40 * 86_400).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let since = wall().duration_since(Sample::new("a").received_at());
        let id = store.accept(vec![Sample::new("a").received_after(since).build()]).await.unwrap()[0].id;
        ahead(0).await;
        tokio::time::sleep(Duration::from_secs(3_570)).await;
        assert!(store.event(id).await.unwrap().is_some(), "it is not an hour old");
        tokio::time::sleep(Duration::from_secs(3_700)).await;
        assert!(store.event(id).await.unwrap().is_none());
        running.abort();
    }

    #[test]
    fn no_clock_is_too_wrong() {
        for wall in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            let mut age = Age::new(Duration::MAX, Some(wall), wall);
            assert_eq!(age.before(DAY, wall), None);
            Age::new(RETENTION, Some(wall), day(0)).before(DAY, wall);
        }
    }
}
