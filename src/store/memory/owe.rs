//! Deliveries: how they come to be, what attempts make of them, and how people change them.

use std::sync::Arc;

use jiff::Timestamp;

use super::state::{KeptDelivery, State};
use crate::event::{DeliveryId, EventId};
use crate::store::{
    Attempt, Attempted, Delivery, DeliveryState, End, KeyHash, LIGHT, NewTarget, Owed, Replayed, Unchanged,
};

/// A delivery to make, of an event that is there.
#[derive(Debug)]
pub struct Owe {
    pub event: EventId,
    pub receiver: Arc<str>,
    pub route: Arc<str>,
    pub closes: Option<DeliveryId>,
    pub replay_of: Option<DeliveryId>,
}

impl Owe {
    pub fn new(event: EventId, receiver: &Arc<str>, route: &Arc<str>) -> Owe {
        Owe { event, receiver: Arc::clone(receiver), route: Arc::clone(route), closes: None, replay_of: None }
    }

    /// Makes it, and adds it to `fresh`.
    pub fn make(self, state: &mut State, now: Timestamp, fresh: &mut Vec<Owed>) -> DeliveryId {
        let id = DeliveryId(state.next_id());
        let event = state.events.get_mut(&self.event).expect("what is owed hangs on an event that is there");
        event.deliveries.push(id);
        let delivery = Delivery {
            id,
            event: self.event,
            receiver: self.receiver,
            route: self.route,
            state: DeliveryState::Owed,
            attempts: 0,
            at: None,
            not_before: None,
            reason: None,
            detail: None,
            closes: self.closes,
            replay_of: self.replay_of,
            replayed_by: None,
        };
        if let Some(old) = self.replay_of.and_then(|old| state.deliveries.get_mut(&old)) {
            old.delivery.replayed_by = Some(id);
        }
        let key = KeyHash::of(&event.event.key);
        state.deliveries.insert(id, KeptDelivery { delivery, key, made: now, attempts: Vec::new(), copy: None });
        state.stand(id, DeliveryState::Owed);
        fresh.push(state.one_owed(id));
        id
    }
}

impl State {
    /// A delivery as its lane sees it.
    pub fn one_owed(&self, id: DeliveryId) -> Owed {
        let kept = &self.deliveries[&id];
        let delivery = &kept.delivery;
        let event = &self.events[&delivery.event].event;
        Owed {
            id,
            event: delivery.event,
            receiver: Arc::clone(&delivery.receiver),
            route: Arc::clone(&delivery.route),
            key: kept.key,
            attempts: delivery.attempts,
            not_before: delivery.not_before,
            closes: delivery.closes,
            urgent: Owed::is_urgent(delivery.closes, Some(event)),
            content: (event.received.body.len() <= LIGHT).then(|| Arc::clone(event)),
        }
    }

    /// Records an attempt; one of a delivery that is gone is left out. An attempt may end after its delivery did: a message that arrived is
    /// delivered, whatever was said meanwhile; otherwise an end stays.
    pub fn record(&mut self, attempted: Attempted) {
        let Attempted { delivery: id, attempt, end, copy, reference, .. } = attempted;
        let Some(kept) = self.deliveries.get_mut(&id) else { return };
        let delivery = &mut kept.delivery;
        let number = attempt.number.max(delivery.attempts + 1);
        delivery.attempts = number;
        delivery.at = Some(attempt.at);
        delivery.reason = attempt.reason;
        delivery.detail = Some(attempt.detail.clone());
        let stands = match (delivery.state, end) {
            (_, End::Delivered) => DeliveryState::Delivered,
            (DeliveryState::Owed, End::Dead) => DeliveryState::Dead,
            (DeliveryState::Owed, End::Owed { not_before }) => {
                delivery.not_before = not_before;
                DeliveryState::Owed
            }
            (ended, End::Dead | End::Owed { .. }) => ended,
        };
        let of_job = self.events[&delivery.event].event.job.as_ref().is_some_and(|job| job.id.is_some());
        kept.attempts.push(Attempt { number, ..attempt });
        if copy.is_some() {
            kept.copy = copy;
        }
        // Messages of no job are in no thread.
        if let Some(reference) = reference.filter(|_| of_job) {
            self.threads.insert(id, reference);
        }
        self.stand(id, stands);
    }

