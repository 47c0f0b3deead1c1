//! The `teams` kind: Adaptive Cards to a channel or chat, through a workflow's webhook.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

use super::teams_markdown::{CARD, Mention, mention};
use crate::message::{Block, Level, Message};
use crate::receiver::chat::{self, Bounds};
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Rate, Reason, Receiver, SecretUrl, Sent, Unsendable,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "teams",
    http: true,
    rate: Some(Rate { count: 4, per: Duration::from_secs(1) }),
    recovered: false,
    obtain: "In Teams: the channel's … → Workflows → Send webhook alerts to a channel; its last step shows the URL",
    example: "{ kind: teams, url: \"${TEAMS_WEBHOOK_URL}\" }",
    schema: || schemars::schema_for!(Teams),
    read: |node, problems| Some(Box::new(read::<Teams>(node, problems)?)),
};

/// Teams takes 28 KB. The other bounds, in bytes, leave room for fields even if every character has to be escaped in JSON.
const WHOLE: usize = 27 * 1024;
const TITLE: usize = 400;
const NOTICES: usize = 1000;
const TEXT: usize = 8000;
const FOOTER: usize = 1000;
const LINK: usize = 2000;
const PLAIN: usize = 4000;
const FIELDS: Bounds = Bounds { most: 40, name: 200, value: 1500, whole: WHOLE };

/// A Microsoft Teams channel or chat, through a workflow's webhook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Teams {
    /// The workflow's webhook URL. Those of Office 365 connectors (`webhook.office.com`) are retired and refused.
    url: WorkflowUrl,
}

/// A webhook that still exists.
#[derive(Debug)]
struct WorkflowUrl(SecretUrl);

impl WorkflowUrl {
    fn parse(text: &str) -> Result<WorkflowUrl, String> {
        let url = SecretUrl::parse(text)?;
        let host = url.expose().host_str().unwrap_or_default();
        let is_connector =
            host.ends_with("webhook.office.com") || matches!(host, "outlook.office.com" | "outlook.office365.com");
        if is_connector {
            return Err("this is the URL of an Office 365 connector, and Microsoft has retired those: make a workflow instead (in Teams: the channel's … → Workflows → Send webhook alerts to a channel) and put its URL here"
                .to_owned());
        }
        Ok(WorkflowUrl(url))
    }
}

read_from_text! {
    WorkflowUrl: {"type": "string", "format": "uri"};
}

