//! The suite of all stores on a store in memory, and what only this one promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Clock, Durable};
use crate::event::next_id;
use crate::store::conformance::{self, Beside, Place, Sample};
use crate::store::{EventFilter, Handoff, Store, StoreError};

/// The first ID: those below are nobody's.
const FIRST: i64 = 1_000;

struct Memory {
    durable: Durable,
    /// Seconds, after the start.
    time: Arc<AtomicU64>,
}

#[async_trait]
impl Place for Memory {
    fn new() -> Memory {
        let (start, time) = (Timestamp::now(), Arc::new(AtomicU64::new(0)));
        let passed = Arc::clone(&time);
        let clock: Clock = Arc::new(move || start + Duration::from_secs(passed.load(Ordering::Relaxed)));
        Memory { durable: Durable::new(FIRST, clock), time }
    }

    async fn open(&self, handoff: Handoff) -> Arc<dyn Store> {
        Arc::new(self.durable.open("first", handoff))
    }

    async fn kill(&self, _store: Arc<dyn Store>) {
        // Every call is durable when it returns, and the next opening shuts the old handle out.
    }

    async fn open_beside(&self, handoff: Handoff) -> Option<Beside> {
        let time = Arc::clone(&self.time);
        let pass = Box::new(move |passed: Duration| {
            time.fetch_add(passed.as_secs(), Ordering::Relaxed);
        });
        Some(Beside { store: Arc::new(self.durable.open("second", handoff)), pass })
    }
}

conformance::suite!(Memory);

#[tokio::test]
async fn a_restart_shuts_the_killed_relay_out_and_keeps_its_claims() {
    let place = Memory::new();
    let nobody: Handoff = Arc::new(|_| {});
    let killed = place.open(Arc::clone(&nobody)).await;
    let other = place.open_beside(Arc::clone(&nobody)).await.unwrap().store;
    assert!(killed.claim("ops", Duration::from_secs(30)).await.unwrap());
    let restarted = place.open(nobody).await;
    let late = killed.accept(vec![Sample::new("late").build()]).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    assert!(!killed.writable() && restarted.writable() && other.writable());
    assert!(restarted.events(&EventFilter { limit: 9, ..EventFilter::default() }).await.unwrap().events.is_empty());
    assert!(!other.claim("ops", Duration::from_secs(30)).await.unwrap());
    assert!(restarted.claim("ops", Duration::from_secs(30)).await.unwrap());
}

#[tokio::test]
async fn ids_are_counted_over_restarts_from_the_time_they_were_given() {
    let place = Memory::new();
    let first = next_id(FIRST - 1, (place.durable.clock)().as_millisecond());
    let mut ids = Vec::new();
    for n in 0..3 {
        let store = place.open(Arc::new(|_| {})).await;
        let accepted = store.accept(vec![Sample::new(&format!("{n}")).to(&["ops"]).build()]).await.unwrap().remove(0);
        ids.extend([accepted.id.0, accepted.deliveries[0].0.0]);
    }
    assert_eq!(ids, (first..first + 6).collect::<Vec<_>>());
}
