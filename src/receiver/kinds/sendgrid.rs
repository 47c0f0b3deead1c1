//! The `sendgrid` kind: mail through Twilio SendGrid.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::message::Message;
use crate::receiver::address::{Endpoint, address};
use crate::receiver::chat::{blocked, by_status, json as answered};
use crate::receiver::dialect::PLAIN;
use crate::receiver::kind::{Entry, To};
use crate::receiver::mail::{Mail, Mailbox, THREADS, mail_settings};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, Secret, Sent, Threads, Unsendable,
};

pub(super) const ENTRY: Entry = Entry {
    name: "sendgrid",
    http: true,
    rate: None,
    recovered: false,
    obtain: "In SendGrid: Settings → API Keys → Create API Key, with the permission Mail Send; `from` is a sender verified under Settings → Sender Authentication",
    example: "{ kind: sendgrid, api_key: \"${SENDGRID_API_KEY}\", from: alerts@example.com, to: data-team@example.com }",
    schema: || schemars::schema_for!(SendGrid),
    read: |node, problems| Some(Box::new(SendGrid::read(node, problems)?)),
};

mail_settings! {
    /// Email through SendGrid.
    struct SendGrid {
        /// An API key with the permission Mail Send: `SG.…`.
        api_key: Secret,
        /// Where the account lives: `eu`, or nothing for the global one.
        region: Option<Region>,
        /// Scheme and host in place of SendGrid's own, for proxies and tests.
        endpoint: Option<Endpoint>,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Region {
    /// `api.eu.sendgrid.com`.
    Eu,
}

impl Kind for SendGrid {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let own = match self.region {
            Some(Region::Eu) => "https://api.eu.sendgrid.com/v3/mail/send",
            None => "https://api.sendgrid.com/v3/mail/send",
        };
        let url = address(own, self.endpoint.as_ref()).map_err(Unsendable)?;
        let to = To::authorized(&url, format!("Bearer {}", self.api_key.expose()));
        let form =
            |message: &Message, notes: &mut Vec<String>| Payload::json(&self.form(Mail::of(call, message, notes)));
        Ok(receiver.for_people(call, to, form))
    }

    fn markup(&self) -> Markup {
        Markup { text: |message| PLAIN.text(&message.text), escape: str::to_owned }
    }

    fn reading(&self, call: &Call<'_>) -> Option<String> {
        Some(self.envelope().reading(call))
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let errors = answered(answer);
        let first = &errors["errors"][0];
        let (field, said) =
            (first["field"].as_str().unwrap_or_default(), first["message"].as_str().unwrap_or_default());
        match answer.status {
            401 if said.contains("credits") => blocked(
                answer,
                Reason::RateLimited,
                "the account has used up its mails: wait for the next period, or choose a larger plan in SendGrid",
            ),
            401 => blocked(
                answer,
                Reason::Auth,
                "SendGrid does not know this key: make a new one under Settings → API Keys and put it into `api_key`; accounts in the EU need `region: eu`",
            ),
            403 => blocked(
                answer,
                Reason::Auth,
                "either the key lacks the permission Mail Send, or `from` is no verified sender: see Settings → API Keys and Settings → Sender Authentication in SendGrid",
            ),
            400 if ["from", "reply_to", "personalizations"].iter().any(|of| field.starts_with(of)) => blocked(
                answer,
                Reason::Client,
                "SendGrid refuses one of the addresses: check `from`, `to`, `cc` and `reply_to`",
            ),
            _ => by_status(answer, "SendGrid"),
        }
    }

    fn threads(&self) -> Threads {
        THREADS
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.api_key.expose().to_owned()]
    }
}

impl SendGrid {
    fn form(&self, mail: Mail) -> Value {
        let envelope = self.envelope();
        let mut people = json!({ "to": people(envelope.to) });
        if !envelope.cc.is_empty() {
            people["cc"] = self::people(envelope.cc);
        }
        let mut content = vec![json!({ "type": "text/plain", "value": mail.text })];
        content.extend(mail.html.map(|html| json!({ "type": "text/html", "value": html })));
        let headers: Map<String, Value> =
            mail.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let mut form = json!({
            "personalizations": [people],
            "from": person(envelope.from),
            "subject": mail.subject,
            "content": content,
            "headers": headers,
        });
        if let Some(reply_to) = envelope.reply_to {
            form["reply_to"] = person(reply_to);
        }
        form
    }
}

fn people(mailboxes: &[Mailbox]) -> Value {
    mailboxes.iter().map(person).collect()
}

fn person(mailbox: &Mailbox) -> Value {
    let mut person = json!({ "email": mailbox.email });
    if !mailbox.name.is_empty() {
        person["name"] = mailbox.name.as_str().into();
    }
    person
}
