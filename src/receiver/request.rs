//! What to send, in words of HTTP that belong to no library.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;

use super::{Letter, Receiver, SecretUrl};
use crate::event::DeliveryId;
use crate::message::RenderedBody;

/// One thing to send.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// Call it.
    Http(Request),
    /// Hand it to a mail server.
    Mail(Box<Letter>),
    /// Write it to the log.
    Console(String),
    /// Keep it in the relay.
    Inbox(String),
}

/// What the relay calls itself.
pub const USER_AGENT: &str = concat!("jobrelay/", env!("CARGO_PKG_VERSION"));

/// A header's name and value. A borrowed value is the same in every request, and of visible ASCII: else the client panics.
pub type Header = (Cow<'static, str>, Cow<'static, str>);

/// One HTTP request. Of a message, `User-Agent` and `Idempotency-Key` are already among the headers.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Upper case.
    pub method: &'static str,
    /// Where to.
    pub url: SecretUrl,
    /// Each name once.
    pub headers: Vec<Header>,
    /// Empty where the method sends none.
    pub body: Bytes,
}

/// A body and its media type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Payload {
    pub content_type: Cow<'static, str>,
    pub body: Bytes,
}

impl Payload {
    pub fn json(json: &serde_json::Value) -> Payload {
        Payload { content_type: "application/json".into(), body: json.to_string().into() }
    }

    /// As a browser sends a form.
    pub fn form(pairs: &[(&str, &str)]) -> Payload {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        Payload { content_type: "application/x-www-form-urlencoded".into(), body: body.into() }
    }
}

impl From<RenderedBody> for Payload {
    fn from(body: RenderedBody) -> Payload {
        match body {
            RenderedBody::Json(json) => Payload::json(&json),
            RenderedBody::Text(text) => Payload { content_type: "text/plain; charset=utf-8".into(), body: text.into() },
        }
    }
}

impl Request {
    /// Puts a request together: the usual headers, `extra` ones of the kind, and above all the receiver's own.
    pub(super) fn new(
        receiver: &Receiver,
        delivery: DeliveryId,
        method: &'static str,
        url: &SecretUrl,
        payload: Option<Payload>,
        extra: Vec<Header>,
    ) -> Request {
        let (content_type, body) = payload.map_or((None, Bytes::new()), |p| (Some(p.content_type), p.body));
        let mut headers = vec![
            ("User-Agent".into(), USER_AGENT.into()),
            ("Idempotency-Key".into(), idempotency_key(delivery, &body).into()),
        ];
        headers.extend(content_type.map(|content_type| ("Content-Type".into(), content_type)));
        headers.extend(extra);
        for (name, value) in &receiver.common.headers {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.clone().into(), value.expose().to_owned().into()));
        }
        Request { method, url: url.clone(), headers, body }
    }

    /// The value of a header, by name without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

/// The same bytes have the same key on every attempt, other bytes another: services refuse a key that comes back with other content.
pub(super) fn idempotency_key(delivery: DeliveryId, body: &[u8]) -> String {
    let mut key = String::with_capacity(32);
    write!(key, "{delivery}-{:08x}", crc32fast::hash(body)).expect("a text takes all");
    key
}
