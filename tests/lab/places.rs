//! The map of the lab: places, prefixes and fixed addresses, all from the benchmark range 198.18.0.0/15 (RFC 2544).

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::Deserialize;

/// The range of all addresses of the lab.
pub(crate) const RANGE: &str = "198.18.0.0/15";
/// The vantage.
pub(crate) const VANTAGE: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 2);
/// The ISP's router, in whose name ICMP messages come.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
/// The ISP's resolver.
pub(crate) const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 2, 53);
/// A stable site in the country.
pub(crate) const DOMESTIC_CANARY: (&str, Ipv4Addr) = ("canary.isp.lab", Ipv4Addr::new(198, 18, 2, 10));
/// A stable site abroad.
pub(crate) const FOREIGN_CANARY: (&str, Ipv4Addr) = ("canary.world.lab", Ipv4Addr::new(198, 19, 254, 1));
/// The encrypted resolver: DoH on 443, DoT on 853, clear text on 53.
pub(crate) const TRUE_RESOLVER: (&str, Ipv4Addr) = ("dns.lab", Ipv4Addr::new(198, 19, 0, 53));
/// The SOCKS5 proxy, which stands for an encrypted tunnel out of the country.
pub(crate) const WAY_OUT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 19, 0, 10), 1080);

/// A place: one network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// 198.18.1.0/24: where the instrument runs.
    Vantage,
    /// 198.18.2.0/24: resolver, domestic sites, the censor's own hosts.
    Isp,
    /// 198.19.0.0/24: the way out and the encrypted resolver. Its traffic to the world passes no censor.
    Abroad,
    /// The rest of 198.19.0.0/16: the sites.
    World,
}

impl Place {
    /// The place of an address; None when it is nowhere in the lab.
    pub(crate) fn of(address: Ipv4Addr) -> Option<Self> {
        match address.octets() {
            [198, 18, 1, _] => Some(Self::Vantage),
            [198, 18, 2, _] => Some(Self::Isp),
            [198, 19, 0, _] => Some(Self::Abroad),
            [198, 19, ..] => Some(Self::World),
            _ => None,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vantage => "vantage",
            Self::Isp => "isp",
            Self::Abroad => "abroad",
            Self::World => "world",
        }
    }
}
