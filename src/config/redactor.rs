//! Keeps secret values out of everything that is written or shown.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// Values shorter than this are no secrets worth the name, and hiding them would riddle every text.
const SHORTEST: usize = 4;

/// Replaces secret values in texts by `***`, also where they stand percent-encoded or escaped as in JSON.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that no part of a longer one is left.
    values: Vec<String>,
}

impl Redactor {
    /// Hides these values; those of fewer than four characters are ignored.
    pub fn new<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Redactor {
        let mut all = BTreeSet::new();
        for value in values {
            let value = value.as_ref();
            if value.chars().count() >= SHORTEST {
                all.extend([value.to_owned(), percent_encoded(value), form_encoded(value), json_escaped(value)]);
            }
        }
        let mut values: Vec<String> = all.into_iter().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Redactor { values }
    }

    /// `text` with every secret value replaced by `***`.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut redacted = Cow::Borrowed(text);
        for value in &self.values {
            if redacted.contains(value.as_str()) {
                redacted = Cow::Owned(redacted.replace(value.as_str(), "***"));
            }
        }
        redacted
    }
}

impl Redactor {
    /// `bytes` with every secret value replaced by `***`, whether they are text or not.
    #[must_use]
    pub fn redact_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut redacted = Cow::Borrowed(bytes);
        for value in self.values.iter().map(String::as_bytes) {
            let mut rest = &redacted[..];
            let mut hidden = Vec::new();
            while let Some(start) = rest.windows(value.len()).position(|part| part == value) {
                hidden.extend_from_slice(&rest[..start]);
                hidden.extend_from_slice(b"***");
                rest = &rest[start + value.len()..];
            }
            if !hidden.is_empty() {
                hidden.extend_from_slice(rest);
                redacted = Cow::Owned(hidden);
            }
        }
        redacted
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} values)", self.values.len())
    }
}

/// Everything but the unreserved characters of RFC 3986.
fn percent_encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes any text");
        }
        encoded
    })
}

fn form_encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

fn json_escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hides_a_value_in_every_dress() {
        let redactor = Redactor::new(["p@ss \"word\"", "abc", "T0/B0/xyz", "T0/B0/xyz/long"]);
        let cases = [
            ("nothing here, abc neither", "nothing here, abc neither"),
            ("is p@ss \"word\"!", "is ***!"),
            ("a=p%40ss%20%22word%22", "a=***"),
            ("a=p%40ss+%22word%22&b", "a=***&b"),
            (r#"{"a":"p@ss \"word\""}"#, r#"{"a":"***"}"#),
            ("/T0/B0/xyz/long and /T0/B0/xyz", "/*** and /***"),
        ];
        for (text, expected) in cases {
            assert_eq!(redactor.redact(text), expected);
        }
        assert!(matches!(redactor.redact("clean"), Cow::Borrowed("clean")));
        assert_eq!(format!("{redactor:?}"), "Redactor(8 values)");
    }

    proptest! {
        #[test]
        fn no_value_survives(value in "[^*]{4,20}", before in "\\PC{0,9}", after in "\\PC{0,9}") {
            let redactor = Redactor::new([&value]);
            for dressed in [value.clone(), percent_encoded(&value), form_encoded(&value), json_escaped(&value)] {
                let text = format!("{before}{dressed}{after}");
                prop_assert!(!redactor.redact(&text).contains(&dressed));
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_hidden_too() {
        let redactor = Redactor::new(["hunter22"]);
        assert_eq!(&*redactor.redact_bytes(b"\xff hunter22hunter22 \xfe"), b"\xff ****** \xfe");
        assert!(matches!(redactor.redact_bytes(b"\xff hunter2"), Cow::Borrowed(_)));
    }
}
