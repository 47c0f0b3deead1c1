//! The `zulip` kind: a bot that writes into a channel, one topic for each thing that runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::zulip_markdown::{Mention, ZULIP, mention};
use crate::message::{Message, RenderedBody};
use crate::receiver::address::{Endpoint, address};
use crate::receiver::dialect::{Unit, plain_fit};
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Outgoing, Reason, Receiver, Secret, Sent, Unsendable, answer,
    chat, running,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "zulip",
    http: true,
    rate: None,
    recovered: false,
    obtain: "In Zulip: Personal settings → Bots → Add a new bot (type: Incoming webhook or Generic bot), which shows its email and API key; a private channel has to be opened to the bot",
    example: "{ kind: zulip, site: \"https://acme.zulipchat.com\", email: jobs-bot@acme.zulipchat.com, api_key: \"${ZULIP_API_KEY}\", stream: data-ops }",
    schema: || schemars::schema_for!(Zulip),
    read: |node, problems| Some(Box::new(read::<Zulip>(node, problems)?)),
};

/// Zulip cuts messages at 10,000 characters and topics at 60, without a word.
const WHOLE: usize = 10_000;
const PLAINEST: usize = 4000;
const TOPIC: usize = 60;

/// A Zulip channel, through a bot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Zulip {
    /// The organization's address: `https://acme.zulipchat.com`.
    site: Endpoint,
    /// The bot's email address.
    email: Email,
    /// The bot's API key.
    api_key: Secret,
    /// The channel (once called stream) by its name, or its ID.
    stream: Channel,
    /// The topic. Without one, each thing that runs has its own, named after it and its job type (`Customers · Update data product`),
    /// so that failures and recoveries of the same thing stay together.
    topic: Option<Topic>,
}

#[derive(Debug)]
struct Email(String);

impl Email {
    fn parse(text: &str) -> Result<Email, String> {
        let text = text.trim();
        let is_address = text.contains('@') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !is_address {
            return Err(format!(
                "\"{text}\" is no email address; the bot's is shown in Zulip (Personal settings → Bots)"
            ));
        }
        Ok(Email(text.to_owned()))
    }
}

#[derive(Debug)]
struct Channel(String);

impl Channel {
    fn parse(text: &str) -> Result<Channel, String> {
        let name = text.trim().trim_start_matches('#').trim();
        if name.is_empty() || name.chars().count() > 60 {
            return Err(format!(
                "\"{text}\" is no channel; write its name as it stands in Zulip (at most 60 characters), or its ID"
            ));
        }
        Ok(Channel(name.to_owned()))
    }
}

#[derive(Debug)]
struct Topic(String);

impl Topic {
    fn parse(text: &str) -> Result<Topic, String> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > TOPIC || text.chars().any(char::is_control) {
            return Err(format!(
                "a topic of Zulip has 1 to {TOPIC} characters; without `topic`, each thing has its own"
            ));
        }
        Ok(Topic(text.to_owned()))
    }
}

read_from_text! {
    Email: {"type": "string", "examples": ["jobs-bot@acme.zulipchat.com"]};
    Channel: {"type": ["string", "integer"], "examples": ["data-ops"]};
    Topic: {"type": ["string", "integer"], "examples": ["jobs"]};
}

