//! The `rocketchat` kind: incoming integrations, with an attachment.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::message::Message;
use crate::receiver::chat::{self, Bounds, UNPAGED};
use crate::receiver::dialect::{Dialect, MARKDOWN, without_tick};
use crate::receiver::kind::{Entry, To};
use crate::receiver::look::hex;
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, SecretUrl, Sent, Unsendable, Verdict, answer,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "rocketchat",
    http: true,
    rate: None,
    recovered: false,
    obtain: "In Rocket.Chat: Workspace → Integrations → New → Incoming, enabled and with a channel; its page shows the webhook URL",
    example: "{ kind: rocketchat, url: \"${ROCKETCHAT_WEBHOOK_URL}\" }",
    schema: || schemars::schema_for!(RocketChat),
    read: |node, problems| Some(Box::new(read::<RocketChat>(node, problems)?)),
};

/// Rocket.Chat takes 5000 characters unless told otherwise; all parts together stay below.
const TITLE: usize = 300;
const NOTICES: usize = 300;
const TEXT: usize = 2000;
const FOOTER: usize = 600;
const LINK: usize = 1000;
const PLAINEST: usize = 3000;
const FIELDS: Bounds = Bounds { most: 25, name: 100, value: 500, whole: 1200 };

/// Rocket.Chat's Markdown, which has escapes for a few marks only. A zero-width space breaks what has none: mentions, links, quotes,
/// spoilers.
const ROCKET: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        '@' => chat::at(out),
        '*' | '_' | '~' | '`' | '#' => out.extend(['\\', c]),
        ']' | '<' => out.extend([c, '\u{200B}']),
        '>' if out.is_empty() || out.ends_with('\n') => out.push_str("\u{200B}>"),
        '|' if out.ends_with('|') => out.push_str("\u{200B}|"),
        c => out.push(c),
    },
    escape_code: |c, out| (UNPAGED.escape)(without_tick(c), out),
    // In the form `[label](url)`, a bracket of a value long before it would be taken for the label's.
    link: |url, label| {
        let label = label.replace(['\\', '<', '>', '|'], "");
        format!("<{}|{label}>", url.replace('(', "%28").replace(')', "%29"))
    },
    ..MARKDOWN
};

/// A Rocket.Chat channel, through an incoming integration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RocketChat {
    /// The integration's webhook URL: `https://chat.example.com/hooks/…/…`.
    url: SecretUrl,
}

impl Kind for RocketChat {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&form(message, call.plain, notes));
        Ok(receiver.for_people(call, To::post(&self.url), form))
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| chat::body_text(message, &ROCKET, mentions(message, &mut Vec::new())),
            escape: |text| ROCKET.escaped(text),
        }
    }

    fn mentions(&self) -> bool {
        true
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let body = chat::json(answer);
        let error = body["error"].as_str().unwrap_or_default();
        let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
        let judged = Judgement::of_status(answer);
        if says(&["too-many-requests"]) {
            return chat::rate_limited(answer, wait(error));
        }
        let failed = body["success"] == Value::Bool(false);
        // What is theirs to mend comes back with the server.
        if answer.status >= 500 || !(failed || judged.verdict == Verdict::Refused) {
            return judged;
        }
        if says(&["Invalid integration", "integration-disabled"]) {
            return chat::blocked(
                answer,
                Reason::Auth,
                "the integration was deleted or turned off: look under Integrations in Rocket.Chat, and put its URL into `url`",
            );
        }
        if says(&[
            "invalid-channel",
            "invalid-room",
            "not-allowed",
            "room-archived",
            "room-is-read-only",
            "unauthorized",
        ]) {
            return chat::blocked(
                answer,
                Reason::Client,
                "the integration may not post to its channel, or the channel is gone: check channel and \"Post as\" of the integration in Rocket.Chat",
            );
        }
        match judged.verdict {
            Verdict::Blocked => judged,
            _ => chat::form_refused(answer, "Rocket.Chat"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        chat::url_secrets(&self.url)
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
    }
}

/// The seconds of "You must wait 58 seconds before trying this endpoint again."
fn wait(error: &str) -> Option<std::time::Duration> {
    let (_, rest) = error.split_once("wait ")?;
    answer::wait(rest.split(' ').next()?.parse().ok()?)
}

/// # Errors
/// A sentence that says what is accepted.
fn mention(text: &str) -> Result<String, String> {
    chat::at_name(text).ok_or_else(|| {
        format!("Rocket.Chat cannot mention \"{text}\"; write `here`, `all`, or the name of a user or team")
    })
}

fn mentions(message: &Message, notes: &mut Vec<String>) -> String {
    chat::mention_line(&chat::mentions(message, mention, notes), &ROCKET, String::clone)
}

fn form(message: &Message, plain: bool, notes: &mut Vec<String>) -> Value {
    let mentions = mentions(message, notes);
    if plain {
        return json!({ "text": chat::plain_lines(message, &ROCKET, &mentions, PLAINEST, notes) });
    }
    // The title is the message, so that notifications show it; the attachment has the rest beside a bar of colour.
    let headline = chat::headline_within(message, &ROCKET, TITLE, notes);
    let notices = chat::notices(message, &ROCKET, NOTICES, notes);
    let text = chat::text(message, &ROCKET, TEXT, notes);
    let footer = chat::footer(message, &ROCKET, FOOTER);
    let parts = [notices, text, footer.unwrap_or_default()];
    let text = chat::paragraphs(parts);
    let size = |name: &str, value: &str| ROCKET.unit.of(name) + ROCKET.unit.of(value);
    let fields = chat::fields(message, (&UNPAGED, &ROCKET), &FIELDS, size, notes);
    let mut attachment = json!({ "color": hex(message.level), "text": text, "fields": chat::titled_fields(fields) });
    if let Some(link) = chat::link(message, LINK, notes) {
        attachment["title"] = "Open".into();
        attachment["title_link"] = link.into();
    }
    json!({ "text": format!("{mentions} {headline}").trim_start(), "attachments": [attachment] })
}
