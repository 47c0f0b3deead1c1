//! Reading beside a relay, after one, and after one that was killed.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::nobody;
use crate::event::EventId;
use crate::store::conformance::Sample;
use crate::store::sqlite::place::sibling;
use crate::store::{EventFilter, History, SqliteStore, Store as _, StoreError, repair};

fn all(path: &Path, since: Timestamp, limit: usize) -> Vec<EventId> {
    let history = History::open(path).unwrap();
    let mut walk = history.since(since).unwrap();
    let mut ids = Vec::new();
    while let Some(page) = walk.page(limit).unwrap() {
        assert!(page.len() <= limit);
        ids.extend(page.iter().map(|(id, _)| *id));
    }
    ids
}

async fn accept(store: &SqliteStore, sample: Sample) -> EventId {
    store.accept(vec![sample.build()]).await.unwrap().remove(0).id
}

#[tokio::test]
async fn it_is_whole_beside_a_relay_and_after_it_and_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let store = SqliteStore::open(&path, nobody()).unwrap();
    store.apply_version("a", "one", Timestamp::UNIX_EPOCH).await.unwrap();
    let mut ids = Vec::new();
    // The clock jumps ahead and back.
    for hours in [0, 1, 90_000, 2, -20_000, 3] {
        let sample = Sample::new(&format!("{hours}")).received_after(SignedDuration::from_hours(hours));
        ids.push(accept(&store, sample).await);
    }
    let since = Sample::new("x").received_after(SignedDuration::from_hours(1)).received_at();
    let expected = [ids[1], ids[2], ids[3], ids[5]];
    let killed = directory.path().join("killed.db");
    fs::copy(&path, &killed).unwrap();
    fs::copy(sibling(&path, "-wal"), sibling(&killed, "-wal")).unwrap();
    assert!(fs::metadata(sibling(&killed, "-wal")).unwrap().len() > 0, "or it shows nothing");
    for limit in [1, 2, 100] {
        assert_eq!(all(&path, since, limit), expected, "beside");
        assert_eq!(all(&path, Timestamp::MIN, limit), ids);
    }
    store.close().await;
    for path in [path, killed] {
        assert_eq!(all(&path, since, 2), expected, "after");
        assert_eq!(History::open(&path).unwrap().last_version().unwrap().map(|v| v.text).as_deref(), Some("one"));
        SqliteStore::open(&path, nobody()).unwrap();
    }
}

#[tokio::test]
async fn between_pages_the_relay_writes_and_its_log_starts_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let store = SqliteStore::open(&path, nobody()).unwrap();
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(accept(&store, Sample::new(&format!("{n}"))).await);
    }
    let history = History::open(&path).unwrap();
    let mut walk = history.since(Timestamp::MIN).unwrap();
    let first = walk.page(4).unwrap().unwrap();
    let read = first.into_iter().map(|(_, unread)| unread.read().unwrap().id.clone()).collect::<Vec<_>>();
    assert_eq!(read, ["0", "1", "2", "3"]);
    ids.push(accept(&store, Sample::new("later")).await);
    let checkpointer = Connection::open(&path).unwrap();
    let busy: i64 = checkpointer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0, "nothing pins the log");
    let mut rest = Vec::new();
    while let Some(page) = walk.page(4).unwrap() {
        rest.extend(page.iter().map(|(id, _)| *id));
    }
    assert_eq!(rest, ids[4..]);
}

#[tokio::test]
async fn it_cannot_write_and_refuses_what_it_does_not_know() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    assert!(matches!(History::open(&path), Err(StoreError::Unreadable(_))));
    assert!(!path.exists());
    SqliteStore::open(&path, nobody()).unwrap().close().await;
    assert_eq!(History::open(&path).unwrap().last_version().unwrap(), None);
    assert!(!sibling(&path, "-wal").exists() && !sibling(&path, "-shm").exists(), "it leaves nothing beside");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1).unwrap();
    let refused = History::open(&path).unwrap_err().to_string();
    assert!(refused.contains("an older jobrelay (schema 1"), "{refused}");
}

/// Leaves a log that was not moved into its file, as a kill does. Removes the file.
async fn log_without_its_file(path: &Path) {
    let old = SqliteStore::open(path, nobody()).unwrap();
    for n in 0..3 {
        accept(&old, Sample::new(&format!("old {n}"))).await;
    }
    let wal = fs::read(sibling(path, "-wal")).unwrap();
    old.close().await;
    fs::remove_file(path).unwrap();
    fs::write(sibling(path, "-wal"), wal).unwrap();
}

#[tokio::test]
async fn a_backup_removes_the_log_of_what_it_replaces_and_a_repair_refuses_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let store = SqliteStore::open(&path, nobody()).unwrap();
    let id = accept(&store, Sample::new("mine")).await;
    let copy = directory.path().join("copy.db");
    // One that a relay has open is not read while it is written.
    assert!(matches!(repair(&path, &copy), Err(StoreError::InUse { .. })));
    store.close().await;
    log_without_its_file(&copy).await;
    let refused = repair(&path, &copy).unwrap_err().to_string();
    assert!(refused.contains("copy.db-wal is there") && !copy.exists(), "{refused}");
    let history = History::open(&path).unwrap();
    assert_eq!(history.back_up(&path, &copy).unwrap().events, 1);
    let restored = SqliteStore::open(&copy, nobody()).unwrap();
    let found = restored.events(&EventFilter { limit: 9, ..EventFilter::default() }).await.unwrap();
    assert_eq!(found.events.iter().map(|event| event.id).collect::<Vec<_>>(), [id]);
    // A relay that runs on it is left alone.
    assert!(matches!(history.back_up(&path, &copy), Err(StoreError::InUse { .. })));
    restored.close().await;
    assert!(history.back_up(&path, &copy).is_ok());
}
