//! The page: the present as one self-contained HTML document, no script and nothing from outside.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::board::{Place, Snapshot};
use super::words;
use crate::detect::SeriesState;
use crate::model::{CountryCode, Report, SeriesKey, SilenceKind, Site, Status, Timestamp, VantageSpan};

const STYLE: &str = include_str!("page.css");

/// Longest text of foreign origin that is shown in one place, characters.
const MAX_TEXT: usize = 600;
/// Longest list of faults of a refused configuration that is shown, characters.
const MAX_ERROR: usize = 4_000;

/// The CSP source expression that allows the page's own style and no other (Content Security Policy 3, hash source).
pub(super) static STYLE_SOURCE: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE.as_bytes()))));

/// The page that shows `board` as it is at `now`.
///
/// # Errors
///
/// Only when the template engine fails to write.
pub(super) fn render(board: &Snapshot, now: Timestamp) -> Result<String, askama::Error> {
    Page::of(board, now).render()
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    style: &'static str,
    version: &'static str,
    now: String,
    config_error: Vec<String>,
    tally: Vec<(Mark, usize)>,
    vantages: Vec<VantageView>,
    countries: Vec<CountryView>,
    legend: Vec<(Mark, &'static str)>,
}

/// A status as a reader sees it: word, sign and colour, so that none has to be told by colour alone.
#[derive(Clone, Copy)]
struct Mark {
    word: &'static str,
    sign: &'static str,
    class: &'static str,
}

struct VantageView {
    name: String,
    country: Option<String>,
    word: String,
    sign: &'static str,
    class: &'static str,
}

struct CountryView {
    title: String,
    id: String,
    vantages: Vec<String>,
    /// Columns of the table: the URL and the vantages.
    columns: usize,
    sites: Vec<SiteView>,
}

struct SiteView {
    name: String,
    id: String,
    category: Option<String>,
    rows: Vec<RowView>,
    reported: Vec<ReportView>,
}

struct RowView {
    url: String,
    cells: Vec<CellView>,
}

struct CellView {
    vantage: String,
    mark: Mark,
    since: Option<String>,
    how: Option<(&'static str, &'static str)>,
    unsettled: Option<&'static str>,
    measured: Option<MeasuredView>,
}

struct MeasuredView {
    at: String,
    ago: String,
    verdict: String,
    reasons: Vec<String>,
    span: Option<String>,
}

struct ReportView {
    mark: Mark,
    when: String,
    about: Option<String>,
    citation: String,
}

impl Page {
    fn of(board: &Snapshot, now: Timestamp) -> Self {
        let mut by_country: BTreeMap<CountryCode, Vec<&Site>> = BTreeMap::new();
        for site in board.sites.iter() {
            by_country.entry(site.country).or_default().push(site);
        }
        Self {
            style: STYLE,
            version: env!("CARGO_PKG_VERSION"),
            now: words::instant(now),
            config_error: board.config_error.as_deref().map(lines).unwrap_or_default(),
            tally: tally(board),
            vantages: board.vantages.iter().map(|(place, up)| vantage(place, *up, &board.silences)).collect(),
            countries: by_country.into_iter().map(|(code, sites)| country(code, &sites, board, now)).collect(),
            legend: Status::ALL.iter().map(|&status| (mark(status), meaning(status))).collect(),
        }
    }
}

/// How many series stand where, blocked ones first, those not yet measured last.
fn tally(board: &Snapshot) -> Vec<(Mark, usize)> {
    let count = |status| board.states.values().filter(|state| state.status() == status).count();
    let rest = Status::ALL.iter().copied().filter(|status| *status != Status::Blocked);
    let mut tally: Vec<(Mark, usize)> =
        std::iter::once(Status::Blocked).chain(rest).map(|status| (mark(status), count(status))).collect();
    let urls: usize = board.sites.iter().map(|site| site.urls.len()).sum();
    tally.push((unmeasured(), (urls * board.vantages.len()).saturating_sub(board.states.len())));
    tally.retain(|(_, count)| *count > 0);
    tally
}

fn unmeasured() -> Mark {
    Mark { word: "not yet measured", ..mark(Status::Inconclusive) }
}

fn vantage(place: &Place, up: Option<bool>, silences: &[VantageSpan]) -> VantageView {
    let silent = silences.iter().find(|silence| silence.vantage == place.id);
    let since =
        |silence: &VantageSpan| words::bracket(silence.start).unwrap_or_else(|| "since when is not known".into());
    let (word, sign, class) = match (silent, up) {
        (Some(silence), _) => {
            let what = match silence.kind {
                SilenceKind::Offline => "has no network",
                SilenceKind::DomesticOnly => "has only domestic network",
                SilenceKind::NotMeasuring => "was not measuring until now",
            };
            (format!("{what}; it began {}", since(silence)), "○", "offline")
        }
        (None, Some(true)) => ("has a network".to_owned(), "✓", "accessible"),
        (None, Some(false)) => ("offline".to_owned(), "○", "offline"),
        (None, None) => ("not yet known".to_owned(), "?", "inconclusive"),
    };
    let country = (place.country != CountryCode::UNKNOWN).then(|| place.country.to_string());
    VantageView { name: place.id.to_string(), country, word, sign, class }
}

fn country(code: CountryCode, sites: &[&Site], board: &Snapshot, now: Timestamp) -> CountryView {
    let title = if code == CountryCode::UNKNOWN {
        "Watched, no country named".to_owned()
    } else {
        format!("Watched for {code}")
    };
    CountryView {
        title,
        id: format!("country-{code}"),
        vantages: board.vantages.iter().map(|(place, _)| place.id.to_string()).collect(),
        columns: 1 + board.vantages.len(),
        sites: sites.iter().map(|site| site_view(site, board, now)).collect(),
    }
}

fn site_view(site: &Site, board: &Snapshot, now: Timestamp) -> SiteView {
    let row = |url: &url::Url| {
        let cell = |place: &Place| {
            let series = SeriesKey { site: site.id.clone(), url: url.clone(), vantage: place.id.clone() };
            cell(place, board.states.get(&series).map(AsRef::as_ref), now)
        };
        RowView {
            url: words::clean(url.as_str(), MAX_TEXT),
            cells: board.vantages.iter().map(|(place, _)| cell(place)).collect(),
        }
    };
    let mut reported: Vec<&Report> = site.reported.iter().collect();
    reported.sort_by_key(|report| (report.from.earliest, report.from.latest));
    SiteView {
        name: words::clean(&site.name, MAX_TEXT),
        id: site.id.to_string(),
        category: site.category.as_deref().map(|category| words::clean(category, MAX_TEXT)),
        rows: site.urls.iter().map(row).collect(),
        reported: reported.into_iter().map(report).collect(),
    }
}

fn cell(place: &Place, state: Option<&SeriesState>, now: Timestamp) -> CellView {
    let Some(state) = state else {
        let vantage = place.id.to_string();
        return CellView { vantage, mark: unmeasured(), since: None, how: None, unsettled: None, measured: None };
    };
    let span = state.span.as_ref();
    let how = span.and_then(|span| span.mechanism).map(|how| (how.in_words(), how.as_str()));
    let being_confirmed =
        if span.is_some() { "A recovery is being confirmed." } else { "Failures are being confirmed." };
    let unsettled = state.is_unsettled().then_some(being_confirmed);
    let of_span = span.map(|span| {
        let sure = span.confidence.map(|sure| format!(", {} sure that it is no chance", words::percent(sure)));
        format!("Seen in {} measurements{}.", span.measurements, sure.unwrap_or_default())
    });
    let measured = state.last.as_ref().map(|last| MeasuredView {
        at: words::instant(last.at),
        ago: words::length(now.since(last.at)),
        verdict: match last.mechanism {
            Some(how) => format!("{} ({how})", last.status),
            None => last.status.to_string(),
        },
        reasons: last.reasons.iter().map(|reason| words::clean(reason, MAX_TEXT)).collect(),
        span: of_span,
    });
    CellView {
        vantage: place.id.to_string(),
        mark: mark(state.status()),
        since: span.map(|span| match words::bracket(span.start) {
            Some(when) if span.start.earliest.is_none() => format!("Began {when}, when it was first measured."),
            Some(when) => format!("Began {when}."),
            None => "When it began is not known.".to_owned(),
        }),
        how,
        unsettled,
        measured,
    }
}

fn report(report: &Report) -> ReportView {
    let mut when = match words::bracket(report.from) {
        Some(from) => format!("began {from}"),
        None => "beginning not stated".to_owned(),
    };
    match report.to.map(words::bracket) {
        Some(Some(to)) => when.push_str(&format!(", ended {to}")),
        Some(None) => when.push_str(", ended, not stated when"),
        None => when.push_str(", no end stated"),
    }
    if let Some(as_of) = report.as_of {
        when.push_str(&format!("; as of {}", words::document_time(as_of)));
    }
    let url = report.url.as_ref().map(|url| words::clean(url.as_str(), MAX_TEXT));
    let about = match (url, &report.vantage) {
        (Some(url), Some(vantage)) => Some(format!("{url} from {vantage}")),
        (Some(url), None) => Some(url),
        (None, Some(vantage)) => Some(format!("from {vantage}")),
        (None, None) => None,
    };
    let citation = match &report.note {
        Some(note) => format!("{} [{note}]", report.citation),
        None => report.citation.clone(),
    };
    ReportView { mark: mark(report.status), when, about, citation: words::clean(&citation, MAX_TEXT) }
}

/// The lines of a text, each cleaned, the whole bounded.
fn lines(text: &str) -> Vec<String> {
    let mut left = MAX_ERROR;
    text.lines()
        .map_while(|line| {
            let line = words::clean(line, left);
            left = left.saturating_sub(line.chars().count() + 1);
            (left > 0).then_some(line)
        })
        .collect()
}

fn mark(status: Status) -> Mark {
    let sign = match status {
        Status::Accessible => "✓",
        Status::Blocked => "✕",
        Status::Denied => "⊘",
        Status::Down => "↓",
        Status::Offline => "○",
        Status::Inconclusive => "?",
    };
    Mark { word: status.as_str(), sign, class: status.as_str() }
}

const fn meaning(status: Status) -> &'static str {
    match status {
        Status::Accessible => "the site answers",
        Status::Blocked => "someone on the path interferes",
        Status::Denied => "the site's own server refuses this vantage",
        Status::Down => "it fails for the control too",
        Status::Offline => "the vantage has no network, or only a domestic one",
        Status::Inconclusive => "the evidence does not bear an opinion",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of `#rrggbb` (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let channel = |range| {
            let value = f64::from(u8::from_str_radix(&colour[range], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1..3) + 0.7152 * channel(3..5) + 0.0722 * channel(5..7)
    }

    #[test]
    fn text_has_the_contrast_that_wcag_aa_asks() {
        let schemes: Vec<BTreeMap<&str, &str>> = STYLE
            .split(":root {")
            .skip(1)
            .map(|scheme| {
                let scheme = scheme.split('}').next().unwrap();
                scheme.split(';').filter_map(|line| line.trim().strip_prefix("--")?.split_once(": ")).collect()
            })
            .collect();
        assert_eq!(schemes.len(), 2, "light and dark");
        for scheme in schemes {
            let mut pairs =
                vec![("ink", "paper"), ("quiet", "paper"), ("link", "paper"), ("ink", "band"), ("blocked", "paper")];
            let backgrounds: Vec<String> = Status::ALL.iter().map(|status| format!("{status}-bg")).collect();
            pairs.extend(
                Status::ALL.iter().zip(&backgrounds).map(|(status, ground)| (status.as_str(), ground.as_str())),
            );
            for (text, ground) in pairs {
                let (a, b) = (luminance(scheme[text]), luminance(scheme[ground]));
                let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(ratio >= 4.5, "{text} on {ground}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn every_status_has_a_sign_and_a_colour_of_its_own() {
        let signs: std::collections::BTreeSet<_> = Status::ALL.iter().map(|&status| mark(status).sign).collect();
        assert_eq!(signs.len(), Status::ALL.len());
        for status in Status::ALL {
            assert!(STYLE.contains(&format!("\n.{status} {{")), "{status}");
        }
    }

    #[test]
    fn a_long_list_of_faults_is_cut() {
        assert_eq!(lines("a\n  b\n"), ["a", "  b"]);
        assert!(lines(&"x".repeat(9_000)).concat().chars().count() <= MAX_ERROR + 1);
        assert!(lines(&"x\n".repeat(9_000)).len() <= MAX_ERROR / 2 + 1);
    }
}
