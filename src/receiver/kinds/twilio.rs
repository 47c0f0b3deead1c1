//! The `twilio` kind: a text message to one telephone.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::Message;
use crate::receiver::address::{Endpoint, address};
use crate::receiver::from_text::read_from_text;
use crate::receiver::incident::{self, WORDS};
use crate::receiver::kind::{Entry, To};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Rate, Reason, Receiver, Secret, Sent, Unsendable, Verdict, chat,
};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "twilio",
    http: true,
    // What a number sends; more waits there instead, unseen.
    rate: Some(Rate { count: 1, per: Duration::from_secs(1) }),
    recovered: true,
    obtain: "In the Twilio Console: Account SID and Auth Token are on its first page under Account Info; numbers to send from are under Phone Numbers",
    example: "{ kind: twilio, account_sid: \"${TWILIO_ACCOUNT_SID}\", auth_token: \"${TWILIO_AUTH_TOKEN}\", from: \"+15017122661\", to: \"+15558675310\" }",
    schema: || schemars::schema_for!(Twilio),
    read: |node, problems| Some(Box::new(read::<Twilio>(node, problems)?)),
};

/// Longest body, of which the text has its share, and the plainest.
const BODY: usize = 1600;
const TITLE: usize = 300;
const TEXT: usize = 600;
const LINK: usize = 300;
const PLAINEST: usize = 160;

/// A text message through Twilio, to one telephone. Each further one is a receiver of its own, so that nobody gets a message twice.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Twilio {
    /// The account's SID: `AC…`.
    account_sid: AccountSid,
    /// The account's auth token.
    auth_token: Secret,
    /// What it comes from: a number of the account (`"+15017122661"`), a short code, a sender's name (`Data Ops`) or the SID of a
    /// messaging service (`MG…`).
    from: Sender,
    /// The number to text, with its country code: `"+15558675310"`.
    to: Number,
    /// Scheme and host in place of Twilio's own, for proxies and tests.
    endpoint: Option<Endpoint>,
}

/// `AC…`.
#[derive(Debug)]
struct AccountSid(String);

/// A telephone number, or the same with `whatsapp:` before it.
#[derive(Debug)]
struct Number(String);

/// Anything messages may come from.
#[derive(Debug)]
struct Sender(String);

impl AccountSid {
    fn parse(text: &str) -> Result<AccountSid, String> {
        let sid = text.trim();
        if sid.starts_with("SK") {
            return Err("this is the SID of an API key; the account's begins with `AC`".to_owned());
        }
        if sid.is_empty() || !sid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err("this is no account SID; it begins with `AC` and has letters and digits".to_owned());
        }
        Ok(AccountSid(sid.to_owned()))
    }
}

impl Number {
    fn parse(text: &str) -> Result<Number, String> {
        let (channel, number) = match text.trim().strip_prefix("whatsapp:") {
            Some(number) => ("whatsapp:", number),
            None => ("", text.trim()),
        };
        let number: String = number.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
        let digits = number.strip_prefix('+').unwrap_or_default();
        if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "\"{text}\" is no telephone number; write it with `+` and its country code, in quotes: `\"+15558675310\"`"
            ));
        }
        Ok(Number(format!("{channel}{number}")))
    }
}

impl Sender {
    fn parse(text: &str) -> Result<Sender, String> {
        if let Ok(Number(number)) = Number::parse(text) {
            return Ok(Sender(number));
        }
        let text = text.trim();
        let of = |allowed: fn(u8) -> bool| text.bytes().all(allowed);
        let is_service = text.starts_with("MG") && text.len() == 34 && of(|b| b.is_ascii_alphanumeric());
        let is_short_code = (3..=8).contains(&text.len()) && of(|b| b.is_ascii_digit());
        let is_name = (1..=11).contains(&text.len())
            && of(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'_' | b'+' | b'&'))
            && text.bytes().any(|b| b.is_ascii_alphabetic());
        if is_service || is_short_code || is_name {
            return Ok(Sender(text.to_owned()));
        }
        Err(format!(
            "\"{text}\" is nothing a text message comes from; write a number with `+` and its country code in quotes (`\"+15017122661\"`), a short code, a name of at most 11 letters and digits, or the SID of a messaging service (`MG…`)"
        ))
    }

    /// The parameter it goes into.
    fn parameter(&self) -> &'static str {
        if self.0.starts_with("MG") && self.0.len() == 34 { "MessagingServiceSid" } else { "From" }
    }
}

read_from_text! {
    AccountSid: {"type": "string"};
    Number: {"type": ["string", "integer"], "examples": ["+15558675310"]};
    Sender: {"type": ["string", "integer"], "examples": ["+15017122661"]};
}

