//! Which events a condition may hold for, and which it surely holds for, as far as job type, state and outcome tell: a bound from
//! above and one from below, so that `not` can turn one into the other.

use std::ops::{BitAnd, BitOr, Not};

use super::Pattern;
use super::hours;
use super::when::{Is, Lasted, Part, When, Word};
use crate::event::{Event, JobType, Outcome, STOPPED_BY_USER, State};

/// A set of pairs of a job type (one of those known, another, none) and a status (likewise), a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cells(u64);

/// The types after those known.
const OTHER_TYPE: u8 = 1 << JobType::KNOWN.len();
const NO_TYPE: u8 = OTHER_TYPE << 1;
const ANY_TYPE: u8 = (NO_TYPE << 1) - 1;

/// The statuses: a state, and of DONE how it ended.
const SUCCEEDED: u8 = 1;
const STOPPED: u8 = 1 << 1;
const FAILED: u8 = 1 << 2;
const DONE: u8 = SUCCEEDED | STOPPED | FAILED;
const PENDING: u8 = 1 << 3;
const RUNNING: u8 = 1 << 4;
const STOPPING: u8 = 1 << 5;
const OTHER_STATE: u8 = 1 << 6;
const NO_STATE: u8 = 1 << 7;
const ANY_STATUS: u8 = u8::MAX;

/// What a condition does to the events of each cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// It may hold for some of them.
    pub may: Cells,
    /// It holds for all of them.
    pub must: Cells,
}

impl Cells {
    const NONE: Cells = Cells(0);
    const ALL: Cells = Cells::of(ANY_TYPE, ANY_STATUS);

    const fn of(types: u8, statuses: u8) -> Cells {
        let (mut cells, mut n) = (0, 0);
        while n < 7 {
            if types & (1 << n) != 0 {
                cells |= (statuses as u64) << (8 * n);
            }
            n += 1;
        }
        Cells(cells)
    }

    /// The one cell of an event.
    fn of_event(event: &Event) -> Cells {
        let Some(job) = &event.job else { return Cells::of(NO_TYPE, NO_STATE) };
        let types = match &job.job_type {
            Some(JobType::Other(_)) => OTHER_TYPE,
            Some(known) => JobType::KNOWN.iter().position(|job_type| job_type == known).map_or(ANY_TYPE, |n| 1 << n),
            None => NO_TYPE,
        };
        let status = match (&job.state, job.outcome) {
            (_, Some(outcome)) => of_outcome(outcome),
            (Some(State::Pending), None) => PENDING,
            (Some(State::Running), None) => RUNNING,
            (Some(State::Stopping), None) => STOPPING,
            (Some(State::Done), None) => DONE,
            (Some(State::Other(_)), None) => OTHER_STATE,
            (None, None) => NO_STATE,
        };
        Cells::of(types, status)
    }

    pub fn is_empty(self) -> bool {
        self == Cells::NONE
    }

    pub fn is_within(self, other: Cells) -> bool {
        self & other == self
    }
}

impl BitAnd for Cells {
    type Output = Cells;
    fn bitand(self, other: Cells) -> Cells {
        Cells(self.0 & other.0)
    }
}

impl BitOr for Cells {
    type Output = Cells;
    fn bitor(self, other: Cells) -> Cells {
        Cells(self.0 | other.0)
    }
}

impl Not for Cells {
    type Output = Cells;
    fn not(self) -> Cells {
        Cells(!self.0 & Cells::ALL.0)
    }
}

impl When {
    /// Whether job type, state and outcome alone show that no event fulfils it.
    #[must_use]
    pub fn is_impossible(&self) -> bool {
        self.bounds().may.is_empty()
    }

    /// Whether job type, state and outcome of `event` leave it open. Where this says no, it does not hold.
    #[must_use]
    pub fn may_hold(&self, event: &Event) -> bool {
        !(self.bounds().may & Cells::of_event(event)).is_empty()
    }

    pub(super) fn bounds(&self) -> Bounds {
        let all = Bounds { may: Cells::ALL, must: Cells::ALL };
        self.clauses.iter().fold(all, |Bounds { may, must }, clause| {
            let bounds = clause.part.bounds();
            Bounds { may: may & bounds.may, must: must & bounds.must }
        })
    }
}

fn any_of(conditions: &[When]) -> Bounds {
    let none = Bounds { may: Cells::NONE, must: Cells::NONE };
    conditions
        .iter()
        .map(When::bounds)
        .fold(none, |any, bounds| Bounds { may: any.may | bounds.may, must: any.must | bounds.must })
}

