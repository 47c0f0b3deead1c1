//! A store damaged by hand in every way the audit claims to find.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;

use super::nobody;
use crate::event::Form;
use crate::store::Flaw::{
    BooksWrong, DamagedRow, DeliveryMissing, DeliveryWrong, EventChanged, IndexWrong, Orphan, ReferenceWrong,
    StateWrong, Undecided, VersionLost,
};
use crate::store::conformance::{Sample, tried};
use crate::store::{Attempted, End, EventFilter, Flaw, History, NewQuarantined, NewTarget, SqliteStore, Store as _};

/// Nothing is wrong. (Samples name a version of routes.yaml that never ruled.)
pub fn assert_sound(path: &Path) {
    let mut audit = History::open(path).unwrap().audit().unwrap();
    audit.findings.remove(&Flaw::VersionLost);
    assert!(audit.findings.is_empty(), "{audit:#?}");
}

/// A store in which everything happened, closed.
pub async fn eventful() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let store = SqliteStore::open(&path, nobody()).unwrap();
    store.apply_version("v1", "routes: []", Timestamp::UNIX_EPOCH).await.unwrap();
    store.save_lane("ops", "{}").await.unwrap();
    let mut ids = Vec::new();
    for n in 0..60 {
        let sample = Sample::new(&format!("{n}")).job(&format!("job {n}")).product(&format!("product {}", n % 20));
        // Some take more than a page.
        let sample = if n % 10 == 5 { sample.note(&"much to say ".repeat(1_000)) } else { sample };
        let sample = match n % 3 {
            0 => sample.failed(&["pager"]).to(&["ops", "pager"]),
            1 => sample.to(&["ops"]),
            _ => sample.succeeded(),
        };
        let accepted = store.accept(vec![sample.build()]).await.unwrap().remove(0);
        ids.extend(accepted.deliveries.into_iter().map(|(id, _)| id));
    }
    for (n, &id) in ids.iter().enumerate() {
        let later = tried(id, 1, End::Owed { not_before: Some(Timestamp::UNIX_EPOCH) });
        let reference = Some(format!("thread {n}"));
        let attempts = match n % 5 {
            0 => vec![tried(id, 1, End::Delivered)],
            1 => vec![later, Attempted { copy: Some("sent".to_owned()), reference, ..tried(id, 2, End::Delivered) }],
            2 => vec![tried(id, 1, End::Dead)],
            3 => vec![later],
            _ => continue,
        };
        store.record(attempts.into()).await.unwrap();
    }
    store.replay(&[ids[2]], None).await.unwrap();
    store.dismiss(&[ids[7], ids[4]]).await.unwrap();
    store.move_owed("pager", "elsewhere", 2).await.unwrap();
    let first = store.events(&EventFilter { limit: 1, ..EventFilter::default() }).await.unwrap().events.remove(0).id;
    let target = NewTarget { receiver: "anew".into(), route: "anew".into() };
    store.replay_event(first, vec![target]).await.unwrap();
    let quarantined = NewQuarantined {
        form: Form { content_type: String::new(), attributes: Vec::new() },
        body: Bytes::from_static(b"nonsense"),
        reason: "not JSON".to_owned(),
        received_at: Timestamp::UNIX_EPOCH,
    };
    store.quarantine(quarantined).await.unwrap();
    store.close().await;
    (directory, path)
}

/// What an audit finds after `sql`. `hidden`: an index that is not kept up meanwhile.
fn found(path: &Path, hidden: Option<&str>, sql: &str) -> (BTreeSet<Flaw>, String) {
    let copy = path.with_extension("damaged");
    std::fs::copy(path, &copy).unwrap();
    let mut db = Connection::open(&copy).unwrap();
    if let Some(index) = hidden {
        // `SQLite` keeps up the indexes its schema has.
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
        db.execute_batch("CREATE TABLE aside AS SELECT * FROM sqlite_schema WHERE 0").unwrap();
        db.execute_batch(&format!("INSERT INTO aside SELECT * FROM sqlite_schema WHERE name = '{index}'")).unwrap();
        db.execute_batch(&format!(
            "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = '{index}'; PRAGMA schema_version = 1000;"
        ))
        .unwrap();
        db = Connection::open(&copy).unwrap();
    }
    db.execute_batch(sql).unwrap();
    if hidden.is_some() {
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
        db.execute_batch(
            "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM aside; PRAGMA schema_version = 1001;",
        )
        .unwrap();
    }
    drop(db);
    let audit = History::open(&copy).unwrap().audit().unwrap();
    (audit.findings.keys().copied().collect(), format!("{audit:#?}"))
}

