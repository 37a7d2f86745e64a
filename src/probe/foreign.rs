//! Pieces of measurements of others, read as our own are.

use sha2::{Digest, Sha256};

use crate::model::CertificateRecord;

/// A certificate as evidence. Bytes that are none give a record with empty names.
pub fn certificate_record(der: &[u8]) -> CertificateRecord {
    super::tls::record(der)
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    crate::model::hex(&Sha256::digest(bytes))
}

/// The title of a page.
pub fn page_title(body: &[u8]) -> Option<String> {
    super::http::title(body)
}

/// The beginning of a body as evidence keeps it.
pub fn kept_body(bytes: &[u8]) -> Option<String> {
    super::http::keep(bytes)
}
