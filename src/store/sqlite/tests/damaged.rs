//! Single rows that are gone or say nothing any more: they harm nothing but themselves.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{nobody, until};
use crate::event::{DeliveryId, EventId};
use crate::store::conformance::Sample;
use crate::store::sqlite::task::Writing;
use crate::store::{DeliveryFilter, EventFilter, SqliteStore, Store as _, StoreError};

struct Kept {
    _directory: TempDir,
    path: PathBuf,
    store: SqliteStore,
    ids: Vec<EventId>,
}

impl Kept {
    /// Six events of one key, each owed to ops.
    async fn new() -> Kept {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobrelay.db");
        let store = SqliteStore::open(&path, nobody()).unwrap();
        let mut ids = Vec::new();
        for n in 0..6 {
            let sample = Sample::new(&format!("{n}")).to(&["ops"]).build();
            ids.push(store.accept(vec![sample]).await.unwrap().remove(0).id);
        }
        Kept { _directory: directory, path, store, ids }
    }

    /// Does something to the event with this number.
    fn harm(&self, sql: &str, event: usize) {
        let changed = Connection::open(&self.path).unwrap().execute(sql, [self.ids[event].0]).unwrap();
        assert_eq!(changed, 1, "{sql}");
    }

    /// Each delivery owed, and whether it comes with its event.
    async fn owed(&self) -> Vec<(EventId, bool)> {
        let page = self.store.owed("ops", DeliveryId(0), 100).await.unwrap();
        let of_key = self.store.owed_of_key("ops", page[0].key, DeliveryId(0), 100).await.unwrap();
        let with_it = |owed: &crate::store::Owed| (owed.event, owed.content.is_some());
        assert_eq!(of_key.iter().map(with_it).collect::<Vec<_>>(), page.iter().map(with_it).collect::<Vec<_>>());
        page.iter().map(with_it).collect()
    }

    /// All that the history shows, by pages of two.
    async fn listed(&self, filter: EventFilter) -> Vec<EventId> {
        let mut filter = EventFilter { limit: 2, ..filter };
        let mut ids = Vec::new();
        loop {
            let page = self.store.events(&filter).await.unwrap();
            ids.extend(page.events.iter().map(|event| event.id));
            let Some(next) = page.next else { return ids };
            filter.before = Some(next);
        }
    }
}

