//! What follows from a condition. Only what can be shown counts: "no" may also mean "cannot tell".

use super::Pattern;
use super::hours;
use super::possible::Cells;
use super::when::{Is, Member, Part, When, Word};

/// Steps a proof may take: nested `any` and `not` could ask for very many.
const STEPS: u32 = 2_000;

/// A condition, and the events it may hold for.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    when: &'a When,
    may: Cells,
}

impl<'a> Known<'a> {
    pub fn of(when: &'a When) -> Known<'a> {
        Known { when, may: when.bounds().may }
    }
}

/// An attempt to show something; where its steps end, so does what it can show.
pub(super) struct Proof {
    steps: u32,
}

impl Proof {
    pub fn new() -> Proof {
        Proof { steps: STEPS }
    }

    /// How many steps were taken.
    pub fn taken(&self) -> u32 {
        STEPS - self.steps
    }

    /// Whether every event that fulfils `this` fulfils `other`.
    pub fn implies(&mut self, this: Known<'_>, other: &When) -> bool {
        other.clauses.iter().all(|clause| self.implies_part(this, &clause.part))
    }

    fn implies_part(&mut self, this: Known<'_>, wanted: &Part) -> bool {
        let Some(steps) = self.steps.checked_sub(1) else { return false };
        self.steps = steps;
        let by_one = this.when.clauses.iter().any(|clause| match &clause.part {
            Part::Any(choices) => {
                !choices.is_empty() && choices.iter().all(|choice| self.implies_part(Known::of(choice), wanted))
            }
            own => own.implies(wanted),
        });
        by_one
            || this.may.is_within(wanted.bounds().must)
            || match wanted {
                Part::Not(forbidden) => forbidden.iter().all(|forbidden| self.excludes(this, Known::of(forbidden))),
                Part::Any(choices) => choices.iter().any(|choice| self.implies(this, choice)),
                _ => false,
            }
    }

    /// Whether no event fulfils both.
    fn excludes(&mut self, this: Known<'_>, other: Known<'_>) -> bool {
        (this.may & other.may).is_empty() || self.shuts_out(this, other) || self.shuts_out(other, this)
    }

    /// Whether a clause of `this` shows it.
    fn shuts_out(&mut self, this: Known<'_>, other: Known<'_>) -> bool {
        let Some(steps) = self.steps.checked_sub(1) else { return false };
        self.steps = steps;
        this.when.clauses.iter().any(|clause| match &clause.part {
            Part::Not(forbidden) => forbidden.iter().any(|forbidden| self.implies(other, forbidden)),
            Part::Any(choices) => choices.iter().all(|choice| self.excludes(Known::of(choice), other)),
            own => other.when.clauses.iter().any(|clause| own.excludes(&clause.part)),
        })
    }
}

/// Whether every event that fulfils `this` is seen to fulfil `other`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn implies(this: &When, other: &When) -> bool {
    Proof::new().implies(Known::of(this), other)
}

impl Part {
    /// Whether a plain part shows another to hold.
    fn implies(&self, other: &Part) -> bool {
        match (self, other) {
            (Part::Type(these), Part::Type(others)) => {
                each_in(these, others, |is, other| covers(other, is, |t| t.as_str()))
            }
            (Part::State(these), Part::State(others)) => {
                each_in(these, others, |is, other| covers(other, is, |s| s.as_str()))
            }
            (Part::Text(word, these), Part::Text(other, others)) => word == other && within(these, others),
            (
                Part::Resource { kind, member, patterns },
                Part::Resource { kind: other_kind, member: other_member, patterns: others },
            ) => {
                (other_kind.is_none() || kind == other_kind)
                    && (*other_member == Member::Either || member == other_member)
                    && within(patterns, others)
            }
            (Part::Lasted(lasted, these), Part::Lasted(other, others)) => {
                lasted == other && each_in(these, others, |this, other| this.implies(*other))
            }
            (Part::Time(these), Part::Time(others)) => hours::are_within(these, others),
            (Part::Raw(path, these), Part::Raw(other, others)) => path == other && within(these, others),
            _ => false,
        }
    }

