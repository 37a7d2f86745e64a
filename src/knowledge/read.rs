//! One list of fingerprints from its bytes, whichever of the known formats it is in.

use super::bad::BadLines;
use super::fingerprint::Fingerprint;
use super::{censored_planet, ooni};

/// The format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// OONI's CSV (blocking-fingerprints).
    Ooni,
    /// Censored Planet's JSON lines.
    CensoredPlanet,
}

impl ListFormat {
    /// How it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ooni => "OONI fingerprints",
            Self::CensoredPlanet => "Censored Planet signatures",
        }
    }
}

/// What a list holds.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// Its format.
    pub format: ListFormat,
    /// The fingerprints that can be used, in the order of the file.
    pub entries: Vec<Fingerprint>,
    /// The lines that cannot.
    pub bad: BadLines,
}

/// Why a file is no list at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is in no format that is known")]
pub struct ReadError;

/// Reads a list. `name` is its file's name: a list of Censored Planet's tells there whether it is one of false positives.
///
/// # Errors
/// The bytes are in none of the formats.
pub fn read_list(name: &str, bytes: &[u8]) -> Result<List, ReadError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (format, (entries, bad)) = if bytes.trim_ascii_start().starts_with(b"{") {
        (ListFormat::CensoredPlanet, censored_planet::read(name, bytes))
    } else {
        (ListFormat::Ooni, ooni::read(name, bytes).ok_or(ReadError)?)
    };
    Ok(List { format, entries, bad })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_tell_themselves() {
        let format = |text: &str| read_list("x", text.as_bytes()).map(|list| list.format);
        assert_eq!(format("\n{\"fingerprint\":\"a_prod_x\",\"pattern\":\"xyz\"}"), Ok(ListFormat::CensoredPlanet));
        assert_eq!(format("\u{feff}name,scope,location_found,pattern_type,pattern\n"), Ok(ListFormat::Ooni));
        assert_eq!(format("url,category_code\n"), Err(ReadError));
        assert_eq!(format(""), Err(ReadError));
        assert_eq!(format("\u{7f}ELF"), Err(ReadError));
    }
}
