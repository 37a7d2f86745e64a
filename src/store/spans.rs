//! Spans to and from their rows, and the journal of what happened to them.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::intern::Interner;
use crate::model::{
    Bracket, MeasurementId, Mechanism, Segment, Span, SpanChange, SpanChangeKind, SpanId, Status, Timestamp,
};

/// The columns that [`read`] expects, in its order.
pub(super) const COLUMNS: &str = "id, site, url, vantage, source, status, mechanism, start_earliest, start_latest, \
     ended, end_earliest, end_latest, ongoing, last_observed, measurements, confidence, segment_from, segments, citation";

/// Brings the span's row up to date, and notes openings, changes of mechanism and closings in the journal.
pub(super) fn write(connection: &Connection, change: &SpanChange, measurement: MeasurementId) -> rusqlite::Result<()> {
    let span = &change.span;
    let before = connection
        .prepare_cached("SELECT mechanism FROM span WHERE id = ?1")?
        .query_row([span.span_id.0.as_bytes()], |row| row.get::<_, Option<String>>(0))
        .optional()?;
    upsert(connection, span)?;

    let mechanism = span.mechanism.map(Mechanism::as_str);
    let kind = match change.kind {
        SpanChangeKind::Opened => "opened",
        SpanChangeKind::Closed => "closed",
        SpanChangeKind::Continued if before.is_some_and(|before| before.as_deref() != mechanism) => "mechanism",
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

fn upsert(connection: &Connection, span: &Span) -> rusqlite::Result<()> {
    let ms = |instant: Option<Timestamp>| instant.map(Timestamp::as_unix_ms);
    let end = span.end.unwrap_or(Bracket { earliest: None, latest: None });
    let (segment_from, segments) = segments_to_row(span);
    connection
        .prepare_cached(
            "INSERT INTO span (id, site, url, vantage, source, status, mechanism, start_earliest, start_latest, ended, \
             end_earliest, end_latest, ongoing, last_observed, measurements, confidence, segment_from, segments, citation) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) \
             ON CONFLICT (id) DO UPDATE SET status = ?6, mechanism = ?7, start_earliest = ?8, start_latest = ?9, \
             ended = ?10, end_earliest = ?11, end_latest = ?12, ongoing = ?13, last_observed = ?14, measurements = ?15, \
             confidence = ?16, segment_from = ?17, segments = ?18, citation = ?19",
        )?
        .execute(params![
            span.span_id.0.as_bytes(),
            span.site.as_str(),
            span.url.as_ref().map(url::Url::as_str),
            span.vantage.as_ref().map(crate::model::VantageId::as_str),
            span.source.as_str(),
            span.status.as_str(),
            span.mechanism.map(Mechanism::as_str),
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

/// The span of a row of [`COLUMNS`], or what is wrong with the row.
pub(super) fn read(row: &Row<'_>, names: &mut Interner) -> Result<Span, String> {
    let mechanism = optional_text(row, 6)?.map(|text| names.mechanism(text)).transpose()?;
    let end = Bracket { earliest: instant(row, 10)?, latest: instant(row, 11)? };
    Ok(Span {
        span_id: span_id(row)?,
        site: names.site(text(row, 1)?)?,
        url: optional_text(row, 2)?.map(|text| names.url(text)).transpose()?,
        vantage: optional_text(row, 3)?.map(|text| names.vantage(text)).transpose()?,
        source: text(row, 4)?.parse().map_err(said)?,
        status: text(row, 5)?.parse::<Status>().map_err(said)?,
        mechanism,
        segments: segments(row, mechanism)?,
        start: Bracket { earliest: instant(row, 7)?, latest: instant(row, 8)? },
        end: (integer(row, 9)? == Some(1)).then_some(end),
        ongoing: integer(row, 12)? == Some(1),
        last_observed: instant(row, 13)?,
        measurements: integer(row, 14)?.and_then(|count| u64::try_from(count).ok()).ok_or("its count is negative")?,
        confidence: row.get(15).map_err(said)?,
        citation: optional_text(row, 18)?.map(str::to_owned),
    })
}

/// How a row is called in an error: by its id as far as it can be read.
pub(super) fn name(row: &Row<'_>) -> String {
    span_id(row).map_or_else(|_| "a span without a readable id".to_owned(), |id| format!("span {id}"))
}

fn segments(row: &Row<'_>, mechanism: Option<Mechanism>) -> Result<Vec<Segment>, String> {
    if let Some(from) = instant(row, 16)? {
        let mechanism = mechanism.ok_or("it has a segment but no mechanism")?;
        return Ok(vec![Segment { from, mechanism }]);
    }
    let Some(text) = optional_text(row, 17)? else { return Ok(Vec::new()) };
    let pairs: Vec<(i64, Mechanism)> = serde_json::from_str(text).map_err(said)?;
    Ok(pairs.into_iter().map(|(from, mechanism)| Segment { from: Timestamp::from_unix_ms(from), mechanism }).collect())
}

fn span_id(row: &Row<'_>) -> Result<SpanId, String> {
    match value(row, 0)? {
        ValueRef::Blob(bytes) => uuid::Uuid::from_slice(bytes).map(SpanId).map_err(said),
        _ => Err("its id is no UUID".to_owned()),
    }
}

fn instant(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, String> {
    Ok(integer(row, column)?.map(Timestamp::from_unix_ms))
}

fn integer(row: &Row<'_>, column: usize) -> Result<Option<i64>, String> {
    value(row, column)?.as_i64_or_null().map_err(said)
}

fn optional_text<'row>(row: &'row Row<'_>, column: usize) -> Result<Option<&'row str>, String> {
    value(row, column)?.as_str_or_null().map_err(said)
}

fn text<'row>(row: &'row Row<'_>, column: usize) -> Result<&'row str, String> {
    value(row, column)?.as_str().map_err(said)
}

fn value<'row>(row: &'row Row<'_>, column: usize) -> Result<ValueRef<'row>, String> {
    row.get_ref(column).map_err(said)
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
