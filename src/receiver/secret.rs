//! Values that cannot print themselves.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A secret text: `Debug` shows `***`.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// An absolute http(s) URL that shows only scheme and host: services put their keys into paths and queries.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Arc<url::Url>);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, to be sent.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SecretUrl {
    /// Reads an absolute http or https URL.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the URL.
    pub fn parse(text: &str) -> Result<SecretUrl, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the URL is empty; if it comes from `${…}`, that is empty".to_owned());
        }
        if text.starts_with('$') {
            return Err("this is no URL; a variable is written `${NAME}`".to_owned());
        }
        let url =
            url::Url::parse(text).map_err(|_| "this is no URL; write it in full: `https://host/path`".to_owned())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("a URL here begins with `https://` or `http://`, not `{}:`", url.scheme()));
        }
        // Browsers take fewer or other slashes for slips; here the host would be another than it seems.
        if !text[url.scheme().len()..].starts_with("://") {
            return Err(format!("two slashes belong behind `{0}:`: `{0}://host/path`", url.scheme()));
        }
        Ok(SecretUrl(Arc::new(url)))
    }

    /// The URL itself, to be called.
    #[must_use]
    pub fn expose(&self) -> &url::Url {
        &self.0
    }

    /// Whether it names a user or password, which are sent as `Authorization`.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    /// What must not be shown: the URL as a whole, its path with query, its password.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let url = &self.0;
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let mut secrets = Vec::new();
        // A path as short as this is no key, and masking it would garble every text.
        if path.len() > 8 {
            secrets.extend([url.as_str().to_owned(), path]);
        }
        secrets.extend(url.password().map(str::to_owned));
        secrets
    }
}

impl SecretUrl {
    /// What in it looks like a key: a password, a value of the query, a part of the path that is no word. As it stands in the URL.
    #[must_use]
    pub fn credentials(&self) -> Vec<String> {
        let url = &self.0;
        let parts = url.path().split('/').filter(|part| is_key_like(part)).map(str::to_owned);
        let pairs = url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let values = pairs.filter(|(name, value)| !value.is_empty() && (names_a_secret(name) || is_key_like(value)));
        parts.chain(values.map(|(_, value)| value.to_owned())).chain(url.password().map(str::to_owned)).collect()
    }
}

/// Whether what has this name (of a header, of a URL's query) is a secret, as far as names tell: `X-Api-Key`, `access_token`, `sig`.
pub(crate) fn names_a_secret(name: &str) -> bool {
    const WHOLE: [&str; 6] = ["auth", "code", "cookie", "pass", "pwd", "sig"];
    const ENDS: [&str; 6] = ["authorization", "key", "password", "secret", "signature", "token"];
    let name = name.to_ascii_lowercase();
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| WHOLE.contains(&word) || ENDS.iter().any(|end| word.ends_with(end)))
}

/// Whether a text is made of letters and digits as no name is: `T024BE7LDAbc91xyz`, a UUID.
#[must_use]
pub fn is_key_like(text: &str) -> bool {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    let mixed = |run: &str| run.len() >= 16 && digits(run) >= 2 && run.bytes().any(|b| b.is_ascii_alphabetic());
    let is_uuid = text.len() == 36
        && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    is_uuid || text.split(['-', '_', '.', '~', '%']).any(mixed)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SecretUrl::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

impl JsonSchema for SecretUrl {
    fn schema_name() -> Cow<'static, str> {
        "Url".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": r"^\s*[hH][tT][tT][pP][sS]?://", "patternErrorMessage": "A URL here begins with https:// or http://."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_prints_itself() {
        let url = SecretUrl::parse("https://user:pw@hooks.example/services/T0/B0/key?x=1").unwrap();
        assert_eq!(
            format!("{url} {url:?} {:?}", Secret::new("key")),
            "https://hooks.example/… https://hooks.example/… ***"
        );
        assert_eq!(
            url.secrets(),
            ["https://user:pw@hooks.example/services/T0/B0/key?x=1", "/services/T0/B0/key?x=1", "pw"]
        );
        assert_eq!(SecretUrl::parse("http://127.0.0.1:9/").unwrap().secrets(), [""; 0]);
    }

    #[test]
    fn keys_in_urls_are_told_from_plain_addresses() {
        for (url, keys) in [
            ("https://tickets.example.com/api/v2/incidents", &[][..]),
            ("https://events.example.com/webhooks/v1alpha1/jobEvents?team=data&priority=high", &[]),
            ("https://example.com/hooks/monitoring-of-data-products-2025", &[]),
            ("https://user:hunter2@example.com/", &["hunter2"]),
            ("https://example.com/run?code=abc&sig=x%2By&api-version=2016-10-01", &["abc", "x%2By"]),
            ("https://example.com/?apiKey=k1&monkey=&keyword=none", &["k1"]),
            ("https://discord.example/api/webhooks/11/aBc4dEf5gHi6jKl7mNo8", &["aBc4dEf5gHi6jKl7mNo8"]),
            ("https://example.com/0b0c1d2e-1111-4222-8333-944455556666/in", &["0b0c1d2e-1111-4222-8333-944455556666"]),
        ] {
            assert_eq!(SecretUrl::parse(url).unwrap().credentials(), keys, "{url}");
        }
        for (name, tells) in [("Authorization", true), ("X-API-KEY", true), ("X-Team", false), ("Keyword", false)] {
            assert_eq!(names_a_secret(name), tells, "{name}");
        }
    }

    #[test]
    fn a_refused_url_is_not_repeated() {
        for bad in ["", "hooks.example/key", "ftp://hooks.example/key", "${SLACK}"] {
            let why = SecretUrl::parse(bad).unwrap_err();
            assert!(!why.contains("key") && !why.contains("SLACK"), "{why}");
        }
    }
}
