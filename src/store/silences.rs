//! Spans of vantages, lives of the daemon and steps of its clock to and from their rows.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Note, SpanFilter, StoreError};
use crate::detect::Life;
use crate::model::{Bracket, ClockStep, SpanId, Timestamp, VantageSpan};

/// Writes a note within the transaction that is open.
pub(super) fn note(connection: &Connection, note: &Note) -> rusqlite::Result<()> {
    let Life { began, last_sign, ended } = note.life;
    let changed = connection
        .prepare_cached("UPDATE life SET last_sign = ?2, ended = ?3 WHERE began = ?1")?
        .execute(params![began.as_unix_ms(), last_sign.as_unix_ms(), ended.map(Timestamp::as_unix_ms)])?;
    if changed == 0 {
        connection
            .prepare_cached("INSERT INTO life (began, last_sign, ended) VALUES (?1, ?2, ?3)")?
            .execute(params![began.as_unix_ms(), last_sign.as_unix_ms(), ended.map(Timestamp::as_unix_ms)])?;
    }
    note.silences.iter().try_for_each(|span| upsert(connection, span))?;
    let mut insert = connection.prepare_cached("INSERT INTO clock_step (at, before, by_ms) VALUES (?1, ?2, ?3)")?;
    for ClockStep { at, before, by_ms } in &note.steps {
        insert.execute(params![at.as_unix_ms(), before.as_unix_ms(), by_ms])?;
    }
    Ok(())
}

/// The latest life of the daemon.
pub(super) fn last_life(connection: &Connection, path: &Path) -> Result<Option<Life>, StoreError> {
    let instant = |row: &Row<'_>, column: usize| row.get(column).map(Timestamp::from_unix_ms);
    connection
        .query_row("SELECT began, last_sign, ended FROM life ORDER BY id DESC LIMIT 1", [], |row| {
            let ended = row.get::<_, Option<i64>>(2)?.map(Timestamp::from_unix_ms);
            Ok(Life { began: instant(row, 0)?, last_sign: instant(row, 1)?, ended })
        })
        .optional()
        .map_err(|error| StoreError::sqlite(path, "reading the lives of the daemon", &error))
}

/// The beginning of the first life of the daemon; None before it.
pub(super) fn first_life(connection: &Connection, path: &Path) -> Result<Option<Timestamp>, StoreError> {
    connection
        .query_row("SELECT min(began) FROM life", [], |row| row.get::<_, Option<i64>>(0))
        .map(|began| began.map(Timestamp::from_unix_ms))
        .map_err(|error| StoreError::sqlite(path, "reading the lives of the daemon", &error))
}

