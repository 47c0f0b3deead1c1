//! Which events are known already: in memory, as a random-key index on disk would be the dearest part of an insert.

use std::collections::{HashMap, VecDeque};

use rusqlite::{Connection, params};

use crate::event::{EventId, Fingerprint};
use crate::store::REMEMBERED;

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
    data: [u8; 16],
    event: EventId,
}

/// The newest fingerprints. What is added counts at once, and goes again if it is not kept.
#[derive(Debug)]
pub struct Dedup {
    /// By sender's ID, the newest of each.
    newest: HashMap<[u8; 16], Seen>,
    /// Older events of an ID that came back with other data.
    older: HashMap<Fingerprint, EventId>,
    order: VecDeque<(Fingerprint, EventId)>,
    /// What each of the last entries of `order`, not yet kept, took the place of.
    replaced: Vec<Option<Seen>>,
    limit: usize,
}

impl Dedup {
    fn new(limit: usize) -> Dedup {
        Dedup {
            newest: HashMap::with_capacity(limit),
            older: HashMap::new(),
            order: VecDeque::with_capacity(limit),
            replaced: Vec::new(),
            limit,
        }
    }

    /// Rebuilds it from the newest rows.
    pub fn load(db: &Connection) -> rusqlite::Result<Dedup> {
        let mut dedup = Dedup::new(REMEMBERED);
        let mut newest = db.prepare(
            "SELECT id, fingerprint_id, fingerprint_data FROM events \
             WHERE id >= ifnull((SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET ?1), 0) ORDER BY id",
        )?;
        let mut rows = newest.query(params![i64::try_from(REMEMBERED - 1).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            dedup.add(Fingerprint { id: row.get(1)?, data: row.get(2)? }, EventId(row.get(0)?));
        }
        dedup.keep();
        Ok(dedup)
    }

    pub fn look(&self, fingerprint: &Fingerprint) -> Sighting {
        match self.newest.get(&fingerprint.id) {
            None => Sighting::New,
            Some(seen) if seen.data == fingerprint.data => Sighting::Again(seen.event),
            Some(_) => self.older.get(fingerprint).map_or(Sighting::Reused, |&event| Sighting::Again(event)),
        }
    }

    pub fn add(&mut self, fingerprint: Fingerprint, event: EventId) {
        let before = self.newest.insert(fingerprint.id, Seen { data: fingerprint.data, event });
        if let Some(seen) = before {
            self.older.insert(Fingerprint { id: fingerprint.id, data: seen.data }, seen.event);
        }
        self.replaced.push(before);
        self.order.push_back((fingerprint, event));
    }

    /// What was added is durable.
    pub fn keep(&mut self) {
        self.replaced.clear();
        while self.order.len() > self.limit {
            let Some((fingerprint, event)) = self.order.pop_front() else { break };
            if self.newest.get(&fingerprint.id).is_some_and(|seen| seen.event == event) {
                self.newest.remove(&fingerprint.id);
            } else if self.older.get(&fingerprint) == Some(&event) {
                self.older.remove(&fingerprint);
            }
        }
    }

    /// What was added since the last `keep` never happened.
    pub fn forget(&mut self) {
        while let Some(before) = self.replaced.pop() {
            let Some((fingerprint, _)) = self.order.pop_back() else { break };
            match before {
                None => {
                    self.newest.remove(&fingerprint.id);
                }
                Some(seen) => {
                    self.older.remove(&Fingerprint { id: fingerprint.id, data: seen.data });
                    self.newest.insert(fingerprint.id, seen);
                }
            }
        }
    }
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
        dedup.add(print(1, 1), EventId(1));
        assert_eq!(dedup.look(&print(1, 2)), Sighting::Reused);
        dedup.add(print(1, 2), EventId(2));
        assert_eq!(dedup.look(&print(1, 1)), Sighting::Again(EventId(1)));
        assert_eq!(dedup.look(&print(1, 2)), Sighting::Again(EventId(2)));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut dedup = Dedup::new(2);
        for (n, fingerprint) in [print(1, 1), print(1, 2), print(2, 1), print(3, 1)].into_iter().enumerate() {
            dedup.add(fingerprint, EventId(i64::try_from(n).unwrap()));
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
        dedup.add(print(1, 1), EventId(1));
        dedup.keep();
        for (fingerprint, event) in [(print(1, 2), 2), (print(2, 1), 3), (print(1, 3), 4), (print(4, 1), 5)] {
            dedup.add(fingerprint, EventId(event));
        }
        dedup.forget();
        assert_eq!(dedup.look(&print(1, 1)), Sighting::Again(EventId(1)));
        assert_eq!(dedup.look(&print(1, 2)), Sighting::Reused);
        assert_eq!(dedup.look(&print(2, 1)), Sighting::New);
        assert_eq!((dedup.newest.len(), dedup.older.len(), dedup.order.len()), (1, 0, 1));
    }
}
