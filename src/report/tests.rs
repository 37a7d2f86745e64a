//! A briefing of a small record, looked at as its readers do.

use super::claims::{Finding, finding};
use super::markdown::plain;
use super::*;
use crate::cli::fixtures::{at, between, span};
use crate::model::{Bracket, Mechanism, Report, SeriesKey, Status};

fn report(from: &str, to: Option<&str>, as_of: Option<&str>) -> Report {
    let day = |text: &str| at(&format!("{text}T00:00:00Z"));
    Report {
        status: Status::Blocked,
        url: None,
        vantage: None,
        from: Bracket { earliest: Some(day(from)), latest: Some(day(from)) },
        to: to.map(|to| Bracket { earliest: Some(day(to)), latest: Some(day(to)) }),
        as_of: as_of.map(day),
        citation: "A paper <b>&*_ https://evil.example/".to_owned(),
        note: None,
    }
}

fn site(reported: Vec<Report>) -> Site {
    Site {
        id: "fergana".parse().unwrap(),
        name: "Fergana <script>*News*".to_owned(),
        country: "KZ".parse().unwrap(),
        category: None,
        urls: vec!["https://fergana.media/".parse().unwrap()],
        reported,
    }
}

fn watched(vantage: &str, source: SpanSource, first: &str, last: &str) -> Watched {
    let series = SeriesKey {
        site: "fergana".parse().unwrap(),
        url: "https://fergana.media/".parse().unwrap(),
        vantage: vantage.parse().unwrap(),
    };
    Watched::sample(series, source, at(first), at(last))
}

fn block(vantage: &str, start: Bracket, end: Option<Bracket>) -> Span {
    Span {
        vantage: Some(vantage.parse().unwrap()),
        span_id: SpanId::derived(vantage),
        mechanism: Some(Mechanism::TlsTimeout),
        last_observed: Some(at("2026-11-24T23:00:00Z")),
        ..span(start, end)
    }
}

struct World {
    sites: Vec<Site>,
    spans: Vec<Span>,
    watched: Vec<Watched>,
    reached: Vec<bool>,
    places: Whereabouts,
    decided: BTreeMap<SpanId, Decided>,
}

impl World {
    /// Two networks saw a block of some hours; one document speaks of that time, one of another.
    fn new() -> Self {
        let start = between("2026-11-24T20:00:00Z", "2026-11-24T20:01:00Z");
        let end = between("2026-11-24T23:00:00Z", "2026-11-24T23:01:00Z");
        let spans = vec![block("almaty-kt", start, Some(end)), block("astana-b", start, Some(end))];
        let kz: CountryCode = "KZ".parse().unwrap();
        let mut places = Whereabouts::default();
        places.vantages.insert("almaty-kt".parse().unwrap(), (kz, Some(9198)));
        places.vantages.insert("astana-b".parse().unwrap(), (kz, Some(29355)));
        let decided = Decided { opened: Some(MeasurementId::new()), closed: None };
        Self {
            sites: vec![site(vec![
                report("2014-08-01", None, Some("2016-04-01")),
                report("2026-11-24", Some("2026-11-26"), None),
            ])],
            decided: [(spans[0].span_id, decided)].into_iter().collect(),
            spans,
            watched: ["almaty-kt", "astana-b"]
                .map(|vantage| watched(vantage, SpanSource::Measured, "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"))
                .to_vec(),
            reached: vec![true, true],
            places,
        }
    }

    fn brief(&self, language: Language) -> Briefing {
        Briefing::new(&Known {
            language,
            country: "KZ".parse().unwrap(),
            since: None,
            until: at("2026-11-25T00:00:00Z"),
            now: at("2026-11-25T00:00:00Z"),
            rules: 3,
            sites: self.sites.iter().collect(),
            spans: &self.spans,
            watched: &self.watched,
            reached: &self.reached,
            silences: &[],
            places: &self.places,
            quorum: 2,
            decided: &self.decided,
        })
    }
}

