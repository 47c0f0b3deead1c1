//! A realistic job event, made up from a few words of the vocabulary: what `send` and `demo` post. Pure: time and chance are arguments.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::event::{JobType, Outcome};

/// The vendor's own words for the reasons it documents.
const KNOWN_REASONS: [(&str, &str); 2] = [
    (STOPPED, "The job was stopped by a user."),
    (
        PLANNING_FAILED,
        "Something went wrong while planning the job. Please verify the configuration is correct and try again.",
    ),
];
const STOPPED: &str = "STOPPED_BY_USER";
const PLANNING_FAILED: &str = "PLANNING_FAILED";

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
}

fn outcome(word: &str) -> Outcome {
    match word {
        "succeeded" => Outcome::Succeeded,
        "stopped" => Outcome::Stopped,
        _ => Outcome::Failed,
    }
}

/// How the job ended: nothing before DONE, no error if it succeeded.
enum Ending {
    None,
    Succeeded,
    Error { reason: String, message: String },
}

/// A structured `CloudEvent` as the vendor would send it at `now`. The same `chance` makes the same IDs and durations.
///
/// # Errors
/// A sentence, if the wishes contradict each other.
pub fn event(wish: &Wish, now: Timestamp, chance: u128) -> Result<Value, String> {
    let job_type = wish.job_type()?;
    let state = wish.state.as_deref().unwrap_or("DONE").to_uppercase();
    let ending = wish.ending(&state)?;
    let stopped = matches!(&ending, Ending::Error { reason, .. } if reason == STOPPED);
    let statuses = statuses(&state, stopped, &ending, now, chance);

    let mut status = json!({ "state": state, "stateStartTime": millis(now) });
    if let Ending::Error { reason, message } = ending {
        status["error"] = json!({ "reason": reason, "message": message });
    }
    let mut data = Map::new();
    let job = wish.job.clone().unwrap_or_else(|| (100_000 + chance % 900_000).to_string());
    data.insert("jobId".to_owned(), job.into());
    data.insert("jobType".to_owned(), job_type.as_str().to_uppercase().into());
    data.extend(wish.identifiers(&job_type).into_iter().map(|(key, value)| (key.to_owned(), value.into())));
    data.insert("status".to_owned(), status);
    data.insert("pastStatuses".to_owned(), statuses);

    Ok(json!({
        "specversion": "1.0",
        "id": uuid(chance),
        "source": format!("{}/webhooks/v1alpha1/jobEvents", wish.tenant_host()),
        // The vendor does not document the type of its job events.
        "type": "jobEvent",
        "time": millis(now),
        "datacontenttype": "application/json",
        "data": data,
    }))
}

impl Wish {
    fn job_type(&self) -> Result<JobType, String> {
        let named = [
            ("--source", self.source.is_some()),
            ("--data-product", self.data_product.is_some()),
            ("--workflow", self.workflow.is_some()),
            ("--destination", self.destination.is_some()),
        ]
        .map(|(flag, set)| set.then_some(flag));
        let job_type = match (&self.job_type, named) {
            (Some(name), _) => JobType::from_name(name),
            (None, [Some(_), None, None, None]) => JobType::LoadSource,
            (None, [None, Some(_), None, Some(_)]) => JobType::PublishConfiguration,
            (None, [None, _, None, None]) => JobType::UpdateDataProduct,
            (None, [None, None, Some(_), None]) => JobType::UpdateWorkflow,
            (None, [None, None, None, Some(_)]) => JobType::PublishDestination,
            (None, _) => return Err("no job type names these resources together: choose one with --type".to_owned()),
        };
        let fits: &[&str] = match job_type {
            JobType::LoadSource => &["--source"],
            JobType::UpdateDataProduct => &["--data-product"],
            JobType::UpdateWorkflow => &["--workflow"],
            JobType::PublishConfiguration => &["--data-product", "--destination"],
            JobType::PublishDestination => &["--destination"],
            JobType::Other(_) => return Ok(job_type),
        };
        match named.into_iter().flatten().find(|flag| !fits.contains(flag)) {
            Some(flag) => {
                Err(format!("{flag} does not go with {}, whose events name {}", job_type.as_str(), fits.join(" and ")))
            }
            None => Ok(job_type),
        }
    }

