//! What is on disk, who may see it, and what is left alone.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::{Connection, params};

use super::{nobody, until};
use crate::event::{DeliveryId, EventId};
use crate::store::conformance::{Sample, tried};
use crate::store::sqlite::pack::unpack;
use crate::store::sqlite::place::sibling;
use crate::store::sqlite::schema::VERSION;
use crate::store::sqlite::{History, hashes};
use crate::store::{End, EventFilter, SqliteStore, Store as _, StoreError, repair};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/data/jobrelay.db");
    let store = SqliteStore::open(&path, nobody()).unwrap();
    store.accept(vec![Sample::new("a").to(&["ops"]).build()]).await.unwrap();
    for suffix in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&sibling(&path, suffix)), 0o600, "{suffix}");
    }
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&directory.path().join("new")), 0o700);
    store.close().await;
    assert!(!sibling(&path, "-wal").exists(), "a closed store is one file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let _store = SqliteStore::open(&path, nobody()).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn a_second_relay_is_refused_whatever_it_calls_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let link = directory.path().join("link.db");
    let store = SqliteStore::open(&path, nobody()).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for name in [&path, &link] {
        let refused = SqliteStore::open(name, nobody()).unwrap_err();
        let StoreError::InUse { pid, .. } = &refused else { panic!("{refused}") };
        assert_eq!(*pid, std::process::id().to_string());
    }
    store.close().await;
    SqliteStore::open(&link, nobody()).unwrap();
}

/// The file's and its log's bytes.
fn bytes(path: &Path) -> (Vec<u8>, Option<Vec<u8>>) {
    (fs::read(path).unwrap(), fs::read(sibling(path, "-wal")).ok())
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    SqliteStore::open(&path, nobody()).unwrap().close().await;
    let newer = VERSION + 1;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
    // Once with the mark in the file, once with it only in the log of a relay that was killed.
    let killed = directory.path().join("killed.db");
    {
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "user_version", VERSION).unwrap();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        db.pragma_update(None, "user_version", newer).unwrap();
        fs::copy(&path, &killed).unwrap();
        fs::copy(sibling(&path, "-wal"), sibling(&killed, "-wal")).unwrap();
    }
    assert!(bytes(&killed).1.is_some_and(|log| !log.is_empty()));
    for path in [path, killed] {
        let before = bytes(&path);
        let refused = SqliteStore::open(&path, nobody()).unwrap_err();
        assert!(matches!(refused, StoreError::Newer { found, known: VERSION, .. } if found == newer), "{refused}");
        assert_eq!(bytes(&path), before);
    }
}

/// As stores were whose index had a row for each pair.
fn unpack_index(db: &Connection) {
    db.execute_batch(
        "CREATE TABLE lookup(
           generation INTEGER NOT NULL, hash INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY(generation, hash, event)
         ) WITHOUT ROWID;",
    )
    .unwrap();
    let mut packed = db.prepare("SELECT generation, packed FROM hashes").unwrap();
    let rows = packed.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(i64, Vec<u8>)> = rows.collect::<rusqlite::Result<_>>().unwrap();
    for (generation, packed) in rows {
        for pair in packed.as_chunks::<16>().0 {
            let [hash, event] = [0, 8].map(|at| i64::from_be_bytes(*pair[at..].first_chunk().unwrap()));
            db.execute("INSERT INTO lookup VALUES(?1, ?2, ?3)", params![generation, hash, event]).unwrap();
        }
    }
    db.execute_batch("DROP TABLE hashes; PRAGMA user_version = 8;").unwrap();
}

/// The same, and with bodies as they came.
fn unpack_all(db: &Connection) {
    unpack_index(db);
    let mut packed = db.prepare("SELECT id, body, unpacked FROM events WHERE unpacked NOTNULL").unwrap();
    let rows = packed.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let rows: Vec<(i64, Vec<u8>, i64)> = rows.collect::<rusqlite::Result<_>>().unwrap();
    assert!(!rows.is_empty());
    for (id, body, bytes) in rows {
        db.execute("UPDATE events SET body = ?2 WHERE id = ?1", params![id, unpack(&body, bytes).unwrap()]).unwrap();
    }
    db.execute_batch("ALTER TABLE events DROP COLUMN unpacked;").unwrap();
}

