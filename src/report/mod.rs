//! The briefing: for one country what was blocked, since when, how, and on what evidence; as a page that prints, and as
//! Markdown.
//!
//! Pure: what is known comes in, text goes out. It says nothing that the record does not bear.

mod claims;
mod markdown;
mod section;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use crate::language::Language;
use crate::model::{CountryCode, MeasurementId, Site, Span, SpanId, SpanSource, Timestamp, VantageSpan};
use crate::rollup::{InCountry, Whereabouts, by_country};
use crate::store::Watched;
use section::Section;

/// What a briefing is made of.
#[derive(Debug)]
pub struct Known<'k> {
    /// In which language.
    pub language: Language,
    /// For which country.
    pub country: CountryCode,
    /// From when on; None: from the first thing that is known of.
    pub since: Option<Timestamp>,
    /// Until when.
    pub until: Timestamp,
    /// The present.
    pub now: Timestamp,
    /// The rule set of this build.
    pub rules: u32,
    /// The sites, in the order in which they are told.
    pub sites: Vec<&'k Site>,
    /// Their spans of our own and of imported measurements, in order of their start.
    pub spans: &'k [Span],
    /// Their series that have evidence.
    pub watched: &'k [Watched],
    /// Whether the site was reached at least once in this time, of each of these.
    pub reached: &'k [bool],
    /// When vantages told nothing.
    pub silences: &'k [VantageSpan],
    /// Where the vantages are.
    pub places: &'k Whereabouts,
    /// Networks that must agree.
    pub quorum: usize,
    /// The measurements that spans were opened and closed on, as far as they are known.
    pub decided: &'k BTreeMap<SpanId, Decided>,
}

/// The measurements that decided a span's ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decided {
    /// Its opening.
    pub opened: Option<MeasurementId>,
    /// Its closing.
    pub closed: Option<MeasurementId>,
}

/// A briefing, laid out.
#[derive(Template)]
#[template(path = "briefing.html")]
pub struct Briefing {
    language: Language,
    style: &'static str,
    title: String,
    period: String,
    made: String,
    /// Name and value.
    facts: Vec<(String, String)>,
    summary: Vec<String>,
    sections: Vec<Section>,
    vantages: Vec<VantageLine>,
    cite: String,
}

/// A vantage with its network and how long it told nothing.
struct VantageLine {
    name: String,
    network: String,
    country: String,
    silent: String,
}

impl std::fmt::Debug for Briefing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Briefing").field("title", &self.title).finish_non_exhaustive()
    }
}

impl Briefing {
    /// Lays it out.
    pub fn new(known: &Known<'_>) -> Self {
        let language = known.language;
        let series: Vec<_> = known.watched.iter().map(|one| (one.series.clone(), one.source)).collect();
        let joined = by_country(known.spans, &series, known.places, known.quorum);
        let of_country: Vec<&InCountry> = joined.iter().filter(|one| one.country == known.country).collect();
        let sections: Vec<Section> = known.sites.iter().map(|site| Section::new(known, site, &of_country)).collect();
        let first = known.watched.iter().map(|watched| watched.first).min();
        let from = known.since.or(first).unwrap_or(known.until);
        let said = |name, values: &[(&str, String)]| {
            let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str().into())).collect();
            language.say_with(name, &values)
        };
        let title = said("brief-title", &[("country", language.country(known.country))]);
        let period = said("brief-period", &[("from", language.instant(from)), ("to", language.instant(known.until))]);
        let version = || ("version", env!("CARGO_PKG_VERSION").to_owned());
        let made = || [("at", language.instant(known.now)), version(), ("rules", known.rules.to_string())];
        let [at, by, rules] = made();
        Self {
            language,
            style: include_str!("briefing.css"),
            cite: said("brief-cite-text", &[("title", title.clone()), ("period", period.clone()), at, by, rules]),
            made: said("brief-made", &made()),
            facts: facts(known, &sections),
            summary: sections.iter().map(|section| section.in_short.clone()).collect(),
            vantages: vantages(known, from),
            title,
            period,
            sections,
        }
    }

    /// As one HTML document that needs nothing from elsewhere.
    ///
    /// # Errors
    /// Only when the template engine fails to write.
    pub fn html(&self) -> Result<String, askama::Error> {
        self.render()
    }
}

fn facts(known: &Known<'_>, sections: &[Section]) -> Vec<(String, String)> {
    let language = known.language;
    let blocked: Vec<&str> =
        sections.iter().filter(|section| section.is_blocked).map(|section| section.name.as_str()).collect();
    let blocked = if blocked.is_empty() { language.say("brief-none") } else { blocked.join(", ") };
    let looked: BTreeSet<_> = known.watched.iter().map(|one| &one.series.vantage).collect();
    let networks: BTreeSet<_> =
        known.watched.iter().map(|one| known.places.of(&one.series.site, &one.series.vantage).1).collect();
    let seen: u64 = known.spans.iter().map(|span| span.measurements).sum();
    let fact = |name, value: String| (language.say(name), value);
    vec![
        fact("brief-fact-sites", known.sites.len().to_string()),
        fact("brief-fact-blocked", blocked),
        fact("brief-fact-vantages", looked.len().to_string()),
        fact("brief-fact-networks", networks.len().to_string()),
        fact("brief-fact-spans", known.spans.len().to_string()),
        fact("brief-fact-measurements", seen.to_string()),
    ]
}

/// The vantages that anything was measured from. Their silences are counted for certain: from when each had begun.
fn vantages(known: &Known<'_>, from: Timestamp) -> Vec<VantageLine> {
    let mut seen: BTreeMap<_, (_, SpanSource)> = BTreeMap::new();
    for one in known.watched {
        seen.entry(&one.series.vantage).or_insert((known.places.of(&one.series.site, &one.series.vantage), one.source));
    }
    let line = |(vantage, ((country, network), source)): (&crate::model::VantageId, (_, SpanSource))| {
        let (country, network): (CountryCode, crate::rollup::Network) = (country, network);
        let silent: std::time::Duration = known
            .silences
            .iter()
            .filter(|silence| silence.vantage == *vantage)
            .filter_map(|silence| {
                let begun = silence.start.latest.or(silence.start.earliest)?.max(from);
                let over = silence.end.map_or(Some(known.until), |end| end.earliest.or(end.latest))?.min(known.until);
                Some(over.since(begun))
            })
            .sum();
        VantageLine {
            name: vantage.to_string(),
            network: network.to_string(),
            country: known.language.country(country),
            silent: match source {
                SpanSource::Measured => known.language.length(silent),
                // What others did not send is nobody's silence.
                _ => String::new(),
            },
        }
    };
    seen.into_iter().map(line).collect()
}
