//! From paths to look-ups: the only place of this room that touches files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::bad::BadLines;
use super::networks::{Table, read_table};
use super::read::{List, ReadError, read_list};

/// The largest list of fingerprints, bytes; the known ones have 280 kB.
const LARGEST_LIST: u64 = 4 * 1024 * 1024;
/// The largest table of networks, bytes, packed or not; whole ones of the Internet have 10 to 40 MB.
const LARGEST_TABLE: u64 = 256 * 1024 * 1024;

/// Why a file cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("cannot be read")]
    Unreadable(#[from] io::Error),
    /// It is in none of the known formats.
    #[error(transparent)]
    Unknown(#[from] ReadError),
}

/// What was read, and the lines that could not be.
#[derive(Debug)]
pub struct Loaded<T> {
    /// What was read.
    pub value: T,
    /// The lines that were left out.
    pub bad: BadLines,
}

/// Reads a list of fingerprints.
///
/// # Errors
/// The file cannot be read, or is no list of a known format.
pub fn load_fingerprints(path: &Path) -> Result<List, LoadError> {
    Ok(read_list(&name(path), &read(path, LARGEST_LIST)?)?)
}

/// Reads a table of networks: MMDB, or CSV or TSV, packed with gzip or not.
///
/// # Errors
/// The file cannot be read, or is no table of a known format.
pub fn load_networks(path: &Path) -> Result<Loaded<Table>, LoadError> {
    let bytes = unpacked(read(path, LARGEST_TABLE)?)?;
    let (value, bad) = read_table(&bytes)?;
    Ok(Loaded { value, bad })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    bounded(File::open(path)?, limit)
}

fn unpacked(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        bounded(flate2::read::MultiGzDecoder::new(bytes.as_slice()), LARGEST_TABLE)
    } else {
        Ok(bytes)
    }
}

fn bounded(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("larger than {} MiB", limit / (1024 * 1024));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::knowledge::{Networks, Scope};

    #[test]
    fn files_are_read_by_their_content_and_named_by_their_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("false_positive_signatures.json");
        std::fs::write(&path, "{\"fingerprint\":\"b_nat_1\",\"pattern\":\"blocked\"}\n").unwrap();
        assert_eq!(load_fingerprints(&path).unwrap().entries[0].scope, Scope::FalsePositive);
        assert!(matches!(load_fingerprints(dir.path()), Err(LoadError::Unreadable(_))));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(load_fingerprints(&path), Err(LoadError::Unknown(_))));
        std::fs::write(&path, vec![b' '; 5 << 20]).unwrap();
        assert!(matches!(load_fingerprints(&path), Err(LoadError::Unreadable(_))));
    }

    #[test]
    fn a_packed_table_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table.tsv.gz");
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"192.0.2.0\t192.0.2.255\t64500\tKZ\tEXAMPLE\n").unwrap();
        let packed = packer.finish().unwrap();
        std::fs::write(&path, &packed).unwrap();
        let networks = Networks::new(vec![load_networks(&path).unwrap().value]);
        assert_eq!(networks.asn("192.0.2.7".parse().unwrap()).unwrap().number, 64500);
        std::fs::write(&path, &packed[..packed.len() - 9]).unwrap();
        assert!(matches!(load_networks(&path), Err(LoadError::Unreadable(_))));
    }
}
