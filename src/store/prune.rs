//! Retention: which measurements go, a slice at a time.

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::Timestamp;

/// Measurements looked at in one slice: a few milliseconds of work.
const SLICE: usize = 500;

/// How far pruning has come: series by series, in order of time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    series: i64,
    started_at: Option<i64>,
    seq: i64,
}

/// What a slice did.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) deleted: u64,
    /// Where to go on; none when all has been looked at.
    pub(super) next: Option<Cursor>,
}

/// One look at the measurements of a series, with what must stay: all from the last good measurement to the one
/// that opened a span, likewise at its end, and all that the journal cites. A start without an earliest bound
/// begins at its latest, the first bad measurement.
const LOOK: &str = "\
    SELECT m.seq, m.started_at, \
      EXISTS (SELECT 1 FROM span_event e WHERE e.measurement = m.id) \
      OR EXISTS (SELECT 1 FROM span p WHERE p.site = s.site AND p.url = s.url AND p.vantage = s.vantage AND ( \
        m.started_at BETWEEN coalesce(p.start_earliest, p.start_latest) AND max(p.start_latest, coalesce( \
          (SELECT min(e.at) FROM span_event e WHERE e.span = p.id AND e.kind = 'opened'), p.start_latest)) \
        OR m.started_at BETWEEN p.end_earliest AND max(p.end_latest, coalesce( \
          (SELECT max(e.at) FROM span_event e WHERE e.span = p.id AND e.kind = 'closed'), p.end_latest)))) \
    FROM measurement m JOIN series s ON s.id = m.series \
    WHERE m.series = ?1 AND m.started_at >= ?2 AND (m.started_at, m.seq) > (?2, ?3) AND m.started_at < ?4 \
    ORDER BY m.started_at, m.seq LIMIT ?5";

/// Deletes what may go among the next measurements begun before `older_than`.
pub(super) fn slice(connection: &Connection, older_than: Timestamp, from: Cursor) -> rusqlite::Result<Slice> {
    let started_at = from.started_at.unwrap_or(i64::MIN);
    let seen: Vec<(i64, i64, bool)> = connection
        .prepare_cached(LOOK)?
        .query_map(params![from.series, started_at, from.seq, older_than.as_unix_ms(), SLICE as i64], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut delete = connection.prepare_cached("DELETE FROM measurement WHERE seq = ?1")?;
    let mut deleted = 0;
    for (seq, _, _) in seen.iter().filter(|(_, _, keep)| !keep) {
        deleted += delete.execute([seq])? as u64;
    }
    if deleted > 0 {
        connection
            .prepare_cached(
                "INSERT INTO pruned (series, before) VALUES (?1, ?2) \
                 ON CONFLICT DO UPDATE SET before = max(before, ?2)",
            )?
            .execute(params![from.series, older_than.as_unix_ms()])?;
    }
    let next = match seen.last() {
        Some(&(seq, started_at, _)) if seen.len() == SLICE => {
            Some(Cursor { series: from.series, started_at: Some(started_at), seq })
        }
        _ => {
            drop_dictionaries(connection, from.series)?;
            next_series(connection, from.series)?
        }
    };
    Ok(Slice { deleted, next })
}

/// The newest dictionary stays: it serves what comes.
fn drop_dictionaries(connection: &Connection, series: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM dictionary WHERE series = ?1 \
             AND id < (SELECT max(id) FROM dictionary WHERE series = ?1) \
             AND NOT EXISTS (SELECT 1 FROM measurement m WHERE m.dictionary = dictionary.id)",
        )?
        .execute([series])?;
    Ok(())
}

fn next_series(connection: &Connection, after: i64) -> rusqlite::Result<Option<Cursor>> {
    connection
        .prepare_cached("SELECT id FROM series WHERE id > ?1 AND source = 'measured' ORDER BY id LIMIT 1")?
        .query_row([after], |row| Ok(Cursor { series: row.get(0)?, started_at: None, seq: i64::MIN }))
        .optional()
}
