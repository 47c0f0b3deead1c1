//! The `google_chat` kind: cards to a space, through its webhook; one thread for each job.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

use crate::message::Message;
use crate::receiver::chat::{self, Bounds};
use crate::receiver::dialect::{Dialect, HTML, PLAIN, Unit, without_tick};
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Rate, Reason, Receiver, SecretUrl, Sent, Unsendable,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "google_chat",
    http: true,
    rate: Some(Rate { count: 1, per: Duration::from_secs(1) }),
    recovered: false,
    obtain: "In Google Chat: the space's name → Apps & integrations → Webhooks → Add webhook, then copy its link",
    example: "{ kind: google_chat, url: \"${GOOGLE_CHAT_WEBHOOK_URL}\" }",
    schema: || schemars::schema_for!(GoogleChat),
    read: |node, problems| Some(Box::new(read::<GoogleChat>(node, problems)?)),
};

/// Google Chat takes 32 KB. The other bounds, in bytes, leave room for fields.
const WHOLE: usize = 31 * 1024;
const TITLE: usize = 400;
const NOTICES: usize = 1000;
const TEXT: usize = 9000;
const FOOTER: usize = 1000;
const LINK: usize = 2000;
const PLAINEST: usize = 4000;
const THREAD: usize = 4000;
const FIELDS: Bounds = Bounds { most: 50, name: 200, value: 2000, whole: WHOLE };

/// Paragraphs and values of a card: bold, italic, links and lines of HTML.
const CARD: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        // A quote is one everywhere outside of attributes.
        '"' => out.push('"'),
        c => (HTML.escape)(c, out),
    },
    code: ("", ""),
    fence: ("", ""),
    escape_code: |c, out| (CARD.escape)(c, out),
    unit: Unit::Bytes,
    ..HTML
};

/// Titles and labels, of which nothing is interpreted.
const LABEL: Dialect = Dialect {
    escape: |c, out| {
        if !chat::unwanted(c) {
            out.push(c);
        }
    },
    unit: Unit::Bytes,
    ..PLAIN
};

/// The text beside a card. It knows no escapes: a zero-width space keeps `<users/all>` in a value from paging everyone.
const TEXTUAL: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        '<' => out.push_str("<\u{200B}"),
        c => out.push(c),
    },
    bold: ("*", "*"),
    italic: ("_", "_"),
    code: ("`", "`"),
    fence: ("```\n", "\n```"),
    escape_code: |c, out| (TEXTUAL.escape)(without_tick(c), out),
    link: |url, label| format!("<{url}|{label}>"),
    unit: Unit::Bytes,
    ..PLAIN
};

/// A Google Chat space, through a webhook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GoogleChat {
    /// The webhook: `https://chat.googleapis.com/v1/spaces/…/messages?key=…&token=…`.
    url: SecretUrl,
}

/// `all` or a user's ID, as Google Chat wants it.
///
/// # Errors
/// A sentence that says what is accepted.
fn mention(text: &str) -> Result<String, String> {
    let name = text.trim();
    let name = name.strip_prefix('<').and_then(|name| name.strip_suffix('>')).unwrap_or(name);
    let name = name.trim_start_matches('@').trim_start_matches("users/");
    let is_id = (5..=30).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_digit());
    if name == "all" || is_id {
        return Ok(format!("<users/{name}>"));
    }
    Err(format!(
        "Google Chat cannot mention \"{text}\"; write `all` or a user's ID, a number such as `123456789012345678901`"
    ))
}