impl Kind for Zulip {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let url = address("https://zulip.invalid/api/v1/messages", Some(&self.site)).map_err(Unsendable)?;
        let form = |message: &Message, notes: &mut Vec<String>| self.form(call, message, notes);
        let mut sent = receiver.for_people(call, To::authorized(&url, format!("Basic {}", self.basic())), form);
        form_encode(&mut sent.outgoing);
        Ok(sent)
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| {
                let mentions = chat::mentions(message, mention, &mut Vec::new());
                chat::body_text(message, &ZULIP, chat::mention_line(&mentions, &ZULIP, Mention::written))
            },
            escape: |text| ZULIP.escaped(text),
        }
    }

    fn check_body(&self, body: &RenderedBody) -> Result<(), String> {
        chat::has_members(body, "Zulip", &["type", "to", "topic", "content"])
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let body = chat::json(answer);
        let said = body["msg"].as_str().unwrap_or_default();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let blocked = |reason, advice| chat::blocked(answer, reason, advice);
        match (answer.status, body["code"].as_str().unwrap_or_default()) {
            (429, _) | (_, "RATE_LIMIT_HIT") => {
                chat::rate_limited(answer, body["retry-after"].as_f64().and_then(answer::wait))
            }
            (500.., _) => Judgement::of_status(answer),
            (_, "STREAM_DOES_NOT_EXIST" | "CHANNEL_DOES_NOT_EXIST") => blocked(
                Reason::Client,
                "there is no such channel, or the bot cannot see it: check `stream`, and open a private channel to the bot",
            ),
            (_, "USER_DEACTIVATED" | "REALM_DEACTIVATED") => {
                blocked(Reason::Auth, "the bot or its organization is deactivated: ask a Zulip administrator")
            }
            (401 | 403, _) | (_, "INVALID_API_KEY" | "UNAUTHORIZED") => blocked(
                Reason::Auth,
                "Zulip refused the bot's key: copy email and API key again (Personal settings → Bots) into `email` and `api_key`",
            ),
            (404 | 405, _) => blocked(Reason::Client, "there is no Zulip at this address: check `site`"),
            _ if says(&[
                "Not authorized to send",
                "do not have permission to post",
                "don't have permission to post",
            ]) =>
            {
                blocked(
                    Reason::Auth,
                    "the bot may not write there: let it post into the channel, in the channel's settings in Zulip",
                )
            }
            (200..=299, _) if body["result"] == Value::String("error".into()) => chat::form_refused(answer, "Zulip"),
            _ => chat::by_status(answer, "Zulip"),
        }
    }

    /// The key, and the header it is in.
    fn secrets(&self) -> Vec<String> {
        vec![self.api_key.expose().to_owned(), self.basic()]
    }

    fn mentions(&self) -> bool {
        true
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
    }
}

impl Zulip {
    fn basic(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.email.0, self.api_key.expose()))
    }

    fn form(&self, call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Payload {
        let mentions = chat::mentions(message, mention, notes);
        let content = if call.plain {
            // Not everyone may call a whole channel, and that would be refused again.
            let names = chat::mention_line(&mentions, &ZULIP, Mention::quiet);
            chat::plain_lines(message, &ZULIP, &names, PLAINEST, notes)
        } else {
            let names = chat::mention_line(&mentions, &ZULIP, Mention::written);
            running::text(message, &ZULIP, names, WHOLE, notes)
        };
        let topic = self.topic.as_ref().map_or_else(|| own_topic(call), |Topic(topic)| topic.clone());
        Payload::form(&[("type", "stream"), ("to", &self.stream.0), ("topic", &topic), ("content", &content)])
    }
}

/// What ran, and what it was: the same for every message of it.
fn own_topic(call: &Call<'_>) -> String {
    let words = ["resource", "type_label"].into_iter().filter_map(|word| call.event.text(word));
    let mut topic = words.collect::<Vec<_>>().join(" · ");
    if topic.is_empty() {
        topic = call.event.text("event_type").map_or_else(|| "jobrelay".to_owned(), std::borrow::Cow::into_owned);
    }
    plain_fit(&crate::message::one_line(&topic), TOPIC, Unit::Utf16).0
}

/// A `body` of one's own is a tree, and Zulip takes forms.
fn form_encode(outgoing: &mut Outgoing) {
    let Outgoing::Http(request) = outgoing else { return };
    let Ok(Value::Object(members)) = serde_json::from_slice(&request.body) else { return };
    let texts: Vec<(String, String)> = members
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        })
        .collect();
    let pairs: Vec<(&str, &str)> = texts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let form = Payload::form(&pairs);
    for (name, value) in &mut request.headers {
        if name.eq_ignore_ascii_case("content-type") {
            value.clone_from(&form.content_type);
        }
    }
    request.body = form.body;
}
