//! What email kinds share: whom mail comes from and goes to, and a message as subject, plain text and HTML.

mod html;
mod mailbox;

pub use mailbox::Mailbox;

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::chat;
use super::dialect::{Dialect, PLAIN, Unit};
use super::hex::hex;
use super::{Call, Threads};
use crate::event::Event;
use crate::message::{Level, Message, one_line};
use crate::yaml::{Code, Node, Problems};

/// The most people one message may go to: what most gateways allow.
const RECIPIENTS: usize = 50;
/// A subject in bytes: the longest a line of a mail may be.
const SUBJECT: usize = 998;
/// The parts in bytes: Gmail hides what goes beyond 102 KB.
const TEXT: usize = 30_000;
const PLAINEST: usize = 4000;
const NOTICES: usize = 2000;
const LINK: usize = 2000;
const FOOTER: usize = 1000;

/// Literal text without control characters, counted in bytes.
const LINES: Dialect = Dialect {
    escape: |c, out| {
        if !chat::unwanted(c) {
            out.push(c);
        }
    },
    unit: Unit::Bytes,
    ..PLAIN
};

/// Whom mail comes from and goes to.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub from: &'a Mailbox,
    pub to: &'a [Mailbox],
    pub cc: &'a [Mailbox],
    pub reply_to: Option<&'a Mailbox>,
}

/// The settings of a kind that sends mail: its own, then those they all have.
macro_rules! mail_settings {
    ($(#[$about:meta])* struct $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($own)*
            /// Whom it comes from: `alerts@example.com`, or with a name: `Alerts <alerts@example.com>`.
            from: $crate::receiver::mail::Mailbox,
            /// Whom it goes to: one address or a list.
            to: $crate::receiver::one_or_many::OneOrMany<$crate::receiver::mail::Mailbox>,
            /// Who gets a copy: one address or a list.
            cc: Option<$crate::receiver::one_or_many::OneOrMany<$crate::receiver::mail::Mailbox>>,
            /// Where answers go, if not to `from`.
            reply_to: Option<$crate::receiver::mail::Mailbox>,
        }

        impl $name {
            fn envelope(&self) -> $crate::receiver::mail::Envelope<'_> {
                $crate::receiver::mail::Envelope {
                    from: &self.from,
                    to: &self.to.0,
                    cc: self.cc.as_ref().map_or(&[], |cc| &cc.0),
                    reply_to: self.reply_to.as_ref(),
                }
            }

            fn read(node: &$crate::yaml::Node, problems: &mut $crate::yaml::Problems) -> Option<$name> {
                let read = $crate::yaml::read::<$name>(node, problems)?;
                read.envelope().check(node, problems);
                Some(read)
            }
        }
    };
}

pub(super) use mail_settings;

impl Envelope<'_> {
    /// What the single addresses cannot tell.
    pub fn check(&self, node: &Node, problems: &mut Problems) {
        let all = self.to.len() + self.cc.len();
        if all > RECIPIENTS {
            let message = format!("{all} addresses in `to` and `cc`: {RECIPIENTS} at most");
            problems.error(Code::BadValue, node.span, message, "send to a group's address instead".to_owned());
        }
        let mut known = BTreeSet::new();
        for Mailbox { email, .. } in self.to.iter().chain(self.cc) {
            if !known.insert(email.to_ascii_lowercase()) {
                let message = format!("{email} is there twice in `to` and `cc`");
                problems.error(Code::BadValue, node.span, message, "name each address once".to_owned());
            }
        }
    }
}

/// The addresses as one header's value.
pub(super) fn listed(mailboxes: &[Mailbox]) -> String {
    mailboxes.iter().map(Mailbox::to_string).collect::<Vec<_>>().join(", ")
}

