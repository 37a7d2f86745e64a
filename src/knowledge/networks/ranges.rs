//! Tables of ranges, a line each: `start,end,asn,name` (ip-location-db) or, with tabs, `start end asn country name`
//! (iptoasn). Both families may stand in one file. Kept as sorted arrays, 16 and 40 bytes a range.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use csv::ByteRecord;

use super::Asn;
use crate::knowledge::bad::{BadLines, shown};

/// Ranges of one table; all of the Internet's routes, both families, are a million and a half.
const MOST: usize = 4_000_000;
/// Lines at the beginning of which one must be a range.
const TRIED: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range<A> {
    start: A,
    end: A,
    number: u32,
    name: u32,
}

/// Sorted ranges that do not overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    v4: Vec<Range<u32>>,
    v6: Vec<Range<u128>>,
    names: Vec<Arc<str>>,
}

impl Ranges {
    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub(super) fn asn(&self, address: IpAddr) -> Option<Asn> {
        let (number, name) = match address {
            IpAddr::V4(ip) => find(&self.v4, ip.to_bits()),
            IpAddr::V6(ip) => find(&self.v6, ip.to_bits()),
        }?;
        Some(Asn { number, name: Arc::clone(self.names.get(name as usize)?) })
    }
}

fn find<A: Ord + Copy>(ranges: &[Range<A>], address: A) -> Option<(u32, u32)> {
    let after = ranges.partition_point(|range| range.start <= address);
    let range = ranges.get(after.checked_sub(1)?).filter(|range| address <= range.end)?;
    Some((range.number, range.name))
}

/// A range with the line that it was read from.
type Lined<A> = (Range<A>, u64);

#[derive(Default)]
struct Reading {
    v4: Vec<Lined<u32>>,
    v6: Vec<Lined<u128>>,
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, u32>,
}

/// Reads the table; None when its beginning is none. A line that cannot be used, or that overlaps an earlier range, is
/// named and left out. A header line is passed over.
pub(super) fn read(bytes: &[u8]) -> Option<(Ranges, BadLines)> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let tabs = first.contains(&b'\t');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if tabs { b'\t' } else { b',' })
        .quoting(!tabs)
        .from_reader(bytes);
    let (mut reading, mut bad) = (Reading::default(), BadLines::default());
    let mut record = ByteRecord::new();
    let mut tried = 0;
    while let Ok(true) = reader.read_byte_record(&mut record) {
        let line = record.position().map_or(0, csv::Position::line);
        tried += 1;
        match reading.take(&record, tabs, line) {
            Ok(()) => {}
            Err(_) if tried == 1 && is_header(&record) => tried = 0,
            Err(wrong) => bad.add(line, wrong),
        }
        if reading.is_empty() && tried >= TRIED {
            return None;
        }
        if reading.len() > MOST {
            bad.add(line, format!("more than {MOST} ranges; what follows is left out"));
            break;
        }
    }
    if reading.is_empty() {
        return None;
    }
    let v4 = disjoint(reading.v4, &mut bad);
    let v6 = disjoint(reading.v6, &mut bad);
    Some((Ranges { v4, v6, names: reading.names }, bad))
}

fn is_header(record: &ByteRecord) -> bool {
    record
        .get(0)
        .is_some_and(|field| field.first().is_some_and(|byte| byte.is_ascii_alphabetic() && !field.contains(&b':')))
}

impl Reading {
    fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take(&mut self, record: &ByteRecord, tabs: bool, line: u64) -> Result<(), String> {
        let text = |at: usize| record.get(at).map(|field| String::from_utf8_lossy(field.trim_ascii()));
        let (Some(start), Some(end), Some(number)) = (text(0), text(1), text(2)) else {
            return Err("a range is START, END and the number of its network".into());
        };
        let address = |text: &str| text.parse::<IpAddr>().map_err(|_| format!("{text:?} is no address"));
        let (start, end) = (address(&start)?, address(&end)?);
        let digits = number.strip_prefix("AS").unwrap_or(&number);
        let number: u32 = digits.parse().map_err(|_| format!("{number:?} is no number of a network"))?;
        if start > end || start.is_ipv4() != end.is_ipv4() {
            return Err("the range ends before it begins".into());
        }
        // "Not routed": nothing is known of it.
        if number == 0 {
            return Ok(());
        }
        let name = self.named(&text(if tabs { 4 } else { 3 }).unwrap_or_default())?;
        match (start, end) {
            (IpAddr::V4(start), IpAddr::V4(end)) => {
                self.v4.push((Range { start: Ipv4Addr::to_bits(start), end: end.to_bits(), number, name }, line));
            }
            (IpAddr::V6(start), IpAddr::V6(end)) => {
                self.v6.push((Range { start: Ipv6Addr::to_bits(start), end: end.to_bits(), number, name }, line));
            }
            _ => return Err("the range begins in one family and ends in the other".into()),
        }
        Ok(())
    }

