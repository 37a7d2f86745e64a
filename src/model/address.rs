//! Which addresses cannot be a public site's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::labels::labels;

labels! {
    /// A family of internet addresses.
    "address family"
    pub enum AddressFamily {
        /// IPv4.
        Ipv4 => "ipv4",
        /// IPv6.
        Ipv6 => "ipv6",
    }
}

impl AddressFamily {
    /// The family of an address, as its packets travel.
    pub const fn of(ip: IpAddr) -> Self {
        if ip.is_ipv6() { Self::Ipv6 } else { Self::Ipv4 }
    }
}

/// Whether `ip` cannot be the address of a public site: a resolver that gives it for one lies or errs.
///
/// Follows the IANA special-purpose registries (RFC 6890). An IPv6 address that carries an IPv4 address
/// (IPv4-mapped, 6to4, Teredo, NAT64) is judged by that. Ranges in `allow_private` are never bogons.
pub fn is_bogon(ip: IpAddr, allow_private: &[IpNet]) -> bool {
    if allow_private.iter().any(|range| range.contains(&ip)) {
        return false;
    }
    match ip {
        IpAddr::V4(v4) => is_bogon_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_bogon(IpAddr::V4(v4), allow_private),
            None => is_bogon_v6(v6),
        },
    }
}

fn is_bogon_v4(ip: Ipv4Addr) -> bool {
    match ip.octets() {
        [0 | 10 | 127 | 224..=255, ..] => true,
        [100, b, ..] => (64..128).contains(&b),
        [169, 254, ..] | [192, 168, ..] | [192, 0, 0 | 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] => true,
        [172, b, ..] => (16..32).contains(&b),
        [203, 0, 113, _] => true,
        _ => false,
    }
}

/// Global unicast is 2000::/3 (RFC 4291 section 2.4, RFC 3587); within it some ranges are not.
fn is_bogon_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [first, ..] if first & 0xe000 != 0x2000 => true,
        // Documentation: RFC 3849, RFC 9637.
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => true,
        // Benchmarking (RFC 5180), retired ORCHID (RFC 4843).
        [0x2001, 0x0002, 0, ..] | [0x2001, 0x0010..=0x001f, ..] => true,
        _ => false,
    }
}

/// The IPv4 address that an IPv6 address carries, otherwise `ip` itself.
pub fn carried(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => embedded_v4(v6).map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match ip.segments() {
        // IPv4-mapped (RFC 4291 section 2.5.5.2).
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(from(high, low)),
        // NAT64 (RFC 6052).
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(from(high, low)),
        // Teredo (RFC 4380): the client's address, its bits inverted.
        [0x2001, 0, _, _, _, _, high, low] => Some(from(!high, !low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bogon(text: &str) -> bool {
        is_bogon(text.parse().unwrap(), &[])
    }

    #[test]
    fn special_ranges_are_bogons_to_their_very_ends() {
        for text in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.10.34.35",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::1.2.3.4",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "2001:db8::1",
            "3fff::1",
            "2001:2::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "2002:a00:1::",
            "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        ] {
            assert!(bogon(text), "{text}");
        }
    }

    #[test]
    fn their_neighbours_are_not() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.0.3.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.1",
            "203.0.112.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::",
            "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
            "2001:4860:4860::8888",
            "2001:20::1",
        ] {
            assert!(!bogon(text), "{text}");
        }
    }

    #[test]
    fn allowed_ranges_are_never_bogons() {
        let allowed = ["10.9.0.0/16".parse().unwrap(), "fd00:9::/32".parse().unwrap()];
        for text in ["10.9.1.1", "fd00:9::1", "::ffff:10.9.1.1", "64:ff9b::a09:101"] {
            assert!(!is_bogon(text.parse().unwrap(), &allowed), "{text}");
        }
        for text in ["10.8.1.1", "fd00:8::1", "127.0.0.1", "::ffff:10.8.1.1"] {
            assert!(is_bogon(text.parse().unwrap(), &allowed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn mapped_addresses_are_judged_as_what_they_carry(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            prop_assert_eq!(is_bogon(v4.into(), &[]), is_bogon(v4.to_ipv6_mapped().into(), &[]));
        }

        #[test]
        fn whatever_is_allowed_is_public(bits: u128) {
            let ip = IpAddr::V6(Ipv6Addr::from(bits));
            prop_assert!(!is_bogon(ip, &[IpNet::from(ip)]));
        }
    }
}
