//! The flags that describe an event, in words of the vocabulary.

use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::event::{JobType, Outcome, Resource, Sample, State, duration};
use crate::yaml::nearest;

/// What the event shall say; the rest is made up to fit.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "The event")]
pub struct Wish {
    /// `load_source`, `update_data_product`, `update_workflow`, `publish_configuration`, `publish_destination` or any other
    /// [default: what the named resources are for, else `update_data_product`]
    #[arg(long = "type", value_name = "TYPE")]
    pub job_type: Option<String>,

    /// PENDING, RUNNING, STOPPING, DONE or any other [default: DONE]
    #[arg(long)]
    pub state: Option<String>,

    /// How the DONE job ended [default: failed]
    #[arg(long, value_parser = PossibleValuesParser::new(["succeeded", "stopped", "failed"]).map(|word| outcome(&word)))]
    pub outcome: Option<Outcome>,

    /// Error reason [default: `PLANNING_FAILED` if failed, `STOPPED_BY_USER` if stopped]
    #[arg(long)]
    pub reason: Option<String>,

    /// Error message [default: the vendor's, for the reasons it documents]
    #[arg(long, value_name = "TEXT")]
    pub error: Option<String>,

    /// Name of the source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,

    /// Name of the data product
    #[arg(long, value_name = "NAME")]
    pub data_product: Option<String>,

    /// Name of the workflow
    #[arg(long, value_name = "NAME")]
    pub workflow: Option<String>,

    /// Name of the destination; its ID for a `publish_configuration` job, whose events carry nothing else
    #[arg(long, value_name = "NAME")]
    pub destination: Option<String>,

    /// Job ID [default: a made-up one]
    #[arg(long, value_name = "ID")]
    pub job: Option<String>,

    /// Host of the tenant, or its first label [default: sample]
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,

    /// How long it waited in PENDING: 45s, 10m
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub queued_for: Option<Duration>,

    /// How long it ran, of a DONE job: 20m, 2h30m
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub ran_for: Option<Duration>,

    /// Type of the envelope: `jobrelay.receiver_down` is one of the relay's own events; any other makes an event of no job, unless it
    /// says "job" or a word of a job is given too
    #[arg(long, value_name = "TYPE")]
    pub event_type: Option<String>,
}

fn outcome(word: &str) -> Outcome {
    match word {
        "succeeded" => Outcome::Succeeded,
        "stopped" => Outcome::Stopped,
        _ => Outcome::Failed,
    }
}

/// Says so where a job type is nearly one that the vendor names. Types are open: it is only suspected.
pub fn warn_of_slip(job_type: Option<&str>) {
    if let Some((wrong, near)) = job_type.and_then(|text| Some((text, slip(text)?))) {
        eprintln!("warning: {wrong:?} is no known job type\nhelp: did you mean {near:?}?");
    }
}

fn slip(job_type: &str) -> Option<String> {
    match JobType::from_name(job_type) {
        // A pattern finds what it finds.
        JobType::Other(word) if !job_type.contains('*') => {
            nearest(&word, JobType::KNOWN.iter().map(JobType::as_str)).map(str::to_owned)
        }
        _ => None,
    }
}

impl Wish {
    /// What was asked for.
    pub fn sample(&self) -> Sample {
        let resource = |name: &Option<String>| name.clone().map(Resource::named);
        Sample {
            job_type: self.job_type.as_deref().map(JobType::from_name),
            state: self.state.as_deref().map(State::from_name),
            outcome: self.outcome,
            reason: self.reason.clone(),
            error: self.error.clone(),
            source: resource(&self.source),
            data_product: resource(&self.data_product),
            workflow: resource(&self.workflow),
            destination: resource(&self.destination),
            job: self.job.clone(),
            tenant: self.tenant.clone(),
            queued_for: self.queued_for,
            ran_for: self.ran_for,
            event_type: self.event_type.clone(),
            ..Sample::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_a_type_of_ones_own() {
        for (job_type, near) in [
            ("load_sorce", Some("load_source")),
            ("LOAD_SORCE", Some("load_source")),
            ("Update data prodct", Some("update_data_product")),
            ("LOAD_SOURCE", None),
            ("loadSource", None),
            ("rebuild_index", None),
            ("load_sourc*", None),
        ] {
            assert_eq!(slip(job_type).as_deref(), near, "{job_type}");
        }
    }
}
