//! Every kind over every sort of event: what it sends, as snapshots, and what holds for all.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::KINDS;
use crate::event::{DeliveryId, Event, Job, JobType, Outcome, State};
use crate::message::testing::{event_of, job, node, scope};
use crate::message::{Circumstances, Engine, Level, Markdown, Message, compose};
use crate::receiver::{Answer, Call, Judgement, Outgoing, Reason, Receiver, Request, Sent, Verdict, read_receiver};
use crate::yaml::Problems;

/// The kind's own example with a fitting value for each variable.
pub(super) fn example(kind: &str) -> Receiver {
    let entry = KINDS.iter().find(|entry| entry.name == kind).expect("a kind");
    let mut settings = entry.example.to_owned();
    while let Some(at) = settings.find("${") {
        let end = at + settings[at..].find('}').expect("a variable ends");
        let name = settings[at + 2..end].to_lowercase().replace('_', "-");
        let value = if name.ends_with("url") { format!("https://service.example/hooks/{name}") } else { name };
        settings.replace_range(at..=end, &value);
    }
    example_with(&settings)
}

pub(super) fn example_with(settings: &str) -> Receiver {
    let mut problems = Problems::default();
    let receiver = read_receiver("data-ops", &node(settings), &mut Engine::default(), &mut problems);
    assert!(problems.is_empty(), "{settings}: {problems:?}");
    receiver.expect("no problems, so a receiver")
}

pub(super) fn sent(receiver: &Receiver, event: Event, message: &Message) -> Sent {
    request(receiver, event, message, false)
}

/// In plain form, as after a refusal.
pub(super) fn sent_plainly(receiver: &Receiver, event: Event, message: &Message) -> Sent {
    request(receiver, event, message, true)
}

fn request(receiver: &Receiver, event: Event, message: &Message, plain: bool) -> Sent {
    let call = Call {
        event: &Arc::new(event),
        delivery: DeliveryId(1 << 50),
        route: &"nightly".into(),
        message,
        engine: &Engine::default(),
        now: Timestamp::from_second(1_764_686_764).expect("in range"),
        plain,
        earlier: None,
    };
    receiver.request(&call).expect("something to send")
}

/// What a receiver makes of an answer; where someone has to act on it, it says how.
fn judgement(receiver: &Receiver, status: u16, body: &str, retry_after: Option<Duration>) -> Judgement {
    let judged = receiver.judge(&Ok(Answer { status, body: body.to_owned().into(), retry_after, ..Answer::default() }));
    let needs_someone = matches!(judged.verdict, Verdict::Blocked | Verdict::Refused);
    assert_eq!(judged.advice.is_some(), needs_someone, "{} {status} {body}", receiver.kind_name);
    judged
}

#[test]
fn every_kind_counts_failures_by_the_same_reasons() {
    for entry in KINDS.iter().filter(|entry| entry.name != "smtp") {
        let receiver = example(entry.name);
        for (status, reason) in [
            (401, Reason::Auth),
            (408, Reason::Timeout),
            (429, Reason::RateLimited),
            (500, Reason::Server),
            (502, Reason::Server),
            (503, Reason::Server),
            (504, Reason::Server),
        ] {
            assert_eq!(judgement(&receiver, status, "", None).reason, Some(reason), "{} {status}", entry.name);
        }
        for status in 200..600 {
            let judged = judgement(&receiver, status, "", None);
            assert_eq!(judged.reason.is_none(), judged.verdict == Verdict::Delivered, "{} {status}", entry.name);
            // What is sent again in plain form was refused for its form.
            assert!(!judged.bad_form || judged.reason == Some(Reason::Form), "{} {status}: {judged:?}", entry.name);
            // What the transport alone tells is never read from an answer.
            let of_transport = [Reason::Dns, Reason::Tls, Reason::Connect, Reason::Template];
            assert!(!judged.reason.is_some_and(|r| of_transport.contains(&r)), "{} {status}: {judged:?}", entry.name);
        }
    }
}

#[test]
fn each_reason_has_one_word() {
    for reason in Reason::ALL {
        assert_eq!(reason.as_str().parse(), Ok(reason));
        assert_eq!(serde_json::to_value(reason).expect("plain data"), reason.as_str());
    }
    assert!("tired".parse::<Reason>().unwrap_err().contains("auth, rate_limited, client"));
}

fn built_in(event: &Event) -> Message {
    let circumstances = Circumstances { public_url: Some("https://relay.example".into()), ..Circumstances::default() };
    compose(&Engine::default(), &[], &scope(event.clone()), &circumstances).message
}

/// What goes over the wire, a line for each part; `pretty` JSON over several.
fn shown(sent: &Sent, pretty: bool) -> String {
    let mut out = match &sent.outgoing {
        Outgoing::Http(request) => request_text(request, pretty),
        Outgoing::Mail(letter) => format!("{letter:#?}"),
        Outgoing::Console(text) | Outgoing::Inbox(text) => text.clone(),
    };
    for note in &sent.notes {
        let _ = write!(out, "\nnote: {note}");
    }
    out
}

