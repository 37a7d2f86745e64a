//! One fingerprint: what to look for, where, and what it proves.

use std::sync::Arc;

use super::pattern::Pattern;
use crate::model::CountryCode;

/// Who shows a page, as OONI's and Censored Planet's lists sort them; in the order in which matches are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Known to be no block page (OONI `fp`, Censored Planet's list of false positives).
    FalsePositive,
    /// A filtering product (`prod`).
    Product,
    /// A whole country (`nat`).
    National,
    /// A provider (`isp`).
    Provider,
    /// A school, company or other institution (OONI `inst`, Censored Planet `corp`).
    Institution,
    /// Nobody knows who (Censored Planet `unk`, OONI `injb` and `prov`).
    Unknown,
    /// Words that many block pages bear and other pages too (OONI `vbw`, Censored Planet `gen`).
    VagueWords,
}

/// Where a pattern is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In the answers of name servers: an address, or a name of the CNAME chain.
    Dns,
    /// In the page.
    Body,
    /// In the value of a header field; its name in lower case.
    Header(String),
    /// In all of the answer, header fields as `Name: value` lines and the page below (Censored Planet's patterns).
    Answer,
}

/// One fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its name in its list.
    pub name: String,
    /// Which list, or which publication.
    pub source: Arc<str>,
    /// Who shows it.
    pub scope: Scope,
    /// Where it is shown; empty when its list does not say.
    pub countries: Vec<CountryCode>,
    /// Its list is sure enough of it that it may prove a block. OONI rates entries from 0 to 10; below 5 it is not.
    pub sure: bool,
    /// Where to look.
    pub place: Place,
    /// What for.
    pub pattern: Pattern,
}

impl Fingerprint {
    /// Whether a match proves a block in `country`, without a control.
    ///
    /// An entry with countries proves only in those. One without proves where a country or a provider is named as
    /// its author, as OONI's fastpath has it (`is_confirmed`); a product without a country is sold to schools and to
    /// sites too. Vague words never prove anything.
    pub fn proves_in(&self, country: CountryCode) -> bool {
        let by_author = match self.scope {
            Scope::FalsePositive | Scope::VagueWords => return false,
            Scope::National | Scope::Provider => true,
            Scope::Product | Scope::Institution | Scope::Unknown => false,
        };
        let here = if self.countries.is_empty() { by_author } else { self.countries.contains(&country) };
        self.sure && here
    }

    /// Whether the title of a page bears the pattern by itself.
    pub fn is_in_title(&self, title: &str) -> bool {
        self.pattern.is_in(format!("<title>{title}</title>").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(scope: Scope, countries: &[&str]) -> Fingerprint {
        Fingerprint {
            name: "x".into(),
            source: "test".into(),
            scope,
            countries: countries.iter().map(|country| country.parse().unwrap()).collect(),
            sure: true,
            place: Place::Body,
            pattern: Pattern::Contains("blocked".into()),
        }
    }

    #[test]
    fn the_country_is_respected() {
        let (kz, ru) = ("KZ".parse().unwrap(), "RU".parse().unwrap());
        for (scope, countries, here, elsewhere) in [
            (Scope::National, &["KZ"][..], true, false),
            (Scope::Provider, &["KZ", "RU"], true, true),
            (Scope::National, &[], true, true),
            (Scope::Provider, &[], true, true),
            (Scope::Product, &["KZ"], true, false),
            (Scope::Product, &[], false, false),
            (Scope::Institution, &["KZ"], true, false),
            (Scope::Institution, &[], false, false),
            (Scope::Unknown, &[], false, false),
            (Scope::VagueWords, &["KZ"], false, false),
            (Scope::FalsePositive, &["KZ"], false, false),
        ] {
            let entry = entry(scope, countries);
            assert_eq!((entry.proves_in(kz), entry.proves_in(ru)), (here, elsewhere), "{scope:?} {countries:?}");
        }
        assert!(!Fingerprint { sure: false, ..entry(Scope::National, &["KZ"]) }.proves_in(kz));
    }
}
