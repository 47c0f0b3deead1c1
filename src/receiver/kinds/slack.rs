//! The `slack` kind: incoming webhooks, and `chat.postMessage` with threads.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

use super::slack_mrkdwn::{MRKDWN, escape, mention};
use super::{slack_body, slack_judge};
use crate::message::{Footer, Message, RenderedBody, cut};
use crate::receiver::address::{Endpoint, address};
use crate::receiver::kind::{Entry, To};
use crate::receiver::look::sign;
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Given, Judgement, Kind, Markup, Rate, Receiver, Secret, SecretUrl, Sent, Threads,
    Unsendable,
};
use crate::yaml::{Code, Node, Problems, read};

pub(super) const ENTRY: Entry = Entry {
    name: "slack",
    http: true,
    rate: Some(Rate { count: 1, per: Duration::from_secs(1) }),
    recovered: false,
    obtain: "In Slack: the app → Incoming Webhooks → Add New Webhook to Workspace; or, for threads, the app → OAuth & Permissions → Bot User OAuth Token",
    example: "{ kind: slack, url: \"${SLACK_WEBHOOK_URL}\" }",
    schema: || schemars::schema_for!(Settings),
    read: |node, problems| Some(Box::new(Slack::read(node, problems)?)),
};

/// Longest header, section, field and plain text, in characters; most fields in one section.
pub(super) const HEADER: usize = 150;
pub(super) const SECTION: usize = 3000;
pub(super) const FIELD: usize = 2000;
const PLAIN: usize = 4000;
pub(super) const FIELDS: usize = 10;
/// Slack takes 50 blocks; these bounds on text and fields keep a message far below, and readable.
const TEXT_SECTIONS: usize = 10;
const FIELD_SECTIONS: usize = 5;

/// A Slack channel, through an incoming webhook or as an app of its own, whose messages of one job form a thread.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["url"]}, {"required": ["token", "channel"]}]))]
struct Settings {
    /// The incoming webhook: `https://hooks.slack.com/services/…`.
    url: Option<SecretUrl>,
    /// Instead of `url`: the app's Bot User OAuth Token (`xoxb-…`), with the scope `chat:write`.
    token: Option<Secret>,
    /// Beside `token`: the channel's ID (`C0123ABCDEF`, at the end of the channel's details), or its name; the app must be in it.
    channel: Option<String>,
    /// Beside `token`: scheme and host in place of `https://slack.com`, for proxies and tests.
    endpoint: Option<Endpoint>,
}

/// A channel of Slack.
#[derive(Debug)]
pub(super) struct Slack(Way);

/// How messages get there.
#[derive(Debug)]
enum Way {
    Webhook(SecretUrl),
    WebApi { token: Secret, channel: String, url: SecretUrl },
}

impl Slack {
    fn read(node: &Node, problems: &mut Problems) -> Option<Slack> {
        let Settings { url, token, channel, endpoint } = read(node, problems)?;
        if let Some(url) = url {
            return Some(Slack(Way::Webhook(url)));
        }
        let channel = channel.map(|channel| channel.trim().to_owned()).filter(|channel| !channel.is_empty());
        let (what, help) = match (token, channel) {
            (Some(token), Some(channel)) => {
                let url = address("https://slack.com/api/chat.postMessage", endpoint.as_ref()).ok()?;
                return Some(Slack(Way::WebApi { token, channel, url }));
            }
            (Some(_), None) => ("channel", "add `channel: …`: the channel's ID, at the end of its details in Slack"),
            (None, Some(_)) => ("token", "add `token: …`: the Bot User OAuth Token of an app that is in the channel"),
            (None, None) => ("url", "add `url: …`: the incoming webhook; or `token` and `channel` of an app"),
        };
        problems.error(Code::MissingKey, node.span, format!("`{what}` is missing"), help.to_owned());
        None
    }
}

