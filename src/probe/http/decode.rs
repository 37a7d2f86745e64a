//! Undoing Content-Encoding (RFC 9110 section 8.4) with the bound on what comes out, never on what goes in.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};

/// Memory that takes up to `limit` bytes and then refuses.
#[derive(Debug)]
pub(super) struct Sink {
    bytes: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

impl Sink {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, overflowed: false }
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = data.len().min(self.limit - self.bytes.len());
        if taken == 0 && !data.is_empty() {
            self.overflowed = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Low seven bits of the first byte with which brotli's "large window" begins: a window of up to 1 GiB, which the
/// library would fill before we saw a byte of it. RFC 7932 section 9.1 has no such value.
const LARGE_WINDOW: u8 = 0x11;

/// What to do next with the coded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Go on.
    More,
    /// The bound is reached.
    Full,
    /// The bytes are not what Content-Encoding says.
    Broken,
}

enum State {
    Identity(Sink),
    Gzip(GzDecoder<Sink>),
    /// "deflate" is zlib by the book and raw by habit; the first byte tells.
    DeflateUnseen(Sink),
    Zlib(ZlibDecoder<Sink>),
    Deflate(DeflateDecoder<Sink>),
    /// The first byte tells how large the window is.
    BrotliUnseen(Sink),
    Brotli(Box<DecompressorWriter<Sink>>),
    /// Not to be decoded.
    Refused(Sink),
}

/// A decoder that is fed as bytes come.
pub(super) struct Decoder {
    state: State,
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// The bytes, at most the bound.
    pub(super) bytes: Vec<u8>,
    /// There was more than the bound.
    pub(super) truncated: bool,
    /// The coded stream came to its own end.
    pub(super) whole: bool,
}

impl Decoder {
    /// A decoder for the Content-Encoding `coding`. A coding that we never asked for is left as it is.
    pub(super) fn new(coding: &str, limit: usize) -> Self {
        let sink = Sink::new(limit);
        let state = match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => State::Gzip(GzDecoder::new(sink)),
            "deflate" => State::DeflateUnseen(sink),
            "br" => State::BrotliUnseen(sink),
            _ => State::Identity(sink),
        };
        Self { state }
    }

    /// Takes the next coded bytes.
    pub(super) fn feed(&mut self, data: &[u8]) -> Progress {
        if let (State::DeflateUnseen(sink), Some(first)) = (&mut self.state, data.first()) {
            let sink = std::mem::replace(sink, Sink::new(0));
            self.state = if first & 0x0f == 8 && first >> 4 <= 7 {
                State::Zlib(ZlibDecoder::new(sink))
            } else {
                State::Deflate(DeflateDecoder::new(sink))
            };
        }
        if let (State::BrotliUnseen(sink), Some(first)) = (&mut self.state, data.first()) {
            let sink = std::mem::replace(sink, Sink::new(0));
            self.state = if first & 0x7f == LARGE_WINDOW {
                State::Refused(sink)
            } else {
                State::Brotli(Box::new(DecompressorWriter::new(sink, 4096)))
            };
        }
        let written = match &mut self.state {
            State::Identity(sink) | State::DeflateUnseen(sink) | State::BrotliUnseen(sink) => pour(sink, data),
            State::Refused(_) => Err(io::ErrorKind::InvalidData.into()),
            State::Gzip(decoder) => pour(decoder, data),
            State::Zlib(decoder) => pour(decoder, data),
            State::Deflate(decoder) => pour(decoder, data),
            State::Brotli(decoder) => pour(decoder.as_mut(), data),
        };
        match (written, self.sink().overflowed) {
            (_, true) => Progress::Full,
            (Ok(()), false) => Progress::More,
            (Err(_), false) => Progress::Broken,
        }
    }

    /// What came out, all told.
    pub(super) fn finish(mut self) -> Decoded {
        let ended = match &mut self.state {
            State::Identity(_) | State::DeflateUnseen(_) | State::BrotliUnseen(_) => Ok(()),
            State::Refused(_) => Err(io::ErrorKind::InvalidData.into()),
            State::Gzip(decoder) => decoder.try_finish(),
            State::Zlib(decoder) => decoder.try_finish(),
            State::Deflate(decoder) => decoder.try_finish(),
            State::Brotli(decoder) => decoder.close(),
        };
        let sink = match self.state {
            State::Identity(sink) | State::DeflateUnseen(sink) | State::BrotliUnseen(sink) | State::Refused(sink) => {
                sink
            }
            State::Gzip(mut decoder) => std::mem::replace(decoder.get_mut(), Sink::new(0)),
            State::Zlib(mut decoder) => std::mem::replace(decoder.get_mut(), Sink::new(0)),
            State::Deflate(mut decoder) => std::mem::replace(decoder.get_mut(), Sink::new(0)),
            State::Brotli(mut decoder) => std::mem::replace(decoder.get_mut(), Sink::new(0)),
        };
        Decoded { bytes: sink.bytes, truncated: sink.overflowed, whole: ended.is_ok() && !sink.overflowed }
    }

