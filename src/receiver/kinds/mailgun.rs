//! The `mailgun` kind: mail through Mailgun, as a form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::message::{Message, RenderedBody};
use crate::receiver::address::{Endpoint, address};
use crate::receiver::chat::{blocked, by_status, json as answered};
use crate::receiver::dialect::PLAIN;
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, Given, To};
use crate::receiver::mail::{Mail, THREADS, listed, mail_settings};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, Secret, Sent, Threads, Unsendable,
};

pub(super) const ENTRY: Entry = Entry {
    name: "mailgun",
    http: true,
    rate: None,
    recovered: false,
    obtain: "In Mailgun: Send → Sending → Domains → your domain → Sending API keys; `domain` is that domain",
    example: "{ kind: mailgun, api_key: \"${MAILGUN_API_KEY}\", domain: mg.example.com, from: alerts@mg.example.com, to: data-team@example.com }",
    schema: || schemars::schema_for!(Mailgun),
    read: |node, problems| Some(Box::new(Mailgun::read(node, problems)?)),
};

mail_settings! {
    /// Email through Mailgun.
    struct Mailgun {
        /// A sending key of the domain, or the account's API key.
        api_key: Secret,
        /// The sending domain: `mg.example.com`.
        domain: Domain,
        /// Where the domain lives: `eu`, or nothing for the United States.
        region: Option<Region>,
        /// Scheme and host in place of Mailgun's own, for proxies and tests.
        endpoint: Option<Endpoint>,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Region {
    /// `api.eu.mailgun.net`.
    Eu,
}

/// It becomes a part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Domain(String);

impl Domain {
    fn parse(text: &str) -> Result<Domain, String> {
        let domain = text.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if domain.is_empty() || !domain.chars().all(allowed) || domain.starts_with('.') || domain.contains("..") {
            return Err(format!("{domain:?} is no domain; write it without scheme or path: `mg.example.com`"));
        }
        Ok(Domain(domain.to_owned()))
    }
}

read_from_text! {
    Domain: {"type": "string", "examples": ["mg.example.com"]};
}

impl Kind for Mailgun {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let host = match self.region {
            Some(Region::Eu) => "api.eu.mailgun.net",
            None => "api.mailgun.net",
        };
        let own = format!("https://{host}/v3/{}/messages", self.domain.0);
        let url = address(&own, self.endpoint.as_ref()).map_err(Unsendable)?;
        let to = To::authorized(&url, format!("Basic {}", self.basic()));
        let form = |message: &Message, notes: &mut Vec<String>| Payload {
            content_type: "application/x-www-form-urlencoded".into(),
            body: self.form(&Mail::of(call, message, notes)).into(),
        };
        Ok(receiver.for_people(call, to, form))
    }

    fn markup(&self) -> Markup {
        Markup { text: |message| PLAIN.text(&message.text), escape: str::to_owned }
    }

    fn check_body(&self, _: &RenderedBody) -> Result<(), String> {
        Err("Mailgun takes a form, which a `body` cannot write; use `message`".to_owned())
    }

    fn no_effect(&self, key: &str, _: Given<'_>) -> Option<String> {
        (key == "body").then(|| "Mailgun takes a form, which a `body` cannot write; use `message`".to_owned())
    }

    fn reading(&self, call: &Call<'_>) -> Option<String> {
        Some(self.envelope().reading(call))
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let said = answered(answer)["message"].as_str().unwrap_or_default().to_lowercase();
        match answer.status {
            401 => blocked(
                answer,
                Reason::Auth,
                "Mailgun does not know this key: make a new sending key of the domain and put it into `api_key`; domains in the EU need `region: eu`",
            ),
            402 => blocked(answer, Reason::Client, "Mailgun wants to be paid: check the account's plan and billing"),
            403 => blocked(
                answer,
                Reason::Auth,
                "Mailgun does not let this domain send: verify it; a sandbox domain sends only to its authorized recipients",
            ),
            404 => blocked(
                answer,
                Reason::Client,
                "Mailgun does not know this domain: check `domain`, and `region: eu` if it lives there",
            ),
            400 if said.contains("not a valid address") || said.contains("parameter is not") => blocked(
                answer,
                Reason::Client,
                "Mailgun refuses one of the addresses: check `from`, `to`, `cc` and `reply_to`",
            ),
            _ => by_status(answer, "Mailgun"),
        }
    }

    fn threads(&self) -> Threads {
        THREADS
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.api_key.expose().to_owned(), self.basic()]
    }
}

impl Mailgun {
    fn basic(&self) -> String {
        STANDARD.encode(format!("api:{}", self.api_key.expose()))
    }

    fn form(&self, mail: &Mail) -> String {
        let envelope = self.envelope();
        let mut form = Serializer::new(String::new());
        form.append_pair("from", &envelope.from.to_string());
        form.append_pair("to", &listed(envelope.to));
        if !envelope.cc.is_empty() {
            form.append_pair("cc", &listed(envelope.cc));
        }
        form.append_pair("subject", &mail.subject);
        form.append_pair("text", &mail.text);
        if let Some(html) = &mail.html {
            form.append_pair("html", html);
        }
        if let Some(reply_to) = envelope.reply_to {
            form.append_pair("h:Reply-To", &reply_to.to_string());
        }
        for (name, value) in &mail.headers {
            form.append_pair(&format!("h:{name}"), value);
        }
        form.finish()
    }
}
