//! One measurement now, for `check`: nothing is recorded.

use std::sync::Arc;

use futures_util::future::join_all;
use url::Url;

use super::instrument::{Instrument, SetupError};
use crate::config::Config;
use crate::model::{Evidence, SeriesKey, SiteId, Trigger, VantageId, Verdict};

/// What to check, and from where.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Site ids or URLs.
    pub targets: Vec<String>,
    /// From these vantages; empty means all that probe.
    pub vantages: Vec<VantageId>,
}

/// One URL checked from one vantage.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The site's name for people.
    pub site_name: String,
    /// What was seen.
    pub evidence: Evidence,
    /// The opinion on it.
    pub verdict: Verdict,
}

/// Why nothing can be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Neither a site nor a URL.
    #[error("`{text}` is neither a listed site nor a URL{hint}")]
    UnknownTarget {
        /// What was given.
        text: String,
        /// What may have been meant, or what is listed.
        hint: String,
    },
    /// No such vantage.
    #[error("there is no vantage `{id}` that probes; configured: {known}")]
    UnknownVantage {
        /// What was given.
        id: VantageId,
        /// What there is.
        known: String,
    },
    /// The instrument.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// Measures what is selected, all at once, and gives the results in the order asked for.
///
/// # Errors
/// When a target or vantage is unknown, or the instrument cannot be set up.
pub async fn check(config: Config, selection: &Selection) -> Result<Vec<Checked>, CheckError> {
    let instrument = Arc::new(Instrument::new(config)?);
    let known = instrument.vantages();
    if let Some(id) = selection.vantages.iter().find(|id| !known.contains(id)) {
        let known = known.iter().map(VantageId::as_str).collect::<Vec<_>>().join(", ");
        return Err(CheckError::UnknownVantage { id: id.clone(), known });
    }
    let vantages = if selection.vantages.is_empty() { known } else { selection.vantages.clone() };
    let mut wanted = Vec::new();
    for text in &selection.targets {
        for (name, site, url) in resolve(&instrument, text)? {
            for vantage in &vantages {
                wanted
                    .push((name.clone(), SeriesKey { site: site.clone(), url: url.clone(), vantage: vantage.clone() }));
            }
        }
    }
    let checks = wanted.into_iter().map(|(site_name, key)| {
        let instrument = Arc::clone(&instrument);
        async move {
            let (evidence, verdict) = instrument.observe(&key, Trigger::Manual).await?;
            Some(Checked { site_name, evidence, verdict })
        }
    });
    Ok(join_all(checks).await.into_iter().flatten().collect())
}

/// The URLs that a text names: all of a listed site's, or one URL, listed or not.
fn resolve(instrument: &Instrument, text: &str) -> Result<Vec<(String, SiteId, Url)>, CheckError> {
    if let Some(site) = instrument.sites().iter().find(|site| site.id.as_str() == text) {
        return Ok(site.urls.iter().map(|url| (site.name.clone(), site.id.clone(), url.clone())).collect());
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    let Some(url) = url else {
        let ids: Vec<&str> = instrument.sites().iter().map(|site| site.id.as_str()).collect();
        return Err(CheckError::UnknownTarget { text: text.to_owned(), hint: hint(text, &ids) });
    };
    if let Some(site) = instrument.sites().iter().find(|site| site.urls.contains(&url)) {
        return Ok(vec![(site.name.clone(), site.id.clone(), url)]);
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    let id: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' }).collect();
    let id = id.trim_matches(|c: char| !c.is_ascii_alphanumeric()).chars().take(64).collect::<String>();
    let id = id.parse().map_err(|_| CheckError::UnknownTarget { text: text.to_owned(), hint: String::new() })?;
    Ok(vec![(host, id, url)])
}

fn hint(text: &str, ids: &[&str]) -> String {
    if text.contains('.') && !text.contains("://") {
        return format!("; did you mean https://{text}/ ?");
    }
    format!("; listed sites: {}", ids.join(", "))
}
