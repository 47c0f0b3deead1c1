//! Two relays on one store: who works a lane, and when it changes hands.

use std::time::Duration;

use super::tests::inbox;
use super::*;
use crate::event::DeliveryId;
use crate::store::conformance::Sample;
use crate::store::memory::Durable;

/// Longer than any test runs: nothing here may wait for it.
const LONG: Duration = Duration::from_secs(600);

struct Relay {
    store: Arc<dyn Store>,
    lanes: Lanes,
}

async fn relay(durable: &Durable, name: &str) -> Relay {
    let junction = Junction::default();
    let store: Arc<dyn Store> = Arc::new(durable.open(name, junction.handoff()));
    let lanes = inbox(Arc::clone(&store), junction).await;
    Relay { store, lanes }
}

/// What is under way, without an end of its own.
async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.unwrap_or_else(|_| panic!("{what}: it never came"))
}

async fn accept(relay: &Relay, id: &str) {
    relay.store.accept(vec![Sample::new(id).to(&["ops"]).build()]).await.unwrap();
}

async fn arrived(relay: &Relay) {
    while !relay.store.owed("ops", DeliveryId(0), 1).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_lane_goes_to_the_next_relay_when_its_relay_stops() {
    let durable = Durable::new(1, Arc::new(|| Timestamp::UNIX_EPOCH));
    let first = relay(&durable, "first").await;
    accept(&first, "a").await;
    soon("the first sends", arrived(&first)).await;
    let other = durable.open("other", Arc::new(|_| {}));
    assert!(!other.claim("ops", LONG).await.unwrap(), "the clock stands still, so no claim expires");
    soon("the first stops", first.lanes.stop(LONG)).await;
    accept(&first, "b").await;
    let second = relay(&durable, "second").await;
    soon("the second sends at once", arrived(&second)).await;
    assert!(!other.claim("ops", LONG).await.unwrap());
    soon("the second stops", second.lanes.stop(LONG)).await;
    assert!(other.claim("ops", LONG).await.unwrap());
}

#[tokio::test]
async fn a_relay_that_waits_for_a_lane_sends_nothing_and_stops_when_told() {
    let durable = Durable::new(1, Arc::new(|| Timestamp::UNIX_EPOCH));
    let holder = durable.open("holder", Arc::new(|_| {}));
    assert!(holder.claim("ops", LONG).await.unwrap());
    let waiting = relay(&durable, "waiting").await;
    accept(&waiting, "a").await;
    soon("it stops", waiting.lanes.stop(LONG)).await;
    assert_eq!(holder.owed("ops", DeliveryId(0), 9).await.unwrap().len(), 1);
    assert!(holder.claim("ops", LONG).await.unwrap(), "it has not released what is another's");
}