    /// Whether two plain parts about one value cannot both hold.
    fn excludes(&self, other: &Part) -> bool {
        match (self, other) {
            (Part::Type(these), Part::Type(others)) => {
                no_pair(these, others, |is, other| apart(is, other, |t| t.as_str()))
            }
            (Part::State(these), Part::State(others)) => {
                no_pair(these, others, |is, other| apart(is, other, |s| s.as_str()))
            }
            // A tenant has two names: the host, and its first label.
            (Part::Text(word, these), Part::Text(other, others)) => {
                word == other && *word != Word::Tenant && no_pair(these, others, differ)
            }
            (
                Part::Resource { kind: Some(kind), member, patterns },
                Part::Resource { kind: other_kind, member: other_member, patterns: others },
            ) => {
                Some(*kind) == *other_kind
                    && *member != Member::Either
                    && member == other_member
                    && no_pair(patterns, others, differ)
            }
            (Part::Lasted(lasted, these), Part::Lasted(other, others)) => {
                lasted == other && no_pair(these, others, |this, other| this.excludes(*other))
            }
            (Part::Time(these), Part::Time(others)) => hours::are_apart(these, others),
            _ => false,
        }
    }
}

fn each_in<T>(these: &[T], others: &[T], fits: impl Fn(&T, &T) -> bool) -> bool {
    these.iter().all(|this| others.iter().any(|other| fits(this, other)))
}

fn no_pair<T>(these: &[T], others: &[T], apart: impl Fn(&T, &T) -> bool) -> bool {
    these.iter().all(|this| others.iter().all(|other| apart(this, other)))
}

fn within(these: &[Pattern], others: &[Pattern]) -> bool {
    each_in(these, others, |this, other| other.covers(this))
}

/// Whether no value matches both. Of two patterns that are no literals, that is not known.
fn differ(this: &Pattern, other: &Pattern) -> bool {
    this.is_literal() && !other.covers(this) || other.is_literal() && !this.covers(other)
}

fn covers<T: PartialEq>(wide: &Is<T>, narrow: &Is<T>, text: fn(&T) -> &str) -> bool {
    match (wide, narrow) {
        (wide, Is::Exactly(value)) => wide.fits(value, text(value)),
        (Is::Like(wide), Is::Like(narrow)) => wide.covers(narrow),
        (Is::Exactly(_), Is::Like(_)) => false,
    }
}