    fn ending(&self, state: &str) -> Result<Ending, String> {
        if state != "DONE" {
            let given = [
                ("--outcome", self.outcome.is_some()),
                ("--reason", self.reason.is_some()),
                ("--error", self.error.is_some()),
            ];
            return match given.into_iter().find(|(_, set)| *set) {
                Some((flag, _)) => Err(format!("{flag} is of DONE jobs, not of {state} ones")),
                None => Ok(Ending::None),
            };
        }
        let says_stopped = self.reason.as_deref() == Some(STOPPED);
        let outcome = self.outcome.unwrap_or(if says_stopped { Outcome::Stopped } else { Outcome::Failed });
        let reason = match (outcome, self.reason.as_deref()) {
            (Outcome::Succeeded, None) if self.error.is_none() => return Ok(Ending::Succeeded),
            (Outcome::Succeeded, _) => return Err("a job that succeeded has no --reason and no --error".to_owned()),
            (Outcome::Stopped, None) => STOPPED,
            (Outcome::Stopped, Some(reason)) if reason != STOPPED => {
                return Err(format!("a job with reason {reason} has failed; stopped means {STOPPED}"));
            }
            (Outcome::Failed, Some(STOPPED)) => return Err(format!("{STOPPED} means stopped, not failed")),
            (Outcome::Failed, None) => PLANNING_FAILED,
            (_, Some(reason)) => reason,
        };
        let known = KNOWN_REASONS.iter().find(|(known, _)| *known == reason).map(|(_, message)| (*message).to_owned());
        let message = self.error.clone().or(known).unwrap_or_else(|| format!("The job failed: {reason}."));
        Ok(Ending::Error { reason: reason.to_owned(), message })
    }

