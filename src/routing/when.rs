//! The `when` language, compiled, and asked about events.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::Pattern;
use super::hours::Hours;
use super::lasts::Comparison;
use super::path::Path;
use super::pattern::fulfilling;
use crate::event::{Event, Job, JobType, Outcome, Resource, ResourceKind, State};

/// A condition: holds if all its clauses hold. Without clauses it always does.
#[derive(Debug, Clone, Default)]
pub struct When {
    pub(super) clauses: Vec<Clause>,
}

/// One key of a condition (of `raw`, one path). How it was written lies apart: deciding never looks at it.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    pub part: Part,
    pub written: Box<Written>,
}

/// A clause as it stands in the file.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// Where the key stands among its neighbours.
    pub place: usize,
    /// The key; of `raw`, with its path: `raw.data.priority`.
    pub key: String,
    /// The scalar, or those of the list; none for `not` and `any`.
    pub values: Vec<String>,
    pub list: bool,
}

/// One key of a condition; a list of values holds if any of them does.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Type(Vec<Is<JobType>>),
    State(Vec<Is<State>>),
    /// Patterns are resolved when read: there are only three.
    Outcome(Vec<Outcome>),
    Text(Word, Vec<Pattern>),
    /// Of any sort if `kind` is `None`.
    Resource {
        kind: Option<ResourceKind>,
        member: Member,
        patterns: Vec<Pattern>,
    },
    Lasted(Lasted, Vec<Comparison>),
    Time(Vec<Hours>),
    Raw(Path, Vec<Pattern>),
    /// None of them.
    Not(Vec<When>),
    /// At least one of them.
    Any(Vec<When>),
}

/// What a literal says is compared as a value, so that its spelling does not count; the rest as text.
#[derive(Debug, Clone)]
pub(super) enum Is<T> {
    Exactly(T),
    Like(Pattern),
}

/// A word of the vocabulary that is compared as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Word {
    Reason,
    Error,
    Job,
    Tenant,
    EventId,
    EventType,
    Since,
    TypeLabel,
}

/// What of a resource is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Either,
    Id,
    Name,
}

/// A stretch of a job's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasted {
    Queued,
    Ran,
}

impl When {
    /// Whether the condition holds for `event`. `timezone` is for `time` conditions.
    #[must_use]
    pub fn holds(&self, event: &Event, timezone: &TimeZone) -> bool {
        self.clauses.iter().all(|clause| clause.part.holds(event, timezone))
    }

    /// A text that fulfils what it asks of `key`, if it asks for it and not only in `any` or `not`.
    #[must_use]
    pub fn asked_for(&self, key: &str) -> Option<String> {
        let clause = self.clauses.iter().find(|clause| clause.written.key == key)?;
        clause.written.values.first().map(|pattern| fulfilling(pattern))
    }

    /// Adds the hours that it asks for anywhere.
    pub(super) fn add_hours(&self, all: &mut Vec<Hours>) {
        for clause in &self.clauses {
            match &clause.part {
                Part::Time(hours) => all.extend(hours),
                Part::Not(inside) | Part::Any(inside) => inside.iter().for_each(|when| when.add_hours(all)),
                _ => {}
            }
        }
    }
}

impl Part {
    pub fn holds(&self, event: &Event, timezone: &TimeZone) -> bool {
        let job = event.job.as_ref();
        match self {
            Part::Type(types) => job
                .and_then(|job| job.job_type.as_ref())
                .is_some_and(|job_type| types.iter().any(|is| is.fits(job_type, job_type.as_str()))),
            Part::State(states) => job
                .and_then(|job| job.state.as_ref())
                .is_some_and(|state| states.iter().any(|is| is.fits(state, state.as_str()))),
            Part::Outcome(outcomes) => {
                job.and_then(|job| job.outcome).is_some_and(|outcome| outcomes.contains(&outcome))
            }
            Part::Text(word, patterns) => word.any_text(event, |text| any(patterns, text)),
            Part::Resource { kind, member, patterns } => job.is_some_and(|job| match kind {
                Some(kind) => {
                    job.of_kind(*kind).is_some_and(|resource| member.any_text(resource, |text| any(patterns, text)))
                }
                None => job.resources().any(|resource| member.any_text(resource, |text| any(patterns, text))),
            }),
            Part::Lasted(lasted, comparisons) => job
                .and_then(|job| lasted.of(job))
                .is_some_and(|duration| comparisons.iter().any(|comparison| comparison.holds(duration))),
            Part::Time(hours) => hours.iter().any(|hours| hours.contain(event.received.received_at, timezone)),
            Part::Raw(path, patterns) => path.matches(event.raw(), patterns),
            Part::Not(conditions) => !conditions.iter().any(|when| when.holds(event, timezone)),
            Part::Any(conditions) => conditions.iter().any(|when| when.holds(event, timezone)),
        }
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

impl Word {
    /// Whether `wanted` says so of any text that this stands for.
    pub fn any_text(self, event: &Event, mut wanted: impl FnMut(&str) -> bool) -> bool {
        let of_job = |get: fn(&Job) -> Option<&str>| event.job.as_ref().and_then(get);
        match self {
            Word::Reason => of_job(|job| job.reason.as_deref()).is_some_and(wanted),
            Word::Error => of_job(|job| job.error.as_deref()).is_some_and(wanted),
            Word::Job => of_job(|job| job.id.as_deref()).is_some_and(wanted),
            Word::Tenant => {
                let label = event.tenant.split('.').next().unwrap_or_default();
                wanted(&event.tenant) || wanted(label)
            }
            Word::EventId => wanted(&event.id),
            Word::EventType => wanted(&event.event_type),
            Word::Since => event.text("since").is_some_and(|text| wanted(&text)),
            Word::TypeLabel => event.text("type_label").is_some_and(|text| wanted(&text)),
        }
    }
}

impl<T> Is<T> {
    /// Whether it holds for a known value, spelt `text`.
    pub fn fits(&self, value: &T, text: &str) -> bool
    where
        T: PartialEq,
    {
        match self {
            Is::Exactly(wanted) => wanted == value,
            Is::Like(pattern) => pattern.matches(text),
        }
    }
}

impl Member {
    /// Whether `wanted` says so of any text of the resource that is compared.
    pub fn any_text(self, resource: &Resource, wanted: impl FnMut(&str) -> bool) -> bool {
        let id = resource.id.as_deref().filter(|_| self != Member::Name);
        let name = resource.name.as_deref().filter(|_| self != Member::Id);
        id.into_iter().chain(name).any(wanted)
    }
}

impl Lasted {
    fn of(self, job: &Job) -> Option<Duration> {
        match self {
            Lasted::Queued => job.queued_for,
            Lasted::Ran => job.ran_for,
        }
    }
}