fn apart<T: PartialEq>(this: &Is<T>, other: &Is<T>, text: fn(&T) -> &str) -> bool {
    match (this, other) {
        (Is::Exactly(value), is) | (is, Is::Exactly(value)) => !is.fits(value, text(value)),
        (Is::Like(_), Is::Like(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::routing::testing::{any_event, any_when, when};
    use crate::routing::when::{Clause, Written};

    #[test]
    fn what_follows_is_seen() {
        for (condition, other) in [
            ("{}", "{}"),
            ("outcome: failed", "{}"),
            ("outcome: failed", "state: DONE"),
            ("outcome: failed", "outcome: [stopped, failed]"),
            ("state: DONE", "outcome: '*'"),
            ("outcome: [failed, stopped]", "reason: '*'"),
            ("outcome: stopped", "reason: stopped_*"),
            ("{ outcome: failed, source: CRM }", "outcome: failed"),
            ("source: [CRM, ERP]", "source: ['*R*']"),
            ("source.id: s-1", "source: s-1"),
            ("source.id: s-1", "resource: s-*"),
            ("source: CRM", "resource: [crm, erp]"),
            ("tenant: acme", "tenant: a*"),
            ("type: load", "type: [load_source, update_workflow]"),
            ("type: load_source", "type: load_*"),
            ("type: [load, reindex]", "type: '*'"),
            ("state: PAUSED", "state: P*"),
            ("{ state: DONE, ran_for: '> 2h' }", "{ state: DONE, ran_for: '>= 1h' }"),
            ("time: Sat 10:00-12:00", "time: [Sat, Sun]"),
            ("raw: { a: x, b: y }", "raw: { b: [y, z] }"),
            ("any: [{ outcome: failed }, { outcome: stopped }]", "outcome: [stopped, failed]"),
            ("outcome: failed", "any: [{ source: x }, { state: DONE }]"),
            ("any: [{ source: x, job: 1 }, { source: y }]", "source: [x, y]"),
            ("outcome: failed", "not: { outcome: succeeded }"),
            ("outcome: failed", "not: { state: [PENDING, RUNNING] }"),
            ("type: load_source", "not: [{ type: update_* }, { destination: x, type: publish_destination }]"),
            ("job: j-1", "not: { job: j-2* }"),
            ("{ source: x, not: { reason: QUOTA* } }", "not: { reason: QUOTA_A, outcome: failed }"),
            ("time: Sat", "not: { time: Mon-Fri }"),
            ("state: DONE", "not: { not: { outcome: '*' } }"),
        ] {
            assert!(implies(&when(condition), &when(other)), "{condition} ⇒ {other}");
        }
    }

    #[test]
    fn what_does_not_follow_is_not() {
        for (condition, other) in [
            ("{}", "outcome: '*'"),
            ("state: DONE", "outcome: failed"),
            ("reason: '*'", "outcome: '*'"),
            ("source: CRM", "source.name: CRM"),
            ("resource: CRM", "source: CRM"),
            ("source: 'C*'", "source: CRM"),
            ("tenant: acme", "not: { tenant: acme.tamr.cloud }"),
            ("source: s-1", "not: { source: CRM }"),
            ("any: [{ outcome: failed }, { source: x }]", "outcome: failed"),
            ("not: { outcome: succeeded }", "outcome: [stopped, failed]"),
            ("state: '*'", "state: [PENDING, RUNNING, STOPPING, DONE]"),
            ("raw: { a: x }", "not: { raw: { a: y } }"),
            ("raw: { a: x }", "raw: { b: x }"),
        ] {
            assert!(!implies(&when(condition), &when(other)), "{condition} ⇏ {other}");
        }
    }

    #[test]
    fn what_cannot_be_is_seen() {
        for (condition, impossible) in [
            ("{ any: [{ outcome: failed }, { state: DONE }], not: { state: D* } }", true),
            ("{ outcome: failed, not: { reason: '*' } }", true),
            ("{ state: DONE, not: { outcome: [succeeded, failed, stopped] } }", true),
            ("{ type: 'load_*', not: { type: load_source } }", false),
            ("{ state: DONE, not: { outcome: [succeeded, failed] } }", false),
            ("{ state: RUNNING, reason: STOPPED_BY_USER }", false),
        ] {
            assert_eq!(when(condition).is_impossible(), impossible, "{condition}");
        }
    }

    #[test]
    fn a_hostile_depth_ends() {
        let mut deep = "{ source: x }".to_owned();
        for _ in 0..12 {
            deep = format!("{{ any: [{deep}, {{ not: {deep} }}] }}");
        }
        let deep = when(&deep);
        let _ = implies(&deep, &deep);
    }

    /// The clauses of both.
    fn both(this: &When, other: &When) -> When {
        When { clauses: this.clauses.iter().chain(&other.clauses).cloned().collect() }
    }

    fn only(part: Part) -> When {
        let written = Written { place: 0, key: String::new(), values: Vec::new(), list: false };
        When { clauses: vec![Clause { part, written: Box::new(written) }] }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn implication_is_never_wrong(a in any_when(), b in any_when(), events in prop::collection::vec(any_event(), 12)) {
            let held = |when: &When, event| when.holds(event, &TimeZone::UTC);
            let (not_a, not_b) = (only(Part::Not(vec![a.clone()])), only(Part::Not(vec![b.clone()])));
            let either = only(Part::Any(vec![a.clone(), b.clone()]));
            let conditions = [both(&a, &b), both(&a, &not_b), both(&either, &not_a), either, a, b, not_a, not_b];
            for this in &conditions {
                prop_assert!(!this.is_impossible() || !events.iter().any(|event| held(this, event)), "{this:?}");
                for other in &conditions {
                    if implies(this, other) {
                        for event in &events {
                            prop_assert!(!held(this, event) || held(other, event), "{this:?} {other:?} {event:?}");
                        }
                    }
                }
            }
            let [together, but, _, either, a, ..] = &conditions;
            prop_assert!([together, but].into_iter().all(|narrow| implies(narrow, a)) && implies(a, either) && implies(a, &When::default()));
        }
    }
}
