//! TLS towards a resolver: always verified, always with SNI, because a block by SNI is what we are here to see.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::model::Failure;
use crate::vantage::Connection;

/// Shakes hands with `name`, offering `protocols` (ALPN).
pub(super) async fn handshake(
    stream: Connection,
    name: &str,
    tls: &Arc<ClientConfig>,
    protocols: &[&[u8]],
) -> Result<TlsStream<Connection>, Failure> {
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| Failure::Unknown("the resolver's name is no server name".into()))?;
    let mut config = ClientConfig::clone(tls);
    config.enable_sni = true;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| failure(&error))
}

/// The failure that an error of a TLS stream means.
pub(super) fn failure(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => failure_of_tls(tls),
        None if error.kind() == io::ErrorKind::InvalidData => Failure::SslFailedHandshake,
        None => Failure::from_io(error),
    }
}

/// The failure that an error of rustls means.
pub(super) fn failure_of_tls(error: &rustls::Error) -> Failure {
    match error {
        rustls::Error::InvalidCertificate(fault) => match fault {
            CertificateError::UnknownIssuer => Failure::SslUnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Failure::SslInvalidHostname
            }
            _ => Failure::SslInvalidCertificate,
        },
        _ => Failure::SslFailedHandshake,
    }
}
