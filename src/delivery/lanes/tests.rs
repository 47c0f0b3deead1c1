//! Lanes on a store that breaks or hangs.

use std::sync::atomic::AtomicUsize;

use tempfile::TempDir;

use super::super::clock::Now;
use super::super::lane;
use super::super::pulse::Beat;
use super::*;
use crate::config::load_without_secrets;
use crate::event::DeliveryId;
use crate::receiver::{Judgement, Reason, Retry, Verdict};
use crate::store::conformance::Sample;
use crate::store::{
    Accepted, Attempt, Attempted, Delivery, DeliveryFilter, EventFilter, EventPage, InThread, KeyHash, Ledger, Mark,
    NewEvent, NewQuarantined, NewTarget, Quarantined, Replayed, SqliteStore, StoredEvent, Totals, Unchanged, Version,
    Walked,
};

/// What a call of the store does besides what it should.
#[derive(Clone, Copy)]
enum Act {
    Pass,
    Panic,
    Hang,
}

/// A store whose claims and pages do as told, by the number of the call, from 0.
struct Faulty {
    inner: SqliteStore,
    claims: (AtomicUsize, fn(usize) -> Act),
    pages: (AtomicUsize, fn(usize) -> Act),
}

async fn act((calls, script): &(AtomicUsize, fn(usize) -> Act)) {
    match script(calls.fetch_add(1, Ordering::Relaxed)) {
        Act::Pass => {}
        Act::Panic => panic!("told to, by a test"),
        Act::Hang => std::future::pending().await,
    }
}

/// A store that acts before two of its methods; the others go through.
macro_rules! faulty {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        #[async_trait::async_trait]
        impl Store for Faulty {
            async fn claim(&self, receiver: &str, expiry: Duration) -> Result<bool, StoreError> {
                act(&self.claims).await;
                self.inner.claim(receiver, expiry).await
            }
            async fn owed(&self, receiver: &str, after: DeliveryId, limit: usize) -> Result<Vec<Owed>, StoreError> {
                act(&self.pages).await;
                self.inner.owed(receiver, after, limit).await
            }
            fn writable(&self) -> bool {
                self.inner.writable()
            }
            $(async fn $name(&self, $($arg: $type),*) -> $out {
                self.inner.$name($($arg),*).await
            })*
        }
    };
}

