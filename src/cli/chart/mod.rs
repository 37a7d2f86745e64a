//! Spans as bars over a time axis.
//!
//! A row for each site, URL, vantage and source; what was reported stands under what was measured. Claims that
//! overlap each other get rows of their own, so that none hides another. An empty cell says nothing: only a mark tells
//! that the site was reached.

mod bar;
mod ruler;

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::look::{BOLD, DIM, Look};
use super::text::{columns, wrap};
use crate::model::{SeriesKey, Span, SpanSource, Status, Timestamp, VantageSpan};
use crate::store::Watched;
use crate::timeline::{self, Axis, arrange};
use bar::{Bar, Ink};

/// Space before the name of a row.
const INDENT: usize = 2;

/// What a chart is drawn of.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s> {
    /// The spans.
    pub(super) spans: &'s [Span],
    /// Series that get a row even where nothing is recorded against them.
    pub(super) watched: &'s [Watched],
    /// When vantages told nothing.
    pub(super) silences: &'s [VantageSpan],
    /// Where it begins; None: with the first instant that is spoken of.
    pub(super) since: Option<Timestamp>,
    /// Where it ends; None: with the last one.
    pub(super) until: Option<Timestamp>,
    /// The present.
    pub(super) now: Timestamp,
}

impl<'s> Scene<'s> {
    /// Spans alone.
    pub(super) const fn of(spans: &'s [Span], now: Timestamp) -> Self {
        Self { spans, watched: &[], silences: &[], since: None, until: None, now }
    }
}

/// One line of the chart: a heading, or spans of one source that do not overlap.
enum Line<'s> {
    Site(String),
    Url(String),
    Row(Row<'s>),
}

/// A row of cells.
struct Row<'s> {
    label: String,
    spans: Vec<&'s Span>,
    /// Its place among the watched series, if that is what it shows.
    watched: Option<usize>,
    /// The vantage of our own whose silences bear on it.
    vantage: Option<&'s str>,
}

/// A chart that is laid out.
pub(super) struct Chart<'s> {
    scene: Scene<'s>,
    lines: Vec<Line<'s>>,
    label: usize,
    axis: Axis,
}

impl<'s> Chart<'s> {
    /// Lays it out: what stands where, and what a cell stands for.
    pub(super) fn new(scene: Scene<'s>, look: &Look) -> Self {
        let lines = lines(&scene);
        let labels = lines.iter().map(|line| if let Line::Row(row) = line { columns(&row.label) } else { 0 });
        let label = labels.max().unwrap_or(0).clamp(8, (look.width * 2 / 5).max(8));
        let cells = look.width.saturating_sub(INDENT + label + 2).max(12);
        let measured = scene.watched.iter().map(|watched| (watched.first, watched.last));
        let axis = Axis::of(scene.spans.iter(), measured, scene.since, scene.until, cells);
        Self { scene, lines, label, axis }
    }

    /// The stretches of time that the cells of a row stand for, each up to the beginning of the next.
    pub(super) fn cells(&self) -> Vec<(Timestamp, Timestamp)> {
        let instant = Timestamp::from_unix_ms;
        let cells = (0..self.axis.cells()).map(|cell| self.axis.stretch(cell));
        cells.map(|(from, to)| (instant(from), instant(to))).collect()
    }

    /// Draws it. `reached` tells of each watched series in which cells its site was reached.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(super) fn draw(&self, reached: &[Vec<bool>], look: &Look, out: &mut dyn Write) -> io::Result<()> {
        let (label, left) = (self.label, INDENT + self.label + 2);
        let mut inks = BTreeSet::new();
        for line in &self.lines {
            let text = match line {
                Line::Site(text) => look.paint(BOLD, look.show(text, look.width)),
                Line::Url(text) => look.paint(DIM, format!("{:INDENT$}{}", "", look.show(text, look.width - INDENT))),
                Line::Row(row) => {
                    let name = look.show(&row.label, label);
                    let gap = label.saturating_sub(columns(&name)) + 2;
                    let bar = self.bar(row, reached);
                    inks.extend(bar.inks());
                    format!("{:INDENT$}{name}{:gap$}{}", "", "", bar.draw(look))
                }
            };
            writeln!(out, "{}", text.trim_end())?;
        }
        for line in ruler::draw(&self.axis, look) {
            writeln!(out, "{}", look.paint(DIM, format!("{:left$}{line}", "").trim_end()))?;
        }
        legend(&inks, look, out)
    }

    fn bar(&self, row: &Row<'_>, reached: &[Vec<bool>]) -> Bar {
        let mut bar = Bar::new(self.axis.cells());
        row.spans.iter().for_each(|span| bar.add(span, &self.axis));
        if let Some(reached) = row.watched.and_then(|watched| reached.get(watched)) {
            bar.add_reached(reached);
        }
        let of_row = |silence: &&VantageSpan| row.vantage == Some(silence.vantage.as_str());
        self.scene.silences.iter().filter(of_row).for_each(|silence| {
            bar.add_silence(silence, &self.axis, self.scene.now);
        });
        bar.paint_silences(&self.axis);
        bar
    }
}

