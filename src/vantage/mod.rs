//! Places that measurements are taken from: how a connection is made and which resolvers are a vantage's own
//! (DESIGN 3).
//!
//! A vantage is a way out: this machine's network, perhaps bound to an interface or a source address, or a
//! SOCKS5 tunnel. What is asked over it, and what the answers mean, is decided elsewhere.

mod direct;
mod inward;
mod nat64;
mod socks;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UdpSocket;

use crate::config::{ResolverSpec, Role, VantageConfig, Via};
use crate::model::{CountryCode, Failure, VantageId};
use direct::Direct;
pub use inward::Inward;

/// A byte stream to a peer: plain TCP, or a tunnel.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream whose kind no longer matters.
pub type Connection = Box<dyn Stream>;

/// A network path with its resolvers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vantage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: VantageId,
    role: Role,
    country: CountryCode,
    resolvers: Vec<ResolverSpec>,
    path: Path,
}

#[derive(Debug)]
enum Path {
    Direct(Direct),
    Socks5 { proxy: String },
}

impl Vantage {
    /// The vantage that `config` describes. Opens nothing.
    pub fn new(config: &VantageConfig) -> Self {
        let path = match &config.via {
            Via::Direct { interface, source } => Path::Direct(Direct { interface: interface.clone(), source: *source }),
            Via::Socks5 { proxy } => Path::Socks5 { proxy: proxy.clone() },
        };
        Self {
            inner: Arc::new(Inner {
                id: config.id.clone(),
                role: config.role,
                country: config.country,
                resolvers: config.resolvers.clone(),
                path,
            }),
        }
    }

    /// Its pseudonym.
    pub fn id(&self) -> &VantageId {
        &self.inner.id
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.inner.role
    }

    /// Where it is.
    pub fn country(&self) -> CountryCode {
        self.inner.country
    }

    /// Its own resolvers, in order.
    pub fn resolvers(&self) -> &[ResolverSpec] {
        &self.inner.resolvers
    }

    /// Whether it is reached through a proxy: then there are no datagrams, and the system's name servers are
    /// not its own.
    pub fn is_tunnel(&self) -> bool {
        matches!(self.inner.path, Path::Socks5 { .. })
    }

    /// Opens a TCP connection from a fresh source port, TCP_NODELAY set.
    ///
    /// # Errors
    /// `GenericTimeout` when `timeout` passed, `ProxyFailed` when the proxy rather than the peer failed,
    /// `Interrupted` when this machine has no file descriptor or memory left, else what the system or the proxy told.
    pub async fn connect(&self, address: SocketAddr, timeout: Duration) -> Result<Connection, Failure> {
        match &self.inner.path {
            Path::Direct(direct) => match tokio::time::timeout(timeout, direct.connect(address)).await {
                Ok(connected) => Ok(Box::new(connected?)),
                Err(_) => Err(Failure::GenericTimeout),
            },
            Path::Socks5 { proxy } => socks::connect(proxy, address, timeout).await,
        }
    }

    /// An unconnected UDP socket of the address family, bound as the vantage is: an answer from any source
    /// reaches it.
    ///
    /// # Errors
    /// Always for a tunnel; else what the system says of the interface or source address.
    pub fn udp_socket(&self, ipv6: bool) -> Result<UdpSocket, Failure> {
        match &self.inner.path {
            Path::Direct(direct) => direct.udp_socket(ipv6),
            Path::Socks5 { .. } => Err(Failure::Unknown("no datagrams through a SOCKS5 tunnel".into())),
        }
    }
}