/// A message in the form of a mail. No part holds control characters but line ends.
pub(super) struct Mail {
    /// Never empty.
    pub subject: String,
    pub text: String,
    /// None in the plainest form.
    pub html: Option<String>,
    /// Besides the usual ones: what keeps a job's mails together, and tells machines that a machine wrote this. ASCII.
    pub headers: Vec<(&'static str, String)>,
}

impl Mail {
    pub fn of(call: &Call<'_>, message: &Message, notes: &mut Vec<String>) -> Mail {
        let subject = subject(message, notes);
        let html = (!call.plain).then(|| html::page(&subject, message, notes));
        // What the HTML lost was told already.
        let mut of_text = Vec::new();
        let text = text(message, if call.plain { PLAINEST } else { TEXT }, &mut of_text);
        of_text.retain(|note| !notes.contains(note));
        notes.extend(of_text);
        Mail { subject, text, html, headers: headers(call, message) }
    }
}

impl Envelope<'_> {
    /// A mail as its reader sees it: whom it comes from and goes to, its subject and its plain-text part.
    pub fn reading(&self, call: &Call<'_>) -> String {
        let unheard = &mut Vec::new();
        let mut lines = vec![format!("From: {}", self.from), format!("To: {}", listed(self.to))];
        lines.extend((!self.cc.is_empty()).then(|| format!("Cc: {}", listed(self.cc))));
        lines.extend(self.reply_to.map(|reply_to| format!("Reply-To: {reply_to}")));
        lines.push(format!("Subject: {}", subject(call.message, unheard)));
        lines.extend((!call.plain).then(|| "Parts: plain text, as below, and the same in HTML".to_owned()));
        lines.join("\n") + "\n\n" + &text(call.message, if call.plain { PLAINEST } else { TEXT }, unheard)
    }
}

/// The title on one line. Never empty.
fn subject(message: &Message, notes: &mut Vec<String>) -> String {
    let (subject, was_cut) = LINES.fit(&one_line(&message.title), SUBJECT);
    if was_cut {
        notes.push(chat::cut_to("title", SUBJECT, Unit::Bytes));
    }
    if subject.trim().is_empty() { "Job event".to_owned() } else { subject }
}

fn headers(call: &Call<'_>, message: &Message) -> Vec<(&'static str, String)> {
    let mut headers = vec![("Auto-Submitted", "auto-generated".to_owned())];
    if message.level == Level::Critical {
        headers.push(("Importance", "high".to_owned()));
    }
    if let Some(thread) = call.earlier.map(str::to_owned).or_else(|| thread(call.event)) {
        headers.push(("References", thread.clone()));
        headers.push(("In-Reply-To", thread));
    }
    headers
}

/// A job's mails answer to a mail that never was, so that it does not matter which of them comes first; a recovery's to the failed job's.
pub(super) const THREADS: Threads = Threads::Named(thread);

fn thread(event: &Event) -> Option<String> {
    let job = event.job.as_ref()?.id.as_deref()?;
    Some(format!("<{}@jobrelay>", id_part(job)))
}

/// What may stand in a message ID before its `@`: the ID as it is, or its beginning with a hash of the whole.
fn id_part(id: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=100).contains(&id.len()) && id.chars().all(fits) {
        return id.to_owned();
    }
    let hash = hex(&Sha256::digest(id.as_bytes())[..8]);
    let beginning: String = id.chars().filter(|c| fits(*c)).take(80).collect();
    format!("{beginning}-{hash}")
}

/// The plain-text part: what there is to read, the link on a line of its own, the footer as a signature.
fn text(message: &Message, max: usize, notes: &mut Vec<String>) -> String {
    let mut parts = vec![chat::notices(message, &LINES, NOTICES, notes), chat::text(message, &LINES, max, notes)];
    let fields = chat::fields(message, (&LINES, &LINES), &html::FIELDS, html::field_size, notes);
    parts.push(fields.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n"));
    parts.extend(chat::link(message, LINK, notes).map(str::to_owned));
    parts.extend(message.footer.as_ref().map(|footer| {
        let text = LINES.fit(&footer.text, FOOTER).0;
        // Mail readers know a signature by this line and show it quietly.
        let link = footer.link.as_deref().filter(|link| link.len() <= FOOTER).map(|link| format!("\n{link}"));
        format!("-- \n{text}{}", link.unwrap_or_default())
    }));
    parts.retain(|part| !part.trim().is_empty());
    parts.join("\n\n") + "\n"
}
