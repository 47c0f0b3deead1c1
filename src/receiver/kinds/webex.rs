//! The `webex` kind: a bot that writes into a space.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::webhook::Token;
use crate::message::{Message, RenderedBody};
use crate::receiver::address::{Endpoint, address};
use crate::receiver::dialect::{Dialect, MARKDOWN, PLAIN, Unit, without_tick};
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, Sent, Unsendable, chat, running,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "webex",
    http: true,
    rate: None,
    recovered: false,
    obtain: "On developer.webex.com: Start building → Create a bot, whose token is shown once; add the bot to the space; the space's ID is the roomId that the API's List Rooms shows",
    example: "{ kind: webex, token: \"${WEBEX_BOT_TOKEN}\", room: Y2lzY29zcGFyazovL3VzL1JPT00vMTIz }",
    schema: || schemars::schema_for!(Webex),
    read: |node, problems| Some(Box::new(read::<Webex>(node, problems)?)),
};

/// Webex takes 7439 bytes of Markdown, and as many of text.
const WHOLE: usize = 7439;
const PLAINEST: usize = 4000;

/// Webex's Markdown, which lets some HTML through. A zero-width space keeps `<@all>` in code from calling everyone.
const WEBEX: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        '<' => out.push_str("&lt;"),
        '&' => out.push_str("&amp;"),
        '\n' => out.push_str("  \n"),
        // At the start of a line they make lists.
        '-' | '+' if out.is_empty() || out.ends_with('\n') => out.extend(['\\', c]),
        c => (MARKDOWN.escape)(c, out),
    },
    escape_code: |c, out| (LITERAL.escape)(without_tick(c), out),
    line: "  \n",
    unit: Unit::Bytes,
    ..MARKDOWN
};

/// What is shown without markup.
const LITERAL: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        '@' if out.ends_with('<') => out.push_str("\u{200B}@"),
        c => out.push(c),
    },
    unit: Unit::Bytes,
    ..PLAIN
};

/// A Webex space, through a bot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Webex {
    /// The bot's access token.
    token: Token,
    /// The space: its `roomId`.
    room: Room,
    /// Scheme and host in place of `https://webexapis.com`, for proxies and tests.
    endpoint: Option<Endpoint>,
}

#[derive(Debug)]
struct Room(String);

impl Room {
    fn parse(text: &str) -> Result<Room, String> {
        let text = text.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '+' | '/');
        if text.is_empty() || text.len() > 300 || !text.chars().all(allowed) {
            return Err(format!(
                "\"{text}\" is no space; write its roomId, such as `Y2lzY29zcGFyazovL3VzL1JPT00v…` (the API's List Rooms shows it)"
            ));
        }
        Ok(Room(text.to_owned()))
    }
}

read_from_text! {
    Room: {"type": "string", "examples": ["Y2lzY29zcGFyazovL3VzL1JPT00vMTIz"]};
}

#[derive(Debug, PartialEq)]
enum Mention {
    All,
    Email(String),
    Person(String),
}

/// # Errors
/// A sentence that says what is accepted.
fn mention(text: &str) -> Result<Mention, String> {
    let name = text.trim();
    let name = name.strip_prefix('<').and_then(|name| name.strip_suffix('>')).unwrap_or(name);
    let name = name.strip_prefix('@').unwrap_or(name);
    let name = name.strip_prefix("personEmail:").or(name.strip_prefix("personId:")).unwrap_or(name);
    let is_word =
        name.len() <= 200 && name.bytes().all(|byte| byte.is_ascii_graphic() && !br#"<>|"\`*[]()"#.contains(&byte));
    let is_id = name.len() >= 30 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte));
    match name.split_once('@') {
        None if name == "all" => Ok(Mention::All),
        None if is_id && is_word => Ok(Mention::Person(name.to_owned())),
        Some((user, host)) if is_word && !user.is_empty() && host.contains('.') => Ok(Mention::Email(name.to_owned())),
        _ => Err(format!(
            "Webex cannot mention \"{text}\"; write `all`, somebody's email address in Webex, or their personId"
        )),
    }
}

