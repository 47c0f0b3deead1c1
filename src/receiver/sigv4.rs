//! Signature Version 4 of AWS, for requests without a query.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::hex::hex;
use super::{Header, Request, Secret};

/// Who signs, and for what.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    pub access_key: &'a str,
    pub secret_key: &'a Secret,
    /// Of temporary credentials.
    pub session_token: Option<&'a Secret>,
    pub region: &'a str,
    pub service: &'static str,
}

impl Signer<'_> {
    /// Adds the time, the token and the signature. What is signed must not be changed afterwards.
    pub fn sign(&self, request: &mut Request, now: Timestamp) {
        let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = &stamp[..8];
        let mut added: Vec<Header> = vec![("X-Amz-Date".into(), stamp.clone().into())];
        added.extend(self.session_token.map(|token| ("X-Amz-Security-Token".into(), token.expose().to_owned().into())));
        let mut signed = vec![("host", host(request))];
        signed.extend(request.header("Content-Type").map(|value| ("content-type", value.to_owned())));
        signed.push(("x-amz-date", stamp.clone()));
        signed.extend(self.session_token.map(|token| ("x-amz-security-token", token.expose().to_owned())));
        signed.sort_unstable();
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");

        let mut canonical = format!("{}\n{}\n\n", request.method, request.url.expose().path());
        for (name, value) in &signed {
            let _ = writeln!(canonical, "{name}:{}", value.trim());
        }
        let _ = write!(canonical, "\n{names}\n{}", hex(&Sha256::digest(&request.body)));

        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let secret = format!("AWS4{}", self.secret_key.expose());
        let key = [date, self.region, self.service, "aws4_request"]
            .into_iter()
            .fold(secret.into_bytes(), |key, part| hmac(&key, part));
        let signature = hex(&hmac(&key, &to_sign));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key
        );
        added.push(("Authorization".into(), authorization.into()));
        for (name, value) in added {
            request.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
            request.headers.push((name, value));
        }
    }
}

/// As the client writes it into `Host`.
fn host(request: &Request) -> String {
    let url = request.url.expose();
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any size");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::SecretUrl;

    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    /// From AWS's published test suite for Signature Version 4 (`aws-sig-v4-test-suite`).
    #[test]
    fn the_published_vectors() {
        let cases = [
            ("post-vanilla", None, "", None, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "post-x-www-form-urlencoded",
                Some("application/x-www-form-urlencoded"),
                "Param1=value1",
                None,
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                "post-sts-header-before",
                None,
                "",
                Some(TOKEN),
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
        ];
        for (name, content_type, body, token, signature) in cases {
            let content_type = content_type.map(|value| ("Content-Type".into(), value.into()));
            let mut request = Request {
                method: "POST",
                url: SecretUrl::parse("https://example.amazonaws.com/").unwrap(),
                headers: content_type.into_iter().collect(),
                body: body.into(),
            };
            let token = token.map(Secret::new);
            let signer = Signer {
                access_key: "AKIDEXAMPLE",
                secret_key: &Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                session_token: token.as_ref(),
                region: "us-east-1",
                service: "service",
            };
            signer.sign(&mut request, "2015-08-30T12:36:00Z".parse().unwrap());
            let authorization = request.header("Authorization").unwrap();
            assert_eq!(authorization.rsplit_once("Signature=").unwrap().1, signature, "{name}");
        }
    }
}