    /// Owes a copy of a delivery; `None` if there is no such (any more).
    fn again(
        &mut self,
        id: DeliveryId,
        to: Option<&Arc<str>>,
        now: Timestamp,
        fresh: &mut Vec<Owed>,
    ) -> Option<Replayed> {
        let old = &self.deliveries.get(&id)?.delivery;
        let receiver = Arc::clone(to.unwrap_or(&old.receiver));
        let new = Owe { closes: old.closes, replay_of: Some(id), ..Owe::new(old.event, &receiver, &old.route) };
        Some(Replayed { delivery: new.make(self, now, fresh), receiver, replay_of: Some(id) })
    }

    /// The failure told by `old` is told by `new` now, or, without one, is not open any more.
    fn reopen(&mut self, old: DeliveryId, new: Option<(Arc<str>, DeliveryId)>) {
        let Some(kept) = self.deliveries.get(&old) else { return };
        let told = (kept.key, Arc::clone(&kept.delivery.receiver));
        if self.open.get(&told) != Some(&old) {
            return;
        }
        self.open.remove(&told);
        if let Some((receiver, delivery)) = new {
            self.open.insert((told.0, receiver), delivery);
        }
    }

    /// Replays deliveries, in the order given, as far as they are `unchanged`; a dead one is off the list with it. A failure told anew
    /// to the same receiver is the one its recovery closes.
    pub fn replay(
        &mut self,
        ids: &[DeliveryId],
        unchanged: Option<Unchanged>,
        to: Option<&Arc<str>>,
        now: Timestamp,
        fresh: &mut Vec<Owed>,
    ) -> Vec<Replayed> {
        let mut replayed = Vec::with_capacity(ids.len());
        for &id in ids {
            if unchanged.is_some_and(|unchanged| !self.is(id, unchanged)) {
                continue;
            }
            let Some(new) = self.again(id, to, now, fresh) else { continue };
            if new.receiver == self.deliveries[&id].delivery.receiver {
                self.reopen(id, Some((Arc::clone(&new.receiver), new.delivery)));
            }
            if self.deliveries[&id].delivery.state == DeliveryState::Dead {
                self.stand(id, DeliveryState::Dismissed);
            }
            replayed.push(new);
        }
        replayed
    }

    fn is(&self, id: DeliveryId, unchanged: Unchanged) -> bool {
        let Some(delivery) = self.deliveries.get(&id).map(|kept| &kept.delivery) else { return false };
        delivery.state == unchanged.state
            && delivery.state != DeliveryState::Owed
            && (unchanged.again || delivery.replayed_by.is_none())
    }

    /// Adds deliveries to an event; none if there is no such (any more).
    pub fn replay_event(
        &mut self,
        event: EventId,
        targets: &[NewTarget],
        now: Timestamp,
        fresh: &mut Vec<Owed>,
    ) -> Vec<Replayed> {
        if !self.events.contains_key(&event) {
            return Vec::new();
        }
        let add = |target: &NewTarget| Replayed {
            delivery: Owe::new(event, &target.receiver, &target.route).make(self, now, fresh),
            receiver: Arc::clone(&target.receiver),
            replay_of: None,
        };
        targets.iter().map(add).collect()
    }

    /// Ends what is owed or dead. A failure that was never tried needs no recovery.
    pub fn dismiss(&mut self, ids: &[DeliveryId]) -> u64 {
        let mut dismissed = 0;
        for &id in ids {
            let Some(kept) = self.deliveries.get(&id) else { continue };
            if !matches!(kept.delivery.state, DeliveryState::Owed | DeliveryState::Dead) {
                continue;
            }
            if kept.delivery.attempts == 0 {
                self.reopen(id, None);
            }
            self.stand(id, DeliveryState::Dismissed);
            dismissed += 1;
        }
        dismissed
    }

    /// Moves the oldest owed deliveries. The recovery of a failure follows it to its new place.
    pub fn move_owed(&mut self, from: &str, to: &Arc<str>, limit: usize, now: Timestamp, fresh: &mut Vec<Owed>) -> u64 {
        if from == &**to {
            return 0;
        }
        let oldest = self.owed.get(from).map(|owed| owed.iter().copied().take(limit).collect::<Vec<_>>());
        let mut moved = 0;
        for id in oldest.unwrap_or_default() {
            let Some(new) = self.again(id, Some(to), now, fresh) else { continue };
            self.reopen(id, Some((new.receiver, new.delivery)));
            self.stand(id, DeliveryState::Dismissed);
            moved += 1;
        }
        moved
    }
}
