//! The record held still for its opinions to be judged again.
//!
//! Everything of one series is read and written in one transaction. Opened to look only, the same is read beside a
//! running daemon, and nothing is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::intern::Interner;
use super::lock::DaemonLock;
use super::measurements::{self, Dictionaries, Opener};
use super::pack::{self, Packer};
use super::schema::{self, MIGRATIONS};
use super::{StoreError, StoredMeasurement, series, spans};
use crate::detect::SeriesState;
use crate::model::{MeasurementId, Mechanism, SeriesKey, Span, SpanSource, Timestamp, Verdict};

/// The record held for being judged again. Fields are dropped in order: the connection closes before the lock goes.
pub struct Archive {
    connection: Connection,
    path: PathBuf,
    stamp: Stamp,
    lock: Option<DaemonLock>,
}

/// A series of the archive.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchivedSeries {
    row: i64,
    /// Which.
    pub key: SeriesKey,
    /// How many measurements of it are kept.
    pub measurements: u64,
}

/// The run that changes are booked on: its row is made with the first change.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    row: Option<i64>,
    at: Timestamp,
    ruleset: u32,
}

/// What decided something about a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// What was decided.
    pub kind: TurnKind,
    /// The measurement's time.
    pub at: Timestamp,
    /// The measurement that decided.
    pub measurement: MeasurementId,
    /// The span's mechanism then.
    pub mechanism: Option<Mechanism>,
}

/// What was decided about a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnKind {
    /// It was opened.
    Opened,
    /// Its mechanism changed.
    Mechanism,
    /// It was closed.
    Closed,
}

impl TurnKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Mechanism => "mechanism",
            Self::Closed => "closed",
        }
    }
}

/// Where a series stands in the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// What its test remembers.
    pub state: SeriesState,
    /// Its measured spans of the whole way, in order of their start.
    pub spans: Vec<Span>,
    /// Evidence begun before this may have gaps, because it was past its keeping time.
    pub pruned_before: Option<Timestamp>,
}

/// Where a measurement lies, without what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    seq: i64,
    /// When it began.
    pub started_at: Timestamp,
}

/// A measurement as it lies in the record. Any thread can open it.
#[derive(Debug, Clone)]
pub struct Sealed {
    seq: i64,
    id: Option<MeasurementId>,
    dictionary: Option<(i64, Arc<[u8]>)>,
    verdict: Vec<u8>,
    evidence: Vec<u8>,
}

impl Sealed {
    /// Bytes that it takes when opened, about.
    pub fn plain_size(&self) -> usize {
        pack::plain_size(&self.verdict) + pack::plain_size(&self.evidence)
    }
}

/// Opens sealed measurements: one for each thread.
pub struct Unsealer {
    path: PathBuf,
    opener: Opener,
}

impl Unsealer {
    /// What the measurement holds.
    ///
    /// # Errors
    /// The row is damaged.
    pub fn open(&mut self, sealed: &Sealed) -> Result<StoredMeasurement, StoreError> {
        let dictionary = sealed.dictionary.as_ref().map(|(_, content)| content);
        self.opener.open(dictionary, sealed.id, &sealed.verdict, &sealed.evidence).map_err(|problem| {
            let row = sealed.id.map_or_else(
                || format!("measurement row {}", sealed.seq),
                |measurement| format!("measurement {measurement}"),
            );
            StoreError::Damaged { path: self.path.clone(), row, problem }
        })
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive")
            .field("path", &self.path)
            .field("may_write", &self.may_write())
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// Takes the database for this process and brings its schema up to date; changes are booked on `at` and `ruleset`.
    ///
    /// # Errors
    /// Nothing is recorded there, or it is held by a daemon, not ours, newer, or damaged.
    pub fn open(path: &Path, at: Timestamp, ruleset: u32) -> Result<Self, StoreError> {
        let path = schema::resolve(path)?;
        schema::must_be_there(&path)?;
        let lock = DaemonLock::take(&path)?;
        let connection = schema::open_for_writing(&path, MIGRATIONS)?;
        Ok(Self { connection, path, stamp: Stamp { row: None, at, ruleset }, lock: Some(lock) })
    }

    /// Opens the database for reading only, beside a running daemon or without one.
    ///
    /// # Errors
    /// Nothing is recorded there, or it is not ours, of another schema, or cannot be read.
    pub fn open_to_look(path: &Path, at: Timestamp, ruleset: u32) -> Result<Self, StoreError> {
        let connection = schema::open_for_reading(path, MIGRATIONS)?;
        Ok(Self { connection, path: path.to_owned(), stamp: Stamp { row: None, at, ruleset }, lock: None })
    }

    /// Whether it was opened to be changed.
    pub fn may_write(&self) -> bool {
        self.lock.is_some()
    }

    /// The time that its changes are booked on.
    pub fn at(&self) -> Timestamp {
        self.stamp.at
    }

    /// All series in order of site, URL and vantage.
    ///
    /// # Errors
    /// SQLite refused, or a row is damaged.
    pub fn series(&self) -> Result<Vec<ArchivedSeries>, StoreError> {
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&self.path, "reading the series", &error);
        let rows = series::keys(&self.connection, &self.path, series::Whose::Ours)?;
        let mut count = self
            .connection
            .prepare("SELECT count(*) FROM measurement INDEXED BY measurement_of_series WHERE series = ?1")
            .map_err(sqlite)?;
        let mut all = Vec::with_capacity(rows.len());
        for (row, key) in rows {
            let measurements: i64 = count.query_row([row], |row| row.get(0)).map_err(sqlite)?;
            all.push(ArchivedSeries { row, key, measurements: u64::try_from(measurements).unwrap_or(0) });
        }
        Ok(all)
    }

