//! Standard Webhooks: signing what is sent, so that the receiver can tell it from forgeries.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use sha2::Sha256;

use super::{Header, Secret};
use crate::event::DeliveryId;

/// A signing secret: `whsec_` and base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SigningSecret {
    text: Secret,
    key: Key,
}

#[derive(Clone, PartialEq, Eq)]
struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl SigningSecret {
    /// Reads `whsec_<base64>`.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the secret.
    pub fn parse(text: &str) -> Result<SigningSecret, String> {
        let text = text.trim();
        let base64 = text.strip_prefix("whsec_").ok_or("a signing secret begins with `whsec_`")?;
        let key = STANDARD.decode(base64).or_else(|_| STANDARD_NO_PAD.decode(base64));
        match key {
            Ok(key) if !key.is_empty() => Ok(SigningSecret { text: Secret::new(text), key: Key(key) }),
            _ => {
                Err("after `whsec_` a signing secret is base64; make one with `echo whsec_$(openssl rand -base64 32)`"
                    .to_owned())
            }
        }
    }

    /// What must not be shown.
    pub fn secret(&self) -> &str {
        self.text.expose()
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key.0).expect("HMAC takes keys of any size");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The headers for one attempt: the same ID on every retry, the time of this one, a signature for each secret.
pub(super) fn headers(secrets: &[SigningSecret], delivery: DeliveryId, now: Timestamp, body: &[u8]) -> Vec<Header> {
    if secrets.is_empty() {
        return Vec::new();
    }
    let (id, timestamp) = (delivery.to_string(), now.as_second());
    let signatures: Vec<_> = secrets.iter().map(|secret| secret.sign(&id, timestamp, body)).collect();
    vec![
        ("webhook-id".into(), id.into()),
        ("webhook-timestamp".into(), timestamp.to_string().into()),
        ("webhook-signature".into(), signatures.join(" ").into()),
    ]
}

/// The headers of a message signed with the one secret `text` is, for fuzzing.
///
/// # Errors
/// A sentence, if it is no secret.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn signed(text: &str, delivery: DeliveryId, now: Timestamp, body: &[u8]) -> Result<Vec<Header>, String> {
    Ok(headers(&[SigningSecret::parse(text)?], delivery, now, body))
}

impl<'de> Deserialize<'de> for SigningSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SigningSecret::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for SigningSecret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SigningSecret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": r"^\s*whsec_", "patternErrorMessage": "A signing secret begins with whsec_."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks reference implementations.
    #[test]
    fn the_published_example() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn several_secrets_give_several_signatures() {
        let one = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let two = SigningSecret::parse("whsec_AAAA").unwrap();
        let headers = headers(&[one, two], DeliveryId(1), Timestamp::UNIX_EPOCH, b"x");
        assert_eq!(headers[0].1, DeliveryId(1).to_string());
        assert_eq!(headers[1].1, "0");
        assert_eq!(headers[2].1.matches("v1,").count(), 2);
        assert_eq!(headers[2].1.split(' ').count(), 2);
    }

    #[test]
    fn a_bad_secret_is_not_repeated() {
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_not base64!"] {
            let why = SigningSecret::parse(bad).unwrap_err();
            assert!(!why.contains("MfKQ") && !why.contains("not base64!"), "{why}");
        }
    }
}
