//! A store's history, for a process beside the relay, or without one: it never writes, and reads in short pages, as a long read would
//! pin the relay's WAL.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::events::{Unread, unread};
use super::rows::to_limit;
use super::schema::{Role, VERSION, connect, inspect};
use super::trouble::unreadable;
use super::{ids, keep, ledger};
use crate::event::EventId;
use crate::store::{Books, PAGE_BYTES, StoreError, Version};

/// A store's file, open for reading.
#[derive(Debug)]
pub struct History(Connection);

/// Events in the order of acceptance.
#[derive(Debug)]
pub struct Walk<'a> {
    db: &'a Connection,
    since: Timestamp,
    /// The last event looked at.
    last: i64,
}

impl History {
    /// Opens the file. A relay may be running on it or not.
    ///
    /// # Errors
    /// Of another schema, or none of ours; it cannot be read.
    pub fn open(path: &Path) -> Result<History, StoreError> {
        let found = inspect(path)?;
        if found < VERSION {
            return Err(StoreError::Unreadable(format!(
                "{} was written by an older jobrelay (schema {found}, this one reads {VERSION}); `jobrelay serve` of this version \
                 brings it up to date",
                path.display()
            )));
        }
        connect(path, Role::Reader).map(History).map_err(|e| unreadable(&e))
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.0
    }

    /// The books as they are on disk.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn books(&self) -> Result<Books, StoreError> {
        ledger::read(&self.0).map_err(|e| unreadable(&e))
    }

    /// The version of routes.yaml that ruled last.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last_version(&self) -> Result<Option<Version>, StoreError> {
        keep::last_version(&self.0).map_err(|e| unreadable(&e))
    }

    /// The events received then or later.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn since(&self, since: Timestamp) -> Result<Walk<'_>, StoreError> {
        let skew = ids::skew(&self.0).map_err(|e| unreadable(&e))?;
        Ok(Walk { db: &self.0, since, last: ids::lowest(since, skew) - 1 })
    }
}

impl Walk<'_> {
    /// The next ones, of at most `limit` looked at and about [`PAGE_BYTES`] of bodies; perhaps none of them, if the clock jumped. `None`: that was all.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn page(&mut self, limit: usize) -> Result<Option<Vec<(EventId, Unread)>>, StoreError> {
        self.next(limit).map_err(|e| unreadable(&e))
    }

    fn next(&mut self, limit: usize) -> rusqlite::Result<Option<Vec<(EventId, Unread)>>> {
        let mut page = self.db.prepare_cached(
            "SELECT id, received_at, content_type, attributes, body, unpacked FROM events WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        // Each page is a transaction of its own: it ends with the statement.
        let mut rows = page.query(params![self.last, to_limit(limit)])?;
        let (mut events, mut any, mut bytes) = (Vec::new(), false, 0);
        while bytes < PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            (self.last, any) = (row.get(0)?, true);
            let event = unread(row, 1)?;
            bytes += event.bytes();
            if event.received_at >= self.since {
                events.push((EventId(self.last), event));
            }
        }
        Ok(any.then_some(events))
    }
}