    fn sink(&self) -> &Sink {
        match &self.state {
            State::Identity(sink) | State::DeflateUnseen(sink) | State::BrotliUnseen(sink) | State::Refused(sink) => {
                sink
            }
            State::Gzip(decoder) => decoder.get_ref(),
            State::Zlib(decoder) => decoder.get_ref(),
            State::Deflate(decoder) => decoder.get_ref(),
            State::Brotli(decoder) => decoder.get_ref(),
        }
    }
}

/// Writes all of `data`; a writer that takes nothing more has reached the end of its coded stream, and what
/// follows is ignored as browsers do.
fn pour(writer: &mut impl Write, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match writer.write(data) {
            Ok(0) => return Ok(()),
            Ok(taken) => data = data.get(taken..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(coding: &str, data: &[u8], limit: usize, step: usize) -> (Decoded, Progress) {
        let mut decoder = Decoder::new(coding, limit);
        let mut progress = Progress::More;
        for piece in data.chunks(step) {
            progress = decoder.feed(piece);
            if progress != Progress::More {
                break;
            }
        }
        (decoder.finish(), progress)
    }

    #[test]
    fn a_brotli_window_beyond_the_standard_is_refused_before_memory_is_set_aside() {
        // 0x11 leads in the "large window" of up to 1 GiB, which RFC 7932 section 9.1 does not know.
        let mut decoder = Decoder::new("br", 1000);
        assert_eq!(decoder.feed(&[0x11]), Progress::Broken);
        assert!(!decoder.finish().whole);
        let mut decoder = Decoder::new("br", 1000);
        assert_eq!(decoder.feed(&[0x91, 0x1e, 0, 0]), Progress::Broken);
        // One byte of that value further on is nothing special.
        let mut decoder = Decoder::new("br", 1000);
        assert_eq!(decoder.feed(&[0x0b]), Progress::More);
        assert_eq!(decoder.feed(&[0x11]), Progress::More);
    }

    #[test]
    fn every_coding_is_undone_in_pieces_of_any_size() {
        let text = "Қазақстан page ".repeat(50).into_bytes();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(&text).unwrap();
        let table = [
            ("", text.clone()),
            ("identity", text.clone()),
            ("GZIP", gzip(&text)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
        ];
        for (coding, data) in table {
            for step in [1, 7, 4096] {
                let (decoded, _) = decode(coding, &data, 1 << 20, step);
                assert_eq!(decoded, Decoded { bytes: text.clone(), truncated: false, whole: true }, "{coding} {step}");
            }
        }
    }

    #[test]
    fn brotli_is_undone() {
        // An uncompressed meta-block holding "hello", then the empty last one (RFC 7932 section 9.2).
        let data = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
        let (decoded, _) = decode("br", &data, 100, 2);
        assert_eq!((decoded.bytes.as_slice(), decoded.whole), (b"hello".as_slice(), true));
    }

    #[test]
    fn the_bound_holds_after_decoding() {
        let bomb = gzip(&vec![0; 8 << 20]);
        assert!(bomb.len() < 16 << 10);
        let (decoded, progress) = decode("gzip", &bomb, 1000, 512);
        assert_eq!((decoded.bytes.len(), decoded.truncated, progress), (1000, true, Progress::Full));
        let (decoded, _) = decode("gzip", &gzip(&[7; 1000]), 1000, 512);
        assert_eq!((decoded.bytes.len(), decoded.truncated, decoded.whole), (1000, false, true));
    }

    #[test]
    fn a_false_coding_is_told() {
        let (_, progress) = decode("gzip", b"<html>plain</html>", 1000, 100);
        assert_eq!(progress, Progress::Broken);
        let half = gzip(b"some text that is long enough to be cut in half");
        let (decoded, _) = decode("gzip", &half[..half.len() / 2], 1000, 100);
        assert!(!decoded.whole);
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_stay_within_the_bound(
            data in proptest::collection::vec(proptest::num::u8::ANY, 0..400), which in 0usize..4, step in 1usize..50,
        ) {
            let coding = ["gzip", "deflate", "br", ""][which];
            let (decoded, _) = decode(coding, &data, 64, step);
            proptest::prop_assert!(decoded.bytes.len() <= 64);
        }
    }
}