impl Kind for Slack {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let (to, members) = match &self.0 {
            Way::Webhook(url) => (To::post(url), Map::new()),
            Way::WebApi { token, channel, url } => {
                (To::authorized(url, format!("Bearer {}", token.expose())), place(channel, call.earlier))
            }
        };
        let form = |message: &Message, notes: &mut Vec<String>| {
            let mut form =
                if call.plain { json!({"text": plain_text(message, notes)}) } else { blocks_form(message, notes) };
            fill_in(&mut form, &members);
            Payload::json(&form)
        };
        Ok(receiver.for_people_with(call, to, form, |body| fill_in(body, &members)))
    }

    fn markup(&self) -> Markup {
        Markup { text: body_text, escape }
    }

    fn check_body(&self, body: &RenderedBody) -> Result<(), String> {
        slack_body::check(body)
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        match &self.0 {
            Way::Webhook(_) => slack_judge::of_webhook(answer),
            Way::WebApi { channel, .. } => {
                let judged = slack_judge::of_web_api(answer);
                Judgement { reference: judged.reference.map(|ts| format!("{ts}{}", of_channel(channel))), ..judged }
            }
        }
    }

    fn threads(&self) -> Threads {
        match self.0 {
            Way::WebApi { .. } => Threads::Answered,
            Way::Webhook(_) => Threads::None,
        }
    }

    fn url(&self) -> Option<&SecretUrl> {
        match &self.0 {
            Way::Webhook(url) => Some(url),
            Way::WebApi { .. } => None,
        }
    }

    fn secrets(&self) -> Vec<String> {
        match &self.0 {
            Way::Webhook(url) => url.secrets(),
            Way::WebApi { token, .. } => vec![token.expose().to_owned()],
        }
    }

    fn no_effect(&self, key: &str, _: Given<'_>) -> Option<String> {
        let of_web_api = ["token", "channel", "endpoint"].contains(&key) && matches!(self.0, Way::Webhook(_));
        of_web_api.then(|| {
            "the webhook in `url` says where messages go; `token` and `channel` stand instead of it".to_owned()
        })
    }

    fn mentions(&self) -> bool {
        true
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
    }
}

/// Where a message of the Web API goes: into the channel, or into an earlier message's thread there.
fn place(channel: &str, earlier: Option<&str>) -> Map<String, Value> {
    let mut members = Map::from_iter([("channel".to_owned(), json!(channel))]);
    let thread = earlier.and_then(|earlier| earlier.strip_suffix(&of_channel(channel)));
    members.extend(thread.map(|ts| ("thread_ts".to_owned(), json!(ts))));
    members
}

/// What a reference ends with: in another channel it means nothing.
fn of_channel(channel: &str) -> String {
    format!(" in {channel}")
}

/// Adds members that are not there.
fn fill_in(form: &mut Value, members: &Map<String, Value>) {
    if let Value::Object(form) = form {
        for (name, value) in members {
            form.entry(name.as_str()).or_insert_with(|| value.clone());
        }
    }
}

fn headline(message: &Message) -> String {
    format!("{} {}", sign(message.level), escape(&message.title))
}

/// The mentions in Slack's form; what it cannot mention is named, not dropped.
fn mentions(message: &Message, notes: &mut Vec<String>) -> String {
    let written = message.mention.iter().map(|text| {
        mention(text).unwrap_or_else(|why| {
            notes.push(why);
            escape(text)
        })
    });
    cut(&written.collect::<Vec<_>>().join(" "), SECTION).0.into_owned()
}