#[tokio::test]
async fn an_eventful_store_is_sound() {
    let (_directory, path) = eventful().await;
    let audit = History::open(&path).unwrap().audit().unwrap();
    assert!(audit.findings.is_empty(), "{audit:#?}");
    let checked = audit.checked;
    assert_eq!(checked.events, 60);
    assert!(checked.deliveries > 70 && checked.owed > 20 && checked.attempts > 10, "{checked:?}");
    assert!(checked.references > 20 && checked.lines > 15, "{checked:?}");
}

#[tokio::test]
async fn each_damage_is_found_and_named() {
    let (_directory, path) = eventful().await;
    let one = |table: &str, condition: &str| format!("(SELECT min(rowid) FROM {table} WHERE {condition})");
    let event = one("events", "fanout = 2");
    let owed = one("deliveries", "state = 0 AND attempts = 0");
    let tried_twice = one("deliveries", "attempts = 2");
    let cases: Vec<(String, Vec<Flaw>)> = vec![
        (
            format!(
                r#"UPDATE events SET unpacked = NULL, body = CAST('{{"specversion":"1.0","id":"other"}}' AS BLOB) WHERE id = {event}"#
            ),
            vec![EventChanged],
        ),
        (format!("UPDATE events SET body = x'7b7d' WHERE id = {event}"), vec![EventChanged]),
        (format!("UPDATE events SET decision = '{{' WHERE id = {event}"), vec![Undecided, BooksWrong]),
        (
            format!("UPDATE events SET decision = '{{\"matched\":[],\"targets\":[]}}' WHERE id = {event}"),
            vec![DeliveryWrong, BooksWrong],
        ),
        (format!("UPDATE events SET version = 9999 WHERE id = {event}"), vec![VersionLost]),
        ("DELETE FROM versions".to_owned(), vec![VersionLost]),
        (format!("UPDATE events SET received_at = 0 WHERE id = {event}"), vec![IndexWrong]),
        (format!("UPDATE events SET fingerprint_id = 'x' WHERE id = {event}"), vec![DamagedRow]),
        (format!("UPDATE events SET fanout = 1 WHERE id = {event}"), vec![DeliveryMissing, DeliveryWrong]),
        (format!("DELETE FROM events WHERE id = {event}"), vec![Orphan, ReferenceWrong, BooksWrong]),
        (format!("DELETE FROM deliveries WHERE id = {event} + 1"), vec![DeliveryMissing, BooksWrong]),
        (format!("UPDATE deliveries SET receiver = route WHERE id = {event} + 1"), vec![DeliveryWrong, BooksWrong]),
        (
            format!("UPDATE deliveries SET receiver = 9999 WHERE id = {event} + 1"),
            vec![DamagedRow, DeliveryWrong, BooksWrong],
        ),
        (format!("UPDATE deliveries SET key = key + 1 WHERE id = {event} + 1"), vec![DeliveryWrong]),
        (format!("UPDATE deliveries SET state = 1 WHERE id = {owed}"), vec![StateWrong, BooksWrong]),
        (format!("UPDATE deliveries SET state = 2 WHERE id = {owed}"), vec![StateWrong, BooksWrong]),
        (format!("UPDATE deliveries SET state = 7 WHERE id = {owed}"), vec![StateWrong, BooksWrong]),
        (format!("UPDATE deliveries SET attempts = 1 WHERE id = {owed}"), vec![StateWrong]),
        ("UPDATE deliveries SET state = 0 WHERE state = 1".to_owned(), vec![StateWrong, BooksWrong]),
        ("UPDATE deliveries SET not_before = 1 WHERE state = 1".to_owned(), vec![StateWrong]),
        (format!("UPDATE deliveries SET took = NULL WHERE id = {tried_twice}"), vec![StateWrong]),
        (format!("UPDATE deliveries SET closes = id + 1 WHERE id = {owed}"), vec![ReferenceWrong]),
        (
            "UPDATE deliveries SET closes = NULL WHERE route = (SELECT id FROM names WHERE text = '')".to_owned(),
            vec![DeliveryWrong],
        ),
        (format!("DELETE FROM attempts WHERE delivery = {tried_twice}"), vec![StateWrong]),
        (format!("UPDATE attempts SET number = 9 WHERE delivery = {tried_twice}"), vec![StateWrong]),
        ("UPDATE attempts SET took = NULL".to_owned(), vec![DamagedRow]),
        ("INSERT INTO attempts(delivery, number) VALUES(5, 1)".to_owned(), vec![Orphan]),
        ("INSERT INTO copies VALUES(5, 'x')".to_owned(), vec![Orphan]),
        ("UPDATE threads SET job = job + 1".to_owned(), vec![ReferenceWrong]),
        ("UPDATE openings SET key = key + 1".to_owned(), vec![ReferenceWrong]),
        ("UPDATE openings SET delivery = delivery + (1 << 60)".to_owned(), vec![ReferenceWrong]),
        ("INSERT INTO lanes VALUES(9999, '{}')".to_owned(), vec![ReferenceWrong]),
        ("UPDATE quarantine SET body = 'other'".to_owned(), vec![DamagedRow]),
        ("UPDATE hashes SET packed = CAST(zeroblob(16) || substr(packed, 17) AS BLOB)".to_owned(), vec![IndexWrong]),
        ("INSERT INTO hashes VALUES(1, 1, 1, unhex(printf('%016X%016X', 1, 1 << 62)))".to_owned(), vec![IndexWrong]),
        ("UPDATE ledger SET count = count + 1 WHERE receiver = 0 AND line = 1".to_owned(), vec![BooksWrong]),
        ("UPDATE ledger SET count = count - 1 WHERE receiver > 0 AND line = 4".to_owned(), vec![BooksWrong]),
        ("UPDATE ledger SET count = 0 WHERE receiver = 0 AND line = 6".to_owned(), vec![BooksWrong]),
        ("DELETE FROM ledger".to_owned(), vec![BooksWrong]),
    ];
    for (sql, expected) in cases {
        let (flaws, told) = found(&path, None, &sql);
        assert_eq!(flaws, expected.into_iter().collect(), "{sql}\n{told}");
    }
}