#[tokio::test]
async fn a_store_of_the_first_schema_is_brought_up_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let event = {
        let store = SqliteStore::open(&path, nobody()).unwrap();
        let accepted = store.accept(vec![Sample::new("a").to(&["ops"]).build()]).await.unwrap();
        store.close().await;
        accepted[0].id
    };
    let killed = directory.path().join("killed.db");
    {
        let db = Connection::open(&path).unwrap();
        unpack_all(&db);
        db.execute_batch(
            "DROP TABLE prints; DROP TABLE ledger; DROP TABLE totals; ALTER TABLE quarantine DROP COLUMN attributes; DROP TABLE threads; DROP TABLE applied; DROP TABLE versions; \
             CREATE TABLE versions(version TEXT PRIMARY KEY, text TEXT NOT NULL, saved_at INTEGER NOT NULL); \
             INSERT INTO versions VALUES('b', 'two', 2000000000), ('a', 'one', 1000000000); PRAGMA user_version = 1;",
        )
        .unwrap();
        // As a relay that was killed leaves it: the newest pages only in the log.
        fs::copy(&path, &killed).unwrap();
        fs::copy(sibling(&path, "-wal"), sibling(&killed, "-wal")).unwrap();
    }
    for path in [path, killed] {
        for _ in 0..2 {
            let store = SqliteStore::open(&path, nobody()).unwrap();
            assert!(store.event(event).await.unwrap().is_some());
            let mut seen = Vec::new();
            for version in ["b", "a"] {
                seen.push(
                    store.ruled_since(version, jiff::Timestamp::MAX).await.unwrap().map(jiff::Timestamp::as_second),
                );
            }
            assert_eq!(seen, [Some(2), Some(1)]);
            assert_eq!(store.last_version().await.unwrap().map(|v| v.text).as_deref(), Some("two"));
            store.close().await;
        }
        let store = SqliteStore::open(&path, nobody()).unwrap();
        store.apply_version("a", "one", jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(store.last_version().await.unwrap().map(|v| v.text).as_deref(), Some("one"));
    }
}

#[tokio::test]
async fn the_books_of_an_older_store_begin_with_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let before = {
        let store = SqliteStore::open(&path, nobody()).unwrap();
        for n in 0..9 {
            let sample = Sample::new(&format!("{n}")).to(&["ops", "audit"][..n % 3]);
            let delivery = store.accept(vec![sample.build()]).await.unwrap().remove(0).deliveries;
            if n % 2 == 0 && !delivery.is_empty() {
                store.record([tried(delivery[0].0, 1, End::Delivered)].into()).await.unwrap();
            }
        }
        store.close().await;
        SqliteStore::open(&path, nobody()).unwrap().ledger().await.unwrap().life
    };
    assert_eq!((before.events.matched, before.events.nobody), (6, 3));
    assert!(before.receivers.values().all(|of| of.balance() && of.made > 0), "{before:?}");
    let db = Connection::open(&path).unwrap();
    unpack_all(&db);
    db.execute_batch("DROP TABLE prints; DROP TABLE ledger; PRAGMA user_version = 5;").unwrap();
    drop(db);
    for _ in 0..2 {
        let store = SqliteStore::open(&path, nobody()).unwrap();
        assert_eq!(store.ledger().await.unwrap().life, before);
    }
}

#[tokio::test]
async fn the_index_of_an_older_store_is_packed_and_finds_as_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let by_job = async |store: &SqliteStore| {
        let mut found = Vec::new();
        for job in 0..7 {
            let filter = EventFilter { job: Some(format!("job {job}")), limit: 100, ..EventFilter::default() };
            found.push(store.events(&filter).await.unwrap().events.iter().map(|e| e.id).collect::<Vec<_>>());
        }
        found
    };
    let before = {
        let store = SqliteStore::open(&path, nobody()).unwrap();
        store.apply_version("v1", "routes: []", jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        for n in 0..200 {
            store.accept(vec![Sample::new(&format!("{n}")).job(&format!("job {}", n % 7)).build()]).await.unwrap();
        }
        until("all but the newest are indexed", async || store.tail.len() < 30).await;
        let before = by_job(&store).await;
        store.close().await;
        before
    };
    assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 200);
    let db = Connection::open(&path).unwrap();
    unpack_index(&db);
    let pairs: i64 = db.query_row("SELECT count(*) FROM lookup", [], |row| row.get(0)).unwrap();
    assert_eq!(pairs, 180 * 3);
    drop(db);
    let audit = {
        let store = SqliteStore::open(&path, nobody()).unwrap();
        assert_eq!(by_job(&store).await, before);
        store.close().await;
        History::open(&path).unwrap().audit().unwrap()
    };
    assert!(audit.findings.is_empty(), "{audit:#?}");
}

