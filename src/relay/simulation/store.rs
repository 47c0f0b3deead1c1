//! The store of one life: the one in memory, whose calls take time, fail, or are the last thing the process does. What becomes durable is
//! noted in the world at that moment.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use jiff::Timestamp;
use tokio::time::sleep;

use super::changes::{self, Before};
use super::noted;
use super::plan::Trouble;
use super::world::{Fate, World};
use crate::event::{DeliveryId, EventId};
use crate::store::memory::MemoryStore;
use crate::store::{
    Accepted, Attempt, Attempted, Delivery, DeliveryFilter, EventFilter, EventPage, InThread, KeyHash, LaneRow, Ledger,
    Mark, NewEvent, NewQuarantined, NewTarget, Owed, Quarantined, Replayed, Store, StoreError, StoredEvent, Totals,
    Unchanged, Version, Walked,
};

/// The lock of a store that only one relay can open does not expire.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// See the module.
pub struct FaultyStore {
    inner: Arc<MemoryStore>,
    world: World,
    chance: Mutex<Rng>,
}

/// What a call does to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Reads,
    Writes,
}

impl FaultyStore {
    pub fn new(inner: MemoryStore, world: &World) -> FaultyStore {
        let life = world.lock().lives.len() as u64;
        FaultyStore { inner: Arc::new(inner), world: world.clone(), chance: Mutex::new(world.rng(life << 8)) }
    }

    fn chance(&self, below: u64) -> u64 {
        self.chance.lock().expect("no holder panics").u64(..below)
    }

    /// Why a call fails now, if so; else how long it takes before and after its effect.
    fn weather(&self, sort: Sort) -> Result<(Duration, Duration), StoreError> {
        let fails = match self.world.trouble() {
            None => false,
            Some(Trouble::CannotWrite) => sort == Sort::Writes,
            Some(Trouble::CannotRead) => sort == Sort::Reads,
            Some(Trouble::Dead) => true,
            Some(Trouble::Flaky(of_eight)) => self.chance(8) < u64::from(of_eight),
            Some(Trouble::Slow(most)) => {
                let most = u64::try_from(most.as_millis()).expect("seconds");
                let part = || Duration::from_millis(self.chance(most / 2 + 1));
                return Ok((part(), part()));
            }
        };
        let why = || "simulated".to_owned();
        match (fails, sort) {
            (false, _) => Ok((Duration::ZERO, Duration::ZERO)),
            (true, Sort::Writes) => Err(StoreError::Unwritable(why())),
            (true, Sort::Reads) => Err(StoreError::Unreadable(why())),
        }
    }

    /// Makes a call with all that may happen to it. What was begun takes effect even if nobody waits for it any more.
    async fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        sort: Sort,
        effect: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let fate = self.world.call(what);
        if fate == Fate::Dies {
            return pending().await;
        }
        let result = match self.weather(sort) {
            Err(error) => {
                self.world.step("fails", what);
                Err(error)
            }
            Ok((before, after)) if before.is_zero() && after.is_zero() => effect.await,
            Ok((before, after)) => {
                let world = self.world.clone();
                let slow = tokio::spawn(async move {
                    sleep(before).await;
                    if world.is_dead() {
                        return pending().await;
                    }
                    let result = effect.await;
                    sleep(after).await;
                    result
                });
                match slow.await {
                    Ok(result) => result,
                    Err(error) => Err(StoreError::Closed).inspect_err(|_| self.world.violated(|| error.to_string())),
                }
            }
        };
        if self.world.is_dead() {
            return pending().await;
        }
        if fate == Fate::DiesAfterEffect {
            self.world.die();
            return pending().await;
        }
        result
    }

    /// The same for what changes the past: `noted` is told what was durable before, and what the call said.
    async fn changing<T: Send + 'static>(
        &self,
        what: &'static str,
        effect: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        noted: impl FnOnce(Before, &World, &MemoryStore, &T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (inner, world) = (Arc::clone(&self.inner), self.world.clone());
        self.call(what, Sort::Writes, async move {
            let before = changes::before(&inner);
            let result = effect.await?;
            if let Some(before) = before {
                noted(before, &world, &inner, &result);
            }
            Ok(result)
        })
        .await
    }
}

