//! Moving the write-ahead log into the file, on a thread and a connection of its own, so that no commit waits for it.
//!
//! A passive checkpoint never waits and never makes anyone wait, but under constant writing it never catches up either, and
//! the log would grow without end. So when the log is long, the writer is asked to finish the last few pages between two
//! commits; the log then starts over. Where the checkpointer gets no time for even that, the writer waits for it: a machine under
//! load must not fill its disk with the log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::schema::{Role, connect};

/// Pages not yet in the file that start a checkpoint at once (4 MiB).
const SOON: i32 = 1_024;
/// Fewer wait this long for more.
const AT_LEAST_EVERY: Duration = Duration::from_secs(3);
/// Pages of a log that the writer should let start over (16 MiB).
const LONG: i32 = 4_096;
/// Pages of a log that the writer does not let grow further without a checkpoint (48 MiB).
const TOO_LONG: i32 = 12_288;

#[derive(Debug, Default)]
struct State {
    /// Pages in the log.
    log: i32,
    /// Of these, in the file.
    done: i32,
    /// It is the writer's turn to finish; until it has, the checkpointer keeps out of its way.
    start_over: bool,
    /// A checkpoint is under way.
    running: bool,
    /// Pages in the log when the writer last waited for a checkpoint.
    waited_at: i32,
    stop: bool,
    /// The checkpointer waits for so many pages that are not done.
    awaited: Option<i32>,
}

impl State {
    fn pending(&self) -> i32 {
        self.log - self.done
    }
}

/// What writer and checkpointer tell each other.
#[derive(Debug, Default)]
pub struct Log {
    state: Mutex<State>,
    changed: Condvar,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer: a commit left the log with so many pages.
    pub fn committed(&self, pages: i32) {
        let mut state = self.lock();
        if pages < state.log || pages <= state.done {
            // It started over.
            state.done = 0;
            state.waited_at = 0;
        }
        state.log = pages;
        if state.awaited.is_some_and(|awaited| state.pending() >= awaited) {
            self.changed.notify_one();
        }
    }

    /// The writer: whether to finish now, so that the log starts over.
    pub fn wants_to_start_over(&self) -> bool {
        self.lock().start_over
    }

    /// The writer: whether the log is so long that it must finish before it goes on; what is under way has ended then. A reader may
    /// keep the log from starting over: so it is tried again only when as much has come anew.
    pub fn is_too_long(&self) -> bool {
        let mut state = self.lock();
        if state.log - state.waited_at < TOO_LONG {
            return false;
        }
        state.waited_at = state.log;
        let running = |s: &mut State| s.running && !s.stop;
        let waited = self.changed.wait_timeout_while(state, AT_LEAST_EVERY, running);
        drop(waited);
        true
    }

    fn runs(&self, running: bool) {
        self.lock().running = running;
        self.changed.notify_all();
    }

    /// The writer: it tried, and so many pages are in the file.
    pub fn finished(&self, done: Option<i32>) {
        let mut state = self.lock();
        state.start_over = false;
        state.done = done.unwrap_or(state.done);
        self.changed.notify_all();
    }

    /// Waits until so many pages are pending, or for so long. `false`: it is time to stop.
    fn wait(&self, pending: i32, at_most: Option<Duration>) -> bool {
        let mut state = self.lock();
        state.awaited = Some(pending);
        let more = |s: &mut State| !s.stop && s.pending() < pending;
        state = match at_most {
            None => self.changed.wait_while(state, more).unwrap_or_else(PoisonError::into_inner),
            Some(time) => self.changed.wait_timeout_while(state, time, more).unwrap_or_else(PoisonError::into_inner).0,
        };
        state.awaited = None;
        !state.stop
    }

    /// Leaves the rest to the writer; one that has nothing to write does not finish either.
    fn let_start_over(&self) {
        let mut state = self.lock();
        state.start_over = true;
        let waiting = |s: &mut State| !s.stop && s.start_over;
        state =
            self.changed.wait_timeout_while(state, AT_LEAST_EVERY, waiting).unwrap_or_else(PoisonError::into_inner).0;
        state.start_over = false;
    }
}

/// The thread; [`stop`](Checkpointer::stop) it before the store closes.
pub struct Checkpointer {
    log: Arc<Log>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// # Errors
    /// When no thread can be had.
    pub fn start(path: PathBuf, log: Arc<Log>) -> std::io::Result<Checkpointer> {
        let shared = Arc::clone(&log);
        let thread = thread::Builder::new().name("jobrelay-wal".to_owned()).spawn(move || run(&path, &shared))?;
        Ok(Checkpointer { log, thread: Some(thread) })
    }

    /// Ends after what it is doing.
    pub fn stop(&mut self) {
        self.log.lock().stop = true;
        self.log.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A checkpointer that panicked has done no harm: the log is whole.
            let _ = thread.join();
        }
    }
}

fn run(path: &Path, log: &Log) {
    let mut db = None;
    // Something at all, then enough, or what has come by then.
    while log.wait(1, None) && log.wait(SOON, Some(AT_LEAST_EVERY)) {
        log.runs(true);
        let moved = checkpoint(path, &mut db);
        log.runs(false);
        match moved {
            Ok((pages, done)) => {
                let mut state = log.lock();
                state.done = done;
                let behind = pages >= LONG && state.pending() > 0;
                drop(state);
                if behind {
                    log.let_start_over();
                }
            }
            Err(error) => {
                // Most likely the disk is full: the log keeps everything, and is tried again.
                tracing::warn!(%error, "the store's log could not be moved into its file yet");
                db = None;
                log.wait(i32::MAX, Some(AT_LEAST_EVERY));
            }
        }
    }
}

/// Pages in the log, and of these in the file.
fn checkpoint(path: &Path, db: &mut Option<Connection>) -> rusqlite::Result<(i32, i32)> {
    let db = match db {
        Some(db) => db,
        none => none.insert(connect(path, Role::Checkpointer)?),
    };
    db.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)
}
