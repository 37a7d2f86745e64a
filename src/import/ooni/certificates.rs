//! Certificates of documents, read once each: the same few come again and again.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::document::Bytes;
use crate::model::CertificateRecord;
use crate::probe::certificate_record;

/// Certificates that are remembered; beyond it all are forgotten.
const REMEMBERED: usize = 4096;
/// Certificates of a chain that are read, and bytes of one in base64.
const MOST_OF_CHAIN: usize = 10;
const MOST_BYTES: usize = 96 << 10;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Certificates(HashMap<String, CertificateRecord>);

impl Certificates {
    /// The chain as it was sent; what is no base64 is left out.
    pub(super) fn chain(&mut self, sent: &[Bytes<'_>]) -> Vec<CertificateRecord> {
        let data = sent.iter().take(MOST_OF_CHAIN).filter_map(|sent| match sent {
            Bytes::Base64 { data } | Bytes::Text(data) if data.len() <= MOST_BYTES => Some(data),
            _ => None,
        });
        data.filter_map(|data| self.record(data)).collect()
    }

    fn record(&mut self, data: &str) -> Option<CertificateRecord> {
        if let Some(known) = self.0.get(data) {
            return Some(known.clone());
        }
        let record = certificate_record(&STANDARD.decode(data).ok()?);
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(data.to_owned(), record.clone());
        Some(record)
    }
}
