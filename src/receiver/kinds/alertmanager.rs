//! The `alertmanager` kind: alerts for Prometheus' Alertmanager. A failure fires, the next success of the same thing resolves.
//!
//! Alertmanager tells alerts apart by their labels alone, so labels hold only what failure and success have in common; what differs
//! (level, reason, names) goes into annotations.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::message::Message;
use crate::receiver::chat::{self, Bounds};
use crate::receiver::from_text::read_from_text;
use crate::receiver::incident::{self, Action, WORDS, action, dedup_key};
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::settings::Span;
use crate::receiver::{Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, SecretUrl, Sent, Unsendable};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "alertmanager",
    http: true,
    rate: None,
    recovered: true,
    obtain: "The address of your Alertmanager's own pages, such as `http://alertmanager:9093` (its `--web.external-url`)",
    example: "{ kind: alertmanager, url: \"${ALERTMANAGER_URL}\", labels: { severity: critical } }",
    schema: || schemars::schema_for!(Alertmanager),
    read: |node, problems| Some(Box::new(read::<Alertmanager>(node, problems)?)),
};

const PATH: [&str; 3] = ["api", "v2", "alerts"];

/// The service names no limits; these keep an alert readable.
const SUMMARY: usize = 1024;
const TEXT: usize = 20_000;
const LABEL: usize = 1024;
const KEY: usize = 512;
const LINK: usize = 2000;
const FIELDS: Bounds = Bounds { most: 50, name: 100, value: 4000, whole: 60_000 };

/// Without a new message an alert ends after this long, in seconds: Alertmanager itself gives it but five minutes.
const FIRES_FOR: u64 = 7 * 24 * 60 * 60;

/// Prometheus' Alertmanager: a failure fires an alert, the next success of the same thing resolves it. Of several that form a
/// cluster, each is a receiver.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Alertmanager {
    /// Where its pages are: `http://alertmanager:9093`. A user and password may stand in it: `https://user:password@host`.
    url: SecretUrl,
    /// More labels for its routes, such as `severity: critical` and `team: data`. Alerts also have `alertname` (`JobAlert`),
    /// `tenant`, `type` and `key`; what differs between a failure and its recovery is in annotations.
    #[serde(default)]
    labels: BTreeMap<LabelName, String>,
    /// An alert ends after this long (7d) even if nothing succeeds. Every further failure of the same thing begins it anew.
    fires_for: Option<Span>,
}

/// A label's name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LabelName(String);

impl LabelName {
    fn parse(name: &str) -> Result<LabelName, String> {
        if !is_name(name) || name.starts_with("__") {
            return Err(format!(
                "\"{name}\" is no label: a label's name has letters, digits and `_`, and begins with a letter"
            ));
        }
        if name == "key" {
            return Err("the label `key` is set by the relay: a recovery finds its failure by it".to_owned());
        }
        Ok(LabelName(name.to_owned()))
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

read_from_text! {
    LabelName: {"type": "string"};
}

impl Kind for Alertmanager {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let url = self.alerts()?;
        let form = |message: &Message, notes: &mut Vec<String>| {
            Payload::json(&json!([self.alert(call, receiver, message, notes)]))
        };
        Ok(receiver.for_people(call, To::post(&url), form))
    }

    fn markup(&self) -> Markup {
        incident::MARKUP
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        match answer.status {
            404 | 405 => chat::blocked(
                answer,
                Reason::Client,
                "no Alertmanager answers there: `url` is the address of its own pages, with its path prefix if it has one",
            ),
            _ => chat::by_status(answer, "Alertmanager"),
        }
    }

    fn url(&self) -> Option<&SecretUrl> {
        Some(&self.url)
    }

    fn secrets(&self) -> Vec<String> {
        self.url.secrets()
    }

    fn credentials(&self) -> Vec<String> {
        self.url.credentials()
    }
}

impl Alertmanager {
    /// Where alerts are posted; `url` may say so in full.
    fn alerts(&self) -> Result<SecretUrl, Unsendable> {
        let mut url = self.url.expose().clone();
        let is_whole = url.path().trim_end_matches('/').ends_with("/api/v2/alerts");
        if let (false, Ok(mut path)) = (is_whole, url.path_segments_mut()) {
            path.pop_if_empty().extend(PATH);
        }
        SecretUrl::parse(url.as_str()).map_err(Unsendable)
    }

    fn alert(&self, call: &Call<'_>, receiver: &Receiver, message: &Message, notes: &mut Vec<String>) -> Value {
        let mut alert = json!({ "labels": self.labels(call, notes) });
        let came = call.event.received.received_at;
        match action(call) {
            Action::Trigger => {
                alert["startsAt"] = incident::at(call).map_or(came, |at| at.min(came)).to_string().into();
                alert["endsAt"] = self.ends(call.now).to_string().into();
            }
            // Whenever it began is known there.
            Action::Resolve => alert["endsAt"] = came.to_string().into(),
        }
        if let Some(link) = incident::link(message, LINK, notes) {
            alert["generatorURL"] = link.into();
        }
        alert["annotations"] = annotations(call, receiver, message, notes).into();
        alert
    }