#[test]
fn it_says_what_the_record_bears() {
    let world = World::new();
    let html = world.brief(Language::English).html().unwrap();
    let opened = world.decided.values().next().unwrap().opened.unwrap().to_string();
    for words in [
        "was blocked once, for 2 h or longer. It is not blocked now.",
        "Measured: 2 of 2 networks saw it at one time; 2 must agree",
        "between 2026-11-24 20:00:00 and 20:01:00 UTC",
        "AS9198 (almaty-kt)",
        "No measurement of that time is in this record: it stays a claim.",
        "2 recorded blocks lie in that time and bear it out.",
        opened.as_str(),
        "<svg class=\"row\"",
        "How to cite",
        "rule set 3",
    ] {
        assert!(html.contains(words), "{words}\n{html}");
    }
    for outside in ["<script", "http-equiv=\"refresh", "src=", "url(", "@import", "href="] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn what_goes_on_is_told_first_and_one_network_is_not_a_country() {
    let mut world = World::new();
    world.spans.truncate(1);
    world.spans[0].end = None;
    world.spans[0].ongoing = true;
    let told = world.brief(Language::English).markdown();
    assert!(told.contains("is blocked now. It began between"), "{told}");
    assert!(told.contains("One network saw it"), "{told}");
}

#[test]
fn the_languages_tell_the_same() {
    let world = World::new();
    for &language in Language::ALL {
        let briefing = world.brief(language);
        let (html, markdown) = (briefing.html().unwrap(), briefing.markdown());
        assert!(html.contains(&format!("<html lang=\"{language}\">")));
        for text in [html, markdown] {
            assert!(!text.contains("brief-") && !text.contains("{ $"), "{text}");
            for fact in ["tls.timeout", "AS9198", "AS29355"] {
                assert!(text.contains(fact), "{fact}: {text}");
            }
        }
    }
}

#[test]
fn hostile_names_stay_text_in_markdown_too() {
    let markdown = World::new().brief(Language::English).markdown();
    assert!(markdown.contains("## Fergana \\<script\\>\\*News\\*"), "{markdown}");
    assert!(!markdown.contains("https://"), "a site's address is no link: {markdown}");
    assert_eq!(plain("a|b\n[c](d) `e`"), "a\\|b \\[c\\](d) \\`e\\`");
}

#[test]
fn a_claim_is_held_against_its_own_time_and_place_only() {
    let world = World::new();
    let spans: Vec<&Span> = world.spans.iter().collect();
    let watched: Vec<&Watched> = world.watched.iter().collect();
    let find = |report: &Report, spans: &[&Span]| finding(report, &world.sites[0], spans, &watched);
    let day = report("2026-11-24", Some("2026-11-25"), None);
    assert_eq!(find(&day, &spans), Finding::Confirmed(2));
    let from = at("2026-11-24T00:00:00Z");
    assert_eq!(find(&day, &[]), Finding::Contradicted(from, at("2026-11-25T00:00:00Z")));
    assert_eq!(find(&report("2014-08-01", None, Some("2016-04-01")), &spans), Finding::Unmeasured);
    let elsewhere = Report { vantage: Some("AS1-KZ".parse().unwrap()), ..day.clone() };
    assert_eq!(find(&elsewhere, &spans), Finding::Unmeasured);
    let other = Report { url: Some("https://fergana.agency/".parse().unwrap()), ..day };
    assert_eq!(find(&other, &spans), Finding::Unmeasured);
}

#[test]
fn a_site_that_was_never_looked_at_is_not_called_clear() {
    let mut world = World::new();
    world.spans.clear();
    assert!(world.brief(Language::English).markdown().contains("was measured, and no block was found"));
    // A vantage without a network measures, and tells nothing of the site.
    world.reached = vec![false, false];
    let told = world.brief(Language::English).markdown();
    assert!(told.contains("was measured and never reached; whether it was blocked is not known"), "{told}");
    world.watched.clear();
    world.reached.clear();
    let told = world.brief(Language::English).markdown();
    assert!(told.contains("was not measured in this time") && told.contains("No block is recorded"), "{told}");
}
