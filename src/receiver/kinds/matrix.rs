//! The `matrix` kind: messages into a room, a thread for what belongs together.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::webhook::Token;
use crate::message::{Message, RenderedBody};
use crate::receiver::address::{Endpoint, address};
use crate::receiver::dialect::{Dialect, HTML, PLAIN, Unit};
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::{Payload, idempotency_key};
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Outgoing, Reason, Receiver, Sent, Threads, Unsendable, answer,
    chat, running,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "matrix",
    http: true,
    rate: None,
    recovered: false,
    obtain: "In Element, signed in as the account that shall write: All settings → Help & About → Access Token; the room's ID is under Room settings → Advanced → Internal room ID",
    example: "{ kind: matrix, homeserver: \"https://matrix.example.com\", token: \"${MATRIX_TOKEN}\", room: \"!abcdef:example.com\" }",
    schema: || schemars::schema_for!(Matrix),
    read: |node, problems| Some(Box::new(read::<Matrix>(node, problems)?)),
};

/// An event has at most 64 KB of JSON, in which some characters take two bytes; these bounds, in bytes, leave the server its part.
const FORMATTED: usize = 18_000;
const BODY: usize = 9000;
const PLAINEST: usize = 4000;

/// Matrix' HTML. A zero-width space keeps `@room` in a value from calling everyone, wherever clients still look for it.
const MATRIX: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        '@' => chat::at(out),
        '\n' => out.push_str("<br>"),
        c => (HTML.escape)(c, out),
    },
    fence: ("<pre><code>", "</code></pre>"),
    escape_code: |c, out| match c {
        '\n' => out.push('\n'),
        c => (MATRIX.escape)(c, out),
    },
    unit: Unit::Bytes,
    ..HTML
};

/// What is shown as it is.
const LITERAL: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        '@' => chat::at(out),
        c => out.push(c),
    },
    escape_code: |c, out| (LITERAL.escape)(c, out),
    unit: Unit::Bytes,
    ..PLAIN
};

/// A room of Matrix. Messages are not encrypted from end to end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Matrix {
    /// The homeserver's address: `https://matrix.example.com`.
    homeserver: Endpoint,
    /// The access token of the account that writes; it has to be in the room.
    token: Token,
    /// The room's ID: `!…`.
    room: Room,
}

#[derive(Debug)]
struct Room(String);

impl Room {
    fn parse(text: &str) -> Result<Room, String> {
        let text = text.trim();
        if text.starts_with('#') {
            return Err(format!(
                "\"{text}\" is a room's alias; write its ID, which begins with `!` (in Element: Room settings → Advanced → Internal room ID)"
            ));
        }
        let is_id = text.strip_prefix('!').is_some_and(|id| !id.is_empty()) && text.len() <= 255;
        if !is_id || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "\"{text}\" is no room; its ID begins with `!` (in Element: Room settings → Advanced → Internal room ID)"
            ));
        }
        Ok(Room(text.to_owned()))
    }
}

read_from_text! {
    Room: {"type": "string", "examples": ["!abcdef:example.com"]};
}

#[derive(Debug, PartialEq)]
enum Mention {
    Room,
    User(String),
}

/// # Errors
/// A sentence that says what is accepted.
fn mention(text: &str) -> Result<Mention, String> {
    let name = text.trim();
    let user = name.strip_prefix('@').unwrap_or(name);
    let is_id = user.len() <= 250
        && user.split_once(':').is_some_and(|(name, server)| !name.is_empty() && !server.is_empty())
        && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._=-/+:".contains(&byte));
    match user {
        "room" => Ok(Mention::Room),
        _ if is_id => Ok(Mention::User(format!("@{user}"))),
        _ => Err(format!("Matrix cannot mention \"{text}\"; write `room`, or somebody's ID (`@ann:example.com`)")),
    }
}

impl Mention {
    fn name(&self) -> &str {
        match self {
            Mention::Room => "@room",
            Mention::User(id) => id,
        }
    }

    fn written(&self) -> String {
        match self {
            Mention::Room => "@room".to_owned(),
            Mention::User(id) => (MATRIX.link)(&format!("https://matrix.to/#/{id}"), id),
        }
    }
}

