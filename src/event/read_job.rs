//! Finds the job event in JSON whose exact shape no document gives.
//!
//! Accepted: camelCase and `snake_case`; the members directly, or in one object more (`job`, or the first that reads
//! as a job); the Jobs API's `configuration {load | update | publish}`; a `status` that is an object, a text, or flat.
//! Null, empty and blank are absent.

use std::borrow::Cow;

use compact_str::CompactString;

use super::envelope::text;
use super::json::{Json, Object};
use super::status::{Status, outcome};
use super::{Job, JobType, Resource, State, history};

/// Where each member of a job was found; the first filled one counts.
#[derive(Default, Clone, Copy)]
struct Found<'a> {
    job_id: Option<&'a Json<'a>>,
    job_type: Option<&'a Json<'a>>,
    /// `id` and `type`: a job's own names for the two above, but also those of many things around it.
    plain_id: Option<&'a Json<'a>>,
    plain_type: Option<&'a Json<'a>>,
    configuration: Option<&'a Object<'a>>,
    status_text: Option<&'a Json<'a>>,
    status: Option<Status<'a>>,
    history: Option<&'a Json<'a>>,
    /// ID and display name of source, data product, workflow, destination.
    resources: [[Option<&'a Json<'a>>; 2]; 4],
}

/// Reads the job event in `data`. `named_job`: the surroundings already say that this is one (the envelope's type
/// speaks of jobs, or there is no envelope), so that a job ID alone makes a job.
pub(super) fn read_job(data: &Object<'_>, named_job: bool) -> Option<Job> {
    let mut direct = Found::default();
    direct.fill(data, true);
    if let Some(Json::Object(inner)) = data.get("job") {
        let found = Found::wrapped(inner, data);
        if found.is_job(named_job) {
            return Some(found.job());
        }
    }
    if direct.is_job(named_job) {
        return Some(direct.job());
    }
    let inner = data.values().filter_map(Json::as_object);
    inner.map(|inner| Found::wrapped(inner, data)).find(|found| found.is_job(named_job)).map(Found::job)
}

/// Reads a job whose members stand among the envelope's own attributes, where `id` and `type` are the envelope's.
pub(super) fn read_job_among_attributes(members: &Object<'_>) -> Option<Job> {
    let mut found = Found::default();
    found.fill(members, false);
    found.is_job(false).then(|| found.job())
}

impl<'a> Found<'a> {
    /// The members of `inner`, and what stands around it.
    fn wrapped(inner: &'a Object<'a>, around: &'a Object<'a>) -> Self {
        let mut found = Found::default();
        found.fill(inner, true);
        found.fill(around, false);
        found
    }

    fn fill(&mut self, members: &'a Object<'a>, plain_names: bool) {
        self.fill_members(members, plain_names);
        if self.status.is_none() {
            let mut flat = Status::default();
            flat.fill(members);
            if let Some(state) = self.status_text {
                flat.fill_state(state);
            }
            if flat.state().is_some() {
                self.status = Some(flat);
            }
        }
    }

