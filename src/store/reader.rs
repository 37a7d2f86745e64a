//! Reading the record, beside a running daemon or without one.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params_from_iter};

use super::intern::Interner;
use super::measurements::Unwrapper;
use super::schema::{self, MIGRATIONS};
use super::{
    Correction, MeasurementFilter, News, Restored, SpanFilter, StoreError, StoredMeasurement, Watched, corrections,
    coverage, filter, journal, measurements, series, silences, spans,
};
use crate::detect::Life;
use crate::model::{ClockStep, MeasurementId, Span, SpanEvent, SpanId, Timestamp, VantageSpan};

/// From so many rows of spans on, reading them is shared between two connections.
const MANY_SPANS: i64 = 8192;

/// Reads the record. Needs no lock and hinders no daemon.
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    names: RefCell<Interner>,
    unwrapper: RefCell<Unwrapper>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the database for reading only.
    ///
    /// # Errors
    /// Nothing has been recorded yet, or the file is not ours, of another schema, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_for_reading(path, MIGRATIONS)?;
        let unwrapper = RefCell::new(Unwrapper::new(path)?);
        Ok(Self { connection, path: path.to_owned(), names: RefCell::default(), unwrapper })
    }

    /// The spans that `filter` lets through, in order of their start, then by id. An unbounded start comes first.
    pub fn spans(&self, filter: &SpanFilter) -> Result<Vec<Span>, StoreError> {
        let last = self.last_span()?;
        let mut found = if last < MANY_SPANS {
            self.spans_between(filter, 0, last)?
        } else {
            // SQLite reads on one core a connection; a second one reads the second half. Rows keep their number.
            let (half, path) = (last / 2, self.path.as_path());
            std::thread::scope(|scope| {
                let others = scope.spawn(move || Self::open(path)?.spans_between(filter, half, last));
                let mut found = self.spans_between(filter, 0, half)?;
                let others = others.join().map_err(|_| StoreError::Closed { path: path.to_owned() })??;
                found.extend(others);
                Ok::<_, StoreError>(found)
            })?
        };
        found.sort_by_key(|span: &Span| (span.start.earliest, span.start.latest, span.span_id));
        Ok(found)
    }

    /// The number of the youngest row of spans; 0 when there is none.
    fn last_span(&self) -> Result<i64, StoreError> {
        let last = self.connection.query_row("SELECT coalesce(max(rowid), 0) FROM span", [], |row| row.get(0));
        last.map_err(|error| StoreError::sqlite(&self.path, "counting spans", &error))
    }

    /// The spans of the rows after `after` up to `last`, in no order.
    fn spans_between(&self, filter: &SpanFilter, after: i64, last: i64) -> Result<Vec<Span>, StoreError> {
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&self.path, "reading spans", &error);
        let condition = filter::of_spans(filter);
        let sql = format!(
            "SELECT {} FROM span WHERE {} AND rowid > {after} AND rowid <= {last}",
            spans::COLUMNS,
            condition.sql
        );
        let mut query = self.connection.prepare(&sql).map_err(sqlite)?;
        let mut rows = query.query(params_from_iter(condition.values)).map_err(sqlite)?;
        let mut names = self.names.borrow_mut();
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(sqlite)? {
            found.push(spans::read(row, &mut names).map_err(|problem| StoreError::Damaged {
                path: self.path.clone(),
                row: spans::name(row),
                problem,
            })?);
        }
        Ok(found)
    }

    /// All series and where each one's test stands.
    pub fn series(&self) -> Result<Restored, StoreError> {
        series::read_all(&self.connection, &self.path)
    }

    /// The stretches in which vantages told nothing, that `filter` lets through by vantage and time, in order.
    pub fn vantage_spans(&self, filter: &SpanFilter) -> Result<Vec<VantageSpan>, StoreError> {
        silences::read(&self.connection, &self.path, filter)
    }

    /// The latest life of the daemon; None before the first.
    pub fn last_life(&self) -> Result<Option<Life>, StoreError> {
        silences::last_life(&self.connection, &self.path)
    }

    /// The steps of the wall clock that the daemon noticed, in the order in which it did.
    pub fn clock_steps(&self) -> Result<Vec<ClockStep>, StoreError> {
        silences::clock_steps(&self.connection, &self.path)
    }

    /// The series that have evidence, and that `filter` lets through by site, vantage and source.
    pub fn watched(&self, filter: &SpanFilter) -> Result<Vec<Watched>, StoreError> {
        coverage::watched(&self.connection, &self.path, filter)
    }

    /// Whether the site of a series was reached at least once within each of the stretches, by evidence that is kept.
    pub fn reached(&self, watched: &Watched, stretches: &[(Timestamp, Timestamp)]) -> Result<Vec<bool>, StoreError> {
        coverage::reached(&self.connection, &self.path, watched, stretches)
    }

    /// What rejudgements have done to spans since `since`, in order.
    pub fn corrections(&self, since: Option<Timestamp>) -> Result<Vec<Correction>, StoreError> {
        corrections::read(&self.connection, &self.path, since)
    }

    /// The latest openings and closings of the spans that are in the record, newest first, `limit` at most.
    pub fn news(&self, limit: usize) -> Result<Vec<(SpanEvent, Span)>, StoreError> {
        journal::news(&self.connection, &self.path, &mut self.names.borrow_mut(), limit)
    }

    /// One span; None when it is not in the record.
    pub fn span(&self, id: SpanId) -> Result<Option<Span>, StoreError> {
        spans::one(&self.connection, &self.path, &mut self.names.borrow_mut(), id)
    }

    /// All that the journal tells of one span, in order.
    pub fn span_events(&self, span: SpanId) -> Result<Vec<SpanEvent>, StoreError> {
        journal::of_span(&self.connection, &self.path, span)
    }

    /// The entries of the journal after `seq`, oldest first, `limit` at most, each with its span as it is now.
    pub fn news_after(&self, seq: i64, limit: usize) -> Result<Vec<News>, StoreError> {
        journal::after(&self.connection, &self.path, &mut self.names.borrow_mut(), seq, limit)
    }

    /// When the record began: the first life of a daemon. None before it.
    pub fn began(&self) -> Result<Option<Timestamp>, StoreError> {
        silences::first_life(&self.connection, &self.path)
    }

    /// Gives the measurements that `filter` lets through to `each`, in order of their beginning, until it breaks.
    /// Holds a few of them in memory however many there are, and no transaction between two.
    pub fn measurements(
        &self,
        filter: &MeasurementFilter,
        each: &mut dyn FnMut(StoredMeasurement) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut order = measurements::InOrder::new(&self.connection, &self.path, filter)?;
        while let Some(seq) = order.next()? {
            // It may have been pruned since.
            let Some(measurement) = self.unwrapper.borrow_mut().by_seq(&self.connection, seq)? else { continue };
            if each(measurement).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// One measurement, if it is kept.
    pub fn measurement(&self, id: MeasurementId) -> Result<Option<StoredMeasurement>, StoreError> {
        self.unwrapper.borrow_mut().by_id(&self.connection, id)
    }

    /// Bytes that the database takes on the disk, its write-ahead log included.
    pub fn bytes(&self) -> u64 {
        super::file_bytes(&self.path)
    }
}
