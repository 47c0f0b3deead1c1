//! The store of one life: the one in memory, whose calls take time, fail, or are the last thing the process does. What becomes durable is
//! noted in the world at that moment.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use jiff::Timestamp;
use tokio::time::sleep;

use super::clock;
use super::network::may_give_up;
use super::plan::Trouble;
use super::world::{Fate, Inner, Made, World};
use crate::event::{DeliveryId, EventId};
use crate::receiver::Verdict;
use crate::store::memory::MemoryStore;
use crate::store::{
    Accepted, Attempt, Attempted, Delivery, DeliveryFilter, End, EventFilter, EventPage, InThread, KeyHash, LaneRow,
    Ledger, Mark, NewEvent, NewQuarantined, NewTarget, Owed, Quarantined, Replayed, Store, StoreError, StoredEvent,
    Totals, Unchanged, Version, Walked,
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
}

/// Notes what an `accept` made durable.
fn accepted(world: &World, items: &[NewEvent], answers: &[Accepted]) {
    let at = clock::now();
    for (item, answer) in items.iter().zip(answers) {
        world.step("accepted", (answer.id, answer.duplicate, &answer.deliveries));
        let key = KeyHash::of(&item.event.key);
        let product = item.event.job.as_ref().and_then(|job| job.data_product.as_ref()?.id.as_deref()?.parse().ok());
        let mut inner = world.lock();
        for (delivery, receiver) in &answer.deliveries {
            let receiver = Arc::clone(receiver);
            inner.of_key.entry((Arc::clone(&receiver), key)).or_default().push(*delivery);
            let event = answer.id;
            inner.made.insert(*delivery, Made::new(event, receiver, key, product, at));
        }
    }
}

/// Notes what a `record` made durable, and whether it may be so.
fn recorded(world: &World, attempts: &[Attempted]) {
    for attempted in attempts {
        let id = attempted.delivery;
        world.step("recorded", (id, attempted.attempt.number, format!("{:?}", attempted.end)));
        let mut inner = world.lock();
        let wrong = wrong(world, &inner, attempted);
        let life = inner.lives.len() - 1;
        if let Some(made) = inner.made.get_mut(&id) {
            made.recorded = (life, made.recorded_in(life) + 1);
            if !matches!(attempted.end, End::Owed { .. }) {
                made.ended.get_or_insert((attempted.end, clock::now()));
            }
        }
        drop(inner);
        if let Some(wrong) = wrong {
            world.violated(|| format!("{id} is recorded as {:?}: {wrong}", attempted.end));
        }
    }
}

fn wrong(world: &World, inner: &Inner, attempted: &Attempted) -> Option<String> {
    let Some(made) = inner.made.get(&attempted.delivery) else { return Some("nobody is owed it".to_owned()) };
    let life = inner.lives.len() - 1;
    // The plain form belongs to the same attempt as the one before it.
    let requests =
        || made.requests.iter().map(|number| &inner.requests[*number]).filter(|request| request.life == life);
    let first =
        requests().enumerate().filter(|(_, request)| !request.plain).map(|(n, _)| n).nth(made.recorded_in(life));
    let last = first.and_then(|first| {
        let plain = requests().nth(first + 1).filter(|next| next.plain);
        plain.or_else(|| requests().nth(first))
    });
    let Some(last) = last else { return Some("it was not sent so often in this life".to_owned()) };
    let Some(heard) = last.to else { return Some("it is still under way".to_owned()) };
    let arrived = last.answer == Some(Verdict::Delivered);
    let verdict = attempted.attempt.verdict;
    match attempted.end {
        End::Delivered => (!arrived).then(|| "it did not arrive".to_owned()),
        _ if arrived => Some("it arrived".to_owned()),
        End::Dead if verdict == Verdict::Refused => {
            (last.answer != Some(Verdict::Refused)).then(|| format!("the receiver said {:?}", last.answer))
        }
        End::Dead => (!may_give_up(world, inner, attempted.delivery, heard)).then(|| {
            let counted = inner.counted(&made.receiver, made.at, heard);
            format!("it is {counted:?} old at most")
        }),
        End::Owed { .. } => (last.answer == Some(Verdict::Refused)).then(|| "it was refused".to_owned()),
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
                    accepted(&world, &items, &answers);
                    Ok(answers)
                })
                .await
            }

            async fn record(&self, attempts: Vec<Attempted>) -> Result<(), StoreError> {
                let (inner, world) = (Arc::clone(&self.inner), self.world.clone());
                self.call("record", Sort::Writes, async move {
                    inner.record(attempts.clone()).await?;
                    recorded(&world, &attempts);
                    Ok(())
                })
                .await
            }

            async fn claim(&self, receiver: &str, _expiry: Duration) -> Result<bool, StoreError> {
                let (inner, receiver) = (Arc::clone(&self.inner), receiver.to_owned());
                self.call("claim", Sort::Writes, async move { inner.claim(&receiver, FOR_EVER).await }).await
            }

            async fn replay(&self, deliveries: &[DeliveryId], to: Option<&str>) -> Result<Vec<Replayed>, StoreError> {
                let (inner, deliveries) = (Arc::clone(&self.inner), deliveries.to_vec());
                let to = to.map(str::to_owned);
                self.call("replay", Sort::Writes, async move { inner.replay(&deliveries, to.as_deref()).await }).await
            }

            async fn replay_unchanged(
                &self,
                deliveries: &[DeliveryId],
                unchanged: Unchanged,
                to: Option<&str>,
            ) -> Result<Vec<Replayed>, StoreError> {
                let (inner, deliveries) = (Arc::clone(&self.inner), deliveries.to_vec());
                let to = to.map(str::to_owned);
                self.call("replay", Sort::Writes, async move {
                    inner.replay_unchanged(&deliveries, unchanged, to.as_deref()).await
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
    Writes replay_event(event: EventId, targets: Vec<NewTarget>) -> Vec<Replayed>;
    Writes dismiss(deliveries: &[DeliveryId] = deliveries.to_vec()) -> u64;
    Writes move_owed(receiver: &str = receiver.to_owned(), to: &str = to.to_owned(), limit: usize) -> u64;
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
    Writes prune(before: Timestamp, limit: usize) -> u64;
}
