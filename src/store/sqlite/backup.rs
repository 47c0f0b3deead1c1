//! A copy of a store's file, beside a relay or without one.
//!
//! It is made by `SQLite`'s backup, in steps, inside one read transaction. The transaction is what makes it one moment of the store,
//! and keeps the backup from beginning anew at every commit of the relay. Meanwhile the relay's log cannot start over and grows by
//! what is written, so the steps are rested between only while it is short. `VACUUM INTO` would hold a transaction just as long, for
//! more work that cannot be paced, and would write another file than the one that was read.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::history::History;
use super::place::{Place, sibling};
use super::schema::inspect;
use super::trouble::{unreadable, unwritable};
use crate::store::StoreError;

/// Pages in a step (1 MiB).
const STEP: i32 = 256;
/// Bytes of log beyond which there is no more rest.
const LONG_LOG: u64 = 256 << 20;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BackedUp {
    /// Events in the copy.
    pub events: u64,
    /// Deliveries in it that are still owed.
    pub owed: u64,
    /// Its size.
    pub bytes: u64,
}

impl History {
    /// Copies the store as it is at this moment to a new file `to` (mode 0600), which appears only when it is whole, on disk and
    /// checked. What is there under this name is replaced, its log included: `SQLite` would write that over the copy.
    ///
    /// # Errors
    /// The store cannot be read, the copy not be written, or it is not sound; a relay runs on what is there.
    pub fn back_up(&self, path: &Path, to: &Path) -> Result<BackedUp, StoreError> {
        let failed = |e: io::Error| StoreError::Unwritable(format!("{}: {e}", to.display()));
        // Held until the copy is in place. Where no relay ever ran there is nothing to hold, and nothing is left behind.
        let real = to.canonicalize().unwrap_or_else(|_| to.to_owned());
        let _free = if sibling(&real, ".lock").exists() { Some(Place::take(to)?) } else { None };
        let draft = sibling(to, ".new");
        remove(&draft, WITH_FILE).map_err(failed)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
        let made = self.copy(path, &draft).and_then(|()| check(&draft)).and_then(|found| {
            File::open(&draft).and_then(|file| file.sync_all()).map_err(failed)?;
            let directory = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let sync = || File::open(directory).and_then(|d| d.sync_all());
            // For good, before the copy can be found beside it.
            remove(to, BESIDE).and_then(|()| sync()).map_err(failed)?;
            fs::rename(&draft, to).and_then(|()| sync()).map_err(failed)?;
            Ok(found)
        });
        if made.is_err() {
            // It says nothing that the error does not.
            let _ = remove(&draft, WITH_FILE);
        }
        made
    }

    fn copy(&self, path: &Path, draft: &Path) -> Result<(), StoreError> {
        let snapshot = self.connection().unchecked_transaction().map_err(|e| unreadable(&e))?;
        // A transaction begins with its first read.
        snapshot.query_row("SELECT last FROM meta", [], |row| row.get::<_, i64>(0)).map_err(|e| unreadable(&e))?;
        let mut copy = Connection::open(draft).map_err(|e| unwritable(&e))?;
        // It is synced once, when it is whole.
        copy.execute_batch("PRAGMA synchronous = OFF").map_err(|e| unwritable(&e))?;
        {
            let backup = Backup::new(&snapshot, &mut copy).map_err(|e| unwritable(&e))?;
            loop {
                let begun = Instant::now();
                if backup.step(STEP).map_err(|e| unwritable(&e))? == StepResult::Done {
                    break;
                }
                let log = fs::metadata(sibling(path, "-wal")).map_or(0, |found| found.len());
                if log < LONG_LOG {
                    thread::sleep(begun.elapsed());
                }
            }
        }
        copy.close().map_err(|(_, e)| unwritable(&e))
    }
}

/// A whole store, as `serve` would find it?
fn check(draft: &Path) -> Result<BackedUp, StoreError> {
    inspect(draft)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // Read as a file that nobody else has open: nothing is made beside it.
    let uri = format!("file:{}?immutable=1", percent_encoding::utf8_percent_encode(&draft.to_string_lossy(), PATH));
    let db = Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI).map_err(|e| unreadable(&e))?;
    let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|e| unreadable(&e))?;
    if sound != "ok" {
        return Err(StoreError::Unreadable(format!("the copy is not sound: {sound}")));
    }
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let events = count("SELECT count(*) FROM events").map_err(|e| unreadable(&e))?;
    let owed = count("SELECT count(*) FROM deliveries INDEXED BY owed WHERE state = 0").map_err(|e| unreadable(&e))?;
    let bytes = fs::metadata(draft).map_or(0, |found| found.len());
    Ok(BackedUp { events, owed, bytes })
}

/// What may not stand in the path of a URI as it is.
const PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');

/// What `SQLite` makes beside a file, and takes for a part of it.
const BESIDE: &[&str] = &["-journal", "-wal", "-shm"];
const WITH_FILE: &[&str] = &["", "-journal", "-wal", "-shm"];

fn remove(path: &Path, suffixes: &[&str]) -> io::Result<()> {
    for suffix in suffixes {
        match fs::remove_file(sibling(path, suffix)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}
