use proptest::prelude::*;

use super::*;

#[test]
fn addresses_and_rules() {
    // (address, refused always, refused with --deny-private)
    let table = [
        ("169.254.169.254", true, true),
        ("::ffff:169.254.169.254", true, true),
        ("::ffff:0:169.254.169.254", true, true),
        ("::169.254.169.254", true, true),
        ("64:ff9b::a9fe:a9fe", true, true),
        ("64:ff9b:1::a9fe:a9fe", true, true),
        ("64:ff9b:1:a9fe:a9:fe00::", true, true),
        ("64:ff9b:1:12a9:fe:a9fe::", true, true),
        ("64:ff9b:1:1234:a9:fea9:fe00:0", true, true),
        ("2002:a9fe:a9fe::1", true, true),
        ("2001:0:a9fe:a9fe::1", true, true),
        ("2001:0:4136:e378:8000:63bf:5601:5601", true, true),
        ("2001:db8:1:2::5efe:169.254.169.254", true, true),
        ("2606:2800:1:2:200:5efe:a9fe:a9fe", true, true),
        ("fe80::1", true, true),
        ("febf::1", true, true),
        ("fd00:ec2::254", true, true),
        ("fd00:ec2::23", true, true),
        ("fd20:ce::254", true, true),
        ("fd00:c1::a9fe:a9fe", true, true),
        ("fd00:42::42", true, true),
        ("fd00:a9fe:a9fe::1", true, true),
        ("fd00:100::100:200", true, true),
        ("100.100.100.200", true, true),
        ("168.63.129.16", true, true),
        ("192.0.0.192", true, true),
        ("224.0.0.1", true, true),
        ("239.255.255.255", true, true),
        ("255.255.255.255", true, true),
        ("ff02::1", true, true),
        ("::ffff:224.0.0.1", true, true),
        ("10.1.2.3", false, true),
        ("172.16.0.1", false, true),
        ("172.31.255.255", false, true),
        ("172.32.0.0", false, false),
        ("192.168.1.1", false, true),
        ("100.64.0.1", false, true),
        ("127.0.0.1", false, true),
        ("198.18.0.1", false, true),
        ("203.0.113.7", false, true),
        ("240.0.0.1", false, true),
        ("::1", false, true),
        ("::", false, true),
        ("0.0.0.0", false, true),
        ("::ffff:10.0.0.1", false, true),
        ("64:ff9b:1:0a00:0:100::", false, true),
        ("2002:7f00:1::", false, true),
        ("fc00::1", false, true),
        ("fec0::1", false, true),
        ("93.184.216.34", false, false),
        ("64:ff9b::5db8:d822", false, false),
        ("64:ff9b:1::5db8:d822", false, false),
        ("64:ff9b:1:5db8:d8:2200::", false, false),
        ("2002:5db8:d822::1", false, false),
        ("2606:2800:220:1::1", false, false),
        ("2606:2800:220:1::a9fe:a9fe", false, false),
    ];
    for (text, always, on_request) in table {
        let ip: IpAddr = text.parse().expect("a test address");
        assert_eq!(forbidden(ip, false).is_some(), always, "{text}");
        assert_eq!(forbidden(ip, true).is_some(), on_request, "{text} with --deny-private");
    }
}

#[test]
fn every_spelling_of_an_address_is_seen_through() {
    for host in [
        "169.254.169.254",
        "169.254.169.254.",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "2852039166",
        "0251.0376.0251.0376",
        "0251.254.0xa9fe",
        "169.16689662",
        "%31%36%39.254.169.254",
        "１６９.254.169.254",
        "169。254。169。254",
        "[::ffff:a9fe:a9fe]",
        "[::ffff:169.254.169.254]",
        "[64:FF9B:0::a9fe:a9fe]",
        "[fe80::1]",
    ] {
        let url = Url::parse(&format!("http://{host}:80/latest")).unwrap_or_else(|e| panic!("{host}: {e}"));
        assert!(forbidden_literal(&url, false).is_some(), "{host}");
    }
    for host in ["169.254.169.254", "0xa9fea9fe", "2852039166", "fe80::1", "[fe80::1]", "fe80::1%eth0", "[fe80::1%2]"] {
        assert!(forbidden_name(host, false).is_some(), "{host}");
    }
    for host in ["example.com", "localhost", "a9fea9fe", "169.254.169.254.nip.io", "metadata.google.internal", ""] {
        assert_eq!(forbidden_name(host, true), None, "{host} is the resolver's to tell");
    }
    assert!(forbidden_name("10.0.0.1", false).is_none() && forbidden_name("10.0.0.1", true).is_some());
}