impl Kind for Matrix {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let room = utf8_percent_encode(&self.room.0, NON_ALPHANUMERIC);
        let path = format!("https://matrix.invalid/_matrix/client/v3/rooms/{room}/send/m.room.message/");
        let url =
            |transaction: &str| address(&format!("{path}{transaction}"), Some(&self.homeserver)).map_err(Unsendable);
        let to = url("")?;
        let to = To { method: "PUT", ..To::authorized(&to, format!("Bearer {}", self.token.expose())) };
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&form(call, message, notes));
        let mut sent = receiver.for_people(call, to, form);
        // By the transaction the server knows a message that it has already taken.
        if let Outgoing::Http(request) = &mut sent.outgoing {
            request.url = url(&idempotency_key(call.delivery, &request.body))?;
        }
        Ok(sent)
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| {
                let mentions = chat::mentions(message, mention, &mut Vec::new());
                chat::body_text(message, &MATRIX, chat::mention_line(&mentions, &MATRIX, Mention::written))
            },
            escape: |text| MATRIX.escaped(text),
        }
    }

    fn check_body(&self, body: &RenderedBody) -> Result<(), String> {
        chat::has_members(body, "Matrix", &["msgtype", "body"])
    }

    fn threads(&self) -> Threads {
        Threads::Answered
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let body = chat::json(answer);
        let blocked = |reason, advice| chat::blocked(answer, reason, advice);
        match (answer.status, body["errcode"].as_str().unwrap_or_default()) {
            (200..=299, _) => {
                Judgement { reference: body["event_id"].as_str().map(str::to_owned), ..Judgement::delivered(answer) }
            }
            (429, _) => {
                let wait = body["retry_after_ms"].as_f64().and_then(|wait| answer::wait(wait / 1000.0));
                chat::rate_limited(answer, wait)
            }
            (401 | 403, "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN") | (401, _) => blocked(
                Reason::Auth,
                "the homeserver refused the token: sign in again, and put the account's access token into `token`",
            ),
            (403, "M_FORBIDDEN" | "M_GUEST_ACCESS_FORBIDDEN") => blocked(
                Reason::Auth,
                "the account may not write there: invite it into the room, let it join, and check that its power level suffices",
            ),
            (403, _) => blocked(
                Reason::Auth,
                "the homeserver does not let this account write: sign in as it, and ask the server's administrator",
            ),
            (404 | 405, _) => blocked(
                Reason::Client,
                "there is no Matrix homeserver or room at this address: check `homeserver` and `room`",
            ),
            _ => chat::by_status(answer, "the homeserver"),
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

fn form(call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
    let mentions = chat::mentions(message, mention, notes);
    let names = chat::mention_line(&mentions, &LITERAL, |mention| mention.name().to_owned());
    // Named even if nobody is: clients then do not look for names in the text.
    let mut called = json!({});
    let users: Vec<_> = mentions.iter().flatten().filter(|mention| **mention != Mention::Room).collect();
    if !users.is_empty() {
        called["user_ids"] = users.iter().map(|user| user.name()).collect();
    }
    if mentions.contains(&Ok(Mention::Room)) {
        called["room"] = true.into();
    }
    let max = if call.plain { PLAINEST } else { BODY };
    // What is cut of the body beside a formatted one is there.
    let mut untold = Vec::new();
    let body = chat::plain_lines(message, &LITERAL, &names, max, if call.plain { notes } else { &mut untold });
    let mut form = json!({ "msgtype": "m.text", "body": body, "m.mentions": called });
    if call.plain {
        return form;
    }
    let names = chat::mention_line(&mentions, &MATRIX, Mention::written);
    form["format"] = "org.matrix.custom.html".into();
    form["formatted_body"] = running::text(message, &MATRIX, names, FORMATTED, notes).into();
    if let Some(earlier) = call.earlier {
        // For clients without threads it is a reply.
        form["m.relates_to"] = json!({
            "rel_type": "m.thread", "event_id": earlier, "is_falling_back": true, "m.in_reply_to": { "event_id": earlier },
        });
    }
    form
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    #[test]
    fn the_answer_has_what_a_thread_goes_by() {
        let answer = Answer { status: 200, body: r#"{"event_id":"$abc"}"#.into(), ..Answer::default() };
        assert_eq!(example("matrix").judge(&Ok(answer)).reference.as_deref(), Some("$abc"));
    }

    #[test]
    fn rooms_have_ids() {
        assert!(
            Room::parse("!abc:example.com").is_ok()
                && Room::parse("!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM").is_ok()
        );
        assert!(Room::parse("#jobs:example.com").is_err_and(|why| why.contains("alias")));
        assert!(Room::parse("jobs").is_err());
        assert_eq!(mention("ann:example.com"), Ok(Mention::User("@ann:example.com".into())));
        assert_eq!(mention("@room"), Ok(Mention::Room));
        assert!(mention("here").is_err());
    }
}
