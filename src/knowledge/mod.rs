//! What is known beside the evidence: block pages, sinkholes and the networks that addresses belong to.
//!
//! A small list of fingerprints ships in the binary (`built_in`). Others are read from files that the operator names:
//! OONI's CSV and Censored Planet's JSON lines for [`Fingerprints`], MMDB, CSV and TSV for [`Networks`]. All look-ups
//! are pure and bounded, whatever the page or the address; only [`load_fingerprints`] and [`load_networks`] touch files.
//! A bad line never spoils a file: it is named and left out.

mod bad;
mod built_in;
mod censored_planet;
mod country;
mod fingerprint;
mod library;
mod load;
mod networks;
mod ooni;
mod page;
mod pattern;
#[cfg(test)]
mod properties;
mod read;
#[cfg(test)]
mod real_lists;

pub use bad::{BadLine, BadLines};
pub use fingerprint::{Fingerprint, Place, Scope};
pub use library::{Fingerprints, TooMuch};
pub use load::{LoadError, Loaded, load_fingerprints, load_networks};
pub use networks::{Asn, Networks, Table, read_table};
pub use page::{Found, Spot};
pub use pattern::Pattern;
pub use read::{List, ListFormat, ReadError, read_list};
