//! How often the relay speaks of itself. Pure: time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::mem::discriminant;
use std::time::Duration;

use crate::event::OwnEvent;

/// In which so much of a sort is told.
pub const MINUTE: Duration = Duration::from_secs(60);
/// Of a receiver's changes, so many are told in a minute: trouble and its end. Of one that changes more often the last is told.
const CHANGES: usize = 2;
/// Of refused files: a slip, and the slip in its correction.
const REFUSALS: usize = 2;
/// Of what comes in storms: one that says how many it stands for.
const STORMS: usize = 1;

/// What is to be told, and what was lately. Holds one event for each sort and receiver.
#[derive(Debug, Default)]
pub struct Gather {
    changes: BTreeMap<String, Changes>,
    deaths: BTreeMap<String, Repeated>,
    quarantined: Repeated,
    refused: Repeated,
    /// Its teller keeps the pace itself.
    disk_low: Option<OwnEvent>,
}

/// Blocked, down, recovered: the newest counts.
#[derive(Debug, Default)]
struct Changes {
    told: Told,
    last: Option<OwnEvent>,
    held: Option<OwnEvent>,
}

/// The same again and again: the newest, and how many it stands for.
#[derive(Debug, Default)]
struct Repeated {
    told: Told,
    held: Option<OwnEvent>,
    count: u64,
}

/// When something was told lately, oldest first.
#[derive(Debug, Default)]
struct Told(VecDeque<Duration>);

impl Told {
    /// When it may be told once more, if it is told at most `most` times in any minute.
    fn again_at(&self, most: usize) -> Duration {
        let last_in_the_way = self.0.len().checked_sub(most).and_then(|place| self.0.get(place));
        last_in_the_way.map_or(Duration::ZERO, |&told| told + MINUTE)
    }

    fn note(&mut self, now: Duration) {
        self.0.retain(|&told| told + MINUTE > now);
        self.0.push_back(now);
    }
}

impl Gather {
    /// Takes in what is to be told.
    pub fn add(&mut self, what: OwnEvent) {
        match &what {
            OwnEvent::ReceiverBlocked { receiver, .. }
            | OwnEvent::ReceiverDown { receiver, .. }
            | OwnEvent::ReceiverRecovered { receiver } => {
                let changes = self.changes.entry(receiver.clone()).or_default();
                changes.held = Some(what);
            }
            OwnEvent::DeliveryDead { receiver, .. } => {
                let deaths = self.deaths.entry(receiver.clone()).or_default();
                deaths.add(what);
            }
            OwnEvent::Quarantined { .. } => self.quarantined.add(what),
            OwnEvent::RoutesRefused { .. } => self.refused.add(what),
            OwnEvent::DiskLow { .. } => self.disk_low = Some(what),
        }
    }

    /// What may be told at `now`. `still_refused`: the file on disk still is not the one that runs; one that was mended meanwhile is
    /// not told of.
    pub fn take(&mut self, now: Duration, still_refused: bool) -> Vec<OwnEvent> {
        let mut due: Vec<OwnEvent> = self.changes.values_mut().filter_map(|changes| changes.take(now)).collect();
        due.extend(self.deaths.values_mut().filter_map(|deaths| deaths.take(STORMS, now)));
        due.extend(self.quarantined.take(STORMS, now));
        due.extend(self.refused.take(REFUSALS, now).filter(|_| still_refused));
        due.extend(self.disk_low.take());
        due
    }

    /// When something that is held may be told.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let storms = self.deaths.values().chain([&self.quarantined]).filter_map(|repeated| repeated.due(STORMS));
        self.changes.values().filter_map(Changes::due).chain(storms).chain(self.refused.due(REFUSALS)).min()
    }
}

impl Changes {
    fn take(&mut self, now: Duration) -> Option<OwnEvent> {
        if now < self.told.again_at(CHANGES) {
            return None;
        }
        let what = self.held.take()?;
        // It changed and changed back.
        if self.last.as_ref().is_some_and(|last| discriminant(last) == discriminant(&what)) {
            return None;
        }
        self.told.note(now);
        self.last = Some(what.clone());
        Some(what)
    }

    fn due(&self) -> Option<Duration> {
        self.held.as_ref().map(|_| self.told.again_at(CHANGES))
    }
}

impl Repeated {
    fn add(&mut self, what: OwnEvent) {
        self.held = Some(what);
        self.count += 1;
    }

