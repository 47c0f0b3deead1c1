//! The books against the rows, in one snapshot.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{OptionalExtension as _, params};

use super::{Auditor, Flaw};
use crate::store::sqlite::ledger::{self, Counts, DOOR, Line, MADE, MATCHED, NOBODY, QUARANTINED, REMOVED, UNMATCHED};
use crate::store::sqlite::rows::{DEAD, DELIVERED, DISMISSED, OWED};

/// What the walks counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub last_event: i64,
    pub last_delivery: i64,
    /// Of events, by what was decided, which never changes; of deliveries that had arrived, which stay so.
    counts: Counts,
    /// Deliveries that had not arrived, with their receivers: where they stand may have changed.
    changing: Vec<(i64, i64)>,
}

impl Tally {
    pub fn event(&mut self, decided: Line) {
        self.add(DOOR, decided, 1);
    }

    pub fn delivery(&mut self, id: i64, receiver: i64, state: i64) {
        if state == DELIVERED {
            self.add(receiver, DELIVERED, 1);
        } else {
            self.changing.push((id, receiver));
        }
    }

    fn add(&mut self, receiver: i64, line: Line, by: i64) {
        *self.counts.entry((receiver, line)).or_default() += by;
    }
}

impl Auditor<'_> {
    pub(super) fn books(&mut self) -> rusqlite::Result<()> {
        self.walk(|auditor| {
            while auditor.events()? {}
            while auditor.deliveries()? {}
            auditor.look_again()?;
            auditor.compare().map(|()| false)
        })
    }

    /// Where deliveries stand now that had not arrived when they were read.
    fn look_again(&mut self) -> rusqlite::Result<()> {
        let mut now = self.db.prepare_cached("SELECT state FROM deliveries NOT INDEXED WHERE id = ?1")?;
        for (id, receiver) in std::mem::take(&mut self.tally.changing) {
            // One that is gone was removed since.
            if let Some(state) = now.query_row(params![id], |row| row.get(0)).optional()? {
                self.tally.add(receiver, state, 1);
            }
        }
        Ok(())
    }

    fn compare(&mut self) -> rusqlite::Result<()> {
        let lines = ledger::written(self.db)?;
        let line = |receiver: i64, line: Line| lines.get(&(receiver, line)).copied().unwrap_or(0);
        let counted = std::mem::take(&mut self.tally.counts);
        let before = std::mem::take(&mut self.lines_before);
        // What was removed after it was counted.
        let removed_since = |receiver: i64, of: Line| {
            line(receiver, REMOVED + of) - before.get(&(receiver, REMOVED + of)).copied().unwrap_or(0)
        };
        let receivers: BTreeSet<i64> =
            counted.keys().chain(lines.keys()).map(|(receiver, _)| *receiver).filter(|r| *r != DOOR).collect();
        let mut wrong = Vec::new();
        let mut checked = 0;
        let mut compare = |what: String, said: i64, counted: i64, slack: i64| {
            checked += 1;
            if counted < said || counted > said + slack {
                wrong.push(format!("{what}: the books say {said}, the rows {counted}"));
            }
        };
        let rows = |receiver: i64, line: Line| counted.get(&(receiver, line)).copied().unwrap_or(0);
        for (decided, what) in [(MATCHED, "matched"), (NOBODY, "to nobody"), (UNMATCHED, "unmatched")] {
            let said = line(DOOR, decided) - line(DOOR, REMOVED + decided);
            compare(format!("events {what}"), said, rows(DOOR, decided), removed_since(DOOR, decided));
        }
        let mut owed_now = 0;
        for &receiver in &receivers {
            let name =
                self.names.get(&receiver).map_or_else(|| format!("receiver number {receiver}"), |n| format!("{n:?}"));
            let mut said_owed = line(receiver, MADE);
            for (state, what) in [(DELIVERED, "delivered"), (DEAD, "dead"), (DISMISSED, "dismissed")] {
                said_owed -= line(receiver, state);
                let said = line(receiver, state) - line(receiver, REMOVED + state);
                // Only those that had arrived were not looked at again.
                let slack = if state == DELIVERED { removed_since(receiver, state) } else { 0 };
                compare(format!("{what} to {name}"), said, rows(receiver, state), slack);
            }
            owed_now += rows(receiver, OWED);
            compare(format!("owed to {name}"), said_owed, rows(receiver, OWED), 0);
        }
        let kept: i64 = self.db.query_row("SELECT ifnull(sum(count), 0) FROM quarantine", [], |row| row.get(0))?;
        // Those that made room for others are in the books only.
        compare("quarantined".to_owned(), line(DOOR, QUARANTINED).min(kept), kept, 0);
        self.audit.checked.lines = checked;
        self.audit.checked.owed = owed_now.unsigned_abs();
        // Where rows could not be read, they could not be counted either.
        if self.whole {
            for case in wrong {
                self.audit.find(Flaw::BooksWrong, case);
            }
            self.surplus(&counted, "owed", OWED)?;
            self.surplus(&counted, "owed_of_key", OWED)?;
            self.surplus(&counted, "dead", DEAD)?;
        }
        Ok(())
    }

    /// Each row is in its index, as the walk has shown; so the index has too much in it if it has more.
    fn surplus(&mut self, counted: &Counts, index: &str, state: i64) -> rusqlite::Result<()> {
        let sql = format!(
            "SELECT receiver, count(*) FROM deliveries INDEXED BY {index} WHERE state = {state} GROUP BY receiver"
        );
        let indexed: HashMap<i64, i64> =
            self.db.prepare(&sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        for (receiver, entries) in indexed {
            let rows = counted.get(&(receiver, state)).copied().unwrap_or(0);
            if entries > rows {
                let case =
                    format!("the index {index:?} has {entries} entries of a receiver with {rows} such deliveries");
                self.audit.find(Flaw::IndexWrong, case);
            }
        }
        Ok(())
    }
}
