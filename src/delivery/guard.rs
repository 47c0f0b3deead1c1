//! Addresses no receiver may reach: link-local and cloud-metadata ones always, private ones on request.
//!
//! The rule is asked about the very addresses a connection is then made to, and about IP literals, which resolvers never see. An IPv6
//! address may carry an IPv4 one to a translator or a tunnel: every IPv4 address that it may be read as is judged too. What a network
//! makes of a translation prefix of its own (RFC 6052, 2.2; 6rd) no address shows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

const LINK_LOCAL: &str = "link-local (cloud metadata) addresses are never called";
const METADATA: &str = "cloud-metadata addresses are never called";
const MANY: &str = "multicast and broadcast addresses are never called";
const PRIVATE: &str = "private addresses are not called (--deny-private)";

/// Never called: prefix, its length, why. The metadata services are those outside the link-local ranges: of Alibaba, Azure and Oracle.
const NEVER_V4: [(Ipv4Addr, u32, &str); 6] = [
    (Ipv4Addr::new(169, 254, 0, 0), 16, LINK_LOCAL),
    (Ipv4Addr::new(100, 100, 100, 200), 32, METADATA),
    (Ipv4Addr::new(168, 63, 129, 16), 32, METADATA),
    (Ipv4Addr::new(192, 0, 0, 192), 32, METADATA),
    (Ipv4Addr::new(224, 0, 0, 0), 4, MANY),
    (Ipv4Addr::BROADCAST, 32, MANY),
];

/// The same of IPv6. The metadata services are those of AWS (with its credentials of containers), Google, Oracle, Scaleway, Akamai and
/// Alibaba.
const NEVER_V6: [(Ipv6Addr, u32, &str); 8] = [
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, LINK_LOCAL),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, METADATA),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, METADATA),
    (Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128, METADATA),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128, METADATA),
    (Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1), 128, METADATA),
    (Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200), 128, METADATA),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, MANY),
];

/// What IANA's registry of special addresses says is not reached from everywhere.
const PRIVATE_V4: [(Ipv4Addr, u32); 12] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The same of IPv6. Site-local addresses are given up, but routers still take them for their own.
const PRIVATE_V6: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
];

/// Why `address` must not be called, if so.
#[must_use]
pub fn forbidden(address: IpAddr, deny_private: bool) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => forbidden_v4(v4, deny_private),
        IpAddr::V6(v6) => {
            forbidden_v6(v6, deny_private).or_else(|| embedded(v6).find_map(|v4| forbidden_v4(v4, deny_private)))
        }
    }
}

/// Why the IP address that `url` names outright must not be called, if so. URLs know the spellings `0xa9fea9fe`, `2852039166` and
/// `0251.0376.0251.0376`.
#[must_use]
pub fn forbidden_literal(url: &Url, deny_private: bool) -> Option<String> {
    forbidden_host(&url.host()?.to_owned(), deny_private)
}

/// The same of a mail server's or a proxy's host as written; of IPv6 with brackets or without, a zone after it or none.
#[must_use]
pub fn forbidden_name(host: &str, deny_private: bool) -> Option<String> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    let host = bare.parse().map(Host::Ipv6).or_else(|_| Host::parse(bare)).ok()?;
    forbidden_host(&host, deny_private)
}

fn forbidden_host(host: &Host, deny_private: bool) -> Option<String> {
    let address = match host {
        Host::Ipv4(v4) => IpAddr::V4(*v4),
        Host::Ipv6(v6) => IpAddr::V6(*v6),
        Host::Domain(_) => return None,
    };
    forbidden(address, deny_private).map(|why| format!("{address}: {why}"))
}

fn forbidden_v4(ip: Ipv4Addr, deny_private: bool) -> Option<&'static str> {
    let within = |prefix: Ipv4Addr, length: u32| (ip.to_bits() ^ prefix.to_bits()) >> (32 - length) == 0;
    let never = NEVER_V4.iter().find(|(prefix, length, _)| within(*prefix, *length));
    never.map(|(.., why)| *why).or_else(|| {
        let private = PRIVATE_V4.iter().any(|(prefix, length)| within(*prefix, *length));
        (deny_private && private).then_some(PRIVATE)
    })
}

fn forbidden_v6(ip: Ipv6Addr, deny_private: bool) -> Option<&'static str> {
    let never = NEVER_V6.iter().find(|(prefix, length, _)| within_v6(ip, *prefix, *length));
    never.map(|(.., why)| *why).or_else(|| {
        let private = PRIVATE_V6.iter().any(|(prefix, length)| within_v6(ip, *prefix, *length));
        (deny_private && private).then_some(PRIVATE)
    })
}

fn within_v6(ip: Ipv6Addr, prefix: Ipv6Addr, length: u32) -> bool {
    (ip.to_bits() ^ prefix.to_bits()) >> (128 - length) == 0
}

/// Every IPv4 address that an IPv6 one may stand for.
fn embedded(ip: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let octets = ip.octets();
    let of = |places: [usize; 4]| places.map(|place| octets[place]);
    let last = of([12, 13, 14, 15]);
    let is = |prefix: [u16; 8], length| within_v6(ip, Ipv6Addr::from(prefix), length);
    let local = is([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
    // Several lengths are possible under that prefix, so most readings are none: what no translator takes says nothing.
    let translated = |v4: [u8; 4]| (local && (1..224).contains(&v4[0]), v4);
    let isatap = matches!(ip.segments(), [_, _, _, _, 0 | 0x100 | 0x200 | 0x300, 0x5efe, _, _]);
    let teredo = is([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);
    [
        // Compatible (RFC 4291, 2.5.5.1), mapped (2.5.5.2), translated (RFC 2765, 2.1).
        (is([0; 8], 96), last),
        (is([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), last),
        (is([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), last),
        // NAT64 by the well-known prefix (RFC 6052, 2.1), and by those that RFC 8215 leaves to each network: of 96, 48, 56 or 64 bits,
        // around an octet of zeroes (RFC 6052, 2.2).
        (is([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), last),
        translated(last),
        translated(of([6, 7, 9, 10])),
        translated(of([7, 9, 10, 11])),
        translated(of([9, 10, 11, 12])),
        // 6to4 (RFC 3056, 2); Teredo's server and its client, whose bits are turned over (RFC 4380, 4).
        (is([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), of([2, 3, 4, 5])),
        (teredo, of([4, 5, 6, 7])),
        (teredo, last.map(|octet| !octet)),
        // ISATAP (RFC 5214, 6.1).
        (isatap, last),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .map(|(_, v4)| Ipv4Addr::from(v4))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
