//! Without credentials only this machine is answered: a page in a browser (through DNS rebinding or a form) and a proxy that
//! publishes the port both look local on the wire, and both give themselves away in their headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::http::header::{self, HeaderMap};

/// Whether a request comes from this machine and was meant for it. `authority` is that of the request's target, if it has one.
///
/// # Errors
/// What gave it away.
pub fn local(headers: &HeaderMap, authority: Option<&str>) -> Result<(), String> {
    let mut hosts = headers.get_all(header::HOST);
    let (first, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return Err("there are several Host headers".to_owned());
    }
    let host = match (authority, first) {
        (Some(authority), _) => authority,
        (None, Some(host)) => host.to_str().map_err(|_| "the Host header is not text".to_owned())?,
        (None, None) => return Err("there is no Host header".to_owned()),
    };
    if !is_loopback(host) {
        return Err(format!("the Host is {:?}, which is not this machine", shortened(host)));
    }
    for (name, _) in headers {
        let name = name.as_str();
        if matches!(name, "forwarded" | "x-real-ip" | "via") || name.starts_with("x-forwarded-") {
            return Err(format!("the header {name} says that a proxy is in between"));
        }
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        if !host.is_some_and(is_loopback) {
            return Err("the Origin header says that a web page sent it".to_owned());
        }
    }
    Ok(())
}

/// Whether `host`, with or without a port, names this machine: `localhost`, 127.0.0.0/8, `[::1]`.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                return address.parse::<Ipv6Addr>().is_ok_and(|a| IpAddr::V6(a).to_canonical().is_loopback())
                    && is_port(port);
            }
            None => return false,
        },
        None => host.find(':').map_or((host, ""), |colon| host.split_at(colon)),
    };
    is_port(port) && (name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok_and(|a| a.is_loopback()))
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn said(pairs: &[(&'static str, &'static str)]) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        local(&headers, None)
    }

    #[test]
    fn this_machine_has_these_names_and_no_others() {
        let ours =
            ["localhost", "LocalHost:8080", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8080", "[::ffff:127.0.0.1]:80"];
        let others = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:80:x",
            "10.0.0.1",
            "0.0.0.0",
            "[::2]",
            "[::1",
            "[::1]x",
            "::1",
            "",
            "2130706433",
            "127.1",
            "localhost:80a",
            "169.254.169.254",
        ];
        for host in ours {
            assert_eq!(said(&[("host", host)]), Ok(()), "{host}");
        }
        for host in others {
            assert!(said(&[("host", host)]).is_err(), "{host}");
        }
    }

    #[test]
    fn proxies_and_web_pages_are_not_this_machine() {
        let proxied = ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-anything", "x-real-ip", "via"];
        for name in proxied {
            let reason = said(&[("host", "localhost"), (name, "127.0.0.1")]).unwrap_err();
            assert!(reason.contains(name), "{reason}");
        }
        assert!(said(&[("host", "localhost"), ("origin", "https://evil.example")]).unwrap_err().contains("web page"));
        assert!(said(&[("host", "localhost"), ("origin", "null")]).is_err());
        assert_eq!(said(&[("host", "localhost"), ("origin", "http://localhost:8080")]), Ok(()));
    }

    #[test]
    fn the_host_must_be_said_once() {
        assert!(said(&[]).is_err());
        assert!(said(&[("host", "localhost"), ("host", "evil.example")]).is_err());
        assert!(local(&HeaderMap::new(), Some("evil.example")).is_err());
        assert_eq!(local(&HeaderMap::new(), Some("localhost:8080")), Ok(()));
    }
}
