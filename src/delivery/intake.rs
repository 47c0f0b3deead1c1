//! The short way into a lane: fresh deliveries come from the store's writer in memory, without a read.
//!
//! The writer never waits. When the intake is full or shut it remembers a *gap* instead: the lane then reads from the store, where
//! everything is. Opening it before such a read closes the gap without losing anything: what was committed before is in the page,
//! what comes later is in the queue, and what is in both is dropped by its ID. Of what is passed over, the newest urgent ones are
//! kept apart, without their events: the lane may take them in ahead of its backlog.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::lane::URGENT;
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

impl Inner {
    /// It stays on disk only, and is remembered if it is urgent.
    fn pass_over(&mut self, owed: Owed) {
        if owed.urgent {
            if self.urgent.len() == URGENT {
                self.urgent.pop_front();
            }
            self.urgent.push_back(Owed { content: None, ..owed });
        }
    }

    /// The same for all that is queued. What was passed over before may be newer, if the queue was full.
    fn pass_over_all(&mut self) {
        let newer = self.queue.back().and_then(|last| self.urgent.iter().position(|owed| owed.id > last.id));
        let newer = self.urgent.split_off(newer.unwrap_or(self.urgent.len()));
        for owed in std::mem::take(&mut self.queue).into_iter().chain(newer) {
            self.pass_over(owed);
        }
    }
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
            if inner.gap {
                inner.pass_over(owed);
            } else {
                let is_light = owed.content.as_ref().is_some_and(|event| event.received.body.len() <= LIGHT);
                inner.queue.push_back(if is_light { owed } else { Owed { content: None, ..owed } });
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
        inner.pass_over_all();
        inner.gap = false;
    }

    /// The lane has enough in memory: what comes now stays on disk.
    pub fn shut(&self) {
        let mut inner = self.lock();
        inner.pass_over_all();
        inner.gap = true;
    }

    /// Waits until something was pushed.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: usize = 1_024;
    use crate::event::{DeliveryId, EventId};
    use crate::store::KeyHash;

    /// An odd one is urgent: it closes a failure.
    fn owed(id: i64) -> Owed {
        Owed {
            id: DeliveryId(id),
            event: EventId(id),
            receiver: "r".into(),
            route: "a route".into(),
            key: KeyHash(id),
            attempts: 0,
            not_before: None,
            closes: (id % 2 == 1).then_some(DeliveryId(1)),
            urgent: id % 2 == 1,
            content: None,
        }
    }

    fn urgent_ones(intake: &Intake) -> Vec<i64> {
        intake.urgent().iter().map(|owed| owed.id.0).collect()
    }

    #[test]
    fn an_urgent_one_that_comes_while_a_page_is_read_is_not_forgotten() {
        let intake = Intake::new(CAPACITY);
        intake.open();
        intake.push([owed(10), owed(11), owed(12)]);
        // The page did not catch up.
        intake.shut();
        intake.push([owed(13)]);
        assert_eq!(urgent_ones(&intake), [11, 13]);
    }

    #[test]
    fn what_is_dropped_from_a_full_queue_stands_before_what_was_passed_over_after_it() {
        let intake = Intake::new(CAPACITY);
        intake.open();
        let capacity = i64::try_from(CAPACITY).unwrap();
        intake.push((0..capacity + 4).map(owed));
        intake.open();
        let (urgent, newest) = (urgent_ones(&intake), capacity + 3);
        assert_eq!((urgent.len(), urgent.is_sorted(), urgent.last()), (URGENT, true, Some(&newest)));
    }
}
