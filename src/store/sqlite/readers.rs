//! A few connections that only read, used from blocking threads in short pages: a long read would pin the WAL.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema::{Role, connect};
use super::trouble::unreadable;
use crate::store::StoreError;

/// Reads at a time.
const MOST: usize = 4;

/// The pool.
pub struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    /// Connections no one uses; `None` once closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub fn new(path: PathBuf) -> Readers {
        Readers { path, permits: Arc::new(Semaphore::new(MOST)), idle: Mutex::new(Some(Vec::new())) }
    }

    /// Runs `query` on one snapshot: it sees everything committed before it began, and nothing after.
    ///
    /// # Errors
    /// [`StoreError::Closed`], [`StoreError::Unreadable`].
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let db = readers.take()?;
            let answer = db.unchecked_transaction().and_then(|snapshot| query(&snapshot));
            if answer.is_ok() {
                readers.put_back(db);
            }
            answer.map_err(|e| unreadable(&e))
        });
        read.await.unwrap_or_else(|e| Err(StoreError::Unreadable(e.to_string())))
    }

    /// Closes idle connections, and those in use once they are done.
    pub fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.as_mut().ok_or(StoreError::Closed)?.pop() {
            Some(db) => Ok(db),
            None => connect(&self.path, Role::Reader).map_err(|e| unreadable(&e)),
        }
    }

    fn put_back(&self, db: Connection) {
        if let Some(idle) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            idle.push(db);
        }
    }
}
