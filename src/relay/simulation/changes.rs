//! What a call by hand, or the retention, made of what is durable: noted at the moment it happens, and held against what may come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::clock;
use super::life::everything;
use super::plan::Act;
use super::world::{Change, Inner, Made, World};
use crate::event::{DeliveryId, EventId};
use crate::store::memory::MemoryStore;
use crate::store::{Delivery, DeliveryState, KeyHash, NewTarget, Replayed, Store, StoredEvent, Unchanged};

/// What was durable before.
pub struct Before {
    events: BTreeMap<EventId, StoredEvent>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
}

/// `None`: the store is closed, and nothing can change.
pub fn before(store: &MemoryStore) -> Option<Before> {
    store.writable().then(|| read(store))
}

fn read(store: &MemoryStore) -> Before {
    let (events, deliveries) = everything(store);
    Before {
        events: events.into_iter().map(|event| (event.id, event)).collect(),
        deliveries: deliveries.into_iter().map(|delivery| (delivery.id, delivery)).collect(),
    }
}

/// The lanes were told that the store was changed by hand, of one receiver or of all: from now on they send nothing that was taken off.
pub fn withdrawn(world: &World, receiver: Option<&str>) {
    let now = clock::now();
    let mut inner = world.lock();
    let of = |made: &&mut Made| receiver.is_none_or(|receiver| receiver == &*made.receiver);
    for made in inner.made.values_mut().filter(of).filter(|made| made.dismissed.is_some()) {
        made.withdrawn.get_or_insert(now);
    }
}

impl Before {
    pub fn replayed(
        self,
        world: &World,
        store: &MemoryStore,
        unchanged: Option<Unchanged>,
        to: Option<&str>,
        new: &[Replayed],
    ) {
        for new in new {
            let old = new.replay_of.and_then(|old| self.deliveries.get(&old));
            let Some(old) = old else { return world.violated(|| format!("a replay of nothing: {new:?}")) };
            let may = unchanged.is_none_or(|unchanged| {
                old.state == unchanged.state
                    && old.state != DeliveryState::Owed
                    && (unchanged.again || old.replayed_by.is_none())
            });
            if !may || *new.receiver != *to.unwrap_or(&old.receiver) {
                world.violated(|| format!("{old:?} was replayed as {new:?}, asked for {unchanged:?} to {to:?}"));
            }
            world.lock().changes.push(Change::Replayed { old: old.id, new: new.delivery });
        }
        let replayed: BTreeMap<_, _> = new.iter().map(|new| (new.replay_of.expect("seen above"), new)).collect();
        self.compare(world, store, new.len(), |old| match (old.state, replayed.contains_key(&old.id)) {
            (DeliveryState::Dead, true) => DeliveryState::Dismissed,
            (state, _) => state,
        });
    }

    pub fn redecided(self, world: &World, store: &MemoryStore, event: EventId, asked: &[NewTarget], new: &[Replayed]) {
        let as_asked = asked.iter().map(|target| &target.receiver).eq(new.iter().map(|new| &new.receiver));
        let known = self.events.contains_key(&event);
        if !(as_asked && known || !known && new.is_empty()) {
            world.violated(|| format!("{event} was decided anew for {asked:?}: {new:?}"));
        }
        self.compare(world, store, new.len(), |old| old.state);
    }

    pub fn dismissed(self, world: &World, store: &MemoryStore, ids: &[DeliveryId], count: u64) {
        let named: BTreeSet<DeliveryId> = ids.iter().copied().collect();
        let mut dismissed = 0;
        for old in named.iter().filter_map(|id| self.deliveries.get(id)).filter(|old| ends(old)) {
            dismissed += 1;
            world.lock().changes.push(Change::Dismissed { id: old.id, untried: old.attempts == 0 });
        }
        if dismissed != count {
            world.violated(|| format!("{count} are said to be dismissed of {ids:?}, {dismissed} could be"));
        }
        self.compare(world, store, 0, |old| {
            if named.contains(&old.id) && ends(old) { DeliveryState::Dismissed } else { old.state }
        });
    }

    pub fn moved(self, world: &World, store: &MemoryStore, (from, to): (&str, &str), limit: usize, count: u64) {
        let owed = self.deliveries.values().filter(|old| *old.receiver == *from && old.state == DeliveryState::Owed);
        let moved: Vec<DeliveryId> = owed.map(|old| old.id).take(limit).collect();
        let new = self.compare(world, store, moved.len(), |old| {
            if moved.contains(&old.id) { DeliveryState::Dismissed } else { old.state }
        });
        let same = new.iter().map(|new| new.replay_of).eq(moved.iter().map(|old| Some(*old)));
        if !same || moved.len() as u64 != count || new.iter().any(|new| *new.receiver != *to) {
            world
                .violated(|| format!("{count} are said to be moved from {from} to {to}, {moved:?} should be: {new:?}"));
        }
        let pairs = moved.into_iter().zip(new);
        world.lock().changes.extend(pairs.map(|(old, new)| Change::Moved { old, new: new.id }));
    }

