//! MaxMind databases: the schema of GeoLite2-ASN, which ip-location-db shares, and that of flat tables (`asn`, `name`).

use std::net::IpAddr;

use maxminddb::Reader;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Asn, system};

/// Networks at the beginning of which one must tell a number.
const TRIED: usize = 2_000;

/// A record as the known makers write it; all else in it is passed over.
#[derive(Debug, Deserialize)]
struct Record<'r> {
    #[serde(default)]
    autonomous_system_number: Option<u32>,
    #[serde(default, borrow)]
    autonomous_system_organization: Option<&'r str>,
    #[serde(default, borrow)]
    asn: Option<Number<'r>>,
    #[serde(default, borrow)]
    as_name: Option<&'r str>,
    #[serde(default, borrow)]
    name: Option<&'r str>,
}

/// `64500` or `"AS64500"`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number<'r> {
    Plain(u32),
    Text(#[serde(borrow)] &'r str),
}

impl Record<'_> {
    fn asn(&self) -> Option<Asn> {
        let written = self.asn.as_ref().and_then(|number| match number {
            Number::Plain(number) => Some(*number),
            Number::Text(text) => text.strip_prefix("AS").unwrap_or(text).parse().ok(),
        });
        let name = self.autonomous_system_organization.or(self.as_name).or(self.name);
        system(self.autonomous_system_number.or(written)?, name.unwrap_or_default())
    }
}

/// A database in memory. Two are the same when their bytes are.
#[derive(Debug, Clone)]
pub struct Mmdb {
    reader: std::sync::Arc<Reader<Vec<u8>>>,
    digest: [u8; 32],
}

impl PartialEq for Mmdb {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Mmdb {
    /// Takes the bytes of a database of networks; gives them back when they are none.
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, Vec<u8>> {
        const MARK: &[u8] = b"\xab\xcd\xefMaxMind.com";
        let tail = bytes.len().saturating_sub(128 * 1024);
        let marked = bytes.get(tail..).is_some_and(|tail| tail.windows(MARK.len()).any(|window| window == MARK));
        if !marked {
            return Err(bytes);
        }
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let Ok(reader) = Reader::from_source(bytes) else { return Err(Vec::new()) };
        let mmdb = Self { reader: std::sync::Arc::new(reader), digest };
        if mmdb.knows_numbers() { Ok(mmdb) } else { Err(Vec::new()) }
    }

    fn knows_numbers(&self) -> bool {
        let Ok(networks) = self.reader.networks(maxminddb::WithinOptions::default()) else { return false };
        networks
            .take(TRIED)
            .flatten()
            .any(|found| matches!(found.decode::<Record<'_>>(), Ok(Some(record)) if record.asn().is_some()))
    }

    pub(super) fn asn(&self, address: IpAddr) -> Option<Asn> {
        self.reader.lookup(address).ok()?.decode::<Record<'_>>().ok()??.asn()
    }
}
