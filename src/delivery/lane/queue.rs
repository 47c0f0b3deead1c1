//! The deliveries of one key, as far as they are in memory.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::DeliveryId;
use crate::store::Owed;

/// A delivery in memory.
#[derive(Debug)]
pub struct Item {
    pub owed: Owed,
    /// When it came, on the age clock.
    pub came: Duration,
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
            items: VecDeque::new(),
            standing: Standing::Ready,
            last: DeliveryId(0),
            spilled_to: None,
            loading: None,
        }
    }
}

impl Queue {
    /// Leaves all but the head to the disk. Returns how many.
    pub fn spill_behind_head(&mut self) -> usize {
        let (Some(head), Some(newest)) = (self.items.front(), self.items.back()) else { return 0 };
        let (head, newest) = (head.owed.id, newest.owed.id);
        let spilled = self.items.len() - 1;
        if spilled > 0 {
            self.items.truncate(1);
            self.last = head;
            self.spilled_to = self.spilled_to.max(Some(newest));
        }
        spilled
    }
}
