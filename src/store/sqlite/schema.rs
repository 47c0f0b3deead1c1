//! Tables, connections, and what a file must look like before anything is written to it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::hashes;
use super::place::{Place, sibling};
use super::trouble::{cure, damaged, unwritable};
use crate::store::StoreError;

/// "JRLY": marks the file as ours.
const APPLICATION_ID: i64 = 0x4a52_4c59;
/// The schema this program writes (`PRAGMA user_version`).
pub const VERSION: i64 = 9;

/// Times are nanoseconds since the Unix epoch: an event read back must render the same bytes as the fresh one. Texts that repeat
/// (receivers, routes, versions) are interned in `names`. No index on the hot path but those on what is owed or dead: small when all
/// is well. `hashes` is filled behind it (see `lookup`).
const TABLES: &str = "
CREATE TABLE meta(
  id INTEGER PRIMARY KEY CHECK(id = 1),
  last INTEGER NOT NULL,    -- no ID up to this is given again, even when the rows are gone
  skew INTEGER NOT NULL,    -- most milliseconds between an event's ID and its received_at
  indexed INTEGER NOT NULL  -- events up to this ID are in hashes
);
INSERT INTO meta VALUES(1, 0, 60000, 0);
CREATE TABLE names(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE events(
  id INTEGER PRIMARY KEY,
  received_at INTEGER NOT NULL,
  key INTEGER NOT NULL,     -- hashes, as in the table of them
  job INTEGER,
  sender INTEGER NOT NULL,
  fanout INTEGER NOT NULL,  -- deliveries made with it: they have the next IDs
  version INTEGER NOT NULL,
  fingerprint_id BLOB NOT NULL,
  fingerprint_data BLOB NOT NULL,
  content_type TEXT NOT NULL,
  attributes TEXT,
  decision TEXT NOT NULL,
  body BLOB NOT NULL,
  unpacked INTEGER          -- bytes of a body that is packed (see `pack`)
);
CREATE TABLE deliveries(
  id INTEGER PRIMARY KEY,
  event INTEGER NOT NULL,
  receiver INTEGER NOT NULL,
  route INTEGER NOT NULL,
  key INTEGER NOT NULL,
  state INTEGER NOT NULL,   -- 0 owed, 1 delivered, 2 dead, 3 dismissed
  extra INTEGER NOT NULL,   -- 1: added later (replayed, moved)
  closes INTEGER,
  replay_of INTEGER,
  not_before INTEGER,
  attempts INTEGER NOT NULL,
  at INTEGER, took INTEGER, verdict INTEGER, reason INTEGER, detail TEXT, notes TEXT  -- the last attempt
);
CREATE INDEX owed ON deliveries(receiver) WHERE state = 0;
CREATE INDEX owed_of_key ON deliveries(receiver, key) WHERE state = 0;  -- a receiver's own stretch, so that a long backlog slows no other
CREATE INDEX dead ON deliveries(receiver) WHERE state = 2;
CREATE INDEX extra ON deliveries(event) WHERE extra = 1;
CREATE TABLE attempts(
  delivery INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER, took INTEGER, verdict INTEGER, reason INTEGER, detail TEXT, notes TEXT,
  PRIMARY KEY(delivery, number)
) WITHOUT ROWID;
CREATE TABLE copies(delivery INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE threads(       -- messages that began one, and what later messages of the same job answer to
  receiver INTEGER NOT NULL, key INTEGER NOT NULL, job INTEGER NOT NULL, delivery INTEGER NOT NULL, reference TEXT NOT NULL,
  PRIMARY KEY(receiver, key, job, delivery)
) WITHOUT ROWID;
CREATE INDEX thread_of ON threads(delivery);
CREATE TABLE openings(
  key INTEGER NOT NULL, receiver INTEGER NOT NULL, delivery INTEGER NOT NULL,
  PRIMARY KEY(key, receiver)
) WITHOUT ROWID;
CREATE TABLE hashes(        -- (hash, event) pairs, packed (see `hashes`); hash, event: the first pair
  generation INTEGER NOT NULL, hash INTEGER NOT NULL, event INTEGER NOT NULL, packed BLOB NOT NULL
);
CREATE TABLE prints(last INTEGER PRIMARY KEY, packed BLOB NOT NULL);  -- see `prints`
CREATE TABLE lanes(receiver INTEGER PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE versions(version TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE applied(id INTEGER PRIMARY KEY, version TEXT NOT NULL, at INTEGER NOT NULL);  -- each time a version began to rule
CREATE TABLE quarantine(
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
  content_type TEXT NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL,
  attributes TEXT           -- the headers of a binary event
);
CREATE TABLE ledger(        -- see `ledger`
  receiver INTEGER NOT NULL, line INTEGER NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY(receiver, line)
) WITHOUT ROWID;
CREATE TABLE totals(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;  -- of what is gone
CREATE TABLE probe(id INTEGER PRIMARY KEY CHECK(id = 1), filler BLOB NOT NULL);
CREATE UNIQUE INDEX first_of ON hashes(generation, hash, event);  -- last, as in a store that was brought up: `repair` may have to guess
";

/// From each older schema to the next. A step and its mark are one transaction.
const STEPS: [(i64, &str); 7] = [
    (
    1,
    "CREATE TABLE applied(id INTEGER PRIMARY KEY, version TEXT NOT NULL, at INTEGER NOT NULL);
     INSERT INTO applied(version, at) SELECT version, saved_at FROM versions ORDER BY saved_at;
     ALTER TABLE versions DROP COLUMN saved_at;",
    ),
    (
        2,
        "CREATE TABLE threads(
           receiver INTEGER NOT NULL, key INTEGER NOT NULL, job INTEGER NOT NULL, delivery INTEGER NOT NULL, reference TEXT NOT NULL,
           PRIMARY KEY(receiver, key, job, delivery)
         ) WITHOUT ROWID;
         CREATE INDEX thread_of ON threads(delivery);",
    ),
    (
        4,
        "ALTER TABLE quarantine ADD COLUMN attributes TEXT;
         CREATE TABLE totals(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
    ),
    // The books of an older store begin with what it still has.
    (
        5,
        "CREATE TABLE ledger(
           receiver INTEGER NOT NULL, line INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY(receiver, line)
         ) WITHOUT ROWID;
         INSERT INTO ledger SELECT receiver, 4, count(*) FROM deliveries GROUP BY receiver;
         INSERT INTO ledger SELECT receiver, state, count(*) FROM deliveries WHERE state > 0 GROUP BY receiver, state;
         INSERT INTO ledger SELECT 0, CASE WHEN NOT json_valid(decision) THEN 3
           WHEN json_array_length(decision, '$.targets') > 0 THEN 1 WHEN json_array_length(decision, '$.matched') > 0 THEN 2 ELSE 3
           END AS line, count(*) FROM events GROUP BY line;
         INSERT INTO ledger SELECT 0, 6, sum(count) FROM quarantine HAVING count(*) > 0;",
    ),
    (6, "CREATE TABLE prints(last INTEGER PRIMARY KEY, packed BLOB NOT NULL);"),
    (7, "ALTER TABLE events ADD COLUMN unpacked INTEGER;"),
    (
        8,
        "CREATE TABLE hashes(
           generation INTEGER NOT NULL, hash INTEGER NOT NULL, event INTEGER NOT NULL, packed BLOB NOT NULL
         );",
    ),
];

/// Who uses a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Writer,
    Reader,
    Checkpointer,
}

/// Opens a store's file, creating it where there is none; one of an older schema is brought up to this one in place.
///
/// # Errors
/// [`StoreError::Newer`], [`StoreError::Unreadable`] (not a store); not a byte is written then.
pub fn prepare(place: &Place) -> Result<(), StoreError> {
    if place.is_empty()? {
        place.refuse_remains()?;
        place.create(|draft| fill(draft).map_err(|e| unwritable(&e)))?;
    } else {
        let found = inspect(&place.path)?;
        if found < VERSION {
            migrate(&place.path, found).map_err(|e| unwritable(&e))?;
        }
    }
    place.close_to_others()
}

fn migrate(path: &Path, found: i64) -> rusqlite::Result<()> {
    let mut db = connect(path, Role::Writer)?;
    for (from, step) in STEPS.iter().filter(|(from, _)| *from >= found) {
        let transaction = db.transaction()?;
        transaction.execute_batch(step)?;
        if *from == 8 {
            hashes::pack_lookup(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", from + 1)?;
        transaction.commit()?;
        tracing::info!(schema = from + 1, "the store was brought up to the schema of this version");
    }
    db.close().map_err(|(_, e)| e)
}

/// A table or an index, as a file describes it.
pub struct Described {
    pub table: bool,
    pub name: String,
    pub root: i64,
    /// Of an index that a table makes by itself: none.
    pub sql: Option<String>,
}

/// What a store that this version makes has in it.
pub fn described() -> rusqlite::Result<Vec<Described>> {
    let cannot = |e: std::io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(e));
    let directory = tempfile::tempdir().map_err(cannot)?;
    let path = directory.path().join("made.db");
    fill(&path)?;
    let db = Connection::open(path)?;
    let mut all = db.prepare("SELECT type = 'table', name, rootpage, sql FROM sqlite_schema")?;
    all.query_map([], |row| {
        Ok(Described { table: row.get(0)?, name: row.get(1)?, root: row.get(2)?, sql: row.get(3)? })
    })?
    .collect()
}

/// The marks are written before the file becomes a WAL one, so that they are never only in a WAL.
pub fn fill(draft: &Path) -> rusqlite::Result<()> {
    let db = Connection::open(draft)?;
    db.execute_batch(&format!(
        "PRAGMA auto_vacuum = INCREMENTAL; BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; \
         PRAGMA user_version = {VERSION}; COMMIT; PRAGMA journal_mode = WAL;"
    ))?;
    db.close().map_err(|(_, e)| e)
}

/// The schema of a store. Refuses what is not ours. Where no log waits, `SQLite` is not even asked, as it would leave files beside.
pub fn inspect(path: &Path) -> Result<i64, StoreError> {
    let shown = path.display().to_string();
    let foreign = |what: &str| {
        StoreError::Unreadable(format!(
            "{shown} is not a jobrelay store ({what}); nothing was changed. If it was one, {}",
            cure(path)
        ))
    };
    let mut header = [0; 100];
    let file = File::open(path).and_then(|mut file| file.read_exact(&mut header).and_then(|()| file.metadata()));
    let length = file.map(|file| file.len()).map_err(|e| {
        if e.kind() == ErrorKind::UnexpectedEof {
            foreign("too short")
        } else {
            StoreError::Unreadable(format!("{shown}: {e}"))
        }
    })?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(foreign("not a SQLite file"));
    }
    let number =
        |at: usize| i64::from(i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]));
    let log = fs::metadata(sibling(path, "-wal")).map_or(0, |log| log.len());
    if let Some(missing) = cut_short(&header, length, log) {
        return Err(damaged(path, &format!("cut short by {missing} pages")));
    }
    let mut marks = Marks { application: number(68), version: number(60) };
    if log > 0 {
        marks = marks_in_log(path).map_err(|e| damaged(path, &e.to_string()))?;
    }
    if marks.application != APPLICATION_ID {
        return Err(foreign("a SQLite file of another program"));
    }
    match marks.version {
        found @ 1..=VERSION => Ok(found),
        found if found > VERSION => Err(StoreError::Newer { path: shown, found, known: VERSION }),
        found => Err(foreign(&format!("schema {found}"))),
    }
}

