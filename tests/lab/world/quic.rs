//! QUIC servers: they shake hands for HTTP/3 and keep the connection open, and say nothing over it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Result;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, ServerConfig};

use super::authority::Issuing;
use super::web;
use crate::scenario::Host;

/// Serves port 443 (UDP) of a host's addresses, if it speaks QUIC. `today` is the world's date.
pub(crate) fn serve(host: &Host, today: SystemTime) -> Result<()> {
    if !host.quic {
        return Ok(());
    }
    let issuing = Issuing { authority: host.authority, certificate: host.certificate, today };
    let tls = web::acceptor(issuing, &host.names, &[b"h3"])?;
    let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls.config().clone())?));
    for address in std::iter::once(IpAddr::V4(host.address)).chain(host.address6.map(IpAddr::V6)) {
        let endpoint = Endpoint::server(config.clone(), SocketAddr::new(address, 443))?;
        tokio::spawn(async move {
            while let Some(connecting) = endpoint.accept().await {
                tokio::spawn(async move {
                    if let Ok(connection) = connecting.await {
                        connection.closed().await;
                    }
                });
            }
        });
    }
    Ok(())
}
