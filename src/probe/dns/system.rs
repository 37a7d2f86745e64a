//! The system's name servers, gone through as the C library's resolver does: in order, the next one when one is
//! silent or fails.

use std::path::PathBuf;

use super::{DnsQuery, resolv_conf, udp};
use crate::config::ResolverSpec;
use crate::model::{DnsExchange, Failure};
use crate::vantage::Vantage;

/// Where the name servers are named, and at which port they are asked.
#[derive(Debug, Clone)]
pub(super) struct NameServers {
    pub(super) path: PathBuf,
    pub(super) port: u16,
}

impl Default for NameServers {
    fn default() -> Self {
        Self { path: "/etc/resolv.conf".into(), port: 53 }
    }
}

/// Asks them until one knows: an address, no such name, or no such record.
pub(super) async fn ask(vantage: &Vantage, servers: &NameServers, query: &DnsQuery<'_>) -> Vec<DnsExchange> {
    let resolver = ResolverSpec::System.to_string();
    let mut exchanges = Vec::new();
    for server in resolv_conf::read(&servers.path, servers.port).await {
        let asked = udp::ask(vantage, server, &resolver, query).await;
        let is_known = asked
            .iter()
            .any(|exchange| matches!(exchange.failure, None | Some(Failure::DnsNxdomain | Failure::DnsNoAnswer)));
        exchanges.extend(asked);
        if is_known {
            break;
        }
    }
    exchanges
}
