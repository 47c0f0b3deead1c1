//! The job in a made-up event: its type, how it ended, its identifiers and what came before.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::sample::{Contradiction, Sample, refused};
use super::view::Millis;
use super::{JobType, Outcome, Resource, STOPPED_BY_USER, State};

/// The one reason of a failure that the vendor documents.
const PLANNING_FAILED: &str = "PLANNING_FAILED";
/// The vendor's own words for the reasons it documents.
const KNOWN_REASONS: [(&str, &str); 2] = [
    (STOPPED_BY_USER, "The job was stopped by a user."),
    (
        PLANNING_FAILED,
        "Something went wrong while planning the job. Please verify the configuration is correct and try again.",
    ),
];

/// How the job ended: nothing before DONE, no error if it succeeded.
enum Ending {
    None,
    Succeeded,
    Error { reason: String, message: String },
}

impl Sample {
    /// What stands under `data`.
    pub(super) fn job_event(&self, now: Timestamp, chance: u128) -> Result<Map<String, Value>, Contradiction> {
        let job_type = self.checked_type()?;
        let state = self.state.clone().unwrap_or(State::Done);
        let ending = self.ending(&state)?;
        let past = self.past_statuses(&state, &ending, now, chance)?;
        let mut status = json!({ "state": state.as_str(), "stateStartTime": Millis(now) });
        if let Ending::Error { reason, message } = ending {
            status["error"] = json!({ "reason": reason, "message": message });
        }
        let mut data = Map::new();
        let job = self.job.clone().unwrap_or_else(|| (100_000 + chance % 900_000).to_string());
        data.insert("jobId".to_owned(), job.into());
        data.insert("jobType".to_owned(), job_type.as_str().to_uppercase().into());
        data.extend(self.identifiers(&job_type)?.into_iter().map(|(key, value)| (key.to_owned(), value.into())));
        data.insert("status".to_owned(), status);
        data.insert("pastStatuses".to_owned(), past);
        Ok(data)
    }

    fn checked_type(&self) -> Result<JobType, Contradiction> {
        let given = self.resources();
        let job_type = match (&self.job_type, given) {
            (Some(job_type), _) => job_type.clone(),
            (None, [Some(_), None, None, None]) => JobType::LoadSource,
            (None, [None, Some(_), None, Some(_)]) => JobType::PublishConfiguration,
            (None, [None, _, None, None]) => JobType::UpdateDataProduct,
            (None, [None, None, Some(_), None]) => JobType::UpdateWorkflow,
            (None, [None, None, None, Some(_)]) => JobType::PublishDestination,
            (None, _) => {
                let named: Vec<_> = given.into_iter().flatten().collect();
                let last = named.last().copied().unwrap_or_default();
                return refused(
                    last,
                    format!("no known job type names {} together: say the type", named.join(" and ")),
                );
            }
        };
        let fits: &[&str] = match job_type {
            JobType::LoadSource => &["source"],
            JobType::UpdateDataProduct => &["data_product"],
            JobType::UpdateWorkflow => &["workflow"],
            JobType::PublishConfiguration => &["data_product", "destination"],
            JobType::PublishDestination => &["destination"],
            JobType::Other(_) => return Ok(job_type),
        };
        match given.into_iter().flatten().find(|word| !fits.contains(word)) {
            Some(word) => {
                let message = format!(
                    "{word} does not go with {}, whose events name {} alone",
                    job_type.as_str(),
                    fits.join(" and ")
                );
                refused(word, message)
            }
            None => Ok(job_type),
        }
    }

    fn ending(&self, state: &State) -> Result<Ending, Contradiction> {
        if *state != State::Done {
            let given = [
                ("outcome", self.outcome.is_some()),
                ("reason", self.reason.is_some()),
                ("error", self.error.is_some()),
            ];
            return match given.into_iter().find(|(_, given)| *given) {
                Some((word, _)) => refused(word, format!("{word} is of DONE jobs, not of {} ones", state.as_str())),
                None => Ok(Ending::None),
            };
        }
        let says_stopped = self.reason.as_deref().is_some_and(is_stop);
        let outcome = self.outcome.unwrap_or(if says_stopped { Outcome::Stopped } else { Outcome::Failed });
        let reason = match (outcome, self.reason.as_deref()) {
            (Outcome::Succeeded, None) if self.error.is_none() => return Ok(Ending::Succeeded),
            (Outcome::Succeeded, reason) => {
                let word = if reason.is_some() { "reason" } else { "error" };
                return refused(word, "a job that succeeded has no reason and no error");
            }
            (Outcome::Stopped, None) => STOPPED_BY_USER,
            (Outcome::Stopped, Some(reason)) if !is_stop(reason) => {
                let message = format!("a job with reason {reason} has failed; stopped means {STOPPED_BY_USER}");
                return refused("reason", message);
            }
            (Outcome::Failed, Some(reason)) if is_stop(reason) => {
                return refused("reason", format!("{STOPPED_BY_USER} means stopped, not failed"));
            }
            (Outcome::Failed, None) => PLANNING_FAILED,
            (_, Some(reason)) => reason,
        };
        let known = KNOWN_REASONS.iter().find(|(known, _)| *known == reason).map(|(_, message)| (*message).to_owned());
        let message = self.error.clone().or(known).unwrap_or_else(|| format!("The job failed: {reason}."));
        Ok(Ending::Error { reason: reason.to_owned(), message })
    }

