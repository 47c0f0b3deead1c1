//! Room for the bodies that are in memory: counted from the time they are announced until their request is answered.
//!
//! Thousands of connections may each bring a large body at the same time. Those there is no room for are refused with 503, before
//! they cost memory, and the last part of the room is for small ones: a few large senders do not shut ordinary events out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes of all bodies together.
const MOST: usize = 64 << 20;
/// What only small bodies may use of it.
const FOR_SMALL: usize = 16 << 20;
/// A body up to this size is small; a job event has about 1,000 bytes.
const SMALL: usize = 64 << 10;

/// The room. Clones are the same room.
#[derive(Debug, Clone, Default)]
pub struct Room(Arc<AtomicUsize>);

/// One body's part, in bytes. Given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    room: Room,
    bytes: usize,
}

impl Room {
    /// A share of nothing yet.
    pub fn share(&self) -> Share {
        Share { room: self.clone(), bytes: 0 }
    }
}

impl Share {
    /// Makes the share at least `bytes` large. `false`: there is no room, and it stays as it was.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|&more| more > 0) else { return true };
        let most = if bytes <= SMALL { MOST } else { MOST - FOR_SMALL };
        let taken =
            self.room.0.fetch_update(Relaxed, Relaxed, |taken| taken.checked_add(more).filter(|&all| all <= most));
        if taken.is_ok() {
            self.bytes = bytes;
        }
        taken.is_ok()
    }

    /// The body is not kept after all.
    pub fn give_back(&mut self) {
        self.room.0.fetch_sub(std::mem::take(&mut self.bytes), Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_leave_room_for_small_ones_and_all_of_it_comes_back() {
        let room = Room::default();
        let large = || {
            let mut share = room.share();
            share.grow(1 << 20).then_some(share)
        };
        let many: Vec<Share> = std::iter::from_fn(large).collect();
        assert_eq!(many.len(), 48, "one MiB each");
        let small = || {
            let mut share = room.share();
            share.grow(SMALL).then_some(share)
        };
        let few: Vec<Share> = std::iter::from_fn(small).collect();
        assert_eq!(few.len(), 256, "64 KiB each");
        assert!(!room.share().grow(1));
        drop((many, few));
        assert_eq!(room.0.load(Relaxed), 0);
    }

    #[test]
    fn a_share_grows_to_what_was_asked_for_and_stays_if_it_cannot() {
        let room = Room::default();
        let mut share = room.share();
        assert!(share.grow(700) && share.grow(200), "large enough already");
        assert_eq!(room.0.load(Relaxed), 700);
        assert!(!share.grow(MOST) && !share.grow(usize::MAX));
        assert_eq!(room.0.load(Relaxed), 700);
        share.give_back();
        assert_eq!(room.0.load(Relaxed), 0);
    }
}
