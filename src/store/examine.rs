//! Whether the record is whole, and whether its spans agree with its evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use super::schema::{self, MIGRATIONS};
use super::{Reader, SpanFilter, StoreError};
use crate::model::{MeasurementId, SeriesKey, Span, SpanSource, Status, Timestamp};

/// Faults of one kind that are named.
const NAMED: usize = 5;

/// Looks at a record, beside a daemon or without one.
pub struct Examiner {
    connection: Connection,
    path: PathBuf,
}

/// What was found wrong, in sentences; the first few of each kind.
pub type Findings = Vec<String>;

impl Examiner {
    /// Opens the record.
    ///
    /// # Errors
    /// There is none, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_for_reading(path, MIGRATIONS)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    fn sqlite(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, "examining the record", error)
    }

    /// What SQLite finds wrong with the file: every page, or (`quick`) all but the indexes.
    pub fn pages(&self, quick: bool) -> Result<Findings, StoreError> {
        let pragma = if quick { "PRAGMA quick_check(5)" } else { "PRAGMA integrity_check(5)" };
        let read = |sql: &str| -> rusqlite::Result<Findings> {
            self.connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        let mut found = read(pragma).map_err(|error| self.sqlite(&error))?;
        found.retain(|line| line != "ok");
        let orphans: Vec<String> = self
            .connection
            .prepare("PRAGMA foreign_key_check")
            .and_then(|mut query| {
                query.query_map([], |row| row.get::<_, String>(0))?.take(NAMED).collect::<rusqlite::Result<_>>()
            })
            .map_err(|error| self.sqlite(&error))?;
        found.extend(orphans.into_iter().map(|table| format!("a row of `{table}` refers to one that is not there")));
        Ok(found)
    }

    /// Where spans disagree with themselves, with each other, with the states of their series, or with the evidence that
    /// the journal names.
    pub fn spans(&self, now: Timestamp) -> Result<Findings, StoreError> {
        let reader = Reader::open(&self.path)?;
        let spans = reader.spans(&SpanFilter::default())?;
        let mut found = bounds(&spans, now);
        found.extend(overlaps(&spans));
        found.extend(states(&spans, &reader.series()?));
        found.extend(self.journal()?);
        Ok(found)
    }

    /// Measurements that the journal names and that are not there, though pruning keeps them.
    fn journal(&self) -> Result<Findings, StoreError> {
        let missing: Vec<(Vec<u8>, String)> = self
            .connection
            .prepare(
                "SELECT e.span, e.kind FROM span_event e WHERE e.measurement IS NOT NULL AND e.rejudgement IS NULL \
                 AND EXISTS (SELECT 1 FROM span p WHERE p.id = e.span) \
                 AND NOT EXISTS (SELECT 1 FROM measurement m WHERE m.id = e.measurement) LIMIT 5",
            )
            .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(|error| self.sqlite(&error))?;
        let name = |id: &[u8]| uuid::Uuid::from_slice(id).map_or_else(|_| "?".to_owned(), |id| id.to_string());
        Ok(missing
            .into_iter()
            .map(|(span, kind)| format!("span {}: the measurement on which it was {kind} is not there", name(&span)))
            .collect())
    }

    /// Measurements that cannot be read back, among the newest `most`.
    pub fn evidence(&self, most: u64) -> Result<(u64, Findings), StoreError> {
        let ids: Vec<[u8; 16]> = self
            .connection
            .prepare("SELECT id FROM measurement ORDER BY seq DESC LIMIT ?1")
            .and_then(|mut query| {
                query.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get(0))?.collect()
            })
            .map_err(|error| self.sqlite(&error))?;
        let reader = Reader::open(&self.path)?;
        let mut found = Findings::new();
        for id in &ids {
            if let Err(error) = reader.measurement(MeasurementId(uuid::Uuid::from_bytes(*id)))
                && found.len() < NAMED
            {
                found.push(error.to_string());
            }
        }
        Ok((ids.len() as u64, found))
    }

    /// How old the rules are that judged, with the number of measurements of each version.
    pub fn rulesets(&self) -> Result<Vec<(u32, u64)>, StoreError> {
        self.connection
            .prepare("SELECT ruleset, count(*) FROM measurement GROUP BY ruleset ORDER BY ruleset")
            .and_then(|mut query| {
                query
                    .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
                    .collect::<rusqlite::Result<_>>()
            })
            .map_err(|error| self.sqlite(&error))
    }

    /// The beginning of the newest measurement of our own.
    pub fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.connection
            .query_row(
                "SELECT max(m.started_at) FROM series s JOIN measurement m ON m.series = s.id WHERE s.source = 'measured'",
                [],
                |row| row.get::<_, Option<i64>>(0),
            )
            .optional()
            .map(|at| at.flatten().map(Timestamp::from_unix_ms))
            .map_err(|error| self.sqlite(&error))
    }
}

/// Bounds that are out of order, or in the future by more than a clock may be off.
fn bounds(spans: &[Span], now: Timestamp) -> Findings {
    let future = now.plus(std::time::Duration::from_secs(60));
    let wrong = |span: &Span| {
        let (start, end) = (span.start, span.end);
        let last = end.and_then(|end| end.latest).or(span.last_observed);
        if start.earliest.zip(start.latest).is_some_and(|(earliest, latest)| earliest > latest) {
            Some("the bounds of its start are out of order")
        } else if end
            .is_some_and(|end| end.earliest.zip(end.latest).is_some_and(|(earliest, latest)| earliest > latest))
        {
            Some("the bounds of its end are out of order")
        } else if start.earliest.zip(end.and_then(|end| end.latest)).is_some_and(|(from, to)| to < from) {
            Some("it ends before it begins")
        } else if span.ongoing == end.is_some() {
            Some("it is both over and going on, or neither")
        } else if last.is_some_and(|last| last > future) {
            Some("it was seen in the future")
        } else {
            None
        }
    };
    let ours = spans.iter().filter(|span| span.source != SpanSource::Reported);
    let faults = ours.filter_map(|span| Some(format!("span {}: {}", span.span_id, wrong(span)?)));
    faults.take(NAMED).collect()
}

