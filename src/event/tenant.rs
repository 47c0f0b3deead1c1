//! The tenant: the host of an envelope's `source`, which senders write with and without a scheme.

use compact_str::CompactString;

/// Host of a URI reference, in lower case, without user and port: `acme.tamr.cloud` of `acme.tamr.cloud/webhooks/7`,
/// `//acme.tamr.cloud` and `https://acme.tamr.cloud:443/x`. Empty if it has none.
pub(super) fn host(source: &str) -> CompactString {
    let (authority, sure) = match source.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) => {
            (rest, true)
        }
        _ => source.strip_prefix("//").map_or((source, false), |rest| (rest, true)),
    };
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let host = match address.find(']') {
        Some(end) if address.starts_with('[') => &address[..=end],
        _ => address.rsplit_once(':').map_or(address, |(host, _)| host),
    };
    // Without `//` it may as well be a path or a URN: only what looks like a domain is taken for a host.
    let domain = || host.contains('.') && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if !sure && !domain() {
        return CompactString::default();
    }
    if host.is_ascii() {
        let mut host = CompactString::from(host);
        host.make_ascii_lowercase();
        host
    } else {
        host.to_lowercase().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_host_is_found_however_the_source_is_written() {
        for (source, tenant) in [
            ("acme.tamr.cloud/webhooks/v1", "acme.tamr.cloud"),
            ("https://Acme.Tamr.Cloud/webhooks", "acme.tamr.cloud"),
            ("//acme.tamr.cloud", "acme.tamr.cloud"),
            ("https://user:pass@acme.tamr.cloud:8443?x=1", "acme.tamr.cloud"),
            ("acme.tamr.cloud:443/x", "acme.tamr.cloud"),
            ("http://localhost:8080/", "localhost"),
            ("http://[::1]:80/x", "[::1]"),
            ("https://ABCDEFGHIJKLMNOPΣ/x", "abcdefghijklmnopς"),
            ("/jobrelay", ""),
            ("", ""),
            ("urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", ""),
            ("mailto:someone", ""),
            ("tamr", ""),
        ] {
            assert_eq!(host(source), tenant, "{source}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(source in ".*") {
            let _ = host(&source);
        }
    }
}
