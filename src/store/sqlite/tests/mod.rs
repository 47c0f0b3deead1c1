//! The suite of all stores on `SQLite`, and what only this store promises.

mod audit;
mod damaged;
mod disk;
mod files;
mod history;
mod killed;
mod prints;
mod repair;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tempfile::TempDir;

use super::SqliteStore;
use super::place::sibling;
use crate::event::DeliveryId;
use crate::store::conformance::{self, Beside, Place, Sample};
use crate::store::{Handoff, Store, StoreError};

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Files {
    directory: TempDir,
    /// Where the store is now: each kill moves it on.
    current: Mutex<PathBuf>,
}

#[async_trait]
impl Place for Files {
    fn new() -> Files {
        let directory = tempfile::tempdir().unwrap();
        let current = Mutex::new(directory.path().join("0.db"));
        Files { directory, current }
    }

    async fn open(&self, handoff: Handoff) -> Arc<dyn Store> {
        let path = self.current.lock().unwrap().clone();
        if path.exists() {
            audit::assert_sound(&path);
        }
        Arc::new(SqliteStore::open(&path, handoff).unwrap())
    }

    /// Takes the files as they are at this moment, as a kill would leave them; then the old store may end as it likes.
    async fn kill(&self, _store: Arc<dyn Store>) {
        let mut current = self.current.lock().unwrap();
        let next = self.directory.path().join(format!("{}.db", fs::read_dir(self.directory.path()).unwrap().count()));
        fs::copy(&*current, &next).unwrap();
        let log = sibling(&current, "-wal");
        if log.exists() {
            fs::copy(log, sibling(&next, "-wal")).unwrap();
        }
        *current = next;
    }

    async fn open_beside(&self, handoff: Handoff) -> Option<Beside> {
        let refused = SqliteStore::open(&self.current.lock().unwrap(), handoff).expect_err("one relay at a time");
        assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
        None
    }
}

conformance::suite!(Files);

/// A hand-over to nobody.
fn nobody() -> Handoff {
    Arc::new(|_| {})
}

#[tokio::test]
async fn an_event_that_two_receivers_are_owed_is_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("jobrelay.db"), nobody()).unwrap();
    store.accept(vec![Sample::new("1").to(&["ops", "audit"]).build()]).await.unwrap();
    let owed = async |receiver| store.owed(receiver, DeliveryId(0), 10).await.unwrap().remove(0).content.unwrap();
    let first = owed("ops").await;
    assert!(Arc::ptr_eq(&first, &owed("audit").await));
}
