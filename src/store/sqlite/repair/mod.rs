//! Saving what can be read of a store that is damaged, into a new file. The old one is only read.
//!
//! `SQLite` gives up on a file at the first page that makes no sense, so the pages are read here, one by one: `pages` are those of the
//! file and its log, `records` the rows on one, `tables` which page belongs to what (by the trees and by the pointer map, so that no
//! page is missed because the one above it is gone), `rows` what a relay would have written, `rebuild` what follows from it.

mod pages;
mod rebuild;
mod records;
mod rows;
mod tables;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde::Serialize;

use self::pages::Pages;
use self::rebuild::rebuild;
use self::rows::{Saved, int, text};
use self::tables::{Row, Tables};
use super::ledger::{DOOR, DUPLICATES, MADE, QUARANTINED, REMOVED, decided};
use super::place::Place;
use super::rows::OWED;
use super::schema::{Role, connect, fill};
use super::trouble::unwritable;
use crate::store::StoreError;

/// Said in place of a version's text.
const LOST_VERSION: &str = "# The text of this version was lost before the store was repaired.\n";

/// What a repair came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// Rows saved as they were, by table.
    pub saved: BTreeMap<String, u64>,
    /// Rows that were there and could not be trusted, by table.
    pub doubtful: BTreeMap<String, u64>,
    /// By the books: events that are lost with all that hung on them. `None`: the books are lost too.
    pub events_lost: Option<u64>,
    /// Deliveries whose rows are lost, made again as owed.
    pub owed_again: u64,
    /// Deliveries whose rows are lost, and that were not owed any more. How they ended is lost.
    pub ended: u64,
    /// Attempts of which only the number is left.
    pub attempts_lost: u64,
    /// Versions of routes.yaml of which only the name is left.
    pub versions_lost: u64,
    /// Pages that could not be read, wholly or in part.
    pub damaged_pages: u64,
    /// Pages of the log behind its last sound commit.
    pub log_pages_lost: u64,
}

impl Repair {
    /// Everything was there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Repair { saved: _, doubtful, events_lost, .. } = self;
        doubtful.is_empty()
            && *events_lost == Some(0)
            && [
                self.owed_again,
                self.ended,
                self.attempts_lost,
                self.versions_lost,
                self.damaged_pages,
                self.log_pages_lost,
            ] == [0; 6]
    }
}

/// Saves what can be read of the store at `path` into a new one at `into`, which appears when it is whole.
///
/// # Errors
/// A relay has the old file open; it cannot be read at all, or has nothing of a store; there is something at `into`, or what is left of it; it cannot be
/// written.
pub fn repair(path: &Path, into: &Path) -> Result<Repair, StoreError> {
    let unreadable = |why: String| StoreError::Unreadable(format!("{}: {why}", path.display()));
    if into.exists() {
        return Err(StoreError::Unwritable(format!("{} exists", into.display())));
    }
    Place::refuse_in_use(path)?;
    let pages = Pages::open(path).map_err(|e| unreadable(e.to_string()))?;
    let tables = Tables::read(&pages).map_err(|e| unreadable(e.to_string()))?;
    let mut saved = Saved::read(&tables);
    if saved.events.is_empty() && saved.meta.is_none() && saved.names.is_empty() {
        return Err(unreadable("nothing of a jobrelay store is left in it".to_owned()));
    }
    let mut repair = Repair {
        damaged_pages: tables.damaged() + pages.bad_maps.len() as u64,
        log_pages_lost: pages.log_lost,
        ..Repair::default()
    };
    repair.count(&saved, tables.has("ledger"));
    let rebuilt = rebuild(&mut saved, &tables);
    (repair.owed_again, repair.ended, repair.attempts_lost) = (rebuilt.owed, rebuilt.ended, rebuilt.attempts);
    repair.versions_lost = lost_versions(&mut saved);
    let place = Place::take(into)?;
    // A log that is left there would be taken for the new file's own.
    place.refuse_remains()?;
    place.create(|draft| fill(draft).and_then(|()| write(draft, &saved)).map_err(|e| unwritable(&e)))?;
    Ok(repair)
}

impl Repair {
    fn count(&mut self, saved: &Saved, books: bool) {
        let tables = [
            ("names", saved.names.len()),
            ("events", saved.events.len()),
            ("deliveries", saved.deliveries.len()),
            ("attempts", saved.attempts.len()),
        ];
        let rest = saved.rest.iter().map(|(table, rows)| (*table, rows.len()));
        self.saved = tables.into_iter().chain(rest).map(|(table, rows)| (table.to_owned(), rows as u64)).collect();
        self.doubtful = saved.doubtful.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect();
        let line = |line| saved.ledger.get(&(DOOR, line)).copied().unwrap_or(0);
        let expected: i64 = (1..=3).map(|decided| line(decided) - line(REMOVED + decided)).sum();
        let lost = expected - i64::try_from(saved.events.len()).unwrap_or(i64::MAX);
        self.events_lost = books.then_some(u64::try_from(lost).unwrap_or(0));
    }
}