faulty! {
    accept(items: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError>;
    record(attempts: Arc<[Attempted]>) -> Result<(), StoreError>;
    owed_of_key(receiver: &str, key: KeyHash, after: DeliveryId, limit: usize) -> Result<Vec<Owed>, StoreError>;
    lanes() -> Result<Vec<LaneRow>, StoreError>;
    save_lane(receiver: &str, state: &str) -> Result<(), StoreError>;
    event(id: EventId) -> Result<Option<StoredEvent>, StoreError>;
    events(filter: &EventFilter) -> Result<EventPage, StoreError>;
    deliveries(filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError>;
    attempts(id: DeliveryId) -> Result<Vec<Attempt>, StoreError>;
    copy(id: DeliveryId) -> Result<Option<String>, StoreError>;
    reference(message: &InThread) -> Result<Option<String>, StoreError>;
    next_of_key(key: &str, after: EventId, until: Timestamp) -> Result<Option<StoredEvent>, StoreError>;
    replay(deliveries: &[DeliveryId], to: Option<&str>) -> Result<Vec<Replayed>, StoreError>;
    replay_event(event: EventId, targets: Vec<NewTarget>) -> Result<Vec<Replayed>, StoreError>;
    dismiss(deliveries: &[DeliveryId]) -> Result<u64, StoreError>;
    move_owed(receiver: &str, to: &str, limit: usize) -> Result<u64, StoreError>;
    walk(filter: &DeliveryFilter, from: Mark) -> Result<Walked, StoreError>;
    replay_unchanged(deliveries: &[DeliveryId], unchanged: Unchanged, to: Option<&str>) -> Result<Vec<Replayed>, StoreError>;
    quarantined_item(id: i64) -> Result<Option<Quarantined>, StoreError>;
    accept_quarantined(id: i64, events: Vec<NewEvent>) -> Result<Option<Vec<Accepted>>, StoreError>;
    still_unreadable(id: i64, reason: &str) -> Result<(), StoreError>;
    dismiss_quarantined(ids: &[i64]) -> Result<u64, StoreError>;
    totals() -> Result<Totals, StoreError>;
    ledger() -> Result<Ledger, StoreError>;
    release(receiver: &str) -> Result<(), StoreError>;
    quarantine(item: NewQuarantined) -> Result<bool, StoreError>;
    quarantined(limit: usize) -> Result<Vec<Quarantined>, StoreError>;
    apply_version(version: &str, text: &str, now: Timestamp) -> Result<(), StoreError>;
    version(version: &str) -> Result<Option<Version>, StoreError>;
    ruled_since(version: &str, by: Timestamp) -> Result<Option<Timestamp>, StoreError>;
    last_version() -> Result<Option<Version>, StoreError>;
    prune(before: Timestamp, limit: usize) -> Result<u64, StoreError>;
    probe() -> Result<(), StoreError>;
    close() -> ();
}

/// The lanes of a routes.yaml that has one receiver, the inbox `ops`.
pub(super) async fn inbox(store: Arc<dyn Store>, junction: Junction) -> Lanes {
    let (tell, _) = mpsc::unbounded_channel();
    let setup = Setup {
        store,
        junction,
        tell,
        public_url: None,
        deny_private: false,
        narrator: Arc::default(),
        environment: Environment::real(),
    };
    let text = "receivers: { ops: { kind: inbox } }\nroutes: [{ name: all, to: ops }]\n";
    let config = load_without_secrets(text).0.expect("a usable file");
    let lanes = Lanes::new(setup).unwrap();
    lanes.apply(lanes.ready(&Arc::new(config)).await.unwrap());
    lanes
}

/// The lane of `ops`, which owes one message from the beginning.
async fn lanes(claims: fn(usize) -> Act, pages: fn(usize) -> Act) -> (TempDir, Lanes) {
    let dir = tempfile::tempdir().unwrap();
    let junction = Junction::default();
    let inner = SqliteStore::open(&dir.path().join("jobrelay.db"), junction.handoff()).unwrap();
    inner.accept(vec![Sample::new("a").to(&["ops"]).build()]).await.unwrap();
    let store = Arc::new(Faulty { inner, claims: (AtomicUsize::new(0), claims), pages: (AtomicUsize::new(0), pages) });
    (dir, inbox(store, junction).await)
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn delivered(lanes: &Lanes) -> LaneStatus {
    until("delivered", async || lanes.status().await[0].attempts.delivered == 1).await;
    lanes.status().await.remove(0)
}

#[tokio::test]
async fn a_lane_that_breaks_begins_anew_and_delivers() {
    let break_twice = |call| if call < 2 { Act::Panic } else { Act::Pass };
    let (_dir, lanes) = lanes(break_twice, |_| Act::Pass).await;
    until("it stands still for a while", async || !lanes.still().is_empty()).await;
    assert_eq!(delivered(&lanes).await.restarts, 2);
    until("it moves again", async || lanes.still().is_empty()).await;
}

#[tokio::test]
async fn a_lane_that_broke_still_stops() {
    let (_dir, lanes) = lanes(|_| Act::Panic, |_| Act::Pass).await;
    until("it broke", async || lanes.status().await[0].restarts > 0).await;
    let task = lanes.lock()["ops"].task.abort_handle();
    lanes.stop(Duration::from_secs(60)).await;
    assert!(task.is_finished(), "it did not have to be waited for");
}

#[tokio::test]
async fn a_page_whose_read_breaks_is_read_again() {
    let (_dir, lanes) = lanes(|_| Act::Pass, |call| if call == 0 { Act::Panic } else { Act::Pass }).await;
    assert_eq!(delivered(&lanes).await.restarts, 0);
}

#[tokio::test]
async fn housekeeping_that_hangs_holds_up_no_message() {
    let (_dir, lanes) = lanes(|call| if call == 0 { Act::Pass } else { Act::Hang }, |_| Act::Pass).await;
    delivered(&lanes).await;
}

/// As a lane is kept whose receiver refused everything.
fn kept_as_blocked() -> String {
    let now = |seconds| Now { mono: Duration::from_secs(seconds), wall: Timestamp::UNIX_EPOCH };
    let retry = Retry { give_up: Duration::MAX, first: Duration::from_secs(1), max: Duration::from_secs(1) };
    let settings = lane::Settings { rate: None, concurrency: 9, retry, capacity: 9, unrecorded: 9 };
    let mut lane = lane::Lane::new(settings, None, now(0));
    lane.poll(now(0));
    lane.loaded(Vec::new(), now(0));
    for id in 1..=3 {
        let (receiver, route) = (Arc::from("ops"), Arc::from(""));
        let (attempts, not_before, closes, urgent, content) = (0, None, None, false, None);
        let (id, event, key) = (DeliveryId(id), EventId(id), KeyHash(id));
        lane.take([Owed { id, event, receiver, route, key, attempts, not_before, closes, urgent, content }], now(0));
        lane.poll(now(0));
        let refused = Judgement::not_delivered(Verdict::Blocked, Reason::Auth, "revoked".to_owned());
        lane.ended(id, &refused, 0.5, now(1));
    }
    serde_json::to_string(&lane.kept(now(1))).unwrap()
}

#[tokio::test]
async fn a_lane_begins_as_it_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let junction = Junction::default();
    let store = SqliteStore::open(&dir.path().join("jobrelay.db"), junction.handoff()).unwrap();
    store.save_lane("ops", &kept_as_blocked()).await.unwrap();
    let lanes = inbox(Arc::new(store), junction).await;
    until("it is blocked", async || lanes.status().await[0].health == Health::Blocked).await;
    assert_eq!(lanes.status().await[0].detail.as_deref(), Some("revoked"));
}

#[tokio::test]
async fn a_read_that_hangs_is_told() {
    let (_dir, lanes) = lanes(|_| Act::Pass, |_| Act::Hang).await;
    let beat = || lanes.lock()["ops"].pulse.last();
    until("it asked", async || beat().waits == Waits::Store).await;
    assert!(lanes.still().is_empty(), "not yet");
    let later = beat().moved + Duration::from_secs(40);
    let still = Beat { turned: later, ..beat() }.still(later).expect("it stands still");
    assert_eq!(still.to_string(), "the store does not answer it, for 40 s");
}