/// The rule said another way: over the address's text in binary.
fn told_by_its_bits(ip: Ipv4Addr, deny_private: bool) -> bool {
    let bits = ip.octets().map(|octet| format!("{octet:08b}")).concat();
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| bits.starts_with(prefix));
    let text = ip.to_string();
    let never = text.starts_with("169.254.")
        || ["100.100.100.200", "168.63.129.16", "192.0.0.192"].contains(&text.as_str())
        || begins(&["1110", "11111111111111111111111111111111"]);
    let private = ip.is_private()
        || ip.is_loopback()
        || ip.is_documentation()
        || ["0.", "10.", "192.0.0.", "198.18.", "198.19."].iter().any(|start| text.starts_with(start))
        || begins(&["0110010001", "1111"]);
    never || deny_private && private
}

/// Forms that carry an IPv4 address, written out as their standards do; whether translators take any address there.
fn carriers([a, b, c, d]: [u8; 4]) -> [(String, bool); 13] {
    let v4 = format!("{a}.{b}.{c}.{d}");
    let turned = format!("{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d);
    let plain = format!("{a:02x}{b:02x}:{c:02x}{d:02x}");
    [
        (format!("::{v4}"), true),
        (format!("::ffff:{v4}"), true),
        (format!("::ffff:0:{v4}"), true),
        (format!("64:ff9b::{v4}"), true),
        (format!("64:ff9b:1:77:66:55:{v4}"), false),
        (format!("64:ff9b:1:{a:02x}{b:02x}:{c:02x}:{d:02x}00:0:0"), false),
        (format!("64:ff9b:1:9{a:02x}:{b:02x}:{c:02x}{d:02x}:0:0"), false),
        (format!("64:ff9b:1:1234:{a:02x}:{b:02x}{c:02x}:{d:02x}00:0"), false),
        (format!("2002:{plain}::1"), true),
        (format!("2001:0:{plain}:8000:1234:a247:27dd"), true),
        (format!("2001:0:5db8:d822:8000:1234:{turned}"), true),
        (format!("2606:2800:1:2:0:5efe:{v4}"), true),
        (format!("2606:2800:1:2:200:5efe:{v4}"), true),
    ]
}

/// Random ones, and those near the bounds of what is special.
fn any_v4() -> impl Strategy<Value = Ipv4Addr> {
    let bounds: Vec<u32> = NEVER_V4
        .iter()
        .map(|(prefix, length, _)| (*prefix, *length))
        .chain(PRIVATE_V4)
        .flat_map(|(prefix, length)| {
            let (first, size) = (prefix.to_bits(), 1_u64 << (32 - length));
            let last = first.wrapping_add(u32::try_from(size - 1).expect("a prefix has a length"));
            [first, first.wrapping_sub(1), last, last.wrapping_add(1)]
        })
        .collect();
    prop_oneof![any::<u32>(), proptest::sample::select(bounds)].prop_map(Ipv4Addr::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_rule_said_another_way_agrees(ip in any_v4(), deny_private: bool) {
        prop_assert_eq!(forbidden(ip.into(), deny_private).is_some(), told_by_its_bits(ip, deny_private));
    }

    #[test]
    fn no_form_hides_an_address(ip in any_v4(), deny_private: bool) {
        for (text, any) in carriers(ip.octets()) {
            let carrier: IpAddr = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            // Where one prefix has several lengths, what is no one's address is not read as one.
            let wanted = told_by_its_bits(ip, deny_private) && (any || (1..224).contains(&ip.octets()[0]));
            prop_assert!(!wanted || forbidden(carrier, deny_private).is_some(), "{} in {}", ip, text);
            // And an ordinary one is not refused for its form, but where another reading of it is none.
            let free = !told_by_its_bits(ip, true) && any && !(text.starts_with("::") && ip.octets()[0] == 0);
            prop_assert!(!free || forbidden(carrier, true).is_none(), "{} in {}", ip, text);
        }
    }

    #[test]
    fn an_ordinary_ipv6_address_is_judged_by_its_first_bits(bits: u128) {
        let ip = Ipv6Addr::from(bits);
        let [first, second, ..] = ip.segments();
        let carries = first == 0 || first == 0x64 || first == 0x2002 || (first == 0x2001 && second == 0) || ip.segments()[5] == 0x5efe;
        let never = ip.is_unicast_link_local() || ip.is_multicast() || (first == 0xfd00 && second == 0xec2);
        let private = ip.is_unique_local() || first & 0xffc0 == 0xfec0 || (first == 0x2001 && second == 0xdb8);
        if !carries {
            prop_assert_eq!(forbidden(ip.into(), false).is_some(), never);
            prop_assert_eq!(forbidden(ip.into(), true).is_some(), never || private);
        }
    }
}