fn request_text(request: &Request, pretty: bool) -> String {
    let mut out = format!("{} {}", request.method, request.url.expose());
    let usual = |name: &str| ["user-agent", "idempotency-key"].contains(&name.to_lowercase().as_str());
    for (name, value) in request.headers.iter().filter(|(name, _)| !usual(name)) {
        let _ = write!(out, "\n{name}: {value}");
    }
    let body = String::from_utf8_lossy(&request.body);
    let body = match serde_json::from_str::<Value>(&body) {
        Ok(json) if pretty => serde_json::to_string_pretty(&json).expect("JSON"),
        _ => body.into_owned(),
    };
    out + "\n" + &body
}

const TYPES: [JobType; 5] = [
    JobType::LoadSource,
    JobType::UpdateDataProduct,
    JobType::UpdateWorkflow,
    JobType::PublishConfiguration,
    JobType::PublishDestination,
];

const STANDINGS: [(State, Option<Outcome>); 4] = [
    (State::Running, None),
    (State::Done, Some(Outcome::Succeeded)),
    (State::Done, Some(Outcome::Stopped)),
    (State::Done, Some(Outcome::Failed)),
];

/// Values that mean something to some service.
fn hostile(mut job: Job) -> Job {
    job.error = Some(
        "<!channel> @everyone @here <users/all> [x](https://evil.example) **b** `c` {{ x }} & \"q\" 'a' \\ <script>"
            .into(),
    );
    job.reason = Some("<@U012ABCDEF> @**all** <at>x</at> *r* _r_ ~r~ #1 |t|".into());
    job
}

/// Far beyond every limit, in every part.
fn endless() -> Message {
    let long = |unit: &str| unit.repeat(200_000 / unit.len());
    Message {
        title: long("Tïtle & <tag> 👩\u{200D}🔧 "),
        text: Markdown::literal(&long("A paragraph & more. \n\n")),
        level: Level::Critical,
        link: Some("https://example.com/".to_owned() + &"p".repeat(1500)),
        fields: (0..200).map(|n| (format!("Field {n}"), "v&".repeat(3000))).collect(),
        notices: vec![long("notice ")],
        ..Message::default()
    }
}

#[test]
fn every_kind_sends_what_it_should() {
    for entry in &KINDS {
        let receiver = example(entry.name);
        let mut out = String::new();
        for job_type in TYPES {
            for (state, outcome) in STANDINGS {
                let standing = outcome.map_or("running", Outcome::as_str);
                let title = format!("{} {standing}", job_type.as_str());
                let event = event_of(Some(job(job_type.clone(), state, outcome)));
                let message = built_in(&event);
                let pretty = job_type == JobType::UpdateDataProduct && outcome == Some(Outcome::Failed);
                let _ = write!(out, "# {title}\n{}\n\n", shown(&sent(&receiver, event, &message), pretty));
            }
        }
        let event = event_of(Some(hostile(job(JobType::UpdateDataProduct, State::Done, Some(Outcome::Failed)))));
        let message = built_in(&event);
        let _ = write!(out, "# hostile\n{}\n", shown(&sent(&receiver, event, &message), true));
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(entry.name, out);
        });
    }
}

#[test]
fn an_endless_message_is_cut_and_the_cut_is_noted() {
    for entry in &KINDS {
        let event = event_of(Some(job(JobType::UpdateDataProduct, State::Done, Some(Outcome::Failed))));
        let sent = sent(&example(entry.name), event, &endless());
        if let Outgoing::Http(request) = &sent.outgoing
            && entry.name != "webhook"
        {
            assert!(request.body.len() < 600_000, "{}: {} bytes", entry.name, request.body.len());
            assert!(!sent.notes.is_empty(), "{}: no word of what was cut", entry.name);
            let body = String::from_utf8_lossy(&request.body);
            assert!(body.contains('…') || body.contains("%E2%80%A6"), "{}", entry.name);
        }
    }
}

#[test]
fn every_kind_tells_of_itself() {
    for entry in &KINDS {
        assert!(
            !entry.obtain.is_empty() && entry.example.starts_with(&format!("{{ kind: {}", entry.name)),
            "{}",
            entry.name
        );
        let receiver = example(entry.name);
        assert_eq!(receiver.common.recovered, entry.recovered);
        let printed = format!("{receiver:?}");
        for secret in receiver.secrets() {
            assert!(!printed.contains(&secret), "{} prints its secrets", entry.name);
        }
    }
}

#[test]
fn the_plainest_form_of_an_incident_is_short_and_says_what_happened() {
    for kind in ["pagerduty", "jsm", "incident_io", "alertmanager", "twilio"] {
        let body = |message: &Message| {
            let event = event_of(Some(job(JobType::UpdateDataProduct, State::Done, Some(Outcome::Failed))));
            let Outgoing::Http(request) = sent_plainly(&example(kind), event, message).outgoing else { panic!("HTTP") };
            String::from_utf8_lossy(&request.body).replace('+', " ")
        };
        let event = event_of(Some(job(JobType::UpdateDataProduct, State::Done, Some(Outcome::Failed))));
        let body_of_built_in = body(&built_in(&event));
        assert!(body_of_built_in.contains("Update data product failed"), "{kind}: {body_of_built_in}");
        assert!(!body_of_built_in.contains("Bad plan."), "{kind}: {body_of_built_in}");
        assert!(body(&endless()).len() < 6000, "{kind}");
    }
}