    /// The identifier fields of the vendor's table, filled and empty.
    fn identifiers(&self, job_type: &JobType) -> Result<Vec<(&'static str, String)>, Contradiction> {
        let or = |given: &Option<Resource>, name: &str| given.clone().unwrap_or_else(|| Resource::named(name));
        let pair = |id, name, resource: Resource| {
            let made_up = resource.name.as_deref().map(slug);
            let id_of_it = resource.id.map(String::from).or(made_up).unwrap_or_default();
            vec![(id, id_of_it), (name, resource.name.unwrap_or_default().into())]
        };
        let empty = |id, name| vec![(id, String::new()), (name, String::new())];
        let source = |resource| pair("sourceId", "sourceDisplayName", resource);
        let data_product = |resource| pair("dataProductId", "dataProductDisplayName", resource);
        let workflow = |resource| pair("workflowId", "workflowDisplayName", resource);
        let destination = |resource| pair("destinationId", "destinationDisplayName", resource);
        Ok(match job_type {
            JobType::LoadSource => source(or(&self.source, "CRM accounts")),
            JobType::UpdateDataProduct => {
                [data_product(or(&self.data_product, "Customers")), empty("workflowId", "workflowDisplayName")].concat()
            }
            JobType::UpdateWorkflow => {
                let workflow = workflow(or(&self.workflow, "Nightly refresh"));
                [workflow, empty("dataProductId", "dataProductDisplayName")].concat()
            }
            JobType::PublishConfiguration => {
                let id = match or(&self.destination, "warehouse") {
                    Resource { id: Some(_), name: Some(_) } => {
                        let message = "events of publish_configuration name their destination by its ID alone";
                        return refused("destination", message);
                    }
                    Resource { id, name } => id.or(name).unwrap_or_default().into(),
                };
                let destination = vec![("destinationId", id), ("destinationDisplayName", String::new())];
                [data_product(or(&self.data_product, "Customers")), destination].concat()
            }
            JobType::PublishDestination => {
                let destination = destination(or(&self.destination, "Warehouse"));
                [destination, empty("dataProductId", "dataProductDisplayName")].concat()
            }
            JobType::Other(_) => [
                self.source.clone().map(source),
                self.data_product.clone().map(data_product),
                self.workflow.clone().map(workflow),
                self.destination.clone().map(destination),
            ]
            .into_iter()
            .flatten()
            .flatten()
            .collect(),
        })
    }

    /// What came before `state`, oldest first, ending at `now`: waiting takes seconds, running takes minutes, stopping takes seconds.
    fn past_statuses(
        &self,
        state: &State,
        ending: &Ending,
        now: Timestamp,
        chance: u128,
    ) -> Result<Value, Contradiction> {
        if self.queued_for.is_some() && *state == State::Pending {
            return refused("queued_for", "queued_for is known when a job has left PENDING");
        }
        if self.ran_for.is_some() && *state != State::Done {
            return refused("ran_for", format!("ran_for is of DONE jobs, not of {} ones", state.as_str()));
        }
        // Below 1,000, so it fits.
        let luck = u64::try_from(chance % 1_000).unwrap_or_default();
        let of = Duration::from_secs;
        let queued = self.queued_for.unwrap_or(of(4 + luck % 50));
        let (stopped, made_up) = match ending {
            Ending::Error { reason, .. } if is_stop(reason) => (true, of(243 + luck * 5 + luck % 9)),
            // Planning comes first, so its failures are quick.
            Ending::Error { reason, .. } if reason == PLANNING_FAILED => (false, of(20 + luck % 70)),
            _ => (false, of(240 + luck * 5)),
        };
        let ran = self.ran_for.unwrap_or(made_up);
        let stopping = of(3 + luck % 9).min(ran);
        let steps: &[(State, Duration)] = match state {
            State::Pending => &[],
            State::Running => &[(State::Pending, queued)],
            State::Done if stopped => {
                &[(State::Pending, queued), (State::Running, ran.saturating_sub(stopping)), (State::Stopping, stopping)]
            }
            _ => &[(State::Pending, queued), (State::Running, ran)],
        };
        // The times of the distant past that jiff cannot write are all the same.
        let before = |at: Timestamp, lasted: &Duration| {
            let lasted = SignedDuration::try_from(*lasted).unwrap_or(SignedDuration::MAX);
            at.saturating_sub(lasted).unwrap_or(at)
        };
        let mut left = now;
        let mut past: Vec<Value> = Vec::with_capacity(steps.len());
        for (state, lasted) in steps.iter().rev() {
            left = before(left, lasted);
            past.push(json!({ "state": state.as_str(), "stateStartTime": Millis(left) }));
        }
        past.reverse();
        Ok(past.into())
    }
}

fn is_stop(reason: &str) -> bool {
    reason.eq_ignore_ascii_case(STOPPED_BY_USER)
}

/// An ID that looks like it belongs to the name.
fn slug(name: &str) -> String {
    let dashed: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    dashed.to_lowercase()
}
