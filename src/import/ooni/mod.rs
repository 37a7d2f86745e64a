//! OONI's Web Connectivity measurements (data format 0.2.0, versions 0.4 and 0.5 of the test).

mod certificates;
mod document;
mod evidence;
mod own;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use url::Url;

use crate::judge::{Knowledge, judge};
use crate::model::{CountryCode, Evidence, Site, SiteId, Verdict};
use certificates::Certificates;
use document::Envelope;

/// Why a good document gives no measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skipped {
    /// Another test than Web Connectivity.
    OtherTest,
    /// Its URL is on the host of no site that is wanted.
    OtherSite,
}

/// The hosts of the sites that are wanted, without `www.`: a document belongs to the site that has its host.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts(BTreeMap<String, SiteId>);

impl Hosts {
    /// The hosts of the URLs of these sites.
    pub(super) fn of<'s>(sites: impl IntoIterator<Item = &'s Site>) -> Self {
        let urls = sites.into_iter().flat_map(|site| site.urls.iter().map(|url| (bare(url), site.id.clone())));
        Self(urls.filter_map(|(host, site)| Some((host?, site))).collect())
    }

    fn site(&self, url: &Url) -> Option<&SiteId> {
        self.0.get(&bare(url)?)
    }
}

fn bare(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(host.strip_prefix("www.").unwrap_or(host).to_owned())
}

/// Turns lines into judged measurements: one for each thread.
pub(super) struct Reader<'k> {
    hosts: &'k Hosts,
    knowledge: &'k Knowledge,
    certificates: Certificates,
}

impl<'k> Reader<'k> {
    /// A reader of the documents of these sites.
    pub(super) fn new(hosts: &'k Hosts, knowledge: &'k Knowledge) -> Self {
        Self { hosts, knowledge, certificates: Certificates::default() }
    }

    /// The measurement in a line with our verdict.
    ///
    /// # Errors
    /// What is wrong with the line, in a sentence.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<Result<(Evidence, Verdict), Skipped>, String> {
        let envelope: Envelope<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if envelope.test_name != "web_connectivity" {
            return Ok(Err(Skipped::OtherTest));
        }
        let input = envelope.input.as_deref().ok_or("it has no `input`")?;
        let url = Url::parse(input).map_err(|error| format!("`input` is no URL: {error}"))?;
        let Some(site) = self.hosts.site(&url) else { return Ok(Err(Skipped::OtherSite)) };
        let evidence = evidence::of(&envelope, site, url, &mut self.certificates)?;
        let country = envelope.probe_cc.parse().unwrap_or(CountryCode::UNKNOWN);
        let verdict = judge(&evidence, self.knowledge, country);
        Ok(Ok((evidence, verdict)))
    }
}
