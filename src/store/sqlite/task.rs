//! A piece of work for the writer, and the queue of them: bounded by number and by bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use rusqlite::{CachedStatement, Connection};
use tokio::sync::oneshot;

use super::memory::Memory;
use crate::store::{Owed, StoreError};

/// Waiting pieces of intake beyond which more is refused.
const MOST_INTAKE: usize = 8_192;
/// All other work may go beyond: what was accepted must be able to end.
const MOST: usize = 4 * MOST_INTAKE;
/// Bytes waiting beyond which intake is refused.
const MOST_BYTES: usize = 64 << 20;

/// A transaction being written.
pub struct Writing<'a> {
    pub db: &'a Connection,
    pub memory: &'a mut Memory,
    /// Deliveries made in it, handed over once it is durable.
    pub fresh: Vec<Owed>,
    /// The relay's clock.
    pub now_ms: i64,
    pub statements: Statements<'a>,
}

/// The statements that every event needs.
#[derive(Default)]
pub struct Statements<'a> {
    pub insert_event: Once<'a>,
    pub insert_delivery: Once<'a>,
    pub update_delivery: Once<'a>,
}

/// A statement that is looked up once in a transaction: finding it by its text again and again costs as much as much of what it does.
#[derive(Default)]
pub struct Once<'a>(Option<CachedStatement<'a>>);

impl<'a> Once<'a> {
    pub fn of(&mut self, db: &'a Connection, sql: &str) -> rusqlite::Result<&mut CachedStatement<'a>> {
        Ok(match &mut self.0 {
            Some(statement) => statement,
            none => none.insert(db.prepare_cached(sql)?),
        })
    }
}

/// Something the writer does and answers.
pub trait Work: Send {
    /// Does it. May be called again if the transaction was given up.
    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()>;
    /// Tells the asker, after the transaction ended.
    fn answer(self: Box<Self>, end: Result<(), StoreError>);
}

struct Task<F, T> {
    run: F,
    output: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Work for Task<F, T>
where
    F: FnMut(&mut Writing<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        self.output = Some((self.run)(writing)?);
        Ok(())
    }

    fn answer(self: Box<Self>, end: Result<(), StoreError>) {
        let Task { output, reply, .. } = *self;
        let answer = end.and_then(|()| output.ok_or(StoreError::Closed));
        // An asker that went away has lost nothing: what it asked for is done.
        let _ = reply.send(answer);
    }
}

/// What goes through the queue.
pub enum Message {
    Work {
        work: Box<dyn Work>,
        bytes: usize,
        /// Nobody waits for it: it may wait for the next commit that somebody waits for.
        can_wait: bool,
    },
    Close,
}

#[derive(Default)]
struct Load {
    works: AtomicUsize,
    bytes: AtomicUsize,
}

/// The askers' end.
pub struct Queue {
    sender: Sender<Message>,
    load: Arc<Load>,
}

/// The writer's end.
pub struct Inbox {
    pub receiver: Receiver<Message>,
    load: Arc<Load>,
}

/// A new queue.
pub fn queue() -> (Queue, Inbox) {
    let (sender, receiver) = mpsc::channel();
    let load = Arc::new(Load::default());
    (Queue { sender, load: Arc::clone(&load) }, Inbox { receiver, load })
}

impl Queue {
    /// Asks for intake: refused first when there is too much.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Closed`], or what became of the transaction.
    pub async fn take_in<T: Send + 'static>(
        &self,
        bytes: usize,
        run: impl FnMut(&mut Writing<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let waiting = self.load.bytes.load(Ordering::Relaxed);
        // One large item is always let in when nothing else waits.
        if waiting > 0 && waiting + bytes > MOST_BYTES {
            return Err(StoreError::Busy);
        }
        self.send(bytes, MOST_INTAKE, false, run).await
    }

    /// Asks for anything else.
    pub async fn ask<T: Send + 'static>(
        &self,
        run: impl FnMut(&mut Writing<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.send(0, MOST, false, run).await
    }

    /// Asks for what can wait a little.
    pub async fn ask_at_leisure<T: Send + 'static>(
        &self,
        run: impl FnMut(&mut Writing<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.send(0, MOST, true, run).await
    }

    /// Asks the writer to end after what is queued.
    pub fn close(&self) {
        // A writer that is gone already needs no word.
        let _ = self.sender.send(Message::Close);
    }

    async fn send<T: Send + 'static>(
        &self,
        bytes: usize,
        most: usize,
        can_wait: bool,
        run: impl FnMut(&mut Writing<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.load.works.load(Ordering::Relaxed) >= most {
            return Err(StoreError::Busy);
        }
        let (reply, answer) = oneshot::channel();
        self.load.works.fetch_add(1, Ordering::Relaxed);
        self.load.bytes.fetch_add(bytes, Ordering::Relaxed);
        let work = Box::new(Task { run, output: None, reply });
        self.sender.send(Message::Work { work, bytes, can_wait }).map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Inbox {
    /// So much is not waiting any more.
    pub fn done(&self, works: usize, bytes: usize) {
        self.load.works.fetch_sub(works, Ordering::Relaxed);
        self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
