//! The TLS handshake on a stream that is already open: every fault of the chain recorded, nothing trusted that
//! does not verify (DESIGN 3; RFC 8446, RFC 5246).

mod alert;
mod certificate;
mod faults;
mod verifier;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

pub(in crate::probe) use self::certificate::record;
use self::certificate::{MAX_CERTIFICATE_BYTES, MAX_CHAIN};
pub(super) use self::verifier::{Recorded, RecordingVerifier};
use super::roots::Roots;
use super::wire::{Wire, WireNotes};
use crate::model::{AddressOrigin, CertificateFault, Failure, TlsHandshake};
use crate::vantage::Connection;

/// One handshake to be made.
pub(super) struct Hello<'a> {
    pub(super) hop: u8,
    pub(super) address: SocketAddr,
    pub(super) host: &'a Host<String>,
    /// The measurement's beginning.
    pub(super) origin: Instant,
    pub(super) deadline: Instant,
}

/// Makes the handshake. The stream comes back whenever the handshake ended, whatever the chain was worth.
pub(super) async fn handshake(
    roots: &Roots,
    hello: &Hello<'_>,
    wire: Wire<Connection>,
    notes: &WireNotes,
) -> (TlsHandshake, Option<TlsStream<Wire<Connection>>>) {
    let started = Instant::now();
    let mut record = TlsHandshake {
        hop: hello.hop,
        address: hello.address,
        origin: AddressOrigin::Own,
        server_name: sni(hello.host),
        started: started.duration_since(hello.origin).into(),
        elapsed: Default::default(),
        failure: None,
        alert: None,
        version: None,
        cipher: None,
        alpn: None,
        chain: Vec::new(),
        faults: Vec::new(),
    };
    let verifier = Arc::new(RecordingVerifier::new(roots.clone()));
    let prepared = client_config(roots, Arc::clone(&verifier)).zip(server_name(hello.host));
    let Some((config, name)) = prepared else {
        record.failure = Some(Failure::Unknown("the host cannot be named in TLS".to_owned()));
        return (record, None);
    };
    let connector = TlsConnector::from(Arc::new(config));
    let outcome = timeout_at(hello.deadline.into(), connector.connect(name, wire)).await;
    record.elapsed = started.elapsed().into();
    let recorded = verifier.take();
    let stream = match outcome {
        Err(_) => {
            record.failure = Some(Failure::GenericTimeout);
            None
        }
        Ok(Err(error)) => {
            (record.failure, record.alert) = broken(&error, notes);
            None
        }
        Ok(Ok(stream)) => {
            record.failure = fault_failure(&recorded);
            let (_, session) = stream.get_ref();
            record.version = session.protocol_version().map(version_name);
            record.cipher = session.negotiated_cipher_suite().map(|suite| {
                // The library's own names for TLS 1.3 suites differ from the registered ones (RFC 8446 B.4).
                format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
            });
            record.alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
            Some(stream)
        }
    };
    record.chain = recorded
        .chain
        .iter()
        .filter(|der| der.len() <= MAX_CERTIFICATE_BYTES)
        .take(MAX_CHAIN)
        .map(|der| certificate::record(der))
        .collect();
    record.faults = recorded.faults.into_iter().collect();
    (record, stream)
}

fn client_config(roots: &Roots, verifier: Arc<RecordingVerifier>) -> Option<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(roots.provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session shows no chain.
    config.resumption = Resumption::disabled();
    Some(config)
}

/// The name to verify for; a trailing dot is no part of it (RFC 6066 section 3).
pub(super) fn server_name(host: &Host<String>) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
        Host::Ipv4(ip) => Some(ServerName::IpAddress((*ip).into())),
        Host::Ipv6(ip) => Some(ServerName::IpAddress((*ip).into())),
    }
}

/// The name that goes over the wire; none for an address (RFC 6066 section 3).
pub(super) fn sni(host: &Host<String>) -> String {
    match host {
        Host::Domain(name) => name.trim_end_matches('.').to_owned(),
        Host::Ipv4(_) | Host::Ipv6(_) => String::new(),
    }
}

/// The failure that stands for the chain's faults. None when it verifies.
pub(super) fn fault_failure(recorded: &Recorded) -> Option<Failure> {
    if recorded.faults.contains(&CertificateFault::UnknownIssuer) {
        Some(Failure::SslUnknownAuthority)
    } else if recorded.faults.contains(&CertificateFault::WrongName) {
        Some(Failure::SslInvalidHostname)
    } else if !recorded.faults.is_empty() || recorded.chain.is_empty() {
        Some(Failure::SslInvalidCertificate)
    } else {
        None
    }
}

fn broken(error: &io::Error, notes: &WireNotes) -> (Option<Failure>, Option<String>) {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(description)) => {
            (Some(Failure::SslFailedHandshake), Some(alert::name(*description)))
        }
        Some(_) => (Some(Failure::SslFailedHandshake), None),
        None => (Some(notes.ended().unwrap_or_else(|| Failure::from_io(error))), None),
    }
}

fn version_name(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}
