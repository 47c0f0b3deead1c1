//! The `ses` kind: mail through Amazon SES, API v2.

use serde_json::{Value, json};

use crate::message::Message;
use crate::receiver::address::{Endpoint, address};
use crate::receiver::chat::{blocked, by_status, json as answered, later};
use crate::receiver::dialect::PLAIN;
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, To};
use crate::receiver::mail::{Mail, Mailbox, THREADS, mail_settings};
use crate::receiver::request::Payload;
use crate::receiver::sigv4::Signer;
use crate::receiver::{
    Answer, Audience, Call, Judgement, Kind, Markup, Outgoing, Reason, Receiver, Secret, Sent, Threads, Unsendable,
};

pub(super) const ENTRY: Entry = Entry {
    name: "ses",
    http: true,
    rate: None,
    recovered: false,
    obtain: "In AWS: IAM → Users → Security credentials → Access keys, for a user allowed `ses:SendEmail`; `from` is an identity verified in SES in that region",
    example: "{ kind: ses, region: eu-west-1, access_key: \"${AWS_ACCESS_KEY_ID}\", secret_key: \"${AWS_SECRET_ACCESS_KEY}\", from: alerts@example.com, to: data-team@example.com }",
    schema: || schemars::schema_for!(Ses),
    read: |node, problems| Some(Box::new(Ses::read(node, problems)?)),
};

mail_settings! {
    /// Email through Amazon SES.
    struct Ses {
        /// The AWS region where `from` is verified: `eu-west-1`.
        region: Region,
        /// The access key ID: `AKIA…`.
        access_key: Secret,
        /// The secret access key.
        secret_key: Secret,
        /// The session token, with temporary credentials only.
        session_token: Option<Secret>,
        /// Scheme and host in place of SES's own, for proxies, VPC endpoints and tests.
        endpoint: Option<Endpoint>,
    }
}

/// It becomes a part of a host name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Region(String);

impl Region {
    fn parse(text: &str) -> Result<Region, String> {
        let region = text.trim();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !region.contains('-') || !region.chars().all(allowed) {
            return Err(format!("{region:?} is no AWS region; write it like `eu-west-1`"));
        }
        Ok(Region(region.to_owned()))
    }
}

read_from_text! {
    Region: {"type": "string", "examples": ["eu-west-1", "us-east-1"]};
}

impl Kind for Ses {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let own = format!("https://email.{}.amazonaws.com/v2/email/outbound-emails", self.region.0);
        let url = address(&own, self.endpoint.as_ref()).map_err(Unsendable)?;
        let form =
            |message: &Message, notes: &mut Vec<String>| Payload::json(&self.form(Mail::of(call, message, notes)));
        let mut sent = receiver.for_people(call, To::post(&url), form);
        if let Outgoing::Http(request) = &mut sent.outgoing {
            let signer = Signer {
                access_key: self.access_key.expose().trim(),
                secret_key: &self.secret_key,
                session_token: self.session_token.as_ref(),
                region: &self.region.0,
                service: "ses",
            };
            signer.sign(request, call.now);
        }
        Ok(sent)
    }

    fn markup(&self) -> Markup {
        Markup { text: |message| PLAIN.text(&message.text), escape: str::to_owned }
    }

    fn reading(&self, call: &Call<'_>) -> Option<String> {
        Some(self.envelope().reading(call))
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let body = answered(answer);
        let said = body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default().to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let slower = |advice: &str| later(answer, Reason::RateLimited).advise(advice);
        match answer.status {
            400 | 429 if says(&["rate exceeded", "sending rate", "throttl"]) => {
                slower("SES sends no faster for this account: set `rate` to its maximum send rate")
            }
            400 | 429 if says(&["quota"]) => {
                slower("the account's daily quota is used up: ask for a larger one in SES under Account dashboard")
            }
            400 if says(&["suspended", "paused", "disabled"]) => blocked(
                answer,
                Reason::Auth,
                "SES has stopped this account or identity from sending: see Account dashboard and Reputation metrics in SES",
            ),
            400 | 403 if says(&["not verified", "not authorized to send"]) => blocked(
                answer,
                Reason::Auth,
                "an address is not verified in this region: verify `from` in SES under Identities (in the sandbox every recipient, too), or check `region`",
            ),
            403 if says(&["signature expired", "signature not yet current"]) => blocked(
                answer,
                Reason::Auth,
                "the clock of this machine is wrong: AWS takes signatures of the last minutes only",
            ),
            403 if says(&["expired"]) => blocked(
                answer,
                Reason::Auth,
                "the temporary credentials have expired: put new ones into `access_key`, `secret_key` and `session_token`",
            ),
            403 => blocked(
                answer,
                Reason::Auth,
                "AWS refuses this key: check `access_key` and `secret_key`, and that its user is allowed `ses:SendEmail`",
            ),
            404 => blocked(
                answer,
                Reason::Client,
                "SES knows nothing of this name in this region: check `region` and `from`",
            ),
            _ => by_status(answer, "SES"),
        }
    }

    fn threads(&self) -> Threads {
        THREADS
    }

    fn secrets(&self) -> Vec<String> {
        let all = [Some(&self.access_key), Some(&self.secret_key), self.session_token.as_ref()];
        all.into_iter().flatten().map(|secret| secret.expose().to_owned()).collect()
    }
}

impl Ses {
    fn form(&self, mail: Mail) -> Value {
        let envelope = self.envelope();
        let all = |mailboxes: &[Mailbox]| mailboxes.iter().map(|mailbox| Value::from(mailbox.ascii())).collect();
        let text = |data: String| json!({ "Data": data, "Charset": "UTF-8" });
        let headers: Vec<Value> =
            mail.headers.into_iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
        let to: Value = all(envelope.to);
        let mut form = json!({
            "FromEmailAddress": envelope.from.ascii(),
            "Destination": { "ToAddresses": to },
            "Content": { "Simple": {
                "Subject": text(mail.subject),
                "Body": { "Text": text(mail.text) },
                "Headers": headers,
            } },
        });
        if !envelope.cc.is_empty() {
            form["Destination"]["CcAddresses"] = all(envelope.cc);
        }
        if let Some(reply_to) = envelope.reply_to {
            form["ReplyToAddresses"] = json!([reply_to.ascii()]);
        }
        if let Some(html) = mail.html {
            form["Content"]["Simple"]["Body"]["Html"] = text(html);
        }
        form
    }
}
