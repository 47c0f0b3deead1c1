//! What a comparison says.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::event::EventId;

/// Examples kept of each sort: the first.
const EXAMPLES: usize = 3;

/// What would have been different.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference {
    /// How many were compared.
    pub events: u64,
    /// When the first and the last of them were received.
    pub between: Option<(Timestamp, Timestamp)>,
    /// Every receiver that got or would have got a message, by name.
    pub receivers: BTreeMap<Arc<str>, ReceiverDifference>,
    /// Events that reached someone and would reach nobody.
    pub newly_nobody: Events,
    /// Of these, failed jobs (tests are none).
    pub failed_unheard: Events,
    /// Routes of the new file that matched no event.
    pub routes_unmatched: Vec<Arc<str>>,
    /// Names in the `when`s of the new file that no event had.
    pub names_unseen: Vec<UnseenName>,
}

/// What would have been different for one receiver, in messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReceiverDifference {
    /// By the old file.
    pub before: u64,
    /// By the new one.
    pub after: u64,
    /// By the new one alone.
    pub more: u64,
    /// By the old one alone.
    pub fewer: u64,
    /// By both, in other words or another form.
    pub changed: u64,
    /// The first of each.
    pub examples: Examples,
}

/// The first few of each sort.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Examples {
    /// By the new file alone.
    pub more: Vec<Example>,
    /// By the old file alone.
    pub fewer: Vec<Example>,
    /// By both, in other words or another form.
    pub changed: Vec<Example>,
}

/// Some events, and the first few of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Events {
    /// How many.
    pub count: u64,
    /// The first.
    pub examples: Vec<Example>,
}

/// An event that shows what is meant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// Its ID.
    pub event: EventId,
    /// When it was received.
    pub at: Timestamp,
    /// In a sentence: `Update data product failed: Customers`.
    pub what: String,
    /// The route that would send it, or that did; empty for a recovery that no route sends.
    pub route: Arc<str>,
    /// Of a changed message: what was said and what would be, where they begin to differ. Secrets redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<(String, String)>,
}

/// A name that no event had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnseenName {
    /// Which of [`Config::names`](crate::config::Config::names).
    #[serde(skip)]
    pub index: usize,
    /// The route that asks for it.
    pub route: Arc<str>,
    /// At which word.
    pub key: String,
    /// As written.
    pub name: String,
    /// What an event had there, if it can be meant.
    pub nearest: Option<String>,
}

impl Difference {
    /// Whether both files would have sent the same.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.receivers.values().all(|of| of.more == 0 && of.fewer == 0 && of.changed == 0)
    }

    pub(super) fn join(&mut self, other: Difference) {
        self.events += other.events;
        self.between = match (self.between, other.between) {
            (Some((from, to)), Some((other_from, other_to))) => Some((from.min(other_from), to.max(other_to))),
            (one, other) => one.or(other),
        };
        for (name, of) in other.receivers {
            self.receivers.entry(name).or_default().join(of);
        }
        self.newly_nobody.join(other.newly_nobody);
        self.failed_unheard.join(other.failed_unheard);
    }
}

impl ReceiverDifference {
    fn join(&mut self, other: ReceiverDifference) {
        self.before += other.before;
        self.after += other.after;
        self.more += other.more;
        self.fewer += other.fewer;
        self.changed += other.changed;
        let Examples { more, fewer, changed } = other.examples;
        for (list, examples) in
            [(&mut self.examples.more, more), (&mut self.examples.fewer, fewer), (&mut self.examples.changed, changed)]
        {
            keep_all(list, examples);
        }
    }
}

impl Events {
    fn join(&mut self, other: Events) {
        self.count += other.count;
        keep_all(&mut self.examples, other.examples);
    }
}

fn keep_all(list: &mut Vec<Example>, examples: Vec<Example>) {
    for example in examples {
        keep(list, example.event, || example);
    }
}

/// Keeps the first few events, in whatever order they come.
pub(super) fn keep(list: &mut Vec<Example>, event: EventId, example: impl FnOnce() -> Example) {
    let at = list.partition_point(|kept| kept.event < event);
    if at < EXAMPLES {
        list.insert(at, example());
        list.truncate(EXAMPLES);
    }
}
