//! The `postmark` kind: mail through Postmark.

use serde_json::{Value, json};

use crate::message::Message;
use crate::receiver::address::{Endpoint, address};
use crate::receiver::chat::{blocked, by_status, form_refused, json as answered};
use crate::receiver::dialect::PLAIN;
use crate::receiver::kind::{Entry, To};
use crate::receiver::mail::{Mail, THREADS, listed, mail_settings};
use crate::receiver::request::Payload;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Reason, Receiver, Secret, Sent, Threads, Unsendable,
};

pub(super) const ENTRY: Entry = Entry {
    name: "postmark",
    http: true,
    rate: None,
    recovered: false,
    obtain: "In Postmark: Servers → your server → API Tokens; `from` is an address of a verified sender signature or domain",
    example: "{ kind: postmark, token: \"${POSTMARK_TOKEN}\", from: alerts@example.com, to: data-team@example.com }",
    schema: || schemars::schema_for!(Postmark),
    read: |node, problems| Some(Box::new(Postmark::read(node, problems)?)),
};

mail_settings! {
    /// Email through Postmark.
    struct Postmark {
        /// The server API token.
        token: Secret,
        /// The message stream (`outbound`).
        stream: Option<String>,
        /// Scheme and host in place of Postmark's own, for proxies and tests.
        endpoint: Option<Endpoint>,
    }
}

impl Kind for Postmark {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let url = address("https://api.postmarkapp.com/email", self.endpoint.as_ref()).map_err(Unsendable)?;
        let headers = vec![
            ("X-Postmark-Server-Token".into(), self.token.expose().to_owned().into()),
            ("Accept".into(), "application/json".into()),
        ];
        let form = |message: &Message, notes: &mut Vec<String>| {
            Payload::json(&self.form(call, Mail::of(call, message, notes)))
        };
        Ok(receiver.for_people(call, To { headers, ..To::post(&url) }, form))
    }

    fn markup(&self) -> Markup {
        Markup { text: |message| PLAIN.text(&message.text), escape: str::to_owned }
    }

    fn reading(&self, call: &Call<'_>) -> Option<String> {
        Some(self.envelope().reading(call))
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let code = answered(answer)["ErrorCode"].as_u64().unwrap_or_default();
        match (answer.status, code) {
            (200..=299, 0) => Judgement::delivered(answer),
            (401, _) | (_, 10) => blocked(
                answer,
                Reason::Auth,
                "Postmark does not know this token: take the server's one from API Tokens and put it into `token`",
            ),
            (_, 400 | 401) => blocked(
                answer,
                Reason::Auth,
                "`from` is no confirmed sender: confirm it in Postmark under Sender Signatures, or verify its domain",
            ),
            (_, 405 | 412 | 413) => blocked(
                answer,
                Reason::Auth,
                "Postmark does not let this account send: it is out of credits, not approved yet or suspended; see the account in Postmark",
            ),
            (_, 406) => blocked(
                answer,
                Reason::Client,
                "Postmark sends no more to these addresses after bounces or complaints: reactivate them under the stream's Suppressions, or change `to`",
            ),
            (_, 1221..=1240) => blocked(
                answer,
                Reason::Client,
                "there is no such message stream that sends single mails: check `stream`; it is the stream's ID",
            ),
            (403, _) => {
                blocked(answer, Reason::Auth, "Postmark forbids this: check the token's server and its account")
            }
            (200..=299, _) => form_refused(answer, "Postmark"),
            _ => by_status(answer, "Postmark"),
        }
    }

    fn threads(&self) -> Threads {
        THREADS
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.token.expose().to_owned()]
    }
}

impl Postmark {
    fn form(&self, call: &Call<'_>, mail: Mail) -> Value {
        let envelope = self.envelope();
        let headers: Vec<Value> =
            mail.headers.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
        let mut form = json!({
            "From": envelope.from.to_string(),
            "To": listed(envelope.to),
            "Subject": mail.subject,
            "TextBody": mail.text,
            "MessageStream": self.stream.as_deref().unwrap_or("outbound"),
            "Headers": headers,
            "Metadata": { "delivery": call.delivery.to_string() },
        });
        if !envelope.cc.is_empty() {
            form["Cc"] = listed(envelope.cc).into();
        }
        if let Some(reply_to) = envelope.reply_to {
            form["ReplyTo"] = reply_to.to_string().into();
        }
        if let Some(html) = mail.html {
            form["HtmlBody"] = html.into();
        }
        form
    }
}
