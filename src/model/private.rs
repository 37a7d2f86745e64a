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
    match with_address(resolver) {
        Some((before, address)) if is_private(address) => Cow::Owned(format!("{before}{STAND_IN}")),
        _ => Cow::Borrowed(resolver),
    }
}

/// The address of a resolver, where it may be shown to others.
pub(super) fn public_resolver(resolver: &str) -> Option<IpAddr> {
    with_address(resolver).map(|(_, address)| address).filter(|address| !is_private(*address))
}

/// A resolver's address, and what stands before it.
fn with_address(resolver: &str) -> Option<(&str, IpAddr)> {
    let start = resolver.rfind('@').map(|at| at + 1).or_else(|| resolver.find("://").map(|at| at + 3))?;
    let (before, address) = resolver.split_at(start);
    Some((before, address.parse::<SocketAddr>().ok()?.ip()))
}

/// Where a server listens, as a log line may tell it: an address of this machine that is more than loopback or `0.0.0.0`
/// is its own business, and whoever set it knows it.
pub fn shown_listener(listen: SocketAddr) -> String {
    let ip = listen.ip().to_canonical();
    if ip.is_loopback() || ip.is_unspecified() { listen.to_string() } else { format!("ADDRESS:{}", listen.port()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_tells_its_port_and_no_address_of_the_machine() {
        for (listen, shown) in [
            ("127.0.0.1:9645", "127.0.0.1:9645"),
            ("[::1]:9645", "[::1]:9645"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::]:80", "[::]:80"),
            ("203.0.113.9:9645", "ADDRESS:9645"),
            ("10.1.2.3:9645", "ADDRESS:9645"),
            ("[2001:db8::1]:443", "ADDRESS:443"),
        ] {
            assert_eq!(shown_listener(listen.parse().unwrap()), shown);
        }
    }

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
            assert_eq!(public_resolver(resolver).is_some(), resolver == shown && resolver != "system", "{resolver}");
        }
    }
}