/// Headings and rows: sites in order, within a site its URLs, then the claims that name none.
fn lines<'s>(scene: &Scene<'s>) -> Vec<Line<'s>> {
    let watched: Vec<(&SeriesKey, SpanSource)> = scene.watched.iter().map(|one| (&one.series, one.source)).collect();
    let mut lines = Vec::new();
    for site in arrange(scene.spans, &watched) {
        let named: Vec<&str> = site.urls.iter().filter_map(|(url, _)| url.map(url::Url::as_str)).collect();
        let several = named.len() > 1;
        lines.push(Line::Site(match named.as_slice() {
            [url] => format!("{}  {url}", site.site),
            _ => site.site.to_string(),
        }));
        for (url, rows) in site.urls {
            let url = url.filter(|_| several);
            lines.extend(url.map(|url| Line::Url(url.to_string())));
            let indent = if url.is_some() { "  " } else { "" };
            lines.extend(rows.into_iter().map(|row| Line::Row(labelled(row, indent))));
        }
    }
    lines
}

fn labelled<'s>(row: timeline::Row<'s>, indent: &str) -> Row<'s> {
    let name = row.vantage.map(|vantage| format!(" {vantage}")).unwrap_or_default();
    // Blocked is what a chart is about; other statuses are named.
    let status = match (row.partial, row.status) {
        (Some(part), _) => format!(", {part} only"),
        (None, Status::Blocked) => String::new(),
        (None, status) => format!(", {status}"),
    };
    let label = if row.is_first { format!("{indent}{}{name}{status}", row.source) } else { String::new() };
    let vantage = row.vantage.filter(|_| row.source == SpanSource::Measured).map(|vantage| vantage.as_str());
    Row { label, spans: row.spans, watched: row.watched, vantage }
}