impl Kind for GoogleChat {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let url = match thread(call) {
            Some(_) => chat::with_query(&self.url, &[("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")])?,
            None => self.url.clone(),
        };
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&form(call, message, notes));
        Ok(receiver.for_people(call, To::post(&url), form))
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| chat::body_text(message, &TEXTUAL, mentions(message, &mut Vec::new())),
            escape: |text| TEXTUAL.escaped(text),
        }
    }

    fn mentions(&self) -> bool {
        true
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let says = |word: &[u8]| answer.body.windows(word.len()).any(|part| part == word);
        match answer.status {
            400 if says(b"API key not valid") || says(b"API_KEY_INVALID") => chat::blocked(
                answer,
                Reason::Auth,
                "the webhook's URL is not whole: copy its link again in Google Chat and put it into `url`",
            ),
            401 | 403 => chat::blocked(
                answer,
                Reason::Auth,
                "the webhook was deleted, or the workspace forbids it: make a new one in Google Chat (the space's Apps & integrations) and put its link into `url`",
            ),
            404 | 410 => chat::blocked(
                answer,
                Reason::Client,
                "the space or its webhook is gone: make a webhook in another space and put its link into `url`",
            ),
            _ => chat::by_status(answer, "Google Chat"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        chat::url_secrets(&self.url)
    }

    fn check_mention(&self, text: &str) -> Result<(), String> {
        mention(text).map(|_| ())
    }
}

fn mentions(message: &Message, notes: &mut Vec<String>) -> String {
    chat::mention_line(&chat::mentions(message, mention, notes), &TEXTUAL, String::clone)
}

/// What a job says goes into one thread.
fn thread<'c>(call: &Call<'c>) -> Option<&'c str> {
    let id = call.event.job.as_ref()?.id.as_deref()?;
    (id.len() <= THREAD && !id.trim().is_empty()).then_some(id)
}

fn form(call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
    let mentions = mentions(message, notes);
    let mut form = if call.plain {
        json!({ "text": chat::plain_lines(message, &TEXTUAL, &mentions, PLAINEST, notes) })
    } else {
        let headline = chat::headline_within(message, &TEXTUAL, TITLE, notes);
        json!({ "text": format!("{mentions} {headline}").trim_start() })
    };
    if let Some(id) = thread(call) {
        form["thread"] = json!({ "threadKey": id });
    }
    if !call.plain {
        let room = WHOLE.saturating_sub(form.to_string().len());
        form["cardsV2"] = json!([{ "cardId": "message", "card": card(message, room, notes) }]);
    }
    form
}

fn card(message: &Message, room: usize, notes: &mut Vec<String>) -> Value {
    let paragraph = |text: &str| json!({ "textParagraph": { "text": text } });
    let mut words = Vec::new();
    let notices = chat::notices(message, &CARD, NOTICES, notes);
    if !notices.is_empty() {
        words.push(paragraph(&format!("<i>{notices}</i>")));
    }
    let text = chat::text(message, &CARD, TEXT, notes);
    if !text.trim().is_empty() {
        words.push(paragraph(&text));
    }
    let mut end = Vec::new();
    if let Some(link) = chat::link(message, LINK, notes) {
        end.push(
            json!({ "buttonList": { "buttons": [{ "text": "Open", "onClick": { "openLink": { "url": link } } }] } }),
        );
    }
    end.extend(chat::footer(message, &CARD, FOOTER).map(|footer| paragraph(&footer)));

    // The title is said in full by the text.
    let title = LABEL.fit(&message.title, TITLE).0;
    let card = |sections: [Vec<Value>; 3]| {
        let sections = sections.into_iter().filter(|widgets| !widgets.is_empty());
        let sections: Vec<Value> = sections.map(|widgets| json!({ "widgets": widgets })).collect();
        json!({ "header": { "title": title, "subtitle": level_word(message) }, "sections": sections })
    };
    let taken = card([words.clone(), Vec::new(), end.clone()]).to_string().len() + 100;
    let widget =
        |name: &str, value: &str| json!({ "decoratedText": { "topLabel": name, "text": value, "wrapText": true } });
    let bounds = Bounds { whole: room.saturating_sub(taken), ..FIELDS };
    let size = |name: &str, value: &str| widget(name, value).to_string().len() + 1;
    let fields = chat::fields(message, (&LABEL, &CARD), &bounds, size, notes);
    card([words, fields.iter().map(|(name, value)| widget(name, value)).collect(), end])
}

fn level_word(message: &Message) -> String {
    let mut word = message.level.name().to_owned();
    word[..1].make_ascii_uppercase();
    word
}