impl Kind for Twilio {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let own = format!("https://api.twilio.com/2010-04-01/Accounts/{}/Messages.json", self.account_sid.0);
        let url = address(&own, self.endpoint.as_ref()).map_err(Unsendable)?;
        let form = |message: &Message, notes: &mut Vec<String>| {
            let body = if call.plain { plainest(message, notes) } else { body(message, notes) };
            Payload::form(&[("To", &self.to.0), (self.from.parameter(), &self.from.0), ("Body", &body)])
        };
        Ok(receiver.for_people(call, To::authorized(&url, format!("Basic {}", self.basic())), form))
    }

    fn markup(&self) -> Markup {
        incident::MARKUP
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let judged = Judgement::of_status(answer);
        if judged.verdict == Verdict::Later || judged.verdict == Verdict::Delivered {
            return judged;
        }
        let blocked = |advice| chat::blocked(answer, Reason::Client, advice);
        match chat::json(answer)["code"].as_u64() {
            // The number's queue is full.
            Some(21611) => chat::later(answer, Reason::RateLimited),
            Some(20005) => blocked("the account is suspended or closed: see the Twilio Console"),
            Some(21211 | 21214 | 21217 | 21604 | 21614) => blocked("nobody can be texted at this number: check `to`"),
            Some(21212 | 21603 | 21606 | 21659 | 21660 | 21661) => blocked(
                "the account cannot send from this: put one of its numbers that can send text messages into `from`",
            ),
            Some(21701 | 21703 | 21704) => {
                blocked("the messaging service is not there or has no number to send from: check `from`")
            }
            Some(21612) => blocked("a message cannot get from this number to that one: check `from` and `to`"),
            Some(21608) => blocked(
                "a trial account texts only numbers it has verified: verify `to` in the Twilio Console, or upgrade the account",
            ),
            Some(21610) => {
                blocked("whoever has this number answered STOP: they have to text START to the number in `from`")
            }
            Some(21408) => blocked(
                "the account may not text this country: allow it in the Twilio Console (Messaging → Settings → Geo permissions)",
            ),
            _ if answer.status == 401 => chat::blocked(
                answer,
                Reason::Auth,
                "Twilio refused the credentials: copy Account SID and Auth Token from the Twilio Console into `account_sid` and `auth_token`",
            ),
            _ if answer.status == 404 => blocked("there is no such account: check `account_sid`"),
            _ => chat::by_status(answer, "Twilio"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        let token = self.auth_token.expose();
        vec![token.to_owned(), format!("{}:{token}", self.account_sid.0), self.basic()]
    }
}

impl Twilio {
    fn basic(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.account_sid.0, self.auth_token.expose()))
    }
}

/// The whole message in lines, the link last. No signs: a single one makes a text message more than twice as long.
fn body(message: &Message, notes: &mut Vec<String>) -> String {
    let mut lines = vec![incident::title(message, &WORDS, TITLE, notes), incident::text(message, &WORDS, TEXT, notes)];
    lines.extend(message.fields.iter().map(|(name, value)| WORDS.escaped(&format!("{name}: {value}"))));
    lines.extend(message.footer.as_ref().map(|footer| WORDS.escaped(&footer.text)));
    lines.retain(|line| !line.trim().is_empty());
    ended(&lines.join("\n"), message, BODY, notes)
}

/// Title and link.
fn plainest(message: &Message, notes: &mut Vec<String>) -> String {
    ended(&message.title, message, PLAINEST, notes)
}

fn ended(text: &str, message: &Message, max: usize, notes: &mut Vec<String>) -> String {
    let link = incident::link(message, LINK.min(max / 2), notes).map(|link| format!("\n{link}")).unwrap_or_default();
    let (text, was_cut) = WORDS.fit(text, max - WORDS.unit.of(&link));
    if was_cut {
        notes.push(chat::cut_to("text", max, WORDS.unit));
    }
    text + &link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_senders_are_read() {
        for (text, number) in [
            ("+1 (555) 867-5310", "+15558675310"),
            (" +49.30.1234567 ", "+49301234567"),
            ("whatsapp:+15558675310", "whatsapp:+15558675310"),
        ] {
            assert_eq!(Number::parse(text).unwrap().0, number);
        }
        for wrong in ["", "15558675310", "+1", "+1555867x310", "+12345678901234567", "+15558675310, +15558675311"] {
            assert!(Number::parse(wrong).is_err(), "{wrong}");
        }
        let service = "MG".to_owned() + &"0".repeat(32);
        for (text, parameter) in
            [("+15017122661", "From"), ("12345", "From"), ("Data Ops", "From"), (&service, "MessagingServiceSid")]
        {
            assert_eq!(Sender::parse(text).unwrap().parameter(), parameter, "{text}");
        }
        for wrong in ["", "a name too long", "Ops!", "123456789"] {
            assert!(Sender::parse(wrong).is_err(), "{wrong}");
        }
        assert!(AccountSid::parse("SK0123").is_err() && AccountSid::parse("AC/..").is_err());
    }
}
