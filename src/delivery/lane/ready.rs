//! The heads that may be sent now, and whose turn it is.

use std::collections::BTreeSet;

use crate::event::DeliveryId;
use crate::store::KeyHash;

/// A key by its head.
pub type Head = (DeliveryId, KeyHash);

/// Heads by age. Turns alternate between the oldest of all and the newest that is urgent: a backlog drains oldest first, and who
/// must act on what fails *now* does not wait until it has. Urgent ones take half of the pace at most, so neither starves.
#[derive(Debug, Default)]
pub struct Ready {
    by_age: BTreeSet<Head>,
    urgent: BTreeSet<Head>,
    urgent_next: bool,
}

impl Ready {
    pub fn insert(&mut self, head: Head, urgent: bool) {
        self.by_age.insert(head);
        if urgent {
            self.urgent.insert(head);
        }
    }

    #[cfg(test)]
    pub fn contains(&self, head: &Head) -> bool {
        self.by_age.contains(head)
    }

    pub fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// Whose turn it is.
    pub fn next(&self) -> Option<Head> {
        let urgent = if self.urgent_next { self.urgent.last() } else { None };
        urgent.or_else(|| self.by_age.first()).copied()
    }

    /// This one is sent.
    pub fn take(&mut self, head: Head) {
        let oldest = self.by_age.first() == Some(&head);
        self.by_age.remove(&head);
        self.urgent.remove(&head);
        self.urgent_next = oldest;
    }

    /// How many urgent heads there are above `id`, counted up to `limit`.
    pub fn urgent_above(&self, id: DeliveryId, limit: usize) -> usize {
        self.urgent.range((id, KeyHash(i64::MAX))..).take(limit).count()
    }

    /// Oldest first from there on, then those before.
    pub fn in_turn(&self, from: Head) -> impl Iterator<Item = &Head> {
        self.by_age.range(from..).chain(self.by_age.range(..from))
    }

    pub fn clear(&mut self) {
        self.by_age.clear();
        self.urgent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(id: i64) -> Head {
        (DeliveryId(id), KeyHash(id))
    }

    #[test]
    fn the_oldest_and_the_newest_urgent_one_take_turns() {
        let mut ready = Ready::default();
        for id in 1..=6 {
            ready.insert(head(id), id >= 4);
        }
        let order: Vec<i64> = std::iter::from_fn(|| {
            let next = ready.next()?;
            ready.take(next);
            Some(next.0.0)
        })
        .collect();
        assert_eq!(order, [1, 6, 2, 5, 3, 4]);
    }

    #[test]
    fn urgent_ones_above_a_place_are_counted_up_to_a_limit() {
        let mut ready = Ready::default();
        for id in 1..=6 {
            ready.insert(head(id), id % 2 == 0);
        }
        assert_eq!(ready.urgent_above(DeliveryId(2), 9), 2);
        assert_eq!(ready.urgent_above(DeliveryId(0), 2), 2);
        assert_eq!(ready.urgent_above(DeliveryId(6), 9), 0);
    }
}
