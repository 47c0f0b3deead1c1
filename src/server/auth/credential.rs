//! One way to show that one may: what to expect in which header, compared in constant time, never printed.

use std::fmt;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Headers with a meaning of their own, useless as a key.
const NOT_A_KEY: [&str; 8] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "user-agent",
    "accept",
];

/// A secret value, kept as its SHA-256: comparing digests takes the same time whatever the lengths, and the value itself need
/// not stay in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Expected([u8; 32]);

/// One accepted credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization: Basic …`
    Basic { user: String, pair: Expected },
    /// Any header of the admin's choice; `shown` is its name as it was typed.
    Header { name: HeaderName, shown: String, value: Expected },
    /// `Authorization: Bearer …`
    Bearer { token: Expected },
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Expected {
    fn new(value: &[u8]) -> Expected {
        Expected(Sha256::digest(value).into())
    }

    fn is(&self, value: &[u8]) -> bool {
        Expected::new(value).0.ct_eq(&self.0).into()
    }
}

impl Credential {
    /// Reads `basic:USER:PASSWORD` or `header:NAME:VALUE`.
    ///
    /// # Errors
    /// A sentence that never repeats what was given: it may be a secret in the wrong form.
    pub fn parse(text: &str) -> Result<Credential, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let (left, right) = rest.split_once(':').unwrap_or((rest, ""));
        match kind.trim() {
            "basic" if left.is_empty() || right.is_empty() => {
                Err("`basic` needs a user and a password: write basic:USER:PASSWORD".to_owned())
            }
            "basic" => Ok(Credential::Basic { user: left.to_owned(), pair: Expected::new(rest.as_bytes()) }),
            "header" => Credential::header(left.trim(), right.trim()),
            _ => Err("it begins neither with `basic:` nor with `header:`: write basic:USER:PASSWORD, header:NAME:VALUE or none".to_owned()),
        }
    }

    fn header(shown: &str, value: &str) -> Result<Credential, String> {
        if shown.is_empty() || value.is_empty() {
            return Err(
                "`header` needs a name and a value: write header:NAME:VALUE, such as header:X-API-KEY:…".to_owned()
            );
        }
        let name = HeaderName::from_bytes(shown.as_bytes()).map_err(|_| {
            "the name is none a header can have: use letters, digits and `-`, as in X-API-KEY".to_owned()
        })?;
        if NOT_A_KEY.contains(&name.as_str()) || name.as_str().starts_with("ce-") {
            return Err(format!("the header {name} has a meaning of its own: choose another, such as X-API-KEY"));
        }
        HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| "the value has characters no header can carry".to_owned())?;
        Ok(Credential::Header { name, shown: shown.to_owned(), value: Expected::new(value.as_bytes()) })
    }

    /// The admin token.
    ///
    /// # Errors
    /// A sentence.
    pub fn bearer(token: &str) -> Result<Credential, String> {
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(
                "a token is at least one character, and letters, digits and signs only, without blanks".to_owned()
            );
        }
        Ok(Credential::Bearer { token: Expected::new(token.as_bytes()) })
    }

    /// Whether these headers carry it. Takes as long for a wrong value as for the right one.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        match self {
            Credential::Basic { pair, .. } => authorization(headers, "basic").is_some_and(|given| {
                let given = given.trim_end_matches('=');
                STANDARD_NO_PAD.decode(given).is_ok_and(|given| pair.is(&given))
            }),
            Credential::Bearer { token } => {
                authorization(headers, "bearer").is_some_and(|given| token.is(given.as_bytes()))
            }
            Credential::Header { name, value, .. } => {
                headers.get_all(name).any(|given| value.is(given.as_bytes().trim_ascii()))
            }
        }
    }

    /// What to expect, for people: no value.
    pub fn label(&self) -> &str {
        match self {
            Credential::Basic { .. } => "Basic",
            Credential::Bearer { .. } => "Bearer",
            Credential::Header { shown, .. } => shown,
        }
    }

    /// What was given instead, for people: names and schemes, never a value.
    pub fn given(expected: &[Credential], headers: &HeaderMap) -> String {
        let mut given = Vec::new();
        for credential in expected {
            if let Credential::Header { name, shown, .. } = credential
                && headers.contains_key(name)
            {
                push_once(&mut given, format!("{shown} with another value"));
            }
        }
        let by_name = |wanted: &HeaderName| {
            expected.iter().any(|c| matches!(c, Credential::Header { name, .. } if name == wanted))
        };
        if headers.contains_key(header::AUTHORIZATION) && !by_name(&header::AUTHORIZATION) {
            let scheme =
                ["Basic", "Bearer", "Digest"].into_iter().find(|scheme| authorization(headers, scheme).is_some());
            push_once(
                &mut given,
                match scheme {
                    Some(scheme)
                        if expected.iter().any(|c| !matches!(c, Credential::Header { .. }) && c.label() == scheme) =>
                    {
                        format!("{scheme} with another value")
                    }
                    Some(scheme) => scheme.to_owned(),
                    None => "an Authorization of another scheme".to_owned(),
                },
            );
        }
        for shown in ["X-API-KEY", "API-KEY", "X-Auth-Token"] {
            let name = HeaderName::from_bytes(shown.as_bytes()).expect("a valid name");
            if headers.contains_key(&name) && !by_name(&name) {
                given.push(shown.to_owned());
            }
        }
        if given.is_empty() { "no credentials".to_owned() } else { given.join(" and ") }
    }
}

