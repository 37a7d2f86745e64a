//! Spans joined for a reader: series of one network, networks of one country, and spans that only flap apart.
//!
//! Pure, and only a presentation: the spans of the record stay as they are. A censorship is seen in a country when
//! enough distinct networks agree; one network may have a fault of its own.

mod country;
mod episode;
mod network;
mod stretch;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

pub use country::{Agreement, InCountry, by_country};
pub use episode::{Episode, episodes};
pub use network::{InNetwork, by_network};

use crate::model::{CountryCode, SiteId, VantageId};

/// The network that a vantage is in: two vantages of one network cannot confirm each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// An autonomous system.
    Asn(u32),
    /// The vantage itself, whose network nobody named.
    Of(VantageId),
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asn(number) => f.pad(&format!("AS{number}")),
            Self::Of(vantage) => f.pad(vantage.as_str()),
        }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the vantages are, and for which country each site is watched.
#[derive(Debug, Clone, Default)]
pub struct Whereabouts {
    /// Country and network of each vantage that is known.
    pub vantages: BTreeMap<VantageId, (CountryCode, Option<u32>)>,
    /// Country of each site.
    pub sites: BTreeMap<SiteId, CountryCode>,
}

impl Whereabouts {
    /// Where `site` is looked at from `vantage`. The name of an imported vantage tells both (`AS9198-KZ`).
    pub fn of(&self, site: &SiteId, vantage: &VantageId) -> (CountryCode, Network) {
        let by_name = || vantage.imported_network().map(|(asn, country)| (country, Some(asn)));
        let (country, asn) = match self.vantages.get(vantage) {
            Some(known) => *known,
            None => by_name().unwrap_or((CountryCode::UNKNOWN, None)),
        };
        let country =
            if country == CountryCode::UNKNOWN { self.sites.get(site).copied().unwrap_or(country) } else { country };
        (country, asn.map_or_else(|| Network::Of(vantage.clone()), Network::Asn))
    }
}