/// What the signs mean, as far as they are used.
fn legend(inks: &BTreeSet<Ink>, look: &Look, out: &mut dyn Write) -> io::Result<()> {
    let signs = [
        (Ink::Certain, "certain"),
        (Ink::Possible, "began or ended within"),
        (Ink::Ongoing, "goes on"),
        (Ink::Unseen, "not seen meanwhile"),
        (Ink::Before, "began earlier"),
        (Ink::Unstated, "not stated"),
        (Ink::Reached, "reached"),
        (Ink::Silent, "the vantage told nothing"),
    ];
    let used = signs.iter().filter(|(ink, _)| inks.contains(ink));
    // A sign stays with the first of its words.
    let signs: Vec<String> = used.map(|(ink, words)| format!("{}\u{a0}{words}", ink.sign(look))).collect();
    writeln!(out)?;
    for line in wrap(&signs.join(", "), look.width) {
        writeln!(out, "{}", look.paint(DIM, line.replace('\u{a0}', " ")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::{UNKNOWN, at, between, config, span};
    use super::*;
    use crate::model::Bracket;

    fn draw(spans: &[Span], look: Look) -> String {
        let mut out = Vec::new();
        Chart::new(Scene::of(spans, at("2027-01-15T08:00:00Z")), &look).draw(&[], &look, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn years_of_claims_and_days_of_measurements() {
        let mut spans: Vec<Span> = config().sites.iter().flat_map(crate::model::Site::reported_spans).collect();
        let first = between("2015-03-10T00:00:00Z", "2015-05-20T00:00:00Z");
        spans.insert(0, span(first, Some(between("2015-08-01T00:00:00Z", "2015-08-02T00:00:00Z"))));
        insta::assert_snapshot!(draw(&spans, Look::plain()), @"
        fergana  https://fergana.media/
          measured almaty-kt                       ░░░░░░████████
          reported               ░░██████████████████████████████████████████████████???
        livejournal
          reported                                                   ???█░░
                              ┬───────────────┬──────────────┬───────────────┬──────────
                              2014-07         2015-01        2015-07         2016-01

        █ certain, ░ began or ended within, ? not stated
        ");
    }

    #[test]
    fn an_evening_of_measurements() {
        let spans = [
            span(
                between("2026-11-24T20:00:13Z", "2026-11-24T20:01:12Z"),
                Some(between("2026-11-24T21:30:00Z", "2026-11-24T21:44:00Z")),
            ),
            span(between("2026-11-24T23:00:00Z", "2026-11-24T23:10:00Z"), None),
        ];
        insta::assert_snapshot!(draw(&spans, Look::plain()), @"
        fergana  https://fergana.media/
          measured almaty-kt     ██████░    ░████████████████████████████████████████▶
                              ──────┬───────────┬───────────┬───────────┬───────────┬───
                                    21:00       00:00       03:00       06:00
                                    2026-11-24  2026-11-25 UTC

        █ certain, ░ began or ended within, ▶ goes on
        ");
    }

    /// A series of `source` seen from `vantage`.
    fn watched(source: SpanSource, vantage: &str, first: &str, last: &str) -> Watched {
        let series = SeriesKey {
            site: "fergana".parse().unwrap(),
            url: "https://fergana.media/".parse().unwrap(),
            vantage: vantage.parse().unwrap(),
        };
        Watched::sample(series, source, at(first), at(last))
    }

    fn silence(from: Bracket, to: Option<Bracket>) -> VantageSpan {
        VantageSpan {
            span_id: crate::model::SpanId::derived("silence"),
            vantage: "almaty-kt".parse().unwrap(),
            kind: crate::model::SilenceKind::NotMeasuring,
            cause: Some(crate::model::SilenceCause::Stopped),
            start: from,
            end: to,
            last_observed: None,
            observations: 0,
        }
    }

    #[test]
    fn one_site_with_all_that_is_known_of_it() {
        let day = |text: &str| between(&format!("{text}T00:00:00Z"), &format!("{text}T00:01:00Z"));
        let reported = config().sites[0].reported_spans().remove(0);
        let imported = Span {
            source: SpanSource::Ooni,
            vantage: Some("AS9198-KZ".parse().unwrap()),
            ..span(between("2015-02-01T00:00:00Z", "2015-03-20T00:00:00Z"), Some(day("2015-12-01")))
        };
        let measured = span(day("2015-06-01"), Some(day("2016-02-01")));
        let series = [
            watched(SpanSource::Measured, "almaty-kt", "2015-05-01T00:00:00Z", "2016-06-01T00:00:00Z"),
            watched(SpanSource::Measured, "astana", "2015-11-01T00:00:00Z", "2016-06-01T00:00:00Z"),
            watched(SpanSource::Ooni, "AS9198-KZ", "2014-09-01T00:00:00Z", "2016-05-01T00:00:00Z"),
        ];
        let silences =
            [silence(day("2015-08-01"), Some(day("2015-10-10"))), silence(day("2016-03-01"), Some(day("2016-04-10")))];
        let spans = [reported, imported, measured];
        let scene = Scene { watched: &series, silences: &silences, ..Scene::of(&spans, at("2016-06-01T00:00:00Z")) };
        let chart = Chart::new(scene, &Look::plain());
        let reached: Vec<Vec<bool>> = series
            .iter()
            .map(|series| {
                let of_ours = |at: Timestamp| {
                    silences.iter().all(|silence| {
                        series.source == SpanSource::Ooni
                            || Some(at) < silence.start.latest
                            || Some(at) > silence.end.and_then(|end| end.earliest)
                    })
                };
                let within =
                    |(from, _): &(Timestamp, Timestamp)| (series.first..series.last).contains(from) && of_ours(*from);
                chart.cells().iter().map(within).collect()
            })
            .collect();
        let mut out = Vec::new();
        chart.draw(&reached, &Look::plain(), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"
        fergana  https://fergana.media/
          measured almaty-kt                           ─█████▒▒▒▒▒▒█████████──···────
          measured astana                                            ─────────   ────
          ooni AS9198-KZ            ───────────░░░█████████████████████────────────
          reported               ░░██████████████████████████████████████████████???
                              ┬─────────────┬─────────────┬──────────────┬─────────────┬
                              2014-07       2015-01       2015-07        2016-01

        █ certain, ░ began or ended within, ▒ not seen meanwhile, ? not stated,
        ─ reached, · the vantage told nothing
        ");
    }

    #[test]
    fn half_a_minute_in_ascii() {
        let spans = [span(
            between("2026-11-24T20:00:13Z", "2026-11-24T20:00:15Z"),
            Some(between("2026-11-24T20:00:40Z", "2026-11-24T20:00:42Z")),
        )];
        insta::assert_snapshot!(draw(&spans, Look { unicode: false, ..Look::plain() }), @"
        fergana  https://fergana.media/
          measured almaty-kt    ::::##############################################::::
                              ------+--------------------------+------------------------
                                    20:00:15                   20:00:30
                                    2026-11-24 UTC

        # certain, : began or ended within
        ");
    }

    #[test]
    fn overlapping_claims_never_hide_each_other() {
        let mut a = span(between("2014-01-01T00:00:00Z", "2014-01-31T00:00:00Z"), None);
        a.source = SpanSource::Reported;
        a.vantage = None;
        let mut b = span(between("2013-01-01T00:00:00Z", "2014-03-31T00:00:00Z"), Some(UNKNOWN));
        b.source = SpanSource::Reported;
        b.vantage = None;
        let drawn = draw(&[a, b], Look::plain());
        assert_eq!(drawn.lines().filter(|line| line.contains('█') && !line.contains("certain")).count(), 2, "{drawn}");
    }

    #[test]
    fn nothing_to_draw_is_no_fault() {
        assert!(draw(&[], Look::plain()).contains("UTC"));
        assert!(!draw(&[span(UNKNOWN, Some(UNKNOWN))], Look::plain()).is_empty());
    }

    fn any_bracket() -> impl Strategy<Value = Bracket> {
        let instant = prop::option::of(prop_oneof![
            (0i64..2_000_000_000_000).prop_map(Timestamp::from_unix_ms),
            any::<i64>().prop_map(Timestamp::from_unix_ms),
        ]);
        (instant.clone(), instant).prop_map(|(earliest, latest)| Bracket { earliest, latest })
    }

    fn any_span() -> impl Strategy<Value = Span> {
        (
            any_bracket(),
            prop::option::of(any_bracket()),
            any::<bool>(),
            0usize..4,
            prop::option::of(any::<i64>()),
            0usize..3,
        )
            .prop_map(|(start, end, reported, site, seen, status)| Span {
                source: if reported { SpanSource::Reported } else { SpanSource::Measured },
                site: ["a", "fergana", "a-very-long-site-id-that-goes-on-and-on-and-on", "x.y"][site].parse().unwrap(),
                last_observed: seen.map(Timestamp::from_unix_ms),
                status: Status::ALL[status],
                ..span(start, end)
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn a_chart_keeps_to_its_width(spans in prop::collection::vec(any_span(), 0..30), width in 40usize..160, unicode: bool) {
            let look = Look { width, unicode, ..Look::plain() };
            for line in draw(&spans, look).lines() {
                prop_assert!(columns(line) <= width, "{} > {width}: {line}", columns(line));
                prop_assert!(unicode || line.is_ascii());
            }
        }
    }

    #[test]
    fn thousands_of_spans_are_drawn_without_trouble() {
        for count in [1usize, 10, 500, 5000] {
            let spans: Vec<Span> = (0..count)
                .map(|number| {
                    let from = at("2020-01-01T00:00:00Z").plus(std::time::Duration::from_secs(number as u64 * 7_000));
                    let latest = from.plus(std::time::Duration::from_secs(60));
                    let start = Bracket { earliest: Some(from), latest: Some(latest) };
                    let mut span = span(start, Some(start));
                    if number % 2 == 0 {
                        span.source = SpanSource::Reported;
                    }
                    span
                })
                .collect();
            assert!(draw(&spans, Look::plain()).lines().all(|line| columns(line) <= 80));
        }
    }
}
