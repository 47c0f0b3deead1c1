//! The `ntfy` kind: notifications on phones and desktops, from ntfy.sh or a server of one's own.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::webhook::Token;
use crate::message::{Level, Message, RenderedBody};
use crate::receiver::dialect::{Dialect, PLAIN, Unit};
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, Given, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, SecretUrl, Sent, Unsendable, chat, running,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "ntfy",
    http: true,
    rate: None,
    recovered: false,
    obtain: "In ntfy: make up a topic and subscribe to it in the app; the URL is the server's with the topic; a token is made under Account → Access tokens",
    example: "{ kind: ntfy, url: \"https://ntfy.sh/acme-jobs\", token: \"${NTFY_TOKEN}\" }",
    schema: || schemars::schema_for!(Ntfy),
    read: |node, problems| Some(Box::new(read::<Ntfy>(node, problems)?)),
};

/// ntfy shows 4096 bytes; more becomes an attachment. It reads at most twice as much JSON, in which quotes take two bytes.
const MESSAGE: usize = 4096;
const JSON: usize = 8000;
const SHORTER: usize = 2000;
const TITLE: usize = 250;
const LINK: usize = 1000;

/// Phones show it as it is.
const LITERAL: Dialect = Dialect {
    escape: |c, out| {
        if !chat::unwanted(c) {
            out.push(c);
        }
    },
    escape_code: |c, out| {
        if !chat::unwanted(c) {
            out.push(c);
        }
    },
    unit: Unit::Bytes,
    ..PLAIN
};

/// A topic of ntfy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ntfy {
    /// The server with the topic: `https://ntfy.sh/acme-jobs`. Whoever knows the topic of a public server can read it.
    url: TopicUrl,
    /// An access token (`tk_…`), where the topic is protected.
    token: Option<Token>,
}

/// The server's root, where JSON goes, and the topic.
#[derive(Debug)]
struct TopicUrl {
    root: SecretUrl,
    whole: SecretUrl,
    topic: String,
}

impl TopicUrl {
    fn parse(text: &str) -> Result<TopicUrl, String> {
        let whole = SecretUrl::parse(text)?;
        let url = whole.expose();
        let path = url.path().trim_end_matches('/');
        let (root, topic) = path.rsplit_once('/').unwrap_or_default();
        let is_topic = (1..=64).contains(&topic.len())
            && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_topic || url.query().is_some() {
            return Err("this is no topic's address; it is the server's with the topic, such as `https://ntfy.sh/acme-jobs` (letters, digits, `-` and `_`)".to_owned());
        }
        let mut base = url.clone();
        base.set_path(&format!("{root}/"));
        base.set_fragment(None);
        Ok(TopicUrl { root: SecretUrl::parse(base.as_str())?, topic: topic.to_owned(), whole })
    }
}

read_from_text! {
    TopicUrl: {"type": "string", "pattern": r"^\s*[hH][tT][tT][pP][sS]?:", "patternErrorMessage": "A URL here begins with https:// or http://."};
}