impl Part {
    pub fn bounds(&self) -> Bounds {
        let may = |types, statuses| Bounds { may: Cells::of(types, statuses), must: Cells::NONE };
        match self {
            Part::Type(types) => {
                let (may, must) = open(types, &JobType::KNOWN, JobType::as_str);
                Bounds { may: Cells::of(may, ANY_STATUS), must: Cells::of(must, ANY_STATUS) }
            }
            Part::State(states) => {
                let (may, must) = open(states, &State::KNOWN, State::as_str);
                Bounds { may: Cells::of(ANY_TYPE, statuses(may)), must: Cells::of(ANY_TYPE, statuses(must)) }
            }
            Part::Outcome(outcomes) => {
                let cells = Cells::of(ANY_TYPE, outcomes.iter().fold(0, |all, outcome| all | of_outcome(*outcome)));
                Bounds { may: cells, must: cells }
            }
            Part::Text(Word::Reason, reasons) => of_reasons(reasons),
            Part::Text(Word::Error, _) => may(ANY_TYPE, !SUCCEEDED),
            Part::Lasted(Lasted::Ran, _) => may(ANY_TYPE, DONE),
            Part::Time(hours) if hours::are_always(hours) => Bounds { may: Cells::ALL, must: Cells::ALL },
            Part::Text(..) | Part::Resource { .. } | Part::Lasted(..) | Part::Time(_) | Part::Raw(..) => {
                may(ANY_TYPE, ANY_STATUS)
            }
            Part::Not(conditions) => {
                let Bounds { may, must } = any_of(conditions);
                Bounds { may: !must, must: !may }
            }
            Part::Any(conditions) => any_of(conditions),
        }
    }
}

/// A bit for each known value, and the next for all others: which values may be asked for, and which surely are.
fn open<T: PartialEq>(wanted: &[Is<T>], known: &[T], text: fn(&T) -> &str) -> (u8, u8) {
    let fits = |value: &T| wanted.iter().any(|is| is.fits(value, text(value)));
    let bits = known.iter().enumerate().fold(0, |bits, (n, value)| bits | u8::from(fits(value)) << n);
    let other = 1 << known.len();
    let may = wanted.iter().any(|is| match is {
        Is::Exactly(value) => !known.contains(value),
        Is::Like(_) => true,
    });
    let must = wanted.iter().any(|is| matches!(is, Is::Like(pattern) if takes_all(pattern)));
    (bits | if may { other } else { 0 }, bits | if must { other } else { 0 })
}

/// From the order of [`State::KNOWN`].
fn statuses(states: u8) -> u8 {
    [PENDING, RUNNING, STOPPING, DONE, OTHER_STATE]
        .into_iter()
        .enumerate()
        .fold(0, |all, (n, status)| if states & (1 << n) == 0 { all } else { all | status })
}

fn of_outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Succeeded => SUCCEEDED,
        Outcome::Stopped => STOPPED,
        Outcome::Failed => FAILED,
    }
}

/// A job that succeeded has none; one reason means stopped, any other failed. Before DONE there may be one.
fn of_reasons(reasons: &[Pattern]) -> Bounds {
    let stopped = if reasons.iter().any(|reason| reason.matches(STOPPED_BY_USER)) { STOPPED } else { 0 };
    let only_stopped = reasons.iter().all(|reason| reason.is_literal() && reason.matches(STOPPED_BY_USER));
    let failed = if only_stopped { 0 } else { FAILED };
    let surely_failed = if reasons.iter().any(takes_all) { FAILED } else { 0 };
    Bounds { may: Cells::of(ANY_TYPE, !DONE | stopped | failed), must: Cells::of(ANY_TYPE, stopped | surely_failed) }
}

fn takes_all(pattern: &Pattern) -> bool {
    pattern.covers(&Pattern::new("*"))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use crate::event::Sample;
    use crate::routing::testing::when;

    #[test]
    fn what_holds_may_hold_and_what_is_plainly_another_sort_may_not() {
        let conditions = [
            "{}",
            "outcome: failed",
            "type: [load_source, update_*]",
            "state: [DONE, RUN*]",
            "{ reason: '*', data_product: Customers }",
            "not: { outcome: [failed, stopped] }",
            "any: [{ state: PENDING }, { type: publish_*, outcome: succeeded }]",
            "{ ran_for: '> 1s', outcome: '*' }",
            "event_type: jobrelay.*",
            "{ event_type: record.*, not: { state: '*' } }",
        ]
        .map(when);
        for sample in Sample::every_sort() {
            let event = sample.read(Timestamp::UNIX_EPOCH, 7).expect("words that go together");
            for condition in &conditions {
                assert!(
                    condition.may_hold(&event) || !condition.holds(&event, &TimeZone::UTC),
                    "{sample:?} {condition:?}"
                );
            }
            let failed = event.job.as_ref().is_some_and(|job| job.reason.as_deref() == Some("PLANNING_FAILED"));
            assert_eq!(when("{ outcome: failed, data_product: Orders }").may_hold(&event), failed, "{sample:?}");
        }
    }
}
