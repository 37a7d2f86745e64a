//! Stored measurements: in order of time over many series, and back to what they were.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};
use serde::de::DeserializeOwned;

use super::filter::{self, Condition};
use super::pack::Unpacker;
use super::{MeasurementFilter, StoreError, StoredMeasurement};
use crate::model::MeasurementId;

/// Row numbers read ahead in one series.
const AHEAD: i64 = 256;

/// The row numbers of measurements in order of their beginning, merged from the series, each of which is in order
/// by its index: the cost is that of what passes, not of what is stored.
pub(super) struct InOrder<'a> {
    connection: &'a Connection,
    path: &'a Path,
    condition: Condition,
    lanes: Vec<Lane>,
    heads: BinaryHeap<Reverse<(i64, i64, usize)>>,
}

/// One series.
struct Lane {
    series: i64,
    ahead: VecDeque<(i64, i64)>,
    after: (i64, i64),
    exhausted: bool,
}

impl<'a> InOrder<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        path: &'a Path,
        filter: &MeasurementFilter,
    ) -> Result<Self, StoreError> {
        let from = filter.since.map_or(i64::MIN, |since| since.as_unix_ms());
        let of_series = filter::of_series(filter);
        let lanes = connection
            .prepare(&format!("SELECT id FROM series WHERE {} ORDER BY id", of_series.sql))
            .and_then(|mut query| {
                query
                    .query_map(params_from_iter(of_series.values), |row| {
                        let after = (from, i64::MIN);
                        Ok(Lane { series: row.get(0)?, ahead: VecDeque::new(), after, exhausted: false })
                    })?
                    .collect::<Result<Vec<_>, _>>()
            })
            .map_err(|e| StoreError::sqlite(path, "reading the series", &e))?;
        let condition = filter::of_measurements(filter);
        let mut order = Self { connection, path, condition, lanes, heads: BinaryHeap::new() };
        for lane in 0..order.lanes.len() {
            order.advance(lane)?;
        }
        Ok(order)
    }

    /// The row number of the next measurement.
    pub(super) fn next(&mut self) -> Result<Option<i64>, StoreError> {
        let Some(Reverse((_, seq, lane))) = self.heads.pop() else { return Ok(None) };
        self.advance(lane)?;
        Ok(Some(seq))
    }

    /// Puts the lane's next row number among the heads.
    fn advance(&mut self, number: usize) -> Result<(), StoreError> {
        let Some(lane) = self.lanes.get_mut(number) else { return Ok(()) };
        if lane.ahead.is_empty() && !lane.exhausted {
            lane.read_ahead(self.connection, &self.condition)
                .map_err(|e| StoreError::sqlite(self.path, "reading measurements", &e))?;
        }
        if let Some((started_at, seq)) = lane.ahead.pop_front() {
            self.heads.push(Reverse((started_at, seq, number)));
        }
        Ok(())
    }
}

impl Lane {
    fn read_ahead(&mut self, connection: &Connection, condition: &Condition) -> rusqlite::Result<()> {
        let (started_at, seq) = self.after;
        let mut values = condition.values.clone();
        values.extend([self.series, started_at, started_at, seq, AHEAD].map(Value::Integer));
        self.ahead = connection
            .prepare_cached(&format!(
                "SELECT started_at, seq FROM measurement INDEXED BY measurement_of_series WHERE {} AND series = ? \
                 AND started_at >= ? AND (started_at, seq) > (?, ?) ORDER BY started_at, seq LIMIT ?",
                condition.sql
            ))?
            .query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        self.exhausted = (self.ahead.len() as i64) < AHEAD;
        self.after = self.ahead.back().copied().unwrap_or(self.after);
        Ok(())
    }
}

/// Dictionaries that are kept unpacked while reading.
const DICTIONARIES: usize = 256;

/// Something of zstd, unless it cannot start.
pub(super) fn started<T>(path: &Path, made: std::io::Result<T>) -> Result<T, StoreError> {
    made.map_err(|error| StoreError::Location {
        path: path.to_owned(),
        problem: format!("zstd cannot start ({error})"),
        advice: "free some memory",
    })
}

/// Dictionaries, unpacked.
pub(super) struct Dictionaries {
    unpacker: Unpacker,
    known: HashMap<i64, Arc<[u8]>>,
}

impl Dictionaries {
    pub(super) fn new(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { unpacker: started(path, Unpacker::new())?, known: HashMap::new() })
    }

    pub(super) fn get(&mut self, connection: &Connection, id: i64) -> Result<Arc<[u8]>, String> {
        if let Some(content) = self.known.get(&id) {
            return Ok(Arc::clone(content));
        }
        let packed: Vec<u8> = connection
            .prepare_cached("SELECT content FROM dictionary WHERE id = ?1")
            .and_then(|mut query| query.query_row([id], |row| row.get(0)).optional())
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("dictionary {id} is missing"))?;
        let content: Arc<[u8]> = self
            .unpacker
            .unpack(&packed)
            .map_err(|error| format!("dictionary {id} cannot be unpacked: {error}"))?
            .into();
        if self.known.len() >= DICTIONARIES {
            self.known.clear();
        }
        self.known.insert(id, Arc::clone(&content));
        Ok(content)
    }
}