    fn ends(&self, now: Timestamp) -> Timestamp {
        let fires_for = self.fires_for.map_or(std::time::Duration::from_secs(FIRES_FOR), |Span(duration)| duration);
        now.checked_add(fires_for).unwrap_or(Timestamp::MAX)
    }

    /// The same for every message of a key.
    fn labels(&self, call: &Call<'_>, notes: &mut Vec<String>) -> Map<String, Value> {
        let mut labels = Map::new();
        labels.insert("alertname".to_owned(), "JobAlert".into());
        for word in ["tenant", "type"] {
            labels.extend(incident::word(call, word, LABEL, notes).map(|text| (word.to_owned(), text.into())));
        }
        labels.insert("key".to_owned(), dedup_key(call, KEY).into());
        labels.extend(self.labels.iter().map(|(name, value)| (name.0.clone(), value.as_str().into())));
        labels
    }
}

fn annotations(call: &Call<'_>, receiver: &Receiver, message: &Message, notes: &mut Vec<String>) -> Map<String, Value> {
    let mut annotations = Map::new();
    annotations.insert("summary".to_owned(), incident::title(message, &WORDS, SUMMARY, notes).into());
    if call.plain {
        return annotations;
    }
    let text = incident::text(message, &WORDS, TEXT, notes);
    if !text.is_empty() {
        annotations.insert("description".to_owned(), text.into());
    }
    annotations.insert("level".to_owned(), message.level.name().into());
    annotations.insert("receiver".to_owned(), receiver.name.as_ref().into());
    let resource = incident::word(call, "resource", LABEL, notes);
    annotations.extend(resource.map(|resource| ("resource".to_owned(), resource.into())));
    for (name, value) in incident::fields(message, &FIELDS, notes) {
        let name = free_name(&name, &annotations);
        annotations.insert(name, value.into());
    }
    annotations
}

/// A field's name as an annotation may be called: `Ran for` is `ran_for`; with a number, if that is taken.
fn free_name(field: &str, taken: &Map<String, Value>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let mut name: String = field.chars().map(plain).collect();
    if !is_name(&name) {
        name.insert(0, '_');
    }
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| !taken.contains_key(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{example_with, sent};
    use super::*;
    use crate::event::{JobType, Outcome, State};
    use crate::message::testing::{event_of, job};
    use crate::receiver::Outgoing;

    #[test]
    fn labels_and_annotations_have_names() {
        for wrong in ["", "1st", "a-b", "é", "__name__", "key"] {
            assert!(LabelName::parse(wrong).is_err(), "{wrong}");
        }
        assert!(LabelName::parse("severity").is_ok());
        let mut taken = Map::new();
        for (field, expected) in [
            ("Ran for", "ran_for"),
            ("ran for", "ran_for_2"),
            ("Ran.for", "ran_for_3"),
            ("1st", "_1st"),
            ("é", "_"),
            ("", "__2"),
            ("👩", "__3"),
        ] {
            let name = free_name(field, &taken);
            assert!(is_name(&name), "{name}");
            assert_eq!(name, expected);
            taken.insert(name, Value::Null);
        }
    }

    #[test]
    fn the_address_may_have_a_prefix_or_be_whole() {
        for (url, expected) in [
            ("http://am:9093", "http://am:9093/api/v2/alerts"),
            ("http://am:9093/", "http://am:9093/api/v2/alerts"),
            ("https://x.example/alertmanager/", "https://x.example/alertmanager/api/v2/alerts"),
            ("https://u:p@x.example/am/api/v2/alerts", "https://u:p@x.example/am/api/v2/alerts"),
        ] {
            let kind = Alertmanager { url: SecretUrl::parse(url).unwrap(), labels: BTreeMap::new(), fires_for: None };
            assert_eq!(kind.alerts().unwrap().expose().as_str(), expected);
        }
    }

    #[test]
    fn failure_and_recovery_have_the_same_labels() {
        let receiver =
            example_with("{ kind: alertmanager, url: 'http://am:9093', labels: { severity: page }, fires_for: 1h }");
        let alert = |outcome| {
            let event = event_of(Some(job(JobType::UpdateDataProduct, State::Done, Some(outcome))));
            let message = Message { title: format!("{outcome:?}"), ..Message::default() };
            let Outgoing::Http(request) = sent(&receiver, event, &message).outgoing else { panic!("HTTP") };
            serde_json::from_slice::<Value>(&request.body).expect("JSON")[0].clone()
        };
        let (failed, succeeded) = (alert(Outcome::Failed), alert(Outcome::Succeeded));
        assert_eq!(failed["labels"], succeeded["labels"]);
        assert_eq!(failed["labels"]["severity"], "page");
        assert!(succeeded.get("startsAt").is_none(), "a beginning of its own could lie behind its end");
        assert_eq!(failed["endsAt"], "2025-12-02T15:46:04Z", "an hour from now");
    }
}