/// Names those versions again that events were decided by.
fn lost_versions(saved: &mut Saved) -> u64 {
    let decided_by: std::collections::BTreeSet<String> =
        saved.events.values().filter_map(|event| saved.names.get(&int(&event.row, "version")?).cloned()).collect();
    let Some((_, versions)) = saved.rest.iter_mut().find(|(table, _)| *table == "versions") else { return 0 };
    let known: Vec<String> = versions.iter().filter_map(|row| text(row, "version").map(str::to_owned)).collect();
    let lost: Vec<String> = decided_by.into_iter().filter(|version| !known.contains(version)).collect();
    let named = |version: &String| -> Row {
        [("version", version.clone()), ("text", LOST_VERSION.to_owned())]
            .map(|(column, text)| (column.to_owned(), Value::Text(text)))
            .into()
    };
    versions.extend(lost.iter().map(named));
    lost.len() as u64
}

fn write(draft: &Path, saved: &Saved) -> rusqlite::Result<()> {
    let mut db = connect(draft, Role::Writer)?;
    let transaction = db.transaction()?;
    for (id, text) in &saved.names {
        transaction.execute("INSERT INTO names(id, text) VALUES(?1, ?2)", (id, text))?;
    }
    put(&transaction, "events", saved.events.values().map(|event| &event.row))?;
    put(&transaction, "deliveries", saved.deliveries.values())?;
    put(&transaction, "attempts", saved.attempts.values())?;
    for (table, rows) in &saved.rest {
        put(&transaction, table, rows.iter())?;
    }
    for ((receiver, line), count) in books(saved) {
        transaction.execute("INSERT INTO ledger VALUES(?1, ?2, ?3)", (receiver, line, count))?;
    }
    let of_meta = |column| saved.meta.as_ref().and_then(|row| int(row, column)).unwrap_or(0);
    let newest = saved.events.keys().chain(saved.deliveries.keys()).copied().max().unwrap_or(0);
    let apart = saved.events.values().map(|event| event.apart).max().unwrap_or(0);
    // The index of keys and jobs is made anew behind the traffic.
    transaction.execute(
        "UPDATE meta SET last = max(?1, ?2), skew = max(skew, ?3, ?4), indexed = 0",
        (newest, of_meta("last"), apart, of_meta("skew")),
    )?;
    transaction.commit()?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    db.close().map_err(|(_, e)| e)
}

fn put<'a>(db: &Connection, table: &str, rows: impl Iterator<Item = &'a Row>) -> rusqlite::Result<()> {
    let known: Vec<String> = db
        .prepare("SELECT name FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for row in rows {
        let (columns, values): (Vec<&str>, Vec<&Value>) = row
            .iter()
            .filter(|(column, _)| known.contains(column))
            .map(|(column, value)| (column.as_str(), value))
            .unzip();
        let places: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
        let sql = format!("INSERT OR IGNORE INTO {table}({}) VALUES({})", columns.join(", "), places.join(", "));
        db.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    }
    Ok(())
}

/// What the rows say, and what was removed before.
fn books(saved: &Saved) -> HashMap<(i64, i64), i64> {
    let old = |key: (i64, i64)| saved.ledger.get(&key).copied();
    // What was removed is in the books only.
    let removed = saved.ledger.iter().filter(|((_, line), _)| *line > REMOVED);
    let mut books: HashMap<(i64, i64), i64> = removed.clone().map(|(key, count)| (*key, *count)).collect();
    for (&(receiver, line), &count) in removed {
        *books.entry((receiver, line - REMOVED)).or_default() += count;
        if receiver != DOOR {
            *books.entry((receiver, MADE)).or_default() += count;
        }
    }
    for event in saved.events.values() {
        *books.entry((DOOR, decided(text(&event.row, "decision").unwrap_or_default()))).or_default() += 1;
    }
    for delivery in saved.deliveries.values() {
        let (Some(receiver), Some(state)) = (int(delivery, "receiver"), int(delivery, "state")) else { continue };
        *books.entry((receiver, MADE)).or_default() += 1;
        if state != OWED {
            *books.entry((receiver, state)).or_default() += 1;
        }
    }
    let quarantine = saved.rest.iter().filter(|(table, _)| *table == "quarantine").flat_map(|(_, rows)| rows);
    let kept: i64 = quarantine.filter_map(|row| int(row, "count")).sum();
    books.insert((DOOR, QUARANTINED), old((DOOR, QUARANTINED)).unwrap_or(0).max(kept));
    books.extend(old((DOOR, DUPLICATES)).map(|count| ((DOOR, DUPLICATES), count)));
    books
}
