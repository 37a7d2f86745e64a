//! One record into the tables.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::pack::{DICTIONARY_LIMIT, PLAIN_LIMIT, Packer, Unpacker};
use super::{ProbeRecord, StoreError, spans};
use crate::model::{MeasurementId, SeriesKey};

/// Series whose dictionary is remembered; beyond it they are read again.
const REMEMBERED: usize = 1024;

/// Poorly packed records in a row after which a series gets a new dictionary. Doubled each time that did not help.
const PATIENCE: u32 = 8;
const MOST_PATIENCE: u32 = 4096;

/// Evidence is packed well when no more than this share of it is left. Usual is a fortieth.
const WELL_PACKED: usize = 8;

/// Writes records. Remembers row ids and dictionaries of what has been written, so it must be told whether a
/// transaction that it wrote in was [`kept`](Scribe::kept) or [`undone`](Scribe::undone).
pub(super) struct Scribe {
    path: PathBuf,
    packer: Packer,
    series: HashMap<SeriesKey, i64>,
    /// The newest measurement of each series that this process has written. A record that failed and is tried again
    /// may come after its successors; it must not turn back the state of its series or a span. The ids are ordered by
    /// their making, whatever the clock did.
    newest: HashMap<SeriesKey, MeasurementId>,
    /// The same of the transaction that is open.
    unsettled: HashMap<SeriesKey, MeasurementId>,
    dictionaries: HashMap<i64, Dictionary>,
}

/// What the evidence of a series is packed against at present.
struct Dictionary {
    id: i64,
    content: Vec<u8>,
    /// Records in a row that it hardly helped to pack.
    poor: u32,
    patience: u32,
}

/// A record's opinion and evidence, packed.
struct Packed {
    dictionary: Option<i64>,
    verdict: Vec<u8>,
    evidence: Vec<u8>,
}

impl Scribe {
    pub(super) fn new(path: &Path) -> Result<Self, StoreError> {
        let packer = Packer::new().map_err(|error| StoreError::Location {
            path: path.to_owned(),
            problem: format!("zstd cannot start ({error})"),
            advice: "free some memory",
        })?;
        Ok(Self {
            path: path.to_owned(),
            packer,
            series: HashMap::new(),
            newest: HashMap::new(),
            unsettled: HashMap::new(),
            dictionaries: HashMap::new(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads again what it remembers of the tables when it is next needed.
    pub(super) fn forget(&mut self) {
        self.series.clear();
        self.dictionaries.clear();
    }

    /// What was written is committed.
    pub(super) fn kept(&mut self) {
        self.newest.extend(self.unsettled.drain());
    }

    /// What was written is rolled back: nothing of it may count as written when it is tried again.
    pub(super) fn undone(&mut self) {
        self.unsettled.clear();
        self.forget();
    }

    /// Writes all of a record within the transaction that is open on `connection`. A measurement that is there
    /// already is left as it is, and nothing of the record is written.
    pub(super) fn write(&mut self, connection: &Connection, record: &ProbeRecord) -> Result<(), StoreError> {
        let path = self.path.clone();
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&path, "recording a measurement", &error);
        let id = record.evidence.measurement.measurement_id;
        let known = connection
            .prepare_cached("SELECT 1 FROM measurement WHERE id = ?1")
            .and_then(|mut query| query.exists([id.0.as_bytes()]))
            .map_err(sqlite)?;
        if known {
            return Ok(());
        }
        let is_late = self.is_late(record);
        let series = self.series(connection, record, is_late)?;
        let packed = self.pack(connection, series, record)?;
        let verdict = &record.verdict;
        connection
            .prepare_cached(
                "INSERT INTO measurement (id, series, started_at, status, mechanism, confidence, ruleset, dictionary, \
                 verdict, evidence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    id.0.as_bytes(),
                    series,
                    record.evidence.measurement.started_at.as_unix_ms(),
                    verdict.status.as_str(),
                    verdict.mechanism.map(|mechanism| mechanism.as_str()),
                    verdict.confidence,
                    verdict.ruleset,
                    packed.dictionary,
                    packed.verdict,
                    packed.evidence,
                ])
            })
            .map_err(sqlite)?;
        record.changes.iter().try_for_each(|change| spans::write(connection, change, id, is_late)).map_err(sqlite)?;
        if !is_late {
            self.unsettled.insert(record.series.clone(), id);
        }
        Ok(())
    }

    /// Writes what a record says of its series and its spans, without the measurement: that one cannot be kept.
    pub(super) fn write_without_evidence(
        &mut self,
        connection: &Connection,
        record: &ProbeRecord,
    ) -> Result<(), StoreError> {
        let id = record.evidence.measurement.measurement_id;
        let is_late = self.is_late(record);
        self.series(connection, record, is_late)?;
        let written = record.changes.iter().try_for_each(|change| spans::write(connection, change, id, is_late));
        written.map_err(|error| StoreError::sqlite(&self.path, "recording spans", &error))
    }

    fn is_late(&self, record: &ProbeRecord) -> bool {
        let newest = self.unsettled.get(&record.series).or_else(|| self.newest.get(&record.series));
        newest.is_some_and(|newest| *newest > record.evidence.measurement.measurement_id)
    }