/// `message.text` in a body: with the mentions and notices, which a body would otherwise lose.
fn body_text(message: &Message) -> String {
    let mut parts = vec![mentions(message, &mut Vec::new())];
    parts.extend(message.notices.iter().map(|notice| escape(notice)));
    parts.push(MRKDWN.text(&message.text));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn blocks_form(message: &Message, notes: &mut Vec<String>) -> Value {
    let headline = headline(message);
    let (header, was_cut) = cut(&headline, HEADER);
    if was_cut {
        notes.push(format!("title cut to {HEADER} characters"));
    }
    let mrkdwn = |text: &str| json!({"type": "mrkdwn", "text": text});
    let section = |text: &str| json!({"type": "section", "text": mrkdwn(text)});
    let context = |text: &str| json!({"type": "context", "elements": [mrkdwn(text)]});

    let mut form = vec![json!({"type": "header", "text": {"type": "plain_text", "text": header, "emoji": true}})];
    let mentions = mentions(message, notes);
    if !mentions.is_empty() {
        form.push(section(&mentions));
    }
    if !message.notices.is_empty() {
        let notices: Vec<_> = message.notices.iter().map(|notice| escape(notice)).collect();
        form.push(context(&cut(&notices.join("\n"), FIELD).0));
    }
    form.extend(sections(message, notes).iter().map(|text| section(text)));
    for fields in fields(message, notes).chunks(FIELDS) {
        form.push(json!({"type": "section", "fields": fields.iter().map(|field| mrkdwn(field)).collect::<Vec<_>>()}));
    }
    if let Some(link) = link(message, notes) {
        form.push(section(&format!("<{link}|Open>")));
    }
    if let Some(footer) = &message.footer {
        form.push(context(&footer_text(footer)));
    }
    let fallback = [mentions, headline.clone()].join(" ");
    json!({"text": cut(fallback.trim(), SECTION).0, "blocks": form})
}

/// The text, packed into as few sections as hold it.
fn sections(message: &Message, notes: &mut Vec<String>) -> Vec<String> {
    let (blocks, mut was_cut) = MRKDWN.blocks_within(&message.text, SECTION);
    let mut sections: Vec<String> = Vec::new();
    for block in blocks.into_iter().filter(|block| !block.trim().is_empty()) {
        match sections.last_mut() {
            Some(last) if units(last) + 2 + units(&block) <= SECTION => {
                last.push_str("\n\n");
                last.push_str(&block);
            }
            _ => sections.push(block),
        }
    }
    if sections.len() > TEXT_SECTIONS {
        sections.truncate(TEXT_SECTIONS - 1);
        sections.push("…".to_owned());
        was_cut = true;
    }
    if was_cut {
        notes.push("text cut to Slack's limits".to_owned());
    }
    sections
}

fn fields(message: &Message, notes: &mut Vec<String>) -> Vec<String> {
    let most = FIELDS * FIELD_SECTIONS;
    if message.fields.len() > most {
        notes.push(format!("{} fields left out: Slack shows {most}", message.fields.len() - most));
    }
    let mut shown = Vec::new();
    for (name, value) in message.fields.iter().take(most) {
        let name = cut(&escape(name), 200).0.into_owned();
        let value = escape(value);
        let (value, was_cut) = cut(&value, FIELD - units(&name) - 3);
        if was_cut {
            notes.push(format!("field {name:?} cut to {FIELD} characters"));
        }
        shown.push(format!("*{name}*\n{value}"));
    }
    shown
}

/// An address that fits; a cut one would lead elsewhere.
fn link(message: &Message, notes: &mut Vec<String>) -> Option<String> {
    let link = escape(message.link.as_ref()?);
    if units(&link) > SECTION - 10 {
        notes.push("link left out: too long for Slack".to_owned());
        return None;
    }
    Some(link)
}

fn footer_text(footer: &Footer) -> String {
    let text = escape(&footer.text);
    let text = cut(&text, 500).0;
    match &footer.link {
        Some(link) if units(link) < 1000 => format!("{text} · <{}|details>", escape(link)),
        _ => text.into_owned(),
    }
}

/// The form Slack takes when it takes any: no blocks, no markup of our own.
fn plain_text(message: &Message, notes: &mut Vec<String>) -> String {
    let mut parts = vec![mentions(message, notes), headline(message)];
    parts.extend(message.notices.iter().map(|notice| escape(notice)));
    parts.push(escape(&message.text.plain()));
    parts.extend(message.fields.iter().map(|(name, value)| format!("{}: {}", escape(name), escape(value))));
    parts.extend(message.link.as_ref().map(|link| escape(link)));
    parts.extend(message.footer.as_ref().map(|footer| escape(&footer.text)));
    parts.retain(|part| !part.trim().is_empty());
    let whole = parts.join("\n");
    let (text, was_cut) = cut(&whole, PLAIN);
    if was_cut {
        notes.push(format!("text cut to {PLAIN} characters"));
    }
    text.into_owned()
}

/// Length as Slack counts it at the most.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
