//! Which autonomous system an address belongs to. Optional knowledge: nothing needs it.

mod mmdb;
mod ranges;
#[cfg(test)]
mod sample;
mod values;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::bad::BadLines;
use super::read::ReadError;
use mmdb::Mmdb;
use ranges::Ranges;

/// An autonomous system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asn {
    /// Its number; never 0.
    pub number: u32,
    /// Its name as the table gives it, printable; may be empty.
    pub name: Arc<str>,
}

/// One table of networks.
#[derive(Debug, Clone, PartialEq)]
pub enum Table {
    /// Sorted ranges, from CSV or TSV.
    Ranges(Ranges),
    /// A MaxMind database.
    Mmdb(Mmdb),
}

impl Table {
    /// How many ranges it has; None where that is not told without reading all of it.
    pub fn len(&self) -> Option<usize> {
        match self {
            Self::Ranges(ranges) => Some(ranges.len()),
            Self::Mmdb(_) => None,
        }
    }

    /// Whether it is known to have none.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// How its format is called.
    pub const fn format(&self) -> &'static str {
        match self {
            Self::Ranges(_) => "ranges",
            Self::Mmdb(_) => "MMDB",
        }
    }

    fn asn(&self, address: IpAddr) -> Option<Asn> {
        match self {
            Self::Ranges(ranges) => ranges.asn(address),
            Self::Mmdb(mmdb) => mmdb.asn(address),
        }
    }
}

/// Reads a table, whichever of the known formats it is in.
///
/// # Errors
/// It is in none of them.
pub fn read_table(bytes: &[u8]) -> Result<(Table, BadLines), ReadError> {
    match Mmdb::read(bytes) {
        Some(mmdb) => Ok((Table::Mmdb(mmdb), BadLines::default())),
        None => ranges::read(bytes).map(|(ranges, bad)| (Table::Ranges(ranges), bad)).ok_or(ReadError),
    }
}

/// All tables of a run; the first that knows an address tells.
#[derive(Clone, Default, PartialEq)]
pub struct Networks {
    tables: Vec<Table>,
}

impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Networks({} tables)", self.tables.len())
    }
}

impl Networks {
    /// These tables.
    pub const fn new(tables: Vec<Table>) -> Self {
        Self { tables }
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The autonomous system of an address.
    pub fn asn(&self, address: IpAddr) -> Option<Asn> {
        let address = address.to_canonical();
        self.tables.iter().find_map(|table| table.asn(address))
    }
}

/// The system of this number and name; None for 0, which stands for "not routed".
fn system(number: u32, name: &str) -> Option<Asn> {
    (number != 0).then(|| Asn { number, name: super::bad::shown(name.trim()).into() })
}
