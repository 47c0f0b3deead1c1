//! The normalised job event: one model for every shape a sender may choose.

use std::fmt;
use std::time::Duration;

use compact_str::{CompactString, format_compact};
use jiff::Timestamp;

use super::job_type::JobType;

/// A job event, normalised. Absent, null and empty are all `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Job {
    /// Job ID.
    pub id: Option<CompactString>,
    /// What sort of job.
    pub job_type: Option<JobType>,
    /// The current state.
    pub state: Option<State>,
    /// When `state` was entered (`stateStartTime`).
    pub since: Option<Timestamp>,
    /// Set only for DONE.
    pub outcome: Option<Outcome>,
    /// The error's reason as sent, `UNKNOWN` if there is an error without one.
    pub reason: Option<CompactString>,
    /// The error's message.
    pub error: Option<String>,
    /// The source the event names.
    pub source: Option<Resource>,
    /// The data product the event names.
    pub data_product: Option<Resource>,
    /// The workflow the event names.
    pub workflow: Option<Resource>,
    /// The destination the event names.
    pub destination: Option<Resource>,
    /// Time in PENDING, from the history; `None` while it lasts, or if it cannot be told.
    pub queued_for: Option<Duration>,
    /// Time from the first RUNNING to DONE; `None` before DONE, or if it cannot be told.
    pub ran_for: Option<Duration>,
    /// Past statuses, oldest first, without the current one.
    pub history: Vec<Past>,
}

/// A job's state, upper case as the vendor writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for its turn.
    Pending,
    /// At work.
    Running,
    /// Asked to stop.
    Stopping,
    /// Ended: see [`Outcome`].
    Done,
    /// Not named by the vendor; in upper case.
    Other(String),
}

/// How a DONE job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Without an error.
    Succeeded,
    /// By a user.
    Stopped,
    /// With any other error.
    Failed,
}

/// Something a job runs for. At least one of the two is set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The sender's ID.
    pub id: Option<CompactString>,
    /// The display name.
    pub name: Option<CompactString>,
}

/// Which sort of thing a [`Resource`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// What a load reads.
    Source,
    /// What an update makes.
    DataProduct,
    /// What an update runs.
    Workflow,
    /// Where a publish writes.
    Destination,
    /// A publish configuration: data product → destination.
    PublishConfiguration,
}

/// One past status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The state then.
    pub state: State,
    /// When it was entered.
    pub since: Option<Timestamp>,
}

/// What a job ran for, borrowed.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    One(ResourceKind, &'a Resource),
    /// A publish configuration's data product and destination.
    Pair(&'a Resource, &'a Resource),
}

impl State {
    /// The states the vendor names, in the order a job goes through them.
    pub const KNOWN: [State; 4] = [State::Pending, State::Running, State::Stopping, State::Done];

    /// Reads a state in any case; unknown ones are kept, in upper case.
    #[must_use]
    pub fn from_name(name: &str) -> State {
        let name = name.trim();
        Self::KNOWN
            .into_iter()
            .find(|state| name.eq_ignore_ascii_case(state.as_str()))
            .unwrap_or_else(|| State::Other(name.to_uppercase()))
    }

    /// As the vendor writes it: `DONE`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            State::Pending => "PENDING",
            State::Running => "RUNNING",
            State::Stopping => "STOPPING",
            State::Done => "DONE",
            State::Other(name) => name,
        }
    }
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 3] = [Outcome::Succeeded, Outcome::Stopped, Outcome::Failed];

    /// The word of the vocabulary: `failed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Stopped => "stopped",
            Outcome::Failed => "failed",
        }
    }
}

impl ResourceKind {
    /// The word of the vocabulary: `data_product`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceKind::Source => "source",
            ResourceKind::DataProduct => "data_product",
            ResourceKind::Workflow => "workflow",
            ResourceKind::Destination => "destination",
            ResourceKind::PublishConfiguration => "publish_configuration",
        }
    }
}

impl Resource {
    /// One of which only the name is known.
    #[must_use]
    pub fn named(name: impl Into<CompactString>) -> Resource {
        Resource { id: None, name: Some(name.into()) }
    }

    /// The name, else the ID: what people recognise.
    #[must_use]
    pub fn name_or_id(&self) -> &str {
        self.name.as_deref().or(self.id.as_deref()).unwrap_or_default()
    }

    /// The ID, else the name: what stays the same when someone renames it.
    #[must_use]
    pub fn id_or_name(&self) -> &str {
        self.id.as_deref().or(self.name.as_deref()).unwrap_or_default()
    }
}

/// Prints the name, else the ID.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name_or_id())
    }
}

impl Job {
    /// What the job ran for, by job type: kind, ID (for a publish configuration both IDs joined with `→`), name.
    #[must_use]
    pub fn resource(&self) -> Option<(ResourceKind, Resource)> {
        Some(match self.subject()? {
            Subject::One(kind, resource) => (kind, resource.clone()),
            Subject::Pair(from, to) => {
                let id = from.id.as_ref().zip(to.id.as_ref()).map(|(from, to)| format_compact!("{from}→{to}"));
                let named = from.name.is_some() || to.name.is_some();
                let name = named.then(|| format_compact!("{from} → {to}"));
                (ResourceKind::PublishConfiguration, Resource { id, name })
            }
        })
    }

