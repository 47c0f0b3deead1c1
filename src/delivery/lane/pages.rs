//! Pages from the store: the way into memory for what was passed over, and for keys that were spilled.

use std::sync::Arc;
use std::time::Duration;

use super::queue::{Item, KeyPage};
use super::{Lane, Now, OF_ONE_KEY, STRETCH, Step};
use crate::store::{KeyHash, Owed};

impl Lane {
    /// A page that [`Step::Load`] asked for. A full one has more behind it.
    pub fn loaded(&mut self, page: Vec<Owed>, now: Now) {
        self.mark(now);
        self.unreadable.remove(&None);
        self.behind = self.loading.take().is_some_and(|limit| page.len() >= limit);
        for owed in page {
            if owed.id > self.cursor {
                self.cursor = owed.id;
                if !self.ahead.knows(owed.id) {
                    self.insert(owed, now);
                }
            }
        }
        self.ahead.passed(self.cursor);
    }

    /// The store could not be read: asks again in a second.
    pub fn load_failed(&mut self, key: Option<KeyHash>, now: Now) {
        self.load_not_before = now.mono + Duration::from_secs(1);
        match key {
            None => {
                self.unreadable.insert(None);
                self.loading = None;
            }
            Some(key) => {
                if let Some(queue) = self.keys.get_mut(&key)
                    && let Some(page) = queue.loading.take()
                {
                    self.asked -= page.limit;
                    self.hungry.push_back(key);
                    self.unreadable.insert(Some(key));
                }
            }
        }
    }

    /// A page that [`Step::LoadKey`] asked for.
    pub fn loaded_key(&mut self, key: KeyHash, page: Vec<Owed>, now: Now) {
        self.unreadable.remove(&Some(key));
        let came: Vec<Duration> = page.iter().map(|owed| self.clock.came(owed.id, now.mono)).collect();
        let Some(queue) = self.keys.get_mut(&key) else { return };
        let Some(asked) = queue.loading.take() else { return };
        self.asked -= asked.limit;
        // What spilled after the page was asked for may not be in it. What lies above `cursor` comes the other way: taking it here
        // too would send it twice.
        let complete = page.len() < asked.limit || page.last().is_some_and(|newest| newest.id > self.cursor);
        if complete && queue.spilled_to == Some(asked.spilled_to) {
            queue.spilled_to = None;
        }
        for (owed, came) in page.into_iter().zip(came) {
            if owed.id > queue.last && owed.id <= self.cursor {
                queue.last = owed.id;
                queue.items.push_back(Item { came, urgent: owed.urgent, unsent: 0, owed: Arc::new(owed) });
                self.held += 1;
            }
        }
        self.settle(key, now);
    }

    pub(super) fn load(&mut self) -> Option<Step> {
        while let Some(key) = self.hungry.pop_front() {
            if let Some(queue) = self.keys.get_mut(&key)
                && let Some(spilled_to) = queue.spilled_to
                && queue.items.is_empty()
                && queue.loading.is_none()
            {
                let after = queue.last;
                // Many keys may be hungry at once: what there is room for is shared, and each key gets on.
                let room = self.settings.capacity.saturating_sub(self.held + self.asked);
                let limit = room.clamp(1, OF_ONE_KEY);
                queue.loading = Some(KeyPage { spilled_to, limit });
                self.asked += limit;
                return Some(Step::LoadKey { key, after, limit });
            }
        }
        let stuck = self.ready.is_empty() && self.in_flight.is_empty();
        let capacity = self.settings.capacity;
        let room = self.held <= capacity / 2 || (stuck && self.held < capacity * STRETCH);
        if self.behind && self.loading.is_none() && room {
            let limit = (capacity / 2).max(1);
            self.loading = Some(limit);
            if !self.ahead.looking() {
                // What is done and recorded comes in no page any more.
                let recorded = self.outcomes - self.unrecorded;
                let keys = &self.keys;
                self.ahead.keep(recorded, |id, key| keys.get(&key).is_some_and(|queue| queue.holds(id)));
            }
            return Some(Step::Load { after: self.cursor, limit });
        }
        self.look()
    }

    /// If a failed read is to be tried again sooner, wait only until then.
    pub(super) fn or_load(&self, until: Option<Duration>, now: Now) -> Option<Duration> {
        let again = self.load_not_before;
        let wants = again > now.mono && (self.behind || !self.hungry.is_empty());
        if wants { Some(until.map_or(again, |until| until.min(again))) } else { until }
    }
}
