//! Addresses no receiver may reach: link-local and cloud-metadata ones always, private ones on request.
//!
//! The rule is asked about the very addresses a connection is then made to, and about IP literals, which resolvers never see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Cloud metadata services outside the link-local ranges.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Why `address` must not be called, if so.
#[must_use]
pub fn forbidden(address: IpAddr, deny_private: bool) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => forbidden_v4(v4, deny_private),
        IpAddr::V6(v6) => {
            embedded_v4(v6).and_then(|v4| forbidden_v4(v4, deny_private)).or_else(|| forbidden_v6(v6, deny_private))
        }
    }
}

/// Why the IP address that `url` names outright must not be called, if so.
#[must_use]
pub fn forbidden_literal(url: &Url, deny_private: bool) -> Option<String> {
    let address = match url.host()? {
        Host::Ipv4(v4) => IpAddr::V4(v4),
        Host::Ipv6(v6) => IpAddr::V6(v6),
        Host::Domain(_) => return None,
    };
    forbidden(address, deny_private).map(|why| format!("{address}: {why}"))
}

fn forbidden_v4(ip: Ipv4Addr, deny_private: bool) -> Option<&'static str> {
    if ip.is_link_local() {
        return Some("link-local (cloud metadata) addresses are never called");
    }
    if METADATA_V4.contains(&ip) {
        return Some("cloud-metadata addresses are never called");
    }
    let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
    let private = ip.is_private() || ip.is_loopback() || ip.octets()[0] == 0 || shared;
    (deny_private && private).then_some("private addresses are not called (--deny-private)")
}

fn forbidden_v6(ip: Ipv6Addr, deny_private: bool) -> Option<&'static str> {
    if ip.is_unicast_link_local() {
        return Some("link-local addresses are never called");
    }
    if METADATA_V6.contains(&ip) {
        return Some("cloud-metadata addresses are never called");
    }
    let private = ip.is_unique_local() || ip.is_loopback() || ip.is_unspecified();
    (deny_private && private).then_some("private addresses are not called (--deny-private)")
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64 (RFC 6052, RFC 8215), 6to4.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let from = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => from(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => from(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_rules() {
        // (address, refused always, refused with --deny-private)
        let table = [
            ("169.254.169.254", true, true),
            ("::ffff:169.254.169.254", true, true),
            ("64:ff9b::a9fe:a9fe", true, true),
            ("64:ff9b:1::a9fe:a9fe", true, true),
            ("2002:a9fe:a9fe::1", true, true),
            ("::169.254.169.254", true, true),
            ("fe80::1", true, true),
            ("fd00:ec2::254", true, true),
            ("100.100.100.200", true, true),
            ("168.63.129.16", true, true),
            ("10.1.2.3", false, true),
            ("172.16.0.1", false, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("127.0.0.1", false, true),
            ("::1", false, true),
            ("::", false, true),
            ("0.0.0.0", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("fc00::1", false, true),
            ("93.184.216.34", false, false),
            ("2606:2800:220:1::1", false, false),
        ];
        for (text, always, on_request) in table {
            let ip: IpAddr = text.parse().expect("a test address");
            assert_eq!(forbidden(ip, false).is_some(), always, "{text}");
            assert_eq!(forbidden(ip, true).is_some(), on_request, "{text} with --deny-private");
        }
    }
}
