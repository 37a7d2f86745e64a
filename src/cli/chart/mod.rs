//! Spans as bars over a time axis.
//!
//! A row for each site, URL, vantage and source; what was reported stands under what was measured. Claims that
//! overlap each other get rows of their own, so that none hides another.

mod axis;
mod bar;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::look::{BOLD, DIM, Look};
use super::text::{columns, wrap};
use crate::model::{Span, SpanSource, Status, Timestamp};
use axis::Axis;
use bar::{Bar, Ink};

/// Rows for claims that overlap each other; what overlaps even more shares the last one.
const MOST_LANES: usize = 8;
/// Space before the name of a row.
const INDENT: usize = 2;

/// One line of the chart: a heading, or spans of one source that do not overlap.
enum Line<'s> {
    Site(String),
    Url(String),
    Row { label: String, spans: Vec<&'s Span> },
}

/// Draws `spans` from `since` to `until`; where these are not given, from the first to the last instant that the
/// spans speak of.
///
/// # Errors
/// The output cannot be written.
pub(super) fn write(
    spans: &[Span],
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    look: &Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let lines = lines(spans);
    let labels = lines.iter().map(|line| if let Line::Row { label, .. } = line { columns(label) } else { 0 });
    let label = labels.max().unwrap_or(0).clamp(8, (look.width * 2 / 5).max(8));
    let left = INDENT + label + 2;
    let axis = Axis::new(spans, since, until, look.width.saturating_sub(left).max(12));
    let mut inks = BTreeSet::new();
    for line in &lines {
        let text = match line {
            Line::Site(text) => look.paint(BOLD, look.show(text, look.width)),
            Line::Url(text) => look.paint(DIM, format!("{:INDENT$}{}", "", look.show(text, look.width - INDENT))),
            Line::Row { label: name, spans } => {
                let name = look.show(name, label);
                let gap = label.saturating_sub(columns(&name)) + 2;
                let mut bar = Bar::new(axis.cells());
                spans.iter().for_each(|span| bar.add(span, &axis));
                inks.extend(bar.inks());
                format!("{:INDENT$}{name}{:gap$}{}", "", "", bar.draw(look))
            }
        };
        writeln!(out, "{}", text.trim_end())?;
    }
    for line in axis.draw(look) {
        writeln!(out, "{}", look.paint(DIM, format!("{:left$}{line}", "").trim_end()))?;
    }
    legend(&inks, look, out)
}

/// Spans by source, vantage and status, measured ones first. Rows are of one status each, so that they can be told
/// apart without colour.
type Rows<'s> = BTreeMap<(SpanSource, Option<&'s str>, Status), Vec<&'s Span>>;

/// Headings and rows: sites in order, within a site its URLs, then the claims that name none.
fn lines(spans: &[Span]) -> Vec<Line<'_>> {
    let mut sites: BTreeMap<&str, BTreeMap<(bool, &str), Rows<'_>>> = BTreeMap::new();
    for span in spans {
        let url = span.url.as_ref().map_or((true, ""), |url| (false, url.as_str()));
        let row = (span.source, span.vantage.as_ref().map(|vantage| vantage.as_str()), span.status);
        let rows = sites.entry(span.site.as_str()).or_default().entry(url).or_default();
        rows.entry(row).or_default().push(span);
    }
    let mut lines = Vec::new();
    for (site, urls) in sites {
        let named: Vec<&str> = urls.keys().filter(|(none, _)| !none).map(|(_, url)| *url).collect();
        let several = named.len() > 1;
        lines.push(Line::Site(match named.as_slice() {
            [url] => format!("{site}  {url}"),
            _ => site.to_owned(),
        }));
        for ((none, url), rows) in urls {
            let inside = several && !none;
            if inside {
                lines.push(Line::Url(url.to_owned()));
            }
            for ((source, vantage, status), spans) in rows {
                let indent = if inside { "  " } else { "" };
                let vantage = vantage.map(|vantage| format!(" {vantage}")).unwrap_or_default();
                // Blocked is what a chart is about; other statuses are named.
                let status = if status == Status::Blocked { String::new() } else { format!(", {status}") };
                let lanes = if source == SpanSource::Reported { lanes(spans) } else { vec![spans] };
                lines.extend(lanes.into_iter().enumerate().map(|(lane, spans)| {
                    let label = if lane == 0 { format!("{indent}{source}{vantage}{status}") } else { String::new() };
                    Line::Row { label, spans }
                }));
            }
        }
    }
    lines
}

/// Spreads spans over rows so that those of one row do not overlap.
fn lanes(mut spans: Vec<&Span>) -> Vec<Vec<&Span>> {
    spans.sort_by_key(|span| bar::extent(span));
    let mut lanes: Vec<(i64, Vec<&Span>)> = Vec::new();
    for span in spans {
        let (from, to) = bar::extent(span);
        let free = lanes.iter().position(|(end, _)| *end < from);
        match free {
            Some(at) => {
                lanes[at].0 = to;
                lanes[at].1.push(span);
            }
            None if lanes.len() < MOST_LANES => lanes.push((to, vec![span])),
            None => {
                if let Some((end, last)) = lanes.last_mut() {
                    *end = to.max(*end);
                    last.push(span);
                }
            }
        }
    }
    lanes.into_iter().map(|(_, spans)| spans).collect()
}

/// What the signs mean, as far as they are used.
fn legend(inks: &BTreeSet<Ink>, look: &Look, out: &mut dyn Write) -> io::Result<()> {
    let signs = [
        (Ink::Certain, "certain"),
        (Ink::Possible, "began or ended within"),
        (Ink::Ongoing, "goes on"),
        (Ink::Before, "began earlier"),
        (Ink::Unstated, "not stated"),
    ];
    let used = signs.iter().filter(|(ink, _)| inks.contains(ink));
    let signs: Vec<String> = used.map(|(ink, words)| format!("{} {words}", ink.sign(look))).collect();
    writeln!(out)?;
    for line in wrap(&signs.join(", "), look.width) {
        writeln!(out, "{}", look.paint(DIM, line))?;
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
        write(spans, None, None, &look, &mut out).unwrap();
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
