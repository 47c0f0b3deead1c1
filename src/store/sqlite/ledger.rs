//! The books: how many deliveries were made for each receiver and what became of them, and what became of what came in. Counted along
//! in memory, as counting a million rows takes a while, and written with the transaction that changed them: a row for each line that
//! did, nearly always all in one page.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::names::Names;
use super::rows::{DEAD, DELIVERED, DISMISSED, OWED};
use crate::store::{Books, DeliveryBooks, EventBooks, Ledger};

/// The lines about events stand where a receiver's would; names count from 1.
pub const DOOR: i64 = 0;

/// What a line counts: the column `ledger.line`. Lines only ever get new numbers.
///
/// Of a receiver, 0 to 3 are the states of deliveries, those of removed events included (0, owed, is never written: it is counted
/// at the start). Of the door, 1 to 3 are what was decided.
pub type Line = i64;
pub const MADE: Line = 4;
/// To somebody, a recovery not counted.
pub const MATCHED: Line = 1;
/// Routes matched, and all say "nobody".
pub const NOBODY: Line = 2;
pub const UNMATCHED: Line = 3;
pub const DUPLICATES: Line = 5;
pub const QUARANTINED: Line = 6;
/// Added to a line from 1 to 3: of these, removed with their events.
pub const REMOVED: Line = 10;

/// Counts by receiver (a name's number, or [`DOOR`]) and line.
pub type Counts = HashMap<(i64, Line), i64>;

/// What others see of it.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<View>>);

#[derive(Debug, Default)]
struct View {
    counts: Counts,
    at_open: Counts,
    /// Of the receivers.
    names: HashMap<i64, Arc<str>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are owed, by a receiver's number; those that are owed nothing are left out.
    pub fn owed(&self) -> HashMap<i64, u64> {
        let view = self.lock();
        let owed = view.counts.iter().filter(|((_, line), count)| *line == OWED && **count > 0);
        owed.map(|((receiver, _), count)| (*receiver, count.unsigned_abs())).collect()
    }

    /// Under the names people know. Asks no disk.
    pub fn ledger(&self) -> Ledger {
        let view = self.lock();
        Ledger { life: books(&view.counts, &view.names), at_open: books(&view.at_open, &view.names) }
    }
}

fn books(counts: &Counts, names: &HashMap<i64, Arc<str>>) -> Books {
    let mut books = Books::default();
    for (&(receiver, line), &count) in counts {
        let count = u64::try_from(count).unwrap_or(0);
        if receiver == DOOR {
            let EventBooks { matched, nobody, unmatched, duplicates, quarantined } = &mut books.events;
            match line {
                MATCHED => *matched = count,
                NOBODY => *nobody = count,
                UNMATCHED => *unmatched = count,
                DUPLICATES => *duplicates = count,
                QUARANTINED => *quarantined = count,
                _ => {}
            }
        } else {
            let Some(name) = names.get(&receiver) else { continue };
            let of_receiver = books.receivers.entry(Arc::clone(name)).or_default();
            let DeliveryBooks { made, delivered, dead, dismissed, owed } = of_receiver;
            match line {
                MADE => *made = count,
                OWED => *owed = count,
                DELIVERED => *delivered = count,
                DEAD => *dead = count,
                DISMISSED => *dismissed = count,
                _ => {}
            }
        }
    }
    books
}

/// What was decided, as a line of the door.
pub fn line(is_matched: bool, has_targets: bool) -> Line {
    match (has_targets, is_matched) {
        (true, _) => MATCHED,
        (false, true) => NOBODY,
        (false, false) => UNMATCHED,
    }
}

/// The same of a decision as the store has it. One that cannot be read counts as unmatched.
pub fn decided(decision: &str) -> Line {
    #[derive(Deserialize)]
    struct Shape {
        matched: Vec<IgnoredAny>,
        targets: Vec<IgnoredAny>,
    }
    match serde_json::from_str(decision) {
        Ok(Shape { matched, targets }) => line(!matched.is_empty(), !targets.is_empty()),
        Err(_) => UNMATCHED,
    }
}

