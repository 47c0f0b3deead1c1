//! Where messages go: one file per kind, each with the same two questions: what to send, and what does the answer mean? Pure.

mod answer;
mod call;
mod console;
mod from_text;
mod inbox;
mod kind;
mod plain;
mod read;
mod registry;
mod request;
mod retired;
mod schema;
mod secret;
mod settings;
mod sign;
mod slack;
mod slack_body;
mod slack_mrkdwn;
#[cfg(test)]
mod tests;
mod verdict;
mod webhook;

pub use answer::{Answer, Failure, retry_after};
pub use call::{Call, Sent, Unsendable};
pub use kind::{Audience, BodyFault, Given, Kind, Markup, MessageRef, Receiver};
pub use plain::text as plain_text;
pub use read::read_receiver;
pub use registry::kinds;
pub use request::{Outgoing, Request};
pub use schema::schema;
pub(crate) use secret::names_a_secret;
pub use secret::{Secret, SecretUrl, is_key_like};
pub use settings::{Common, Rate, Retry, Tls};
pub use verdict::{Judgement, Reason, Verdict};
