//! The `resend` kind: mail through Resend.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::message::Message;
use crate::receiver::address::{Endpoint, address};
use crate::receiver::chat::{blocked, by_status, form_refused, json as answered};
use crate::receiver::dialect::PLAIN;
use crate::receiver::kind::{Entry, To};
use crate::receiver::mail::{Mail, Mailbox, THREADS, mail_settings};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Rate, Reason, Receiver, Secret, Sent, Threads, Unsendable, Verdict,
};

pub(super) const ENTRY: Entry = Entry {
    name: "resend",
    http: true,
    rate: Some(Rate { count: 2, per: Duration::from_secs(1) }),
    recovered: false,
    obtain: "In Resend: API Keys → Create API Key, with sending access; `from` is an address of a domain verified under Domains",
    example: "{ kind: resend, api_key: \"${RESEND_API_KEY}\", from: alerts@example.com, to: data-team@example.com }",
    schema: || schemars::schema_for!(Resend),
    read: |node, problems| Some(Box::new(Resend::read(node, problems)?)),
};

mail_settings! {
    /// Email through Resend.
    struct Resend {
        /// An API key with sending access: `re_…`.
        api_key: Secret,
        /// Scheme and host in place of Resend's own, for proxies and tests.
        endpoint: Option<Endpoint>,
    }
}

impl Kind for Resend {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let url = address("https://api.resend.com/emails", self.endpoint.as_ref()).map_err(Unsendable)?;
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
        let body = answered(answer);
        let name = body["name"].as_str().unwrap_or_default();
        match (answer.status, name) {
            // The first sending of the same mail is still under way.
            (409, "concurrent_idempotent_requests") => {
                Judgement::not_delivered(Verdict::Later, Reason::Server, answer.summary())
            }
            (429, "daily_quota_exceeded" | "monthly_quota_exceeded") => {
                Judgement::of_status(answer).advise("the account has used up its mails: choose a larger plan in Resend")
            }
            (_, "invalid_from_address") => blocked(
                answer,
                Reason::Client,
                "Resend refuses the sender: `from` is an address of a domain verified under Domains",
            ),
            (401, _) | (403, "invalid_api_key" | "restricted_api_key") => blocked(
                answer,
                Reason::Auth,
                "Resend does not take this key: make a new one with sending access under API Keys and put it into `api_key`",
            ),
            (403, _) => blocked(
                answer,
                Reason::Auth,
                "the domain of `from` is not verified (until it is, Resend sends only to the account's own address): see Domains in Resend",
            ),
            // It sees a danger in the mail.
            (451, _) => form_refused(answer, "Resend"),
            _ => by_status(answer, "Resend"),
        }
    }

    fn threads(&self) -> Threads {
        THREADS
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.api_key.expose().to_owned()]
    }
}

impl Resend {
    fn form(&self, mail: Mail) -> Value {
        let envelope = self.envelope();
        let all = |mailboxes: &[Mailbox]| mailboxes.iter().map(|mailbox| Value::from(mailbox.to_string())).collect();
        let headers: Map<String, Value> =
            mail.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let to: Value = all(envelope.to);
        let mut form = json!({
            "from": envelope.from.to_string(),
            "to": to,
            "subject": mail.subject,
            "text": mail.text,
            "headers": headers,
        });
        if !envelope.cc.is_empty() {
            form["cc"] = all(envelope.cc);
        }
        if let Some(reply_to) = envelope.reply_to {
            form["reply_to"] = reply_to.to_string().into();
        }
        if let Some(html) = mail.html {
            form["html"] = html.into();
        }
        form
    }
}
