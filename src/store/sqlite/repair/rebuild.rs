//! What is lost and follows from what is saved. A delivery that was decided on and has no row is made again from its event's decision.
//! The indexes tell whether it was still owed; where they cannot, it is owed: rather twice than never.

use std::collections::{BTreeMap, HashSet};

use rusqlite::types::Value;

use super::rows::{Saved, int};
use super::tables::{Row, Tables};
use crate::receiver::Verdict;
use crate::store::sqlite::rows::{DELIVERED, DISMISSED, OWED, verdict_code};

/// Takes the place of a name that is lost.
const LOST: &str = "(lost)";
/// Said where an attempt's own words are lost.
const LOST_ATTEMPT: &str = "the record of this attempt was lost before the store was repaired";

/// What was made again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Deliveries that are owed (again).
    pub owed: u64,
    /// Deliveries that had ended. How is lost.
    pub ended: u64,
    /// Attempts of which only the number is known.
    pub attempts: u64,
}

/// What the indexes say of deliveries.
struct Known {
    owed: HashSet<i64>,
    /// A delivery that is in neither is not owed.
    whole: bool,
    receivers: BTreeMap<i64, i64>,
    /// Added later: their events.
    extra: BTreeMap<i64, i64>,
}

fn known(saved: &Saved, tables: &Tables) -> Known {
    let mut known = Known { owed: HashSet::new(), whole: false, receivers: BTreeMap::new(), extra: BTreeMap::new() };
    for (name, id_at) in [("owed", 1), ("owed_of_key", 2)] {
        let Some(index) = tables.index(name) else { continue };
        let belies = |values: &&[Value]| {
            let [Value::Integer(receiver), .., Value::Integer(id)] = values else { return true };
            let row = saved.deliveries.get(id);
            values.len() != id_at + 1
                || row.is_some_and(|row| int(row, "state") != Some(OWED) || int(row, "receiver") != Some(*receiver))
        };
        // Another tree, or one that was overwritten.
        if index.sound.iter().any(belies) {
            continue;
        }
        known.whole |= index.whole;
        for values in index.sound {
            if let [Value::Integer(receiver), .., Value::Integer(id)] = values {
                known.owed.insert(*id);
                known.receivers.insert(*id, *receiver);
            }
        }
    }
    for values in tables.index("extra").map_or_else(Vec::new, |index| index.sound) {
        if let [Value::Integer(event), Value::Integer(id)] = values {
            known.extra.insert(*id, *event);
        }
    }
    known
}

/// Completes what was saved.
pub fn rebuild(saved: &mut Saved, tables: &Tables) -> Rebuilt {
    let known = known(saved, tables);
    let mut rebuilt = Rebuilt::default();
    let mut lost = Vec::new();
    for (&event, of) in &saved.events {
        for place in 1..=of.fanout {
            let id = event + place;
            if saved.deliveries.contains_key(&id) {
                continue;
            }
            let target = usize::try_from(place - 1).ok().and_then(|place| of.decision.targets.get(place));
            let to = target.map(|target| (target.receiver.to_string(), target.route.to_string()));
            lost.push((id, event, to, false));
        }
    }
    for (&id, &event) in &known.extra {
        if known.owed.contains(&id) && !saved.deliveries.contains_key(&id) && saved.events.contains_key(&event) {
            lost.push((id, event, None, true));
        }
    }
    for (id, event, to, extra) in lost {
        let of = &saved.events[&event];
        let owed = known.owed.contains(&id) || (!known.whole && (to.is_some() || extra));
        let receiver = to
            .as_ref()
            .map(|(receiver, _)| receiver.clone())
            .or_else(|| known.receivers.get(&id).and_then(|number| saved.names.get(number).cloned()));
        // Without a receiver there is nobody to owe it to.
        let (receiver, owed) = receiver.map_or_else(|| (LOST.to_owned(), false), |receiver| (receiver, owed));
        let route = to.as_ref().map(|(_, route)| route.clone()).or_else(|| {
            let target = of.decision.targets.iter().find(|target| *target.receiver == *receiver);
            target.filter(|_| extra).map(|target| target.route.to_string())
        });
        let recovery = to.is_none() && !extra;
        let (key, receiver) = (of.key, number(saved, receiver));
        let route = number(saved, route.unwrap_or_default());
        let numbers = [
            ("id", id),
            ("event", event),
            ("receiver", receiver),
            ("route", route),
            ("key", key),
            ("state", if owed { OWED } else { DISMISSED }),
            ("extra", i64::from(extra)),
            ("attempts", 0),
        ];
        let mut row: Row =
            numbers.iter().map(|(column, number)| ((*column).to_owned(), Value::Integer(*number))).collect();
        if recovery {
            let failure = saved
                .deliveries
                .range(..id)
                .rev()
                .map(|(_, earlier)| earlier)
                .find(|earlier| int(earlier, "key") == Some(key) && int(earlier, "receiver") == Some(receiver));
            let closes = failure.and_then(|failure| int(failure, "id")).unwrap_or(0);
            row.insert("closes".to_owned(), Value::Integer(closes));
        }
        saved.deliveries.insert(id, row);
        *(if owed { &mut rebuilt.owed } else { &mut rebuilt.ended }) += 1;
    }
    rebuilt.attempts = attempts(saved);
    rebuilt
}

/// A name's number; one that has none gets one.
fn number(saved: &mut Saved, text: String) -> i64 {
    if let Some((number, _)) = saved.names.iter().find(|(_, known)| **known == text) {
        return *number;
    }
    let next = saved.names.keys().next_back().map_or(1, |last| last + 1);
    saved.names.insert(next, text);
    next
}

/// Earlier attempts that a delivery counts, and that are not there.
fn attempts(saved: &mut Saved) -> u64 {
    let mut lost = Vec::new();
    for (&id, delivery) in &saved.deliveries {
        let all = int(delivery, "attempts").unwrap_or(0);
        let there = |number: i64| saved.attempts.get(&(id, number));
        let arrived = Some(verdict_code(Verdict::Delivered));
        let mut must_arrive = int(delivery, "state") == Some(DELIVERED)
            && int(delivery, "verdict") != arrived
            && !(1..all).any(|number| there(number).is_some_and(|row| int(row, "verdict") == arrived));
        for number in (1..all).filter(|number| there(*number).is_none()) {
            let verdict = if std::mem::take(&mut must_arrive) { Verdict::Delivered } else { Verdict::Later };
            let at = int(delivery, "at").unwrap_or(0);
            lost.push((id, number, at, verdict_code(verdict)));
        }
    }
    for &(id, number, at, verdict) in &lost {
        let numbers = [("delivery", id), ("number", number), ("at", at), ("took", 0), ("verdict", verdict)];
        let mut row: Row = numbers.iter().map(|(column, n)| ((*column).to_owned(), Value::Integer(*n))).collect();
        row.insert("detail".to_owned(), Value::Text(LOST_ATTEMPT.to_owned()));
        saved.attempts.insert((id, number), row);
    }
    lost.len() as u64
}
