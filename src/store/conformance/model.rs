//! Random actions against a store and against a model simple enough to be right by reading it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::retain::prune_all;
use super::world::at;
use super::{Place, Sample, World, tried};
use crate::event::{DeliveryId, EventId};
use crate::store::{
    Accepted, Books, DeliveryBooks, DeliveryFilter, DeliveryState, End, EventBooks, EventFilter, NewTarget,
};

const RECEIVERS: [&str; 3] = ["ops", "audit", "pager"];
const PRODUCTS: [&str; 3] = ["customers", "suppliers", "parts"];

#[derive(Debug, Clone)]
enum Action {
    Accept(Vec<Coming>),
    Record {
        which: usize,
        end: End,
    },
    Replay {
        which: usize,
        to: Option<usize>,
    },
    ReplayEvent {
        which: usize,
        to: usize,
    },
    Dismiss {
        which: usize,
    },
    Move {
        from: usize,
        to: usize,
        limit: usize,
    },
    /// Deletes what was received in the first so many seconds, then restarts.
    Prune {
        seconds: i64,
    },
    Restart,
    Kill,
}

#[derive(Debug, Clone)]
struct Coming {
    id: u8,
    note: bool,
    product: usize,
    /// 0 running, 1 succeeded, 2 failed.
    end: u8,
    to: [bool; 3],
    opens: [bool; 3],
}

fn coming() -> impl Strategy<Value = Coming> {
    (0..30_u8, prop::bool::weighted(0.2), 0..PRODUCTS.len(), 0..3_u8, any::<[bool; 3]>(), any::<[bool; 3]>())
        .prop_map(|(id, note, product, end, to, opens)| Coming { id, note, product, end, to, opens })
}

fn action() -> impl Strategy<Value = Action> {
    let end = prop_oneof![
        3 => Just(End::Delivered),
        2 => Just(End::Owed { not_before: None }),
        1 => Just(End::Dead),
    ];
    let (which, receiver) = (0..1_000_usize, 0..RECEIVERS.len());
    prop_oneof![
        8 => prop::collection::vec(coming(), 1..4).prop_map(Action::Accept),
        6 => (which.clone(), end).prop_map(|(which, end)| Action::Record { which, end }),
        2 => (which.clone(), prop::option::of(receiver.clone())).prop_map(|(which, to)| Action::Replay { which, to }),
        1 => (which.clone(), receiver.clone()).prop_map(|(which, to)| Action::ReplayEvent { which, to }),
        2 => which.prop_map(|which| Action::Dismiss { which }),
        1 => (receiver.clone(), receiver, 0..4_usize).prop_map(|(from, to, limit)| Action::Move { from, to, limit }),
        1 => (0..40_i64).prop_map(|seconds| Action::Prune { seconds }),
        1 => Just(Action::Restart),
        1 => Just(Action::Kill),
    ]
}

#[derive(Debug, Clone)]
struct Event {
    id: u8,
    note: bool,
    product: usize,
    end: u8,
    second: i64,
}

#[derive(Debug, Clone, PartialEq)]
struct Delivery {
    event: EventId,
    receiver: &'static str,
    state: DeliveryState,
    attempts: u32,
    closes: Option<DeliveryId>,
    replay_of: Option<DeliveryId>,
}

