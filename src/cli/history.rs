//! `history`: the spans, as a table, a chart, or a data file.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use anstyle::Style;

use super::args::{ColorWhen, GlobalArgs, HistoryArgs, HistoryFormat, SourceChoice};
use super::chart::{Chart, Scene};
use super::fault::{Exit, Fault};
use super::joined;
use super::look::{Look, PLAIN, of_status};
use super::output::Output;
use super::rooms::Record;
use super::table::{Column, Table};
use super::words::{push_bracket, push_count, push_percent, push_span_length};
use super::{rooms, rows, select};
use crate::config::{Config, parse_duration};
use crate::export::{spans_csv, spans_json, spans_ndjson, spans_parquet};
use crate::model::{SeriesKey, Span, SpanSource, Status, Timestamp};
use crate::rollup::episodes;
use crate::store::SpanFilter;

/// Runs `history`.
///
/// # Errors
/// A site is unknown, the configuration is wrong, or the record cannot be read.
pub(super) fn run(global: &GlobalArgs, args: &HistoryArgs) -> Result<Exit, Fault> {
    let config = super::load(global)?.config;
    let filter = select::span_filter(&args.select, Timestamp::now());
    let stored = args.source != SourceChoice::Reported;
    let record = if stored { rooms::open_record(&config.store.url)? } else { None };
    let series = || record.as_deref().map_or(Ok(Vec::new()), Record::series);
    select::known_sites(&config, &args.select.sites, || {
        Ok(series()?.into_iter().map(|(series, _)| series.site).collect())
    })?;
    if stored && record.is_none() {
        let crate::config::StoreUrl::Sqlite(path) = &config.store.url;
        eprintln!("note: there is no `{}` yet, so nothing measured is shown; `blockspan run` makes it", path.display());
    }

    if args.silences {
        return silences(args, record.as_deref(), &filter, global.color);
    }
    let spans = collect(&config, record.as_deref(), &filter, args.source)?;
    let look = Look::detect(global.color, args.output.is_some());
    let mut output = Output::open(args.output.as_deref())?;
    match (args.by, &args.merge) {
        (Some(by), _) => {
            let watched = watched(record.as_deref(), &filter)?;
            let how = (args.format, Timestamp::now());
            joined::write(by, &spans, &watched, &config, how, &look, &mut output)?;
        }
        (None, Some(length)) => {
            let within = merge_within(length, config.summary.merge_within)?;
            let episodes = episodes(&spans, within);
            if !rows::data(&episodes, args.format, &mut output)? {
                let length = super::words::length(within);
                eprintln!("note: gaps shorter than {length} are passed over; the record keeps the spans apart");
                let spans = sorted(episodes.into_iter().map(|episode| episode.span).collect());
                write_spans(record.as_deref(), &spans, args, &filter, &look, &mut output)?;
            }
        }
        (None, None) => write_spans(record.as_deref(), &spans, args, &filter, &look, &mut output)?,
    }
    output.finish()?;
    Ok(Exit::Good)
}

/// The length that `--merge` was given, or the configured one.
fn merge_within(given: &str, configured: Duration) -> Result<Duration, Fault> {
    if given.is_empty() {
        return Ok(configured);
    }
    let wrong = |error| Fault::Usage(format!("`--merge {given}`: {error}; expected a length such as 30m, 6h or 2d"));
    parse_duration(given).map_err(wrong)
}

/// The series that are looked at, whether anything is blocked or not.
fn watched(record: Option<&dyn Record>, filter: &SpanFilter) -> Result<Vec<(SeriesKey, SpanSource)>, Fault> {
    let Some(record) = record else { return Ok(Vec::new()) };
    let of_sites = SpanFilter { sites: filter.sites.clone(), ..SpanFilter::default() };
    Ok(record.watched(&of_sites)?.into_iter().map(|watched| (watched.series, watched.source)).collect())
}

/// Writes spans in the format that is asked for; a chart with what lies between them.
fn write_spans(
    record: Option<&dyn Record>,
    spans: &[Span],
    args: &HistoryArgs,
    filter: &SpanFilter,
    look: &Look,
    output: &mut Output,
) -> Result<(), Fault> {
    match (args.format, record) {
        (HistoryFormat::Chart, Some(record)) => chart(record, spans, filter, args.source, look, output),
        _ => write(spans, args.format, filter, look, output),
    }
}

