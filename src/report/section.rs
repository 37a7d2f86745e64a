//! One site of a briefing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Known;
use super::claims::{Claim, claims};
use crate::language::Language;
use crate::model::{SeriesKey, Site, Span, SpanSource, Timestamp, legible};
use crate::rollup::{Agreement, InCountry};
use crate::store::Watched;
use crate::timeline::{Drawing, Mark, arrange};

/// Longest name or URL that is told, characters.
const MAX_TEXT: usize = 300;

/// A site as it is told.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) is_blocked: bool,
    /// One sentence.
    pub(super) in_short: String,
    /// How many networks bear it out.
    pub(super) agreements: Vec<String>,
    pub(super) urls: Vec<String>,
    /// Label and SVG of each row, the axis last; empty when nothing is known.
    pub(super) rows: Vec<(String, String)>,
    pub(super) spans: Vec<SpanLine>,
    pub(super) claims: Vec<Claim>,
}

/// A span as it is told.
pub(super) struct SpanLine {
    pub(super) began: String,
    pub(super) ended: String,
    pub(super) network: String,
    pub(super) from: String,
    pub(super) url: String,
    pub(super) how: String,
    pub(super) label: String,
    pub(super) seen: u64,
    pub(super) sure: String,
    pub(super) source: String,
    pub(super) id: String,
    pub(super) decided: Vec<String>,
}

impl Section {
    pub(super) fn new(known: &Known<'_>, site: &Site, joined: &[&InCountry]) -> Self {
        let name = legible(&site.name, MAX_TEXT);
        let spans: Vec<&Span> = known.spans.iter().filter(|span| span.site == site.id).collect();
        let watched: Vec<&Watched> = known.watched.iter().filter(|one| one.series.site == site.id).collect();
        let is_reached = |one: &&Watched| {
            let place = known.watched.iter().position(|other| std::ptr::eq(other, *one));
            place.and_then(|place| known.reached.get(place)).copied().unwrap_or(false)
        };
        let reached: Vec<&Watched> = watched.iter().copied().filter(is_reached).collect();
        // A part of the way is told in the list, and makes no site blocked.
        let whole: Vec<&Span> = spans.iter().copied().filter(|span| span.partial.is_none()).collect();
        let joined: Vec<&InCountry> = joined.iter().copied().filter(|one| one.site == site.id).collect();
        let ongoing = joined.iter().find(|one| one.ongoing && one.source == SpanSource::Measured);
        let language = known.language;
        let in_short = match ongoing {
            Some(now) => {
                let since = language.bracket_or_unknown(now.start);
                language.say_with("brief-is-blocked", &[("site", name.as_str().into()), ("since", since.into())])
            }
            None if !whole.is_empty() => {
                let length = language.length(in_all(&whole, known.until));
                let count = joined.len();
                language.say_with(
                    "brief-was-blocked",
                    &[("site", name.as_str().into()), ("count", count.into()), ("length", length.into())],
                )
            }
            None if watched.is_empty() => language.say_with("brief-is-unmeasured", &[("site", name.as_str().into())]),
            None if reached.is_empty() => language.say_with("brief-is-unreached", &[("site", name.as_str().into())]),
            None => language.say_with("brief-is-clear", &[("site", name.as_str().into())]),
        };
        Self {
            id: site.id.to_string(),
            is_blocked: ongoing.is_some(),
            in_short,
            agreements: agreements(language, &joined),
            urls: site.urls.iter().map(|url| legible(url.as_str(), MAX_TEXT)).collect(),
            rows: rows(known, site, &spans, &watched),
            spans: spans.iter().map(|span| line(known, span)).collect(),
            claims: claims(known, site, &whole, &reached),
            name,
        }
    }
}

/// How long it was so for certain, whatever the vantage: stretches that overlap count once.
fn in_all(spans: &[&Span], until: Timestamp) -> Duration {
    let mut stretches: Vec<(Timestamp, Timestamp)> = spans
        .iter()
        .filter_map(|span| {
            let from = span.start.latest?;
            let over = span.end.map_or(span.last_observed, |end| end.earliest)?.min(until);
            (from < over).then_some((from, over))
        })
        .collect();
    stretches.sort_unstable();
    let mut all = Duration::ZERO;
    let mut reached: Option<Timestamp> = None;
    for (from, over) in stretches {
        let from = reached.map_or(from, |reached| reached.max(from));
        all += over.since(from);
        reached = Some(reached.map_or(over, |reached| reached.max(over)));
    }
    all
}

