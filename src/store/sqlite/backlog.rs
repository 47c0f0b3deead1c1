//! How many deliveries each receiver is owed: counted along, as counting a million rows takes a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

/// Counts by a receiver's number, shared with those who ask.
pub type Counts = Arc<Mutex<HashMap<i64, u64>>>;

/// The writer's side.
#[derive(Debug)]
pub struct Backlog {
    counts: Counts,
    changes: HashMap<i64, i64>,
}

impl Backlog {
    pub fn load(db: &Connection) -> rusqlite::Result<Backlog> {
        let counts = db
            .prepare("SELECT receiver, count(*) FROM deliveries INDEXED BY owed WHERE state = 0 GROUP BY receiver")?
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Backlog { counts: Arc::new(Mutex::new(counts)), changes: HashMap::new() })
    }

    pub fn counts(&self) -> Counts {
        Arc::clone(&self.counts)
    }

    pub fn change(&mut self, receiver: i64, by: i64) {
        *self.changes.entry(receiver).or_default() += by;
    }

    pub fn keep(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (receiver, by) in self.changes.drain() {
            let count = counts.entry(receiver).or_default();
            *count = count.saturating_add_signed(by);
        }
        counts.retain(|_, &mut count| count > 0);
    }

    pub fn forget(&mut self) {
        self.changes.clear();
    }
}