#[tokio::test]
async fn what_is_owed_of_an_event_that_is_gone_or_says_nothing_stays_in_its_lane() {
    let kept = Kept::new().await;
    kept.harm("DELETE FROM events WHERE id = ?1", 0);
    kept.harm("UPDATE events SET body = x'00' WHERE id = ?1", 1);
    kept.harm("UPDATE events SET content_type = x'ff' WHERE id = ?1", 2);
    kept.harm("UPDATE events SET content_type = CAST(x'ff' AS TEXT) WHERE id = ?1", 3);
    kept.harm("DELETE FROM names WHERE id = (SELECT route FROM deliveries WHERE event = ?1)", 4);
    let expected: Vec<_> = kept.ids.iter().enumerate().map(|(n, id)| (*id, n >= 4)).collect();
    assert_eq!(kept.owed().await, expected);
    assert!(kept.store.content(kept.ids[0]).await.unwrap().is_none());
    for id in &kept.ids[1..4] {
        let why = kept.store.content(*id).await.unwrap_err();
        assert!(matches!(why, StoreError::EventUnreadable { event, .. } if event == *id), "{why}");
    }
    assert!(kept.store.content(kept.ids[4]).await.unwrap().is_some());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other_from_lists() {
    let kept = Kept::new().await;
    kept.harm("UPDATE events SET content_type = CAST(x'ff' AS TEXT) WHERE id = ?1", 5);
    kept.harm("UPDATE events SET received_at = received_at + 1, attributes = x'ff' WHERE id = ?1", 3);
    kept.harm("UPDATE events SET decision = 'nothing' WHERE id = ?1", 2);
    let key = Some(Sample::new("x").build().event.key.clone());
    let next = kept.store.next_of_key(key.as_deref().unwrap(), kept.ids[0], Timestamp::MAX).await.unwrap();
    assert_eq!(next.map(|event| event.id), Some(kept.ids[4]));
    for filter in [EventFilter::default(), EventFilter { key, ..EventFilter::default() }] {
        assert_eq!(kept.listed(filter).await, [4, 1, 0].map(|n| kept.ids[n]));
    }
    let why = kept.store.event(kept.ids[2]).await.unwrap_err();
    assert!(matches!(why, StoreError::EventUnreadable { .. }), "{why}");
    assert_eq!(kept.store.content(kept.ids[2]).await.unwrap().expect("a message needs no more").id, "2");
    kept.harm("DELETE FROM names WHERE id = (SELECT version FROM events WHERE id = ?1)", 0);
    assert_eq!(
        kept.store.event(kept.ids[0]).await.unwrap().map(|event| event.version.to_string()).as_deref(),
        Some("unknown")
    );
}

#[tokio::test]
async fn a_name_that_nothing_has_is_not_looked_for_in_every_row() {
    let kept = Kept::new().await;
    // Reading a row of the table would fail.
    Connection::open(&kept.path).unwrap().execute("UPDATE deliveries SET attempts = 'many'", []).unwrap();
    let of = |receiver: &str| DeliveryFilter { receiver: Some(receiver.to_owned()), limit: 9, ..Default::default() };
    assert!(kept.store.deliveries(&of("ops")).await.is_err());
    assert!(kept.store.deliveries(&of("nobody")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_work_that_breaks_fails_alone_and_leaves_nothing() {
    let kept = Kept::new().await;
    let breaks = |w: &mut Writing<'_>| -> rusqlite::Result<()> {
        w.db.execute("DELETE FROM events", [])?;
        panic!("as told");
    };
    let before = kept.store.ledger().await.unwrap();
    let broken = kept.store.queue.ask(breaks).await.unwrap_err();
    assert!(broken.to_string().contains("internal error"), "{broken}");
    assert!(kept.store.writable() && kept.store.alive());
    assert_eq!(kept.listed(EventFilter::default()).await.len(), 6);
    kept.store.accept(vec![Sample::new("next").to(&["ops"]).build()]).await.unwrap();
    assert_eq!(kept.store.ledger().await.unwrap().life.events.accepted(), before.life.events.accepted() + 1);
    assert_eq!(kept.owed().await.len(), 7);
}

#[tokio::test]
async fn a_writer_that_is_gone_says_that_only_a_restart_helps() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let store = SqliteStore::open(&path, std::sync::Arc::new(|_| panic!("as told"))).unwrap();
    assert!(store.alive());
    assert!(store.accept(vec![Sample::new("1").to(&["ops"]).build()]).await.is_err());
    until("it says so", async || !store.alive()).await;
    assert!(!store.writable());
}

#[tokio::test]
async fn an_index_that_cannot_be_written_costs_bounded_memory() {
    let kept = Kept::new().await;
    // A generation is 30 events here, and 50 of them are held.
    Connection::open(&kept.path).unwrap().execute_batch("DROP TABLE hashes; CREATE TABLE hashes(other)").unwrap();
    for batch in 0..10 {
        let events = (0..200).map(|n| Sample::new(&format!("{batch}/{n}")).job(&format!("job {n}")).build());
        kept.store.accept(events.collect()).await.unwrap();
    }
    assert!(kept.store.tail.len() <= 50 * 30, "{}", kept.store.tail.len());
    let newest = EventFilter { limit: 1, until: Some(Timestamp::MAX), ..EventFilter::default() };
    assert_eq!(kept.store.events(&newest).await.unwrap().events[0].event.id, "9/199");
    kept.store.close().await;
    let again = SqliteStore::open(&kept.path, nobody()).unwrap();
    assert!(again.tail.len() <= 50 * 30, "{}", again.tail.len());
}