    fn fill_members(&mut self, members: &'a Object<'a>, plain_names: bool) {
        for (name, value) in members.iter() {
            if blank(value) {
                continue;
            }
            let [source, data_product, workflow, destination] = &mut self.resources;
            let slot = match name {
                "jobId" | "job_id" => &mut self.job_id,
                "jobType" | "job_type" => &mut self.job_type,
                "id" if plain_names => &mut self.plain_id,
                "type" if plain_names => &mut self.plain_type,
                "pastStatuses" | "past_statuses" | "previousStatuses" | "previous_statuses" | "statusHistory"
                | "status_history" => &mut self.history,
                "sourceId" | "source_id" => &mut source[0],
                "sourceDisplayName" | "source_display_name" => &mut source[1],
                "dataProductId" | "data_product_id" => &mut data_product[0],
                "dataProductDisplayName" | "data_product_display_name" => &mut data_product[1],
                "workflowId" | "workflow_id" => &mut workflow[0],
                "workflowDisplayName" | "workflow_display_name" => &mut workflow[1],
                "destinationId" | "destination_id" => &mut destination[0],
                "destinationDisplayName" | "destination_display_name" => &mut destination[1],
                "status" => {
                    match value {
                        Json::Object(status) => self.status.get_or_insert_default().fill(status),
                        other => _ = self.status_text.get_or_insert(other),
                    }
                    continue;
                }
                "configuration" => {
                    if let (None, Json::Object(configuration)) = (self.configuration, value) {
                        self.configuration = Some(configuration);
                        for inner in configuration.values().filter_map(Json::as_object) {
                            self.fill_members(inner, false);
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            slot.get_or_insert(value);
        }
    }

    /// Identifiers alone do not make a job event: the sender's record events carry them too.
    fn is_job(&self, named_job: bool) -> bool {
        let state = self.status.and_then(|status| status.state());
        let has_status = match &state {
            None => false,
            Some(State::Other(_)) => self.status.is_some_and(|status| status.since().is_some()),
            Some(_) => true,
        };
        let configured = || {
            self.configuration
                .is_some_and(|members| ["load", "update", "publish"].iter().any(|kind| members.get(kind).is_some()))
        };
        has_status
            || self.job_type.is_some()
            || configured()
            || self.job_id.is_some() && (named_job || state.is_some() || self.plain_type.is_some())
    }

    fn job(self) -> Job {
        let [source, data_product, workflow, destination] = self.resources.map(resource);
        let status = self.status.unwrap_or_default();
        let (state, since) = (status.state(), status.since());
        let failure = status.failure(state.as_ref());
        let outcome = outcome(state.as_ref(), failure.as_ref());
        let history = self.history.map_or_else(Vec::new, |list| history::read(list, state.as_ref(), since));
        let (reason, error) = failure.map_or((None, None), |failure| (Some(failure.reason), failure.message));
        let mut job = Job {
            id: self.job_id.or(self.plain_id).and_then(text).map(CompactString::from),
            job_type: None,
            outcome,
            reason,
            error,
            source,
            data_product,
            workflow,
            destination,
            queued_for: history::queued_for(&history, state.as_ref(), since),
            ran_for: history::ran_for(&history, state.as_ref(), since),
            history,
            state,
            since,
        };
        job.job_type = self.job_type(&job);
        job
    }

    /// By name if there is one, else by the sort of configuration, else by the identifiers.
    fn job_type(&self, job: &Job) -> Option<JobType> {
        let configured = || {
            let mut sorts = self.configuration?.iter().filter(|(_, value)| value.as_object().is_some());
            let filled = sorts.clone().find(|(_, value)| !blank(value)).or_else(|| sorts.next());
            filled.map(|(name, _)| Cow::Borrowed(name))
        };
        let name = self.job_type.or(self.plain_type).and_then(text).or_else(configured);
        let Some(name) = name else { return job.type_by_identifiers() };
        let named = JobType::from_name(&name);
        Some(match named.as_str() {
            // The Jobs API's words, which cover two types each.
            "update" if job.data_product.is_some() => JobType::UpdateDataProduct,
            "update" if job.workflow.is_some() => JobType::UpdateWorkflow,
            "publish" if job.data_product.is_some() => JobType::PublishConfiguration,
            "publish" if job.destination.is_some() => job.type_by_identifiers().unwrap_or(named),
            _ => named,
        })
    }
}

fn resource([id, name]: [Option<&Json<'_>>; 2]) -> Option<Resource> {
    let [id, name] = [id, name].map(|value| value.and_then(text).map(CompactString::from));
    let resource = Resource { id, name };
    (resource.id.is_some() || resource.name.is_some()).then_some(resource)
}

/// Null, empty and blank say nothing; so do lists and objects of nothing.
fn blank(value: &Json<'_>) -> bool {
    match value {
        Json::Null => true,
        Json::Bool(_) | Json::Number(_) => false,
        Json::String(text) => text.trim().is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
    }
}
