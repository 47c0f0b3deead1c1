//! What is listed for people: the quarantine, dead deliveries, and how many are gone.

use std::ops::Bound;

use jiff::Timestamp;

use super::accept;
use super::state::State;
use crate::event::Form;
use crate::store::{
    Accepted, BEGINNING, DeliveryFilter, DeliveryState, Mark, NewEvent, NewQuarantined, Owed, QUARANTINED,
    QUARANTINED_BYTES, Quarantined, Totals, Walked,
};

impl State {
    /// Keeps an item. `true`: it is new.
    pub fn put_in_quarantine(&mut self, item: NewQuarantined) -> bool {
        let NewQuarantined { mut form, body, reason, received_at } = item;
        form.attributes.sort_unstable();
        if let Some(known) = self.quarantine.iter_mut().find(|known| known.body == body && is_same(&known.form, &form))
        {
            known.count += 1;
            known.last = known.last.max(received_at);
            self.totals.quarantine.repeated += 1;
            return false;
        }
        self.last_quarantined += 1;
        let (id, first, last, bytes) = (self.last_quarantined, received_at, received_at, body.len() as u64);
        self.quarantine.push_front(Quarantined { id, form, body, bytes, reason, first, last, count: 1 });
        // The newest that fit stay, and always the new one.
        let mut bytes = 0;
        let fit = self.quarantine.iter().take(QUARANTINED).take_while(|kept| {
            bytes += kept.body.len();
            bytes <= QUARANTINED_BYTES
        });
        let fit = fit.count().max(1);
        self.totals.quarantine.dropped += (self.quarantine.len() - fit) as u64;
        self.quarantine.truncate(fit);
        true
    }

    /// The newest items, with the beginnings of their bodies.
    pub fn quarantined(&self, limit: usize) -> Vec<Quarantined> {
        let beginning = |kept: &Quarantined| Quarantined {
            body: kept.body.slice(..kept.body.len().min(BEGINNING)),
            ..kept.clone()
        };
        self.quarantine.iter().take(limit).map(beginning).collect()
    }

    pub fn quarantined_item(&self, id: i64) -> Option<Quarantined> {
        self.quarantine.iter().find(|kept| kept.id == id).cloned()
    }

    /// Takes an item out and accepts the events it turned out to be.
    pub fn accept_quarantined(
        &mut self,
        id: i64,
        events: &[NewEvent],
        now: Timestamp,
        fresh: &mut Vec<Owed>,
    ) -> Option<Vec<Accepted>> {
        let at = self.quarantine.iter().position(|kept| kept.id == id)?;
        self.quarantine.remove(at);
        self.totals.quarantine.reread += 1;
        Some(events.iter().map(|event| accept::accept(self, event, now, fresh)).collect())
    }

    pub fn still_unreadable(&mut self, id: i64, reason: &str) {
        if let Some(kept) = self.quarantine.iter_mut().find(|kept| kept.id == id) {
            reason.clone_into(&mut kept.reason);
        }
    }

    pub fn dismiss_quarantined(&mut self, ids: &[i64]) -> u64 {
        let before = self.quarantine.len();
        self.quarantine.retain(|kept| !ids.contains(&kept.id));
        let dismissed = (before - self.quarantine.len()) as u64;
        self.totals.quarantine.dismissed += dismissed;
        dismissed
    }

    pub fn count_all(&self) -> Totals {
        let mut totals = self.totals;
        totals.quarantine.items = self.quarantine.len() as u64;
        totals.quarantine.bytes = self.quarantine.iter().map(|kept| kept.bytes).sum();
        totals.dead = self.deliveries.values().filter(|d| d.delivery.state == DeliveryState::Dead).count() as u64;
        totals
    }

    /// Oldest first, in one group.
    pub fn walk(&self, filter: &DeliveryFilter, from: Mark) -> Walked {
        let after = (Bound::Excluded(from.after), Bound::Unbounded);
        let found = self.deliveries.range(after).filter(|(_, kept)| kept.is_one_of(filter));
        let deliveries: Vec<_> = found.map(|(_, kept)| kept.delivery.clone()).take(filter.limit).collect();
        let last = deliveries.last().filter(|_| deliveries.len() == filter.limit);
        Walked { next: last.map(|last| Mark { group: 0, after: last.id }), deliveries }
    }
}

/// A body alone, as it came by itself, is the same whatever its type was said to be.
fn is_same(known: &Form, form: &Form) -> bool {
    known.attributes == form.attributes && (form.attributes.is_empty() || known.content_type == form.content_type)
}