macro_rules! passed_on {
    ($($sort:ident $name:ident($($arg:ident: $type:ty $(= $owned:expr)?),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for FaultyStore {
            async fn accept(&self, items: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
                let (inner, world) = (Arc::clone(&self.inner), self.world.clone());
                self.call("accept", Sort::Writes, async move {
                    // What is handed over must be known before it can be sent: both happen at once.
                    let answers = inner.accept(items.clone()).await?;
                    noted::accepted(&world, &items, &answers);
                    Ok(answers)
                })
                .await
            }

            async fn record(&self, attempts: Arc<[Attempted]>) -> Result<(), StoreError> {
                let (inner, world) = (Arc::clone(&self.inner), self.world.clone());
                self.call("record", Sort::Writes, async move {
                    inner.record(Arc::clone(&attempts)).await?;
                    noted::recorded(&world, &attempts);
                    Ok(())
                })
                .await
            }

            async fn claim(&self, receiver: &str, _expiry: Duration) -> Result<bool, StoreError> {
                let (inner, receiver) = (Arc::clone(&self.inner), receiver.to_owned());
                self.call("claim", Sort::Writes, async move { inner.claim(&receiver, FOR_EVER).await }).await
            }

            async fn replay(&self, deliveries: &[DeliveryId], to: Option<&str>) -> Result<Vec<Replayed>, StoreError> {
                let (inner, ids, to) = (Arc::clone(&self.inner), deliveries.to_vec(), to.map(str::to_owned));
                let told = to.clone();
                let effect = async move { inner.replay(&ids, to.as_deref()).await };
                self.changing("replay", effect, move |before, world, store, new: &Vec<Replayed>| {
                    before.replayed(world, store, None, told.as_deref(), new);
                })
                .await
            }

            async fn replay_unchanged(
                &self,
                deliveries: &[DeliveryId],
                unchanged: Unchanged,
                to: Option<&str>,
            ) -> Result<Vec<Replayed>, StoreError> {
                let (inner, ids, to) = (Arc::clone(&self.inner), deliveries.to_vec(), to.map(str::to_owned));
                let told = to.clone();
                let effect = async move { inner.replay_unchanged(&ids, unchanged, to.as_deref()).await };
                self.changing("replay", effect, move |before, world, store, new: &Vec<Replayed>| {
                    before.replayed(world, store, Some(unchanged), told.as_deref(), new);
                })
                .await
            }

            async fn replay_event(&self, event: EventId, to: Vec<NewTarget>) -> Result<Vec<Replayed>, StoreError> {
                let (inner, told) = (Arc::clone(&self.inner), to.clone());
                let effect = async move { inner.replay_event(event, to).await };
                self.changing("replay_event", effect, move |before, world, store, new: &Vec<Replayed>| {
                    before.redecided(world, store, event, &told, new);
                })
                .await
            }

            async fn dismiss(&self, deliveries: &[DeliveryId]) -> Result<u64, StoreError> {
                let (inner, ids) = (Arc::clone(&self.inner), deliveries.to_vec());
                let told = ids.clone();
                let effect = async move { inner.dismiss(&ids).await };
                self.changing("dismiss", effect, move |before, world, store, count| {
                    before.dismissed(world, store, &told, *count);
                })
                .await
            }

            async fn move_owed(&self, from: &str, to: &str, limit: usize) -> Result<u64, StoreError> {
                let (inner, from, to) = (Arc::clone(&self.inner), from.to_owned(), to.to_owned());
                let told = (from.clone(), to.clone());
                let effect = async move { inner.move_owed(&from, &to, limit).await };
                self.changing("move_owed", effect, move |before, world, store, count| {
                    before.moved(world, store, (&told.0, &told.1), limit, *count);
                })
                .await
            }

            async fn prune(&self, by: Timestamp, limit: usize) -> Result<u64, StoreError> {
                let inner = Arc::clone(&self.inner);
                let effect = async move { inner.prune(by, limit).await };
                self.changing("prune", effect, move |before, world, store, count| {
                    before.pruned(world, store, by, limit, *count);
                })
                .await
            }

            async fn close(&self) {
                self.inner.close().await;
            }

            fn writable(&self) -> bool {
                self.inner.writable()
            }

            $(
                async fn $name(&self, $($arg: $type),*) -> Result<$answer, StoreError> {
                    let inner = Arc::clone(&self.inner);
                    $($(let $arg = $owned;)?)*
                    self.call(stringify!($name), Sort::$sort, async move {
                        passed_on!(@call inner $name $($arg $(= $owned)?),*)
                    })
                    .await
                }
            )*
        }
    };
    (@call $inner:ident $name:ident $($arg:ident $(= $owned:expr)?),*) => {
        $inner.$name($(passed_on!(@arg $arg $(= $owned)?)),*).await
    };
    (@arg $arg:ident = $owned:expr) => { &$arg };
    (@arg $arg:ident) => { $arg };
}

passed_on! {
    Reads owed(receiver: &str = receiver.to_owned(), after: DeliveryId, limit: usize) -> Vec<Owed>;
    Reads owed_of_key(receiver: &str = receiver.to_owned(), key: KeyHash, after: DeliveryId, limit: usize) -> Vec<Owed>;
    Reads lanes() -> Vec<LaneRow>;
    Writes release(receiver: &str = receiver.to_owned()) -> ();
    Writes save_lane(receiver: &str = receiver.to_owned(), state: &str = state.to_owned()) -> ();
    Reads event(id: EventId) -> Option<StoredEvent>;
    Reads events(filter: &EventFilter = filter.clone()) -> EventPage;
    Reads deliveries(filter: &DeliveryFilter = filter.clone()) -> Vec<Delivery>;
    Reads attempts(id: DeliveryId) -> Vec<Attempt>;
    Reads copy(id: DeliveryId) -> Option<String>;
    Reads reference(message: &InThread = message.clone()) -> Option<String>;
    Reads next_of_key(key: &str = key.to_owned(), after: EventId, until: Timestamp) -> Option<StoredEvent>;
    Reads walk(filter: &DeliveryFilter = filter.clone(), from: Mark) -> Walked;
    Writes quarantine(item: NewQuarantined) -> bool;
    Reads quarantined(limit: usize) -> Vec<Quarantined>;
    Reads quarantined_item(id: i64) -> Option<Quarantined>;
    Writes accept_quarantined(id: i64, events: Vec<NewEvent>) -> Option<Vec<Accepted>>;
    Writes still_unreadable(id: i64, reason: &str = reason.to_owned()) -> ();
    Writes dismiss_quarantined(ids: &[i64] = ids.to_vec()) -> u64;
    Reads totals() -> Totals;
    Reads ledger() -> Ledger;
    Writes probe() -> ();
    Writes apply_version(version: &str = version.to_owned(), text: &str = text.to_owned(), now: Timestamp) -> ();
    Reads version(version: &str = version.to_owned()) -> Option<Version>;
    Reads ruled_since(version: &str = version.to_owned(), by: Timestamp) -> Option<Timestamp>;
    Reads last_version() -> Option<Version>;
}
