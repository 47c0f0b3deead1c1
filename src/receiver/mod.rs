//! Where messages go: one file per kind, each with the same two questions: what to send, and what does the answer mean? Pure.

mod address;
mod answer;
mod call;
mod chat;
mod describe;
mod dialect;
mod from_text;
mod hex;
mod incident;
mod kind;
mod kinds;
mod letter;
mod look;
mod mail;
mod one_or_many;
mod plain;
mod read;
mod request;
mod retired;
mod running;
mod schema;
mod secret;
mod settings;
mod sign;
mod sigv4;
#[cfg(test)]
mod tests;
mod verdict;

pub use answer::{Answer, Failure, Step, retry_after};
pub use call::{Call, Sent, Unsendable};
pub use describe::{KindDescription, describe};
pub use kind::{Audience, BodyFault, Given, Kind, Markup, MessageRef, Receiver, Threads};
pub use kinds::kinds;
pub use letter::{Letter, MailServer, Security};
pub use mail::Mailbox;
pub use read::read_receiver;
pub use request::{Header, Outgoing, Request, USER_AGENT};
pub use schema::schema;
pub(crate) use secret::names_a_secret;
pub use secret::{Secret, SecretUrl, is_key_like};
pub use settings::{Common, Rate, Retry, Tls};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use sign::signed;
pub use verdict::{Judgement, Reason, Verdict};