/// How many pages of the file are missing that its log cannot hold either.
///
/// By <https://www.sqlite.org/fileformat2.html>: the page size is at 16, the number of pages at 28, which holds if 24 and 92 agree; a
/// log has 32 bytes and then a page with 24 more for each change.
fn cut_short(header: &[u8; 100], length: u64, log: u64) -> Option<u64> {
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size).max(512),
    };
    if header[24..28] != header[92..96] {
        return None;
    }
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    let in_log = log.saturating_sub(32) / (page + 24);
    let missing = pages.saturating_sub(length / page);
    (missing > in_log).then_some(missing)
}

struct Marks {
    application: i64,
    version: i64,
}

/// Whether closing moves the log into the file: not before it is known that the file can be used.
pub fn keep_log(db: &Connection, keep: bool) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(|_| ())
}

/// The marks as a log has them that a killed relay, perhaps a newer one, left; it stays as it is.
fn marks_in_log(path: &Path) -> rusqlite::Result<Marks> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    keep_log(&db, true)?;
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get(0));
    Ok(Marks { application: pragma("application_id")?, version: pragma("user_version")? })
}

/// Opens one connection.
pub fn connect(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    // Readers too open for writing: a read-only connection could not bring back the WAL index after a kill.
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(64);
    // A plan does not depend on what is bound: else each new `LIMIT` would be planned anew.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;")?;
    match role {
        // `journal_size_limit`: after a surge the WAL goes back to this size when it starts over.
        Role::Writer => db.execute_batch("PRAGMA cache_size = -2000; PRAGMA journal_size_limit = 67108864;")?,
        Role::Reader => db.execute_batch("PRAGMA cache_size = -2000; PRAGMA query_only = 1;")?,
        Role::Checkpointer => {}
    }
    Ok(db)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_not_planned_anew_for_what_is_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        fill(&path).unwrap();
        let db = connect(&path, Role::Reader).unwrap();
        let mut page = db.prepare("SELECT id FROM deliveries WHERE id > ?1 ORDER BY id LIMIT ?2").unwrap();
        for limit in [1, 100, 7] {
            assert_eq!(page.query_map([0, limit], |_| Ok(())).unwrap().count(), 0);
        }
        assert_eq!(page.get_status(StatementStatus::RePrepare), 0);
    }
}
