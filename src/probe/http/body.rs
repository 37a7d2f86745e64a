//! What is recorded of a body.

use base64::Engine;
use sha2::{Digest, Sha256};

use super::decode::{Decoder, Progress};
use super::title::title;
use crate::model::Body;
use crate::model::hex;

/// Bytes of a body that are kept as evidence at most.
const KEPT: usize = 64 * 1024;
/// Coded bytes that are read beyond the bound on decoded ones: coding may cost a little, never much.
const CODING_SLACK: u64 = 64 * 1024;

/// Takes a body piece by piece.
pub(super) struct Collector {
    decoder: Decoder,
    limit: u64,
    received: u64,
    stopped: Option<Progress>,
}

/// A body as it was read.
pub(super) struct Collected {
    /// The record; `kept` is not filled in.
    pub(super) record: Body,
    /// The decoded bytes.
    pub(super) bytes: Vec<u8>,
    /// The coded stream broke or did not come to its end.
    pub(super) undecodable: bool,
}

impl Collector {
    pub(super) fn new(coding: &str, limit: u64) -> Self {
        let bytes = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { decoder: Decoder::new(coding, bytes), limit, received: 0, stopped: None }
    }

    /// Takes the next piece; false when no more is wanted.
    pub(super) fn push(&mut self, data: &[u8]) -> bool {
        self.received = self.received.saturating_add(data.len() as u64);
        match self.decoder.feed(data) {
            Progress::More if self.received <= self.limit.saturating_add(CODING_SLACK) => return true,
            Progress::More => self.stopped = Some(Progress::Full),
            stop => self.stopped = Some(stop),
        }
        false
    }

    /// The record of what came.
    pub(super) fn finish(self) -> Collected {
        let decoded = self.decoder.finish();
        let truncated = decoded.truncated || self.stopped == Some(Progress::Full);
        let record = Body {
            wire_length: Some(self.received),
            length: decoded.bytes.len() as u64,
            truncated,
            sha256: hex(&Sha256::digest(&decoded.bytes)),
            title: title(&decoded.bytes),
            kept: None,
        };
        Collected { record, bytes: decoded.bytes, undecodable: !truncated && !decoded.whole && self.received > 0 }
    }
}

/// A body as evidence: its first 64 KiB, zstd, base64. None when there is nothing to keep.
pub(in crate::probe) fn keep(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..KEPT).unwrap_or(bytes);
    if head.is_empty() {
        return None;
    }
    let packed = zstd::bulk::compress(head, zstd::DEFAULT_COMPRESSION_LEVEL).ok()?;
    Some(base64::engine::general_purpose::STANDARD.encode(packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_hashed_and_cut_at_the_limit() {
        let mut collector = Collector::new("", 5);
        assert!(collector.push(b"abc"));
        assert!(!collector.push(b"defg"));
        let collected = collector.finish();
        assert_eq!((collected.record.length, collected.record.truncated), (5, true));
        assert_eq!(collected.bytes, b"abcde");
        assert_eq!(collected.record.sha256, "36bbe50ed96841d10443bcb670d6554f0a34b761be67ec9c4a8ad2c0c44ca42c");
        assert!(!collected.undecodable);
    }

    #[test]
    fn an_empty_coded_body_is_no_fault() {
        assert!(!Collector::new("gzip", 10).finish().undecodable);
    }

    #[test]
    fn what_is_kept_reads_back() {
        let page = vec![b'x'; KEPT + 100];
        let kept = base64::engine::general_purpose::STANDARD.decode(keep(&page).unwrap()).unwrap();
        assert_eq!(zstd::bulk::decompress(&kept, KEPT * 2).unwrap().len(), KEPT);
        assert_eq!(keep(b""), None);
    }
}
