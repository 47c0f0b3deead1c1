//! Tests of the made-up events.

use super::*;
use crate::event::STOPPED_BY_USER;

fn now() -> Timestamp {
    "2025-12-02T14:46:04.518Z".parse().unwrap()
}

fn made(sample: &Sample) -> Value {
    sample.event(now(), 7).unwrap()
}

#[test]
fn without_words_it_is_a_failed_update() {
    let event = serde_json::to_string_pretty(&made(&Sample::default())).unwrap();
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

/// `type resource standing`, as read.
fn told(sample: &Sample) -> String {
    let event = sample.read(now(), 7).unwrap();
    let job = event.job.as_ref().expect("a job");
    let ended = job.outcome.map_or_else(|| job.state.as_ref().unwrap().as_str(), |outcome| outcome.as_str());
    let resource = job.resource().map(|(_, resource)| resource.to_string()).unwrap_or_default();
    let reason = job.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} {resource} {ended}{reason}", job.job_type.as_ref().unwrap().as_str())
}

#[test]
fn the_relay_reads_it_as_asked_for() {
    for (sample, want) in [
        (Sample::default(), "update_data_product Customers failed: PLANNING_FAILED"),
        (
            Sample { source: Some(Resource::named("CRM")), outcome: Some(Outcome::Succeeded), ..Sample::default() },
            "load_source CRM succeeded",
        ),
        (
            Sample { workflow: Some(Resource::named("Nightly")), outcome: Some(Outcome::Stopped), ..Sample::default() },
            "update_workflow Nightly stopped: STOPPED_BY_USER",
        ),
        (
            Sample { destination: Some(Resource::named("Lake")), state: Some(State::Running), ..Sample::default() },
            "publish_destination Lake RUNNING",
        ),
        (
            Sample {
                data_product: Some(Resource::named("Customers")),
                destination: Some(Resource::named("lake-1")),
                ..Sample::default()
            },
            "publish_configuration Customers → lake-1 failed: PLANNING_FAILED",
        ),
    ] {
        assert_eq!(told(&sample), want);
        let event = sample.read(now(), 7).unwrap();
        assert_eq!(event.tenant, "sample.tamr.cloud");
        assert!(!event.test);
    }
}

#[test]
fn ids_are_said_or_made_up_and_legacy_data_products_have_no_name() {
    let product = |id: Option<&str>, name: Option<&str>| {
        let resource = Resource { id: id.map(Into::into), name: name.map(Into::into) };
        let event = Sample { data_product: Some(resource), ..Sample::default() }.read(now(), 7).unwrap();
        let read = event.job.unwrap().data_product.unwrap();
        (read.id.unwrap_or_default(), read.name.unwrap_or_default())
    };
    let pair = |id: &str, name: &str| (id.into(), name.into());
    assert_eq!(product(None, Some("All Customers")), pair("all-customers", "All Customers"));
    assert_eq!(product(Some("dp-1"), Some("Customers")), pair("dp-1", "Customers"));
    assert_eq!(product(Some("dp-1"), None), pair("dp-1", ""));
}

#[test]
fn durations_are_as_asked_for() {
    let (queued_for, ran_for) = (Some(Duration::from_secs(90)), Some(Duration::from_millis(7_200_250)));
    for outcome in Outcome::ALL {
        let sample = Sample { outcome: Some(outcome), queued_for, ran_for, ..Sample::default() };
        let job = sample.read(now(), 7).unwrap().job.unwrap();
        assert_eq!((job.queued_for, job.ran_for), (queued_for, ran_for), "{outcome:?}");
        let short = Sample { ran_for: Some(Duration::from_secs(1)), ..sample };
        assert_eq!(short.read(now(), 7).unwrap().job.unwrap().ran_for, short.ran_for, "{outcome:?}");
    }
    let running = Sample { state: Some(State::Running), queued_for, ..Sample::default() };
    assert_eq!(running.read(now(), 7).unwrap().job.unwrap().queued_for, queued_for);
    let ages = Sample { ran_for: Some(Duration::MAX), ..Sample::default() };
    assert!(ages.event(Timestamp::MIN, 7).is_ok(), "no time is too far");
}

#[test]
fn other_events_are_of_no_job() {
    let of_type = |event_type: &str| Sample { event_type: Some(event_type.to_owned()), ..Sample::default() };
    let record = of_type("record.updated").read(now(), 7).unwrap();
    assert_eq!((record.event_type.as_str(), record.job), ("record.updated", None));
    assert!(of_type("com.tamr.job.status").read(now(), 7).unwrap().job.is_some());
    let with_a_word = Sample { outcome: Some(Outcome::Failed), ..of_type("x") };
    assert!(with_a_word.read(now(), 7).unwrap().job.is_some());
}

