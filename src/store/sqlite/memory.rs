//! What the writer knows without asking the disk. All of it follows the transactions: kept or forgotten with them.

use rusqlite::Connection;

use super::backlog::Backlog;
use super::dedup::Dedup;
use super::ids::Ids;
use super::lookup::Unindexed;
use super::names::Names;
use super::openings::Openings;

/// Changed while a transaction is written; then either [`keep`](Memory::keep) or [`forget`](Memory::forget).
#[derive(Debug)]
pub struct Memory {
    pub ids: Ids,
    kept_ids: Ids,
    pub dedup: Dedup,
    pub names: Names,
    pub openings: Openings,
    pub backlog: Backlog,
    pub unindexed: Unindexed,
}

impl Memory {
    pub fn load(db: &Connection) -> rusqlite::Result<Memory> {
        let ids = Ids::load(db)?;
        Ok(Memory {
            ids,
            kept_ids: ids,
            dedup: Dedup::load(db)?,
            names: Names::load(db)?,
            openings: Openings::load(db)?,
            backlog: Backlog::load(db)?,
            unindexed: Unindexed::load(db)?,
        })
    }

    /// The transaction is durable.
    pub fn keep(&mut self) {
        self.kept_ids = self.ids;
        self.dedup.keep();
        self.names.keep();
        self.openings.keep();
        self.backlog.keep();
        self.unindexed.keep();
    }

    /// The transaction never happened.
    pub fn forget(&mut self) {
        self.ids = self.kept_ids;
        self.dedup.forget();
        self.names.forget();
        self.openings.forget();
        self.backlog.forget();
        self.unindexed.forget();
    }
}
