//! The `telegram` kind: a bot that writes into a chat.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

use super::telegram_html::{LITERAL, Mention, TELEGRAM, is_name, mention};
use crate::message::{Message, RenderedBody};
use crate::receiver::address::{Endpoint, address};
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Rate, Reason, Receiver, Secret, Sent, Unsendable, answer, chat,
    running,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "telegram",
    http: true,
    // A group takes 20 a minute; a chat with one person more.
    rate: Some(Rate { count: 20, per: Duration::from_secs(60) }),
    recovered: false,
    obtain: "In Telegram: write /newbot to @BotFather, who answers with the token; add the bot to the chat; a group's ID is the number in its address in Telegram Web",
    example: "{ kind: telegram, token: \"${TELEGRAM_BOT_TOKEN}\", chat_id: -1001234567890 }",
    schema: || schemars::schema_for!(Telegram),
    read: |node, problems| Some(Box::new(read::<Telegram>(node, problems)?)),
};

/// Telegram takes 4096 characters once the markup is read; here markup counts too.
const WHOLE: usize = 4096;
const PLAINEST: usize = 3000;

/// A Telegram chat, group or channel, through a bot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Telegram {
    /// The token that `@BotFather` gave for the bot.
    token: Token,
    /// The chat: its number (`-1001234567890`), or `@name` of a public channel or group.
    chat_id: Chat,
    /// A topic of that group: the number in the topic's link, after the group's.
    thread_id: Option<Topic>,
    /// Scheme and host in place of `https://api.telegram.org`, for your own Bot API server, proxies and tests.
    endpoint: Option<Endpoint>,
}

#[derive(Debug)]
struct Token(Secret);

impl Token {
    /// It stands in the address, so anything else would lead elsewhere.
    fn parse(text: &str) -> Result<Token, String> {
        let text = text.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_');
        if text.is_empty() || !text.chars().all(allowed) {
            return Err("this is no bot token; @BotFather gives one such as `123456789:AAExampleExample`".to_owned());
        }
        Ok(Token(Secret::new(text)))
    }
}

#[derive(Debug)]
enum Chat {
    Id(i64),
    Name(String),
}

impl Chat {
    fn parse(text: &str) -> Result<Chat, String> {
        let text = text.trim();
        match (text.parse(), text.strip_prefix('@')) {
            (Ok(id), _) if id != 0 => Ok(Chat::Id(id)),
            (_, Some(name)) if is_name(name) => Ok(Chat::Name(text.to_owned())),
            _ => Err(format!(
                "\"{text}\" is no chat; write its number (`-1001234567890` for a group) or `@name` of a public channel or group"
            )),
        }
    }
}

#[derive(Debug)]
struct Topic(u64);

impl Topic {
    fn parse(text: &str) -> Result<Topic, String> {
        let wrong =
            |_| format!("\"{text}\" is no topic; it is the number at the end of the topic's link, such as `42`");
        text.trim().parse().map(Topic).map_err(wrong)
    }
}

read_from_text! {
    Token: {"type": "string"};
    Chat: {"type": ["string", "integer"], "examples": [-1_001_234_567_890_i64, "@data_ops"]};
    Topic: {"type": ["string", "integer"], "examples": [42]};
}

impl Kind for Telegram {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let own = format!("https://api.telegram.org/bot{}/sendMessage", self.token.0.expose());
        let url = address(&own, self.endpoint.as_ref()).map_err(Unsendable)?;
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&self.form(call, message, notes));
        Ok(receiver.for_people(call, To::post(&url), form))
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| {
                let mentions = chat::mentions(message, mention, &mut Vec::new());
                chat::body_text(message, &TELEGRAM, chat::mention_line(&mentions, &TELEGRAM, Mention::written))
            },
            escape: |text| TELEGRAM.escaped(text),
        }
    }

    fn check_body(&self, body: &RenderedBody) -> Result<(), String> {
        chat::has_members(body, "Telegram", &["chat_id", "text"])
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let body = chat::json(answer);
        let description = body["description"].as_str().unwrap_or_default().to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| description.contains(word));
        let blocked = |reason, advice: &str| chat::blocked(answer, reason, advice);
        match answer.status {
            429 => chat::rate_limited(answer, body["parameters"]["retry_after"].as_f64().and_then(answer::wait)),
            401 | 404 => blocked(
                Reason::Auth,
                "Telegram does not know this bot: its token was revoked or is not whole; ask @BotFather for it (/token) and put it into `token`",
            ),
            400 if body["parameters"]["migrate_to_chat_id"].is_i64() => blocked(
                Reason::Client,
                &format!(
                    "the group has become a supergroup, with a new number: put {} into `chat_id`",
                    body["parameters"]["migrate_to_chat_id"]
                ),
            ),
            400 if says(&["thread not found", "topic_deleted", "topic_closed", "topic_id_invalid"]) => blocked(
                Reason::Client,
                "the topic is closed or gone: open it in Telegram, or put another into `thread_id`",
            ),
            400 if says(&["chat not found", "chat_id is empty", "peer_id_invalid", "group chat was"]) => blocked(
                Reason::Client,
                "the bot cannot see this chat: check `chat_id`, and add the bot to the chat (a person has to write to it first)",
            ),
            400 | 403 if answer.status == 403 || says(&["rights", "write_forbidden", "restricted", "not a member"]) => {
                blocked(
                    Reason::Auth,
                    "the bot may not write there: add it to the chat again, as an administrator if it is a channel; a person must not have blocked it",
                )
            }
            200..=299 if body["ok"] == Value::Bool(false) => chat::form_refused(answer, "Telegram"),
            _ => chat::by_status(answer, "Telegram"),
        }
    }

    /// The token, and the half of it that is the key.
    fn secrets(&self) -> Vec<String> {
        let token = self.token.0.expose();
        let key = token.split_once(':').map(|(_, key)| key.to_owned());
        std::iter::once(token.to_owned()).chain(key).collect()
    }

    fn mentions(&self) -> bool {
        true
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
    }
}

impl Telegram {
    fn form(&self, call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
        let mentions = chat::mentions(message, mention, notes);
        let chat_id = match &self.chat_id {
            Chat::Id(id) => json!(id),
            Chat::Name(name) => json!(name),
        };
        let mut form = json!({ "chat_id": chat_id, "link_preview_options": { "is_disabled": true } });
        if call.plain {
            let mentions = chat::mention_line(&mentions, &LITERAL, Mention::literal);
            form["text"] = chat::plain_lines(message, &LITERAL, &mentions, PLAINEST, notes).into();
        } else {
            let mentions = chat::mention_line(&mentions, &TELEGRAM, Mention::written);
            form["text"] = running::text(message, &TELEGRAM, mentions, WHOLE, notes).into();
            form["parse_mode"] = "HTML".into();
        }
        if let Some(Topic(id)) = self.thread_id {
            form["message_thread_id"] = id.into();
        }
        form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chats_are_numbers_or_names() {
        assert!(matches!(Chat::parse("-1001234567890"), Ok(Chat::Id(-1_001_234_567_890))));
        assert!(matches!(Chat::parse("@data_ops"), Ok(Chat::Name(_))));
        assert!(Chat::parse("data ops").is_err() && Chat::parse("0").is_err() && Token::parse("1:a/b").is_err());
    }
}
