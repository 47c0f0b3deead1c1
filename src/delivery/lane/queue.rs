//! The deliveries of one key, as far as they are in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::event::DeliveryId;
use crate::store::Owed;

/// A delivery in memory.
#[derive(Debug)]
pub struct Item {
    /// Shared with the attempt that is under way.
    pub owed: Arc<Owed>,
    /// See [`Owed::urgent`].
    pub urgent: bool,
    /// When it came, on the age clock.
    pub came: Duration,
    /// Attempts of this run that sent nothing.
    pub unsent: u32,
}

/// Where the head of a queue is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// Its head is in `ready`, or it has none.
    Ready,
    /// Its head is in `waiting`, due then.
    Waiting(Duration),
    /// Its head is under way.
    InFlight,
}

/// The deliveries of one key, oldest first. Only the head may be under way.
#[derive(Debug)]
pub struct Queue {
    pub items: VecDeque<Item>,
    pub standing: Standing,
    /// The newest delivery taken in, in memory or done.
    pub last: DeliveryId,
    /// Deliveries above `last` up to this one are on disk only.
    pub spilled_to: Option<DeliveryId>,
    /// While a page of this key is being read.
    pub loading: Option<KeyPage>,
}

/// A page of one key that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct KeyPage {
    /// `spilled_to` as it was then.
    pub spilled_to: DeliveryId,
    pub limit: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            // Most keys owe one.
            items: VecDeque::with_capacity(1),
            standing: Standing::Ready,
            last: DeliveryId(0),
            spilled_to: None,
            loading: None,
        }
    }
}

impl Queue {
    /// Whether something newer may follow: all up to `last` is in memory, and its head does not wait for a retry (nothing is held
    /// behind one that does).
    pub fn goes_on(&self) -> bool {
        self.spilled_to.is_none() && self.loading.is_none() && !matches!(self.standing, Standing::Waiting(_))
    }

    pub fn holds(&self, id: DeliveryId) -> bool {
        self.items.iter().any(|item| item.owed.id == id)
    }

    /// Leaves all but the head to the disk. Those above `cursor` are read again with the backlog. Returns which.
    pub fn spill_behind_head(&mut self, cursor: DeliveryId) -> Vec<DeliveryId> {
        let Some(head) = self.items.front().map(|head| head.owed.id) else { return Vec::new() };
        let spilled: Vec<DeliveryId> = self.items.drain(1..).map(|item| item.owed.id).collect();
        if !spilled.is_empty() {
            self.last = head;
            let read_by_key = spilled.iter().rfind(|&&id| id <= cursor).copied();
            self.spilled_to = self.spilled_to.max(read_by_key);
        }
        spilled
    }
}
