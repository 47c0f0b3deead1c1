//! Urgent deliveries ahead of a backlog: what someone may have to act on now is taken in before the lane has read all that is older.
//!
//! A receiver that takes one message a second needs days for the backlog of a bad night; a job that fails meanwhile must be heard of
//! today. The order of a key is kept: an urgent delivery is taken in together with the few of its key that come before it, or not
//! at all. `taken` remembers what is above the lane's cursor and in memory, or done: the page that brings it brings no news.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::queue::{Item, Queue};
use super::{Health, Lane, Now, OF_ONE_KEY, STRETCH, Step};
use crate::event::DeliveryId;
use crate::store::{KeyHash, Owed};

/// So many wait to be looked at, and so many are ready ahead of the backlog; of more, the newest.
pub const URGENT: usize = 64;
/// An urgent delivery and those of its key before it are so many at most.
pub const AT_ONCE: usize = 8;
/// More are not remembered; then urgent ones wait like all others.
const REMEMBERED: usize = 10_000;

/// What is known of the urgent ones.
#[derive(Debug, Default)]
pub struct Ahead {
    offers: VecDeque<Owed>,
    looking: Option<Look>,
    taken: BTreeMap<DeliveryId, Taken>,
}

/// An urgent one whose key is being looked up.
#[derive(Debug)]
struct Look {
    wanted: Owed,
    /// What it brings does not follow any more on what is in memory.
    is_stale: bool,
}

#[derive(Debug)]
struct Taken {
    key: KeyHash,
    /// Which of the lane's outcomes, counted from 1, ended it.
    done: Option<usize>,
}

impl Ahead {
    /// The newest offer, to be looked up, if it is above `cursor`.
    fn look(&mut self, cursor: DeliveryId) -> Option<KeyHash> {
        if self.looking.is_some() || self.taken.len() >= REMEMBERED {
            return None;
        }
        let wanted = self.offers.pop_back()?;
        if wanted.id <= cursor {
            // The others are older still: the backlog was read past here.
            self.offers.clear();
            return None;
        }
        let key = wanted.key;
        self.looking = Some(Look { wanted, is_stale: false });
        Some(key)
    }

    /// Whether a look is under way: what it brings may be done meanwhile.
    pub fn looking(&self) -> bool {
        self.looking.is_some()
    }

    /// These of a key are on disk only again: what a look at it brings may begin behind them.
    pub fn leave(&mut self, key: KeyHash, spilled: &[DeliveryId]) {
        for id in spilled {
            self.taken.remove(id);
        }
        if let Some(look) = self.looking.as_mut().filter(|look| look.wanted.key == key) {
            look.is_stale |= !spilled.is_empty();
        }
    }

    /// Whether a page brings what is here, or done, already.
    pub fn knows(&self, id: DeliveryId) -> bool {
        self.taken.contains_key(&id)
    }

    /// All up to `cursor` has been read.
    pub fn passed(&mut self, cursor: DeliveryId) {
        while let Some(entry) = self.taken.first_entry()
            && *entry.key() <= cursor
        {
            entry.remove();
        }
    }

    /// It is taken in, unless it was before: then it may be done, which stays known.
    fn remember(&mut self, id: DeliveryId, key: KeyHash) -> bool {
        let Entry::Vacant(new) = self.taken.entry(id) else { return false };
        new.insert(Taken { key, done: None });
        true
    }

    /// The lane's outcome of this number ended it.
    pub fn done(&mut self, id: DeliveryId, outcome: usize) {
        if let Some(taken) = self.taken.get_mut(&id) {
            taken.done = Some(outcome);
        }
    }

    /// Forgets those that are neither here nor among the outcomes after the first `recorded`.
    pub fn keep(&mut self, recorded: usize, here: impl Fn(DeliveryId, KeyHash) -> bool) {
        self.taken.retain(|&id, taken| here(id, taken.key) || taken.done.is_some_and(|outcome| outcome > recorded));
    }
}

impl Lane {
    /// Of those passed over, one that is urgent.
    pub fn offer(&mut self, owed: Owed) {
        if self.behind {
            if self.ahead.offers.len() == URGENT {
                self.ahead.offers.pop_front();
            }
            self.ahead.offers.push_back(owed);
        }
    }

    /// Looks an urgent one up, while the lane is behind and sends.
    pub(super) fn look(&mut self) -> Option<Step> {
        let room = self.held < self.settings.capacity * STRETCH;
        if !self.behind || !room || self.condition.health() != Health::Open {
            return None;
        }
        if self.ready.urgent_above(self.cursor, URGENT) == URGENT {
            return None;
        }
        while let Some(key) = self.ahead.look(self.cursor) {
            let queue = self.keys.get(&key);
            if queue.is_none_or(Queue::goes_on) {
                let after = queue.map_or(self.cursor, |queue| queue.last.max(self.cursor));
                return Some(Step::Look { key, after, limit: AT_ONCE });
            }
            self.ahead.looking = None;
        }
        None
    }

    /// What [`Step::Look`] asked for. Empty, or without the one that was looked for: it waits like all others.
    pub fn looked(&mut self, page: Vec<Owed>, now: Now) {
        let Some(Look { wanted, is_stale: false }) = self.ahead.looking.take() else { return };
        let key = wanted.key;
        let Some(upto) = page.iter().position(|owed| owed.id == wanted.id) else { return };
        if page.first().is_none_or(|first| first.id <= self.cursor) || !self.behind {
            return;
        }
        let queue = self.keys.entry(key).or_default();
        let empty = queue.items.is_empty();
        if queue.goes_on() && queue.items.len() + upto < OF_ONE_KEY {
            for owed in page.into_iter().take(upto + 1) {
                // In memory, or done and not on record yet.
                if owed.id <= queue.last || !self.ahead.remember(owed.id, key) {
                    continue;
                }
                queue.last = owed.id;
                let came = self.clock.came(owed.id, now.mono);
                queue.items.push_back(Item { owed: Arc::new(owed), came, urgent: true, unsent: 0 });
                self.held += 1;
            }
        }
        if empty {
            self.settle(key, now);
        }
    }
}
