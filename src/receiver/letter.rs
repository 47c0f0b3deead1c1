//! A mail to be handed to a mail server, in words that belong to no library.

use super::Secret;
use super::mail::Mailbox;

/// One mail, and the server that takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Where to.
    pub server: MailServer,
    /// The same on every attempt, so that a mail sent twice can be told: without `<>`.
    pub id: String,
    /// Whom it comes from.
    pub from: Mailbox,
    /// Whom it goes to.
    pub to: Vec<Mailbox>,
    /// Who gets a copy.
    pub cc: Vec<Mailbox>,
    /// Where answers go, if not to `from`.
    pub reply_to: Option<Mailbox>,
    /// One line.
    pub subject: String,
    /// The plain-text part.
    pub text: String,
    /// The HTML part; none in the plainest form.
    pub html: Option<String>,
    /// Further headers, in ASCII.
    pub headers: Vec<(&'static str, String)>,
}

/// A mail server, and how the relay shows who it is.
#[derive(Debug, Clone, PartialEq)]
pub struct MailServer {
    /// Name or address.
    pub host: String,
    /// 587 unless said otherwise.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: Security,
    /// A PEM file of authorities to trust besides the usual ones.
    pub ca: Option<String>,
    /// User name and password.
    pub login: Option<(String, Secret)>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// It begins in the clear and must become TLS before anything is said.
    #[default]
    Starttls,
    /// TLS from the first byte, mostly on port 465.
    Implicit,
    /// In the clear, the password too: for a mail server on the same machine.
    None,
}
