//! Name resolution: one question to one resolver over its own transport, and every answer that comes (DESIGN 3).
//!
//! Our own exchanges rather than a stub resolver's, because a stub hides what we are here to see: it takes the
//! first answer that fits and drops the rest. Only the reference (`Reference`) rests on hickory-resolver.

mod connector;
mod datagram;
mod framed;
mod https;
mod message;
mod record;
mod reference;
mod resolv_conf;
mod secure;
mod service;
mod system;
#[cfg(test)]
mod tests;
mod udp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::ResolverSpec;
use crate::model::{DnsExchange, DnsRole, QueryType};
use crate::vantage::Vantage;

pub use reference::{Reference, ReferenceError};

/// The name servers that a datagram question to `resolver` goes to, the first one first; none for other transports.
pub(super) async fn datagram_servers(resolver: &ResolverSpec) -> Vec<std::net::SocketAddr> {
    match resolver {
        ResolverSpec::System => {
            let servers = system::NameServers::default();
            resolv_conf::read(&servers.path, servers.port).await
        }
        ResolverSpec::Udp(server) => vec![*server],
        ResolverSpec::Tcp(_) | ResolverSpec::Dot { .. } | ResolverSpec::Doh { .. } => Vec::new(),
    }
}

/// What is asked, and for which measurement.
#[derive(Debug, Clone, Copy)]
pub struct DnsQuery<'a> {
    /// Position in the redirect chain.
    pub hop: u8,
    /// The name, in its ASCII form; never an address.
    pub name: &'a str,
    /// What is asked for.
    pub query_type: QueryType,
    /// Whose resolver it is.
    pub role: DnsRole,
    /// When the measurement began: `started` counts from here.
    pub origin: Instant,
    /// One question to one server. A truncated answer's second try over TCP may add half of it.
    pub timeout: Duration,
}

/// Asks one resolver. `tls` tells whom DoT and DoH trust.
///
/// Gives one exchange per question sent: more than one when a datagram was repeated after silence, when a
/// truncated answer sent us to TCP, or when the system's name servers were gone through (then `timeout` holds for
/// each of them). Fails never: every failure is in the exchanges.
pub async fn ask(
    vantage: &Vantage,
    resolver: &ResolverSpec,
    query: &DnsQuery<'_>,
    tls: &Arc<rustls::ClientConfig>,
) -> Vec<DnsExchange> {
    let label = resolver.to_string();
    match resolver {
        ResolverSpec::System => system::ask(vantage, &system::NameServers::default(), query).await,
        ResolverSpec::Udp(server) => udp::ask(vantage, *server, &label, query).await,
        ResolverSpec::Tcp(server) => vec![framed::ask_tcp(vantage, *server, &label, query).await],
        ResolverSpec::Dot { name, address } => {
            vec![framed::ask_tls(vantage, name, *address, &label, query, tls).await]
        }
        ResolverSpec::Doh { url, address } => vec![https::ask(vantage, url, *address, &label, query, tls).await],
    }
}
