//! What verdicts and spans depend on beside the evidence: taken from the configuration in one place, so that those
//! computed again depend on the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, Role};
use crate::detect::{Detector, Params};
use crate::judge::Knowledge;
use crate::model::{CountryCode, SeriesKey, SiteId, SpanSource, VantageId};
use crate::rollup::Whereabouts;

/// What the judge knows under this configuration.
pub fn knowledge(config: &Config) -> Knowledge {
    Knowledge::new(config.network.allow_private.clone())
        .with(Arc::clone(&config.fingerprints.known), Arc::clone(&config.network.networks))
}

/// The sequential test under this configuration.
pub fn detector(config: &Config) -> Detector {
    Detector::new(Params::new(&config.detect).with_throttling(&config.throttling), SpanSource::Measured)
}

/// The same for measurements of OONI.
pub fn detector_of_imports(config: &Config) -> Detector {
    Detector::new(detector(config).params().clone(), SpanSource::Ooni)
}

/// Where the vantages are, for joining spans by network and country.
pub fn whereabouts(config: &Config) -> Whereabouts {
    let probing = config.vantages.iter().filter(|vantage| vantage.role == Role::Probe);
    Whereabouts {
        vantages: probing.map(|vantage| (vantage.id.clone(), (vantage.country, vantage.asn))).collect(),
        sites: config.sites.iter().map(|site| (site.id.clone(), site.country)).collect(),
    }
}

/// The country whose blocking is watched for, by series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Countries {
    vantages: BTreeMap<VantageId, CountryCode>,
    sites: BTreeMap<SiteId, CountryCode>,
}

impl Countries {
    /// The countries of the configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            vantages: config.vantages.iter().map(|vantage| (vantage.id.clone(), vantage.country)).collect(),
            sites: config.sites.iter().map(|site| (site.id.clone(), site.country)).collect(),
        }
    }

    /// The country of the vantage, or of the site when the vantage does not tell or is not configured. None when
    /// neither of them is configured.
    pub fn of(&self, key: &SeriesKey) -> Option<CountryCode> {
        let vantage = self.vantages.get(&key.vantage).copied();
        let known = vantage.filter(|country| *country != CountryCode::UNKNOWN);
        known.or_else(|| self.sites.get(&key.site).copied()).or(vantage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures;

    #[test]
    fn the_vantage_tells_then_the_site_then_nobody() {
        let mut config = fixtures::config();
        let country = |code: &str| code.parse::<CountryCode>().unwrap();
        let key = |site: &str, vantage: &str| SeriesKey {
            site: site.parse().unwrap(),
            url: "https://fergana.media/".parse().unwrap(),
            vantage: vantage.parse().unwrap(),
        };
        config.sites[0].country = country("UZ");
        config.vantages[0].country = country("KZ");
        let (site, vantage) = (config.sites[0].id.to_string(), config.vantages[0].id.to_string());
        let countries = Countries::new(&config);
        assert_eq!(countries.of(&key(&site, &vantage)), Some(country("KZ")));
        assert_eq!(countries.of(&key(&site, "gone")), Some(country("UZ")));
        assert_eq!(countries.of(&key("gone", &vantage)), Some(country("KZ")));
        assert_eq!(countries.of(&key("gone", "gone")), None);
        config.vantages[0].country = CountryCode::UNKNOWN;
        let countries = Countries::new(&config);
        assert_eq!(countries.of(&key(&site, &vantage)), Some(country("UZ")));
        assert_eq!(countries.of(&key("gone", &vantage)), Some(CountryCode::UNKNOWN));
    }
}
