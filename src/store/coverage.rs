//! When a series was measured, and when its site was reached: what lies between the spans.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{SpanFilter, StoreError, series};
use crate::model::{SeriesKey, SpanSource, Timestamp};

/// A series whose evidence is kept, from its first to its last measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    row: i64,
    /// Which.
    pub series: SeriesKey,
    /// Where its evidence comes from.
    pub source: SpanSource,
    /// Beginning of the oldest measurement that is kept.
    pub first: Timestamp,
    /// Beginning of the latest one.
    pub last: Timestamp,
}

#[cfg(test)]
impl Watched {
    /// A series of no record.
    pub(crate) fn sample(series: SeriesKey, source: SpanSource, first: Timestamp, last: Timestamp) -> Self {
        Self { row: 0, series, source, first, last }
    }
}

/// The series that `filter` lets through by site, vantage and source, and that have evidence.
pub(super) fn watched(connection: &Connection, path: &Path, filter: &SpanFilter) -> Result<Vec<Watched>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading when series were measured", &error);
    let damaged = |row, problem| StoreError::Damaged { path: path.to_owned(), row: format!("series {row}"), problem };
    let mut query = connection
        .prepare_cached(
            "SELECT source, (SELECT min(started_at) FROM measurement WHERE series = ?1), \
             (SELECT max(started_at) FROM measurement WHERE series = ?1) FROM series WHERE id = ?1",
        )
        .map_err(sqlite)?;
    let mut found = Vec::new();
    let wanted = |series: &SeriesKey| {
        (filter.sites.is_empty() || filter.sites.contains(&series.site))
            && (filter.vantages.is_empty() || filter.vantages.contains(&series.vantage))
    };
    let all = series::keys(connection, path, series::Whose::All)?;
    for (row, series) in all.into_iter().filter(|(_, series)| wanted(series)) {
        let (source, first, last): (String, Option<i64>, Option<i64>) =
            query.query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(sqlite)?;
        let source = source.parse().map_err(|error: crate::model::UnknownLabel| damaged(row, error.to_string()))?;
        let wanted = filter.sources.is_empty() || filter.sources.contains(&source);
        if let (true, Some(first), Some(last)) = (wanted, first, last) {
            let (first, last) = (Timestamp::from_unix_ms(first), Timestamp::from_unix_ms(last));
            found.push(Watched { row, series, source, first, last });
        }
    }
    Ok(found)
}

/// Whether the site was reached at least once within each of the stretches, by evidence that is kept.
pub(super) fn reached(
    connection: &Connection,
    path: &Path,
    watched: &Watched,
    stretches: &[(Timestamp, Timestamp)],
) -> Result<Vec<bool>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading when a site was reached", &error);
    let mut query = connection
        .prepare_cached(
            "SELECT 1 FROM measurement WHERE series = ?1 AND started_at >= ?2 AND started_at < ?3 \
             AND status IN ('accessible', 'denied') LIMIT 1",
        )
        .map_err(sqlite)?;
    let mut one = |(from, to): &(Timestamp, Timestamp)| {
        query.query_row(params![watched.row, from.as_unix_ms(), to.as_unix_ms()], |_| Ok(())).optional()
    };
    stretches.iter().map(|stretch| one(stretch).map(|found| found.is_some()).map_err(sqlite)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, key, record};
    use super::super::{Reader, Recorder};
    use super::*;
    use crate::model::Status;

    #[tokio::test]
    async fn a_site_was_reached_where_a_measurement_says_so_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let (recorder, _) = Recorder::open(&path).unwrap();
        let statuses = [
            (0, Status::Accessible),
            (1, Status::Blocked),
            (2, Status::Offline),
            (5, Status::Denied),
            (7, Status::Down),
        ];
        for (minute, status) in statuses {
            recorder.record(record(1, minute, status)).await.unwrap();
        }
        recorder.record(record(2, 3, Status::Blocked)).await.unwrap();
        recorder.close().await.unwrap();

        let reader = Reader::open(&path).unwrap();
        let all = reader.watched(&SpanFilter::default()).unwrap();
        let seen: Vec<_> = all.iter().map(|one| (&one.series, one.source, one.first, one.last)).collect();
        let measured = SpanSource::Measured;
        assert_eq!(seen, [(&key(1), measured, at(0), at(7)), (&key(2), measured, at(3), at(3))]);
        let minutes: Vec<_> = (0..8).map(|minute| (at(minute), at(minute + 1))).collect();
        let reached = reader.reached(&all[0], &minutes).unwrap();
        assert_eq!(reached, [true, false, false, false, false, true, false, false]);
        assert_eq!(reader.reached(&all[1], &minutes).unwrap(), [false; 8]);

        let of = |filter: SpanFilter| reader.watched(&filter).unwrap().len();
        assert_eq!(of(SpanFilter { sites: vec![key(2).site], ..SpanFilter::default() }), 1);
        assert_eq!(of(SpanFilter { vantages: vec!["elsewhere".parse().unwrap()], ..SpanFilter::default() }), 0);
        assert_eq!(of(SpanFilter { sources: vec![SpanSource::Ooni], ..SpanFilter::default() }), 0);
    }
}
