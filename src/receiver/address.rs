//! A service's own address, and what may stand in for it.

use super::SecretUrl;
use super::from_text::read_from_text;

/// Scheme and host that take the place of a service's own: a proxy, a self-hosted edition, a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint(SecretUrl);

impl Endpoint {
    fn parse(text: &str) -> Result<Endpoint, String> {
        let url = SecretUrl::parse(text)?;
        let shown = url.expose();
        if shown.path() != "/" || shown.query().is_some() || shown.fragment().is_some() || url.has_credentials() {
            return Err("an endpoint is only a scheme and a host, such as `https://gateway.example.com`; the path is the service's own"
                .to_owned());
        }
        Ok(Endpoint(url))
    }
}

/// The service's `own` address, with scheme and host of `endpoint` if there is one.
///
/// # Errors
/// A sentence, if a setting put into `own` breaks the address.
pub(super) fn address(own: &str, endpoint: Option<&Endpoint>) -> Result<SecretUrl, String> {
    let own = SecretUrl::parse(own)?;
    let Some(Endpoint(endpoint)) = endpoint else { return Ok(own) };
    let mut url = endpoint.expose().clone();
    url.set_path(own.expose().path());
    url.set_query(own.expose().query());
    SecretUrl::parse(url.as_str())
}

read_from_text! {
    Endpoint: {"type": "string", "format": "uri", "description": "Scheme and host in place of the service's own, for proxies, self-hosted editions and tests."};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_replaces_scheme_and_host_only() {
        let of = |endpoint: &str| {
            let endpoint = Endpoint::parse(endpoint).unwrap();
            address("https://api.example.com/v1/send?a=b", Some(&endpoint)).unwrap().expose().to_string()
        };
        assert_eq!(of("http://127.0.0.1:9"), "http://127.0.0.1:9/v1/send?a=b");
        assert_eq!(of("https://gate.example.com/"), "https://gate.example.com/v1/send?a=b");
        for wrong in ["https://x.example/path", "https://x.example?a=b", "x.example", "https://me@x.example"] {
            assert!(Endpoint::parse(wrong).is_err(), "{wrong}");
        }
    }
}