/// All lines as written.
pub fn written(db: &Connection) -> rusqlite::Result<Counts> {
    db.prepare_cached("SELECT receiver, line, count FROM ledger")?
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
        .collect()
}

/// How many are owed, by a receiver's number, by the index.
fn count_owed(db: &Connection) -> rusqlite::Result<BTreeMap<i64, i64>> {
    db.prepare_cached("SELECT receiver, count(*) FROM deliveries INDEXED BY owed WHERE state = 0 GROUP BY receiver")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// All of it, of one snapshot.
pub fn read(db: &Connection) -> rusqlite::Result<Books> {
    let snapshot = db.unchecked_transaction()?;
    let names = Names::load(&snapshot)?;
    let counts = load(&snapshot)?;
    Ok(books(&counts, &named(counts.keys(), &names)?))
}

fn load(db: &Connection) -> rusqlite::Result<Counts> {
    let mut counts = written(db)?;
    counts.extend(count_owed(db)?.into_iter().map(|(receiver, count)| ((receiver, OWED), count)));
    Ok(counts)
}

/// The writer's side.
#[derive(Debug)]
pub struct Lines {
    shared: Shared,
    changes: BTreeMap<(i64, Line), i64>,
}

impl Lines {
    pub fn load(db: &Connection, names: &Names) -> rusqlite::Result<Lines> {
        let counts = load(db)?;
        let view = View { at_open: counts.clone(), names: named(counts.keys(), names)?, counts };
        Ok(Lines { shared: Shared(Arc::new(Mutex::new(view))), changes: BTreeMap::new() })
    }

    pub fn shared(&self) -> Shared {
        self.shared.clone()
    }

    pub fn add(&mut self, receiver: i64, line: Line, by: i64) {
        *self.changes.entry((receiver, line)).or_default() += by;
    }

    /// A delivery that was owed, or not made yet, and the like.
    pub fn move_to(&mut self, receiver: i64, from: i64, to: i64) {
        self.add(receiver, from, -1);
        self.add(receiver, to, 1);
    }

    /// Writes what the running transaction changed.
    pub fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        for (&(receiver, line), &by) in self.changes.iter().filter(|((_, line), by)| *line != OWED && **by != 0) {
            db.prepare_cached(
                "INSERT INTO ledger(receiver, line, count) VALUES(?1, ?2, ?3) \
                 ON CONFLICT(receiver, line) DO UPDATE SET count = count + excluded.count",
            )?
            .execute(params![receiver, line, by])?;
        }
        Ok(())
    }

    pub fn keep(&mut self, names: &Names) {
        if self.changes.is_empty() {
            return;
        }
        let mut view = self.shared.lock();
        if self.changes.keys().any(|(receiver, _)| *receiver != DOOR && !view.names.contains_key(receiver)) {
            // A number is given out with its text, so all of them are there.
            view.names.extend(named(self.changes.keys(), names).unwrap_or_default());
        }
        while let Some((line, by)) = self.changes.pop_first() {
            *view.counts.entry(line).or_default() += by;
        }
    }

    pub fn forget(&mut self) {
        self.changes.clear();
    }
}

fn named<'a>(lines: impl Iterator<Item = &'a (i64, Line)>, names: &Names) -> rusqlite::Result<HashMap<i64, Arc<str>>> {
    let receivers = lines.map(|(receiver, _)| *receiver).filter(|receiver| *receiver != DOOR);
    receivers.map(|receiver| Ok((receiver, names.text(receiver)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_has_one_line() {
        for (decision, line) in [
            (r#"{"matched":["a"],"targets":[{"route":"a","receiver":"ops"}]}"#, MATCHED),
            (r#"{"matched":[],"targets":[{"route":"","receiver":"ops"}]}"#, MATCHED),
            (r#"{"matched":["a"],"targets":[]}"#, NOBODY),
            (r#"{"matched":[],"targets":[]}"#, UNMATCHED),
            ("nonsense", UNMATCHED),
        ] {
            assert_eq!(decided(decision), line, "{decision}");
        }
    }
}