    /// Every resource present in the event, in the order source, data product, workflow, destination.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        [&self.source, &self.data_product, &self.workflow, &self.destination].into_iter().flatten()
    }

    /// The resource of this kind that the event names. A publish configuration is asked for by its halves.
    #[must_use]
    pub fn of_kind(&self, kind: ResourceKind) -> Option<&Resource> {
        match kind {
            ResourceKind::Source => self.source.as_ref(),
            ResourceKind::DataProduct => self.data_product.as_ref(),
            ResourceKind::Workflow => self.workflow.as_ref(),
            ResourceKind::Destination => self.destination.as_ref(),
            ResourceKind::PublishConfiguration => None,
        }
    }

    /// What the job ran for; where the type does not say, what its identifiers say.
    pub(super) fn subject(&self) -> Option<Subject<'_>> {
        let by_type = self.job_type.as_ref().and_then(|job_type| self.subject_of(job_type));
        by_type.or_else(|| self.subject_of(&self.type_by_identifiers()?))
    }

    fn subject_of(&self, job_type: &JobType) -> Option<Subject<'_>> {
        fn one(kind: ResourceKind, resource: Option<&Resource>) -> Option<Subject<'_>> {
            resource.map(|resource| Subject::One(kind, resource))
        }
        match job_type {
            JobType::LoadSource => one(ResourceKind::Source, self.source.as_ref()),
            JobType::UpdateDataProduct => one(ResourceKind::DataProduct, self.data_product.as_ref()),
            JobType::UpdateWorkflow => one(ResourceKind::Workflow, self.workflow.as_ref()),
            JobType::PublishDestination => one(ResourceKind::Destination, self.destination.as_ref()),
            JobType::PublishConfiguration => match (&self.data_product, &self.destination) {
                (Some(from), Some(to)) => Some(Subject::Pair(from, to)),
                (Some(from), None) => Some(Subject::One(ResourceKind::DataProduct, from)),
                (None, Some(to)) => Some(Subject::One(ResourceKind::Destination, to)),
                (None, None) => None,
            },
            JobType::Other(_) => None,
        }
    }

    /// The type that the filled identifiers tell, for events that do not name theirs.
    pub(super) fn type_by_identifiers(&self) -> Option<JobType> {
        Some(match (&self.source, &self.data_product, &self.workflow, &self.destination) {
            (Some(_), ..) => JobType::LoadSource,
            (_, Some(_), _, None) => JobType::UpdateDataProduct,
            (_, None, Some(_), _) => JobType::UpdateWorkflow,
            (_, None, None, Some(Resource { name: Some(_), .. })) => JobType::PublishDestination,
            // Of legacy data products, the event of a publish configuration carries only the destination's ID.
            (_, Some(_), _, Some(_)) | (_, None, None, Some(_)) => JobType::PublishConfiguration,
            (None, None, None, None) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(id: &str, name: &str) -> Resource {
        let filled = |text: &str| (!text.is_empty()).then(|| text.into());
        Resource { id: filled(id), name: filled(name) }
    }

    #[test]
    fn states_are_read_in_any_case_and_unknown_ones_kept() {
        for (name, state) in [
            ("DONE", State::Done),
            ("done", State::Done),
            (" Running ", State::Running),
            ("Paused", State::Other("PAUSED".to_owned())),
        ] {
            assert_eq!(State::from_name(name), state);
        }
    }

    #[test]
    fn identifiers_tell_the_type_and_the_resource() {
        let source = Job { source: Some(resource("s-1", "CRM")), ..Job::default() };
        let product = Job { data_product: Some(resource("p-1", "Customers")), ..Job::default() };
        let workflow = Job { workflow: Some(resource("w-1", "Nightly")), ..Job::default() };
        let named = Job { destination: Some(resource("d-1", "Warehouse")), ..Job::default() };
        let legacy = Job { destination: Some(resource("d-1", "")), ..Job::default() };
        let both = Job { data_product: product.data_product.clone(), ..legacy.clone() };
        for (job, job_type, kind, id, name) in [
            (source, "load_source", ResourceKind::Source, "s-1", Some("CRM")),
            (product, "update_data_product", ResourceKind::DataProduct, "p-1", Some("Customers")),
            (workflow, "update_workflow", ResourceKind::Workflow, "w-1", Some("Nightly")),
            (both, "publish_configuration", ResourceKind::PublishConfiguration, "p-1→d-1", Some("Customers → d-1")),
            (named, "publish_destination", ResourceKind::Destination, "d-1", Some("Warehouse")),
            (legacy, "publish_configuration", ResourceKind::Destination, "d-1", None),
        ] {
            assert_eq!(job.type_by_identifiers().expect("told").as_str(), job_type);
            let (found, what) = job.resource().expect("has one");
            assert_eq!((found, what.id.as_deref(), what.name.as_deref()), (kind, Some(id), name), "{job_type}");
        }
        assert_eq!(Job::default().type_by_identifiers(), None);
        assert_eq!(Job::default().resource(), None);
    }

    #[test]
    fn a_named_type_chooses_among_several_resources() {
        let job = Job {
            job_type: Some(JobType::UpdateWorkflow),
            data_product: Some(resource("p-1", "")),
            workflow: Some(resource("w-1", "")),
            ..Job::default()
        };
        assert_eq!(job.resource().map(|(kind, _)| kind), Some(ResourceKind::Workflow));
        let job = Job { job_type: Some(JobType::Other("export".to_owned())), ..job };
        assert_eq!(job.resource().map(|(kind, _)| kind), Some(ResourceKind::DataProduct));
    }
}