/// Lists when vantages told nothing.
fn silences(
    args: &HistoryArgs,
    record: Option<&dyn Record>,
    filter: &SpanFilter,
    color: ColorWhen,
) -> Result<Exit, Fault> {
    let silences = record.map_or(Ok(Vec::new()), |record| record.vantage_spans(filter))?;
    let look = Look::detect(color, args.output.is_some());
    let mut output = Output::open(args.output.as_deref())?;
    super::silences::write(&silences, args.format, Timestamp::now(), &look, &mut output)?;
    output.finish()?;
    Ok(Exit::Good)
}

/// The spans that are asked for, sorted by site, then by start.
fn collect(
    config: &Config,
    record: Option<&dyn Record>,
    filter: &SpanFilter,
    choice: SourceChoice,
) -> Result<Vec<Span>, Fault> {
    let mut spans = match record {
        Some(record) => {
            let sources = [SpanSource::Measured, SpanSource::Ooni].into_iter().filter(|source| choice.covers(*source));
            record.spans(&SpanFilter { sources: sources.collect(), ..filter.clone() })?
        }
        None => Vec::new(),
    };
    if choice.covers(SpanSource::Reported) {
        let sites = config.sites.iter().filter(|site| filter.sites.is_empty() || filter.sites.contains(&site.id));
        spans.extend(sites.flat_map(crate::model::Site::reported_spans).filter(|span| filter.lets_through(span)));
    }
    Ok(sorted(spans))
}

/// Sorts by site, then by start. Spans are large: their places are sorted, and each is moved once.
fn sorted(spans: Vec<Span>) -> Vec<Span> {
    let when = |span: &Span| span.start.earliest.or(span.start.latest);
    let mut places: Vec<usize> = (0..spans.len()).collect();
    places.sort_by(|&a, &b| {
        let (a, b) = (&spans[a], &spans[b]);
        (&a.site, when(a), &a.url, &a.vantage).cmp(&(&b.site, when(b), &b.url, &b.vantage))
    });
    let mut spans: Vec<Option<Span>> = spans.into_iter().map(Some).collect();
    places.into_iter().filter_map(|place| spans[place].take()).collect()
}

fn write(
    spans: &[Span],
    format: HistoryFormat,
    filter: &SpanFilter,
    look: &Look,
    out: &mut (dyn Write + Send),
) -> Result<(), Fault> {
    match format {
        HistoryFormat::Csv => spans_csv(spans, out)?,
        HistoryFormat::Json => spans_json(spans, out)?,
        HistoryFormat::Ndjson => spans_ndjson(spans, out)?,
        HistoryFormat::Parquet => spans_parquet(spans, out)?,
        HistoryFormat::Table | HistoryFormat::Chart if spans.is_empty() => eprintln!("no spans"),
        HistoryFormat::Table => table(spans, look, out)?,
        HistoryFormat::Chart => {
            let scene = Scene { since: filter.since, until: filter.until, ..Scene::of(spans, Timestamp::now()) };
            Chart::new(scene, look).draw(&[], look, out)?;
        }
    }
    Ok(())
}

/// Draws spans with what lies between them: when the sites were reached, and when the vantages told nothing. Series that
/// were never blocked get a row only where sites were named: a chart of all would be lost in them.
fn chart(
    record: &dyn Record,
    spans: &[Span],
    filter: &SpanFilter,
    choice: SourceChoice,
    look: &Look,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let statuses_asked_for = !filter.statuses.is_empty();
    let sources = [SpanSource::Measured, SpanSource::Ooni].into_iter().filter(|source| choice.covers(*source));
    let mut watched = record.watched(&SpanFilter { sources: sources.collect(), ..filter.clone() })?;
    let blocked: BTreeSet<_> = spans
        .iter()
        .filter(|span| span.status == Status::Blocked)
        .filter_map(|span| Some((&span.site, span.url.as_ref()?, span.vantage.as_ref()?)))
        .collect();
    let has_span = |series: &SeriesKey| blocked.contains(&(&series.site, &series.url, &series.vantage));
    watched.retain(|watched| has_span(&watched.series) || !(filter.sites.is_empty() || statuses_asked_for));
    let silences = record.vantage_spans(filter)?;
    if spans.is_empty() && watched.is_empty() {
        eprintln!("no spans");
        return Ok(());
    }
    let (since, until, now) = (filter.since, filter.until, Timestamp::now());
    let scene = Scene { spans, watched: &watched, silences: &silences, since, until, now };
    let chart = Chart::new(scene, look);
    let cells = chart.cells();
    let reached: Result<Vec<_>, _> = watched.iter().map(|watched| record.reached(watched, &cells)).collect();
    chart.draw(&reached?, look, out)?;
    Ok(())
}

