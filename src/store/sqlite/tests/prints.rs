//! A start knows the newest events, from packed rows or without them.

use rusqlite::Connection;

use super::nobody;
use crate::event::EventId;
use crate::store::conformance::Sample;
use crate::store::{Accepted, EventFilter, SqliteStore, Store as _};

fn sample(n: usize) -> Sample {
    Sample { job: format!("job-{n}"), ..Sample::new(&format!("event-{n}")) }
}

async fn accept(store: &SqliteStore, n: usize) -> Accepted {
    store.accept(vec![sample(n).build()]).await.unwrap().remove(0)
}

async fn all_are_known(store: &SqliteStore, ids: &[EventId]) {
    for (n, id) in ids.iter().enumerate() {
        let again = accept(store, n).await;
        assert_eq!((again.duplicate, again.id), (true, *id), "event {n}");
        let filter = EventFilter { job: Some(format!("job-{n}")), limit: 5, ..EventFilter::default() };
        let found: Vec<EventId> = store.events(&filter).await.unwrap().events.iter().map(|stored| stored.id).collect();
        assert_eq!(found, [*id], "event {n}");
    }
}

#[tokio::test]
async fn a_start_knows_what_came_before_it_also_where_the_packed_rows_are_gone_or_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let mut ids = Vec::new();
    for damage in ["", "DELETE FROM prints", "UPDATE prints SET packed = x'00'", "UPDATE prints SET last = -last"] {
        let store = SqliteStore::open(&path, nobody()).unwrap();
        for _ in 0..25 {
            let accepted = accept(&store, ids.len()).await;
            assert!(!accepted.duplicate);
            ids.push(accepted.id);
        }
        store.close().await;
        let rows =
            |db: &Connection| db.query_row("SELECT count(*) FROM prints", [], |row| row.get::<_, i64>(0)).unwrap();
        let db = Connection::open(&path).unwrap();
        assert_eq!(rows(&db), i64::try_from(ids.len() / 20).unwrap(), "full rows are written");
        db.execute_batch(damage).unwrap();
        drop(db);
        let store = SqliteStore::open(&path, nobody()).unwrap();
        all_are_known(&store, &ids).await;
        store.close().await;
    }
}