    /// The identifier fields of the vendor's table, filled and empty.
    fn identifiers(&self, job_type: &JobType) -> Vec<(&'static str, String)> {
        let or = |name: &Option<String>, default: &str| name.clone().unwrap_or_else(|| default.to_owned());
        let pair = |id, name, value: String| vec![(id, slug(&value)), (name, value)];
        let empty = |id, name| vec![(id, String::new()), (name, String::new())];
        let source = |name| pair("sourceId", "sourceDisplayName", name);
        let data_product = |name| pair("dataProductId", "dataProductDisplayName", name);
        let workflow = |name| pair("workflowId", "workflowDisplayName", name);
        let destination = |name| pair("destinationId", "destinationDisplayName", name);
        match job_type {
            JobType::LoadSource => source(or(&self.source, "CRM accounts")),
            JobType::UpdateDataProduct => {
                [data_product(or(&self.data_product, "Customers")), empty("workflowId", "workflowDisplayName")].concat()
            }
            JobType::UpdateWorkflow => {
                let workflow = workflow(or(&self.workflow, "Nightly refresh"));
                [workflow, empty("dataProductId", "dataProductDisplayName")].concat()
            }
            JobType::PublishConfiguration => {
                let id = or(&self.destination, "warehouse");
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
        }
    }

    fn tenant_host(&self) -> String {
        let tenant = self.tenant.as_deref().unwrap_or("sample");
        if tenant.contains('.') { tenant.to_owned() } else { format!("{tenant}.tamr.cloud") }
    }
}

/// What came before `state`, oldest first, ending at `now`: waiting takes seconds, running takes minutes, stopping takes seconds.
fn statuses(state: &str, stopped: bool, ending: &Ending, now: Timestamp, chance: u128) -> Value {
    // Below 1,000, so it fits.
    let luck = i64::try_from(chance % 1_000).unwrap_or_default();
    let queued = 4 + luck % 50;
    let ran = match ending {
        // Planning comes first, so its failures are quick.
        Ending::Error { reason, .. } if reason == PLANNING_FAILED => 20 + luck % 70,
        _ => 240 + luck * 5,
    };
    let stopping = 3 + luck % 9;
    let steps: &[(&str, i64)] = match state {
        "PENDING" => &[],
        "RUNNING" => &[("PENDING", queued)],
        "DONE" if stopped => &[("PENDING", queued), ("RUNNING", ran), ("STOPPING", stopping)],
        _ => &[("PENDING", queued), ("RUNNING", ran)],
    };
    let mut since = now - SignedDuration::from_secs(steps.iter().map(|(_, seconds)| seconds).sum());
    let past = steps.iter().map(|(state, seconds)| {
        let status = json!({ "state": state, "stateStartTime": millis(since) });
        since += SignedDuration::from_secs(*seconds);
        status
    });
    past.collect()
}

/// As the vendor writes times: UTC with milliseconds.
fn millis(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// An ID that looks like it belongs to the name.
fn slug(name: &str) -> String {
    let dashed: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    dashed.to_lowercase()
}

/// A version 4 UUID with the bits of `chance`.
fn uuid(chance: u128) -> String {
    let bits = chance & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::super::flat;
    use super::*;
    use crate::event::{Form, Received};

    fn now() -> Timestamp {
        "2025-12-02T14:46:04.518Z".parse().unwrap()
    }

    fn made(wish: &Wish) -> Value {
        event(wish, now(), 7).unwrap()
    }

    /// A flag's value; empty: not given.
    fn of(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    #[test]
    fn without_wishes_it_is_a_failed_update() {
        let event = serde_json::to_string_pretty(&made(&Wish::default())).unwrap();
        insta::assert_snapshot!(event, @r#"
        {
          "specversion": "1.0",
          "id": "00000000-0000-4000-8000-000000000007",
          "source": "sample.tamr.cloud/webhooks/v1alpha1/jobEvents",
          "type": "jobEvent",
          "time": "2025-12-02T14:46:04.518Z",
          "datacontenttype": "application/json",
          "data": {
            "jobId": "100007",
            "jobType": "UPDATE_DATA_PRODUCT",
            "dataProductId": "customers",
            "dataProductDisplayName": "Customers",
            "workflowId": "",
            "workflowDisplayName": "",
            "status": {
              "state": "DONE",
              "stateStartTime": "2025-12-02T14:46:04.518Z",
              "error": {
                "reason": "PLANNING_FAILED",
                "message": "Something went wrong while planning the job. Please verify the configuration is correct and try again."
              }
            },
            "pastStatuses": [
              {
                "state": "PENDING",
                "stateStartTime": "2025-12-02T14:45:26.518Z"
              },
              {
                "state": "RUNNING",
                "stateStartTime": "2025-12-02T14:45:37.518Z"
              }
            ]
          }
        }
        "#);
    }

    #[test]
    fn the_relay_reads_it_as_wished() {
        for (wish, want) in [
            (Wish::default(), "update_data_product Customers failed: PLANNING_FAILED"),
            (
                Wish { source: of("CRM"), outcome: Some(Outcome::Succeeded), ..Wish::default() },
                "load_source CRM succeeded",
            ),
            (
                Wish { workflow: of("Nightly"), outcome: Some(Outcome::Stopped), ..Wish::default() },
                "update_workflow Nightly stopped: STOPPED_BY_USER",
            ),
            (
                Wish { destination: of("Lake"), state: of("running"), ..Wish::default() },
                "publish_destination Lake RUNNING",
            ),
            (
                Wish { data_product: of("Customers"), destination: of("lake-1"), ..Wish::default() },
                "publish_configuration Customers → lake-1 failed: PLANNING_FAILED",
            ),
        ] {
            let form = Form { content_type: "application/json".to_owned(), attributes: Vec::new() };
            let body = serde_json::to_vec(&made(&wish)).unwrap().into();
            let read = crate::event::parse(Received { form, body, received_at: now() }).unwrap();
            let flat = serde_json::to_value(crate::event::flat(&read)).unwrap();
            assert_eq!(flat::sentence(&flat), want);
            assert_eq!(flat["tenant"], "sample.tamr.cloud");
            let ran_for = read.job.unwrap().ran_for;
            assert!(ran_for.is_some_and(|ran| !ran.is_zero()) || wish.state.is_some(), "{ran_for:?}");
        }
    }

    #[test]
    fn each_type_fills_the_fields_of_the_vendors_table() {
        for (name, filled, empty) in [
            ("load_source", &["sourceId", "sourceDisplayName"][..], &[][..]),
            (
                "update_data_product",
                &["dataProductId", "dataProductDisplayName"],
                &["workflowId", "workflowDisplayName"],
            ),
            ("update_workflow", &["workflowId", "workflowDisplayName"], &["dataProductId", "dataProductDisplayName"]),
            (
                "publish_configuration",
                &["dataProductId", "dataProductDisplayName", "destinationId"],
                &["destinationDisplayName"],
            ),
            (
                "publish_destination",
                &["destinationId", "destinationDisplayName"],
                &["dataProductId", "dataProductDisplayName"],
            ),
        ] {
            let event = made(&Wish { job_type: of(name), ..Wish::default() });
            let data = event["data"].as_object().unwrap();
            let identifiers: Vec<_> =
                data.iter().filter(|(k, _)| *k != "jobId" && (k.ends_with("Id") || k.ends_with("Name"))).collect();
            let with = |is_empty| {
                identifiers.iter().filter(|(_, v)| (*v == "") == is_empty).map(|(k, _)| k.as_str()).collect::<Vec<_>>()
            };
            assert_eq!(with(false), filled, "{name}");
            assert_eq!(with(true), empty, "{name}");
        }
    }

    #[test]
    fn the_type_follows_from_the_resources() {
        let wish = |source, data_product, workflow, destination| Wish {
            source,
            data_product,
            workflow,
            destination,
            ..Wish::default()
        };
        for (wish, want) in [
            (wish(of("a"), None, None, None), "LOAD_SOURCE"),
            (wish(None, of("a"), None, None), "UPDATE_DATA_PRODUCT"),
            (wish(None, None, of("a"), None), "UPDATE_WORKFLOW"),
            (wish(None, of("a"), None, of("b")), "PUBLISH_CONFIGURATION"),
            (wish(None, None, None, of("b")), "PUBLISH_DESTINATION"),
        ] {
            assert_eq!(made(&wish)["data"]["jobType"], want);
        }
        assert!(event(&wish(of("a"), of("b"), None, None), now(), 7).is_err());
    }

    #[test]
    fn an_unknown_type_carries_what_it_is_given() {
        let event = made(&Wish { job_type: of("Profile source"), source: of("CRM"), ..Wish::default() });
        assert_eq!(event["data"]["jobType"], "PROFILE_SOURCE");
        assert_eq!(event["data"]["sourceDisplayName"], "CRM");
    }

    #[test]
    fn endings() {
        let error = |outcome, reason, message| {
            let event = made(&Wish { outcome, reason, error: message, ..Wish::default() });
            let error = &event["data"]["status"]["error"];
            (error["reason"].as_str().map(str::to_owned), error["message"].as_str().unwrap_or("none").to_owned())
        };
        assert_eq!(error(Some(Outcome::Succeeded), None, None), (None, "none".to_owned()));
        assert_eq!(error(Some(Outcome::Stopped), None, None).0, of(STOPPED));
        assert_eq!(error(None, of(STOPPED), None), (of(STOPPED), "The job was stopped by a user.".to_owned()));
        assert_eq!(error(None, of("NO_SPACE"), None), (of("NO_SPACE"), "The job failed: NO_SPACE.".to_owned()));
        assert_eq!(error(None, None, of("disk full")), (of(PLANNING_FAILED), "disk full".to_owned()));
    }

    #[test]
    fn contradictions_are_refused() {
        let done = Wish::default;
        let running = || Wish { state: of("RUNNING"), ..Wish::default() };
        for wish in [
            Wish { outcome: Some(Outcome::Failed), ..running() },
            Wish { reason: of("X"), ..running() },
            Wish { error: of("X"), ..running() },
            Wish { outcome: Some(Outcome::Succeeded), reason: of("X"), ..done() },
            Wish { outcome: Some(Outcome::Succeeded), error: of("X"), ..done() },
            Wish { outcome: Some(Outcome::Stopped), reason: of("X"), ..done() },
            Wish { outcome: Some(Outcome::Failed), reason: of(STOPPED), ..done() },
            Wish { job_type: of("load_source"), data_product: of("X"), ..done() },
        ] {
            assert!(event(&wish, now(), 7).is_err(), "{wish:?}");
        }
    }

    #[test]
    fn the_history_leads_up_to_the_state() {
        for (state, past) in [
            ("pending", &[][..]),
            ("RUNNING", &["PENDING"]),
            ("STOPPING", &["PENDING", "RUNNING"]),
            ("DONE", &["PENDING", "RUNNING"]),
        ] {
            let event = made(&Wish { state: of(state), ..Wish::default() });
            let statuses = event["data"]["pastStatuses"].as_array().unwrap();
            assert_eq!(statuses.iter().map(|s| &s["state"]).collect::<Vec<_>>(), past, "{state}");
            let times: Vec<_> = statuses.iter().map(|s| s["stateStartTime"].as_str().unwrap()).collect();
            assert!(times.is_sorted() && times.iter().all(|t| *t < event["time"].as_str().unwrap()), "{times:?}");
        }
        let stopped = made(&Wish { outcome: Some(Outcome::Stopped), ..Wish::default() });
        assert_eq!(stopped["data"]["pastStatuses"][2]["state"], "STOPPING");
    }

    #[test]
    fn every_event_has_its_own_id_and_tenant() {
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let tenant = |t: &str| made(&Wish { tenant: of(t), ..Wish::default() })["source"].as_str().unwrap().to_owned();
        assert_eq!(tenant("acme"), "acme.tamr.cloud/webhooks/v1alpha1/jobEvents");
        assert_eq!(tenant("tamr.acme.example"), "tamr.acme.example/webhooks/v1alpha1/jobEvents");
    }
}
