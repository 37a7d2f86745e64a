//! The map of the lab: places, prefixes and fixed addresses, all from the benchmark range 198.18.0.0/15 (RFC 2544) and
//! the documentation prefix 2001:db8::/32 (RFC 3849).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use serde::Deserialize;

/// The ranges of all addresses of the lab.
pub(crate) const RANGES: [&str; 2] = ["198.18.0.0/15", "2001:db8::/32"];
/// The vantage.
pub(crate) const VANTAGE: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(198, 18, 1, 2), v6(1, 0, 2));
/// The ISP's router, in whose name ICMP messages come.
pub(crate) const ROUTER: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(198, 18, 1, 1), v6(1, 0, 1));
/// The ISP's resolver.
pub(crate) const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 2, 53);
/// The ISP's other resolver.
pub(crate) const OTHER_RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 2, 54);
/// A stable site in the country.
pub(crate) const DOMESTIC_CANARY: (&str, Ipv4Addr, Ipv6Addr) =
    ("canary.isp.lab", Ipv4Addr::new(198, 18, 2, 10), v6(2, 0, 0x10));
/// A stable site abroad.
pub(crate) const FOREIGN_CANARY: (&str, Ipv4Addr, Ipv6Addr) =
    ("canary.world.lab", Ipv4Addr::new(198, 19, 254, 1), v6(3, 0xfe, 1));
/// The encrypted resolver: DoH on 443, DoT on 853, clear text on 53.
pub(crate) const TRUE_RESOLVER: (&str, Ipv4Addr) = ("dns.lab", Ipv4Addr::new(198, 19, 0, 53));
/// The SOCKS5 proxy, which stands for an encrypted tunnel out of the country.
pub(crate) const WAY_OUT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 19, 0, 10), 1080);
/// From where the way out reaches sites over IPv6.
pub(crate) const WAY_OUT_V6: Ipv6Addr = v6(3, 0, 0x10);

/// The vantage's end of another tunnel, which leads out of the country for every protocol. It stands in the vantage's
/// namespace, and what comes from it passes no censor.
pub(crate) const TUNNEL: Ipv4Addr = Ipv4Addr::new(198, 18, 3, 2);

/// The IPv6 address that stands for an IPv4 one behind the ISP's translator (RFC 6052 section 2.1).
pub(crate) fn translated(address: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d] = address.octets();
    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// The IPv4 address that it stands for.
pub(crate) fn behind_translator(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let embedded = Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]);
    (translated(embedded) == address).then_some(embedded)
}

const fn v6(place: u16, subnet: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, place, subnet, 0, 0, 0, host)
}

/// A place: one network namespace, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// 198.18.1.0/24, 2001:db8:1::/48: where the instrument runs.
    Vantage,
    /// 198.18.2.0/24, 2001:db8:2::/48: resolver, domestic sites, the censor's own hosts.
    Isp,
    /// 198.19.0.0/24, 2001:db8:3::/64: the way out and the encrypted resolver. Its traffic to the world passes no
    /// censor.
    Abroad,
    /// 198.18.3.0/24: the vantage's end of a tunnel, in the same namespace.
    Tunnel,
    /// The rest of 198.19.0.0/16 and 2001:db8:3::/48: the sites.
    World,
}

impl Place {
    /// The place of an address; None when it is nowhere in the lab.
    pub(crate) fn of(address: impl Into<IpAddr>) -> Option<Self> {
        match address.into() {
            IpAddr::V4(address) => match address.octets() {
                [198, 18, 1, _] => Some(Self::Vantage),
                [198, 18, 2, _] => Some(Self::Isp),
                [198, 18, 3, _] => Some(Self::Tunnel),
                [198, 19, 0, _] => Some(Self::Abroad),
                [198, 19, ..] => Some(Self::World),
                _ => None,
            },
            IpAddr::V6(address) => match address.segments() {
                [0x2001, 0xdb8, 1, ..] => Some(Self::Vantage),
                [0x2001, 0xdb8, 2, ..] => Some(Self::Isp),
                [0x2001, 0xdb8, 3, 0, ..] => Some(Self::Abroad),
                [0x2001, 0xdb8, 3, ..] => Some(Self::World),
                _ => None,
            },
        }
    }

    /// The place in whose namespace it is.
    pub(crate) fn house(self) -> Self {
        if self == Self::Tunnel { Self::Vantage } else { self }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vantage => "vantage",
            Self::Isp => "isp",
            Self::Abroad => "abroad",
            Self::Tunnel => "tunnel",
            Self::World => "world",
        }
    }
}