const COLUMNS: [Column; 11] = [
    Column::of("SITE", 0, ("", "")),
    Column::of("URL", 8, ("", "")),
    Column::of("VANTAGE", 3, ("from ", "")),
    Column::of("STATUS", 1, ("", "")),
    Column::of("HOW", 2, ("", "")),
    Column::of("START (UTC)", 0, ("", "")),
    Column::of("END (UTC)", 0, ("until ", "")),
    Column::of("LASTED", 4, ("lasted ", "")),
    Column { title: "N", right: true, rank: 6, detail: ("", " measurements") },
    Column { title: "SURE", right: true, rank: 5, detail: ("", " sure") },
    Column::of("SOURCE", 9, ("", "")),
];

/// Writes spans as a table.
pub(super) fn table(spans: &[Span], look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&COLUMNS);
    table.fill(spans, |table, span| row(table, span, look));
    table.write(look, out)
}

fn row(table: &mut Table<'_>, span: &Span, look: &Look) {
    let plain = |table: &mut Table<'_>, text: &str| table.cell(PLAIN, |out| out.push_str(text));
    let status: Style = if span.partial.is_some() { of_status(Status::Blocked) } else { of_status(span.status) };
    plain(table, span.site.as_str());
    plain(table, span.url.as_ref().map_or("", url::Url::as_str));
    plain(table, span.vantage.as_ref().map_or("", |vantage| vantage.as_str()));
    table.cell(status, |out| match span.partial {
        Some(part) => out.push_str(&format!("{part} only")),
        None => out.push_str(span.status.as_str()),
    });
    plain(table, span.mechanism.map_or("", |mechanism| mechanism.as_str()));
    table.cell(PLAIN, |out| push_bracket(out, &span.start, look.unicode));
    match &span.end {
        Some(end) => table.cell(PLAIN, |out| push_bracket(out, end, look.unicode)),
        None if span.ongoing => table.cell(status, |out| out.push_str("ongoing")),
        None => plain(table, "not stated"),
    }
    table.cell(PLAIN, |out| push_span_length(out, span, look.unicode));
    table.cell(PLAIN, |out| {
        if span.measurements > 0 {
            push_count(out, span.measurements);
        }
    });
    table.cell(PLAIN, |out| {
        if let Some(confidence) = span.confidence {
            push_percent(out, confidence);
        }
    });
    match (&span.citation, span.source) {
        (Some(citation), source) => plain(table, &format!("{source}: {}", look.show(citation, 2_000))),
        // On a terminal what is measured speaks for itself; a pipe may want to tell it by its column.
        (None, SpanSource::Measured) if look.terminal => plain(table, ""),
        (None, source) => plain(table, source.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::super::fixtures::{at, between, config, span};
    use super::*;
    use crate::detect::SeriesState;
    use crate::model::{SpanEvent, SpanId, VantageSpan};
    use crate::store::{MeasurementFilter, StoredMeasurement, Watched};

    struct Fake(Vec<Span>);

    impl Record for Fake {
        fn spans(&self, filter: &SpanFilter) -> Result<Vec<Span>, Fault> {
            Ok(self.0.iter().filter(|span| filter.sources.contains(&span.source)).cloned().collect())
        }
        fn vantage_spans(&self, _: &SpanFilter) -> Result<Vec<VantageSpan>, Fault> {
            Ok(Vec::new())
        }
        fn last_life(&self) -> Result<Option<crate::detect::Life>, Fault> {
            Ok(None)
        }
        fn watched(&self, _: &SpanFilter) -> Result<Vec<Watched>, Fault> {
            Ok(Vec::new())
        }
        fn reached(&self, _: &Watched, _: &[(Timestamp, Timestamp)]) -> Result<Vec<bool>, Fault> {
            Ok(Vec::new())
        }
        fn span_events(&self, _: SpanId) -> Result<Vec<SpanEvent>, Fault> {
            Ok(Vec::new())
        }
        fn series(&self) -> Result<Vec<(SeriesKey, SeriesState)>, Fault> {
            Ok(Vec::new())
        }
        fn measurements(
            &self,
            _: &MeasurementFilter,
            _: &mut dyn FnMut(StoredMeasurement) -> ControlFlow<()>,
        ) -> Result<(), Fault> {
            Ok(())
        }
    }

    fn record() -> Fake {
        let end = between("2026-11-24T21:30:00Z", "2026-11-24T21:44:00Z");
        let mut down = span(between("2026-11-20T10:00:00Z", "2026-11-20T10:01:00Z"), Some(end));
        down.status = Status::Down;
        down.mechanism = None;
        Fake(vec![
            span(between("2026-11-24T23:00:00Z", "2026-11-24T23:01:00Z"), None),
            down,
            span(between("2026-11-24T20:00:13Z", "2026-11-24T20:01:12Z"), Some(end)),
        ])
    }

    fn drawn(choice: SourceChoice, look: Look) -> String {
        let spans = collect(&config(), Some(&record()), &SpanFilter::default(), choice).unwrap();
        let mut out = Vec::new();
        write(&spans, HistoryFormat::Table, &SpanFilter::default(), &look, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn measured_and_reported_at_eighty_columns() {
        insta::assert_snapshot!(drawn(SourceChoice::All, Look::plain()), @"
        SITE         STATUS   HOW          START (UTC)           END (UTC)
        fergana      blocked               2014-08               not stated
          lasted ≥ 578d · reported: KIBHR, IPHR, Nota Bene, TIHR: briefing paper on
          Kazakhstan, April 2016
        fergana      down                  2026-11-20 10:01 ±1m  2026-11-24 21:37 ±7m
          https://fergana.media/ · from almaty-kt · lasted 4d 11h · 123 measurements ·
          99.99 % sure
        fergana      blocked  tls.timeout  2026-11-24 20:01 ±1m  2026-11-24 21:37 ±7m
          https://fergana.media/ · from almaty-kt · lasted ~1h 36m · 123 measurements ·
          99.99 % sure
        fergana      blocked  tls.timeout  2026-11-24 23:01 ±1m  ongoing
          https://fergana.media/ · from almaty-kt · lasted ≥ 10h 11m · 123
          measurements · 99.99 % sure
        livejournal  blocked               ?                     2015-11
          reported: KIBHR, IPHR, Nota Bene, TIHR: briefing paper on Kazakhstan, April
          2016
        ");
    }

    #[test]
    fn measured_ones_with_room() {
        insta::assert_snapshot!(drawn(SourceChoice::Measured, Look { width: 150, ..Look::plain() }), @"
        SITE     URL                     VANTAGE    STATUS   HOW          START (UTC)           END (UTC)             LASTED       N     SURE
        fergana  https://fergana.media/  almaty-kt  down                  2026-11-20 10:01 ±1m  2026-11-24 21:37 ±7m  4d 11h     123  99.99 %
        fergana  https://fergana.media/  almaty-kt  blocked  tls.timeout  2026-11-24 20:01 ±1m  2026-11-24 21:37 ±7m  ~1h 36m    123  99.99 %
        fergana  https://fergana.media/  almaty-kt  blocked  tls.timeout  2026-11-24 23:01 ±1m  ongoing               ≥ 10h 11m  123  99.99 %
        ");
    }

    #[test]
    fn reported_ones_need_no_record() {
        let spans = collect(&config(), None, &SpanFilter::default(), SourceChoice::All).unwrap();
        assert_eq!(spans.len(), 2);
        assert!(spans.iter().all(|span| span.source == SpanSource::Reported && span.citation.is_some()));
        assert!(collect(&config(), None, &SpanFilter::default(), SourceChoice::Measured).unwrap().is_empty());
    }

    #[test]
    fn claims_are_selected_as_spans_are() {
        let count = |filter: SpanFilter| collect(&config(), None, &filter, SourceChoice::All).unwrap().len();
        assert_eq!(count(SpanFilter { statuses: vec![Status::Down], ..SpanFilter::default() }), 0);
        assert_eq!(count(SpanFilter { sites: vec!["fergana".parse().unwrap()], ..SpanFilter::default() }), 1);
        assert_eq!(count(SpanFilter { since: Some(at("2016-01-01T00:00:00Z")), ..SpanFilter::default() }), 1);
        assert_eq!(count(SpanFilter { until: Some(at("2014-01-01T00:00:00Z")), ..SpanFilter::default() }), 1);
        assert_eq!(count(SpanFilter { vantages: vec!["almaty-kt".parse().unwrap()], ..SpanFilter::default() }), 0);
    }
}
