//! The `incident_io` kind: alert events of an HTTP source. A failure fires, the next success of the same thing resolves.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::message::Message;
use crate::receiver::address::{Endpoint, address};
use crate::receiver::chat::{self, Bounds};
use crate::receiver::dialect::{Dialect, MARKDOWN, without_tick};
use crate::receiver::from_text::read_from_text;
use crate::receiver::incident::{self, Action, WORDS, action, dedup_key};
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Rate, Reason, Receiver, Secret, Sent, Unsendable,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "incident_io",
    http: true,
    // For each alert source.
    rate: Some(Rate { count: 120, per: Duration::from_secs(60) }),
    recovered: true,
    obtain: "In incident.io: Alerts → Sources → New alert source → HTTP; it shows its address, whose last part is the `source`, and its token",
    example: "{ kind: incident_io, source: \"${INCIDENT_IO_SOURCE}\", token: \"${INCIDENT_IO_TOKEN}\" }",
    schema: || schemars::schema_for!(IncidentIo),
    read: |node, problems| Some(Box::new(read::<IncidentIo>(node, problems)?)),
};

const ALERTS: &str = "https://api.incident.io/v2/alert_events/http/";

/// The service names no limits; these keep an alert readable.
const TITLE: usize = 500;
const TEXT: usize = 20_000;
const KEY: usize = 255;
const WORD: usize = 500;
const LINK: usize = 2000;
const FIELDS: Bounds = Bounds { most: 50, name: 200, value: 4000, whole: 60_000 };

/// Descriptions are Markdown.
const DESCRIPTION: Dialect = Dialect {
    escape: |c, out| {
        if !chat::unwanted(c) {
            (MARKDOWN.escape)(c, out);
        }
    },
    escape_code: |c, out| (WORDS.escape)(without_tick(c), out),
    ..MARKDOWN
};

/// The words that come along as metadata, for attributes and alert routes.
const METADATA: [&str; 13] = [
    "tenant",
    "type",
    "type_label",
    "state",
    "outcome",
    "reason",
    "error",
    "resource",
    "job",
    "since",
    "queued_for",
    "ran_for",
    "event_type",
];

/// An alert source of incident.io: a failure fires an alert, the next success of the same thing resolves it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IncidentIo {
    /// The ID of an HTTP alert source: the last part of the address it shows, or that address itself.
    source: Source,
    /// The token that the alert source shows.
    token: Secret,
    /// Scheme and host in place of incident.io's own, for proxies and tests.
    endpoint: Option<Endpoint>,
}

/// The ID of an alert source.
#[derive(Debug)]
struct Source(String);

impl Source {
    fn parse(text: &str) -> Result<Source, String> {
        let text = text.trim();
        let id = text.strip_prefix(ALERTS).unwrap_or(text);
        let id = id.split('?').next().unwrap_or_default().trim_end_matches('/');
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Err(format!(
                "this is no ID of an alert source; it is the last part of the address that the source shows: `{ALERTS}01GW2G3V0S59R238FAHPDS1R66`"
            ));
        }
        Ok(Source(id.to_owned()))
    }
}

read_from_text! {
    Source: {"type": "string", "examples": ["01GW2G3V0S59R238FAHPDS1R66"]};
}

impl Kind for IncidentIo {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let url = address(&format!("{ALERTS}{}", self.source.0), self.endpoint.as_ref()).map_err(Unsendable)?;
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&event(call, receiver, message, notes));
        Ok(receiver.for_people(call, To::authorized(&url, format!("Bearer {}", self.token.expose())), form))
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| chat::body_text(message, &DESCRIPTION, String::new()),
            escape: |text| DESCRIPTION.escaped(text),
        }
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        match answer.status {
            401 | 403 => chat::blocked(
                answer,
                Reason::Auth,
                "the token was refused: copy the token that the alert source shows (not an API key) into `token`",
            ),
            404 => chat::blocked(
                answer,
                Reason::Client,
                "there is no such alert source: copy the last part of its address into `source`",
            ),
            _ => chat::by_status(answer, "incident.io"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.token.expose().to_owned()]
    }
}

fn event(call: &Call<'_>, receiver: &Receiver, message: &Message, notes: &mut Vec<String>) -> Value {
    let status = match action(call) {
        Action::Trigger => "firing",
        Action::Resolve => "resolved",
    };
    let mut event = json!({
        "title": incident::title(message, &WORDS, TITLE, notes),
        "status": status,
        "deduplication_key": dedup_key(call, KEY),
    });
    if call.plain {
        return event;
    }
    let text = incident::text(message, &DESCRIPTION, TEXT, notes);
    if !text.is_empty() {
        event["description"] = text.into();
    }
    if let Some(link) = incident::link(message, LINK, notes) {
        event["source_url"] = link.into();
    }
    let words = METADATA.iter().filter_map(|name| Some((*name, incident::word(call, name, WORD, notes)?)));
    let mut metadata: Map<String, Value> = words.map(|(name, text)| (name.to_owned(), text.into())).collect();
    metadata.insert("level".to_owned(), message.level.name().into());
    metadata.insert("route".to_owned(), call.route.as_ref().into());
    metadata.insert("receiver".to_owned(), receiver.name.as_ref().into());
    let fields = incident::fields(message, &FIELDS, notes);
    let fields = fields.into_iter().map(|(name, value)| (name, value.into())).collect::<Map<_, _>>();
    metadata.insert("fields".to_owned(), fields.into());
    event["metadata"] = metadata.into();
    event
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn a_source_is_an_id_or_its_address() {
        for text in ["01GW2G3V", " https://api.incident.io/v2/alert_events/http/01GW2G3V?token=x"] {
            assert_eq!(Source::parse(text).unwrap().0, "01GW2G3V");
        }
        for wrong in ["", "https://example.com/01GW2G3V", "a/b", "../x"] {
            assert!(Source::parse(wrong).is_err(), "{wrong}");
        }
    }
}