    /// The place of a name; each is kept once.
    fn named(&mut self, name: &str) -> Result<u32, String> {
        if let Some(at) = self.by_name.get(name) {
            return Ok(*at);
        }
        let at = u32::try_from(self.names.len()).map_err(|_| "too many names".to_owned())?;
        let kept: Arc<str> = name.into();
        self.names.push(shown(name).into());
        self.by_name.insert(kept, at);
        Ok(at)
    }
}

fn disjoint<A: Ord + Copy>(mut lined: Vec<Lined<A>>, bad: &mut BadLines) -> Vec<Range<A>> {
    lined.sort_by_key(|(range, line)| (range.start, *line));
    let mut ranges: Vec<Range<A>> = Vec::with_capacity(lined.len());
    for (range, line) in lined {
        match ranges.last() {
            Some(before) if range.start <= before.end => bad.add(line, "overlaps another range"),
            _ => ranges.push(range),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &Ranges, ip: &str) -> Option<(u32, String)> {
        ranges.asn(ip.parse().unwrap()).map(|asn| (asn.number, asn.name.to_string()))
    }

    #[test]
    fn both_written_forms_are_read() {
        let comma = "192.0.2.0,192.0.2.127,64500,\"Example, Ltd\"\n198.51.100.0,198.51.100.255,64501,Other\n2001:db8::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,64502,Six\n";
        let (ranges, bad) = read(comma.as_bytes()).unwrap();
        assert!(bad.is_empty());
        assert_eq!(of(&ranges, "192.0.2.0"), Some((64500, "Example, Ltd".into())));
        assert_eq!(of(&ranges, "192.0.2.127"), Some((64500, "Example, Ltd".into())));
        assert_eq!(of(&ranges, "192.0.2.128"), None);
        assert_eq!(of(&ranges, "192.0.1.255"), None);
        assert_eq!(of(&ranges, "2001:db8:1::1"), Some((64502, "Six".into())));
        assert_eq!(of(&ranges, "2001:db9::1"), None);

        let tabs = "1.0.0.0\t1.0.0.255\t64503\tUS\tNAME \"quoted\n2.0.0.0\t2.0.0.255\t0\tNone\tNot routed\n";
        let (ranges, bad) = read(tabs.as_bytes()).unwrap();
        assert!(bad.is_empty());
        assert_eq!(of(&ranges, "1.0.0.9"), Some((64503, "NAME \"quoted".into())));
        assert_eq!(of(&ranges, "2.0.0.9"), None, "not routed is not known");
    }

    #[test]
    fn bad_lines_are_named_and_the_rest_is_read() {
        let text = "ip_range_start,ip_range_end,autonomous_system_number,autonomous_system_organization\n\
            192.0.2.0,192.0.2.255,64500,A\n192.0.2.9,192.0.2.10,64501,inside\nx,192.0.2.255,1,B\n\
            192.0.3.9,192.0.3.1,1,backwards\n192.0.4.0,::1,1,two families\n192.0.5.0,192.0.5.1,many,C\n192.0.6.0\n\
            192.0.7.0,192.0.7.255,AS64502,D\u{1b}[2J\n";
        let (ranges, bad) = read(text.as_bytes()).unwrap();
        assert_eq!(ranges.len(), 2);
        assert_eq!(of(&ranges, "192.0.7.1"), Some((64502, "D\u{fffd}[2J".into())));
        let mut lines: Vec<u64> = bad.named.iter().map(|line| line.line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn another_file_is_no_table() {
        assert!(read(b"").is_none());
        assert!(read(b"name,scope\nx,y\n").is_none());
        assert!(read("nonsense\n".repeat(1000).as_bytes()).is_none());
    }
}