    /// The row of the record's series, made or, unless the record is late, brought up to date.
    fn series(&mut self, connection: &Connection, record: &ProbeRecord, is_late: bool) -> Result<i64, StoreError> {
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&self.path, "recording a state", &error);
        let state = serde_json::to_string(&record.state).map_err(|error| self.refuse(record, error.to_string()))?;
        let status = record.state.status().as_str();
        let updated = record.evidence.measurement.started_at.as_unix_ms();
        if let Some(&id) = self.series.get(&record.series) {
            if is_late {
                return Ok(id);
            }
            connection
                .prepare_cached("UPDATE series SET status = ?2, state = ?3, updated = ?4 WHERE id = ?1")
                .and_then(|mut update| update.execute(params![id, status, state, updated]))
                .map_err(sqlite)?;
            return Ok(id);
        }
        let SeriesKey { site, url, vantage } = &record.series;
        let id = connection
            .prepare_cached(
                "INSERT INTO series (site, url, vantage, status, state, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT DO UPDATE SET status = iif(?7, status, ?4), state = iif(?7, state, ?5), \
                 updated = iif(?7, updated, ?6) RETURNING id",
            )
            .and_then(|mut upsert| {
                upsert.query_row(
                    params![site.as_str(), url.as_str(), vantage.as_str(), status, state, updated, is_late],
                    |row| row.get(0),
                )
            })
            .map_err(sqlite)?;
        self.series.insert(record.series.clone(), id);
        Ok(id)
    }

    fn pack(&mut self, connection: &Connection, series: i64, record: &ProbeRecord) -> Result<Packed, StoreError> {
        let json = |error: serde_json::Error| self.refuse(record, error.to_string());
        let evidence = serde_json::to_vec(&record.evidence).map_err(json)?;
        let verdict = serde_json::to_vec(&record.verdict).map_err(json)?;
        if evidence.len().max(verdict.len()) > PLAIN_LIMIT {
            let problem = format!("it is {} bytes long; at most {PLAIN_LIMIT} are kept", evidence.len());
            return Err(self.refuse(record, problem));
        }
        if !self.has_dictionary(connection, series)? {
            self.new_dictionary(connection, series, &verdict, &evidence)?;
        }
        let packed = self.pack_against(series, &verdict, &evidence);
        let packed = packed.map_err(|error| self.refuse(record, error.to_string()))?;

        let Some(current) = self.dictionaries.get_mut(&series) else { return Ok(packed) };
        if packed.evidence.len() * WELL_PACKED <= evidence.len() {
            (current.poor, current.patience) = (0, PATIENCE);
        } else if evidence.len() <= DICTIONARY_LIMIT {
            current.poor += 1;
        }
        if current.poor < current.patience {
            return Ok(packed);
        }
        self.new_dictionary(connection, series, &verdict, &evidence)?;
        self.pack_against(series, &verdict, &evidence).map_err(|error| self.refuse(record, error.to_string()))
    }

    fn pack_against(&mut self, series: i64, verdict: &[u8], evidence: &[u8]) -> std::io::Result<Packed> {
        let dictionary = self.dictionaries.get(&series);
        self.packer.against(dictionary.map_or(&[][..], |dictionary| &dictionary.content))?;
        Ok(Packed {
            dictionary: dictionary.map(|dictionary| dictionary.id),
            verdict: self.packer.pack(verdict)?,
            evidence: self.packer.pack(evidence)?,
        })
    }

    /// Sees that the newest dictionary of a series is remembered, if it has one.
    fn has_dictionary(&mut self, connection: &Connection, series: i64) -> Result<bool, StoreError> {
        if self.dictionaries.contains_key(&series) {
            return Ok(true);
        }
        let stored = connection
            .prepare_cached("SELECT id, content FROM dictionary WHERE series = ?1 ORDER BY id DESC LIMIT 1")
            .and_then(|mut query| {
                query.query_row([series], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))).optional()
            })
            .map_err(|error| StoreError::sqlite(&self.path, "reading a dictionary", &error))?;
        let Some((id, packed)) = stored else { return Ok(false) };
        // One that cannot be read is replaced; reading what was packed against it says so.
        let Ok(content) = Unpacker::new().and_then(|mut unpacker| unpacker.unpack(&packed)) else { return Ok(false) };
        self.remember(series, Dictionary { id, content, poor: 0, patience: PATIENCE });
        Ok(true)
    }

    /// Makes this evidence the dictionary of its series, if it is of a size for one.
    fn new_dictionary(
        &mut self,
        connection: &Connection,
        series: i64,
        verdict: &[u8],
        evidence: &[u8],
    ) -> Result<(), StoreError> {
        let content = [verdict, evidence].concat();
        if content.len() > DICTIONARY_LIMIT {
            return Ok(());
        }
        let packed = self.packer.against(&[]).and_then(|()| self.packer.pack(&content));
        let Ok(packed) = packed else { return Ok(()) };
        connection
            .prepare_cached("INSERT INTO dictionary (series, content) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute(params![series, packed]))
            .map_err(|error| StoreError::sqlite(&self.path, "recording a dictionary", &error))?;
        let id = connection.last_insert_rowid();
        let patience = self
            .dictionaries
            .get(&series)
            .map_or(PATIENCE, |before| before.patience.saturating_mul(2).min(MOST_PATIENCE));
        self.remember(series, Dictionary { id, content, poor: 0, patience });
        Ok(())
    }

    fn remember(&mut self, series: i64, dictionary: Dictionary) {
        if self.dictionaries.len() >= REMEMBERED {
            self.dictionaries.clear();
        }
        self.dictionaries.insert(series, dictionary);
    }

    fn refuse(&self, record: &ProbeRecord, problem: String) -> StoreError {
        let measurement = record.evidence.measurement.measurement_id.to_string();
        StoreError::Refused { path: self.path.clone(), measurement, problem }
    }
}