    /// Something to open measurements with.
    ///
    /// # Errors
    /// zstd cannot start.
    pub fn unsealer(&self) -> Result<Unsealer, StoreError> {
        Ok(Unsealer { path: self.path.clone(), opener: Opener::new(&self.path)? })
    }

    /// Runs `work` on one series in one transaction: what it writes is there whole or, when it fails, not at all.
    ///
    /// # Errors
    /// What `work` fails with, or SQLite refused.
    pub fn revise<T>(
        &mut self,
        series: &ArchivedSeries,
        work: impl FnOnce(&mut Revision<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&path, "judging again", &error);
        let behaviour = if self.may_write() { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
        let may_write = self.may_write();
        let transaction = self.connection.transaction_with_behavior(behaviour).map_err(sqlite)?;
        let mut revision = Revision {
            transaction,
            path: &path,
            series,
            stamp: self.stamp,
            may_write,
            dictionaries: Dictionaries::new(&path)?,
            packer: measurements::started(&path, Packer::new())?,
            packs_against: None,
        };
        let value = work(&mut revision)?;
        let Revision { transaction, stamp, .. } = revision;
        transaction.commit().map_err(sqlite)?;
        self.stamp = stamp;
        Ok(value)
    }

    /// Moves what was written into the database file and lets go of it.
    ///
    /// # Errors
    /// SQLite refused; what was written is safe all the same.
    pub fn close(self) -> Result<(), StoreError> {
        if self.may_write() {
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .map_err(|error| StoreError::sqlite(&self.path, "moving the log into the database", &error))?;
        }
        Ok(())
    }
}

/// One series under revision.
pub struct Revision<'a> {
    transaction: Transaction<'a>,
    path: &'a Path,
    series: &'a ArchivedSeries,
    stamp: Stamp,
    may_write: bool,
    dictionaries: Dictionaries,
    packer: Packer,
    /// The dictionary that the packer is set to.
    packs_against: Option<i64>,
}

impl std::fmt::Debug for Revision<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revision").field("series", &self.series.key).finish_non_exhaustive()
    }
}

