//! The default store: `SQLite` in one file, one writer, many short readers.
//!
//! Files: `place` (lock, modes, directory), `schema`, `handle` (the [`Store`](super::Store) itself).
//! Writing: `task` (a queued piece of work) → `writer` (the one thread that commits) → `accept`, `record`, `owe`, `keep`,
//! `threads`, `quarantine`, `prune`, `totals`, `lookup` (with `hashes`). What the writer knows without asking the disk: `memory`, of `ids`, `dedup`, `openings`,
//! `names`, `ledger`, `prints`. Reading: `readers` (connections) → `owed` (with `contents`), `deliveries`, `walk`, `events`, by `rows` and `pack`; `history` is for another
//! process, `audit` and `backup` by it; `repair` needs no `SQLite` to read a file. `checkpoint` moves the WAL into
//! the file, off the writer.

mod accept;
mod audit;
mod backup;
mod checkpoint;
mod contents;
mod dedup;
mod deliveries;
mod events;
mod handle;
mod hashes;
mod history;
mod ids;
mod keep;
mod ledger;
mod lookup;
mod memory;
mod names;
mod openings;
mod owe;
mod owed;
mod pack;
mod place;
mod prints;
mod prune;
mod quarantine;
mod readers;
mod record;
mod repair;
mod rows;
mod schema;
mod task;
mod threads;
mod totals;
mod trouble;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

pub use audit::{Audit, Checked, Finding, Flaw};
pub use backup::BackedUp;
pub use events::Unread;
pub use handle::SqliteStore;
pub use history::{History, Walk};
pub use repair::{Repair, repair};
