//! Names of receivers, routes and versions as small numbers. They come from routes.yaml, so there are few of them.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

/// The writer's view of the table `names`.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<Arc<str>, i64>,
    texts: HashMap<i64, Arc<str>>,
    /// Not kept yet.
    fresh: Vec<i64>,
}

impl Names {
    pub fn load(db: &Connection) -> rusqlite::Result<Names> {
        let mut names = Names::default();
        let mut all = db.prepare("SELECT id, text FROM names")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            names.add(row.get(0)?, row.get(1)?);
        }
        Ok(names)
    }

    /// A text's number; a new text gets one.
    pub fn number(&mut self, db: &Connection, text: &Arc<str>) -> rusqlite::Result<i64> {
        if let Some(&number) = self.numbers.get(text) {
            return Ok(number);
        }
        db.prepare_cached("INSERT INTO names(text) VALUES(?1)")?.execute(params![&**text])?;
        let number = db.last_insert_rowid();
        self.add(number, Arc::clone(text));
        self.fresh.push(number);
        Ok(number)
    }

    /// A text's number, if it has one.
    pub fn known(&self, text: &str) -> Option<i64> {
        self.numbers.get(text).copied()
    }

    /// A number's text. Numbers come from this table; one without a text is a damaged file.
    ///
    /// # Errors
    /// `QueryReturnedNoRows`.
    pub fn text(&self, number: i64) -> rusqlite::Result<Arc<str>> {
        self.texts.get(&number).cloned().ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    pub fn keep(&mut self) {
        self.fresh.clear();
    }

    pub fn forget(&mut self) {
        while let Some(number) = self.fresh.pop() {
            if let Some(text) = self.texts.remove(&number) {
                self.numbers.remove(&text);
            }
        }
    }

    fn add(&mut self, number: i64, text: Arc<str>) {
        self.numbers.insert(Arc::clone(&text), number);
        self.texts.insert(number, text);
    }
}
