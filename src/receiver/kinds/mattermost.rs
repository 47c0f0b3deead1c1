//! The `mattermost` kind: incoming webhooks, with a message attachment.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::message::Message;
use crate::receiver::chat::{self, Bounds, UNPAGED};
use crate::receiver::dialect::{Dialect, MARKDOWN, without_tick};
use crate::receiver::kind::{Entry, To};
use crate::receiver::look::hex;
use crate::receiver::request::Payload;
use crate::receiver::{Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, SecretUrl, Sent, Unsendable};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "mattermost",
    http: true,
    rate: None,
    recovered: false,
    obtain: "In Mattermost: the product menu → Integrations → Incoming Webhooks → Add Incoming Webhook",
    example: "{ kind: mattermost, url: \"${MATTERMOST_WEBHOOK_URL}\" }",
    schema: || schemars::schema_for!(Mattermost),
    read: |node, problems| Some(Box::new(read::<Mattermost>(node, problems)?)),
};

/// Mattermost takes 16,383 characters. All parts together stay below, so that it need not split the post.
const TITLE: usize = 300;
const NOTICES: usize = 1000;
const TEXT: usize = 8000;
const FOOTER: usize = 300;
const LINK: usize = 2000;
const PLAINEST: usize = 4000;
const FIELDS: Bounds = Bounds { most: 50, name: 200, value: 1500, whole: 5000 };

/// Mattermost's Markdown. A zero-width space keeps `@here` in a value from paging everyone; an address keeps its `@` as it is.
const MATTERMOST: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        '@' => chat::at(out),
        // Its Markdown has no escape for it, nor a meaning that could do harm.
        '<' => out.push('<'),
        c => (MARKDOWN.escape)(c, out),
    },
    escape_code: |c, out| (UNPAGED.escape)(without_tick(c), out),
    ..MARKDOWN
};

/// A Mattermost channel, through an incoming webhook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mattermost {
    /// The incoming webhook: `https://mattermost.example.com/hooks/…`.
    url: SecretUrl,
    /// Another channel than the webhook's: its name as in the channel's address (`town-square`), or `@name` for a direct message.
    channel: Option<String>,
    /// Whom the message seems to come from; the server has to allow integrations to override usernames.
    username: Option<String>,
}

impl Kind for Mattermost {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&self.form(call, message, notes));
        Ok(receiver.for_people(call, To::post(&self.url), form))
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| chat::body_text(message, &MATTERMOST, mentions(message, &mut Vec::new())),
            escape: |text| MATTERMOST.escaped(text),
        }
    }

    fn mentions(&self) -> bool {
        true
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let body = chat::json(answer);
        let id = body["id"].as_str().unwrap_or_default();
        let blocked = |reason, advice| chat::blocked(answer, reason, advice);
        match id.strip_prefix("web.incoming_webhook.").unwrap_or_default() {
            "invalid.app_error" => blocked(
                Reason::Auth,
                "the webhook was deleted: make a new one in Mattermost (Integrations → Incoming Webhooks) and put its URL into `url`",
            ),
            // Also said, with a 500, when the server could not look.
            "channel.app_error" | "user.app_error" if answer.status < 500 => blocked(
                Reason::Client,
                "there is no such channel or user: check `channel`, which is the name in the channel's address",
            ),
            "channel_locked.app_error" => blocked(
                Reason::Auth,
                "the webhook is locked to its own channel: remove `channel`, or unlock the webhook in Mattermost",
            ),
            "permissions.app_error" => blocked(
                Reason::Auth,
                "whoever made the webhook may not post there: let them join the channel, or make another webhook",
            ),
            "disabled.app_error" => blocked(
                Reason::Client,
                "incoming webhooks are turned off on the server: ask its administrator (System Console → Integration Management)",
            ),
            _ => chat::by_status(answer, "Mattermost"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        chat::url_secrets(&self.url)
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
    }
}

/// # Errors
/// A sentence that says what is accepted.
fn mention(text: &str) -> Result<String, String> {
    chat::at_name(text).ok_or_else(|| {
        format!("Mattermost cannot mention \"{text}\"; write `here`, `channel`, `all`, or the name of a user or group")
    })
}

fn mentions(message: &Message, notes: &mut Vec<String>) -> String {
    chat::mention_line(&chat::mentions(message, mention, notes), &MATTERMOST, String::clone)
}

impl Mattermost {
    fn form(&self, call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
        let mentions = mentions(message, notes);
        let mut form = json!({});
        if call.plain {
            form["text"] = chat::plain_lines(message, &MATTERMOST, &mentions, PLAINEST, notes).into();
        } else {
            form["attachments"] = json!([attachment(message, notes)]);
            if !mentions.is_empty() {
                form["text"] = mentions.into();
            }
        }
        for (name, value) in [("channel", &self.channel), ("username", &self.username)] {
            if let Some(value) = value {
                form[name] = value.as_str().into();
            }
        }
        form
    }
}

fn attachment(message: &Message, notes: &mut Vec<String>) -> Value {
    let link = chat::link(message, LINK, notes);
    // A title that is a link is shown as it is, any other is Markdown.
    let title = chat::headline_within(message, if link.is_some() { &UNPAGED } else { &MATTERMOST }, TITLE, notes);
    let notices = chat::notices(message, &MATTERMOST, NOTICES, notes);
    let text = chat::text(message, &MATTERMOST, TEXT, notes);
    let details = message.footer.as_ref().and_then(|footer| footer.link.as_deref()).filter(|link| link.len() <= LINK);
    let details = details.map(|link| (MATTERMOST.link)(link, "details"));
    let parts = [notices, text, details.unwrap_or_default()];
    let text = chat::paragraphs(parts);
    let size = |name: &str, value: &str| MATTERMOST.unit.of(name) + MATTERMOST.unit.of(value);
    let fields = chat::fields(message, (&MATTERMOST, &MATTERMOST), &FIELDS, size, notes);
    let mut attachment = json!({
        "fallback": UNPAGED.fit(&chat::headline(message), TITLE).0,
        "color": hex(message.level),
        "title": title,
        "text": text,
        "fields": chat::titled_fields(fields),
    });
    if let Some(link) = link {
        attachment["title_link"] = link.into();
    }
    if let Some(footer) = &message.footer {
        attachment["footer"] = UNPAGED.fit(&footer.text, FOOTER).0.into();
    }
    attachment
}