impl Kind for Ntfy {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let form = |message: &Message, notes: &mut Vec<String>| Payload::json(&self.form(call, message, notes));
        let to = match &self.token {
            Some(token) => To::authorized(&self.url.root, format!("Bearer {}", token.expose())),
            None => To::post(&self.url.root),
        };
        Ok(receiver.for_people(call, to, form))
    }

    fn markup(&self) -> Markup {
        Markup {
            text: |message| chat::body_text(message, &LITERAL, String::new()),
            escape: |text| LITERAL.escaped(text),
        }
    }

    fn check_body(&self, body: &RenderedBody) -> Result<(), String> {
        chat::has_members(body, "ntfy", &["topic", "message"])
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let code = chat::json(answer)["code"].as_u64();
        let blocked = |reason, advice| chat::blocked(answer, reason, advice);
        match (answer.status, code) {
            (401, _) => blocked(
                Reason::Auth,
                "ntfy refused the token: make a new one (Account → Access tokens) and put it into `token`",
            ),
            (403, _) => blocked(
                Reason::Auth,
                "the topic is protected: put a token that may write there into `token`, or use another topic in `url`",
            ),
            (404, _) => blocked(
                Reason::Client,
                "there is no ntfy at this address: check `url`, which is the server's with the topic",
            ),
            (400, Some(40009 | 40010)) => {
                blocked(Reason::Client, "ntfy does not allow this topic: use another in `url`")
            }
            _ => chat::by_status(answer, "ntfy"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = chat::url_secrets(&self.url.whole);
        secrets.extend(self.token.iter().map(|token| token.expose().to_owned()));
        secrets
    }

    fn credentials(&self) -> Vec<String> {
        let mut credentials = self.url.whole.credentials();
        credentials.extend(self.token.iter().map(|token| token.expose().to_owned()));
        credentials
    }

    fn no_effect(&self, key: &str, _: Given<'_>) -> Option<String> {
        (key == "token" && self.url.whole.has_credentials())
            .then(|| "`url` names a user and password already".to_owned())
    }
}

impl Ntfy {
    fn form(&self, call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Value {
        let mut told = Vec::new();
        let mut form = self.form_within(call, message, if call.plain { SHORTER } else { MESSAGE }, &mut told);
        if form.to_string().len() > JSON {
            told.clear();
            form = self.form_within(call, message, SHORTER, &mut told);
        }
        notes.append(&mut told);
        form
    }

    fn form_within(&self, call: &Call<'_>, message: &Message, max: usize, notes: &mut Vec<String>) -> Value {
        if call.plain {
            let text = chat::plain_lines(message, &LITERAL, "", max, notes);
            return json!({ "topic": self.url.topic, "message": text });
        }
        let (title, was_cut) = LITERAL.fit(&message.title, TITLE);
        if was_cut {
            notes.push(chat::cut_to("title", TITLE, Unit::Bytes));
        }
        let link = chat::link(message, LINK, notes);
        let details =
            message.footer.as_ref().and_then(|footer| footer.link.as_deref()).filter(|link| link.len() <= LINK);
        let mut form = json!({
            "topic": self.url.topic,
            "title": title,
            "message": running::text_below_title(message, &LITERAL, max, notes),
            "priority": priority(message.level),
            "tags": tags(call, message.level),
        });
        if let Some(click) = link.or(details) {
            form["click"] = click.into();
        }
        // The link is where a tap leads; the relay's own page is a button beside it.
        if let (Some(_), Some(details)) = (link, details) {
            form["actions"] = json!([{ "action": "view", "label": "Details", "url": details }]);
        }
        form
    }
}

/// 1 to 5: 2 comes without a sound, 4 and 5 are insistent.
fn priority(level: Level) -> u8 {
    match level {
        Level::Info => 2,
        Level::Success | Level::Warning => 3,
        Level::Error => 4,
        Level::Critical => 5,
    }
}

/// The first is shown as an emoji before the title, the others below, where the app can filter by them.
fn tags(call: &Call<'_>, level: Level) -> Vec<String> {
    let sign = match level {
        Level::Info => "information_source",
        Level::Success => "white_check_mark",
        Level::Warning => "warning",
        Level::Error => "x",
        Level::Critical => "rotating_light",
    };
    let word = |text: &str| {
        (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let words = ["type", "outcome"].into_iter().filter_map(|name| call.event.text(name)).filter(|text| word(text));
    std::iter::once(sign.to_owned()).chain(words.map(std::borrow::Cow::into_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_is_the_last_of_the_address() {
        let read = |text: &str| TopicUrl::parse(text).map(|url| (url.root.expose().to_string(), url.topic));
        assert_eq!(read("https://ntfy.sh/acme-jobs"), Ok(("https://ntfy.sh/".into(), "acme-jobs".into())));
        assert_eq!(
            read("https://me:pw@x.example/ntfy/jobs/"),
            Ok(("https://me:pw@x.example/ntfy/".into(), "jobs".into()))
        );
        for wrong in ["https://ntfy.sh", "https://ntfy.sh/a b", "https://ntfy.sh/jobs?x=1", "ntfy.sh/jobs"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