    /// Notes what is new, and what was dismissed; `expected` says how each of before stands now. Returns what is new.
    fn compare(
        &self,
        world: &World,
        store: &MemoryStore,
        count: usize,
        expected: impl Fn(&Delivery) -> DeliveryState,
    ) -> Vec<Delivery> {
        let after = read(store).deliveries;
        let now = clock::now();
        for old in self.deliveries.values() {
            let state = after.get(&old.id).map(|delivery| delivery.state);
            if state != Some(expected(old)) {
                world.violated(|| format!("{old:?} stands as {state:?} now"));
            }
            if state == Some(DeliveryState::Dismissed) && old.state != DeliveryState::Dismissed {
                world.step("dismissed", old.id);
                if let Some(made) = world.lock().made.get_mut(&old.id) {
                    made.dismissed = Some(now);
                }
            }
        }
        let new: Vec<Delivery> = after.into_values().filter(|new| !self.deliveries.contains_key(&new.id)).collect();
        let last = self.deliveries.keys().next_back().copied();
        for delivery in &new {
            world.step("made by hand", (delivery.id, delivery.replay_of));
            let old = delivery.replay_of.and_then(|old| self.deliveries.get(&old));
            let copy = |old: &Delivery| {
                (&old.event, &old.route, old.closes) == (&delivery.event, &delivery.route, delivery.closes)
            };
            let fresh = delivery.state == DeliveryState::Owed && delivery.attempts == 0 && Some(delivery.id) > last;
            if !fresh || !old.is_none_or(copy) {
                world.violated(|| format!("{delivery:?} was made of {old:?}"));
            }
            note(&mut world.lock(), delivery, &self.events[&delivery.event], now);
        }
        if new.len() != count {
            world.violated(|| format!("{count} were to be made: {new:?}"));
        }
        new
    }

    /// What went with the retention.
    pub fn pruned(self, world: &World, store: &MemoryStore, before: Timestamp, limit: usize, count: u64) {
        let after = read(store);
        let (events, deliveries) = (self.events.into_values(), self.deliveries.into_values());
        let events: Vec<_> = events.filter(|event| !after.events.contains_key(&event.id)).collect();
        let deliveries: Vec<_> = deliveries.filter(|old| !after.deliveries.contains_key(&old.id)).collect();
        if events.len() as u64 != count || events.len() > limit {
            world.violated(|| format!("{} went, {count} are said to have, {limit} may at once", events.len()));
        }
        let gone: BTreeSet<EventId> = events.iter().map(|event| event.id).collect();
        let left = after.deliveries.values().find(|delivery| gone.contains(&delivery.event));
        let early = deliveries.iter().find(|old| old.state == DeliveryState::Owed || !gone.contains(&old.event));
        if let Some(wrong) = early.or(left) {
            world.violated(|| format!("retention and {wrong:?}"));
        }
        for event in events {
            world.step("pruned", event.id);
            let received = event.event.received.received_at;
            let kept = clock::now().saturating_sub(world.lock().came[&event.id]);
            if received >= before || too_young(world, kept, received) {
                world.violated(|| format!("{} was deleted after {kept:?}, received at {received}", event.id));
            }
            let mut inner = world.lock();
            inner.gone_at.insert(event.id, clock::now());
            inner.gone.0.push(event);
        }
        world.lock().gone.1.extend(deliveries);
    }
}

fn ends(delivery: &Delivery) -> bool {
    matches!(delivery.state, DeliveryState::Owed | DeliveryState::Dead)
}

fn note(inner: &mut Inner, delivery: &Delivery, of: &StoredEvent, at: Duration) {
    let key = KeyHash::of(&of.event.key);
    let product = inner.made.values().find(|made| made.event == delivery.event).and_then(|made| made.product);
    let receiver = delivery.receiver.clone();
    inner.of_key.entry((receiver.clone(), key)).or_default().push(delivery.id);
    inner.made.insert(delivery.id, Made::new(delivery.event, receiver, key, product, at));
}

/// Whether an event was kept for less than the retention. A clock that was set tells nothing over a restart, nor of what waited for the store.
fn too_young(world: &World, kept: Duration, received: Timestamp) -> bool {
    let retention = world.plan.retention;
    let set = world.plan.acts.iter().any(|(_, act)| matches!(act, Act::SetClock(_)));
    if set {
        let known = world.lock().lives.len() == 1 && world.plan.weather.is_empty();
        known && kept + Duration::from_secs(1) < retention
    } else {
        clock::wall() < received + retention
    }
}
