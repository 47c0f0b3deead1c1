//! Strict fakes of the services: each asks of every request what the service's reference asks, and answers as the service does.
//! The real binary delivers to them over HTTP.

mod alertmanager;
mod check;
mod discord;
mod google_chat;
mod incident_io;
mod incidents;
mod jsm;
mod mail;
mod mail_server;
mod mailgun;
mod matrix;
mod mattermost;
mod mime;
mod ntfy;
mod pagerduty;
mod postmark;
mod resend;
mod rocketchat;
mod sendgrid;
mod ses;
mod slack;
mod smtp;
mod teams;
mod telegram;
mod twilio;
mod webex;
mod zulip;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Fake, Relay, Reply, Request, event, finished};

/// One service.
pub struct Service {
    /// And after a `-` which of its ways, where there are several: the receiver's name.
    pub kind: &'static str,
    /// The receiver's settings beside `kind`, in flow style, for a service at this address.
    pub settings: fn(base: &str) -> String,
    /// The service's answer to a request that is right; what is wrong with it otherwise.
    pub answer: fn(&Request) -> Result<Reply, String>,
    /// The answer to a request that is wrong.
    pub refusal: Reply,
}

const SERVICES: [Service; 22] = [
    slack::SERVICE,
    slack::WEB_API,
    teams::SERVICE,
    google_chat::SERVICE,
    discord::SERVICE,
    mattermost::SERVICE,
    rocketchat::SERVICE,
    telegram::SERVICE,
    zulip::SERVICE,
    matrix::SERVICE,
    ntfy::SERVICE,
    webex::SERVICE,
    sendgrid::SERVICE,
    mailgun::SERVICE,
    postmark::SERVICE,
    ses::SERVICE,
    resend::SERVICE,
    pagerduty::SERVICE,
    jsm::SERVICE,
    incident_io::SERVICE,
    alertmanager::SERVICE,
    twilio::SERVICE,
];

/// A fake of a service, and what it found wrong.
struct Desk {
    fake: Fake,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Desk {
    fn open(service: &'static Service) -> Desk {
        let (fake, wrong) = (Fake::start(), Arc::<Mutex<Vec<String>>>::default());
        let found = Arc::clone(&wrong);
        fake.replies(move |request| {
            (service.answer)(request).unwrap_or_else(|why| {
                found.lock().expect("not poisoned").push(format!("{why}: {} {}", request.target, request.text()));
                service.refusal.clone()
            })
        });
        Desk { fake, wrong }
    }
}

static ALL: [Service; SERVICES.len()] = SERVICES;

/// Every service as a receiver; each message of `when: {}` goes to all.
fn routes(desks: &[Desk], message: &str) -> String {
    let mut text = String::from("receivers:\n");
    for (service, desk) in ALL.iter().zip(desks) {
        let settings = (service.settings)(desk.fake.url("").trim_end_matches('/'));
        let kind = service.kind.split('-').next().unwrap_or_default();
        writeln!(text, "  {}: {{ kind: {kind}, rate: 1000/s, {settings} }}", service.kind)
            .expect("a String takes any text");
    }
    let names: Vec<_> = ALL.iter().map(|service| service.kind).collect();
    text + &format!("routes:\n  - name: all\n    to: [{}]\n    message: {message}\n", names.join(", "))
}

/// A job of every documented type in every standing, oldest first.
fn every_sort_of_event() -> Vec<Value> {
    let types = [
        json!({"jobType": "LOAD_SOURCE", "sourceId": "s-1", "sourceDisplayName": "CRM"}),
        json!({"jobType": "UPDATE_DATA_PRODUCT", "dataProductId": "p-1", "dataProductDisplayName": "Customers"}),
        json!({"jobType": "UPDATE_WORKFLOW", "workflowId": "w-1", "workflowDisplayName": "Nightly"}),
        json!({"jobType": "PUBLISH_CONFIGURATION", "dataProductId": "p-1", "dataProductDisplayName": "Customers", "destinationId": "d-1"}),
        json!({"jobType": "PUBLISH_DESTINATION", "destinationId": "d-1", "destinationDisplayName": "Snowflake"}),
    ];
    let hostile = r#"{"reason": "<!channel> @everyone <@U012ABCDEF> @**all**", "message": "<users/all> [x](https://evil.example) **b** `c` {{ x }} & \"q\" \\ <script>\u0000\u202e"}"#;
    let failed = r#"{"reason": "PLANNING_FAILED", "message": "Bad plan."}"#;
    let stopped = r#"{"reason": "STOPPED_BY_USER", "message": "The job was stopped by a user."}"#;
    let mut events = Vec::new();
    for (number, job_type) in types.into_iter().enumerate() {
        let job = |standing: &str| {
            let mut job = job_type.clone();
            job["jobId"] = json!(format!("job-{number}-{standing}"));
            job
        };
        let mut running = job("running");
        running["status"] = json!({"state": "RUNNING", "stateStartTime": "2025-12-02T14:20:00.000Z"});
        events.push(event(&running));
        events.push(finished(job("failed"), failed));
        events.push(finished(job("hostile"), hostile));
        events.push(finished(job("stopped"), stopped));
        events.push(finished(job("succeeded"), ""));
    }
    events
}

async fn deliver(message: &str, events: &[Value]) {
    let desks: Vec<Desk> = ALL.iter().map(Desk::open).collect();
    let relay = Relay::start(&routes(&desks, message)).await;
    for event in events {
        relay.accept(event).await;
    }
    for (service, desk) in ALL.iter().zip(&desks) {
        relay.drained(service.kind).await;
        let wrong = desk.wrong.lock().expect("not poisoned").clone();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", service.kind);
        let distinct: std::collections::BTreeSet<String> = desk.fake.requests().iter().map(Request::delivery).collect();
        assert!(distinct.len() >= events.len(), "{}: {} messages", service.kind, distinct.len());
    }
}

#[tokio::test]
async fn every_service_takes_the_built_in_message() {
    deliver("{}", &every_sort_of_event()).await;
}

/// A message longer than any service's text, and than any service's field: what is longer still only takes time.
fn beyond_every_limit() -> String {
    let long = |times: u8| {
        format!(
            "{{% for a in range({times}) %}}{{{{ error }}}} & <b> **Tïtle** 👩‍🔧 @here {{{{ raw.data }}}} {{% endfor %}}"
        )
    };
    let (long, field) = (long(40), long(8));
    let fields: Vec<String> = (0..60).map(|n| format!("F{n}: \"{field}\"")).collect();
    format!(
        "{{ title: \"{long}\", text: \"{long}\", level: critical, link: \"https://example.com/?a=1&b=2\", fields: {{ {} }} }}",
        fields.join(", ")
    )
}

#[tokio::test]
async fn every_service_takes_a_message_beyond_its_limits() {
    // One type in every standing: limits know no types.
    deliver(&beyond_every_limit(), &every_sort_of_event()[..5]).await;
}
