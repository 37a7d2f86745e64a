//! Spans to and from their rows, and the journal of what happened to them.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;
use super::intern::Interner;
use crate::model::{
    Bracket, MeasurementId, Mechanism, PartialScope, Segment, Span, SpanChange, SpanChangeKind, SpanId, Timestamp,
};

/// The columns that [`read`] expects, in its order.
pub(super) const COLUMNS: &str = "line, confidence";

/// What stands between the fields of a line; no id, URL or label holds it, and the citation comes last.
const SEPARATOR: char = '\u{1f}';

/// Brings the span's row up to date, and notes openings, changes of mechanism and closings in the journal. A late
/// change (`is_late`) is noted, but a row that is there is newer and stays, unless it is a closing: nothing comes after
/// that.
pub(super) fn write(
    connection: &Connection,
    change: &SpanChange,
    measurement: MeasurementId,
    is_late: bool,
) -> rusqlite::Result<()> {
    let span = &change.span;
    let before = connection
        .prepare_cached("SELECT mechanism FROM span WHERE id = ?1")?
        .query_row([span.span_id.0.as_bytes()], |row| row.get::<_, Option<String>>(0))
        .optional()?;
    if !is_late || before.is_none() || change.kind == SpanChangeKind::Closed {
        upsert(connection, span)?;
    }

    let mechanism = span.mechanism.map(Mechanism::as_str);
    let kind = match change.kind {
        SpanChangeKind::Opened => "opened",
        SpanChangeKind::Closed => "closed",
        SpanChangeKind::Continued if !is_late && before.is_some_and(|before| before.as_deref() != mechanism) => {
            "mechanism"
        }
        SpanChangeKind::Continued => return Ok(()),
    };
    connection
        .prepare_cached("INSERT INTO span_event (span, kind, at, measurement, mechanism) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            span.span_id.0.as_bytes(),
            kind,
            change.at.as_unix_ms(),
            measurement.0.as_bytes(),
            mechanism
        ])?;
    Ok(())
}

pub(super) fn upsert(connection: &Connection, span: &Span) -> rusqlite::Result<()> {
    let ms = |instant: Option<Timestamp>| instant.map(Timestamp::as_unix_ms);
    let end = span.end.unwrap_or(Bracket { earliest: None, latest: None });
    let (segment_from, segments) = segments_to_row(span);
    connection
        .prepare_cached(
            "INSERT INTO span (id, site, url, vantage, source, status, mechanism, partial, start_earliest, start_latest, ended, \
             end_earliest, end_latest, ongoing, last_observed, measurements, confidence, segment_from, segments, citation) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
             ON CONFLICT (id) DO UPDATE SET status = ?6, mechanism = ?7, partial = ?8, start_earliest = ?9, \
             start_latest = ?10, ended = ?11, end_earliest = ?12, end_latest = ?13, ongoing = ?14, last_observed = ?15, \
             measurements = ?16, confidence = ?17, segment_from = ?18, segments = ?19, citation = ?20",
        )?
        .execute(params![
            span.span_id.0.as_bytes(),
            span.site.as_str(),
            span.url.as_ref().map(url::Url::as_str),
            span.vantage.as_ref().map(crate::model::VantageId::as_str),
            span.source.as_str(),
            span.status.as_str(),
            span.mechanism.map(Mechanism::as_str),
            span.partial.map(PartialScope::as_str),
            ms(span.start.earliest),
            ms(span.start.latest),
            span.end.is_some(),
            ms(end.earliest),
            ms(end.latest),
            span.ongoing,
            ms(span.last_observed),
            i64::try_from(span.measurements).unwrap_or(i64::MAX),
            span.confidence,
            segment_from,
            segments,
            span.citation,
        ])?;
    Ok(())
}

/// Most spans have one segment with the mechanism of the span: an integer then says it all.
fn segments_to_row(span: &Span) -> (Option<i64>, Option<String>) {
    match span.segments.as_slice() {
        [] => (None, None),
        [only] if Some(only.mechanism) == span.mechanism => (Some(only.from.as_unix_ms()), None),
        several => {
            let pairs: Vec<(i64, Mechanism)> =
                several.iter().map(|segment| (segment.from.as_unix_ms(), segment.mechanism)).collect();
            (None, Some(serde_json::json!(pairs).to_string()))
        }
    }
}