impl Mention {
    fn written(&self) -> String {
        match self {
            Mention::All => "<@all>".to_owned(),
            Mention::Email(email) => format!("<@personEmail:{email}>"),
            Mention::Person(id) => format!("<@personId:{id}>"),
        }
    }

    fn literal(&self) -> String {
        match self {
            Mention::All => "@all".to_owned(),
            Mention::Email(name) | Mention::Person(name) => name.clone(),
        }
    }
}

impl Kind for Webex {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let url = address("https://webexapis.com/v1/messages", self.endpoint.as_ref()).map_err(Unsendable)?;
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&self.form(call, message, notes));
        let to = To::authorized(&url, format!("Bearer {}", self.token.expose()));
        Ok(receiver.for_people(call, to, form))
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| {
                let mentions = chat::mentions(message, mention, &mut Vec::new());
                chat::body_text(message, &WEBEX, chat::mention_line(&mentions, &WEBEX, Mention::written))
            },
            escape: |text| WEBEX.escaped(text),
        }
    }

    fn check_body(&self, body: &RenderedBody) -> Result<(), String> {
        chat::has_members(body, "Webex", &["roomId", "markdown"])
            .or_else(|why| chat::has_members(body, "Webex", &["roomId", "text"]).map_err(|_| why))
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let body = chat::json(answer);
        let said = [&body["message"], &body["errors"][0]["description"]];
        let says = |word: &str| said.iter().any(|text| text.as_str().is_some_and(|text| text.contains(word)));
        let blocked = |reason, advice| chat::blocked(answer, reason, advice);
        match answer.status {
            401 => blocked(
                Reason::Auth,
                "Webex refused the token: make a new one on developer.webex.com (My Webex apps → the bot → Regenerate) and put it into `token`",
            ),
            403 => blocked(Reason::Auth, "the bot may not write there: add it to the space in Webex"),
            404 => blocked(
                Reason::Client,
                "the bot cannot see this space: check `room` (its roomId), and add the bot to the space in Webex",
            ),
            400 if says("roomId") || says("room ID") => blocked(
                Reason::Client,
                "Webex does not know this space: put its roomId into `room` (the API's List Rooms shows it)",
            ),
            // For a while.
            423 => chat::later(answer, Reason::Server),
            _ => chat::by_status(answer, "Webex"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.token.expose().to_owned()]
    }

    fn mentions(&self) -> bool {
        true
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
    }
}

impl Webex {
    fn form(&self, call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
        let mentions = chat::mentions(message, mention, notes);
        let names = chat::mention_line(&mentions, &LITERAL, Mention::literal);
        if call.plain {
            let text = chat::plain_lines(message, &LITERAL, &names, PLAINEST, notes);
            return json!({ "roomId": self.room.0, "text": text });
        }
        let markdown = chat::mention_line(&mentions, &WEBEX, Mention::written);
        let markdown = running::text(message, &WEBEX, markdown, WHOLE, notes);
        // For notifications, and for whoever reads without markup; what is cut of it is there in the Markdown.
        let text = chat::plain_lines(message, &LITERAL, &names, PLAINEST, &mut Vec::new());
        json!({ "roomId": self.room.0, "markdown": markdown, "text": text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_are_in_webexs_form() {
        let written = |text: &str| mention(text).map(|mention| mention.written());
        assert_eq!(written("@all").as_deref(), Ok("<@all>"));
        assert_eq!(written("<@personEmail:ann@example.com>").as_deref(), Ok("<@personEmail:ann@example.com>"));
        assert_eq!(written("ann@example.com").as_deref(), Ok("<@personEmail:ann@example.com>"));
        assert!(written("here").is_err() && written("a>b@example.com").is_err());
        assert_eq!(WEBEX.escaped("<@all> a_b"), "&lt;@all\\> a\\_b");
        assert_eq!(LITERAL.escaped("<@all>"), "<\u{200B}@all>");
    }
}