#[derive(Default)]
struct Model {
    events: BTreeMap<EventId, Event>,
    /// Those that are gone, too.
    known: BTreeMap<EventId, Event>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    /// By product and receiver: the failure's delivery.
    open: HashMap<(usize, &'static str), DeliveryId>,
    second: i64,
    /// Gone with their events.
    removed: Vec<Delivery>,
    books: EventBooks,
}

impl Model {
    fn accepted(&mut self, coming: &Coming, second: i64, answer: &Accepted) {
        let same_id: Vec<_> = self.known.iter().filter(|(_, e)| e.id == coming.id).collect();
        let data = (coming.note, coming.product, coming.end);
        let same = same_id.iter().find(|(_, e)| (e.note, e.product, e.end) == data);
        if let Some(&(&first, _)) = same.filter(|_| answer.duplicate) {
            assert_eq!((answer.id, answer.deliveries.len()), (first, 0));
            self.books.duplicates += 1;
            return;
        }
        assert!(same.is_none() && !answer.duplicate, "{coming:?} {answer:?}");
        assert_eq!(answer.id_reused, !same_id.is_empty());
        assert!(self.known.keys().all(|&id| id < answer.id), "IDs grow");
        let event = Event { id: coming.id, note: coming.note, product: coming.product, end: coming.end, second };
        self.events.insert(answer.id, event.clone());
        self.known.insert(answer.id, event);
        let targets = chosen(coming.to);
        *(if targets.is_empty() { &mut self.books.nobody } else { &mut self.books.matched }) += 1;
        let mut expected: Vec<(&'static str, Option<DeliveryId>)> = Vec::new();
        let mut closing = |receiver| match coming.end {
            1 => self.open.remove(&(coming.product, receiver)),
            _ => None,
        };
        for receiver in targets.iter().copied() {
            expected.push((receiver, closing(receiver)));
        }
        let recoveries: HashSet<_> =
            RECEIVERS.into_iter().filter_map(|receiver| Some((receiver, Some(closing(receiver)?)))).collect();
        let (routed, recovered) = answer.deliveries.split_at(targets.len());
        assert_eq!(recovered.len(), recoveries.len());
        for (id, receiver) in recovered {
            let recovery = recoveries.iter().find(|(name, _)| *name == &**receiver);
            expected.push(*recovery.unwrap_or_else(|| panic!("{id} closes nothing")));
        }
        let ids = routed.iter().chain(recovered);
        for ((id, receiver), (name, closes)) in ids.zip(expected) {
            assert_eq!(&**receiver, name);
            self.owe(*id, Delivery { closes, ..fresh(answer.id, name) });
            if coming.end == 2 && chosen(coming.opens).contains(&name) {
                self.open.insert((coming.product, name), *id);
            }
        }
    }

    fn owe(&mut self, id: DeliveryId, delivery: Delivery) {
        assert!(self.deliveries.keys().all(|&known| known < id), "IDs grow");
        self.deliveries.insert(id, delivery);
    }

    fn recorded(&mut self, id: DeliveryId, end: End) {
        let delivery = self.deliveries.get_mut(&id).expect("only known ones are tried");
        delivery.attempts += 1;
        delivery.state = match (delivery.state, end) {
            (_, End::Delivered) => DeliveryState::Delivered,
            (DeliveryState::Owed, End::Dead) => DeliveryState::Dead,
            (state, _) => state,
        };
    }

    /// A failure told by `old` is told by `new` now, or by none.
    fn reopen(&mut self, old: DeliveryId, new: Option<(&'static str, DeliveryId)>) {
        let Some((&(product, receiver), _)) = self.open.iter().find(|(_, told)| **told == old) else { return };
        self.open.remove(&(product, receiver));
        if let Some((receiver, id)) = new {
            self.open.insert((product, receiver), id);
        }
    }

    fn owed(&self, receiver: &str) -> Vec<DeliveryId> {
        let owed = self.deliveries.iter().filter(|(_, d)| d.receiver == receiver && d.state == DeliveryState::Owed);
        owed.map(|(&id, _)| id).collect()
    }

    fn pruned(&mut self, seconds: i64) -> u64 {
        let owing: HashSet<EventId> =
            self.deliveries.values().filter(|d| d.state == DeliveryState::Owed).map(|d| d.event).collect();
        let before = self.events.len();
        self.events.retain(|id, e| e.second >= seconds || owing.contains(id));
        let gone = self.deliveries.values().filter(|d| !self.events.contains_key(&d.event));
        self.removed.extend(gone.cloned());
        self.deliveries.retain(|_, d| self.events.contains_key(&d.event));
        (before - self.events.len()) as u64
    }

    fn books(&self) -> Books {
        let mut receivers: BTreeMap<Arc<str>, DeliveryBooks> = BTreeMap::new();
        for delivery in self.deliveries.values().chain(&self.removed) {
            let of = receivers.entry(delivery.receiver.into()).or_default();
            of.count(delivery.state);
        }
        Books { events: self.books, receivers }
    }

    fn nth(&self, which: usize) -> Option<DeliveryId> {
        self.deliveries.keys().copied().nth(which % self.deliveries.len().max(1))
    }
}

fn chosen(which: [bool; 3]) -> Vec<&'static str> {
    RECEIVERS.into_iter().zip(which).filter(|(_, chosen)| *chosen).map(|(name, _)| name).collect()
}

fn fresh(event: EventId, receiver: &'static str) -> Delivery {
    Delivery { event, receiver, state: DeliveryState::Owed, attempts: 0, closes: None, replay_of: None }
}

fn sample(coming: &Coming, second: i64) -> Sample {
    let sample = Sample::new(&format!("id {}", coming.id))
        .product(PRODUCTS[coming.product])
        .note(if coming.note { "noted" } else { "" })
        .to(&chosen(coming.to))
        .received_after(SignedDuration::from_secs(second));
    match coming.end {
        0 => sample,
        1 => sample.succeeded(),
        _ => sample.failed(&chosen(coming.opens)),
    }
}

async fn act<P: Place>(world: &mut World<P>, model: &mut Model, action: &Action) {
    match action {
        Action::Accept(items) => {
            let seconds: Vec<i64> = (model.second..).take(items.len()).collect();
            model.second += i64::try_from(items.len()).unwrap();
            let new = items.iter().zip(&seconds).map(|(coming, &second)| sample(coming, second).build()).collect();
            let answers = world.store.accept(new).await.unwrap();
            for ((coming, second), answer) in items.iter().zip(seconds).zip(&answers) {
                model.accepted(coming, second, answer);
            }
        }
        Action::Record { which, end } => {
            let Some(id) = model.nth(*which) else { return };
            let number = model.deliveries[&id].attempts + 1;
            world.store.record([tried(id, number, *end)].into()).await.unwrap();
            model.recorded(id, *end);
        }
        Action::Replay { which, to } => {
            let Some(id) = model.nth(*which) else { return };
            let old = model.deliveries[&id].clone();
            let to = to.map(|n| RECEIVERS[n]);
            let replayed = world.store.replay(&[id], to).await.unwrap().remove(0);
            let receiver = to.unwrap_or(old.receiver);
            assert_eq!(&*replayed.receiver, receiver);
            let new = Delivery { closes: old.closes, replay_of: Some(id), ..fresh(old.event, receiver) };
            model.owe(replayed.delivery, new);
            if old.state == DeliveryState::Dead {
                model.deliveries.get_mut(&id).expect("it is known").state = DeliveryState::Dismissed;
            }
            if receiver == old.receiver {
                model.reopen(id, Some((receiver, replayed.delivery)));
            }
        }
        Action::ReplayEvent { which, to } => {
            let Some(&event) = model.events.keys().nth(which % model.events.len().max(1)) else { return };
            let target = NewTarget { receiver: RECEIVERS[*to].into(), route: "anew".into() };
            let replayed = world.store.replay_event(event, vec![target]).await.unwrap().remove(0);
            model.owe(replayed.delivery, fresh(event, RECEIVERS[*to]));
        }
        Action::Dismiss { which } => {
            let Some(id) = model.nth(*which) else { return };
            let delivery = model.deliveries.get_mut(&id).expect("it is known");
            let ends = matches!(delivery.state, DeliveryState::Owed | DeliveryState::Dead);
            assert_eq!(world.store.dismiss(&[id]).await.unwrap(), u64::from(ends));
            if ends {
                delivery.state = DeliveryState::Dismissed;
                if delivery.attempts == 0 {
                    model.reopen(id, None);
                }
            }
        }
        Action::Move { from, to, limit } => {
            let (from, to) = (RECEIVERS[*from], RECEIVERS[*to]);
            world.handed();
            let moved = world.store.move_owed(from, to, *limit).await.unwrap();
            let old: Vec<_> = if from == to { Vec::new() } else { model.owed(from).into_iter().take(*limit).collect() };
            assert_eq!(moved, old.len() as u64);
            for (old_id, new) in old.into_iter().zip(world.handed()) {
                let old = model.deliveries.get_mut(&old_id).expect("it is known");
                old.state = DeliveryState::Dismissed;
                let copy = Delivery { closes: old.closes, replay_of: Some(old_id), ..fresh(old.event, to) };
                model.owe(new.id, copy);
                model.reopen(old_id, Some((to, new.id)));
            }
        }
        Action::Prune { seconds } => {
            let removed = prune_all(world, at(SignedDuration::from_secs(*seconds))).await;
            assert_eq!(removed, model.pruned(*seconds));
            world.restart().await;
        }
        Action::Restart => world.restart().await,
        Action::Kill => world.kill().await,
    }
}

async fn agree<P: Place>(world: &World<P>, model: &Model) {
    let mut lanes = Vec::new();
    for receiver in RECEIVERS {
        let owed = world.owed(receiver).await;
        assert_eq!(super::owed_ids(&owed), model.owed(receiver));
        for owed in &owed {
            let expected = &model.deliveries[&owed.id];
            assert_eq!((owed.event, owed.attempts, owed.closes), (expected.event, expected.attempts, expected.closes));
            let of_key = world.store.owed_of_key(receiver, owed.key, DeliveryId(owed.id.0 - 1), 1).await.unwrap();
            assert_eq!(of_key[0].id, owed.id);
        }
        if !owed.is_empty() {
            lanes.push((receiver.to_owned(), owed.len() as u64));
        }
    }
    lanes.sort();
    let found = world.store.lanes().await.unwrap();
    assert_eq!(found.iter().map(|l| (l.receiver.to_string(), l.owed)).collect::<Vec<_>>(), lanes);

    assert_eq!(world.store.ledger().await.unwrap().life, model.books());

    let all = DeliveryFilter { limit: 10_000, ..DeliveryFilter::default() };
    let found: BTreeMap<DeliveryId, Delivery> = world
        .store
        .deliveries(&all)
        .await
        .unwrap()
        .into_iter()
        .map(|d| {
            let receiver = RECEIVERS.into_iter().find(|name| *name == &*d.receiver).expect("a known receiver");
            let (event, state, attempts) = (d.event, d.state, d.attempts);
            (d.id, Delivery { event, receiver, state, attempts, closes: d.closes, replay_of: d.replay_of })
        })
        .collect();
    assert_eq!(found, model.deliveries);

    let newest_first = |product: Option<usize>| {
        let events = model.events.iter().rev().filter(move |(_, e)| product.is_none_or(|p| e.product == p));
        events.map(|(&id, _)| id).collect::<Vec<_>>()
    };
    let all = EventFilter { limit: 10_000, ..EventFilter::default() };
    let found: Vec<EventId> = world.store.events(&all).await.unwrap().events.iter().map(|e| e.id).collect();
    assert_eq!(found, newest_first(None));
    for (n, product) in PRODUCTS.into_iter().enumerate() {
        let key = Some(Sample::new("x").product(product).build().event.key.clone());
        let found = world.store.events(&EventFilter { key, ..all.clone() }).await.unwrap().events;
        assert_eq!(found.iter().map(|e| e.id).collect::<Vec<_>>(), newest_first(Some(n)));
    }
}

/// The property.
pub(crate) fn random_actions_agree_with_the_model<P: Place>() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(action(), 1..50), |actions| {
            runtime.block_on(async {
                let mut world = World::<P>::new().await;
                let mut model = Model::default();
                for action in &actions {
                    act(&mut world, &mut model, action).await;
                }
                agree(&world, &model).await;
                world.kill().await;
                agree(&world, &model).await;
            });
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
