//! All that is durable, and how it hangs together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::keep::Claim;
use crate::event::{DeliveryId, Event, EventId, Fingerprint, next_id};
use crate::routing::Decision;
use crate::store::{
    Attempt, Books, Delivery, DeliveryFilter, DeliveryState, KeyHash, Quarantined, StoredEvent, Totals,
};

/// An event with the deliveries that hang on it, those added later included.
#[derive(Debug)]
pub struct KeptEvent {
    pub event: Arc<Event>,
    pub decision: Decision,
    pub version: Arc<str>,
    pub deliveries: Vec<DeliveryId>,
}

impl KeptEvent {
    pub fn stored(&self, id: EventId) -> StoredEvent {
        StoredEvent {
            id,
            event: Arc::clone(&self.event),
            decision: self.decision.clone(),
            version: Arc::clone(&self.version),
        }
    }
}

/// A delivery with all that is kept of it.
#[derive(Debug)]
pub struct KeptDelivery {
    pub delivery: Delivery,
    pub key: KeyHash,
    /// By the store's clock.
    pub made: Timestamp,
    pub attempts: Vec<Attempt>,
    pub copy: Option<String>,
}

impl KeptDelivery {
    pub fn is_one_of(&self, filter: &DeliveryFilter) -> bool {
        filter.holds(&self.delivery)
            && filter.since.is_none_or(|since| self.made >= since)
            && filter.until.is_none_or(|until| self.made < until)
    }
}

/// See the module.
#[derive(Debug)]
pub struct State {
    /// The newest ID given.
    pub last: i64,
    pub events: BTreeMap<EventId, KeptEvent>,
    pub deliveries: BTreeMap<DeliveryId, KeptDelivery>,
    /// Of `deliveries`, those still owed, by receiver. A receiver that is owed nothing is not in it.
    pub owed: BTreeMap<Arc<str>, BTreeSet<DeliveryId>>,
    /// Of `deliveries`, those that began a thread, with their reference.
    pub threads: BTreeMap<DeliveryId, String>,
    /// Open failures: the delivery that told of it, by key and receiver.
    pub open: BTreeMap<(KeyHash, Arc<str>), DeliveryId>,
    /// The newest events, by the two halves of their fingerprint.
    pub known: BTreeMap<([u8; 16], [u8; 16]), EventId>,
    /// The same, oldest first.
    pub known_order: VecDeque<(Fingerprint, EventId)>,
    pub lanes: BTreeMap<Arc<str>, String>,
    pub claims: BTreeMap<Arc<str>, Claim>,
    /// How often each relay has opened it: only the last handle counts.
    pub opened: BTreeMap<Arc<str>, u64>,
    pub versions: BTreeMap<Arc<str>, String>,
    /// Each time a version began to rule, in order.
    pub applied: Vec<(Arc<str>, Timestamp)>,
    pub quarantine: VecDeque<Quarantined>,
    pub last_quarantined: i64,
    /// Of what is gone; what is there is counted when it is asked for.
    pub totals: Totals,
    /// Of what is gone, and what came beside the events.
    pub gone: Books,
}

impl State {
    /// An empty one, whose IDs begin after `last`.
    pub fn new(last: i64) -> State {
        State {
            last,
            events: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            owed: BTreeMap::new(),
            threads: BTreeMap::new(),
            open: BTreeMap::new(),
            known: BTreeMap::new(),
            known_order: VecDeque::new(),
            lanes: BTreeMap::new(),
            claims: BTreeMap::new(),
            opened: BTreeMap::new(),
            versions: BTreeMap::new(),
            applied: Vec::new(),
            quarantine: VecDeque::new(),
            last_quarantined: 0,
            totals: Totals::default(),
            gone: Books::default(),
        }
    }

    /// IDs are never behind the clock: lanes read the age of a delivery off its ID.
    pub fn catch_up(&mut self, now: Timestamp) {
        self.last = next_id(self.last, now.as_millisecond()) - 1;
    }

    /// The one number space of events and deliveries.
    pub fn next_id(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    /// Puts a delivery where it stands now.
    pub fn stand(&mut self, id: DeliveryId, state: DeliveryState) {
        let Some(kept) = self.deliveries.get_mut(&id) else { return };
        kept.delivery.state = state;
        if state == DeliveryState::Owed {
            self.owed.entry(Arc::clone(&kept.delivery.receiver)).or_default().insert(id);
        } else {
            kept.delivery.not_before = None;
            self.owes_no_more(id);
        }
    }

    fn owes_no_more(&mut self, id: DeliveryId) {
        let Some(kept) = self.deliveries.get(&id) else { return };
        if let Some(owed) = self.owed.get_mut(&kept.delivery.receiver) {
            owed.remove(&id);
            if owed.is_empty() {
                self.owed.remove(&kept.delivery.receiver);
            }
        }
    }

    /// Whether something of it is still owed, or died at `before` or later.
    fn keeps(&self, event: &KeptEvent, before: Timestamp) -> bool {
        event.deliveries.iter().map(|id| &self.deliveries[id].delivery).any(|delivery| match delivery.state {
            DeliveryState::Owed => true,
            DeliveryState::Dead => delivery.at.is_some_and(|at| at >= before),
            DeliveryState::Delivered | DeliveryState::Dismissed => false,
        })
    }

    /// The books over its life.
    pub fn books(&self) -> Books {
        let mut books = self.gone.clone();
        self.events.values().for_each(|event| books.events.count(&event.decision));
        for KeptDelivery { delivery, .. } in self.deliveries.values() {
            books.receivers.entry(Arc::clone(&delivery.receiver)).or_default().count(delivery.state);
        }
        books
    }

    /// Deletes at most `limit` events received before `before` that owe nothing. An open failure stays open. A sender's ID is forgotten
    /// with its event.
    pub fn prune(&mut self, before: Timestamp, limit: usize) -> u64 {
        let old = self.events.iter().filter(|(_, e)| e.event.received.received_at < before && !self.keeps(e, before));
        let old: Vec<EventId> = old.map(|(&id, _)| id).take(limit).collect();
        for id in &old {
            let Some(event) = self.events.remove(id) else { continue };
            self.gone.events.count(&event.decision);
            for delivery in event.deliveries {
                let gone = self.deliveries.remove(&delivery);
                if let Some(KeptDelivery { delivery, .. }) = &gone {
                    self.gone.receivers.entry(Arc::clone(&delivery.receiver)).or_default().count(delivery.state);
                }
                let dead = gone.is_some_and(|gone| gone.delivery.state == DeliveryState::Dead);
                self.totals.dead_expired += u64::from(dead);
                self.threads.remove(&delivery);
            }
        }
        old.len() as u64
    }
}
