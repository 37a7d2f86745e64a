//! Lines of a file or of standard input, packed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

/// Bytes of one line at most; a longer one is passed over and told.
pub(super) const MOST_LINE: usize = 16 << 20;
/// The beginning of a file that tells it from others, with its length.
const HEAD: usize = 64 << 10;

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// Why an input cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{name} cannot be read: {source}")]
pub struct InputError {
    /// What was to be read.
    pub name: String,
    /// Why not.
    pub source: io::Error,
}

impl Input {
    /// What a reader is told of it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
        }
    }

    /// Bytes of it, packed as it is; None where nobody knows.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::File(path) => path.metadata().ok().map(|metadata| metadata.len()),
            Self::Stdin => None,
        }
    }

    /// What tells the file from all others, whatever it is called. None for standard input.
    pub(super) fn fingerprint(&self) -> Result<Option<[u8; 32]>, InputError> {
        let Self::File(path) = self else { return Ok(None) };
        let read = || {
            let mut head = Vec::new();
            open_file(path)?.take(HEAD as u64).read_to_end(&mut head)?;
            let mut digest = Sha256::new();
            digest.update(path.metadata()?.len().to_le_bytes());
            digest.update(&head);
            Ok(digest.finalize().into())
        };
        read().map(Some).map_err(|source| InputError { name: self.name(), source })
    }

    /// Opens it. `read` counts the bytes that were taken, packed as they are.
    pub(super) fn open(&self, read: Arc<AtomicU64>) -> Result<Lines, InputError> {
        let open = || -> io::Result<Box<dyn BufRead + Send>> {
            let raw: Box<dyn Read + Send> = match self {
                Self::File(path) => Box::new(open_file(path)?),
                Self::Stdin => Box::new(io::stdin()),
            };
            let mut raw = BufReader::with_capacity(256 << 10, Counted { raw, read });
            let magic = raw.fill_buf()?.get(..4).unwrap_or_default().to_vec();
            Ok(match magic.as_slice() {
                [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(256 << 10, MultiGzDecoder::new(raw))),
                [0x28, 0xb5, 0x2f, 0xfd] => {
                    Box::new(BufReader::with_capacity(256 << 10, zstd::stream::Decoder::with_buffer(raw)?))
                }
                _ => Box::new(raw),
            })
        };
        let reader = open().map_err(|source| InputError { name: self.name(), source })?;
        Ok(Lines { reader, number: 0 })
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    if path.is_dir() {
        return Err(io::Error::other("it is a directory; name the files in it"));
    }
    File::open(path)
}

/// Counts what is read through it.
struct Counted {
    raw: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.raw.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The lines of an input.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: u64,
}

/// A line with its number, counted from one.
pub(super) enum Line {
    Whole(Vec<u8>),
    TooLong,
}

impl Lines {
    /// The next line that is not empty; None at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        loop {
            let mut line = Vec::new();
            let taken = (&mut self.reader).take(MOST_LINE as u64 + 1).read_until(b'\n', &mut line)?;
            if taken == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.len() > MOST_LINE && line.last() != Some(&b'\n') {
                self.skip_line()?;
                return Ok(Some((self.number, Line::TooLong)));
            }
            let end = line.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
            line.truncate(end);
            if !line.is_empty() {
                return Ok(Some((self.number, Line::Whole(line))));
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(u64, String)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, bytes).unwrap();
        let read = Arc::new(AtomicU64::new(0));
        let mut lines = Input::File(path).open(Arc::clone(&read)).unwrap();
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            let Line::Whole(line) = line else { panic!("too long") };
            found.push((number, String::from_utf8(line).unwrap()));
        }
        assert_eq!(read.load(Ordering::Relaxed), bytes.len() as u64);
        found
    }

    #[test]
    fn plain_gz_in_parts_and_zst_are_told_by_their_first_bytes() {
        let text = "{\"a\":1}\r\n\n{\"b\":2}";
        let wanted = vec![(1, "{\"a\":1}".to_owned()), (3, "{\"b\":2}".to_owned())];
        assert_eq!(lines(text.as_bytes()), wanted);
        let gz = |part: &str| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(part.as_bytes()).unwrap();
            packer.finish().unwrap()
        };
        assert_eq!(lines(&[gz(&text[..5]), gz(&text[5..])].concat()), wanted);
        assert_eq!(lines(&zstd::encode_all(text.as_bytes(), 1).unwrap()), wanted);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut bytes = vec![b'x'; MOST_LINE + 5];
        bytes.extend(b"\n{}\n");
        std::fs::write(&path, bytes).unwrap();
        let mut lines = Input::File(path).open(Arc::default()).unwrap();
        assert!(matches!(lines.next().unwrap(), Some((1, Line::TooLong))));
        assert!(matches!(lines.next().unwrap(), Some((2, Line::Whole(line))) if line == b"{}"));
        assert!(lines.next().unwrap().is_none());
    }
}