impl Kind for Teams {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&form(message, call.plain, notes));
        // A body has no entities, without which a mention would only look like one.
        Ok(receiver.for_people(call, To::post(&self.url.0), form))
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| {
                let mentions = chat::mentions(message, mention, &mut Vec::new());
                let names = chat::mention_line(&mentions, &CARD, |mention| CARD.escaped(&mention.name));
                chat::body_text(message, &CARD, names)
            },
            escape: |text| CARD.escaped(text),
        }
    }

    fn mentions(&self) -> bool {
        true
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let body = chat::json(answer);
        let code = body["error"]["code"].as_str().unwrap_or_default();
        let blocked = |reason, advice| chat::blocked(answer, reason, advice);
        match answer.status {
            412 => chat::later(answer, Reason::Server),
            400 | 403 if code.contains("NotEnabled") || code.contains("Disabled") || code.contains("Suspended") => {
                blocked(
                    Reason::Client,
                    "the workflow is turned off: turn it on in Teams (Workflows → Manage), then `resume` this receiver",
                )
            }
            401 | 403 => blocked(
                Reason::Auth,
                "the workflow refused the caller: copy its URL again, whole, and put it into `url`; its trigger has to let anyone call it",
            ),
            404 | 410 => blocked(
                Reason::Client,
                "the workflow is gone: make a new one in Teams (the channel's … → Workflows → Send webhook alerts to a channel) and put its URL into `url`",
            ),
            413 => chat::bad_form(answer, "the card is bigger than Teams takes: shorten the `message`, then replay it"),
            _ => chat::by_status(answer, "the workflow"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        chat::url_secrets(&self.url.0)
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
    }
}

fn form(message: &Message, plain: bool, notes: &mut Vec<String>) -> Value {
    let mentions = chat::mentions(message, mention, notes);
    let line = chat::mention_line(&mentions, &CARD, Mention::written);
    let mut teams = json!({ "width": "Full" });
    let entities: Vec<Value> = mentions.iter().flatten().map(Mention::entity).collect();
    if !entities.is_empty() {
        teams["entities"] = entities.into();
    }
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": teams,
    });
    if plain {
        card["body"] = json!([block(&chat::plain_lines(message, &CARD, &line, PLAIN, notes))]);
        return envelope(&card);
    }
    if let Some(link) = chat::link(message, LINK, notes) {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": "Open", "url": link }]);
    }
    let mut body = Vec::new();
    let mut title = block(&chat::headline_within(message, &CARD, TITLE, notes));
    title["size"] = "Large".into();
    title["weight"] = "Bolder".into();
    title["color"] = colour(message.level).into();
    body.push(title);
    if !line.is_empty() {
        body.push(block(&line));
    }
    let notices = chat::notices(message, &CARD, NOTICES, notes);
    if !notices.is_empty() {
        body.push(quiet(&notices));
    }
    body.extend(text_blocks(message, notes));
    let footer = chat::footer(message, &CARD, FOOTER).map(|footer| quiet(&footer));

    card["body"] = body.iter().chain(&footer).cloned().collect();
    let room = WHOLE.saturating_sub(envelope(&card).to_string().len() + 100);
    let fact = |name: &str, value: &str| json!({ "title": name, "value": value });
    let size = |name: &str, value: &str| fact(name, value).to_string().len() + 1;
    let facts = chat::fields(message, (&CARD, &CARD), &Bounds { whole: room, ..FIELDS }, size, notes);
    if !facts.is_empty() {
        let facts: Vec<Value> = facts.iter().map(|(name, value)| fact(name, value)).collect();
        body.push(json!({ "type": "FactSet", "facts": facts, "separator": true }));
    }
    body.extend(footer);
    card["body"] = body.into();
    envelope(&card)
}

fn envelope(card: &Value) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn block(text: &str) -> Value {
    json!({ "type": "TextBlock", "text": text, "wrap": true })
}

fn quiet(text: &str) -> Value {
    json!({ "type": "TextBlock", "text": text, "wrap": true, "isSubtle": true, "size": "Small" })
}

/// The text: a block for each paragraph and each list, code in a fixed-width font.
fn text_blocks(message: &Message, notes: &mut Vec<String>) -> Vec<Value> {
    let (written, mut was_cut) = CARD.blocks_within(&message.text, TEXT);
    let mut texts: Vec<(String, &Block)> = Vec::new();
    let mut used = 0;
    let blocks = message.text.blocks();
    for (text, block) in written.into_iter().zip(&blocks) {
        used += text.len();
        if used > TEXT {
            was_cut = true;
            texts.push(("…".to_owned(), block));
            break;
        }
        match (texts.last_mut(), block) {
            (Some((list, Block::Item { .. })), Block::Item { .. }) => {
                list.push('\r');
                list.push_str(&text);
            }
            _ => texts.push((text, block)),
        }
    }
    if was_cut {
        notes.push(chat::cut_to("text", TEXT, CARD.unit));
    }
    texts.retain(|(text, _)| !text.trim().is_empty());
    let shown = |(text, kind): &(String, &Block)| {
        let mut shown = block(text);
        if matches!(kind, Block::Code(_)) {
            shown["fontType"] = "Monospace".into();
        }
        shown
    };
    texts.iter().map(shown).collect()
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Info => "Accent",
        Level::Success => "Good",
        Level::Warning => "Warning",
        Level::Error | Level::Critical => "Attention",
    }
}
