//! What always holds of a lane, checked after each of its steps wherever one runs in a test: nothing is forgotten, and memory is bounded.

use super::ahead::AT_ONCE;
use super::queue::Standing;
use super::{Lane, STRETCH};

impl Lane {
    /// # Panics
    /// When something does not hold.
    pub fn check(&self) {
        let (mut items, mut asked, mut reading) = (0, 0, 0);
        for (key, queue) in &self.keys {
            items += queue.items.len();
            asked += queue.loading.map_or(0, |page| page.limit);
            reading += usize::from(queue.loading.is_some());
            let head = queue.items.front().map(|head| head.owed.id);
            let found = match (head, queue.standing) {
                (Some(head), Standing::Ready) => self.ready.contains(&(head, *key)),
                (Some(_), Standing::Waiting(until)) => self.waiting.contains(&(until, *key)),
                (Some(head), Standing::InFlight) => self.in_flight.get(&head) == Some(key),
                // The rest of it is on disk: a read is under way, or will be.
                (None, _) => queue.spilled_to.is_some() && (queue.loading.is_some() || self.hungry.contains(key)),
            };
            assert!(found, "{key:?} is forgotten: {queue:?}");
            let newest = queue.items.back().map(|newest| newest.owed.id);
            assert!(newest.is_none_or(|newest| newest == queue.last), "{key:?} is not in order: {queue:?}");
            assert!(queue.spilled_to.is_none_or(|to| to >= queue.last), "{key:?} would not be read on: {queue:?}");
        }
        assert_eq!((items, asked), (self.held, self.asked), "deliveries held, and asked for by key");
        let capacity = self.settings.capacity;
        let most = capacity * STRETCH + capacity.div_ceil(2).max(1) + reading + AT_ONCE;
        assert!(items + asked <= most, "{items} held, {asked} asked for, {most} may be");
        let under_way = self.in_flight.len();
        assert!(under_way <= items, "{under_way} under way of {items}");
    }
}
