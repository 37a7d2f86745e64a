//! The list that ships in the binary: small, facts only, each with the publication that attests it. Countries where
//! people are likely to run blockspan, and marks that nothing but a block page bears.

use super::fingerprint::{Fingerprint, Place, Scope};
use super::pattern::Pattern;

const OONI: &str = "OONI blocking-fingerprints";
const CENSORED_PLANET: &str = "Censored Planet block page signatures";
const CITIZEN_LAB: &str = "Citizen Lab filtering annotations";
const IRAN: &str = "Aryan et al., FOCI 2013; OONI blocking-fingerprints";

/// What is looked for, as the table writes it.
#[derive(Clone, Copy)]
enum Mark {
    Dns(&'static str),
    Body(&'static str),
    To(&'static str),
    Header(&'static str, &'static str),
}

struct Row {
    countries: &'static [&'static str],
    name: &'static str,
    scope: Scope,
    mark: Mark,
    source: &'static str,
}

const fn row(
    countries: &'static [&'static str],
    name: &'static str,
    scope: Scope,
    mark: Mark,
    source: &'static str,
) -> Row {
    Row { countries, name, scope, mark, source }
}

use Mark::{Body, Dns, Header, To};
use Scope::{Institution, National, Product, Provider};

const ROWS: &[Row] = &[
    row(&["KZ"], "kz-filter-page", Institution, Body("Страница заблокирована"), CENSORED_PLANET),
    row(&["KG"], "kg-homeline", Provider, To("http://homeline.kg/access/blockpage"), OONI),
    row(&["UZ"], "uz-register", National, To("http://reestr.mitc.uz/"), OONI),
    row(&["IR"], "ir-sinkhole-34", National, Dns("10.10.34.34"), IRAN),
    row(&["IR"], "ir-sinkhole-35", National, Dns("10.10.34.35"), IRAN),
    row(&["IR"], "ir-sinkhole-36", National, Dns("10.10.34.36"), IRAN),
    row(&["IR"], "ir-sinkhole-v6", National, Dns("d0::11"), OONI),
    row(&["IR"], "ir-iframe", National, Body("iframe src=\"http://10.10.34.3"), IRAN),
    row(&["RU"], "ru-rostelecom", Provider, To("http://warning.rt.ru"), OONI),
    row(&["RU"], "ru-ttk", Provider, To("http://fz139.ttk.ru"), OONI),
    row(&["RU"], "ru-mgts", Provider, To("https://block.mgts.ru"), OONI),
    row(&["RU"], "ru-tele2", Provider, To("http://t2blocked.com"), OONI),
    row(&["RU"], "ru-er-telecom", Provider, To("http://lawfilter.ertelecom.ru"), CENSORED_PLANET),
    row(&["RU"], "ru-er-telecom-dns", Provider, Dns("5.3.3.17"), CITIZEN_LAB),
    row(&["RU"], "ru-dns-196", National, Dns("62.33.207.196"), OONI),
    row(&["RU"], "ru-dns-197", National, Dns("62.33.207.197"), OONI),
    row(&["BY"], "by-a1", Provider, To("https://www.a1.by/mininfo/"), OONI),
    row(&["BY"], "by-mts", Provider, To("https://internet.mts.by/blocked/"), OONI),
    row(&["BY"], "by-mts-dns", Provider, Dns("134.17.0.7"), CITIZEN_LAB),
    row(&["TR"], "tr-dns", National, Dns("195.175.254.2"), CITIZEN_LAB),
    row(&["ID"], "id-trust-positif", National, Dns("trustpositif.kominfo.go.id"), OONI),
    row(&["ID"], "id-internet-positif", National, Dns("internet-positif.org"), OONI),
    row(&["AE", "SA"], "wirefilter", Product, Header("server", "Protected by WireFilter"), OONI),
    row(&["TH"], "th-ais", National, To("http://prohibit.ais-idc.com"), OONI),
    row(&["IT"], "it-gambling-dns", National, Dns("217.175.53.72"), CITIZEN_LAB),
];

/// The list.
pub(super) fn list() -> Vec<Fingerprint> {
    let entry = |row: &Row| {
        let (place, pattern) = match row.mark {
            Dns(text) => (Place::Dns, Pattern::Full(text.into())),
            Body(text) => (Place::Body, Pattern::Contains(text.into())),
            To(text) => (Place::Header("location".into()), Pattern::Prefix(text.into())),
            Header(name, text) => (Place::Header(name.into()), Pattern::Prefix(text.into())),
        };
        Fingerprint {
            name: row.name.into(),
            source: row.source.into(),
            scope: row.scope,
            countries: row.countries.iter().filter_map(|country| country.parse().ok()).collect(),
            sure: true,
            place,
            pattern,
        }
    };
    ROWS.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_of_a_country_and_proves_there() {
        for (row, entry) in ROWS.iter().zip(list()) {
            assert_eq!(row.countries.len(), entry.countries.len(), "{}", row.name);
            assert!(!entry.countries.is_empty() && entry.countries.iter().all(|country| entry.proves_in(*country)));
            assert!(entry.pattern.clone().checked().is_ok(), "{}", row.name);
        }
    }

    #[test]
    fn names_are_single() {
        let mut names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
    }
}
