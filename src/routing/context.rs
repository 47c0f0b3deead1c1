//! What a condition requires of the events it holds for: to find what can never hold, and durations that would only
//! ever be looked at too early.

use super::Pattern;
use super::when::{Clause, Is, Lasted, Part, Word};
use crate::event::{JobType, Outcome, ResourceKind, STOPPED_BY_USER, State};

/// The values that are still possible, here and in the conditions around; `None`: any.
#[derive(Debug, Clone, Default)]
pub(super) struct Required {
    types: Option<Vec<JobType>>,
    states: Option<Vec<State>>,
    outcomes: Option<Vec<Outcome>>,
}

/// What surrounds a condition.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    required: Required,
    /// Under a `not`.
    negated: bool,
}

impl Around {
    /// What surrounds the conditions inside a `not` or `any` beside `clauses`.
    pub fn with(&self, clauses: &[Clause], negated: bool) -> Around {
        Around { required: self.required.and(clauses), negated: self.negated || negated }
    }

    /// Whether DONE is required, here or around.
    fn done(&self) -> bool {
        let Required { states, outcomes, .. } = &self.required;
        outcomes.is_some() || states.as_ref().is_some_and(|states| states.iter().all(|state| *state == State::Done))
    }

    /// Whether a job can no longer be in the stretch of its life that `lasted` measures.
    pub fn is_over(&self, lasted: Lasted) -> bool {
        let after_pending = |state: &State| matches!(state, State::Running | State::Stopping | State::Done);
        self.done()
            || lasted == Lasted::Queued
                && self.required.states.as_ref().is_some_and(|states| states.iter().all(after_pending))
    }

    /// Why `part` can never hold beside `clauses` and under what is around.
    pub fn contradiction(&self, part: &Part, clauses: &[Clause]) -> Option<Contradiction> {
        if self.negated
            && let Some(why) = Required::default().and(clauses).refutes(part, clauses)
        {
            return Some(Contradiction::Wrong(why));
        }
        let why = self.required.and(clauses).refutes(part, clauses)?;
        Some(if self.negated { Contradiction::Idle(why) } else { Contradiction::Wrong(why) })
    }
}

/// Why something can never hold; a sentence.
#[derive(Debug)]
pub(super) enum Contradiction {
    /// Then nothing beside it matters either.
    Wrong(String),
    /// It is under a `not`, which excludes what cannot be.
    Idle(String),
}

impl Required {
    /// Why `part`, one of `clauses`, can never hold where this is required.
    fn refutes(&self, part: &Part, clauses: &[Clause]) -> Option<String> {
        match part {
            Part::Type(_) if self.types.as_ref().is_some_and(Vec::is_empty) => {
                Some("the type required around it is another".to_owned())
            }
            Part::State(_) if self.states.as_ref().is_some_and(Vec::is_empty) => {
                Some("the state required around it is another".to_owned())
            }
            Part::Outcome(_) if self.outcomes.as_ref().is_some_and(Vec::is_empty) => {
                Some("the outcome required around it is another".to_owned())
            }
            Part::State(_) if clauses.iter().any(|beside| matches!(beside.part, Part::Outcome(_))) => None,
            Part::Outcome(_) | Part::State(_) if self.ends_before_done() => {
                Some("only a job in state DONE has an outcome".to_owned())
            }
            Part::Text(Word::Reason | Word::Error, _) if self.outcomes.as_deref() == Some(&[Outcome::Succeeded]) => {
                Some("a job that succeeded has no reason and no error".to_owned())
            }
            Part::Text(Word::Reason, reasons) => self.without_reason(reasons),
            Part::Resource { kind: Some(kind), .. } => self.without(*kind),
            _ => None,
        }
    }

    fn and(&self, clauses: &[Clause]) -> Required {
        let mut required = self.clone();
        for clause in clauses {
            match &clause.part {
                Part::Type(types) => narrow(&mut required.types, exact(types)),
                Part::State(states) => narrow(&mut required.states, exact(states)),
                Part::Outcome(outcomes) => narrow(&mut required.outcomes, Some(outcomes.clone())),
                _ => {}
            }
        }
        required
    }

    fn ends_before_done(&self) -> bool {
        self.outcomes.is_some() && self.states.as_ref().is_some_and(|states| !states.contains(&State::Done))
    }

    /// Why none of `reasons` goes with the required outcome: one reason means stopped, every other failed.
    fn without_reason(&self, reasons: &[Pattern]) -> Option<String> {
        let stopped = Pattern::new(STOPPED_BY_USER);
        match self.outcomes.as_deref() {
            Some([Outcome::Stopped])
                if !reasons.is_empty() && !reasons.iter().any(|reason| reason.matches(STOPPED_BY_USER)) =>
            {
                Some(format!("a job that was stopped has the reason {STOPPED_BY_USER}"))
            }
            Some([Outcome::Failed]) if !reasons.is_empty() && reasons.iter().all(|reason| *reason == stopped) => {
                Some(format!("{STOPPED_BY_USER} is the reason of a job that was stopped"))
            }
            _ => None,
        }
    }

    /// Why none of the required types has a resource of this kind. The vendor says which identifiers each type's
    /// event carries; a type it does not name may carry any.
    fn without(&self, kind: ResourceKind) -> Option<String> {
        let types = self.types.as_ref().filter(|types| !types.is_empty())?;
        let carried = |job_type: &JobType| match job_type {
            JobType::LoadSource => kind == ResourceKind::Source,
            JobType::UpdateDataProduct => kind == ResourceKind::DataProduct,
            JobType::UpdateWorkflow => kind == ResourceKind::Workflow,
            JobType::PublishConfiguration => matches!(kind, ResourceKind::DataProduct | ResourceKind::Destination),
            JobType::PublishDestination => kind == ResourceKind::Destination,
            JobType::Other(_) => true,
        };
        if types.iter().any(carried) {
            return None;
        }
        let names: Vec<&str> = types.iter().map(JobType::as_str).collect();
        Some(format!("an event of {} carries no {}", names.join(" or "), kind.as_str()))
    }
}

/// The values, if there is no pattern among them that others may match.
fn exact<T: Clone>(all: &[Is<T>]) -> Option<Vec<T>> {
    all.iter()
        .map(|is| match is {
            Is::Exactly(value) => Some(value.clone()),
            Is::Like(_) => None,
        })
        .collect()
}

/// An empty list is one whose values could not be read: that is told already.
fn narrow<T: PartialEq>(possible: &mut Option<Vec<T>>, to: Option<Vec<T>>) {
    match (possible.as_mut(), to.filter(|to| !to.is_empty())) {
        (Some(possible), Some(to)) => possible.retain(|value| to.contains(value)),
        (None, to) => *possible = to,
        (Some(_), None) => {}
    }
}
