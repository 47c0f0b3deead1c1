//! Each event by itself: decided by both files, counted, its messages compared.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::difference::{Difference, Example, keep};
use super::openings::Sent;
use super::said::{said, where_they_differ};
use super::seen::Seen;
use crate::config::Config;
use crate::event::{Event, EventId, Outcome};
use crate::message::headline;
use crate::routing::{Decision, decide};

/// Two files, and what some of the events came to.
#[derive(Debug)]
pub struct Judge {
    files: Arc<Files>,
    difference: Difference,
    /// Of the new file, by their place, whether a route matched.
    matched: Vec<bool>,
    seen: Seen,
    /// By receiver and route, whether its messages may differ.
    differing: HashMap<[Arc<str>; 2], bool>,
}

#[derive(Debug)]
struct Files {
    both: [Arc<Config>; 2],
    /// Where the routes of the new file stand, by name.
    places: HashMap<Arc<str>, usize>,
    /// Receivers that want to hear of recoveries, in either file.
    recovered: BTreeSet<Arc<str>>,
    /// Whether names are looked for.
    names: bool,
}

/// A job's end that may open or close a failure: what it means depends on the events before.
#[derive(Debug)]
pub struct RunEnd {
    pub(super) id: EventId,
    pub(super) event: Arc<Event>,
    pub(super) decisions: [Decision; 2],
}

impl Judge {
    pub(super) fn new(old: Arc<Config>, new: Arc<Config>, names: bool) -> Judge {
        let both = [old, new];
        let recovered = both
            .iter()
            .flat_map(|config| config.receivers.values())
            .filter(|receiver| receiver.common.recovered)
            .map(|receiver| Arc::clone(&receiver.name))
            .collect();
        let numbered = both[1].routes.all().iter().enumerate();
        let places = numbered.map(|(at, route)| (Arc::clone(&route.name), at)).collect();
        Judge::of(Arc::new(Files { both, places, recovered, names }))
    }

    fn of(files: Arc<Files>) -> Judge {
        let new = &files.both[1];
        let names = if files.names { new.names.as_slice() } else { &[] };
        let (matched, seen) = (vec![false; new.routes.all().len()], Seen::new(names));
        Judge { difference: Difference::default(), matched, seen, differing: HashMap::new(), files }
    }

    pub(super) fn another(&self) -> Judge {
        Judge::of(Arc::clone(&self.files))
    }

    /// The old file is 0, the new one 1.
    pub(super) fn file(&self, file: usize) -> &Config {
        &self.files.both[file]
    }

    /// Looks at one event; a test is none that happened. What it gives back is not counted yet: it belongs to [`Comparison::settle`](super::Comparison::settle).
    pub fn judge(&mut self, id: EventId, event: &Arc<Event>) -> Option<RunEnd> {
        if event.test {
            return None;
        }
        let decisions = [0, 1].map(|file| decide(&self.files.both[file].routes, event));
        for name in &decisions[1].matched {
            if let Some(at) = self.files.places.get(name) {
                self.matched[*at] = true;
            }
        }
        self.seen.look(&self.files.both[1].names, event);
        let recovered = &self.files.recovered;
        let in_order = match event.job.as_ref().and_then(|job| job.outcome) {
            Some(Outcome::Succeeded) => !recovered.is_empty(),
            Some(Outcome::Failed) => {
                let mut targets = decisions.iter().flat_map(|decision| &decision.targets);
                let may_open = !recovered.is_empty() && event.may_run_again();
                may_open && targets.any(|target| recovered.contains(&target.receiver))
            }
            Some(Outcome::Stopped) | None => false,
        };
        if in_order {
            return Some(RunEnd { id, event: Arc::clone(event), decisions });
        }
        let [old, new] = decisions.map(|decision| decision.targets.iter().map(Sent::from).collect::<Vec<_>>());
        self.count(id, event, &old, &new);
        None
    }