#[tokio::test]
async fn an_index_of_many_rows_is_packed_whole_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    drop(SqliteStore::open(&path, nobody()).unwrap());
    let db = Connection::open(&path).unwrap();
    unpack_index(&db);
    let mut random = fastrand::Rng::with_seed(9);
    let mut pairs = BTreeSet::new();
    for generation in [1, 700] {
        pairs.extend((0..600).map(|n| (generation, random.i64(-99..99) << 55, generation + n)));
    }
    for (generation, hash, event) in &pairs {
        db.execute("INSERT INTO lookup VALUES(?1, ?2, ?3)", params![generation, hash, event]).unwrap();
    }
    db.execute_batch("UPDATE meta SET indexed = 1300, last = 1300").unwrap();
    drop(db);
    SqliteStore::open(&path, nobody()).unwrap().close().await;
    let db = Connection::open(&path).unwrap();
    for (generation, hash, event) in &pairs {
        let found = hashes::find(&db, *generation, *hash, event + 1, event - 1, 9).unwrap();
        assert_eq!(found, [*event], "{generation} {hash}");
    }
    let packed = db.query_row("SELECT sum(length(packed)) / 16 FROM hashes", [], |row| row.get::<_, i64>(0));
    assert_eq!(packed, Ok(1_200));
    // `repair` guesses where each table is, if the file does not say so any more.
    let roots = |db: &Connection| {
        let mut all = db.prepare("SELECT name, rootpage FROM sqlite_schema ORDER BY name").unwrap();
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<rusqlite::Result<Vec<(String, i64)>>>().unwrap()
    };
    let fresh = directory.path().join("fresh.db");
    SqliteStore::open(&fresh, nobody()).unwrap().close().await;
    assert_eq!(roots(&db), roots(&Connection::open(&fresh).unwrap()));
}

#[tokio::test]
async fn bodies_lie_as_they_came_and_packed_in_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let (path, repaired) = (directory.path().join("jobrelay.db"), directory.path().join("repaired.db"));
    let accept = async |id: &str| {
        let store = SqliteStore::open(&path, nobody()).unwrap();
        store.apply_version("v1", "routes: []", jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        let event = store.accept(vec![Sample::new(id).to(&["ops"]).build()]).await.unwrap()[0].id;
        store.close().await;
        event
    };
    let old = accept("old").await;
    let db = Connection::open(&path).unwrap();
    unpack_all(&db);
    db.pragma_update(None, "user_version", 7).unwrap();
    drop(db);
    let new = accept("new").await;
    let db = Connection::open(&path).unwrap();
    let packed =
        |id: EventId| db.query_row("SELECT unpacked NOTNULL FROM events WHERE id = ?1", [id.0], |row| row.get(0));
    assert_eq!((packed(old), packed(new)), (Ok(false), Ok(true)));
    let of_old = repair(&path, &repaired).unwrap();
    assert!(of_old.is_whole(), "{of_old:?}");
    for path in [path.clone(), repaired] {
        let audit = History::open(&path).unwrap().audit().unwrap();
        assert!(audit.findings.is_empty(), "{audit:#?}");
        let store = SqliteStore::open(&path, nobody()).unwrap();
        let read = async |id| store.event(id).await.unwrap().unwrap().event.id.clone();
        assert_eq!((read(old).await, read(new).await), ("old".to_owned(), "new".to_owned()));
        assert_eq!(
            store.owed("ops", DeliveryId(0), 9).await.unwrap().iter().filter(|o| o.content.is_some()).count(),
            2
        );
        store.close().await;
    }
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("routes.yaml");
    fs::write(&text, "receivers: {}\n".repeat(100)).unwrap();
    let other = directory.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE songs(name TEXT)").unwrap();
    for path in [text, other] {
        let before = bytes(&path);
        let refused = SqliteStore::open(&path, nobody()).unwrap_err();
        assert!(matches!(&refused, StoreError::Unreadable(why) if why.contains("not a jobrelay store")), "{refused}");
        assert_eq!(bytes(&path), before);
    }
}

#[tokio::test]
async fn a_kill_while_the_file_is_made_leaves_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    fs::write(&path, "").unwrap();
    fs::write(sibling(&path, ".new"), "half a file").unwrap();
    fs::write(sibling(&path, ".new-journal"), "half a journal").unwrap();
    let store = SqliteStore::open(&path, nobody()).unwrap();
    store.accept(vec![Sample::new("a").build()]).await.unwrap();
    assert!(!sibling(&path, ".new").exists());
}

#[tokio::test]
async fn a_place_that_cannot_be_written_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = SqliteStore::open(&file.join("jobrelay.db"), nobody()).unwrap_err();
    assert!(matches!(refused, StoreError::Unwritable(_)), "{refused}");
}
