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

#[cfg(test)]
mod tests {
    use super::super::sample::{Value, database};
    use super::*;

    fn of(mmdb: &Mmdb, ip: &str) -> Option<(u32, String)> {
        mmdb.asn(ip.parse().unwrap()).map(|asn| (asn.number, asn.name.to_string()))
    }

    #[test]
    fn the_schemas_of_the_known_makers_are_read() {
        use Value::{Number, Text};
        let mmdb = Mmdb::read(database(&[
            (1, &[("autonomous_system_number", Number(64500)), ("autonomous_system_organization", Text("Example"))]),
            (2, &[("asn", Text("AS64501")), ("as_name", Text("Flat\u{202e}")), ("country", Text("KZ"))]),
            (3, &[("asn", Number(64502)), ("name", Text("Plain"))]),
            (4, &[("country", Text("KZ"))]),
            (5, &[("asn", Text("many"))]),
            (6, &[("asn", Number(0))]),
        ]))
        .unwrap();
        assert_eq!(of(&mmdb, "1.2.3.4"), Some((64500, "Example".into())));
        assert_eq!(of(&mmdb, "2.2.3.4"), Some((64501, "Flat\u{fffd}".into())));
        assert_eq!(of(&mmdb, "3.2.3.4"), Some((64502, "Plain".into())));
        for nothing in ["4.2.3.4", "5.2.3.4", "6.2.3.4", "7.2.3.4", "2001:db8::1"] {
            assert_eq!(of(&mmdb, nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_database_of_something_else_is_none() {
        assert!(Mmdb::read(database(&[(1, &[("country", Value::Text("KZ"))])])).is_err());
        assert!(Mmdb::read(database(&[])).is_err());
        assert!(Mmdb::read(b"1.0.0.0,1.0.0.255,1,x".to_vec()).is_err());
    }

    #[test]
    fn a_broken_database_does_no_harm() {
        let whole = database(&[(1, &[("asn", Value::Number(64500)), ("name", Value::Text("x"))])]);
        for at in 0..whole.len() {
            for byte in [0, 0xff, 0x20, whole[at] ^ 1] {
                let mut broken = whole.clone();
                broken[at] = byte;
                if let Ok(mmdb) = Mmdb::read(broken) {
                    // Whatever it says, it says it without breaking off.
                    for ip in ["1.2.3.4", "200.2.3.4", "::1"] {
                        let _ = of(&mmdb, ip);
                    }
                }
            }
            let _ = Mmdb::read(whole[..at].to_vec());
        }
    }

    #[test]
    fn the_same_bytes_are_the_same_database() {
        let of = |number| Mmdb::read(database(&[(1, &[("asn", Value::Number(number))])])).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