/// Turns rows back into measurements.
pub(super) struct Unwrapper {
    path: PathBuf,
    opener: Opener,
    dictionaries: Dictionaries,
}

impl Unwrapper {
    pub(super) fn new(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), opener: Opener::new(path)?, dictionaries: Dictionaries::new(path)? })
    }

    /// The measurement of a row number, if it is there.
    pub(super) fn by_seq(
        &mut self,
        connection: &Connection,
        seq: i64,
    ) -> Result<Option<StoredMeasurement>, StoreError> {
        self.by(connection, "seq", seq)
    }

    /// The measurement of an id, if it is there.
    pub(super) fn by_id(
        &mut self,
        connection: &Connection,
        id: MeasurementId,
    ) -> Result<Option<StoredMeasurement>, StoreError> {
        self.by(connection, "id", id.0.as_bytes())
    }

    fn by(
        &mut self,
        connection: &Connection,
        column: &str,
        value: impl ToSql,
    ) -> Result<Option<StoredMeasurement>, StoreError> {
        let path = self.path.clone();
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&path, "reading a measurement", &error);
        let sql = format!("SELECT seq, id, dictionary, verdict, evidence FROM measurement WHERE {column} = ?1");
        let mut query = connection.prepare_cached(&sql).map_err(sqlite)?;
        let mut rows = query.query([value]).map_err(sqlite)?;
        let Some(row) = rows.next().map_err(sqlite)? else { return Ok(None) };
        let unwrapped = self.unwrap(connection, row).map_err(|problem| StoreError::Damaged {
            path: path.clone(),
            row: name(row),
            problem,
        })?;
        Ok(Some(unwrapped))
    }

    fn unwrap(&mut self, connection: &Connection, row: &Row<'_>) -> Result<StoredMeasurement, String> {
        let dictionary = match row.get::<_, Option<i64>>(2).map_err(|error| error.to_string())? {
            Some(id) => Some(self.dictionaries.get(connection, id)?),
            None => None,
        };
        let packed = |column| {
            let value = row.get_ref(column).map_err(|error| error.to_string())?;
            value.as_blob().map_err(|error| error.to_string())
        };
        self.opener.open(dictionary.as_ref(), id(row), packed(3)?, packed(4)?)
    }
}

/// Opens packed measurements. Most follow one that was packed against the same dictionary, which is then kept.
pub(super) struct Opener {
    unpacker: Unpacker,
    against: Option<Arc<[u8]>>,
}

impl Opener {
    pub(super) fn new(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { unpacker: started(path, Unpacker::new())?, against: None })
    }

    pub(super) fn open(
        &mut self,
        dictionary: Option<&Arc<[u8]>>,
        id: Option<MeasurementId>,
        verdict: &[u8],
        evidence: &[u8],
    ) -> Result<StoredMeasurement, String> {
        let is_set = match (dictionary, &self.against) {
            (Some(wanted), Some(set)) => Arc::ptr_eq(wanted, set),
            (None, None) => true,
            _ => false,
        };
        if !is_set {
            let content = dictionary.map_or(&[][..], |dictionary| dictionary);
            self.unpacker.against(content).map_err(|error| error.to_string())?;
            self.against = dictionary.cloned();
        }
        let stored = StoredMeasurement { verdict: self.part(verdict)?, evidence: self.part(evidence)? };
        if id.is_some_and(|id| id == stored.evidence.measurement.measurement_id && id == stored.verdict.measurement_id)
        {
            Ok(stored)
        } else {
            Err("what it holds belongs to another measurement".to_owned())
        }
    }

    fn part<T: DeserializeOwned>(&mut self, packed: &[u8]) -> Result<T, String> {
        let plain = self.unpacker.unpack(packed).map_err(|error| error.to_string())?;
        serde_json::from_slice(&plain).map_err(|error| error.to_string())
    }
}

pub(super) fn id(row: &Row<'_>) -> Option<MeasurementId> {
    uuid::Uuid::from_slice(row.get_ref(1).ok()?.as_blob().ok()?).ok().map(MeasurementId)
}

pub(super) fn name(row: &Row<'_>) -> String {
    match id(row) {
        Some(id) => format!("measurement {id}"),
        None => {
            row.get::<_, i64>(0).map_or_else(|_| "a measurement".to_owned(), |seq| format!("measurement row {seq}"))
        }
    }
}