/// The steps of the wall clock that were noticed, in the order in which they were.
pub(super) fn clock_steps(connection: &Connection, path: &Path) -> Result<Vec<ClockStep>, StoreError> {
    let read = || {
        connection
            .prepare_cached("SELECT at, before, by_ms FROM clock_step ORDER BY seq")?
            .query_map([], |row| {
                let instant = |column| row.get(column).map(Timestamp::from_unix_ms);
                Ok(ClockStep { at: instant(0)?, before: instant(1)?, by_ms: row.get(2)? })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(|error| StoreError::sqlite(path, "reading the steps of the clock", &error))
}

/// Writes a span of a vantage, or brings it up to date.
fn upsert(connection: &Connection, span: &VantageSpan) -> rusqlite::Result<()> {
    let ms = |instant: Option<Timestamp>| instant.map(Timestamp::as_unix_ms);
    let end = span.end.unwrap_or(Bracket { earliest: None, latest: None });
    connection
        .prepare_cached(
            "INSERT INTO vantage_span (id, vantage, kind, cause, start_earliest, start_latest, ended, end_earliest, \
             end_latest, last_observed, observations) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT (id) DO UPDATE SET kind = ?3, cause = ?4, start_earliest = ?5, start_latest = ?6, ended = ?7, \
             end_earliest = ?8, end_latest = ?9, last_observed = ?10, observations = ?11",
        )?
        .execute(params![
            span.span_id.0.as_bytes(),
            span.vantage.as_str(),
            span.kind.as_str(),
            span.cause.map(|cause| cause.as_str()),
            ms(span.start.earliest),
            ms(span.start.latest),
            span.end.is_some(),
            ms(end.earliest),
            ms(end.latest),
            ms(span.last_observed),
            i64::try_from(span.observations).unwrap_or(i64::MAX),
        ])?;
    Ok(())
}

/// The spans of vantages that `filter` lets through by vantage and time, in order of their start.
pub(super) fn read(connection: &Connection, path: &Path, filter: &SpanFilter) -> Result<Vec<VantageSpan>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading the spans of vantages", &error);
    let ms = |instant: Option<Timestamp>| instant.map(Timestamp::as_unix_ms);
    let mut query = connection
        .prepare_cached(
            "SELECT id, vantage, kind, cause, start_earliest, start_latest, ended, end_earliest, end_latest, \
             last_observed, observations FROM vantage_span \
             WHERE (?1 IS NULL OR ended = 0 OR end_latest IS NULL OR end_latest >= ?1) \
             AND (?2 IS NULL OR coalesce(start_earliest, start_latest, ?2) <= ?2) \
             ORDER BY coalesce(start_earliest, start_latest), id",
        )
        .map_err(sqlite)?;
    let mut rows = query.query(params![ms(filter.since), ms(filter.until)]).map_err(sqlite)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let span = from_row(row).map_err(|problem| StoreError::Damaged {
            path: path.to_owned(),
            row: "a span of a vantage".to_owned(),
            problem,
        })?;
        if filter.vantages.is_empty() || filter.vantages.contains(&span.vantage) {
            found.push(span);
        }
    }
    Ok(found)
}

fn from_row(row: &Row<'_>) -> Result<VantageSpan, String> {
    let said = |error: rusqlite::Error| error.to_string();
    let text = |column: usize| row.get::<_, String>(column).map_err(said);
    let instant =
        |column: usize| row.get::<_, Option<i64>>(column).map(|ms| ms.map(Timestamp::from_unix_ms)).map_err(said);
    let bracket = |column: usize| Ok::<_, String>(Bracket { earliest: instant(column)?, latest: instant(column + 1)? });
    let cause: Option<String> = row.get(3).map_err(said)?;
    let id: [u8; 16] = row.get(0).map_err(said)?;
    Ok(VantageSpan {
        span_id: SpanId(uuid::Uuid::from_bytes(id)),
        vantage: text(1)?.parse().map_err(|error: crate::model::InvalidId| error.to_string())?,
        kind: text(2)?.parse().map_err(|error: crate::model::UnknownLabel| error.to_string())?,
        cause: cause
            .map(|cause| cause.parse())
            .transpose()
            .map_err(|error: crate::model::UnknownLabel| error.to_string())?,
        start: bracket(4)?,
        end: if row.get(6).map_err(said)? { Some(bracket(7)?) } else { None },
        last_observed: instant(9)?,
        observations: row.get::<_, i64>(10).map_err(said)?.try_into().map_err(|_| "a count below zero")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::schema::{MIGRATIONS, open_for_writing};
    use super::*;
    use crate::model::{SilenceCause, SilenceKind};

    #[test]
    fn what_is_written_is_read_back_and_chosen_by_vantage_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let connection = open_for_writing(&path, MIGRATIONS).unwrap();
        let at = |ms| Some(Timestamp::from_unix_ms(ms));
        let open = VantageSpan {
            span_id: SpanId::derived("a"),
            vantage: "home".parse().unwrap(),
            kind: SilenceKind::Offline,
            cause: None,
            start: Bracket { earliest: at(10), latest: at(20) },
            end: None,
            last_observed: at(30),
            observations: 2,
        };
        let over = VantageSpan {
            span_id: SpanId::derived("b"),
            vantage: "work".parse().unwrap(),
            kind: SilenceKind::NotMeasuring,
            cause: Some(SilenceCause::Asleep),
            start: Bracket { earliest: None, latest: at(5) },
            end: Some(Bracket { earliest: at(6), latest: at(7) }),
            last_observed: None,
            observations: 0,
        };
        upsert(&connection, &open).unwrap();
        upsert(&connection, &over).unwrap();
        upsert(&connection, &over).unwrap();
        let all = |filter: SpanFilter| read(&connection, &path, &filter).unwrap();
        assert_eq!(all(SpanFilter::default()), [over.clone(), open.clone()]);
        assert_eq!(all(SpanFilter { since: at(8), ..SpanFilter::default() }), std::slice::from_ref(&open));
        assert_eq!(all(SpanFilter { until: at(8), ..SpanFilter::default() }), [over]);
        assert_eq!(all(SpanFilter { vantages: vec!["home".parse().unwrap()], ..SpanFilter::default() }), [open]);
    }
}
