//! A full disk, a bad command, a long log, and room given back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{nobody, until};
use crate::store::conformance::{Sample, tried};
use crate::store::sqlite::lookup::of_job;
use crate::store::sqlite::place::sibling;
use crate::store::{End, EventFilter, Handoff, SqliteStore, Store, StoreError};

fn new() -> (TempDir, PathBuf, SqliteStore) {
    open(nobody())
}

fn open(handoff: Handoff) -> (TempDir, PathBuf, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let store = SqliteStore::open(&path, handoff).unwrap();
    (directory, path, store)
}

/// As if the disk had room for so many pages.
async fn limit_pages(store: &SqliteStore, pages: u32) {
    let set = move |w: &mut crate::store::sqlite::task::Writing<'_>| {
        w.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    };
    store.queue.ask(set).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_of_a_batch_and_heals_by_itself() {
    let handed = Arc::new(Mutex::new(Vec::new()));
    let remember = Arc::clone(&handed);
    let (_directory, _, store) = open(Arc::new(move |fresh| {
        remember.lock().unwrap().extend(fresh.into_iter().map(|owed| owed.id));
    }));
    let big = "x".repeat(200_000);
    let sample = |n: u32| Sample::new(&format!("{n}")).note(&big).failed(&["ops"]).to(&["ops", "audit"]);
    let first = store.accept(vec![sample(0).build()]).await.unwrap().remove(0);
    limit_pages(&store, 1).await;

    let refused = store.accept(vec![sample(1).build(), sample(2).build()]).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Unwritable(why) if why == "the disk is full"), "{refused}");
    assert!(!store.writable());
    assert_eq!(handed.lock().unwrap().len(), 2, "only the first event's");
    let lanes: Vec<_> = store.lanes().await.unwrap().iter().map(|l| (l.receiver.to_string(), l.owed)).collect();
    assert_eq!(lanes, [("audit".to_owned(), 1), ("ops".to_owned(), 1)]);
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert!(!store.writable(), "the probe needs room too");
    assert!(store.accept(vec![sample(1).build()]).await.is_err());

    limit_pages(&store, 1_000_000).await;
    until("it heals without traffic", async || store.writable()).await;
    let second = store.accept(vec![sample(1).build(), sample(0).build()]).await.unwrap();
    assert!(!second[0].duplicate && !second[0].id_reused, "what was refused is not known");
    assert_eq!((second[1].duplicate, second[1].id), (true, first.id), "what was kept is");
    let recovery = store.accept(vec![Sample::new("s").succeeded().build()]).await.unwrap().remove(0);
    let closes = store.owed("ops", second[0].deliveries[0].0, 10).await.unwrap().remove(0);
    assert_eq!((closes.id, closes.closes), (recovery.deliveries[0].0, Some(second[0].deliveries[0].0)));
}

#[tokio::test]
async fn a_bad_command_fails_alone() {
    let (_directory, _, store) = new();
    let bad = || store.queue.ask(|w| w.db.execute("INSERT INTO meta VALUES(2, 0, 0, 0)", []));
    let good = |n: u32| store.accept(vec![Sample::new(&format!("{n}")).to(&["ops"]).build()]);
    // All are queued before the writer gets to them together: it is held up first.
    let held = store.queue.ask(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    });
    let (held, one, failed, two) = tokio::join!(held, good(1), bad(), good(2));
    held.unwrap();
    assert!(failed.is_err());
    let (one, two) = (one.unwrap().remove(0), two.unwrap().remove(0));
    assert!(store.writable());
    let owed = store.owed("ops", crate::event::DeliveryId(0), 10).await.unwrap();
    assert_eq!(owed.iter().map(|o| o.id).collect::<Vec<_>>(), [one.deliveries[0].0, two.deliveries[0].0]);
}

