//! Looking back. Everything is looked through in order: what is simple to read is simple to trust.

use jiff::Timestamp;

use super::state::{KeptEvent, State};
use crate::event::{DeliveryId, EventId};
use crate::store::{
    Delivery, DeliveryFilter, EventFilter, EventPage, InThread, KeyHash, Owed, PAGE_BYTES, StoredEvent,
};

impl State {
    /// The oldest deliveries owed to a receiver after another, of one key or of all.
    pub fn page(&self, receiver: &str, key: Option<KeyHash>, after: DeliveryId, limit: usize) -> Vec<Owed> {
        let owed = self.owed.get(receiver).into_iter().flatten().copied().filter(|id| *id > after);
        let owed = owed.filter(|id| key.is_none_or(|key| self.deliveries[id].key == key));
        owed.take(limit).map(|id| self.one_owed(id)).collect()
    }

    /// Events, newest first.
    pub fn find_events(&self, filter: &EventFilter) -> EventPage {
        let below = filter.before.unwrap_or(EventId(i64::MAX));
        let found = self.events.range(..below).rev().filter(|(_, kept)| event_holds(filter, kept));
        let (mut events, mut bytes) = (Vec::new(), 0);
        for (&id, kept) in found {
            if events.len() >= filter.limit || bytes >= PAGE_BYTES {
                let next = events.last().map(|last: &StoredEvent| last.id);
                return EventPage { events, next };
            }
            bytes += kept.event.received.body.len();
            events.push(kept.stored(id));
        }
        EventPage { events, next: None }
    }

    /// Deliveries, newest first.
    pub fn find_deliveries(&self, filter: &DeliveryFilter) -> Vec<Delivery> {
        let below = filter.before.unwrap_or(DeliveryId(i64::MAX));
        let found = self.deliveries.range(..below).rev().filter(|(_, kept)| kept.is_one_of(filter));
        found.map(|(_, kept)| kept.delivery.clone()).take(filter.limit).collect()
    }

    pub fn next_of_key(&self, key: &str, after: EventId, until: Timestamp) -> Option<StoredEvent> {
        let holds = |e: &KeptEvent| e.event.key == key && e.event.received.received_at < until;
        let newest = self.events.iter().rev().take_while(|(id, _)| **id > after).find(|(_, kept)| holds(kept));
        newest.map(|(&id, kept)| kept.stored(id))
    }

    pub fn reference(&self, message: &InThread) -> Option<String> {
        let failed = message.closes.and_then(|failure| self.job_of(failure));
        let jobs = failed.into_iter().chain(message.job.as_deref());
        jobs.into_iter().find_map(|job| self.reference_of(message, job))
    }

    fn reference_of(&self, message: &InThread, job: &str) -> Option<String> {
        let mut earlier = self.threads.range(..message.before).rev();
        let of_thread = |id: &DeliveryId| {
            let kept = &self.deliveries[id];
            kept.delivery.receiver == message.receiver && kept.key == message.key && self.job_of(*id) == Some(job)
        };
        earlier.find(|(id, _)| of_thread(id)).map(|(_, reference)| reference.clone())
    }

    fn job_of(&self, delivery: DeliveryId) -> Option<&str> {
        let event = self.deliveries.get(&delivery)?.delivery.event;
        self.events[&event].event.job.as_ref()?.id.as_deref()
    }
}

fn event_holds(filter: &EventFilter, kept: &KeptEvent) -> bool {
    let event = &kept.event;
    let (received, job) = (event.received.received_at, event.job.as_ref().and_then(|job| job.id.as_deref()));
    filter.since.is_none_or(|since| received >= since)
        && filter.until.is_none_or(|until| received < until)
        && filter.job.as_deref().is_none_or(|id| job == Some(id))
        && filter.key.as_ref().is_none_or(|key| event.key == *key)
        && filter.sender_id.as_ref().is_none_or(|id| event.id == *id)
}
