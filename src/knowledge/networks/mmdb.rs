//! MaxMind databases (MaxMind DB file format 2.0): the schema of GeoLite2-ASN, which ip-location-db shares, and that of
//! flat tables (`asn`, `name`).
//!
//! Read by ourselves, because a broken file must do no harm here and reading a few fields takes little: the crate
//! `maxminddb` follows a trie or pointers that turn in a circle until stack or memory end.

use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::values::{Value, map};
use super::{Asn, system};

/// What stands before the metadata.
const MARK: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Bytes at the end in which the mark must be.
const TAIL: usize = 128 * 1024;
/// Bytes between the trie and the data.
const GAP: usize = 16;
/// Nodes of the trie that are passed in search of a record that tells a number, and records that are looked at.
const TRIED_NODES: usize = 100_000;
const TRIED_RECORDS: usize = 2_000;

/// A database in memory. Two are the same when their bytes are.
#[derive(Debug, Clone)]
pub struct Mmdb {
    bytes: Arc<[u8]>,
    digest: [u8; 32],
    nodes: usize,
    /// Bits of one record of a node: 24, 28 or 32.
    bits: usize,
    /// Whether the trie is over 128 bits; IPv4 then stands below 96 zeros.
    v6: bool,
    /// Where the data begin.
    data: usize,
    /// Where they end.
    end: usize,
}

impl PartialEq for Mmdb {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// Where a step in the trie leads.
enum Step {
    Node(usize),
    Record(usize),
    Nothing,
}

impl Mmdb {
    /// Takes the bytes of a database of networks; None when they are none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let tail = bytes.len().saturating_sub(TAIL);
        let mark = bytes.get(tail..)?.windows(MARK.len()).rposition(|window| window == MARK)? + tail;
        let metadata = map(bytes.get(mark + MARK.len()..)?, 0)?;
        let number = |wanted: &str| {
            metadata.iter().find_map(|(key, value)| match value {
                Value::Number(number) if *key == wanted => usize::try_from(*number).ok(),
                _ => None,
            })
        };
        let (nodes, bits, version) = (number("node_count")?, number("record_size")?, number("ip_version")?);
        if number("binary_format_major_version")? != 2 || !matches!(bits, 24 | 28 | 32) || !matches!(version, 4 | 6) {
            return None;
        }
        let data = nodes.checked_mul(bits / 4)?.checked_add(GAP)?;
        if data > mark {
            return None;
        }
        let digest = Sha256::digest(bytes).into();
        let mmdb = Self { bytes: bytes.into(), digest, nodes, bits, v6: version == 6, data, end: mark };
        mmdb.knows_numbers().then_some(mmdb)
    }

    fn knows_numbers(&self) -> bool {
        let (mut waiting, mut records) = (vec![0], 0);
        for _ in 0..TRIED_NODES {
            let Some(node) = waiting.pop() else { return false };
            for side in [1, 0] {
                match self.step(node, side) {
                    Step::Node(next) => waiting.push(next),
                    Step::Record(at) if self.record(at).is_some() => return true,
                    Step::Record(_) => records += 1,
                    Step::Nothing => {}
                }
            }
            if records > TRIED_RECORDS {
                return false;
            }
        }
        false
    }

    pub(super) fn asn(&self, address: IpAddr) -> Option<Asn> {
        let (bits, length) = match address {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()), if self.v6 { 128 } else { 32 }),
            IpAddr::V6(ip) if self.v6 => (ip.to_bits(), 128),
            IpAddr::V6(_) => return None,
        };
        let mut node = 0;
        for bit in (0..length).rev() {
            match self.step(node, usize::from(bits >> bit & 1 == 1)) {
                Step::Node(next) => node = next,
                Step::Record(at) => return self.record(at),
                Step::Nothing => return None,
            }
        }
        None
    }

    fn step(&self, node: usize, side: usize) -> Step {
        let width = self.bits / 4;
        let Some(pair) = self.bytes.get(node * width..(node + 1) * width) else { return Step::Nothing };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        let half = self.bits / 8;
        let value = match (self.bits, side, pair) {
            // The byte in the middle holds the upper four bits of both.
            (28, 0, &[a, b, c, middle, ..]) => number(&[middle >> 4, a, b, c]),
            (28, _, &[_, _, _, middle, a, b, c]) => number(&[middle & 15, a, b, c]),
            (_, 0, _) => number(pair.get(..half).unwrap_or_default()),
            _ => number(pair.get(half..).unwrap_or_default()),
        };
        match value.checked_sub(self.nodes) {
            None => Step::Node(value),
            Some(0) => Step::Nothing,
            Some(at) => at.checked_sub(GAP).map_or(Step::Nothing, Step::Record),
        }
    }

    /// The record at a place of the data, as the known makers write it; all else in it is passed over.
    fn record(&self, at: usize) -> Option<Asn> {
        let record = map(self.bytes.get(self.data..self.end)?, at)?;
        let value = |wanted: &str| record.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
        let text = |key: &str| match value(key)? {
            Value::Text(text) => Some(*text),
            _ => None,
        };
        let number = match value("autonomous_system_number").or_else(|| value("asn"))? {
            Value::Number(number) => u32::try_from(*number).ok()?,
            Value::Text(text) => text.strip_prefix("AS").unwrap_or(text).parse().ok()?,
            Value::Other => return None,
        };
        let name = text("autonomous_system_organization").or_else(|| text("as_name")).or_else(|| text("name"));
        system(number, name.unwrap_or_default())
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
        let mmdb = Mmdb::read(&database(&[
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
        assert!(Mmdb::read(&database(&[(1, &[("country", Value::Text("KZ"))])])).is_none());
        assert!(Mmdb::read(&database(&[])).is_none());
        assert!(Mmdb::read(b"1.0.0.0,1.0.0.255,1,x").is_none());
    }

    #[test]
    fn a_broken_database_does_no_harm() {
        let whole = database(&[(1, &[("asn", Value::Number(64500)), ("name", Value::Text("x"))])]);
        for at in 0..whole.len() {
            for byte in [0, 0xff, 0x20, whole[at] ^ 1] {
                let mut broken = whole.clone();
                broken[at] = byte;
                if let Some(mmdb) = Mmdb::read(&broken) {
                    // It may say anything but that network 0 exists.
                    for ip in ["1.2.3.4", "200.2.3.4", "::1"] {
                        assert!(of(&mmdb, ip).is_none_or(|(number, _)| number != 0));
                    }
                }
            }
            assert!(Mmdb::read(&whole[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_trie_that_turns_in_a_circle_ends() {
        // The first node leads to itself on both sides: every look-up runs through all bits and finds nothing.
        let mut circle = database(&[(1, &[("asn", Value::Number(64500))])]);
        circle[..6].fill(0);
        assert!(Mmdb::read(&circle).is_none());
    }

    #[test]
    fn the_same_bytes_are_the_same_database() {
        let of = |number| Mmdb::read(&database(&[(1, &[("asn", Value::Number(number))])])).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