    fn take(&mut self, most: usize, now: Duration) -> Option<OwnEvent> {
        if now < self.told.again_at(most) {
            return None;
        }
        let what = self.held.take()?;
        self.told.note(now);
        let others = std::mem::take(&mut self.count) - 1;
        Some(what.with_more(others))
    }

    fn due(&self, most: usize) -> Option<Duration> {
        self.held.as_ref().map(|_| self.told.again_at(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DeliveryId, EventId};

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn dead(receiver: &str, id: i64) -> OwnEvent {
        let (receiver, reason) = (receiver.to_owned(), "400".to_owned());
        OwnEvent::DeliveryDead { receiver, delivery: DeliveryId(id), event: EventId(id), reason, more: 0 }
    }

    fn blocked() -> OwnEvent {
        OwnEvent::ReceiverBlocked { receiver: "ops".to_owned(), reason: "403".to_owned() }
    }

    fn recovered() -> OwnEvent {
        OwnEvent::ReceiverRecovered { receiver: "ops".to_owned() }
    }

    #[test]
    fn a_storm_of_dead_letters_is_one_event_a_minute_for_each_receiver() {
        let mut gather = Gather::default();
        gather.add(dead("ops", 1));
        assert_eq!(gather.take(S(0), false), [dead("ops", 1)], "the first at once");
        for id in 2..=1_001 {
            gather.add(dead("ops", id));
        }
        gather.add(dead("pager", 2_000));
        assert_eq!(gather.take(S(1), false), [dead("pager", 2_000)], "another receiver's own");
        assert_eq!(gather.take(S(59), false), []);
        assert_eq!(gather.due(), Some(S(60)), "told though nothing more comes");
        assert_eq!(gather.take(S(60), false), [dead("ops", 1_001).with_more(999)]);
        assert_eq!((gather.take(S(200), false), gather.due()), (vec![], None));
        gather.add(dead("ops", 3_000));
        assert_eq!(gather.take(S(200), false), [dead("ops", 3_000)]);
    }

    #[test]
    fn a_storm_of_unreadable_items_is_one_event_a_minute() {
        let mut gather = Gather::default();
        let item = |n: u64| OwnEvent::Quarantined { reason: format!("line {n}"), more: 0 };
        for n in 1..=10 {
            gather.add(item(n));
        }
        assert_eq!(gather.take(S(0), false), [item(10).with_more(9)], "gathered while the store could not write");
        gather.add(item(11));
        gather.add(item(12));
        assert_eq!(gather.take(S(59), false), []);
        assert_eq!(gather.take(S(60), false), [item(12).with_more(1)]);
    }

    #[test]
    fn of_a_receiver_that_comes_and_goes_the_last_change_is_told() {
        let mut gather = Gather::default();
        let mut told = Vec::new();
        for second in 0..600 {
            gather.add(if second % 2 == 0 { blocked() } else { recovered() });
            told.extend(gather.take(S(second), false).into_iter().map(|what| (second, what)));
        }
        assert_eq!(told.len(), 2 * 10, "{told:?}");
        assert_eq!(told[..2], [(0, blocked()), (1, recovered())], "trouble and its end at once");
        let end = gather.take(S(700), false);
        assert_eq!(end.last().or(told.last().map(|(_, what)| what)), Some(&recovered()), "the last word is true");
    }

    #[test]
    fn what_changed_back_meanwhile_is_not_told() {
        let mut gather = Gather::default();
        for what in [blocked(), recovered()] {
            gather.add(what.clone());
            assert_eq!(gather.take(S(0), false), [what]);
        }
        gather.add(blocked());
        gather.add(recovered());
        assert_eq!(gather.due(), Some(S(60)));
        assert_eq!(gather.take(S(60), false), [], "it is as was told last");
    }

    #[test]
    fn a_file_that_was_mended_meanwhile_is_not_told_of() {
        let refused = |problems| OwnEvent::RoutesRefused { problems, report: String::new() };
        let mut gather = Gather::default();
        for problems in [1, 2] {
            gather.add(refused(problems));
            assert_eq!(gather.take(S(0), true), [refused(problems)]);
        }
        gather.add(refused(3));
        gather.add(refused(4));
        assert_eq!(gather.take(S(10), true), []);
        assert_eq!(gather.take(S(60), true), [refused(4)], "the newest");
        gather.add(refused(5));
        assert_eq!(gather.take(S(120), false), []);
        assert_eq!(gather.due(), None);
    }
}
