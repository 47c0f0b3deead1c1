//! The audit: whether everything in a store's file agrees with everything else. It reads only, beside a relay or without one.
//!
//! The tables are walked in short pages. A page is one snapshot, in which every rule must hold, as the writer commits whole
//! transactions; so what is found is wrong, however busy the relay is. Only the books speak of all rows at once: they are compared in
//! a last snapshot, which looks again at whatever could have changed since its page was read. `events` and `deliveries` are the two
//! walks, `rest` the small tables, `books` the end.

mod books;
mod deliveries;
mod events;
mod rest;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use self::books::Tally;
use super::history::History;
use super::ledger::{self, Counts};
use super::trouble::{is_of_the_row, unreadable};
use crate::event::{DeliveryId, EventId};
use crate::store::StoreError;

/// Of each flaw, so many cases are named.
const EXAMPLES: usize = 5;

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// `SQLite` cannot read a part of the file.
    DamagedFile,
    /// A row holds what no relay writes.
    DamagedRow,
    /// An event's content is not what was received.
    EventChanged,
    /// An event without a decision that can be read.
    Undecided,
    /// A version of routes.yaml that decided or ruled, and is not kept.
    VersionLost,
    /// Somebody was decided on, and there is no delivery.
    DeliveryMissing,
    /// A delivery that is not what its event's decision says.
    DeliveryWrong,
    /// A delivery, an attempt or a copy of nothing.
    Orphan,
    /// A delivery's state that its attempts do not bear out.
    StateWrong,
    /// A row its index does not lead to, or the other way round.
    IndexWrong,
    /// An open failure, or a thread, that refers to what is not there.
    ReferenceWrong,
    /// The books do not say what the rows say.
    BooksWrong,
    /// Owed and due, its lane open, and nobody is at it. Only a running relay can tell.
    Forgotten,
}

/// One flaw, with some of its cases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How many cases there are.
    pub count: u64,
    /// The first few, a line each.
    pub examples: Vec<String>,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Events, each with its decision and its content.
    pub events: u64,
    /// Deliveries, each with its event.
    pub deliveries: u64,
    /// Of these, still owed at the end.
    pub owed: u64,
    /// Attempts but the last of each delivery, which is part of it.
    pub attempts: u64,
    /// Open failures and threads.
    pub references: u64,
    /// Numbers in the books.
    pub lines: u64,
}

/// What an audit came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Audit {
    /// How much was looked at.
    pub checked: Checked,
    /// What is wrong; empty: all is well.
    pub findings: BTreeMap<Flaw, Finding>,
}

impl Audit {
    /// Adds a case.
    pub fn find(&mut self, flaw: Flaw, case: impl Into<String>) {
        let finding = self.findings.entry(flaw).or_default();
        finding.count += 1;
        if finding.examples.len() < EXAMPLES {
            finding.examples.push(case.into());
        }
    }
}

/// What the walks share.
struct Auditor<'a> {
    db: &'a Connection,
    audit: Audit,
    names: HashMap<i64, Arc<str>>,
    /// Versions whose text is kept.
    versions: HashSet<i64>,
    tally: Tally,
    /// As they were before the first page.
    lines_before: Counts,
    /// Nothing was left out because it could not be read.
    whole: bool,
}

impl History {
    /// Checks everything.
    ///
    /// # Errors
    /// The file cannot be read at all. A part that cannot be read is a finding.
    pub fn audit(&self) -> Result<Audit, StoreError> {
        let db = self.connection();
        let mut auditor = Auditor {
            db,
            audit: Audit::default(),
            names: HashMap::new(),
            versions: HashSet::new(),
            tally: Tally::default(),
            lines_before: HashMap::new(),
            whole: true,
        };
        auditor.run().map_err(|e| unreadable(&e))?;
        Ok(auditor.audit)
    }
}

impl Auditor<'_> {
    fn run(&mut self) -> rusqlite::Result<()> {
        self.lines_before = ledger::written(self.db)?;
        self.walk(Auditor::events)?;
        self.walk(Auditor::deliveries)?;
        self.rest()?;
        // What came meanwhile, so that the last snapshot has little left to read.
        self.walk(Auditor::events)?;
        self.walk(Auditor::deliveries)?;
        self.books()
    }

    /// Reads page after page, each in a snapshot of its own, until one says that it was the last.
    fn walk(&mut self, mut page: impl FnMut(&mut Self) -> rusqlite::Result<bool>) -> rusqlite::Result<()> {
        let mut more = true;
        while more {
            let begun = Instant::now();
            let snapshot = self.db.unchecked_transaction()?;
            more = match page(self) {
                Err(error) if is_damage(&error) => {
                    self.damaged(&error);
                    false
                }
                Err(error) if is_of_the_row(&error) => {
                    self.whole = false;
                    self.audit.find(Flaw::DamagedRow, error.to_string());
                    false
                }
                page => page?,
            };
            snapshot.finish()?;
            if more {
                // A relay may want the processor and the disk.
                thread::sleep(begun.elapsed());
            }
        }
        Ok(())
    }

    fn damaged(&mut self, error: &rusqlite::Error) {
        self.whole = false;
        let Tally { last_event, last_delivery, .. } = self.tally;
        let case = format!("{error} (behind {} and {})", EventId(last_event), DeliveryId(last_delivery));
        let known = self.audit.findings.get(&Flaw::DamagedFile).is_some_and(|found| found.examples.contains(&case));
        if !known {
            self.audit.find(Flaw::DamagedFile, case);
        }
    }

    /// A name's text.
    fn name(&mut self, number: i64) -> rusqlite::Result<Option<Arc<str>>> {
        if let Some(known) = self.names.get(&number) {
            return Ok(Some(Arc::clone(known)));
        }
        let found: Option<Arc<str>> = self
            .db
            .prepare_cached("SELECT text FROM names WHERE id = ?1")?
            .query_row(params![number], |row| row.get(0))
            .optional()?;
        self.names.extend(found.clone().map(|text| (number, text)));
        Ok(found)
    }

    /// Whether a query finds anything.
    fn any(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<bool> {
        self.db.prepare_cached(sql)?.exists(values)
    }
}

/// Whether the file itself is to blame.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            rusqlite::ErrorCode::DatabaseCorrupt
                | rusqlite::ErrorCode::NotADatabase
                | rusqlite::ErrorCode::SystemIoFailure
        )
    )
}
