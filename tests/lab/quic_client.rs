//! The witness's QUIC: a handshake for HTTP/3, and nothing more.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, VarInt};
use tokio::time::timeout;

use crate::witness::{Judge, WAIT};

/// Shakes hands with `to` as with the server `name`, and says in one word what came of it: `trusted`, who signed a chain
/// that is not, or the failure.
pub(crate) async fn look(to: SocketAddr, name: &str) -> String {
    match timeout(WAIT, handshake(to, name)).await {
        Ok(seen) => seen.unwrap_or_else(|error| error.to_string()),
        Err(_) => "timeout".into(),
    }
}

async fn handshake(to: SocketAddr, name: &str) -> Result<String> {
    let judge = Arc::new(Judge::new()?);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(judge.clone())
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let any = match to {
        SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
    };
    let endpoint = Endpoint::client(any)?;
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let connection = endpoint.connect_with(config, to, name)?.await?;
    connection.close(VarInt::from_u32(0), b"");
    Ok(judge.said())
}
