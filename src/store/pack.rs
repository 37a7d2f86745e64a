//! How evidence is made small: zstd against an earlier evidence of the same series.
//!
//! Most of a measurement repeats the one before it: the certificate chain, headers, addresses, names. An earlier
//! evidence serves as a raw-content dictionary (RFC 8878, section 5), which leaves a few hundred bytes of news.

use std::io;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{DParameter, get_frame_content_size};

/// Bytes of one JSON text that are kept; more is refused, and on reading taken for damage.
pub(super) const PLAIN_LIMIT: usize = 32 << 20;

/// Bytes of evidence that may become a dictionary: beyond it, it holds bodies, which do not repeat.
pub(super) const DICTIONARY_LIMIT: usize = 128 << 10;

const LEVEL: i32 = 3;

/// Packs texts.
pub(super) struct Packer {
    compressor: Compressor<'static>,
    level: i32,
}

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        Self::of_level(LEVEL)
    }

    /// Packs fast and a little looser (no entropy coding of literals): for millions of documents.
    pub(super) fn quick() -> io::Result<Self> {
        Self::of_level(-1)
    }

    fn of_level(level: i32) -> io::Result<Self> {
        let mut compressor = Compressor::new(level)?;
        compressor.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
        Ok(Self { compressor, level })
    }

    /// Sets what the next texts are packed against; empty means nothing.
    pub(super) fn against(&mut self, dictionary: &[u8]) -> io::Result<()> {
        self.compressor.set_dictionary(self.level, dictionary)
    }

    pub(super) fn pack(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        self.compressor.compress(plain)
    }
}

/// Unpacks what a [`Packer`] made; whatever else it is given is an error.
pub(super) struct Unpacker(Decompressor<'static>);

impl Unpacker {
    pub(super) fn new() -> io::Result<Self> {
        let mut decompressor = Decompressor::new()?;
        // A frame of ours never needs a larger window than its text.
        decompressor.set_parameter(DParameter::WindowLogMax(25))?;
        Ok(Self(decompressor))
    }

    /// Sets what the next texts were packed against; empty means nothing.
    pub(super) fn against(&mut self, dictionary: &[u8]) -> io::Result<()> {
        self.0.set_dictionary(dictionary)
    }

    pub(super) fn unpack(&mut self, packed: &[u8]) -> io::Result<Vec<u8>> {
        let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
        let size = match get_frame_content_size(packed) {
            Ok(Some(size)) => usize::try_from(size).unwrap_or(usize::MAX),
            _ => return Err(invalid("it is not packed as this program packs")),
        };
        if size > PLAIN_LIMIT {
            return Err(invalid("it unpacks to more than 32 MiB"));
        }
        let plain = self.0.decompress(packed, size)?;
        if plain.len() == size { Ok(plain) } else { Err(invalid("it is shorter than it says")) }
    }
}

/// Bytes that a packed text says it unpacks to; 0 when it does not say.
pub(super) fn plain_size(packed: &[u8]) -> usize {
    let said = get_frame_content_size(packed).ok().flatten();
    said.and_then(|size| usize::try_from(size).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both() -> (Packer, Unpacker) {
        (Packer::new().unwrap(), Unpacker::new().unwrap())
    }

    /// Bytes that do not compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn a_repeat_costs_next_to_nothing() {
        let (mut packer, mut unpacker) = both();
        let noise = noise(4000);
        let alone = packer.pack(&noise).unwrap();
        packer.against(&noise).unwrap();
        let repeat = packer.pack(&noise).unwrap();
        assert!(repeat.len() * 20 < alone.len(), "{} of {}", repeat.len(), alone.len());
        unpacker.against(&noise).unwrap();
        assert_eq!(unpacker.unpack(&repeat).unwrap(), noise);
        unpacker.against(b"").unwrap();
        assert_eq!(unpacker.unpack(&alone).unwrap(), noise);
        unpacker.unpack(&repeat).unwrap_err();
    }

    #[test]
    fn a_wrong_dictionary_is_noticed() {
        let (mut packer, mut unpacker) = both();
        let mut dictionary = noise(1000);
        packer.against(&dictionary).unwrap();
        let packed = packer.pack(&noise(900)).unwrap();
        dictionary[500] ^= 1;
        unpacker.against(&dictionary).unwrap();
        unpacker.unpack(&packed).unwrap_err();
    }

    #[test]
    fn a_bomb_is_refused_before_it_bursts() {
        let bomb = zstd::bulk::compress(&vec![0; PLAIN_LIMIT + 1], 1).unwrap();
        let error = both().1.unpack(&bomb).unwrap_err();
        assert!(error.to_string().contains("32 MiB"), "{error}");
    }

    proptest! {
        #[test]
        fn texts_come_back(plain: Vec<u8>, dictionary: Vec<u8>) {
            let (mut packer, mut unpacker) = both();
            packer.against(&dictionary).unwrap();
            unpacker.against(&dictionary).unwrap();
            prop_assert_eq!(unpacker.unpack(&packer.pack(&plain).unwrap()).unwrap(), plain);
        }

        #[test]
        fn damage_is_an_error_not_a_panic(mut packed: Vec<u8>, cut: usize, flip: usize) {
            let (mut packer, mut unpacker) = both();
            let _ = unpacker.unpack(&packed);
            packed = packer.pack(b"{\"some\":\"text\",\"some\":\"more\"}").unwrap();
            let at = flip % packed.len();
            packed[at] ^= 0x40;
            packed.truncate(packed.len() - cut % 4);
            let _ = unpacker.unpack(&packed);
        }
    }
}