/// The span of this id, if it is there.
pub(super) fn one(
    connection: &Connection,
    path: &Path,
    names: &mut Interner,
    id: SpanId,
) -> Result<Option<Span>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading a span", &error);
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM span WHERE id = ?1")).map_err(sqlite)?;
    let mut rows = query.query([id.0.as_bytes()]).map_err(sqlite)?;
    let Some(row) = rows.next().map_err(sqlite)? else { return Ok(None) };
    let damaged = |problem| StoreError::Damaged { path: path.to_owned(), row: name(row), problem };
    read(row, names).map(Some).map_err(damaged)
}

/// The span of a row of [`COLUMNS`], or what is wrong with the row.
pub(super) fn read(row: &Row<'_>, names: &mut Interner) -> Result<Span, String> {
    let line = row.get_ref(0).map_err(said)?.as_blob().map_err(said)?;
    let line = std::str::from_utf8(line).map_err(said)?;
    let fields = &mut line.splitn(19, SEPARATOR);
    let mut next = || fields.next().ok_or("a field is missing");
    let span_id = next()?.parse().map_err(said)?;
    let site = names.site(next()?)?;
    let url = present(next()?).map(|text| names.url(text)).transpose()?;
    let vantage = present(next()?).map(|text| names.vantage(text)).transpose()?;
    let source = next()?.parse().map_err(said)?;
    let status = next()?.parse().map_err(said)?;
    let mechanism = present(next()?).map(|text| names.mechanism(text)).transpose()?;
    let partial = present(next()?).map(|text| text.parse().map_err(said)).transpose()?;
    let start = Bracket { earliest: instant(next()?)?, latest: instant(next()?)? };
    let ended = next()? == "1";
    let end = Bracket { earliest: instant(next()?)?, latest: instant(next()?)? };
    let ongoing = next()? == "1";
    let last_observed = instant(next()?)?;
    let measurements = next()?.parse().map_err(said)?;
    let segments = segments(mechanism, instant(next()?)?, next()?)?;
    let citation = next()?.strip_prefix('=').map(str::to_owned);
    let confidence = row.get(1).map_err(said)?;
    Ok(Span {
        span_id,
        site,
        url,
        vantage,
        source,
        status,
        mechanism,
        partial,
        segments,
        start,
        end: ended.then_some(end),
        ongoing,
        last_observed,
        measurements,
        confidence,
        citation,
    })
}

/// How a row is called in an error: by its id as far as it can be read.
pub(super) fn name(row: &Row<'_>) -> String {
    let line = row.get_ref(0).ok().and_then(|value| value.as_blob().ok()).unwrap_or_default();
    let id = std::str::from_utf8(line.get(..32).unwrap_or_default()).ok().and_then(|id| id.parse::<SpanId>().ok());
    id.map_or_else(|| "a span without a readable id".to_owned(), |id| format!("span {id}"))
}

/// The other direction of [`segments_to_row`].
fn segments(mechanism: Option<Mechanism>, only: Option<Timestamp>, several: &str) -> Result<Vec<Segment>, String> {
    if let Some(from) = only {
        let mechanism = mechanism.ok_or("it has a segment but no mechanism")?;
        return Ok(vec![Segment { from, mechanism }]);
    }
    if several.is_empty() {
        return Ok(Vec::new());
    }
    let pairs: Vec<(i64, Mechanism)> = serde_json::from_str(several).map_err(said)?;
    let segment = |(from, mechanism)| Segment { from: Timestamp::from_unix_ms(from), mechanism };
    Ok(pairs.into_iter().map(segment).collect())
}

fn present(field: &str) -> Option<&str> {
    (!field.is_empty()).then_some(field)
}

fn instant(field: &str) -> Result<Option<Timestamp>, String> {
    present(field).map(|text| text.parse().map(Timestamp::from_unix_ms).map_err(said)).transpose()
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