impl Revision<'_> {
    /// Which series.
    pub fn key(&self) -> &SeriesKey {
        &self.series.key
    }

    /// Whether changes are to be written.
    pub fn may_write(&self) -> bool {
        self.may_write
    }

    fn sqlite(&self, doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let path = self.path.to_owned();
        move |error| StoreError::sqlite(&path, doing, &error)
    }

    /// Where the series stands.
    ///
    /// # Errors
    /// SQLite refused, or a row is damaged.
    pub fn standing(&self) -> Result<Standing, StoreError> {
        let sqlite = self.sqlite("reading a series");
        let damaged = |row: String, problem| StoreError::Damaged { path: self.path.to_owned(), row, problem };
        let state: String = self
            .transaction
            .query_row("SELECT state FROM series WHERE id = ?1", [self.series.row], |row| row.get(0))
            .map_err(&sqlite)?;
        let state = serde_json::from_str(&state)
            .map_err(|error| damaged(format!("series {}", self.series.row), error.to_string()))?;
        let pruned_before = self
            .transaction
            .query_row("SELECT before FROM pruned WHERE series = ?1", [self.series.row], |row| row.get(0))
            .optional()
            .map_err(&sqlite)?
            .map(Timestamp::from_unix_ms);

        let SeriesKey { site, url, vantage } = &self.series.key;
        let sql = format!(
            "SELECT {} FROM span WHERE site = ?1 AND url = ?2 AND vantage = ?3 AND source = ?4",
            spans::COLUMNS
        );
        let mut query = self.transaction.prepare(&sql).map_err(&sqlite)?;
        let source = SpanSource::Measured.as_str();
        let mut rows = query.query(params![site.as_str(), url.as_str(), vantage.as_str(), source]).map_err(&sqlite)?;
        let mut names = Interner::default();
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(&sqlite)? {
            let span = spans::read(row, &mut names).map_err(|problem| damaged(spans::name(row), problem))?;
            // Spans of a part of the way have a test of their own, which is not run again.
            found.extend(Some(span).filter(|span| span.partial.is_none()));
        }
        found.sort_by_key(|span| (span.start.earliest, span.start.latest, span.span_id));
        Ok(Standing { state, spans: found, pruned_before })
    }

    /// Where the measurements of the series lie, in the order in which they were recorded. That is the order in which
    /// the test took them in, whatever the clock did; a record that the store first refused is the only exception.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn places(&self) -> Result<Vec<Place>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Place>> {
            let sql = "SELECT seq, started_at FROM measurement INDEXED BY measurement_of_series WHERE series = ?1";
            let mut query = self.transaction.prepare(sql)?;
            let place = |row: &rusqlite::Row<'_>| {
                Ok(Place { seq: row.get(0)?, started_at: Timestamp::from_unix_ms(row.get(1)?) })
            };
            query.query_map([self.series.row], place)?.collect()
        };
        let mut places = read().map_err(self.sqlite("reading measurements"))?;
        places.sort_unstable_by_key(|place| place.seq);
        Ok(places)
    }

    /// A measurement as it lies in the record.
    ///
    /// # Errors
    /// SQLite refused, or the row or its dictionary is damaged.
    pub fn sealed(&mut self, place: Place) -> Result<Sealed, StoreError> {
        let sqlite = self.sqlite("reading a measurement");
        let mut query = self
            .transaction
            .prepare_cached("SELECT seq, id, dictionary, verdict, evidence FROM measurement WHERE seq = ?1")
            .map_err(&sqlite)?;
        let mut rows = query.query([place.seq]).map_err(&sqlite)?;
        let Some(row) = rows.next().map_err(&sqlite)? else {
            return Err(sqlite(rusqlite::Error::QueryReturnedNoRows));
        };
        let dictionary = match row.get::<_, Option<i64>>(2).map_err(&sqlite)? {
            None => None,
            Some(id) => {
                let content = self.dictionaries.get(&self.transaction, id);
                let damaged =
                    |problem| StoreError::Damaged { path: self.path.to_owned(), row: measurements::name(row), problem };
                Some((id, content.map_err(damaged)?))
            }
        };
        Ok(Sealed {
            seq: place.seq,
            id: measurements::id(row),
            dictionary,
            verdict: row.get(3).map_err(&sqlite)?,
            evidence: row.get(4).map_err(&sqlite)?,
        })
    }

    /// Replaces the verdict on a measurement. The one `before` is kept in short if the opinion is another one now.
    ///
    /// # Errors
    /// SQLite refused, or the verdict cannot be packed.
    pub fn put_verdict(
        &mut self,
        sealed: &Sealed,
        before: &Verdict,
        after: &Verdict,
        is_another_opinion: bool,
    ) -> Result<(), StoreError> {
        let refuse = |problem: String| StoreError::Refused {
            path: self.path.to_owned(),
            measurement: after.measurement_id.to_string(),
            problem,
        };
        let plain = serde_json::to_vec(after).map_err(|error| refuse(error.to_string()))?;
        let number = sealed.dictionary.as_ref().map_or(0, |(number, _)| *number);
        if self.packs_against != Some(number) {
            let content = sealed.dictionary.as_ref().map_or(&[][..], |(_, content)| content);
            self.packer.against(content).map_err(|error| refuse(error.to_string()))?;
            self.packs_against = Some(number);
        }
        let packed = self.packer.pack(&plain).map_err(|error| refuse(error.to_string()))?;
        let sqlite = self.sqlite("replacing a verdict");
        self.transaction
            .prepare_cached(
                "UPDATE measurement SET status = ?2, mechanism = ?3, confidence = ?4, ruleset = ?5, verdict = ?6 \
                 WHERE seq = ?1",
            )
            .and_then(|mut update| {
                update.execute(params![
                    sealed.seq,
                    after.status.as_str(),
                    after.mechanism.map(Mechanism::as_str),
                    after.confidence,
                    after.ruleset,
                    packed
                ])
            })
            .map_err(&sqlite)?;
        if !is_another_opinion {
            return Ok(());
        }
        let stamp = self.stamp()?;
        self.transaction
            .prepare_cached(
                "INSERT INTO superseded (measurement, rejudgement, status, mechanism, confidence, rule, ruleset) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    sealed.seq,
                    stamp,
                    before.status.as_str(),
                    before.mechanism.map(Mechanism::as_str),
                    before.confidence,
                    before.rules.first().map(ToString::to_string),
                    before.ruleset
                ])
            })
            .map(drop)
            .map_err(sqlite)
    }

    /// Replaces what the test remembers of the series.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn put_state(&mut self, state: &SeriesState) -> Result<(), StoreError> {
        let sqlite = self.sqlite("recording a state");
        let json = serde_json::to_string(state)
            .map_err(|error| sqlite(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))?;
        self.transaction
            .execute(
                "UPDATE series SET status = ?2, state = ?3 WHERE id = ?1",
                params![self.series.row, state.status().as_str(), json],
            )
            .map(drop)
            .map_err(sqlite)
    }

    /// Puts a span that is new or another one than `before`, and notes it in the journal with what decided it.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn put_span(&mut self, before: Option<&Span>, after: &Span, turns: &[Turn]) -> Result<(), StoreError> {
        let sqlite = self.sqlite("recording a span");
        spans::upsert(&self.transaction, after).map_err(&sqlite)?;
        let stamp = self.stamp()?;
        let turn_sql = "INSERT INTO span_event (span, kind, at, measurement, mechanism, rejudgement) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS \
             (SELECT 1 FROM span_event WHERE span = ?1 AND kind = ?2 AND measurement = ?4)";
        for turn in turns {
            self.transaction
                .prepare_cached(turn_sql)
                .and_then(|mut insert| {
                    insert.execute(params![
                        after.span_id.0.as_bytes(),
                        turn.kind.as_str(),
                        turn.at.as_unix_ms(),
                        turn.measurement.0.as_bytes(),
                        turn.mechanism.map(Mechanism::as_str),
                        stamp
                    ])
                })
                .map_err(&sqlite)?;
        }
        self.note("rejudged", after, before)
    }

    /// Takes away a span that the evidence no longer bears. The journal keeps it as it was.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn withdraw(&mut self, span: &Span) -> Result<(), StoreError> {
        self.note("withdrawn", span, Some(span))?;
        self.transaction
            .execute("DELETE FROM span WHERE id = ?1", [span.span_id.0.as_bytes()])
            .map(drop)
            .map_err(self.sqlite("withdrawing a span"))
    }

    fn note(&mut self, kind: &str, span: &Span, before: Option<&Span>) -> Result<(), StoreError> {
        let sqlite = self.sqlite("noting a span in the journal");
        let before = before
            .map(serde_json::to_string)
            .transpose()
            .map_err(|error| sqlite(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))?;
        let stamp = self.stamp()?;
        self.transaction
            .execute(
                "INSERT INTO span_event (span, kind, at, mechanism, rejudgement, before) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    span.span_id.0.as_bytes(),
                    kind,
                    self.stamp.at.as_unix_ms(),
                    span.mechanism.map(Mechanism::as_str),
                    stamp,
                    before
                ],
            )
            .map(drop)
            .map_err(sqlite)
    }

    /// The row of this run, made when it is first needed.
    fn stamp(&mut self) -> Result<i64, StoreError> {
        if let Some(row) = self.stamp.row {
            return Ok(row);
        }
        let sqlite = self.sqlite("noting the rejudgement");
        self.transaction
            .execute(
                "INSERT INTO rejudgement (at, ruleset) VALUES (?1, ?2)",
                params![self.stamp.at.as_unix_ms(), self.stamp.ruleset],
            )
            .map_err(sqlite)?;
        let row = self.transaction.last_insert_rowid();
        self.stamp.row = Some(row);
        Ok(row)
    }
}
