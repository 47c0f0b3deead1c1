//! The `slack` kind: incoming webhooks.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

use super::slack_body;
use super::slack_mrkdwn::{MRKDWN, escape, mention};
use crate::message::{Footer, Message, RenderedBody, cut};
use crate::receiver::kind::{Entry, To};
use crate::receiver::look::sign;
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Rate, Reason, Receiver, SecretUrl, Sent, Unsendable, Verdict,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "slack",
    http: true,
    rate: Some(Rate { count: 1, per: Duration::from_secs(1) }),
    recovered: false,
    obtain: "In Slack: the app → Incoming Webhooks → Add New Webhook to Workspace",
    example: "{ kind: slack, url: \"${SLACK_WEBHOOK_URL}\" }",
    schema: || schemars::schema_for!(Slack),
    read: |node, problems| Some(Box::new(read::<Slack>(node, problems)?)),
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

/// A Slack channel, through an incoming webhook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Slack {
    /// The incoming webhook: `https://hooks.slack.com/services/…`.
    url: SecretUrl,
}

impl Kind for Slack {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let form = |message: &Message, notes: &mut Vec<String>| {
            let form =
                if call.plain { json!({"text": plain_text(message, notes)}) } else { blocks_form(message, notes) };
            Payload::json(&form)
        };
        Ok(receiver.for_people(call, To::post(&self.url), form))
    }

    fn markup(&self) -> Markup {
        Markup { text: body_text, escape }
    }

    fn check_body(&self, body: &RenderedBody) -> Result<(), String> {
        slack_body::check(body)
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let code = std::str::from_utf8(&answer.body).unwrap_or_default().trim();
        let judged = Judgement::of_status(answer);
        let change = |verdict, reason, advice: &str| {
            Judgement { lane_waits: None, ..Judgement::not_delivered(verdict, reason, answer.summary()) }.advise(advice)
        };
        let blocked = |reason, advice| change(Verdict::Blocked, reason, advice);
        match (answer.status, code) {
            (403, "invalid_token") => blocked(
                Reason::Auth,
                "the webhook was revoked: make a new one in Slack (the app's Incoming Webhooks) and put its URL into `url`",
            ),
            (403, "action_prohibited") => blocked(
                Reason::Auth,
                "the workspace forbids posting here: ask a Slack administrator, or make a webhook for another channel",
            ),
            (404, "no_service" | "no_team") => blocked(
                Reason::Client,
                "the webhook or its workspace is gone: make a new one in Slack and put its URL into `url`",
            ),
            (404, "channel_not_found") | (410, "channel_is_archived") => blocked(
                Reason::Client,
                "the channel is gone or archived: make a webhook for another one and put its URL into `url`",
            ),
            _ if judged.verdict == Verdict::Refused => Judgement {
                bad_form: true,
                ..change(
                    Verdict::Refused,
                    Reason::Form,
                    "Slack refused this message: mend the `message` or `body` in routes.yaml, then replay it",
                )
            },
            _ => judged,
        }
    }

    fn url(&self) -> Option<&SecretUrl> {
        Some(&self.url)
    }

    fn secrets(&self) -> Vec<String> {
        self.url.secrets()
    }

    fn mentions(&self) -> bool {
        true
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
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
