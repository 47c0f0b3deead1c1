//! The `smtp` kind: mail through any mail server.

use std::num::NonZeroU16;

use crate::receiver::chat::{bad_form, blocked};
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, Given};
use crate::receiver::mail::{Mail, THREADS, mail_settings};
use crate::receiver::{
    Answer, Audience, Call, Failure, Judgement, Kind, Letter, MailServer, Outgoing, Reason, Receiver, Secret, Security,
    Sent, Step, Threads, Unsendable, Verdict,
};

pub(super) const ENTRY: Entry = Entry {
    name: "smtp",
    http: false,
    rate: None,
    recovered: false,
    obtain: "From whoever runs your mail: the host name of the mail server (submission, port 587), a user name and a password",
    example: "{ kind: smtp, host: mail.example.com, username: alerts, password: \"${SMTP_PASSWORD}\", from: alerts@example.com, to: data-team@example.com }",
    schema: || schemars::schema_for!(Smtp),
    read: |node, problems| Some(Box::new(Smtp::read(node, problems)?)),
};

mail_settings! {
    /// Email through a mail server.
    struct Smtp {
        /// The mail server: `mail.example.com`.
        host: Host,
        /// Its port (587; 465 with `tls: implicit`, 25 with `tls: none`).
        port: Option<NonZeroU16>,
        /// How the connection is encrypted (`starttls`).
        #[serde(default)]
        tls: Security,
        /// A PEM file of certificate authorities to trust besides the usual ones.
        ca: Option<String>,
        /// The user name, where the server wants one.
        username: Option<String>,
        /// The password of `username`.
        password: Option<Secret>,
    }
}

/// A host's name or address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host(String);

impl Host {
    fn parse(text: &str) -> Result<Host, String> {
        let host = text.trim();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let named = !bare.is_empty()
            && bare.len() <= 253
            && bare.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        if named || bare.parse::<std::net::Ipv6Addr>().is_ok() {
            return Ok(Host(bare.to_owned()));
        }
        Err(format!("{host:?} is no host; write its name alone: `mail.example.com`, the port into `port`"))
    }
}

read_from_text! {
    Host: {"type": "string", "examples": ["mail.example.com"]};
}

impl Kind for Smtp {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, _: &Receiver) -> Result<Sent, Unsendable> {
        let mut notes = Vec::new();
        let Mail { subject, text, html, headers } = Mail::of(call, call.message, &mut notes);
        let envelope = self.envelope();
        let domain = envelope.from.email.rsplit('@').next().unwrap_or("jobrelay");
        let letter = Letter {
            server: self.server(),
            id: format!("{}@{domain}", call.delivery),
            from: envelope.from.clone(),
            to: envelope.to.to_vec(),
            cc: envelope.cc.to_vec(),
            reply_to: envelope.reply_to.cloned(),
            subject,
            text,
            html,
            headers,
        };
        Ok(Sent { outgoing: Outgoing::Mail(Box::new(letter)), notes })
    }

    /// The status is the server's reply code.
    fn reading(&self, call: &Call<'_>) -> Option<String> {
        Some(self.envelope().reading(call))
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let about_addresses = answer.status == 556 || answer.body.starts_with(b"5.1.");
        match answer.status {
            200..=299 => Judgement::delivered(answer),
            530 | 534 | 535 | 538 => blocked(
                answer,
                Reason::Auth,
                "the mail server does not take this login: check `username` and `password`, and that this account may send mail from programs",
            ),
            // It takes no mail at all: said so (RFC 7504), or before one was spoken of.
            status @ 500..=599 if status == 521 || answer.step == Step::Hello => blocked(
                answer,
                Reason::Client,
                "the mail server takes no mail from here: check `host` and `port`, and ask who runs it",
            ),
            // The enhanced codes 5.1.x speak of addresses: every further mail would meet the same.
            500..=599 if about_addresses => {
                blocked(answer, Reason::Client, "the mail server refuses an address: check `from`, `to` and `cc`")
            }
            // Such as relaying: it has not seen the mail, and every further one would meet the same.
            500..=599 if answer.step == Step::Addresses => blocked(
                answer,
                Reason::Client,
                "the mail server takes no mail from or for these addresses: check `from`, `to` and `cc`, whether it wants a login (`username`), and ask who runs it",
            ),
            500..=599 => bad_form(
                answer,
                "the mail server refused this mail: ask who runs it what this answer means, then replay the mail",
            ),
            _ => Judgement::not_delivered(Verdict::Later, Reason::Server, answer.summary()),
        }
    }

    fn advise(&self, failure: &Failure) -> Option<&'static str> {
        match failure {
            Failure::Dns(_) => Some("check the name of the mail server in `host`"),
            Failure::ForbiddenAddress(_) => Some("this address is never called: put another mail server into `host`"),
            Failure::Connect(_) | Failure::Timeout(_) => {
                Some("check `host` and `port`, and that the network lets the relay out to them")
            }
            Failure::Tls(_) => Some(
                "check `host`, which the certificate must name, and `tls` (`implicit` on port 465, `starttls` on 587); a private authority goes into `ca`",
            ),
            Failure::Interrupted(_) => Some("check `port` and `tls`: `implicit` on port 465, `starttls` on 587"),
            Failure::Malformed(_) => None,
        }
    }

    fn mail_server(&self) -> Option<MailServer> {
        Some(self.server())
    }

    fn threads(&self) -> Threads {
        THREADS
    }

    fn secrets(&self) -> Vec<String> {
        self.password.iter().map(|password| password.expose().to_owned()).collect()
    }

    fn no_effect(&self, key: &str, _: Given<'_>) -> Option<String> {
        let why = match key {
            "password" if self.username.is_none() => "there is no `username`",
            "username" if self.password.is_none() => "there is no `password`",
            "ca" if self.tls == Security::None => "`tls: none` shows no certificate",
            _ => return None,
        };
        Some(why.to_owned())
    }
}

impl Smtp {
    fn server(&self) -> MailServer {
        let usual = match self.tls {
            Security::Starttls => 587,
            Security::Implicit => 465,
            Security::None => 25,
        };
        MailServer {
            host: self.host.0.clone(),
            port: self.port.map_or(usual, NonZeroU16::get),
            security: self.tls,
            ca: self.ca.clone(),
            login: self.username.clone().zip(self.password.clone()),
        }
    }
}
