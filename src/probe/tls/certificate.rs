//! What is recorded of a certificate.

use std::net::IpAddr;

use base64::Engine;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::model::{CertificateRecord, Timestamp, hex};

/// Certificates of a chain that are recorded at most.
pub(super) const MAX_CHAIN: usize = 10;
/// Bytes of one certificate that are recorded at most.
pub(super) const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;
const MAX_NAMES: usize = 100;
const MAX_TEXT_CHARS: usize = 512;

/// The record of one certificate. Bytes that are no certificate keep their DER and hash and say nothing else.
pub(in crate::probe) fn record(der: &[u8]) -> CertificateRecord {
    let mut record = CertificateRecord {
        der: base64::engine::general_purpose::STANDARD.encode(der),
        sha256: hex(&Sha256::digest(der)),
        subject: String::new(),
        issuer: String::new(),
        not_before: None,
        not_after: None,
        names: Vec::new(),
    };
    if let Ok((_, certificate)) = X509Certificate::from_der(der) {
        record.subject = bounded(&certificate.subject().to_string());
        record.issuer = bounded(&certificate.issuer().to_string());
        record.not_before = Some(instant(certificate.validity().not_before));
        record.not_after = Some(instant(certificate.validity().not_after));
        record.names = names(&certificate);
    }
    record
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let texts = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(bounded(name)),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
        _ => None,
    });
    texts.take(MAX_NAMES).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn instant(time: ASN1Time) -> Timestamp {
    Timestamp::from_unix_ms(time.timestamp().saturating_mul(1000))
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["site.example".into(), "127.0.0.1".into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Qaznet <b>");
        let certificate = params.self_signed(&key).unwrap();
        let record = record(certificate.der());
        assert_eq!(record.names, ["site.example", "127.0.0.1"]);
        assert_eq!(record.not_before.unwrap().to_string(), "2020-01-01T00:00:00.000Z");
        assert!(record.subject.contains("Qaznet <b>"), "{}", record.subject);
        assert_eq!(record.sha256.len(), 64);
    }

    #[test]
    fn junk_keeps_its_bytes() {
        let record = record(b"junk");
        assert_eq!((record.der.as_str(), record.subject.as_str()), ("anVuaw==", ""));
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let _ = record(&bytes);
        }
    }
}
