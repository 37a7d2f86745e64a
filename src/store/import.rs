//! Measurements of others into the record, beside a running daemon or without one.
//!
//! Their series are theirs alone. Transactions are short, so that a daemon that writes at the same time waits for
//! milliseconds.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::lock::DaemonLock;
use super::measurements::Dictionaries;
use super::pack::Packer;
use super::press::{Packed, Primer, Primers};
use super::schema::{self, MIGRATIONS};
use super::{StoreError, beside, series, spans};
use crate::detect::{Outcome, SeriesState, Trial};
use crate::model::{Mechanism, SeriesKey, Span, Status, Timestamp};

/// How far a file was imported before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileMark {
    /// Lines that are in the record.
    pub lines: u64,
    /// All of it is.
    pub complete: bool,
}

/// What happened to the spans of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanCounts {
    /// Spans of the series now.
    pub spans: u64,
    /// Those that were not there before.
    pub new: u64,
    /// Those that are no longer there.
    pub gone: u64,
}

/// The record held for an import. One import at a time.
pub struct Importer {
    connection: Connection,
    path: PathBuf,
    series: HashMap<Arc<SeriesKey>, i64>,
    /// The row of the dictionary of each series, and what it holds.
    dictionaries: HashMap<i64, (i64, Primer)>,
    touched: BTreeSet<i64>,
    _lock: DaemonLock,
}

