//! Where nobody is led: a helper must not become a way into this machine or the network that it stands in.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::{carried, is_bogon};

/// Azure's own service for its guests, at an address that looks public. Other clouds keep theirs in ranges that are
/// bogons.
const AZURE_WIRE_SERVER: [u8; 4] = [168, 63, 129, 16];

/// Knows which addresses are off limits.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    allow_private: Vec<IpNet>,
}

impl Guard {
    /// A guard for which the ranges of `[network] allow_private` are public.
    pub(super) fn new(allow_private: Vec<IpNet>) -> Self {
        Self { allow_private }
    }

    /// Addresses that look public and are not to be dialled all the same: those of this machine, since what listens
    /// there may count on a firewall before it.
    pub(super) fn never(&self) -> Vec<IpNet> {
        let own = nix::ifaddrs::getifaddrs().into_iter().flatten().filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
        });
        let all = own.chain([IpAddr::from(AZURE_WIRE_SERVER)]);
        all.filter(|ip| !self.allow_private.iter().any(|range| range.contains(ip))).map(IpNet::from).collect()
    }

    /// Whether `ip` is off limits. `never` is what [`Guard::never`] gave.
    pub(super) fn forbids(&self, ip: IpAddr, never: &[IpNet]) -> bool {
        let of_range = |range: &IpNet| range.contains(&ip) || range.contains(&carried(ip));
        is_bogon(ip, &self.allow_private) || never.iter().any(of_range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_leads_inside_is_forbidden() {
        let guard = Guard::new(Vec::new());
        let never = guard.never();
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.20.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "224.0.0.251",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::fb",
            "::ffff:127.0.0.1",
            "::ffff:168.63.129.16",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::a83f:8110",
            "64:ff9b:1::1",
            "2002:7f00:1::",
        ] {
            assert!(guard.forbids(text.parse().unwrap(), &never), "{text}");
        }
        for text in ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(!guard.forbids(text.parse().unwrap(), &never), "{text}");
        }
    }

    #[test]
    fn this_machines_own_addresses_are_forbidden_unless_allowed() {
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let strict = Guard::new(Vec::new());
        assert!(strict.never().contains(&IpNet::from(here)));
        let lab = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(!lab.forbids(here, &lab.never()));
        // A public address of this machine is not a bogon and is refused all the same.
        let public: IpAddr = "8.8.8.8".parse().unwrap();
        assert!(strict.forbids(public, &[IpNet::from(public)]));
        assert!(strict.forbids("::ffff:8.8.8.8".parse().unwrap(), &[IpNet::from(public)]));
    }
}