#[tokio::test]
async fn an_index_that_went_its_own_way_is_found() {
    let (_directory, path) = eventful().await;
    for (index, sql) in [
        // Rows it lacks.
        (
            "owed",
            "INSERT INTO deliveries SELECT id + 1000, event, receiver, route, key, 0, 1, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL FROM deliveries LIMIT 1",
        ),
        (
            "owed_of_key",
            "INSERT INTO deliveries SELECT id + 1000, event, receiver, route, key, 0, 1, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL FROM deliveries LIMIT 1",
        ),
        (
            "extra",
            "INSERT INTO deliveries SELECT id + 1000, event, receiver, route, key, 0, 1, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL FROM deliveries LIMIT 1",
        ),
        ("dead", "UPDATE deliveries SET state = 2 WHERE state = 0 AND attempts = 1"),
        // Entries of rows that are not such, or not there.
        ("owed", "UPDATE deliveries SET state = 3 WHERE state = 0"),
        ("owed_of_key", "UPDATE deliveries SET state = 3 WHERE state = 0"),
        ("dead", "DELETE FROM deliveries WHERE state = 2"),
        ("thread_of", "DELETE FROM threads"),
    ] {
        let (flaws, told) = found(&path, Some(index), sql);
        let named = if index == "thread_of" { Flaw::DamagedFile } else { Flaw::IndexWrong };
        assert!(flaws.contains(&named), "{index}: {sql}\n{told}");
        assert!(told.contains(index), "{told}");
    }
}
