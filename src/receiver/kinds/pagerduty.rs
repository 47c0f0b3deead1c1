//! The `pagerduty` kind: Events API v2. A failure triggers, the next success of the same thing resolves.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::message::{Level, Message};
use crate::receiver::address::{Endpoint, address};
use crate::receiver::dialect::{PLAIN, Unit, plain_fit};
use crate::receiver::incident::{Action, action, dedup_key};
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, Secret, Sent, Unsendable, Verdict,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "pagerduty",
    http: true,
    rate: None,
    recovered: true,
    obtain: "In PagerDuty: Services → your service → Integrations → Add integration → Events API v2; the integration key is the routing key",
    example: "{ kind: pagerduty, routing_key: \"${PAGERDUTY_ROUTING_KEY}\" }",
    schema: || schemars::schema_for!(PagerDuty),
    read: |node, problems| Some(Box::new(read::<PagerDuty>(node, problems)?)),
};

/// Longest summary in characters, key in bytes, and the text and fields, so that the whole stays far below 512 KB.
const SUMMARY: usize = 1024;
const KEY: usize = 255;
const TEXT: usize = 20_000;
const FIELD: usize = 4000;
const FIELDS: usize = 50;

/// A PagerDuty service, through the Events API v2.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PagerDuty {
    /// The integration key of an Events API v2 integration.
    routing_key: Secret,
    /// Where the account lives: `eu`, or nothing for the United States.
    region: Option<Region>,
    /// Scheme and host in place of PagerDuty's own, for proxies and tests.
    endpoint: Option<Endpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Region {
    /// `events.eu.pagerduty.com`.
    Eu,
}

impl Kind for PagerDuty {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let own = match self.region {
            Some(Region::Eu) => "https://events.eu.pagerduty.com/v2/enqueue",
            None => "https://events.pagerduty.com/v2/enqueue",
        };
        let url = address(own, self.endpoint.as_ref()).map_err(Unsendable)?;
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&self.event(call, message, notes));
        Ok(receiver.for_people(call, To::post(&url), form))
    }

    fn markup(&self) -> Markup {
        Markup { text: |message| PLAIN.text(&message.text), escape: str::to_owned }
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        match answer.status {
            // The Events API says 403 when it is asked too often.
            403 => Judgement {
                lane_waits: answer.retry_after,
                ..Judgement::not_delivered(Verdict::Later, Reason::RateLimited, answer.summary())
            },
            400 => Judgement {
                bad_form: true,
                ..Judgement::not_delivered(Verdict::Refused, Reason::Form, answer.summary())
                    .advise("PagerDuty refused this event: check `routing_key` and the `message`, then replay it")
            },
            _ => Judgement::of_status(answer),
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.routing_key.expose().to_owned()]
    }
}

impl PagerDuty {
    fn event(&self, call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
        let (routing_key, dedup_key) = (self.routing_key.expose(), dedup_key(call, KEY));
        if action(call) == Action::Resolve {
            return json!({ "routing_key": routing_key, "event_action": "resolve", "dedup_key": dedup_key });
        }
        let (summary, was_cut) = plain_fit(&message.title, SUMMARY, Unit::Utf16);
        if was_cut {
            notes.push(format!("title cut to {SUMMARY} characters"));
        }
        let job = call.event.job.as_ref();
        let mut payload = json!({
            "summary": summary,
            "source": if call.event.tenant.is_empty() { "jobrelay" } else { &call.event.tenant },
            "severity": severity(message.level),
        });
        if let Some(at) = job.and_then(|job| job.since).or(call.event.time) {
            payload["timestamp"] = at.to_string().into();
        }
        let words = [
            ("component", call.event.text("resource")),
            ("group", call.event.text("type_label")),
            ("class", call.event.text("reason")),
        ];
        for (key, value) in words {
            if let Some(value) = value {
                payload[key] = plain_fit(&value, SUMMARY, Unit::Utf16).0.into();
            }
        }
        if !call.plain {
            payload["custom_details"] = details(message, notes).into();
        }
        let mut event = json!({
            "routing_key": routing_key,
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "payload": payload,
            "client": "jobrelay",
        });
        if let Some(link) = &message.link {
            event["links"] = json!([{ "href": link, "text": "Open" }]);
        }
        if let Some(link) = message.footer.as_ref().and_then(|footer| footer.link.as_ref()) {
            event["client_url"] = link.as_str().into();
        }
        event
    }
}

/// What there is to read in the incident, in order.
fn details(message: &Message, notes: &mut Vec<String>) -> Map<String, Value> {
    let mut details = Map::new();
    if !message.notices.is_empty() {
        details.insert("Note".to_owned(), message.notices.join("\n").into());
    }
    let (text, was_cut) = PLAIN.text_within(&message.text, TEXT);
    if was_cut {
        notes.push(format!("text cut to {TEXT} characters"));
    }
    if !text.is_empty() {
        details.insert("What happened".to_owned(), text.into());
    }
    if message.fields.len() > FIELDS {
        notes.push(format!("{} fields left out: {FIELDS} are shown", message.fields.len() - FIELDS));
    }
    for (name, value) in message.fields.iter().take(FIELDS) {
        let (value, was_cut) = plain_fit(value, FIELD, Unit::Utf16);
        if was_cut {
            notes.push(format!("field {name:?} cut to {FIELD} characters"));
        }
        details.insert(name.clone(), value.into());
    }
    if let Some(footer) = &message.footer {
        details.insert("Why".to_owned(), footer.text.as_str().into());
    }
    details
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::Info | Level::Success => "info",
        Level::Warning => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}
