//! What the writer knows without asking the disk. All of it follows the transactions: kept or forgotten with them.

use rusqlite::Connection;

use super::dedup::Dedup;
use super::ids::Ids;
use super::ledger::Lines;
use super::lookup::Unindexed;
use super::names::Names;
use super::openings::Openings;
use super::prints::{self, Prints};

/// Changed while a transaction is written; then either [`keep`](Memory::keep) or [`forget`](Memory::forget).
#[derive(Debug)]
pub struct Memory {
    pub ids: Ids,
    kept_ids: Ids,
    pub dedup: Dedup,
    pub names: Names,
    pub openings: Openings,
    pub ledger: Lines,
    pub unindexed: Unindexed,
    pub prints: Prints,
}

impl Memory {
    pub fn load(db: &Connection) -> rusqlite::Result<Memory> {
        let ids = Ids::load(db)?;
        let names = Names::load(db)?;
        let (newest, prints) = prints::load(db)?;
        Ok(Memory {
            ids,
            kept_ids: ids,
            dedup: Dedup::of(&newest),
            ledger: Lines::load(db, &names)?,
            names,
            openings: Openings::load(db)?,
            unindexed: Unindexed::load(db, &newest)?,
            prints,
        })
    }

    /// What the running transaction has to say of it.
    pub fn write(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.ledger.write(db)?;
        let oldest = self.dedup.oldest().map_or(i64::MAX, |event| event.0);
        self.prints.write(db, oldest)
    }

    /// The transaction is durable.
    pub fn keep(&mut self) {
        self.kept_ids = self.ids;
        self.dedup.keep();
        self.names.keep();
        self.openings.keep();
        self.ledger.keep(&self.names);
        self.unindexed.keep();
        self.prints.keep();
    }

    /// The transaction never happened.
    pub fn forget(&mut self) {
        self.ids = self.kept_ids;
        self.dedup.forget();
        self.names.forget();
        self.openings.forget();
        self.ledger.forget();
        self.unindexed.forget();
        self.prints.forget();
    }
}
