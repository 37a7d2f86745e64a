//! From what was named on the command line to sites, vantages and filters.

use url::Url;

use super::args::Selectors;
use super::fault::Fault;
use crate::config::{Config, Role};
use crate::model::{SiteId, Timestamp, VantageId};
use crate::store::{MeasurementFilter, SpanFilter};

/// What `check` was asked to measure.
///
/// # Errors
/// A word is neither a URL that can be measured nor a known site.
pub(super) fn targets(config: &Config, words: &[String]) -> Result<Vec<(SiteId, Url)>, Fault> {
    let mut targets: Vec<(SiteId, Url)> = Vec::new();
    for word in words {
        let found = if is_url(word) { vec![url_target(config, word)?] } else { site_targets(config, word)? };
        for target in found {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
    }
    Ok(targets)
}

/// Whether a word stands for a URL, and not for a site of the list.
pub(super) fn is_url(word: &str) -> bool {
    word.contains("://")
}

fn url_target(config: &Config, word: &str) -> Result<(SiteId, Url), Fault> {
    let wrong = |why: &str| Fault::Usage(format!("`{word}` cannot be measured: {why}"));
    let url =
        Url::parse(word).map_err(|error| wrong(&format!("{error}; expected for example https://example.org/")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("expected a URL that begins with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("a URL with a user name or password is never sent"));
    }
    let listed = config.sites.iter().find(|site| site.urls.contains(&url));
    match listed {
        Some(site) => Ok((site.id.clone(), url)),
        None => Ok((site_of_host(&url).ok_or_else(|| wrong("it names no host"))?, url)),
    }
}

/// The id that a URL of no listed site is measured under: its host, as far as an id can hold it.
fn site_of_host(url: &Url) -> Option<SiteId> {
    let host = url.host_str()?;
    let id: String = host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let id = id.trim_matches(['-', '.']);
    id[..id.len().min(64)].parse().ok()
}

fn site_targets(config: &Config, word: &str) -> Result<Vec<(SiteId, Url)>, Fault> {
    let Some(site) = config.sites.iter().find(|site| site.id.as_str() == word) else {
        let near = near(word, config.sites.iter().map(|site| site.id.as_str()));
        let url = if word.contains('.') { format!(" To measure a URL, write https://{word}/") } else { String::new() };
        return Err(Fault::Usage(format!("there is no site `{word}` in the target list.{near}{url}")));
    };
    Ok(site.urls.iter().map(|url| (site.id.clone(), url.clone())).collect())
}

/// The vantages that `check` measures from: those named, or all that are not controls.
///
/// # Errors
/// A name is not a vantage of the configuration, or that of a control.
pub(super) fn vantages(config: &Config, named: &[VantageId]) -> Result<Vec<VantageId>, Fault> {
    if named.is_empty() {
        let probes = config.vantages.iter().filter(|vantage| vantage.role == Role::Probe);
        return Ok(probes.map(|vantage| vantage.id.clone()).collect());
    }
    for id in named {
        let probes = config.vantages.iter().filter(|vantage| vantage.role == Role::Probe);
        match config.vantages.iter().find(|vantage| vantage.id == *id) {
            Some(vantage) if vantage.role == Role::Probe => {}
            found => {
                let why =
                    if found.is_some() { "is a control: it only gives second opinions" } else { "is not configured" };
                let near = near(id.as_str(), probes.map(|vantage| vantage.id.as_str()));
                return Err(Fault::Usage(format!("the vantage `{id}` {why}.{near}")));
            }
        }
    }
    let mut vantages: Vec<VantageId> = Vec::new();
    for id in named {
        if !vantages.contains(id) {
            vantages.push(id.clone());
        }
    }
    Ok(vantages)
}

/// Refuses sites that are neither in the target list nor in the record (`recorded` is asked only then).
///
/// # Errors
/// Such a site, with near names; or what `recorded` fails with.
pub(super) fn known_sites(
    config: &Config,
    sites: &[SiteId],
    recorded: impl FnOnce() -> Result<Vec<SiteId>, Fault>,
) -> Result<(), Fault> {
    let unlisted: Vec<&SiteId> = sites.iter().filter(|id| !config.sites.iter().any(|site| site.id == **id)).collect();
    if unlisted.is_empty() {
        return Ok(());
    }
    let recorded = recorded()?;
    match unlisted.into_iter().find(|id| !recorded.contains(id)) {
        None => Ok(()),
        Some(id) => {
            let known = config.sites.iter().map(|site| &site.id).chain(&recorded);
            let near = near(id.as_str(), known.map(SiteId::as_str));
            Err(Fault::Usage(format!("there is no site `{id}` in the target list or the record.{near}")))
        }
    }
}

/// Refuses vantages that are neither configured nor in the record.
///
/// # Errors
/// Such a vantage, with near names.
pub(super) fn known_vantages(config: &Config, vantages: &[VantageId], recorded: &[VantageId]) -> Result<(), Fault> {
    let known = || config.vantages.iter().map(|vantage| &vantage.id).chain(recorded);
    match vantages.iter().find(|id| !known().any(|other| other == *id)) {
        None => Ok(()),
        Some(id) => {
            let near = near(id.as_str(), known().map(VantageId::as_str));
            Err(Fault::Usage(format!("the vantage `{id}` is neither configured nor in the record.{near}")))
        }
    }
}

/// The filter for spans of the store; sources are left open.
pub(super) fn span_filter(select: &Selectors, now: Timestamp) -> SpanFilter {
    SpanFilter {
        sites: select.sites.clone(),
        vantages: select.vantage.clone(),
        statuses: select.status.clone(),
        sources: Vec::new(),
        since: select.since.map(|when| when.since(now)),
        until: select.until.map(|when| when.until(now)),
    }
}

/// The filter for measurements of the store.
pub(super) fn measurement_filter(select: &Selectors, now: Timestamp) -> MeasurementFilter {
    let SpanFilter { sites, vantages, statuses, since, until, .. } = span_filter(select, now);
    MeasurementFilter { sites, vantages, statuses, since, until }
}

/// ` Did you mean …?` with the nearest names, or a few that exist.
fn near<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> String {
    let word = word.to_ascii_lowercase();
    let mut names: Vec<(usize, &str)> = names.map(|name| (distance(&word, &name.to_ascii_lowercase()), name)).collect();
    names.sort_unstable();
    names.dedup();
    let quote = |names: &[(usize, &str)]| names.iter().map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>();
    let close = |(far, name): &(usize, &str)| {
        *far <= 1 + word.chars().count().max(name.len()) / 4
            || (word.len() > 2 && name.to_ascii_lowercase().contains(&word))
    };
    let near: Vec<(usize, &str)> = names.iter().filter(|name| close(name)).take(3).copied().collect();
    match (near.is_empty(), names.is_empty()) {
        (false, _) => format!(" Did you mean {}?", quote(&near).join(" or ")),
        (true, true) => " None is configured.".to_owned(),
        (true, false) => {
            let more = if names.len() > 6 { ", …" } else { "" };
            format!(" Known: {}{more}.", quote(&names[..names.len().min(6)]).join(", "))
        }
    }
}

/// Edit distance with neighbouring letters swapped counted once (optimal string alignment). Names are at most
/// 64 characters on one side; the other is cut there too.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    fn words(words: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        targets(&fixtures::config(), &words)
            .map(|targets| targets.iter().map(|(site, url)| format!("{site} {url}")).collect())
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn sites_and_urls_are_found_once() {
        let found = words(&["fergana", "https://fergana.media/", "https://example.org/x?y"]).unwrap();
        assert_eq!(
            found,
            [
                "fergana https://fergana.media/",
                "fergana https://fergana.agency/",
                "example.org https://example.org/x?y"
            ]
        );
        assert_eq!(words(&["http://[2001:db8::1]:8080/"]).unwrap(), ["2001-db8--1 http://[2001:db8::1]:8080/"]);
    }

    #[test]
    fn an_unknown_site_is_answered_with_near_ones() {
        assert_eq!(
            words(&["ferganna"]).unwrap_err(),
            "error: there is no site `ferganna` in the target list. Did you mean `fergana`?"
        );
        assert!(words(&["zzz"]).unwrap_err().contains("Known: `fergana`, `livejournal`"));
        assert!(words(&["example.org"]).unwrap_err().contains("write https://example.org/"));
        for bad in ["ftp://x/", "https://", "https://u:p@x/"] {
            assert!(words(&[bad]).unwrap_err().contains("cannot be measured"), "{bad}");
        }
    }

    #[test]
    fn a_site_of_the_record_is_known_too() {
        let config = fixtures::config();
        let gone: SiteId = "gone".parse().unwrap();
        assert!(known_sites(&config, std::slice::from_ref(&gone), || Ok(vec![gone.clone()])).is_ok());
        assert!(known_sites(&config, &[gone], || Ok(Vec::new())).is_err());
        assert!(known_sites(&config, &["fergana".parse().unwrap()], || panic!("not asked")).is_ok());
    }

    #[test]
    fn controls_are_no_places_to_check_from() {
        let config = fixtures::config();
        let named = |ids: &[&str]| vantages(&config, &ids.iter().map(|id| id.parse().unwrap()).collect::<Vec<_>>());
        assert_eq!(named(&[]).unwrap(), ["almaty-kt".parse().unwrap()]);
        assert!(named(&["berlin"]).unwrap_err().to_string().contains("is a control"));
        assert!(named(&["almaty"]).unwrap_err().to_string().contains("Did you mean `almaty-kt`?"));
    }

    #[test]
    fn distances() {
        assert_eq!(distance("fergana", "feragna"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("ratel", "ratel"), 0);
    }
}