type Lane<'s> = (&'s str, Option<&'s str>, Option<&'s str>, SpanSource, Status, Option<&'s str>);

/// Spans of one series that were in force at one time for certain.
fn overlaps(spans: &[Span]) -> Findings {
    let mut lanes: BTreeMap<Lane<'_>, Vec<&Span>> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.source != SpanSource::Reported) {
        let url = span.url.as_ref().map(url::Url::as_str);
        let vantage = span.vantage.as_ref().map(|vantage| vantage.as_str());
        let part = span.partial.map(|part| part.as_str());
        lanes.entry((span.site.as_str(), url, vantage, span.source, span.status, part)).or_default().push(span);
    }
    let mut found = Findings::new();
    for lane in lanes.values_mut() {
        lane.sort_by_key(|span| span.start.latest);
        for pair in lane.windows(2) {
            let end = pair[0].end.map_or(Some(Timestamp::from_unix_ms(i64::MAX)), |end| end.earliest);
            if end.zip(pair[1].start.latest).is_some_and(|(end, start)| start < end) && found.len() < NAMED {
                found.push(format!("spans {} and {} of one series overlap", pair[0].span_id, pair[1].span_id));
            }
        }
    }
    found
}

/// Series whose open span in the state is not the one in the table.
fn states(spans: &[Span], series: &[(SeriesKey, crate::detect::SeriesState)]) -> Findings {
    let open: BTreeSet<_> = spans
        .iter()
        .filter(|span| span.ongoing && span.source == SpanSource::Measured && span.partial.is_none())
        .map(|span| span.span_id)
        .collect();
    let known: BTreeSet<_> =
        series.iter().filter_map(|(_, state)| state.span.as_ref().map(|span| span.span_id)).collect();
    let lost =
        known.difference(&open).map(|id| format!("span {id} is open in the state of its series and not in the list"));
    let left =
        open.difference(&known).map(|id| format!("span {id} is open in the list and not in the state of its series"));
    lost.chain(left).take(NAMED).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, record, span, with_change};
    use super::super::{Recorder, schema::open_for_writing};
    use super::*;
    use crate::model::SpanChangeKind;

    async fn damaged(sql: &str) -> Examiner {
        let dir = tempfile::tempdir().unwrap().keep();
        let path = dir.join("a.db");
        let (recorder, _) = Recorder::open(&path).unwrap();
        for minute in 0..5 {
            recorder.record(record(0, minute, Status::Accessible)).await.unwrap();
        }
        let mut over = span(0, 1, 3);
        over.end = Some(crate::model::Bracket { earliest: Some(at(3)), latest: Some(at(4)) });
        over.ongoing = false;
        let closing = with_change(record(0, 5, Status::Accessible), SpanChangeKind::Closed, over);
        recorder.record(closing).await.unwrap();
        recorder.close().await.unwrap();
        open_for_writing(&path, MIGRATIONS).unwrap().execute_batch(sql).unwrap();
        Examiner::open(&path).unwrap()
    }

    #[tokio::test]
    async fn a_sound_record_has_no_findings() {
        let examiner = damaged("").await;
        assert_eq!(examiner.pages(false).unwrap(), Findings::new());
        assert_eq!(examiner.spans(at(100)).unwrap(), Findings::new());
        assert_eq!(examiner.evidence(100).unwrap(), (6, Findings::new()));
        assert_eq!(examiner.newest().unwrap(), Some(at(5)));
        assert_eq!(examiner.rulesets().unwrap().iter().map(|(_, count)| count).sum::<u64>(), 6);
    }

    #[tokio::test]
    async fn each_damage_is_told() {
        let cases = [
            ("UPDATE span SET start_earliest = start_latest + 1", "out of order"),
            ("UPDATE span SET ongoing = 1", "both over and going on"),
            (
                "UPDATE span SET ended = 0, end_earliest = NULL, end_latest = NULL, ongoing = 1",
                "not in the state of its series",
            ),
            ("UPDATE span SET end_latest = 9e12, last_observed = 9e12", "in the future"),
            (
                "PRAGMA foreign_keys = 0; DELETE FROM measurement WHERE id = (SELECT measurement FROM span_event)",
                "is not there",
            ),
            (
                "INSERT INTO span (id, site, url, vantage, source, status, start_latest, ended, end_earliest, end_latest, ongoing, \
                 measurements) SELECT zeroblob(16), site, url, vantage, source, status, start_latest + 1, 1, end_earliest, \
                 end_latest, 0, 1 FROM span",
                "overlap",
            ),
        ];
        for (sql, told) in cases {
            let found = damaged(sql).await.spans(at(100)).unwrap();
            assert!(found.iter().any(|finding| finding.contains(told)), "{sql}: {found:?}");
        }
        let examiner = damaged("UPDATE measurement SET evidence = x'00' WHERE seq = 2").await;
        assert_eq!(examiner.evidence(100).unwrap().1.len(), 1);
    }
}
