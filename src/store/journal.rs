//! What has happened to spans: the part of the journal that is news.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::StoreError;
use super::intern::Interner;
use super::spans;
use crate::model::{MeasurementId, Span, SpanEvent, SpanEventKind, SpanId, Timestamp, WebhookId};

/// An entry of the journal with its span as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// Its place in the journal: later entries have larger ones.
    pub seq: i64,
    /// What happened.
    pub event: SpanEvent,
    /// To which span.
    pub span_id: SpanId,
    /// The span; None when it was withdrawn.
    pub span: Option<Span>,
}

/// The entries after `seq`, oldest first, `limit` at most.
pub(super) fn after(
    connection: &Connection,
    path: &Path,
    names: &mut Interner,
    seq: i64,
    limit: usize,
) -> Result<Vec<News>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading the journal", &error);
    let mut query = connection
        .prepare_cached("SELECT seq, span, kind, at, measurement FROM span_event WHERE seq > ?1 ORDER BY seq LIMIT ?2")
        .map_err(sqlite)?;
    let sql = format!("SELECT {} FROM span s WHERE s.id = ?1", spans::COLUMNS);
    let mut of_span = connection.prepare_cached(&sql).map_err(sqlite)?;
    let mut rows = query.query(params![seq, i64::try_from(limit).unwrap_or(i64::MAX)]).map_err(sqlite)?;
    let mut news = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let seq: i64 = row.get(0).map_err(sqlite)?;
        let damaged =
            |problem| StoreError::Damaged { path: path.to_owned(), row: format!("span event {seq}"), problem };
        let id: Vec<u8> = row.get(1).map_err(sqlite)?;
        let span_id = SpanId(uuid::Uuid::from_slice(&id).map_err(|error| damaged(error.to_string()))?);
        let mut found = of_span.query(params![id]).map_err(sqlite)?;
        let span = match found.next().map_err(sqlite)? {
            Some(row) => Some(spans::read(row, names).map_err(damaged)?),
            None => None,
        };
        news.push(News { seq, event: event(row, 2).map_err(damaged)?, span_id, span });
    }
    Ok(news)
}

/// Up to which entry a webhook has been told: set to `done`, or where it stands. One that is new begins with what comes.
pub(super) fn webhook(connection: &Connection, id: &WebhookId, done: Option<i64>) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO webhook (id, seq) VALUES (?1, coalesce(?2, (SELECT max(seq) FROM span_event), 0)) \
             ON CONFLICT (id) DO UPDATE SET seq = max(seq, coalesce(?2, seq)) RETURNING seq",
        )?
        .query_row(params![id.as_str(), done], |row| row.get(0))
}

/// The latest openings and closings of the spans that are in the record, newest first, `limit` at most.
pub(super) fn news(
    connection: &Connection,
    path: &Path,
    names: &mut Interner,
    limit: usize,
) -> Result<Vec<(SpanEvent, Span)>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading the journal", &error);
    // A rejudgement notes again what an opening stands on: the latest note counts. A closing counts while it holds.
    let sql = format!(
        "SELECT {}, e.kind, max(e.at) AS told, e.measurement FROM span_event e JOIN span s ON s.id = e.span \
         WHERE e.kind = 'opened' OR (e.kind = 'closed' AND s.ended = 1) \
         GROUP BY e.span, e.kind ORDER BY told DESC, max(e.seq) DESC LIMIT ?1",
        spans::COLUMNS
    );
    let mut query = connection.prepare_cached(&sql).map_err(sqlite)?;
    let mut rows = query.query([i64::try_from(limit).unwrap_or(i64::MAX)]).map_err(sqlite)?;
    let mut news = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let damaged = |problem| StoreError::Damaged { path: path.to_owned(), row: spans::name(row), problem };
        news.push((event(row, 2).map_err(damaged)?, spans::read(row, names).map_err(damaged)?));
    }
    Ok(news)
}

/// All that the journal tells of one span, in order.
pub(super) fn of_span(connection: &Connection, path: &Path, span: SpanId) -> Result<Vec<SpanEvent>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading the journal", &error);
    let mut query = connection
        .prepare_cached("SELECT kind, at, measurement FROM span_event WHERE span = ?1 ORDER BY seq")
        .map_err(sqlite)?;
    let mut rows = query.query(params![span.0.as_bytes()]).map_err(sqlite)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let row_name = format!("the journal of span {span}");
        let damaged = |problem| StoreError::Damaged { path: path.to_owned(), row: row_name, problem };
        events.push(event(row, 0).map_err(damaged)?);
    }
    Ok(events)
}

fn event(row: &Row<'_>, first: usize) -> Result<SpanEvent, String> {
    let said = |error: rusqlite::Error| error.to_string();
    let kind = row.get_ref(first).map_err(said)?.as_str().map_err(|error| error.to_string())?;
    let kind = kind.parse::<SpanEventKind>().map_err(|error| error.to_string())?;
    let at = Timestamp::from_unix_ms(row.get(first + 1).map_err(said)?);
    let measurement: Option<Vec<u8>> = row.get(first + 2).map_err(said)?;
    let measurement =
        measurement.map(|id| uuid::Uuid::from_slice(&id)).transpose().map_err(|error| error.to_string())?;
    Ok(SpanEvent { kind, at, measurement_id: measurement.map(MeasurementId) })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, record, span, with_change};
    use super::super::{Reader, Recorder};
    use super::*;
    use crate::model::{Bracket, SpanChangeKind, Status};

    #[tokio::test]
    async fn openings_and_closings_come_newest_first_and_a_change_between_is_no_news() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let (recorder, _) = Recorder::open(&path).unwrap();
        let open = span(0, 1, 3);
        let over =
            Span { end: Some(Bracket { earliest: Some(at(6)), latest: Some(at(7)) }), ongoing: false, ..open.clone() };
        let opening = with_change(record(0, 3, Status::Blocked), SpanChangeKind::Opened, open.clone());
        let closing = with_change(record(0, 7, Status::Accessible), SpanChangeKind::Closed, over.clone());
        let decided = closing.evidence.measurement.measurement_id;
        recorder.record(opening).await.unwrap();
        let other = with_change(record(1, 5, Status::Blocked), SpanChangeKind::Opened, span(1, 2, 5));
        recorder.record(other).await.unwrap();
        recorder.record(closing).await.unwrap();
        recorder.close().await.unwrap();
        let reader = Reader::open(&path).unwrap();
        let news = reader.news(10).unwrap();
        let told: Vec<_> = news.iter().map(|(event, span)| (event.kind, span.span_id)).collect();
        assert_eq!(
            told,
            [
                (SpanEventKind::Closed, over.span_id),
                (SpanEventKind::Opened, span(1, 2, 5).span_id),
                (SpanEventKind::Opened, open.span_id)
            ]
        );
        assert_eq!(news[0].0.measurement_id, Some(decided));
        assert_eq!(reader.news(1).unwrap().len(), 1);
        let events = reader.span_events(open.span_id).unwrap();
        assert_eq!(
            events.iter().map(|event| event.kind).collect::<Vec<_>>(),
            [SpanEventKind::Opened, SpanEventKind::Closed]
        );
    }
}