impl Importer {
    /// Opens or creates the database.
    ///
    /// # Errors
    /// Another import holds it, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = schema::resolve(path)?;
        let lock = DaemonLock::take(&beside(&path, ".import"))?;
        let connection = schema::open_for_writing(&path, MIGRATIONS)?;
        connection.set_prepared_statement_cache_capacity(32);
        let tune = || {
            connection.pragma_update(None, "cache_size", -65_536)?;
            connection.pragma_update(None, "wal_autocheckpoint", 8_192)
        };
        tune().map_err(|error| StoreError::sqlite(&path, "opening for an import", &error))?;
        Ok(Self {
            connection,
            path,
            series: HashMap::new(),
            dictionaries: HashMap::new(),
            touched: BTreeSet::new(),
            _lock: lock,
        })
    }

    /// The dictionaries of imported series, for the presses.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn primers(&mut self) -> Result<Primers, StoreError> {
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&self.path, "reading dictionaries", &error);
        let newest: HashMap<i64, i64> = self
            .connection
            .prepare(
                "SELECT s.id, max(d.id) FROM series s JOIN dictionary d ON d.series = s.id WHERE s.source = 'ooni' \
                 GROUP BY s.id",
            )
            .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(sqlite)?;
        let mut contents = Dictionaries::new(&self.path)?;
        let mut known = Vec::new();
        for (series, key) in series::keys(&self.connection, &self.path, series::Whose::All)? {
            // One that cannot be read is replaced; reading what was packed against it says so.
            if let Some(newest) = newest.get(&series)
                && let Ok(primer) = contents.get(&self.connection, *newest)
            {
                self.dictionaries.insert(series, (*newest, Arc::clone(&primer)));
                known.push((key, primer));
            }
        }
        Ok(Primers::of(known.into_iter()))
    }

    /// How far the file with this fingerprint was imported.
    pub fn mark(&self, fingerprint: &[u8; 32]) -> Result<FileMark, StoreError> {
        let found = self
            .connection
            .query_row("SELECT lines, complete FROM import_file WHERE fingerprint = ?1", [fingerprint], |row| {
                Ok(FileMark { lines: row.get::<_, i64>(0)?.unsigned_abs(), complete: row.get(1)? })
            })
            .optional();
        Ok(found.map_err(|e| StoreError::sqlite(&self.path, "reading what was imported", &e))?.unwrap_or_default())
    }

    /// Writes measurements, and how far the file now is, in one transaction. Tells how many were new. With `again` the
    /// verdicts of those that are there are replaced.
    pub fn write(
        &mut self,
        batch: &[Packed],
        file: Option<(&[u8; 32], &str, FileMark)>,
        again: bool,
    ) -> Result<u64, StoreError> {
        let path = self.path.clone();
        let sqlite = |e: rusqlite::Error| StoreError::sqlite(&path, "recording imported measurements", &e);
        let result = self.write_in(batch, file, again).map_err(sqlite);
        if result.is_err() {
            // Rows that were made within the transaction are gone.
            self.series.clear();
            self.dictionaries.clear();
        }
        result
    }

    fn write_in(
        &mut self,
        batch: &[Packed],
        file: Option<(&[u8; 32], &str, FileMark)>,
        again: bool,
    ) -> rusqlite::Result<u64> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let there = if again {
            "DO UPDATE SET status = ?4, mechanism = ?5, confidence = ?6, ruleset = ?7, verdict = ?8, evidence = ?9, \
             dictionary = ?13, elapsed_ms = ?10, weight = ?11, self_proving = ?12"
        } else {
            "DO NOTHING"
        };
        let mut insert = transaction.prepare_cached(&format!(
            "INSERT INTO measurement (id, series, started_at, status, mechanism, confidence, ruleset, verdict, evidence, \
             elapsed_ms, weight, self_proving, dictionary) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (id) {there}"
        ))?;
        let mut new = 0;
        for one in batch {
            let series = match self.series.get(&one.series) {
                Some(series) => *series,
                None => {
                    let row = series_row(&transaction, &one.series)?;
                    self.series.insert(Arc::clone(&one.series), row);
                    row
                }
            };
            let dictionary = match self.dictionaries.get(&series) {
                _ if one.primer.is_empty() => None,
                Some((row, primer)) if Arc::ptr_eq(primer, &one.primer) => Some(*row),
                _ => {
                    let row = dictionary_row(&transaction, series, &one.primer)?;
                    self.dictionaries.insert(series, (row, Arc::clone(&one.primer)));
                    Some(row)
                }
            };
            let changed = insert.execute(params![
                one.id,
                series,
                one.started_at,
                one.status.as_str(),
                one.mechanism.map(Mechanism::as_str),
                one.confidence,
                one.ruleset,
                one.verdict,
                one.evidence,
                one.elapsed_ms,
                one.weight,
                one.self_proving,
                dictionary,
            ])?;
            if changed > 0 {
                new += 1;
                self.touched.insert(series);
            }
        }
        if let Some((fingerprint, name, mark)) = file {
            transaction
                .prepare_cached(
                    "INSERT INTO import_file (fingerprint, name, lines, complete) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (fingerprint) DO UPDATE SET name = ?2, lines = max(lines, ?3), complete = max(complete, ?4)",
                )?
                .execute(params![fingerprint, name, i64::try_from(mark.lines).unwrap_or(i64::MAX), mark.complete])?;
        }
        drop(insert);
        transaction.commit()?;
        Ok(new)
    }

    /// The series that got a measurement since the record was opened, and those that an earlier import left without a
    /// state because it broke off.
    pub fn touched(&self) -> Result<Vec<(i64, SeriesKey)>, StoreError> {
        let sqlite = |e: rusqlite::Error| StoreError::sqlite(&self.path, "reading imported series", &e);
        let mut query =
            self.connection.prepare("SELECT id FROM series WHERE source = 'ooni' AND state = ''").map_err(sqlite)?;
        let unfinished: Vec<i64> = query.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(sqlite)?;
        let wanted: BTreeSet<i64> = self.touched.iter().copied().chain(unfinished).collect();
        let all = series::keys(&self.connection, &self.path, series::Whose::All)?;
        Ok(all.into_iter().filter(|(row, _)| wanted.contains(row)).collect())
    }

    /// Runs `take` over the trials of an imported series in order of time, then puts what it found in the place of the
    /// series' spans and state.
    pub fn replay(
        &mut self,
        row: i64,
        take: &mut dyn FnMut(Trial),
        found: impl FnOnce() -> (SeriesState, Vec<Span>),
    ) -> Result<SpanCounts, StoreError> {
        let path = self.path.clone();
        let sqlite = |e: rusqlite::Error| StoreError::sqlite(&path, "replaying an imported series", &e);
        each_trial(&self.connection, row, take).map_err(sqlite)?;
        let (state, spans) = found();
        self.put(row, &state, &spans).map_err(sqlite)
    }

    fn put(&mut self, row: i64, state: &SeriesState, found: &[Span]) -> rusqlite::Result<SpanCounts> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let there: BTreeSet<Vec<u8>> = transaction
            .prepare_cached(
                "SELECT p.id FROM span p JOIN series s ON s.site = p.site AND s.url = p.url AND s.vantage = p.vantage \
                 WHERE s.id = ?1 AND p.source = 'ooni'",
            )?
            .query_map([row], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut counts = SpanCounts { spans: found.len() as u64, ..SpanCounts::default() };
        let mut gone = there.clone();
        for span in found {
            let id = span.span_id.0.as_bytes().to_vec();
            counts.new += u64::from(!there.contains(&id));
            gone.remove(&id);
            spans::upsert(&transaction, span)?;
        }
        for id in &gone {
            transaction.prepare_cached("DELETE FROM span WHERE id = ?1")?.execute([id])?;
        }
        counts.gone = gone.len() as u64;
        let json =
            serde_json::to_string(state).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        transaction.prepare_cached("UPDATE series SET state = ?2, status = ?3 WHERE id = ?1")?.execute(params![
            row,
            json,
            state.status().as_str()
        ])?;
        transaction.commit()?;
        Ok(counts)
    }
}

