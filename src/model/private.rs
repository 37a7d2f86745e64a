//! Addresses of a vantage's own network, which are nobody else's business (DESIGN 10).

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// What stands in the place of such an address.
const STAND_IN: &str = "private";

/// Whether an address is one that only a local network knows: private (RFC 1918, RFC 4193), shared by a carrier's
/// customers (RFC 6598), link-local or loopback.
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || shared
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// A resolver as it may be shown to others: `udp://192.168.1.1:53` tells the vantage's own network and becomes
/// `udp://private`; public ones stay.
pub fn shown_resolver(resolver: &str) -> Cow<'_, str> {
    let Some(start) = resolver.rfind('@').map(|at| at + 1).or_else(|| resolver.find("://").map(|at| at + 3)) else {
        return Cow::Borrowed(resolver);
    };
    let (before, address) = resolver.split_at(start);
    match address.parse::<SocketAddr>() {
        Ok(address) if is_private(address.ip()) => Cow::Owned(format!("{before}{STAND_IN}")),
        _ => Cow::Borrowed(resolver),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_networks_are_hidden() {
        for (resolver, shown) in [
            ("system", "system"),
            ("udp://192.168.1.1:53", "udp://private"),
            ("tcp://10.0.0.1:5353", "tcp://private"),
            ("udp://100.100.1.1:53", "udp://private"),
            ("udp://[fe80::1%2]:53", "udp://private"),
            ("udp://[fd00::1]:53", "udp://private"),
            ("udp://[::ffff:192.168.1.1]:53", "udp://private"),
            ("tls://router.home@172.16.0.1:853", "tls://router.home@private"),
            ("https://dns.example/dns-query@127.0.0.1:443", "https://dns.example/dns-query@private"),
            ("udp://9.9.9.9:53", "udp://9.9.9.9:53"),
            ("udp://100.128.0.1:53", "udp://100.128.0.1:53"),
            ("https://dns.quad9.net/dns-query@9.9.9.9:443", "https://dns.quad9.net/dns-query@9.9.9.9:443"),
            ("udp://[2620:fe::fe]:53", "udp://[2620:fe::fe]:53"),
        ] {
            assert_eq!(shown_resolver(resolver), shown);
        }
    }
}
