//! The `discord` kind: channel webhooks, with embeds.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

use crate::message::{Footer, Message};
use crate::receiver::chat::{self, Bounds};
use crate::receiver::dialect::{Dialect, MARKDOWN};
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, Given, To};
use crate::receiver::look::colour;
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Rate, Reason, Receiver, SecretUrl, Sent, Unsendable, Verdict,
    answer,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "discord",
    http: true,
    // 5 in 2 seconds.
    rate: Some(Rate { count: 150, per: Duration::from_secs(60) }),
    recovered: false,
    obtain: "In Discord: the channel's settings → Integrations → Webhooks → New Webhook → Copy Webhook URL",
    example: "{ kind: discord, url: \"${DISCORD_WEBHOOK_URL}\" }",
    schema: || schemars::schema_for!(Discord),
    read: |node, problems| Some(Box::new(read::<Discord>(node, problems)?)),
};

/// Longest content, title, description and footer, and what all of an embed may come to, in characters.
const CONTENT: usize = 2000;
const TITLE: usize = 256;
const TEXT: usize = 3500;
const NOTICES: usize = 500;
const FOOTER: usize = 500;
const LINK: usize = 2000;
const WHOLE: usize = 6000;
const FIELDS: Bounds = Bounds { most: 25, name: 256, value: 1024, whole: WHOLE };

/// Discord's Markdown. A zero-width space keeps apart what would page someone: `allowed_mentions` does so too, but a receiver's own
/// `body` may come without.
const DISCORD: Dialect = Dialect {
    escape: |c, out| apart(c, out, MARKDOWN.escape),
    escape_code: |c, out| apart(c, out, MARKDOWN.escape_code),
    ..MARKDOWN
};

fn apart(c: char, out: &mut String, write: fn(char, &mut String)) {
    match c {
        c if chat::unwanted(c) => {}
        '@' if out.ends_with('<') => out.push_str("\u{200B}@"),
        'e' | 'h' if out.ends_with('@') => out.extend(['\u{200B}', c]),
        c => write(c, out),
    }
}

/// A Discord channel, through a webhook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Discord {
    /// The webhook: `https://discord.com/api/webhooks/…`.
    url: SecretUrl,
    /// A thread or forum post of that channel to write into: its ID (with developer mode on: right click → Copy Thread ID).
    thread_id: Option<Snowflake>,
}

/// An ID as Discord makes them.
#[derive(Debug)]
struct Snowflake(String);

impl Snowflake {
    fn parse(text: &str) -> Result<Snowflake, String> {
        let text = text.trim();
        if !is_id(text) {
            return Err(format!(
                "\"{text}\" is no thread ID; it is a number such as `1234567890123456789` (with developer mode on: right click on the thread → Copy Thread ID)"
            ));
        }
        Ok(Snowflake(text.to_owned()))
    }
}

read_from_text! {
    Snowflake: {"type": ["string", "integer"], "examples": ["1234567890123456789"]};
}

