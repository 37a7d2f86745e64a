//! `[[canary]]`: stable unrelated sites that tell whether a vantage has a network.

use url::Url;

use super::document::Fields;
use super::fault::Wrong;
use super::types::CanaryConfig;
use super::unique::Unique;
use super::url::web_url;
use super::value::{country, one_of, parsed};
use crate::model::{CanaryScope, CountryCode};

/// Foreign canaries in three different networks, so that one network's bad day is not taken for the vantage's.
const FOREIGN: [&str; 3] = ["https://www.wikipedia.org/", "https://www.debian.org/", "https://www.cloudflare.com/"];

/// Domestic canaries by country.
const DOMESTIC: [(&str, &str); 2] = [("KZ", "https://www.gov.kz/"), ("KZ", "https://egov.kz/")];

/// The canaries of a configuration that names none.
pub(super) fn default() -> Vec<CanaryConfig> {
    let foreign = FOREIGN.iter().map(|url| (*url, CanaryScope::Foreign, None));
    let domestic = DOMESTIC.iter().map(|(country, url)| (*url, CanaryScope::Domestic, country.parse().ok()));
    foreign
        .chain(domestic)
        .filter_map(|(url, scope, country)| Url::parse(url).ok().map(|url| CanaryConfig { url, scope, country }))
        .collect()
}

/// Reads all canaries; those given replace the default ones.
pub(super) fn read(root: &mut Fields<'_>) -> Vec<CanaryConfig> {
    let mut urls = Unique::new("canary");
    let mut last = 0..0;
    let Some(canaries) = root.each("canary", |fields| {
        last = fields.span();
        read_one(fields, &mut urls)
    }) else {
        return default();
    };
    if !canaries.iter().any(|canary| canary.scope == CanaryScope::Foreign) {
        root.doc.warn(&last, "no foreign canary: a vantage without network cannot be told from blocking");
    }
    canaries
}

fn read_one(fields: &mut Fields<'_>, urls: &mut Unique) -> Option<CanaryConfig> {
    let url = fields.required("url", "url = \"https://www.wikipedia.org/\"", parsed(web_url));
    if let Some(url) = &url {
        urls.claim(fields.doc, url.value.as_str(), &url.span);
    }
    let scopes = [("foreign", CanaryScope::Foreign), ("domestic", CanaryScope::Domestic)];
    let scope = fields.or("scope", CanaryScope::Foreign, one_of(&scopes));
    let country = fields.optional("country", country);
    if let (CanaryScope::Foreign, Some(country)) = (scope, &country) {
        let wrong = Wrong::new("`country` goes with domestic canaries only")
            .label("a foreign canary serves every vantage")
            .help("leave it out, or write `scope = \"domestic\"`");
        fields.doc.fault(&country.span, wrong);
    }
    let country: Option<CountryCode> = country.map(|at| at.value);
    Some(CanaryConfig { url: url?.value, scope, country })
}
