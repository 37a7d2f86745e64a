//! Where nobody is led: a site, a censor or an asker must not make this machine reach into itself or its own network.

use std::net::IpAddr;
use std::sync::Once;

use ipnet::IpNet;

use super::nat64::{self, Prefix};
use crate::model::{carried, is_bogon};

/// Azure's own service for its guests, at an address that looks public. Other clouds keep theirs in ranges that are
/// bogons.
const AZURE_WIRE_SERVER: [u8; 4] = [168, 63, 129, 16];

/// Which addresses are off limits at the moment.
#[derive(Debug, Clone)]
pub struct Inward {
    allow_private: Vec<IpNet>,
    /// Addresses that look public and are off limits all the same.
    never: Vec<IpAddr>,
    translator: Option<Prefix>,
}

impl Inward {
    /// What is off limits now, where the ranges of `[network] allow_private` are public: what cannot be public, what this
    /// machine itself has (what listens there may count on a firewall before it), and what a translator (NAT64) leads to
    /// any of those.
    pub async fn now(allow_private: &[IpNet]) -> Self {
        let tunnel = Self::of_tunnel(allow_private);
        let own = nix::ifaddrs::getifaddrs().inspect_err(|error| {
            static TOLD: Once = Once::new();
            TOLD.call_once(|| tracing::warn!(%error, "this machine's own addresses are not known, and so not refused"));
        });
        let own = own.into_iter().flatten().filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
        });
        let never = own.chain(tunnel.never).collect();
        Self { never, translator: nat64::prefix_here().await, ..tunnel }
    }

    /// The same for what is dialled at the end of a tunnel, from which this machine is reached as by anyone.
    pub fn of_tunnel(allow_private: &[IpNet]) -> Self {
        let never = vec![IpAddr::from(AZURE_WIRE_SERVER)];
        Self { allow_private: allow_private.to_vec(), never, translator: None }
    }

    /// Whether `ip` is off limits.
    pub fn forbids(&self, ip: IpAddr) -> bool {
        let translated = match (ip, self.translator) {
            (IpAddr::V6(v6), Some(prefix)) => prefix.taken_from(v6).map(IpAddr::V4),
            _ => None,
        };
        // Who tells the prefix may be who wants us led inward: it takes nothing away, and adds what it leads to.
        self.forbids_as(ip) || translated.is_some_and(|ip| self.forbids_as(ip))
    }

    fn forbids_as(&self, ip: IpAddr) -> bool {
        let forms = [ip, carried(ip)];
        let is_allowed = |form: &IpAddr| self.allow_private.iter().any(|range| range.contains(form));
        !forms.iter().any(is_allowed) && (is_bogon(ip, &[]) || forms.iter().any(|form| self.never.contains(form)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn whatever_leads_inside_is_forbidden() {
        let inward = Inward::now(&[]).await;
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
            assert!(inward.forbids(ip(text)), "{text}");
        }
        for text in ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2a00:64::a00:1"] {
            assert!(!inward.forbids(ip(text)), "{text}");
        }
    }

    #[tokio::test]
    async fn this_machines_own_addresses_are_forbidden_unless_allowed() {
        let own = Inward { never: vec![ip("8.8.8.8"), ip("2606:4700::1111")], ..Inward::now(&[]).await };
        for text in ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::1111"] {
            assert!(own.forbids(ip(text)), "{text}");
        }
        let allowed = Inward { allow_private: vec!["8.8.0.0/16".parse().unwrap()], ..own };
        assert!(!allowed.forbids(ip("8.8.8.8")) && !allowed.forbids(ip("::ffff:8.8.8.8")));
        assert!(allowed.forbids(ip("2606:4700::1111")));
        assert!(Inward::now(&[]).await.never.contains(&ip("127.0.0.1")), "the system tells them");
        assert!(!Inward::now(&["127.0.0.0/8".parse().unwrap()]).await.forbids(ip("127.0.0.1")));
    }

    #[tokio::test]
    async fn a_translator_of_the_network_s_own_is_seen_through() {
        let learnt = Prefix::of("2a00:64::192.0.0.170".parse().unwrap());
        let inward = Inward { translator: learnt, ..Inward::now(&[]).await };
        for text in ["2a00:64::10.0.0.1", "2a00:64::169.254.169.254", "2a00:64::168.63.129.16", "2a00:64::127.0.0.1"] {
            assert!(inward.forbids(ip(text)), "{text}");
        }
        for text in ["2a00:64::8.8.8.8", "2a00:65::10.0.0.1"] {
            assert!(!inward.forbids(ip(text)), "{text}");
        }
        // What a resolver teaches opens nothing: not even a prefix that is itself private, which is none.
        let own = Inward { never: vec![ip("2a00:64::8.8.8.8")], translator: learnt, ..Inward::of_tunnel(&[]) };
        assert!(own.forbids(ip("2a00:64::8.8.8.8")));
        for private in ["fd00:1:2:3::192.0.0.170", "fe80::192.0.0.170", "::192.0.0.170", "::ffff:192.0.0.170"] {
            assert_eq!(Prefix::of(private.parse().unwrap()), None, "{private}");
        }
    }

    #[test]
    fn the_end_of_a_tunnel_reaches_this_machine_as_anyone_does() {
        let tunnel = Inward::of_tunnel(&[]);
        for text in ["127.0.0.1", "10.0.0.1", "168.63.129.16", "64:ff9b::a83f:8110"] {
            assert!(tunnel.forbids(ip(text)), "{text}");
        }
        assert!(!tunnel.forbids(ip("8.8.8.8")));
    }
}
