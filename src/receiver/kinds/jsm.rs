//! The `jsm` kind: alerts of Jira Service Management, and of Opsgenie, which speaks the same. A failure opens an alert, the next
//! success of the same thing closes it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::message::{Level, Message};
use crate::receiver::address::{Endpoint, address};
use crate::receiver::chat::{self, Bounds};
use crate::receiver::dialect::Dialect;
use crate::receiver::incident::{self, Action, WORDS, action, path_key};
use crate::receiver::kind::{Entry, Given, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, Secret, SecretUrl, Sent, Unsendable,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "jsm",
    http: true,
    rate: None,
    recovered: true,
    obtain: "In Jira Service Management: your team's Operations → Integrations → Add integration → API; turn it on and copy its API key",
    example: "{ kind: jsm, api_key: \"${JSM_API_KEY}\" }",
    schema: || schemars::schema_for!(Jsm),
    read: |node, problems| Some(Box::new(read::<Jsm>(node, problems)?)),
};

const OWN: &str = "https://api.atlassian.com/jsm/ops/integration/v2/alerts";

/// Longest message, entity, source and tag in characters, alias in bytes; text and link stay within a description's 15,000, the
/// fields within the 8000 of all details.
const MESSAGE: usize = 130;
const TEXT: usize = 12_000;
const ENTITY: usize = 512;
const SOURCE: usize = 100;
const TAG: usize = 50;
const ALIAS: usize = 512;
const LINK: usize = 2000;
const FIELDS: Bounds = Bounds { most: 50, name: 100, value: 2000, whole: 5000 };

/// Alerts are shown as HTML: a space of no width keeps `<module>` from vanishing as a tag, and shows nowhere.
const ALERT: Dialect = Dialect { escape: apart, escape_code: apart, ..WORDS };

fn apart(c: char, out: &mut String) {
    (WORDS.escape)(c, out);
    if c == '<' {
        out.push('\u{200B}');
    }
}

/// Jira Service Management, or Opsgenie: a failure opens an alert, the next success of the same thing closes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Jsm {
    /// The key of an API integration.
    api_key: Secret,
    /// The whole address for alerts in place of Jira Service Management's: of Opsgenie `https://api.opsgenie.com/v2/alerts`, in
    /// Europe `https://api.eu.opsgenie.com/v2/alerts`.
    url: Option<SecretUrl>,
    /// Scheme and host in place of the service's own, for proxies and tests.
    endpoint: Option<Endpoint>,
}

impl Kind for Jsm {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let alerts = match &self.url {
            Some(url) => url.clone(),
            None => address(OWN, self.endpoint.as_ref()).map_err(Unsendable)?,
        };
        let alias = path_key(call, ALIAS);
        let closes = action(call) == Action::Resolve;
        let url = if closes { closing(&alerts, &alias)? } else { alerts };
        let form = |message: &Message, notes: &mut Vec<String>| {
            Payload::json(&if closes { close(message) } else { alert(call, &alias, message, notes) })
        };
        let to = To::authorized(&url, format!("GenieKey {}", self.api_key.expose()));
        Ok(receiver.for_people(call, to, form))
    }

    fn markup(&self) -> Markup {
        Markup { text: |message| chat::body_text(message, &ALERT, String::new()), escape: |text| ALERT.escaped(text) }
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        match answer.status {
            401 => chat::blocked(
                answer,
                Reason::Auth,
                "the API key was refused: copy the key of an API integration that is turned on into `api_key` (an Opsgenie key needs Opsgenie's address in `url`)",
            ),
            402 => chat::blocked(
                answer,
                Reason::Client,
                "the account's plan does not include this, or is not paid: check it",
            ),
            403 => chat::blocked(
                answer,
                Reason::Auth,
                "the API key may not do this: in the integration's settings allow it to create and update alerts",
            ),
            404 => {
                chat::blocked(answer, Reason::Client, "there are no alerts at this address: check `url`, or remove it")
            }
            _ => chat::by_status(answer, "the service"),
        }
    }

    fn url(&self) -> Option<&SecretUrl> {
        self.url.as_ref()
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = vec![self.api_key.expose().to_owned()];
        secrets.extend(self.url.iter().flat_map(SecretUrl::credentials));
        secrets
    }

    fn no_effect(&self, key: &str, _: Given<'_>) -> Option<String> {
        (key == "endpoint" && self.url.is_some()).then(|| "`url` is the whole address already".to_owned())
    }
}

/// Where the alert with this alias is closed.
fn closing(alerts: &SecretUrl, alias: &str) -> Result<SecretUrl, Unsendable> {
    let mut url = alerts.expose().clone();
    url.path_segments_mut()
        .map_err(|()| Unsendable("`url` has no path".to_owned()))?
        .pop_if_empty()
        .extend([alias, "close"]);
    let url = SecretUrl::parse(url.as_str()).map_err(Unsendable)?;
    chat::with_query(&url, &[("identifierType", "alias")])
}

/// What the alert's log says of its end.
fn close(message: &Message) -> Value {
    json!({ "source": "jobrelay", "note": ALERT.fit(&message.title, MESSAGE).0 })
}

fn alert(call: &Call<'_>, alias: &str, message: &Message, notes: &mut Vec<String>) -> Value {
    let mut alert = json!({
        "message": incident::title(message, &ALERT, MESSAGE, notes),
        "alias": alias,
        "priority": priority(message.level),
    });
    if call.plain {
        return alert;
    }
    alert["description"] = description(message, notes).into();
    alert["source"] = incident::word(call, "tenant", SOURCE, notes).unwrap_or_else(|| "jobrelay".to_owned()).into();
    if let Some(entity) = incident::word(call, "resource", ENTITY, notes) {
        alert["entity"] = entity.into();
    }
    let tags = ["type", "outcome", "reason"].iter().filter_map(|word| incident::word(call, word, TAG, notes));
    alert["tags"] = tags.collect::<Vec<_>>().into();
    let details = incident::fields(message, &FIELDS, notes);
    alert["details"] = details.into_iter().map(|(name, value)| (name, value.into())).collect::<Map<_, _>>().into();
    alert
}

/// Notices, text and link.
fn description(message: &Message, notes: &mut Vec<String>) -> String {
    let mut parts = vec![incident::text(message, &ALERT, TEXT, notes)];
    parts.extend(incident::link(message, LINK, notes).map(str::to_owned));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::Critical => "P1",
        Level::Error => "P2",
        Level::Warning => "P3",
        Level::Info | Level::Success => "P5",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{example_with, sent};
    use crate::event::{JobType, Outcome, State};
    use crate::message::Message;
    use crate::message::testing::{event_of, job};
    use crate::receiver::Outgoing;

    #[test]
    fn opsgenie_has_an_address_of_its_own() {
        let receiver = example_with("{ kind: jsm, api_key: some-key, url: 'https://api.eu.opsgenie.com/v2/alerts' }");
        let url = |outcome| {
            let event = event_of(Some(job(JobType::UpdateDataProduct, State::Done, Some(outcome))));
            let Outgoing::Http(request) = sent(&receiver, event, &Message::default()).outgoing else { panic!("HTTP") };
            request.url.expose().to_string()
        };
        let alerts = url(Outcome::Failed);
        assert_eq!(alerts, "https://api.eu.opsgenie.com/v2/alerts");
        let closing = url(Outcome::Succeeded);
        assert!(closing.starts_with(&format!("{alerts}/acme_update_data_product_dp_1-")), "{closing}");
        assert!(closing.ends_with("/close?identifierType=alias"), "{closing}");
    }
}
