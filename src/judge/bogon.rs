//! Addresses that no public site can have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Special-purpose IPv4 ranges that are not globally reachable (IANA registry, RFC 6890), multicast and reserved space
/// among them: network, prefix length.
const V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Whether `address` cannot be a public site's, unless it lies in one of the `allowed` ranges.
pub(super) fn is_bogon(address: IpAddr, allowed: &[IpNet]) -> bool {
    if allowed.iter().any(|net| net.contains(&address)) {
        return false;
    }
    match address {
        IpAddr::V4(v4) => is_bogon_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_bogon(IpAddr::V4(v4), allowed),
            None => is_bogon_v6(v6),
        },
    }
}

fn is_bogon_v4(address: Ipv4Addr) -> bool {
    V4.iter().any(|&(network, length)| {
        let shift = 32 - u32::from(length);
        address.to_bits() >> shift == network.to_bits() >> shift
    })
}

/// Only 2000::/3 is given out as global unicast (RFC 4291), less the documentation ranges (RFC 3849, RFC 9637); the
/// NAT64 prefix 64:ff9b::/96 (RFC 6052) leads to public IPv4 and counts as public.
fn is_bogon_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let nat64 = address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let documentation = (a == 0x2001 && b == 0xdb8) || (a == 0x3fff && b < 0x1000);
    !nat64 && (a >> 13 != 1 || documentation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_ranges_are_bogons_and_their_neighbours_are_not() {
        for bogon in [
            "0.0.0.0",
            "10.10.34.34",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "172.31.255.255",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_bogon(bogon.parse().unwrap(), &[]), "{bogon}");
        }
        for public in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1",
            "64:ff9b::808:808",
        ] {
            assert!(!is_bogon(public.parse().unwrap(), &[]), "{public}");
        }
    }

    #[test]
    fn allowed_ranges_count_as_public() {
        let lab: IpNet = "10.0.0.0/8".parse().unwrap();
        assert!(!is_bogon("10.1.2.3".parse().unwrap(), &[lab]));
        assert!(!is_bogon("::ffff:10.1.2.3".parse().unwrap(), &[lab]));
        assert!(is_bogon("192.168.0.1".parse().unwrap(), &[lab]));
    }
}
