//! Which events are known already: in memory, as a random-key index on disk would be the dearest part of an insert.

use std::collections::{HashMap, VecDeque};

use super::prints::{Print, half};
use crate::event::{EventId, Fingerprint};
use crate::store::REMEMBERED;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// What is known of a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    New,
    /// The same source, ID and data: this event again.
    Again(EventId),
    /// The sender's ID is known, with other data.
    Reused,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    id: u64,
    data: u64,
    event: EventId,
}

/// The newest fingerprints, half of each: 128 bits tell two events apart. What is added counts at once, and goes again if it is not kept.
#[derive(Debug)]
pub struct Dedup {
    /// Oldest first.
    order: VecDeque<Seen>,
    /// The serial number of the first of `order`; numbers wrap.
    first: u32,
    /// By sender's ID, the serial number of the newest of each.
    newest: HashTable<u32>,
    /// Older events of an ID that came back with other data.
    older: HashMap<(u64, u64), EventId>,
    /// What each of the last entries of `order`, not yet kept, took the place of.
    replaced: Vec<Option<u32>>,
    limit: usize,
}

impl Dedup {
    /// Of the newest events, oldest first.
    pub fn of(newest: &[Print]) -> Dedup {
        let mut dedup = Dedup::new(REMEMBERED);
        dedup.order.reserve(newest.len());
        dedup.newest.reserve(newest.len(), |_| unreachable!("it is empty yet"));
        for print in newest {
            dedup.push(Seen { id: print.id, data: print.data, event: EventId(print.event) });
        }
        dedup.keep();
        dedup
    }

    fn new(limit: usize) -> Dedup {
        Dedup {
            order: VecDeque::new(),
            first: 0,
            newest: HashTable::new(),
            older: HashMap::new(),
            replaced: Vec::new(),
            limit,
        }
    }

    pub fn look(&self, fingerprint: &Fingerprint) -> Sighting {
        let [id, data] = [fingerprint.id, fingerprint.data].map(half);
        match self.newest.find(id, |&serial| self.at(serial).id == id).map(|&serial| self.at(serial)) {
            None => Sighting::New,
            Some(seen) if seen.data == data => Sighting::Again(seen.event),
            Some(_) => self.older.get(&(id, data)).map_or(Sighting::Reused, |&event| Sighting::Again(event)),
        }
    }

    pub fn add(&mut self, fingerprint: &Fingerprint, event: EventId) {
        let [id, data] = [fingerprint.id, fingerprint.data].map(half);
        self.push(Seen { id, data, event });
    }

    /// The oldest that is remembered.
    pub fn oldest(&self) -> Option<EventId> {
        self.order.front().map(|seen| seen.event)
    }

    fn push(&mut self, seen: Seen) {
        let serial = self.first.wrapping_add(number(self.order.len()));
        self.order.push_back(seen);
        let (order, first) = (&self.order, self.first);
        let is = |&other: &u32| at(order, first, other).id == seen.id;
        let before = match self.newest.entry(seen.id, is, |&other| at(order, first, other).id) {
            Entry::Vacant(place) => {
                place.insert(serial);
                None
            }
            Entry::Occupied(mut place) => Some(std::mem::replace(place.get_mut(), serial)),
        };
        if let Some(before) = before {
            let Seen { id, data, event } = *self.at(before);
            self.older.insert((id, data), event);
        }
        self.replaced.push(before);
    }

    fn at(&self, serial: u32) -> &Seen {
        at(&self.order, self.first, serial)
    }

    /// What was added is durable.
    pub fn keep(&mut self) {
        self.replaced.clear();
        while self.order.len() > self.limit {
            let (Some(&Seen { id, data, event }), oldest) = (self.order.front(), self.first) else { break };
            match self.newest.find_entry(id, |&serial| serial == oldest) {
                Ok(newest) => _ = newest.remove(),
                Err(_) if self.older.get(&(id, data)) == Some(&event) => _ = self.older.remove(&(id, data)),
                Err(_) => {}
            }
            self.order.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// What was added since the last `keep` never happened.
    pub fn forget(&mut self) {
        while let Some(before) = self.replaced.pop() {
            let last = self.first.wrapping_add(number(self.order.len())).wrapping_sub(1);
            let Some(seen) = self.order.pop_back() else { break };
            let Ok(mut newest) = self.newest.find_entry(seen.id, |&serial| serial == last) else { continue };
            match before {
                None => _ = newest.remove(),
                Some(before) => {
                    *newest.get_mut() = before;
                    let Seen { id, data, .. } = *self.at(before);
                    self.older.remove(&(id, data));
                }
            }
        }
    }
}

/// Numbers wrap: only their distance counts, and far fewer are remembered at a time.
fn at(order: &VecDeque<Seen>, first: u32, serial: u32) -> &Seen {
    &order[serial.wrapping_sub(first) as usize]
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("far fewer are remembered")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(id: u8, data: u8) -> Fingerprint {
        Fingerprint { id: [id; 16], data: [data; 16] }
    }

    #[test]
    fn an_id_that_changes_its_data_and_back_is_known_each_time() {
        let mut dedup = Dedup::new(10);
        dedup.add(&print(1, 1), EventId(1));
        assert_eq!(dedup.look(&print(1, 2)), Sighting::Reused);
        dedup.add(&print(1, 2), EventId(2));
        assert_eq!(dedup.look(&print(1, 1)), Sighting::Again(EventId(1)));
        assert_eq!(dedup.look(&print(1, 2)), Sighting::Again(EventId(2)));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut dedup = Dedup::new(2);
        for (n, fingerprint) in [print(1, 1), print(1, 2), print(2, 1), print(3, 1)].into_iter().enumerate() {
            dedup.add(&fingerprint, EventId(i64::try_from(n).unwrap()));
            dedup.keep();
        }
        assert_eq!(dedup.look(&print(1, 1)), Sighting::New);
        assert_eq!(dedup.look(&print(1, 2)), Sighting::New);
        assert_eq!(dedup.look(&print(2, 1)), Sighting::Again(EventId(2)));
        assert_eq!((dedup.newest.len(), dedup.older.len(), dedup.order.len()), (2, 0, 2));
    }

    #[test]
    fn what_was_not_kept_never_happened() {
        let mut dedup = Dedup::new(2);
        dedup.add(&print(1, 1), EventId(1));
        dedup.keep();
        for (fingerprint, event) in [(print(1, 2), 2), (print(2, 1), 3), (print(1, 3), 4), (print(4, 1), 5)] {
            dedup.add(&fingerprint, EventId(event));
        }
        dedup.forget();
        assert_eq!(dedup.look(&print(1, 1)), Sighting::Again(EventId(1)));
        assert_eq!(dedup.look(&print(1, 2)), Sighting::Reused);
        assert_eq!(dedup.look(&print(2, 1)), Sighting::New);
        assert_eq!((dedup.newest.len(), dedup.older.len(), dedup.order.len()), (1, 0, 1));
    }
}
