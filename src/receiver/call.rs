//! What a kind is given, and what it may say instead of a request.

use jiff::Timestamp;

use crate::event::{DeliveryId, Event};
use crate::message::{Engine, Message};

/// One attempt to be put into a service's form.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What happened.
    pub event: &'a std::sync::Arc<Event>,
    /// The same on every attempt.
    pub delivery: DeliveryId,
    /// Empty for a recovery.
    pub route: &'a std::sync::Arc<str>,
    /// What to say.
    pub message: &'a Message,
    /// The templates behind `body`.
    pub engine: &'a Engine,
    /// Time of this attempt.
    pub now: Timestamp,
    /// Ask for the plain form, after the service refused the first.
    pub plain: bool,
    /// What an earlier message of the same thread got as its reference (see [`super::Judgement::reference`]).
    pub earlier: Option<&'a str>,
}

/// What was put together.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// To be sent.
    pub outgoing: super::Outgoing,
    /// Cuts and fallbacks, for the attempt's record: `title cut to 150 characters`.
    pub notes: Vec<String>,
}

/// Nothing can be sent: a machine's body that cannot be rendered. The delivery ends dead with this reason, replayable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsendable(pub String);
