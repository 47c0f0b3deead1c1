//! The short way into a lane: fresh deliveries come from the store's writer in memory, without a read.
//!
//! The writer never waits. When the intake is full or shut it remembers a *gap* instead: the lane then reads from the store, where
//! everything is. Opening it before such a read closes the gap without losing anything: what was committed before is in the page,
//! what comes later is in the queue, and what is in both is dropped by its ID. Of what is passed over, the newest urgent ones are
//! kept apart, without their events: the lane may take them in ahead of its backlog.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::lane::{URGENT, urgent};
use crate::store::{LIGHT, Owed};

/// The intake of one lane. It begins shut.
#[derive(Debug)]
pub struct Intake {
    inner: Mutex<Inner>,
    capacity: usize,
    arrived: Notify,
}

#[derive(Debug)]
struct Inner {
    queue: VecDeque<Owed>,
    gap: bool,
    urgent: VecDeque<Owed>,
}

impl Intake {
    /// For at most so many deliveries.
    #[must_use]
    pub fn new(capacity: usize) -> Intake {
        Intake {
            inner: Mutex::new(Inner { queue: VecDeque::new(), gap: true, urgent: VecDeque::new() }),
            capacity,
            arrived: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fresh deliveries, in order.
    pub fn push(&self, fresh: impl IntoIterator<Item = Owed>) {
        let mut inner = self.lock();
        for owed in fresh {
            inner.gap |= inner.queue.len() >= self.capacity;
            if !inner.gap {
                let is_light = owed.content.as_ref().is_some_and(|event| event.received.body.len() <= LIGHT);
                inner.queue.push_back(if is_light { owed } else { Owed { content: None, ..owed } });
            } else if urgent(&owed) {
                if inner.urgent.len() == URGENT {
                    inner.urgent.pop_front();
                }
                inner.urgent.push_back(Owed { content: None, ..owed });
            }
        }
        drop(inner);
        self.arrived.notify_one();
    }

    /// What has come, and whether something was passed over after it.
    #[must_use]
    pub fn drain(&self) -> (VecDeque<Owed>, bool) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.queue), inner.gap)
    }

    /// The urgent ones among those passed over since last asked, in order.
    #[must_use]
    pub fn urgent(&self) -> VecDeque<Owed> {
        std::mem::take(&mut self.lock().urgent)
    }

    /// Before a read from the store that may catch up.
    pub fn open(&self) {
        let mut inner = self.lock();
        inner.queue.clear();
        inner.gap = false;
    }

    /// The lane has enough in memory: what comes now stays on disk.
    pub fn shut(&self) {
        let mut inner = self.lock();
        inner.queue.clear();
        inner.gap = true;
    }

    /// Waits until something was pushed.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }
}