/// One sentence for each source and degree of agreement.
fn agreements(language: Language, joined: &[&InCountry]) -> Vec<String> {
    let mut told = BTreeSet::new();
    for one in joined {
        let seen = one.networks.iter().map(|network| &network.network).collect::<BTreeSet<_>>().len();
        let numbers = [("seen", seen.into()), ("watched", one.networks_watched.into()), ("quorum", one.quorum.into())];
        let sentence = match one.agreement {
            Agreement::Agreed => language.say_with("brief-agreed", &numbers),
            Agreement::TooFewNetworks => language.say_with("brief-too-few", &numbers),
            Agreement::OneNetworkOnly => language.say("brief-one-network"),
        };
        told.insert(format!("{}: {sentence}", capital(&language.source_of_span(one.source))));
    }
    told.into_iter().collect()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The time line: reported, imported and measured spans, when it was looked at, and when a vantage told nothing.
fn rows(known: &Known<'_>, site: &Site, spans: &[&Span], watched: &[&Watched]) -> Vec<(String, String)> {
    let language = known.language;
    let reported = site.reported_spans();
    let drawn: Vec<&Span> = spans.iter().copied().chain(&reported).collect();
    if drawn.is_empty() && watched.is_empty() {
        return Vec::new();
    }
    let extents = watched.iter().map(|one| (one.first, one.last));
    let extents = extents.chain([(known.until, known.until)]);
    let until = known.since.map(|_| known.until);
    let drawing = Drawing::new(drawn.iter().copied(), extents, known.since, until, known.now);
    let series: Vec<(&SeriesKey, SpanSource)> = watched.iter().map(|one| (&one.series, one.source)).collect();
    let mut rows = Vec::new();
    for site in arrange(drawn.iter().copied(), &series) {
        let several = site.urls.iter().filter(|(url, _)| url.is_some()).count() > 1;
        for (url, lanes) in site.urls {
            for row in lanes {
                let place = row.vantage.map(|vantage| vantage.to_string());
                let mut label = language.row_label(row.source, place, row.status, row.partial);
                if let (true, Some(url)) = (several, url) {
                    label = format!("{label}, {}", legible(url.as_str(), MAX_TEXT));
                }
                let extent = row.watched.and_then(|place| watched.get(place)).map(|one| (one.first, one.last));
                let silences = known
                    .silences
                    .iter()
                    .filter(|silence| row.source == SpanSource::Measured && row.vantage == Some(&silence.vantage));
                let mark = |span: &Span| Mark { href: None, title: language.span_in_short(span) };
                let svg = drawing.row(&label, extent, row.spans.iter().copied(), silences, mark);
                rows.push((if row.is_first { label } else { String::new() }, svg));
            }
        }
    }
    rows.push((String::new(), drawing.axis()));
    rows
}

fn line(known: &Known<'_>, span: &Span) -> SpanLine {
    let language = known.language;
    let decided = known.decided.get(&span.span_id).copied().unwrap_or_default();
    let by = |name, id: Option<crate::model::MeasurementId>| {
        id.map(|id| language.say_with(name, &[("id", id.to_string().into())]))
    };
    let part = span.partial.map(|part| format!(" ({})", language.part(part))).unwrap_or_default();
    SpanLine {
        began: language.bracket_or_unknown(span.start),
        ended: language.end_of_span(span),
        network: span
            .vantage
            .as_ref()
            .map_or_else(String::new, |vantage| known.places.of(&span.site, vantage).1.to_string()),
        from: span.vantage.as_ref().map_or_else(String::new, ToString::to_string),
        url: span.url.as_ref().map_or_else(String::new, |url| legible(url.as_str(), MAX_TEXT)),
        how: span.mechanism.map_or_else(String::new, |how| format!("{}{part}", language.mechanism(how))),
        label: span.mechanism.map_or_else(String::new, |how| how.to_string()),
        seen: span.measurements,
        sure: span.confidence.map_or_else(String::new, |sure| language.percent(sure)),
        source: language.source_of_span(span.source),
        id: span.span_id.to_string(),
        decided: [by("brief-opened-by", decided.opened), by("brief-closed-by", decided.closed)]
            .into_iter()
            .flatten()
            .collect(),
    }
}
