//! What can be wrong with the file and its rows, beside what they say: looked for, and told.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row};

use super::StoreError;
use super::measurements::Dictionaries;
use super::schema::{self, MIGRATIONS};
use crate::model::{MeasurementId, SpanId, Timestamp};

/// What is wrong with a span, as a sentence.
type Told = fn(SpanId) -> String;

/// Faults of one kind that are named; the rest is counted.
const MOST_NAMED: usize = 5;

/// Faults of one kind: how many, and the first few of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// How many. SQLite's own checks stop at a hundred.
    pub count: u64,
    /// The first ones.
    pub named: Vec<String>,
}

impl Faults {
    /// Adds one.
    pub fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(name());
        }
    }
}

/// How the measurements are spread over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many are kept, imported ones too.
    pub measurements: u64,
    /// How many of our own began at or after the instant asked for.
    pub recent: u64,
    /// Beginning of the oldest of our own.
    pub oldest: Option<Timestamp>,
    /// Beginning of the newest of our own.
    pub newest: Option<Timestamp>,
    /// Series.
    pub series: u64,
    /// Spans.
    pub spans: u64,
}

/// The record under examination. Reads only, beside a running daemon or without one.
pub struct Examiner {
    connection: Connection,
    path: PathBuf,
}

impl std::fmt::Debug for Examiner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Examiner").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Examiner {
    /// Opens the database for reading only.
    ///
    /// # Errors
    /// Nothing has been recorded yet, or the file is not ours, of another schema, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open_for_reading(path, MIGRATIONS)?, path: path.to_owned() })
    }

    /// The schema of this build, which the record has.
    pub fn schema() -> usize {
        MIGRATIONS.len()
    }

    /// What SQLite finds wrong with the pages and, unless `quick`, with what the indices say of the rows.
    ///
    /// # Errors
    /// The check itself cannot be made.
    pub fn pages(&self, quick: bool) -> Result<Faults, StoreError> {
        let sql = if quick { "PRAGMA quick_check" } else { "PRAGMA integrity_check" };
        let mut faults = Faults::default();
        self.each("checking the pages", sql, |row| {
            let said: String = row.get(0)?;
            // One row may hold several lines.
            said.lines().filter(|line| *line != "ok").for_each(|line| faults.add(|| line.to_owned()));
            Ok(())
        })?;
        Ok(faults)
    }

    /// Rows that refer to a row that is not there, such as a measurement without its dictionary.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn dangling(&self) -> Result<Faults, StoreError> {
        let mut faults = Faults::default();
        self.each("checking references", "PRAGMA foreign_key_check", |row| {
            let (table, number, wanted): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let number = number.map_or_else(String::new, |number| format!(" row {number}"));
            faults.add(|| format!("{table}{number} names a {wanted} that is not there"));
            Ok(())
        })?;
        Ok(faults)
    }

    /// Dictionaries that cannot be unpacked: all that is packed against one is lost with it.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn dictionaries(&self) -> Result<(u64, Faults), StoreError> {
        let mut numbers = Vec::new();
        self.each("reading the dictionaries", "SELECT id FROM dictionary ORDER BY id", |row| {
            numbers.push(row.get::<_, i64>(0)?);
            Ok(())
        })?;
        let mut dictionaries = Dictionaries::new(&self.path)?;
        let mut faults = Faults::default();
        for number in &numbers {
            if let Err(problem) = dictionaries.get(&self.connection, *number) {
                faults.add(|| problem);
            }
        }
        Ok((numbers.len() as u64, faults))
    }

    /// What is missing where the journal of spans and the record meet: measurements that it names (they are never
    /// pruned), spans that it tells of, openings of measured spans that it should tell of, and the series of these.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn journal(&self) -> Result<Faults, StoreError> {
        let mut faults = Faults::default();
        let name = |bytes: Vec<u8>| uuid::Uuid::from_slice(&bytes).unwrap_or_default();
        self.each(
            "checking the journal",
            "SELECT span, kind, measurement FROM span_event e WHERE measurement IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM measurement m WHERE m.id = e.measurement)",
            |row| {
                let (span, kind, measurement): (Vec<u8>, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let (span, measurement) = (SpanId(name(span)), MeasurementId(name(measurement)));
                faults.add(|| format!("measurement {measurement}, on which span {span} was {kind}, is not there"));
                Ok(())
            },
        )?;
        let of_spans: [(&str, Told); 3] = [
            (
                "SELECT DISTINCT span FROM span_event e WHERE NOT EXISTS (SELECT 1 FROM span s WHERE s.id = e.span) \
                 AND NOT EXISTS (SELECT 1 FROM span_event w WHERE w.span = e.span AND w.kind = 'withdrawn')",
                |span| format!("span {span} is not there, though it was never withdrawn"),
            ),
            (
                "SELECT id FROM span s WHERE source = 'measured' AND NOT EXISTS \
                 (SELECT 1 FROM span_event e WHERE e.span = s.id AND e.kind IN ('opened', 'rejudged'))",
                |span| format!("nothing tells what span {span} was opened on"),
            ),
            (
                "SELECT id FROM span s WHERE source = 'measured' AND NOT EXISTS \
                 (SELECT 1 FROM series e WHERE e.site = s.site AND e.url = s.url AND e.vantage = s.vantage)",
                |span| format!("span {span} is of a series that was never measured"),
            ),
        ];
        for (sql, fault) in of_spans {
            self.each("checking the journal", sql, |row| {
                let span = SpanId(name(row.get(0)?));
                faults.add(|| fault(span));
                Ok(())
            })?;
        }
        Ok(faults)
    }

    /// How many measurements were judged by which version of the rules, oldest first.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn rule_sets(&self) -> Result<Vec<(u32, u64)>, StoreError> {
        let mut sets = Vec::new();
        self.each(
            "counting verdicts",
            "SELECT ruleset, count(*) FROM measurement GROUP BY ruleset ORDER BY ruleset",
            |row| {
                let (set, number): (i64, i64) = (row.get(0)?, row.get(1)?);
                sets.push((u32::try_from(set).unwrap_or(u32::MAX), u64::try_from(number).unwrap_or(0)));
                Ok(())
            },
        )?;
        Ok(sets)
    }

    /// How many measurements there are, of what time, and how many began at or after `since`.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn tally(&self, since: Timestamp) -> Result<Tally, StoreError> {
        let whole = |number: i64| u64::try_from(number).unwrap_or(0);
        let instant = |ms: Option<i64>| ms.map(Timestamp::from_unix_ms);
        let sql = "SELECT (SELECT count(*) FROM measurement), coalesce(sum(m.started_at >= ?1), 0), min(m.started_at), \
             max(m.started_at), (SELECT count(*) FROM series), (SELECT count(*) FROM span) \
             FROM series s JOIN measurement m ON m.series = s.id WHERE s.source = 'measured'";
        self.connection
            .query_row(sql, [since.as_unix_ms()], |row| {
                Ok(Tally {
                    measurements: whole(row.get(0)?),
                    recent: whole(row.get(1)?),
                    oldest: instant(row.get(2)?),
                    newest: instant(row.get(3)?),
                    series: whole(row.get(4)?),
                    spans: whole(row.get(5)?),
                })
            })
            .map_err(|error| StoreError::sqlite(&self.path, "counting measurements", &error))
    }

    fn each(
        &self,
        doing: &'static str,
        sql: &str,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let mut read = || {
            let mut query = self.connection.prepare(sql)?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                take(row)?;
            }
            Ok(())
        };
        read().map_err(|error| StoreError::sqlite(&self.path, doing, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Recorder;
    use super::super::sample::{at, record, span, with_change};
    use super::*;
    use crate::model::{SpanChangeKind, Status};

    /// A record of three measurements and one open span, with this done to it behind its back.
    async fn examined(sql: &str) -> (tempfile::TempDir, Examiner) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let (recorder, _) = Recorder::open(&path).unwrap();
        recorder.record(record(0, 1, Status::Accessible)).await.unwrap();
        let blocked = with_change(record(0, 2, Status::Blocked), SpanChangeKind::Opened, span(0, 2, 2));
        recorder.record(blocked).await.unwrap();
        recorder.record(record(1, 3, Status::Accessible)).await.unwrap();
        recorder.close().await.unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
        drop(connection);
        let examiner = Examiner::open(&path).unwrap();
        (dir, examiner)
    }

    #[tokio::test]
    async fn nothing_is_wrong_with_a_sound_record() {
        let (_dir, examiner) = examined("").await;
        for quick in [true, false] {
            assert_eq!(examiner.pages(quick).unwrap(), Faults::default());
        }
        assert_eq!(examiner.dangling().unwrap(), Faults::default());
        assert_eq!(examiner.journal().unwrap(), Faults::default());
        assert_eq!(examiner.dictionaries().unwrap(), (2, Faults::default()));
        assert_eq!(examiner.rule_sets().unwrap(), [(1, 3)]);
        let tally = examiner.tally(at(2)).unwrap();
        let (oldest, newest) = (Some(at(1)), Some(at(3)));
        assert_eq!(tally, Tally { measurements: 3, recent: 2, oldest, newest, series: 2, spans: 1 });
        assert_eq!(Examiner::schema(), MIGRATIONS.len());
    }

    #[tokio::test]
    async fn an_empty_record_has_no_times() {
        let (_dir, examiner) = examined("DELETE FROM measurement").await;
        let tally = examiner.tally(at(0)).unwrap();
        assert_eq!((tally.measurements, tally.recent, tally.oldest, tally.newest), (0, 0, None, None));
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let (_dir, examiner) = examined("DELETE FROM measurement WHERE status = 'blocked'").await;
        let faults = examiner.journal().unwrap();
        assert_eq!(faults.count, 1);
        assert!(faults.named[0].contains("was opened, is not there"), "{faults:?}");

        let (_dir, examiner) = examined("DELETE FROM span_event").await;
        assert!(examiner.journal().unwrap().named[0].contains("nothing tells"));
        let (_dir, examiner) = examined("DELETE FROM span").await;
        assert!(examiner.journal().unwrap().named[0].contains("never withdrawn"));
        let (_dir, examiner) = examined("UPDATE span SET vantage = 'elsewhere'").await;
        assert!(examiner.journal().unwrap().named[0].contains("never measured"));

        let (_dir, examiner) = examined("DELETE FROM dictionary WHERE series = 1").await;
        let faults = examiner.dangling().unwrap();
        assert_eq!(faults.count, 2);
        assert!(faults.named[0].contains("names a dictionary that is not there"), "{faults:?}");
    }

    #[tokio::test]
    async fn a_dictionary_that_cannot_be_unpacked_is_named() {
        let (_dir, examiner) = examined("UPDATE dictionary SET content = x'00' WHERE id = 1").await;
        let (number, faults) = examiner.dictionaries().unwrap();
        assert_eq!((number, faults.count), (2, 1));
        assert!(faults.named[0].contains("dictionary 1"), "{faults:?}");
    }

    #[test]
    fn only_the_first_faults_are_named() {
        let mut faults = Faults::default();
        (0..100).for_each(|n| faults.add(|| n.to_string()));
        assert_eq!((faults.count, faults.named.len()), (100, MOST_NAMED));
    }
}
