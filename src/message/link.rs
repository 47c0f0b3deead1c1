//! Which addresses a message may link to.

use url::Url;

/// An address a link inside `text` may have: absolute `http`, `https` or `mailto`, normalised, so that it holds no spaces, quotes or angle brackets.
pub(super) fn target(address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    match url.scheme() {
        "http" | "https" => web(address),
        "mailto" => Some(tidy(&url)),
        _ => None,
    }
}

/// An address a message's `link` may have: absolute `http` or `https`, normalised.
pub(super) fn web(address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| tidy(&url))
}

/// The URL standard leaves a few characters alone that mean something to chat services.
fn tidy(url: &Url) -> String {
    url.as_str().replace('|', "%7C").replace('>', "%3E").replace('<', "%3C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_a_person_may_open() {
        let cases = [
            ("https://x.example/a?b=c#d", Some("https://x.example/a?b=c#d")),
            (" http://x.example ", Some("http://x.example/")),
            ("https://x.example/a|b>c", Some("https://x.example/a%7Cb%3Ec")),
            ("mailto:ops@x.example", Some("mailto:ops@x.example")),
            ("javascript:alert(1)", None),
            ("/relative", None),
            ("", None),
        ];
        for (address, expected) in cases {
            assert_eq!(target(address).as_deref(), expected, "{address}");
        }
        assert_eq!(web("mailto:ops@x.example"), None);
    }
}