#[test]
fn the_relays_own_events_are_real_ones() {
    for name in OWN {
        let event_type = format!("jobrelay.{name}");
        let event = Sample { event_type: Some(event_type.clone()), ..Sample::default() }.read(now(), 7).unwrap();
        assert!(event.is_own() && event.job.is_none(), "{name}");
        assert_eq!(event.event_type, event_type);
        assert!(event.raw()["data"]["summary"].is_string(), "{name}");
    }
    let down = Sample {
        event_type: Some("jobrelay.receiver_down".to_owned()),
        receiver: Some("ops".to_owned()),
        test: true,
        ..Sample::default()
    };
    let event = down.read(now(), 7).unwrap();
    assert_eq!((event.about.as_deref(), event.test), (Some("ops"), true));
}

#[test]
fn every_sort_is_there_and_reads() {
    let read: Vec<_> = Sample::every_sort().map(|sample| sample.read(now(), 7).unwrap()).collect();
    assert_eq!(read.len(), JobType::KNOWN.len() * 6 + 1 + OWN.len());
    assert_eq!(read.iter().filter(|event| event.is_own()).count(), OWN.len());
}

#[test]
fn each_type_fills_the_fields_of_the_vendors_table() {
    for (name, filled, empty) in [
        ("load_source", &["sourceId", "sourceDisplayName"][..], &[][..]),
        ("update_data_product", &["dataProductId", "dataProductDisplayName"], &["workflowId", "workflowDisplayName"]),
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
        let event = made(&Sample { job_type: Some(JobType::from_name(name)), ..Sample::default() });
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
    let sample = |source, data_product, workflow, destination| Sample {
        source,
        data_product,
        workflow,
        destination,
        ..Sample::default()
    };
    for (sample, want) in [
        (sample(Some(Resource::named("a")), None, None, None), "LOAD_SOURCE"),
        (sample(None, Some(Resource::named("a")), None, None), "UPDATE_DATA_PRODUCT"),
        (sample(None, None, Some(Resource::named("a")), None), "UPDATE_WORKFLOW"),
        (sample(None, Some(Resource::named("a")), None, Some(Resource::named("b"))), "PUBLISH_CONFIGURATION"),
        (sample(None, None, None, Some(Resource::named("b"))), "PUBLISH_DESTINATION"),
    ] {
        assert_eq!(made(&sample)["data"]["jobType"], want);
    }
    let refused =
        sample(Some(Resource::named("a")), Some(Resource::named("b")), None, None).event(now(), 7).unwrap_err();
    assert_eq!(refused.word, "data_product");
    assert_eq!(refused.message, "no known job type names source and data_product together: say the type");
}

#[test]
fn an_unknown_type_carries_what_it_is_given() {
    let event = made(&Sample {
        job_type: Some(JobType::from_name("Profile source")),
        source: Some(Resource::named("CRM")),
        ..Sample::default()
    });
    assert_eq!(event["data"]["jobType"], "PROFILE_SOURCE");
    assert_eq!(event["data"]["sourceDisplayName"], "CRM");
}

#[test]
fn endings() {
    let error = |outcome, reason, message| {
        let event = made(&Sample { outcome, reason, error: message, ..Sample::default() });
        let error = &event["data"]["status"]["error"];
        (error["reason"].as_str().map(str::to_owned), error["message"].as_str().unwrap_or("none").to_owned())
    };
    assert_eq!(error(Some(Outcome::Succeeded), None, None), (None, "none".to_owned()));
    assert_eq!(error(Some(Outcome::Stopped), None, None).0, Some(STOPPED_BY_USER.to_owned()));
    assert_eq!(
        error(None, Some(STOPPED_BY_USER.to_owned()), None),
        (Some(STOPPED_BY_USER.to_owned()), "The job was stopped by a user.".to_owned())
    );
    assert_eq!(
        error(None, Some("NO_SPACE".to_owned()), None),
        (Some("NO_SPACE".to_owned()), "The job failed: NO_SPACE.".to_owned())
    );
    assert_eq!(
        error(None, None, Some("disk full".to_owned())),
        (Some("PLANNING_FAILED".to_owned()), "disk full".to_owned())
    );
}

#[test]
fn contradictions_name_the_word_that_is_too_much() {
    let done = Sample::default;
    let running = || Sample { state: Some(State::Running), ..Sample::default() };
    let own = |name: &str| Sample { event_type: Some(format!("jobrelay.{name}")), ..Sample::default() };
    let day = Some(Duration::from_secs(86_400));
    for (sample, word, message) in [
        (
            Sample { outcome: Some(Outcome::Failed), ..running() },
            "outcome",
            "outcome is of DONE jobs, not of RUNNING ones",
        ),
        (Sample { reason: Some("X".to_owned()), ..running() }, "reason", "reason is of DONE jobs, not of RUNNING ones"),
        (Sample { error: Some("X".to_owned()), ..running() }, "error", "error is of DONE jobs, not of RUNNING ones"),
        (Sample { ran_for: day, ..running() }, "ran_for", "ran_for is of DONE jobs, not of RUNNING ones"),
        (
            Sample { state: Some(State::Pending), queued_for: day, ..done() },
            "queued_for",
            "queued_for is known when a job has left PENDING",
        ),
        (
            Sample { outcome: Some(Outcome::Succeeded), reason: Some("X".to_owned()), ..done() },
            "reason",
            "a job that succeeded has no reason and no error",
        ),
        (
            Sample { outcome: Some(Outcome::Succeeded), error: Some("X".to_owned()), ..done() },
            "error",
            "a job that succeeded has no reason and no error",
        ),
        (
            Sample { outcome: Some(Outcome::Stopped), reason: Some("X".to_owned()), ..done() },
            "reason",
            "a job with reason X has failed; stopped means STOPPED_BY_USER",
        ),
        (
            Sample { outcome: Some(Outcome::Failed), reason: Some("STOPPED_BY_USER".to_owned()), ..done() },
            "reason",
            "STOPPED_BY_USER means stopped, not failed",
        ),
        (
            Sample { job_type: Some(JobType::LoadSource), data_product: Some(Resource::named("X")), ..done() },
            "data_product",
            "data_product does not go with load_source, whose events name source alone",
        ),
        (
            Sample {
                job_type: Some(JobType::PublishConfiguration),
                destination: Some(Resource { id: Some("1".into()), name: Some("X".into()) }),
                ..done()
            },
            "destination",
            "events of publish_configuration name their destination by its ID alone",
        ),
        (
            Sample { outcome: Some(Outcome::Failed), ..own("disk_low") },
            "outcome",
            "outcome does not go with jobrelay.disk_low, an event of the relay's own",
        ),
        (
            own("receiver_dwn"),
            "event_type",
            "the relay has no event jobrelay.receiver_dwn: did you mean jobrelay.receiver_down?",
        ),
        (
            Sample { receiver: Some("ops".to_owned()), ..own("disk_low") },
            "receiver",
            "jobrelay.disk_low speaks of no receiver",
        ),
        (
            Sample { receiver: Some("ops".to_owned()), ..done() },
            "receiver",
            "receiver goes with event_type jobrelay.receiver_blocked, jobrelay.receiver_down, \
             jobrelay.receiver_recovered, jobrelay.delivery_dead only",
        ),
    ] {
        let refused = sample.event(now(), 7).unwrap_err();
        assert_eq!((refused.word, refused.message.as_str()), (word, message));
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
        let event = made(&Sample { state: Some(State::from_name(state)), ..Sample::default() });
        let statuses = event["data"]["pastStatuses"].as_array().unwrap();
        assert_eq!(statuses.iter().map(|s| &s["state"]).collect::<Vec<_>>(), past, "{state}");
        let times: Vec<_> = statuses.iter().map(|s| s["stateStartTime"].as_str().unwrap()).collect();
        assert!(times.is_sorted() && times.iter().all(|t| *t < event["time"].as_str().unwrap()), "{times:?}");
    }
    let stopped = made(&Sample { outcome: Some(Outcome::Stopped), ..Sample::default() });
    assert_eq!(stopped["data"]["pastStatuses"][2]["state"], "STOPPING");
}

#[test]
fn every_event_has_its_own_id_and_tenant() {
    assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    let tenant = |t: &str| {
        made(&Sample { tenant: Some(t.to_owned()), ..Sample::default() })["source"].as_str().unwrap().to_owned()
    };
    assert_eq!(tenant("acme"), "acme.tamr.cloud/webhooks/v1alpha1/jobEvents");
    assert_eq!(tenant("tamr.acme.example"), "tamr.acme.example/webhooks/v1alpha1/jobEvents");
}
