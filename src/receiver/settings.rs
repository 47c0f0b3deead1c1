//! Settings every kind has.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::from_text::read_from_text;
use super::{Secret, SecretUrl};

/// Common settings of a receiver, defaults filled in (rate and recovered by kind).
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// Sent besides, or instead of, the usual ones.
    pub headers: Vec<(String, Secret)>,
    /// Total time for one attempt.
    pub timeout: Duration,
    /// The most that is sent; `None`: no bound.
    pub rate: Option<Rate>,
    /// Attempts under way at once, at least 1.
    pub concurrency: usize,
    /// When to try again.
    pub retry: Retry,
    /// Whether the success after a failure is owed, too.
    pub recovered: bool,
    /// The HTTP proxy to go through.
    pub proxy: Option<SecretUrl>,
    /// Certificates.
    pub tls: Option<Tls>,
}

/// At most `count` messages per `per`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// At least 1.
    pub count: u32,
    /// A second, minute or hour.
    pub per: Duration,
}

/// When to try again, and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Give up after this long (72h).
    pub give_up: Duration,
    /// Bound of the first delay (1s).
    pub first: Duration,
    /// Bound of any delay (15m).
    pub max: Duration,
}

/// PEM files: read by the delivery client, not here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file of certificate authorities to trust besides the usual ones.
    pub ca: Option<String>,
    /// A PEM file with the relay's own certificate.
    pub cert: Option<String>,
    /// A PEM file with the key of `cert`.
    pub key: Option<String>,
}

impl Tls {
    /// The files it names.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        [&self.ca, &self.cert, &self.key].into_iter().flatten().map(String::as_str)
    }
}

/// The common settings as written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommonSettings {
    /// Headers to send besides, or instead of, the usual ones.
    #[serde(default)]
    pub headers: BTreeMap<HeaderName, HeaderValue>,
    /// Total time for one attempt (15s).
    pub timeout: Option<Span>,
    /// The most that is sent: `1/s`, `30/m`, `500/h`.
    pub rate: Option<Rate>,
    /// Attempts under way at once (16).
    pub concurrency: Option<NonZeroUsize>,
    /// When to try again, and when to give up.
    #[serde(default)]
    pub retry: RetrySettings,
    /// Whether the success after a failure sent here is sent here, too.
    pub recovered: Option<bool>,
    /// The HTTP proxy to go through.
    pub proxy: Option<SecretUrl>,
    /// Certificates of its own, as PEM files.
    pub tls: Option<Tls>,
}

/// `retry` as written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetrySettings {
    /// Give up after this long (72h).
    #[serde(rename = "for")]
    pub give_up: Option<Span>,
    /// Bound of the first delay (1s).
    pub first: Option<Span>,
    /// Bound of any delay (15m).
    pub max: Option<Span>,
}

impl CommonSettings {
    /// Fills in the defaults; `rate` and `recovered` are the kind's own.
    pub fn complete(self, rate: Option<Rate>, recovered: bool) -> Common {
        let or = |span: Option<Span>, default: Duration| span.map_or(default, |Span(duration)| duration);
        Common {
            headers: self.headers.into_iter().map(|(name, value)| (name.0, value.0)).collect(),
            timeout: or(self.timeout, Duration::from_secs(15)),
            rate: self.rate.or(rate),
            concurrency: self.concurrency.map_or(16, NonZeroUsize::get),
            retry: Retry {
                give_up: or(self.retry.give_up, Duration::from_secs(72 * 60 * 60)),
                first: or(self.retry.first, Duration::from_secs(1)),
                max: or(self.retry.max, Duration::from_secs(15 * 60)),
            },
            recovered: self.recovered.unwrap_or(recovered),
            proxy: self.proxy,
            tls: self.tls,
        }
    }
}

/// A duration as written: `15s`, `1h30m`; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) struct Span(pub Duration);

/// A header's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HeaderName(String);

/// A header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeaderValue(Secret);

impl Rate {
    /// Reads `1/s`, `30/m`, `500/h`.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn parse(text: &str) -> Result<Rate, String> {
        let wrong = || format!("\"{text}\" is no rate; write `1/s`, `30/m` or `500/h`");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let per = match unit.trim() {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(60 * 60),
            _ => return Err(wrong()),
        };
        match count.trim().parse() {
            Ok(0) => Err("a rate of 0 would send nothing; leave the receiver out of `to` instead".to_owned()),
            Ok(count) => Ok(Rate { count, per }),
            Err(_) => Err(wrong()),
        }
    }
}

/// As written.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            0..60 => 's',
            60..3600 => 'm',
            _ => 'h',
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl Span {
    fn parse(text: &str) -> Result<Span, String> {
        match crate::event::duration::parse(text)? {
            Duration::ZERO => Err("this must be longer than nothing".to_owned()),
            duration => Ok(Span(duration)),
        }
    }
}

impl HeaderName {
    fn parse(name: &str) -> Result<HeaderName, String> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("\"{name}\" is no header name: it holds letters, digits and `-`"));
        }
        match name.to_ascii_lowercase().as_str() {
            "content-length" | "transfer-encoding" | "connection" | "host" => {
                Err(format!("the header {name} is set by the relay and cannot be changed"))
            }
            _ => Ok(HeaderName(name.to_owned())),
        }
    }
}

impl HeaderValue {
    fn parse(value: &str) -> Result<HeaderValue, String> {
        if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            return Err("a header's value is one line without control characters".to_owned());
        }
        Ok(HeaderValue(Secret::new(value.trim())))
    }
}

read_from_text! {
    Rate: {"type": "string", "pattern": r"^\s*\+?[0-9]+\s*/\s*[smh]\s*$", "patternErrorMessage": "Write 1/s, 30/m or 500/h.", "examples": ["1/s", "30/m"]};
    Span: {"type": "string", "pattern": format!(r"^\s*{}$", crate::event::duration::PATTERN), "patternErrorMessage": "Write whole numbers with units: 30s, 15m, 1h30m, 7d.", "examples": ["15s", "1h30m"]};
    HeaderName: {"type": "string"};
    HeaderValue: {"type": "string"};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_back_from_their_text() {
        for text in ["1/s", "30/m", "500/h"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Rate::parse("30/m"), Ok(Rate { count: 30, per: Duration::from_secs(60) }));
        for bad in ["", "1", "x/s", "1/d", "-1/s", "0/s", "1/s/s"] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_cannot_break_a_request() {
        for name in ["", "X Y", "X:Y", "é", "Host", "content-length"] {
            assert!(HeaderName::parse(name).is_err(), "{name}");
        }
        assert!(HeaderName::parse("X-Api-Key").is_ok());
        assert!(HeaderValue::parse("a\r\nEvil: x").is_err());
        assert_eq!(HeaderValue::parse(" a ").unwrap().0.expose(), "a");
    }

    #[test]
    fn defaults_are_the_designs() {
        let common = CommonSettings::default().complete(None, false);
        assert_eq!((common.timeout, common.concurrency, common.rate), (Duration::from_secs(15), 16, None));
        assert_eq!(common.retry.give_up, Duration::from_secs(72 * 60 * 60));
        assert_eq!((common.retry.first, common.retry.max), (Duration::from_secs(1), Duration::from_secs(15 * 60)));
    }
}
