//! What another routes.yaml would have meant for events that happened: each is decided by both files, and where the words or form of
//! a message differ between them, it is put together by both.
//!
//! A [`Judge`] looks at each event by itself, so there may be one in each of several threads; a [`Comparison`] joins them, and takes
//! what depends on the order of events: recoveries.

mod difference;
mod judge;
mod openings;
mod said;
mod seen;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use difference::{Difference, Events, Example, Examples, ReceiverDifference, UnseenName};
pub use judge::{Judge, RunEnd};

use super::Config;
use crate::event::{Event, EventId, Outcome};
use openings::Openings;

/// Two files, and what their difference has come to so far. Its memory is bounded by the files and by the failures that have not
/// recovered yet.
#[derive(Debug)]
pub struct Comparison {
    judge: Judge,
    open: [Openings; 2],
}

impl Comparison {
    /// Of the file that ruled, `old`, and the one that would, `new`.
    #[must_use]
    pub fn new(old: Arc<Config>, new: Arc<Config>) -> Comparison {
        Comparison { judge: Judge::new(old, new, true), open: Default::default() }
    }

    /// The same of the messages alone: no [`Difference::names_unseen`], which with thousands of names takes longer than all the rest.
    #[must_use]
    pub fn of_messages(old: Arc<Config>, new: Arc<Config>) -> Comparison {
        Comparison { judge: Judge::new(old, new, false), open: Default::default() }
    }

    /// The next event, in the order of acceptance. Tests are left out: nobody needs to be told of them.
    pub fn add(&mut self, id: EventId, event: &Arc<Event>) {
        if let Some(end) = self.judge.judge(id, event) {
            self.settle(&end);
        }
    }

    /// A judge of the same files for another thread, to be [joined](Comparison::join) when it is done.
    #[must_use]
    pub fn judge(&self) -> Judge {
        self.judge.another()
    }

    /// Takes what a judge could not say by itself. All that judges gave must come here in the order of the events.
    pub fn settle(&mut self, end: &RunEnd) {
        let key = &end.event.key;
        let outcome = end.event.job.as_ref().and_then(|job| job.outcome);
        let sent = [0, 1].map(|file| {
            let (decision, open) = (&end.decisions[file], &mut self.open[file]);
            if outcome == Some(Outcome::Succeeded) {
                return open.close(key, decision);
            }
            let receivers = &self.judge.file(file).receivers;
            open.fail(key, decision, |name| receivers.get(name).is_some_and(|receiver| receiver.common.recovered))
        });
        self.judge.count(end.id, &end.event, &sent[0], &sent[1]);
    }

    /// Adds what a judge of [`Comparison::judge`] has counted.
    pub fn join(&mut self, judge: Judge) {
        self.judge.join(judge);
    }

    /// What all of it came to.
    #[must_use]
    pub fn finish(self) -> Difference {
        self.judge.finish()
    }
}