/// The row of a series, which has no state until it is replayed.
fn series_row(connection: &Connection, series: &SeriesKey) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO series (site, url, vantage, status, state, updated, source) \
             VALUES (?1, ?2, ?3, 'inconclusive', '', 0, 'ooni') ON CONFLICT DO UPDATE SET state = '' RETURNING id",
        )?
        .query_row(params![series.site.as_str(), series.url.as_str(), series.vantage.as_str()], |row| row.get(0))
}

/// The row of a new dictionary.
fn dictionary_row(connection: &Connection, series: i64, primer: &[u8]) -> rusqlite::Result<i64> {
    let packed = Packer::new().and_then(|mut packer| packer.pack(primer));
    let packed = packed.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection
        .prepare_cached("INSERT INTO dictionary (series, content) VALUES (?1, ?2) RETURNING id")?
        .query_row(params![series, packed], |row| row.get(0))
}

fn each_trial(connection: &Connection, row: i64, take: &mut dyn FnMut(Trial)) -> rusqlite::Result<()> {
    let mut query = connection.prepare_cached(
        "SELECT started_at, elapsed_ms, status, mechanism, weight, self_proving FROM measurement \
         WHERE series = ?1 ORDER BY started_at, seq",
    )?;
    let mut rows = query.query([row])?;
    while let Some(row) = rows.next()? {
        let from = Timestamp::from_unix_ms(row.get(0)?);
        let elapsed = row.get::<_, Option<i64>>(1)?.unwrap_or(0).unsigned_abs();
        let status = row.get_ref(2)?.as_str().unwrap_or_default().parse::<Status>();
        let mechanism = row.get_ref(3)?.as_str_or_null().ok().flatten().and_then(|text| text.parse::<Mechanism>().ok());
        let outcome = match (status, mechanism) {
            (Ok(Status::Blocked), Some(mechanism)) => Outcome::Bad {
                mechanism,
                weight: row.get::<_, Option<f64>>(4)?.unwrap_or(0.0).clamp(0.0, 1.0),
                self_proving: row.get::<_, Option<bool>>(5)?.unwrap_or(false),
            },
            (Ok(Status::Accessible | Status::Denied), _) => Outcome::Good,
            _ => Outcome::Silent,
        };
        take(Trial { from, until: from.plus(std::time::Duration::from_millis(elapsed)), outcome });
    }
    Ok(())
}
