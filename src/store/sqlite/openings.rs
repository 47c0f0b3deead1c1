//! Failures that a receiver has heard of and wants to see closed: by key, in memory, with a row each.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use crate::event::DeliveryId;
use crate::store::KeyHash;

/// One open failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// A name's number.
    pub receiver: i64,
    /// The delivery that told of the failure.
    pub delivery: DeliveryId,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Openings {
    open: HashMap<KeyHash, Vec<Opening>>,
    /// What keys had before changes that are not kept yet, oldest change first.
    before: Vec<(KeyHash, Vec<Opening>)>,
}

impl Openings {
    pub fn load(db: &Connection) -> rusqlite::Result<Openings> {
        let mut openings = Openings::default();
        let mut all = db.prepare("SELECT key, receiver, delivery FROM openings")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let opening = Opening { receiver: row.get(1)?, delivery: DeliveryId(row.get(2)?) };
            openings.open.entry(KeyHash(row.get(0)?)).or_default().push(opening);
        }
        Ok(openings)
    }

    pub fn of(&self, key: KeyHash) -> &[Opening] {
        self.open.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The latest failure is the one that counts for its receiver.
    pub fn open(&mut self, db: &Connection, key: KeyHash, opening: Opening) -> rusqlite::Result<()> {
        db.prepare_cached("INSERT OR REPLACE INTO openings(key, receiver, delivery) VALUES(?1, ?2, ?3)")?
            .execute(params![key.0, opening.receiver, opening.delivery.0])?;
        self.save(key);
        let of_key = self.open.entry(key).or_default();
        of_key.retain(|o| o.receiver != opening.receiver);
        of_key.push(opening);
        Ok(())
    }

    /// Removes and returns all of a key.
    pub fn close(&mut self, db: &Connection, key: KeyHash) -> rusqlite::Result<Vec<Opening>> {
        if !self.open.contains_key(&key) {
            return Ok(Vec::new());
        }
        db.prepare_cached("DELETE FROM openings WHERE key = ?1")?.execute(params![key.0])?;
        self.save(key);
        Ok(self.open.remove(&key).unwrap_or_default())
    }

    /// The failure told by `delivery` is told by `by` now (a replay or a move), or, without one, is not open any more.
    pub fn replace(
        &mut self,
        db: &Connection,
        key: KeyHash,
        delivery: DeliveryId,
        by: Option<Opening>,
    ) -> rusqlite::Result<()> {
        let Some(old) = self.of(key).iter().copied().find(|o| o.delivery == delivery) else { return Ok(()) };
        db.prepare_cached("DELETE FROM openings WHERE key = ?1 AND receiver = ?2")?
            .execute(params![key.0, old.receiver])?;
        self.save(key);
        let of_key = self.open.entry(key).or_default();
        of_key.retain(|o| o.receiver != old.receiver);
        if of_key.is_empty() {
            self.open.remove(&key);
        }
        by.map_or(Ok(()), |opening| self.open(db, key, opening))
    }

    pub fn keep(&mut self) {
        self.before.clear();
    }

    pub fn forget(&mut self) {
        while let Some((key, openings)) = self.before.pop() {
            if openings.is_empty() {
                self.open.remove(&key);
            } else {
                self.open.insert(key, openings);
            }
        }
    }

    fn save(&mut self, key: KeyHash) {
        self.before.push((key, self.of(key).to_vec()));
    }
}
