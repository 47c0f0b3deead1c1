//! The `pagerduty` kind: Events API v2. A failure triggers, the next success of the same thing resolves.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::message::Message;
use crate::receiver::address::{Endpoint, address};
use crate::receiver::chat::{self, Bounds};
use crate::receiver::incident::{self, Action, WORDS, action, dedup_key};
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Rate, Reason, Receiver, Secret, Sent, Unsendable,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "pagerduty",
    http: true,
    // For each integration key.
    rate: Some(Rate { count: 120, per: Duration::from_secs(60) }),
    recovered: true,
    obtain: "In PagerDuty: Services → your service → Integrations → Add an integration → Events API V2; its Integration Key is the `routing_key`",
    example: "{ kind: pagerduty, routing_key: \"${PAGERDUTY_ROUTING_KEY}\" }",
    schema: || schemars::schema_for!(PagerDuty),
    read: |node, problems| Some(Box::new(read::<PagerDuty>(node, problems)?)),
};

/// Longest summary in characters and key in bytes; the rest so that the whole stays far below 512 KB.
const SUMMARY: usize = 1024;
const KEY: usize = 255;
const WORD: usize = 255;
const TEXT: usize = 20_000;
const LINK: usize = 2000;
const FIELDS: Bounds = Bounds { most: 50, name: 200, value: 4000, whole: 60_000 };

/// A PagerDuty service, through the Events API v2. A failure triggers an incident, the next success of the same thing resolves it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PagerDuty {
    /// The Integration Key of an Events API V2 integration.
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
        incident::MARKUP
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        match answer.status {
            // The Events API says 403 when it is asked too often.
            403 => chat::later(answer, Reason::RateLimited),
            400 if blames_the_key(answer) => chat::blocked(answer, Reason::Auth, self.about_the_key()),
            _ => chat::by_status(answer, "PagerDuty"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.routing_key.expose().to_owned()]
    }
}

/// Whether the answer's errors are about the routing key: `Invalid routing key`, `Length of 'routing_key' is incorrect`.
fn blames_the_key(answer: &Answer) -> bool {
    let body = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    body.contains("routing_key") || body.contains("routing key")
}

impl PagerDuty {
    fn about_the_key(&self) -> &'static str {
        match self.region {
            None => {
                "PagerDuty does not know this routing key: copy the Integration Key of an Events API V2 integration (not an API key) into `routing_key`; if the account lives in Europe, add `region: eu`"
            }
            Some(Region::Eu) => {
                "PagerDuty in Europe does not know this routing key: copy the Integration Key of an Events API V2 integration (not an API key) into `routing_key`; if the account lives in the United States, remove `region`"
            }
        }
    }

    fn event(&self, call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
        let (routing_key, dedup_key) = (self.routing_key.expose(), dedup_key(call, KEY));
        if action(call) == Action::Resolve {
            return json!({ "routing_key": routing_key, "event_action": "resolve", "dedup_key": dedup_key });
        }
        let mut payload = json!({
            "summary": incident::title(message, &WORDS, SUMMARY, notes),
            "source": incident::word(call, "tenant", WORD, notes).unwrap_or_else(|| "jobrelay".to_owned()),
            "severity": incident::severity(message.level),
        });
        let mut event = json!({ "routing_key": routing_key, "event_action": "trigger", "dedup_key": dedup_key });
        if !call.plain {
            if let Some(at) = incident::at(call) {
                payload["timestamp"] = at.to_string().into();
            }
            for (key, word) in [("component", "resource"), ("group", "type_label"), ("class", "reason")] {
                if let Some(text) = incident::word(call, word, WORD, notes) {
                    payload[key] = text.into();
                }
            }
            payload["custom_details"] = details(message, notes).into();
            event["client"] = "jobrelay".into();
            if let Some(link) = chat::link(message, LINK, notes) {
                event["links"] = json!([{ "href": link, "text": "Open" }]);
            }
            let details = message.footer.as_ref().and_then(|footer| footer.link.as_deref());
            if let Some(link) = details.filter(|link| link.len() <= LINK) {
                event["client_url"] = link.into();
            }
        }
        event["payload"] = payload;
        event
    }
}

/// What there is to read in the incident, in order.
fn details(message: &Message, notes: &mut Vec<String>) -> Map<String, Value> {
    let mut details = Map::new();
    let text = incident::text(message, &WORDS, TEXT, notes);
    if !text.is_empty() {
        details.insert("What happened".to_owned(), text.into());
    }
    for (name, value) in incident::fields(message, &FIELDS, notes) {
        details.insert(name, value.into());
    }
    details
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::Value;

    use super::super::tests::{example, sent};
    use crate::event::{OwnEvent, own, parse};
    use crate::message::Message;
    use crate::receiver::Outgoing;

    #[test]
    fn a_receiver_that_answers_again_resolves_its_trouble() {
        let receiver = "slack".to_owned();
        let down = OwnEvent::ReceiverDown { receiver: receiver.clone(), reason: "503".to_owned() };
        let pair = [down, OwnEvent::ReceiverRecovered { receiver }].map(|what| {
            let event = parse(own(&what, Timestamp::UNIX_EPOCH)).expect("readable");
            let Outgoing::Http(request) = sent(&example("pagerduty"), event, &Message::default()).outgoing else {
                panic!("HTTP");
            };
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            (body["event_action"].to_string(), body["dedup_key"].to_string())
        });
        let [(opens, key), (closes, same)] = pair;
        assert_eq!((opens.as_str(), closes.as_str()), ("\"trigger\"", "\"resolve\""));
        assert_eq!(key, same);
    }
}
