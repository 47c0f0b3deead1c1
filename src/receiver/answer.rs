//! What came back.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// The longest a service may make a lane wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// An HTTP answer, its body read up to a bound; of a mail server a reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The HTTP status, or the reply code.
    pub status: u16,
    /// `Retry-After`, from seconds or an HTTP date, capped at 1 h.
    pub retry_after: Option<Duration>,
    /// Its beginning.
    pub body: Bytes,
    /// What it answers.
    pub step: Step,
}

/// How far a conversation had come. Whoever refuses before the message was seen would refuse any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    /// A mail server was called: its greeting, encryption, the login.
    Hello,
    /// It was told whom a mail is from, and whom it is for.
    Addresses,
    /// The message itself was sent: all there is in HTTP.
    #[default]
    Message,
}

/// Why no answer came. The text is for people and carries no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// After the receiver's `timeout`.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The host has no address.
    #[error("the name could not be resolved: {0}")]
    Dns(String),
    /// Certificate or handshake.
    #[error("TLS: {0}")]
    Tls(String),
    /// Nobody listens, or the network is away.
    #[error("no connection: {0}")]
    Connect(String),
    /// Sent in part or whole, but not answered.
    #[error("the connection broke: {0}")]
    Interrupted(String),
    /// Nothing was sent: the request itself cannot be put together, and never will.
    #[error("the request cannot be made: {0}")]
    Malformed(String),
    /// The relay never calls it: link-local, cloud-metadata and multicast, and private ones under `--deny-private`.
    #[error("address refused: {0}")]
    ForbiddenAddress(String),
}

impl Answer {
    /// The status and the beginning of the body, on one line: `403 invalid_token`.
    #[must_use]
    pub fn summary(&self) -> String {
        // Enough for 200 characters, whatever they are.
        let start = &self.body[..self.body.len().min(1000)];
        let text = crate::message::one_line(&String::from_utf8_lossy(start));
        let text = crate::message::cut(&text, 200).0;
        if text.is_empty() { self.status.to_string() } else { format!("{} {text}", self.status) }
    }
}

/// Reads `Retry-After` (seconds or an HTTP date), capped at 1 h; a date that has passed means now.
#[must_use]
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        let at = DateTimeParser::new().parse_timestamp(value).ok()?;
        Duration::try_from(at.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

/// A wait that a service names in its body, in seconds, capped at 1 h.
pub(super) fn wait(seconds: f64) -> Option<Duration> {
    if seconds >= LONGEST_WAIT.as_secs_f64() {
        return Some(LONGEST_WAIT);
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_both_forms() {
        let now: Timestamp = "2015-10-21T07:28:00Z".parse().unwrap();
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("7200", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 2100 23:59:59 GMT", Some(3600)),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ];
        for (value, seconds) in cases {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn a_wait_in_a_body_is_bounded() {
        let cases = [(1.5, Some(1500)), (0.0, Some(0)), (64e9, Some(3_600_000)), (-1.0, None), (f64::NAN, None)];
        for (seconds, milliseconds) in cases {
            assert_eq!(wait(seconds), milliseconds.map(Duration::from_millis), "{seconds}");
        }
        assert_eq!(wait(f64::INFINITY), Some(LONGEST_WAIT));
    }

    #[test]
    fn a_summary_is_one_short_line() {
        let answer =
            |body: &str| Answer { status: 403, body: Bytes::copy_from_slice(body.as_bytes()), ..Answer::default() };
        assert_eq!(answer("").summary(), "403");
        assert_eq!(answer("invalid_token\r\n").summary(), "403 invalid_token");
        assert_eq!(answer(&"<p>\n".repeat(9000)).summary().chars().count(), 204);
        assert_eq!(
            Answer { body: Bytes::from_static(b"\xff\xfe ok"), status: 500, ..Answer::default() }.summary(),
            "500 \u{FFFD}\u{FFFD} ok"
        );
    }
}
