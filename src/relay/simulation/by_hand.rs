//! What people do to what is recorded: replay, dismiss, move. As the API does it: a few calls of the store, each of which may fail or be the
//! last thing the process does, and then a word to the lanes.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use fastrand::Rng;

use super::changes;
use super::file::{STEADY, pick};
use super::world::World;
use crate::config::Config;
use crate::delivery::Lanes;
use crate::event::DeliveryId;
use crate::routing;
use crate::store::{
    Delivery, DeliveryFilter, DeliveryState, EventFilter, Mark, NewTarget, Store, StoreError, Unchanged,
};

/// Of so many of the newest some are chosen.
const LATEST: usize = 20;
/// Deliveries in one call of the store: few, so that something comes between.
const STEP: usize = 3;

/// Something a person does.
#[derive(Debug, Clone, Copy)]
pub enum ByHand {
    /// Replays some that are named, to where they went, or elsewhere.
    Replay(Option<&'static str>),
    /// Replays all that are dead and have no replay yet.
    ReplayDead(Option<&'static str>),
    /// Decides an event anew.
    ReplayEvent,
    /// Dismisses some that stand so.
    Dismiss(DeliveryState),
    /// Moves all that is owed to a receiver to another.
    Move { from: &'static str, to: &'static str },
}

impl ByHand {
    pub fn draw(rng: &mut Rng) -> ByHand {
        let elsewhere = pick(rng, &[None, None, Some(STEADY), Some("chat"), Some("hook"), Some("pager")]);
        match rng.u8(..8) {
            0 | 1 => ByHand::Replay(elsewhere),
            2 => ByHand::ReplayDead(elsewhere),
            3 => ByHand::ReplayEvent,
            4 => ByHand::Dismiss(DeliveryState::Dead),
            5 => ByHand::Dismiss(DeliveryState::Owed),
            _ => {
                let from = pick(rng, &["chat", "hook", "pager"]);
                let others: Vec<_> = [STEADY, "chat", "hook", "pager"].into_iter().filter(|to| *to != from).collect();
                ByHand::Move { from, to: pick(rng, &others) }
            }
        }
    }

    fn to(self) -> Option<&'static str> {
        match self {
            ByHand::Replay(to) | ByHand::ReplayDead(to) => to,
            ByHand::Move { to, .. } => Some(to),
            ByHand::ReplayEvent | ByHand::Dismiss(_) => None,
        }
    }
}

/// People at the API, in one life of the process.
pub struct Hands {
    at_work: Arc<Person>,
}

struct Person {
    world: World,
    lanes: Lanes,
    store: Arc<dyn Store>,
    running: Arc<ArcSwap<Config>>,
    chance: Mutex<Rng>,
}

impl Hands {
    pub fn new(world: &World, lanes: &Lanes, store: &Arc<dyn Store>, running: &Arc<ArcSwap<Config>>) -> Hands {
        let life = world.lock().lives.len() as u64;
        let person = Person {
            world: world.clone(),
            lanes: lanes.clone(),
            store: Arc::clone(store),
            running: Arc::clone(running),
            chance: Mutex::new(world.rng(life << 16)),
        };
        Hands { at_work: Arc::new(person) }
    }

    /// Does it, beside everything else.
    pub fn begin(&self, what: ByHand) {
        let person = Arc::clone(&self.at_work);
        tokio::spawn(async move {
            let known = |to: &str| person.running.load().receivers.contains_key(to);
            if what.to().is_some_and(|to| !known(to)) {
                return;
            }
            let result = person.act(what).await;
            person.refresh(None);
            person.world.step("by hand", (format!("{what:?}"), result.is_ok()));
        });
    }

    /// Whether something is not done yet.
    pub fn busy(&self) -> bool {
        Arc::strong_count(&self.at_work) > 1
    }
}

impl Person {
    async fn act(&self, what: ByHand) -> Result<(), StoreError> {
        match what {
            ByHand::Replay(to) => {
                let mut some = self.some(None).await?;
                // One that is still owed is sent as it is.
                some.retain(|delivery| to.is_some() || delivery.state != DeliveryState::Owed);
                self.store.replay(&ids(&some), to).await?;
            }
            ByHand::ReplayDead(to) => self.replay_dead(to).await?,
            ByHand::ReplayEvent => {
                let latest = self.store.events(&EventFilter { limit: LATEST, ..EventFilter::default() }).await?;
                let chosen = self.chance.lock().expect("no holder panics").choice(latest.events);
                if let Some(chosen) = chosen {
                    let decision = routing::decide(&self.running.load().routes, &chosen.event);
                    let target = |target: routing::Target| NewTarget { receiver: target.receiver, route: target.route };
                    let targets = decision.targets.into_iter().map(target).collect();
                    self.store.replay_event(chosen.id, targets).await?;
                }
            }
            ByHand::Dismiss(state) => {
                let some = self.some(Some(state)).await?;
                self.store.dismiss(&ids(&some)).await?;
            }
            ByHand::Move { from, to } => {
                while self.store.move_owed(from, to, STEP).await? > 0 {
                    self.refresh(Some(from));
                }
            }
        }
        Ok(())
    }

    async fn replay_dead(&self, to: Option<&str>) -> Result<(), StoreError> {
        let newest = self.store.deliveries(&DeliveryFilter { limit: 1, ..DeliveryFilter::default() }).await?;
        // A replay that dies at once is not replayed again.
        let before = newest.first().map(|newest| DeliveryId(newest.id.0 + 1));
        let state = DeliveryState::Dead;
        let dead = DeliveryFilter { state: Some(state), before, limit: STEP, ..DeliveryFilter::default() };
        let mut mark = Mark::default();
        loop {
            let page = self.store.walk(&dead, mark).await?;
            self.store.replay_unchanged(&ids(&page.deliveries), Unchanged { state, again: false }, to).await?;
            match page.next {
                Some(next) => mark = next,
                None => return Ok(()),
            }
        }
    }

    /// Some of the latest, in any order.
    async fn some(&self, state: Option<DeliveryState>) -> Result<Vec<Delivery>, StoreError> {
        let latest = DeliveryFilter { state, limit: LATEST, ..DeliveryFilter::default() };
        let mut found = self.store.deliveries(&latest).await?;
        let mut chance = self.chance.lock().expect("no holder panics");
        found.retain(|_| chance.u8(..3) == 0);
        chance.shuffle(&mut found);
        Ok(found)
    }

    fn refresh(&self, receiver: Option<&str>) {
        self.lanes.refresh(receiver);
        changes::withdrawn(&self.world, receiver);
    }
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}
