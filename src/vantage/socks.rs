//! A SOCKS5 way out (RFC 1928), without authentication.
//!
//! What the proxy says of the peer is evidence on the peer; a proxy that cannot be reached or does not speak the
//! protocol is evidence on nothing but itself. Some proxies (OpenSSH's among them) report success before they
//! have tried: with those a refused connection shows as a stream that ends at once.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_socks::Error;
use tokio_socks::tcp::Socks5Stream;

use super::Connection;
use super::direct::Direct;
use crate::model::Failure;

/// Addresses of the proxy's name that are tried.
const PROXY_ADDRESSES: usize = 4;

/// Bytes of the proxy's answer to the greeting: once they are here, the request is under way.
const GREETING_ANSWER: usize = 2;

/// Connects to `address` through the proxy at `proxy` (`host:port`).
pub(super) async fn connect(proxy: &str, address: SocketAddr, timeout: Duration) -> Result<Connection, Failure> {
    let deadline = Instant::now() + timeout;
    let stream = tokio::time::timeout_at(deadline, dial(proxy)).await.map_err(|_| Failure::ProxyFailed)??;
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Counted { stream, heard: Arc::clone(&heard) };
    match tokio::time::timeout_at(deadline, Socks5Stream::connect_with_socket(counted, address)).await {
        Ok(Ok(tunnel)) => Ok(Box::new(tunnel.into_inner().stream)),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) if heard.load(Ordering::Relaxed) >= GREETING_ANSWER => Err(Failure::GenericTimeout),
        Err(_) => Err(Failure::ProxyFailed),
    }
}

/// A connection to the proxy itself, its name resolved by the system.
async fn dial(proxy: &str) -> Result<TcpStream, Failure> {
    let addresses = tokio::net::lookup_host(proxy).await.map_err(|_| Failure::ProxyFailed)?;
    for address in addresses.take(PROXY_ADDRESSES) {
        if let Ok(stream) = Direct::default().connect(address).await {
            return Ok(stream);
        }
    }
    Err(Failure::ProxyFailed)
}

/// What the proxy's reply (RFC 1928 section 6) says of the peer.
fn failure(error: &Error) -> Failure {
    match error {
        Error::HostUnreachable => Failure::HostUnreachable,
        Error::NetworkUnreachable => Failure::NetworkUnreachable,
        Error::ConnectionRefused => Failure::ConnectionRefused,
        // Proxies (Tor among them) answer so when the peer kept silent.
        Error::TtlExpired => Failure::TimedOut,
        Error::AddressTypeNotSupported => Failure::AddressFamilyNotSupported,
        _ => Failure::ProxyFailed,
    }
}

/// A stream that counts what was read from it, so that a silent proxy is told from a silent peer.
struct Counted {
    stream: TcpStream,
    heard: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.heard.fetch_add(buf.filled().len() - before, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
