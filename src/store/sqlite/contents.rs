//! Events that pages of what is owed brought into memory, for as long as a lane holds them: an event for many receivers is read and held
//! once, and not by each lane that is behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::event::{Event, EventId};

/// After so many new ones, those that nobody holds any more are forgotten.
const NEW: usize = 512;

/// By their IDs: an event never changes.
#[derive(Debug, Default)]
pub struct Contents(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    events: HashMap<EventId, Weak<Event>>,
    /// How many there are when it is time to look through them.
    full: usize,
}

impl Contents {
    /// The event, from memory if it is there.
    pub fn of<E>(
        &self,
        id: EventId,
        read: impl FnOnce() -> Result<Option<Arc<Event>>, E>,
    ) -> Result<Option<Arc<Event>>, E> {
        if let Some(event) = self.known(|known| known.events.get(&id).and_then(Weak::upgrade)) {
            return Ok(Some(event));
        }
        let Some(event) = read()? else { return Ok(None) };
        Ok(Some(self.known(|known| {
            // Lanes that begin together read the same page at the same time.
            if let Some(other) = known.events.get(&id).and_then(Weak::upgrade) {
                return other;
            }
            if known.events.len() >= known.full {
                known.sweep();
            }
            known.events.insert(id, Arc::downgrade(&event));
            Arc::clone(&event)
        })))
    }

    /// Forgets those that nobody holds: until then, each takes the room of an event without its texts.
    pub fn sweep(&self) {
        self.known(Known::sweep);
    }

    fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    fn sweep(&mut self) {
        self.events.retain(|_, event| event.strong_count() > 0);
        self.events.shrink_to(NEW);
        self.full = self.events.len() + NEW;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::message::testing::{event_of, failed_job};

    fn of(contents: &Contents, id: i64, read: impl FnOnce() -> Option<Arc<Event>>) -> Option<Arc<Event>> {
        contents.of::<Infallible>(EventId(id), || Ok(read())).unwrap()
    }

    #[test]
    fn an_event_is_read_once_while_somebody_holds_it() {
        let contents = Contents::default();
        let first = of(&contents, 1, || Some(Arc::new(event_of(Some(failed_job()))))).unwrap();
        let second = of(&contents, 1, || panic!("it is in memory")).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        assert!(of(&contents, 1, || None).is_none(), "nobody held it");
    }

    #[test]
    fn of_two_that_read_it_at_the_same_time_both_hold_the_first() {
        let contents = Contents::default();
        let event = || Some(Arc::new(event_of(None)));
        let mut first = None;
        let second = of(&contents, 1, || {
            first = of(&contents, 1, event);
            event()
        });
        assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
    }

    #[test]
    fn what_nobody_holds_is_forgotten_in_time() {
        let contents = Contents::default();
        let event = || Some(Arc::new(event_of(None)));
        let held: Vec<_> = (0..1_000).map(|id| of(&contents, id, event)).collect();
        drop(held);
        for id in 1_000..10_000 {
            of(&contents, id, event);
        }
        let known = || contents.known(|known| known.events.len());
        assert!(known() <= NEW, "{}", known());
        contents.sweep();
        assert_eq!(known(), 0);
    }
}