#[tokio::test]
async fn too_much_waiting_is_refused_but_outcomes_still_get_in() {
    let (_directory, _, store) = new();
    let store = Arc::new(store);
    let delivery = store.accept(vec![Sample::new("a").to(&["ops"]).build()]).await.unwrap()[0].deliveries[0].0;
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let holding = Arc::clone(&store);
    let held = tokio::spawn(async move { holding.queue.ask(move |_| Ok(wait.recv().is_ok())).await });
    let refused = Arc::new(AtomicUsize::new(0));
    let big = Arc::new("x".repeat(1 << 20));
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let (store, refused, big) = (Arc::clone(&store), Arc::clone(&refused), Arc::clone(&big));
            tokio::spawn(async move {
                let answer = store.accept(vec![Sample::new(&format!("{n}")).note(&big).build()]).await;
                if matches!(answer, Err(StoreError::Busy)) {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    until("64 MiB are enough", async || refused.load(Ordering::Relaxed) > 30).await;
    let outcome = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.record([tried(delivery, 1, End::Delivered)].into()).await }
    });
    release.send(()).unwrap();
    assert!(held.await.unwrap().unwrap());
    outcome.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(refused.load(Ordering::Relaxed) < 45);
    assert!(!store.accept(vec![Sample::new("after").build()]).await.unwrap()[0].duplicate);
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

#[tokio::test]
async fn the_log_stays_bounded_under_constant_writing_and_freed_room_goes_back() {
    let (_directory, path, store) = new();
    let store = Arc::new(store);
    let body = Arc::new("x".repeat(100_000));
    let writers: Vec<_> = (0..8)
        .map(|task| {
            let (store, body) = (Arc::clone(&store), Arc::clone(&body));
            tokio::spawn(async move {
                for n in 0..150 {
                    store.accept(vec![Sample::new(&format!("{task}/{n}")).note(&body).build()]).await.unwrap();
                }
            })
        })
        .collect();
    let mut longest = 0;
    for writer in writers {
        while !writer.is_finished() {
            longest = longest.max(size(&sibling(&path, "-wal")));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        writer.await.unwrap();
    }
    assert!(longest < 70 << 20, "120 MB were written, the log reached {longest}");
    until("the log is moved into the file", async || size(&path) > 100 << 20).await;

    let before = Sample::new("x").received_after(SignedDuration::from_secs(1)).received_at();
    while store.prune(before, 100).await.unwrap() > 0 {}
    assert!(store.events(&EventFilter { limit: 1, ..EventFilter::default() }).await.unwrap().events.is_empty());
    // Each further look gives some more back.
    for n in 0..60 {
        store.accept(vec![Sample::new(&format!("more {n}")).build()]).await.unwrap();
        store.prune(before, 100).await.unwrap();
    }
    store.close().await;
    assert!(size(&path) < 50 << 20, "{}", size(&path));
}

#[tokio::test]
async fn events_are_found_in_every_generation_and_rows_go_with_their_events() {
    let (_directory, path, store) = new();
    let sample = |n: i64| {
        let sample =
            Sample::new(&format!("{n}")).job(&format!("job {}", n % 10)).product(&format!("product {}", n % 7));
        sample.received_after(SignedDuration::from_secs(n))
    };
    let mut ids = Vec::new();
    for n in 0..200 {
        ids.push(store.accept(vec![sample(n).build()]).await.unwrap()[0].id);
    }
    let reader = Connection::open(&path).unwrap();
    let sum = |what: &str| reader.query_row(&format!("SELECT {what} FROM hashes"), [], |row| row.get::<_, i64>(0));
    let pairs = || sum("ifnull(sum(length(packed)), 0) / 16").unwrap();
    until("key, job and sender's ID of each but the newest", async || pairs() == 3 * 180).await;
    assert_eq!(sum("count(DISTINCT generation)"), Ok(6));

    let of_job = EventFilter { job: Some("job 3".to_owned()), limit: 100, ..EventFilter::default() };
    let expected: Vec<_> = (0..20).rev().map(|n| ids[n * 10 + 3]).collect();
    let found = async |filter: EventFilter| {
        store.events(&filter).await.unwrap().events.iter().map(|e| e.id).collect::<Vec<_>>()
    };
    assert_eq!(found(of_job.clone()).await, expected);
    let page = EventFilter { before: Some(expected[4]), limit: 3, ..of_job.clone() };
    assert_eq!(found(page).await, expected[5..8]);
    let key = sample(4).build().event.key.clone();
    for (after, newest) in [(4, 193), (100, 193)] {
        assert_eq!(store.next_of_key(&key, ids[after], Timestamp::MAX).await.unwrap().unwrap().id, ids[newest]);
    }
    assert!(store.next_of_key(&key, ids[193], Timestamp::MAX).await.unwrap().is_none());

    let prune = async |n: i64| {
        let before = sample(n).received_at();
        while store.prune(before, 5).await.unwrap() > 0 {}
    };
    prune(100).await;
    assert_eq!(found(of_job.clone()).await, expected[..10]);
    prune(200).await;
    assert!(found(of_job).await.is_empty());
    assert!(pairs() <= 3 * 30, "a generation at most is left for the next time: {}", pairs());
}

#[tokio::test]
async fn a_search_sees_what_goes_from_memory_to_disk_meanwhile() {
    let (_directory, path, store) = new();
    let accept = async |from: i64, to: i64| {
        for n in from..to {
            store.accept(vec![Sample::new(&format!("{n}")).job(&format!("job {}", n / 25)).build()]).await.unwrap();
        }
    };
    accept(0, 25).await;
    let search = store.tail.search(of_job("job 0"));
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT 1 FROM meta;").unwrap();
    accept(25, 50).await;
    until("they are on disk", async || store.tail.len() < 25).await;
    let found = search.find(&reader, i64::MAX, 0, 100).unwrap();
    assert_eq!((found.len(), found.is_sorted_by(|a, b| a > b)), (25, true), "{found:?}");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(store.tail.search(of_job("job 0")).find(&reader, i64::MAX, 0, 100).unwrap(), found);
}