/// Whether a header opens the door that `flag` describes; `None` if the flag is refused, or no header can have the value. For fuzzing.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn credential_fits(flag: &str, name: &'static str, value: &[u8]) -> Option<bool> {
    let credential = Credential::parse(flag).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
    let _ = Credential::given(std::slice::from_ref(&credential), &headers);
    Some(credential.is_in(&headers))
}

/// The credential of an `Authorization` header of this scheme (compared without case).
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (given, rest) = value.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn push_once(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// What a sender would put after `Basic `.
#[cfg(test)]
pub fn basic_value(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Given<'a> = &'a [(&'a str, &'a str)];

    fn headers(pairs: Given<'_>) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn a_credential_is_found_where_it_was_said_and_only_there() {
        let basic = Credential::parse("basic:tamr:s3:cr:et").unwrap();
        let key = Credential::parse("header:X-API-KEY: k:1 ").unwrap();
        let bearer = Credential::bearer("tok-1").unwrap();
        let good = basic_value("tamr", "s3:cr:et");
        let unpadded = good.trim_end_matches('=').to_owned();
        let lower = good.replacen("Basic", "basic", 1);
        let cases: [(&Credential, Given<'_>, bool); 14] = [
            (&basic, &[("authorization", &good)], true),
            (&basic, &[("authorization", &unpadded)], true),
            (&basic, &[("authorization", &lower)], true),
            (&basic, &[("authorization", &basic_value("tamr", "other"))], false),
            (&basic, &[("authorization", "Basic !!!")], false),
            (&basic, &[("authorization", "Basic")], false),
            (&basic, &[], false),
            (&key, &[("x-api-key", "k:1")], true),
            (&key, &[("x-api-key", "old"), ("x-api-key", "k:1")], true),
            (&key, &[("x-api-key", "k:12")], false),
            (&key, &[("x-api-key", "")], false),
            (&bearer, &[("authorization", "Bearer tok-1")], true),
            (&bearer, &[("authorization", "Basic tok-1")], false),
            (&bearer, &[("authorization", "Bearer tok-1x")], false),
        ];
        for (credential, given, expected) in cases {
            assert_eq!(credential.is_in(&headers(given)), expected, "{credential:?} in {given:?}");
        }
    }

    #[test]
    fn a_wrong_flag_is_a_sentence_that_keeps_the_secret() {
        let cases = [
            ("hunter2", "neither with `basic:`"),
            ("basic:hunter2", "needs a user and a password"),
            ("basic::hunter2", "needs a user and a password"),
            ("header:hunter2", "needs a name and a value"),
            ("header::hunter2", "needs a name and a value"),
            ("header:X KEY:hunter2", "none a header can have"),
            ("header:Content-Type:hunter2", "meaning of its own"),
            ("header:ce-id:hunter2", "meaning of its own"),
            ("header:X-API-KEY:hunter2\nx", "no header can carry"),
        ];
        for (text, expected) in cases {
            let message = Credential::parse(text).unwrap_err();
            assert!(message.contains(expected), "{text:?}: {message}");
            assert!(!message.contains("hunter2"), "{text:?}: {message}");
        }
        assert!(Credential::bearer("").is_err() && Credential::bearer("a b").is_err());
    }

    #[test]
    fn what_was_given_is_named_without_its_value() {
        let key = [Credential::parse("header:X-API-KEY:k").unwrap()];
        let basic = [Credential::parse("basic:u:p").unwrap()];
        let cases: [(&[Credential], Given<'_>, &str); 8] = [
            (&key, &[("authorization", "Basic c2VjcmV0")], "Basic"),
            (&key, &[], "no credentials"),
            (&key, &[("x-api-key", "secret")], "X-API-KEY with another value"),
            (&key, &[("authorization", "Bearer secret"), ("api-key", "secret")], "Bearer and API-KEY"),
            (&key, &[("authorization", "secret")], "an Authorization of another scheme"),
            (&basic, &[("authorization", "Basic c2VjcmV0")], "Basic with another value"),
            (&basic, &[("x-api-key", "secret")], "X-API-KEY"),
            (&basic, &[("authorization", "Bearer secret")], "Bearer"),
        ];
        for (expected, given, said) in cases {
            assert_eq!(Credential::given(expected, &headers(given)), said, "{given:?}");
        }
    }

    #[test]
    fn no_secret_is_in_the_debug_form() {
        let credential = Credential::parse("basic:tamr:hunter2").unwrap();
        assert_eq!(format!("{credential:?}"), r#"Basic { user: "tamr", pair: *** }"#);
    }
}
