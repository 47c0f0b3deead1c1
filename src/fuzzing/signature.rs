//! Any key, credential and body: what is signed verifies by an implementation of its own, and a door opens to its key alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::event::DeliveryId;
use crate::receiver::signed;
use crate::server::credential_fits;

/// Reads a credential as a flag, a header's value and a body, parted by lines `---`.
///
/// # Panics
/// When a signature does not verify, a credential lets in what it should not, or an error repeats a secret.
pub fn signature(data: &[u8]) {
    let [flag, header, body] = super::parts(data);
    signs(&flag, body.as_bytes());
    if let Err(why) = signed(&flag, DeliveryId(1), Timestamp::UNIX_EPOCH, b"") {
        // One of two sentences, whatever the secret is: neither repeats it.
        let of = |secret| signed(secret, DeliveryId(1), Timestamp::UNIX_EPOCH, b"").expect_err("no signing secret");
        assert!([of(""), of("whsec_!")].contains(&why), "{why}");
    }
    for name in ["authorization", "x-api-key"] {
        if let Some(fits) = credential_fits(&flag, name, header.as_bytes()) {
            assert_eq!(fits, expected(&flag, name, &header), "{flag:?} for {name}: {header:?}");
        }
    }
    if let Some(("basic", pair)) = flag.split_once(':') {
        let right = format!("Basic {}", STANDARD.encode(pair));
        let fits = credential_fits(&flag, "authorization", right.as_bytes());
        assert_ne!(fits, Some(false), "{flag:?} does not open its own door");
    }
}

/// With `key` as a secret.
fn signs(key: &str, body: &[u8]) {
    let now = Timestamp::from_second(1_764_686_764).expect("in range");
    let secret = format!("whsec_{}", STANDARD.encode(key));
    let headers = match signed(&secret, DeliveryId(1 << 50), now, body) {
        Ok(headers) => headers,
        Err(why) => return assert!(key.is_empty(), "{why}"),
    };
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
    let (id, time) = (header("webhook-id").expect("an ID"), header("webhook-timestamp").expect("a time"));
    let text = [id.as_bytes(), b".", time.as_bytes(), b".", body].concat();
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(key.as_bytes(), &text)));
    assert_eq!(header("webhook-signature"), Some(expected.as_str()));
    assert_eq!(time, "1764686764");
}

/// RFC 2104, from the hash alone.
fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    let hashed;
    let key = if key.len() > 64 {
        hashed = Sha256::digest(key);
        &hashed[..]
    } else {
        key
    };
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

/// Whether a header opens a door, by plain comparison.
fn expected(flag: &str, name: &str, header: &str) -> bool {
    let (kind, rest) = flag.split_once(':').unwrap_or_default();
    if kind.trim() == "basic" {
        let Some((scheme, value)) = header.split_once(' ') else { return false };
        let (given, right) = (value.trim().trim_end_matches('='), STANDARD.encode(rest));
        return name == "authorization" && scheme.eq_ignore_ascii_case("basic") && given == right.trim_end_matches('=');
    }
    let (wanted, value) = rest.split_once(':').unwrap_or_default();
    wanted.trim().eq_ignore_ascii_case(name) && header.as_bytes().trim_ascii() == value.trim().as_bytes()
}
