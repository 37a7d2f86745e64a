//! A verifier that records what it sees and lets the handshake go on, so that a block page behind a false
//! certificate can be read. It never makes anything trusted: trust is the absence of recorded faults.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::faults;
use crate::model::CertificateFault;
use crate::probe::roots::Roots;

/// What one handshake showed of the peer's certificates.
#[derive(Debug, Default)]
pub(in crate::probe) struct Recorded {
    /// The chain as sent, leaf first, DER.
    pub(in crate::probe) chain: Vec<Vec<u8>>,
    /// All that is wrong with it.
    pub(in crate::probe) faults: BTreeSet<CertificateFault>,
}

/// One per connection.
#[derive(Debug)]
pub(in crate::probe) struct RecordingVerifier {
    roots: Roots,
    recorded: Mutex<Recorded>,
}

impl RecordingVerifier {
    pub(in crate::probe) fn new(roots: Roots) -> Self {
        Self { roots, recorded: Mutex::default() }
    }

    /// What was seen so far; leaves nothing behind.
    pub(in crate::probe) fn take(&self) -> Recorded {
        std::mem::take(&mut *self.recorded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A signature that cannot be checked is as little proof as a wrong one, but it is another fault.
    fn record_signature(&self, result: Result<HandshakeSignatureValid, Error>) -> HandshakeSignatureValid {
        if let Err(error) = result {
            let fault = match error {
                Error::InvalidCertificate(CertificateError::BadSignature) => CertificateFault::BadSignature,
                _ => CertificateFault::Malformed,
            };
            self.recorded.lock().unwrap_or_else(PoisonError::into_inner).faults.insert(fault);
        }
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        let algorithms = &self.roots.provider().signature_verification_algorithms;
        let found = faults::of_chain(&chain, server_name, now, &self.roots.anchors().roots, algorithms);
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.chain = chain.iter().map(|der| der.to_vec()).collect();
        recorded.faults.extend(found);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.roots.provider().signature_verification_algorithms;
        Ok(self.record_signature(verify_tls12_signature(message, certificate, signature, algorithms)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.roots.provider().signature_verification_algorithms;
        Ok(self.record_signature(verify_tls13_signature(message, certificate, signature, algorithms)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.provider().signature_verification_algorithms.supported_schemes()
    }
}