    /// Counts what both files would have sent.
    pub(super) fn count(&mut self, id: EventId, event: &Arc<Event>, old: &[Sent], new: &[Sent]) {
        let at = event.received.received_at;
        let example = |route: &Arc<str>, words| Example {
            event: id,
            at,
            what: headline(event, false),
            route: route.clone(),
            words,
        };
        self.difference.events += 1;
        let (from, to) = self.difference.between.unwrap_or((at, at));
        self.difference.between = Some((from.min(at), to.max(at)));
        for was in old {
            let will = new.iter().find(|will| will.receiver == was.receiver);
            let words = will.and_then(|will| self.words(id, event, was, will));
            let receiver = self.difference.receivers.entry(Arc::clone(&was.receiver)).or_default();
            receiver.before += 1;
            let Some(will) = will else {
                receiver.fewer += 1;
                keep(&mut receiver.examples.fewer, id, || example(&was.route, None));
                continue;
            };
            receiver.after += 1;
            if let Some([old, new]) = words {
                receiver.changed += 1;
                let both = &self.files.both;
                keep(&mut receiver.examples.changed, id, || {
                    let words = where_they_differ(&both[0].redactor.redact(&old), &both[1].redactor.redact(&new));
                    example(&will.route, Some(words))
                });
            }
        }
        for will in new.iter().filter(|will| old.iter().all(|was| was.receiver != will.receiver)) {
            let receiver = self.difference.receivers.entry(Arc::clone(&will.receiver)).or_default();
            receiver.after += 1;
            receiver.more += 1;
            keep(&mut receiver.examples.more, id, || example(&will.route, None));
        }
        if let ([was, ..], []) = (old, new) {
            let failed = event.job.as_ref().is_some_and(|job| job.outcome == Some(Outcome::Failed));
            let of_jobs = failed.then_some(&mut self.difference.failed_unheard);
            for events in [&mut self.difference.newly_nobody].into_iter().chain(of_jobs) {
                events.count += 1;
                keep(&mut events.examples, id, || example(&was.route, None));
            }
        }
    }

    /// What both files would have said to a receiver, if that is not the same.
    fn words(&mut self, id: EventId, event: &Arc<Event>, was: &Sent, will: &Sent) -> Option<[String; 2]> {
        if !self.may_differ(was, will) {
            return None;
        }
        let said = |file: usize, sent: &Sent| {
            let config = &self.files.both[file];
            Some(said(config, config.receivers.get(&sent.receiver)?, id, event, sent))
        };
        let (old, new) = (said(0, was)?, said(1, will)?);
        (old != new).then_some([old, new])
    }

    /// Messages are only put together where what they are made of differs.
    fn may_differ(&mut self, was: &Sent, will: &Sent) -> bool {
        if was.route != will.route || was.closes != will.closes {
            return true;
        }
        let key = [Arc::clone(&was.receiver), Arc::clone(&was.route)];
        let [old, new] = &self.files.both;
        *self.differing.entry(key).or_insert_with_key(|[receiver, route]| {
            let (Some(before), Some(after)) = (old.receivers.get(receiver), new.receivers.get(receiver)) else {
                return false;
            };
            before.fingerprint != after.fingerprint
                || old.layers(route, before) != new.layers(route, after)
                || old.routes.timezone != new.routes.timezone
        })
    }

    pub(super) fn join(&mut self, other: Judge) {
        self.difference.join(other.difference);
        for (matched, other) in self.matched.iter_mut().zip(other.matched) {
            *matched |= other;
        }
        self.seen.join(&self.files.both[1].names, other.seen);
    }

    pub(super) fn finish(self) -> Difference {
        let new = &self.files.both[1];
        let unmatched = new.routes.all().iter().zip(&self.matched).filter(|(_, matched)| !**matched);
        Difference {
            routes_unmatched: unmatched.map(|(route, _)| Arc::clone(&route.name)).collect(),
            names_unseen: self.seen.finish(&new.names),
            ..self.difference
        }
    }
}