fn is_id(text: &str) -> bool {
    (15..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[derive(Debug, PartialEq)]
enum Mention {
    /// `everyone` or `here`.
    All(&'static str),
    User(String),
    Role(String),
}

/// # Errors
/// A sentence that says what is accepted.
fn mention(text: &str) -> Result<Mention, String> {
    let name = text.trim();
    let name = name.strip_prefix('<').and_then(|name| name.strip_suffix('>')).unwrap_or(name);
    let name = name.strip_prefix('@').unwrap_or(name);
    match (name, name.strip_prefix('&')) {
        ("everyone", _) => Ok(Mention::All("everyone")),
        ("here", _) => Ok(Mention::All("here")),
        (_, Some(role)) if is_id(role) => Ok(Mention::Role(role.to_owned())),
        (user, None) if is_id(user) => Ok(Mention::User(user.to_owned())),
        _ => Err(format!(
            "Discord cannot mention \"{text}\"; write `here`, `everyone`, a user's ID (`123456789012345678`) or a role's with `&` (`&123456789012345678`)"
        )),
    }
}

impl Mention {
    fn written(&self) -> String {
        match self {
            Mention::All(name) => format!("@{name}"),
            Mention::User(id) => format!("<@{id}>"),
            Mention::Role(id) => format!("<@&{id}>"),
        }
    }
}

impl Kind for Discord {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        // Waiting for the message to be made is the only way to hear that it was not.
        let mut query = vec![("wait", "true")];
        query.extend(self.thread_id.iter().map(|Snowflake(id)| ("thread_id", id.as_str())));
        let url = chat::with_query(&self.url, &query)?;
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&form(call, message, notes));
        Ok(receiver.for_people(call, To::post(&url), form))
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| {
                let mentions = chat::mentions(message, mention, &mut Vec::new());
                chat::body_text(message, &DISCORD, chat::mention_line(&mentions, &DISCORD, Mention::written))
            },
            escape: |text| DISCORD.escaped(text),
        }
    }

    fn mentions(&self) -> bool {
        true
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let body = chat::json(answer);
        match (answer.status, body["code"].as_u64()) {
            (429, _) => {
                let wait = body["retry_after"].as_f64().and_then(answer::wait);
                chat::rate_limited(answer, wait)
            }
            (_, Some(10015 | 50027)) => chat::blocked(
                answer,
                Reason::Auth,
                "the webhook was deleted, or its URL is not whole: make a new one in Discord (channel settings → Integrations → Webhooks) and put its URL into `url`",
            ),
            (_, Some(220_001)) => chat::blocked(
                answer,
                Reason::Client,
                "the channel is a forum, which takes messages only in a thread: put a thread's ID into `thread_id`",
            ),
            (_, Some(10003 | 50083 | 160_005)) => chat::blocked(
                answer,
                Reason::Client,
                "the channel or thread is gone, archived or locked: check `thread_id`, or make a webhook for another channel",
            ),
            (_, Some(50001 | 50013)) => chat::blocked(
                answer,
                Reason::Auth,
                "the webhook may not write there: ask whoever runs the server, or make a webhook for another channel",
            ),
            // The plain form has the same words.
            (400, Some(200_000 | 240_000)) => Judgement::not_delivered(Verdict::Refused, Reason::Client, answer.summary())
                .advise("the server's AutoMod blocked these words: let the webhook's channel pass, or change the `message`, then replay it"),
            (401, _) => chat::blocked(
                answer,
                Reason::Auth,
                "Discord refused the webhook's token: copy its URL again and put it into `url`",
            ),
            _ => chat::by_status(answer, "Discord"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        chat::url_secrets(&self.url)
    }

    fn no_effect(&self, key: &str, _: Given<'_>) -> Option<String> {
        let named = || self.url.expose().query_pairs().any(|(name, _)| name == "thread_id");
        (key == "thread_id" && named()).then(|| "`url` names a thread already".to_owned())
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
    }
}

fn form(call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
    let mentions = chat::mentions(message, mention, notes);
    let line = chat::mention_line(&mentions, &DISCORD, Mention::written);
    let allowed = allowed_mentions(&mentions);
    if call.plain {
        let content = chat::plain_lines(message, &DISCORD, &line, CONTENT, notes);
        return json!({ "content": content, "allowed_mentions": allowed });
    }
    let mut form = json!({ "embeds": [embed(call, message, notes)], "allowed_mentions": allowed });
    if !line.is_empty() {
        form["content"] = line.into();
    }
    form
}

fn embed(call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
    let title = chat::headline_within(message, &DISCORD, TITLE, notes);
    let notices = chat::notices(message, &DISCORD, NOTICES, notes);
    let text = chat::text(message, &DISCORD, TEXT, notes);
    let footer = message.footer.as_ref();
    let details = footer.and_then(|Footer { link, .. }| link.as_deref()).filter(|link| link.len() <= LINK / 4);
    let details = details.map(|link| (DISCORD.link)(link, "details"));
    let parts = [notices, text, details.unwrap_or_default()];
    let description = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
    let footer = footer.map(|footer| crate::message::cut(&footer.text, FOOTER).0.into_owned());

    let size = |text: &str| DISCORD.unit.of(text);
    let taken = size(&title) + size(&description) + footer.as_deref().map_or(0, size);
    let bounds = Bounds { whole: WHOLE.saturating_sub(taken), ..FIELDS };
    let fields = chat::fields(message, (&DISCORD, &DISCORD), &bounds, |name, value| size(name) + size(value), notes);
    let fields = fields.into_iter().map(|(name, value)| {
        let inline = value.chars().count() <= 40 && !value.contains('\n');
        json!({ "name": name, "value": value, "inline": inline })
    });

    let mut embed = json!({ "title": title, "color": colour(message.level), "fields": fields.collect::<Vec<_>>() });
    if !description.is_empty() {
        embed["description"] = description.into();
    }
    if let Some(link) = chat::link(message, LINK, notes) {
        embed["url"] = link.into();
    }
    if let Some(at) = call.event.job.as_ref().and_then(|job| job.since).or(call.event.time) {
        embed["timestamp"] = at.to_string().into();
    }
    if let Some(text) = footer {
        embed["footer"] = json!({ "text": text });
    }
    embed
}

/// Only whom routes.yaml mentions is paged, whatever else the message says.
fn allowed_mentions(mentions: &[Result<Mention, &str>]) -> Value {
    let (mut parse, mut users, mut roles) = (Vec::new(), Vec::new(), Vec::new());
    for mention in mentions.iter().flatten() {
        match mention {
            Mention::All(_) => parse = vec!["everyone"],
            Mention::User(id) if !users.contains(&id) => users.push(id),
            Mention::Role(id) if !roles.contains(&id) => roles.push(id),
            Mention::User(_) | Mention::Role(_) => {}
        }
    }
    json!({ "parse": parse, "users": users, "roles": roles })
}
