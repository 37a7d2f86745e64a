//! The books: what the record says, held against a replay of its own evidence.
//!
//! The detector is pure, so the stored measurements and verdicts, taken in their order, must lead to exactly the stored
//! states and spans. A measurement that is missing in the middle, a span that is doubled, split or lost, a state that
//! belongs to another measurement than the newest one: each makes a difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use blockspan::detect::{Detector, Params, SeriesState};
use blockspan::model::{MeasurementId, SeriesKey, Span, SpanChangeKind, SpanId, SpanSource};
use blockspan::store::{Reader, SpanFilter};
use rusqlite::{Connection, OpenFlags};

/// What has been found in one database so far. Checks go on where the last one ended.
pub(crate) struct Ledger {
    path: PathBuf,
    /// Where SQLite cannot go to: a copy at `path` is checked.
    original: Option<PathBuf>,
    detector: Detector,
    replayed: BTreeMap<SeriesKey, SeriesState>,
    spans: BTreeMap<SpanId, Span>,
    journal: Vec<(SpanId, &'static str)>,
    seen: BTreeSet<MeasurementId>,
    /// How many of those are of each series.
    counts: BTreeMap<SeriesKey, usize>,
    /// The last row that has been seen.
    row: i64,
}

impl Ledger {
    /// Of the database at `path`, written with this `[detect] spread`.
    pub(crate) fn of(path: PathBuf, spread: Duration) -> Self {
        let params = Params { spread, ..Params::default() };
        Self {
            path,
            original: None,
            detector: Detector::new(params, SpanSource::Measured),
            replayed: BTreeMap::new(),
            spans: BTreeMap::new(),
            journal: Vec::new(),
            seen: BTreeSet::new(),
            counts: BTreeMap::new(),
            row: 0,
        }
    }

    /// Of a database that is copied to `path` for each check; nobody may be writing to it then.
    pub(crate) fn of_copy(original: PathBuf, path: PathBuf, spread: Duration) -> Self {
        Self { original: Some(original), ..Self::of(path, spread) }
    }

    /// How many measurements there are.
    pub(crate) fn measurements(&self) -> usize {
        self.seen.len()
    }

    /// How many measurements there are of a site.
    pub(crate) fn measurements_of(&self, site: &str) -> usize {
        self.counts.iter().filter(|(key, _)| key.site.as_str() == site).map(|(_, count)| count).sum()
    }

    pub(crate) fn holds(&self, id: MeasurementId) -> bool {
        self.seen.contains(&id)
    }

    /// Where a series stands.
    pub(crate) fn state(&self, site: &str) -> Option<&SeriesState> {
        self.replayed.iter().find(|(key, _)| key.site.as_str() == site).map(|(_, state)| state)
    }

    /// The spans of a site in order.
    pub(crate) fn spans(&self, site: &str) -> Vec<&Span> {
        let mut spans: Vec<&Span> = self.spans.values().filter(|span| span.site.as_str() == site).collect();
        spans.sort_by_key(|span| span.start.latest);
        spans
    }

    /// Opens the database and checks all that is in it.
    #[track_caller]
    pub(crate) fn check(&mut self) {
        if let Some(original) = &self.original {
            copy(original, &self.path);
        }
        self.check_file();
        let reader = Reader::open(&self.path).unwrap();
        self.replay(&reader);

        let stored: BTreeMap<SeriesKey, SeriesState> = reader.series().unwrap().into_iter().collect();
        assert_eq!(stored.keys().collect::<Vec<_>>(), self.replayed.keys().collect::<Vec<_>>());
        for (key, state) in &stored {
            assert_eq!(*state, self.replayed[key], "the state of {key} is not what its evidence leads to");
        }
        let spans = reader.spans(&SpanFilter::default()).unwrap();
        let count = spans.len();
        let by_id: BTreeMap<SpanId, Span> = spans.into_iter().map(|span| (span.span_id, span)).collect();
        assert_eq!(by_id.len(), count, "a span is doubled");
        for (id, span) in &self.spans {
            let stored = by_id.get(id).unwrap_or_else(|| panic!("span {id} is lost: {span:?}"));
            assert_eq!(stored.start, span.start);
            assert_eq!(stored.end, span.end);
            assert_eq!(stored.measurements, span.measurements);
            assert_eq!(stored, span);
        }
        assert_eq!(by_id.len(), self.spans.len(), "a span has no evidence: {by_id:?}");
        // What the state takes for open is open in the table, and nothing else is.
        let open: Vec<&Span> = stored.values().filter_map(|state| state.span.as_ref()).collect();
        let mut ongoing: Vec<&Span> = by_id.values().filter(|span| span.ongoing).collect();
        ongoing.sort_by_key(|span| (&span.site, &span.url, &span.vantage));
        assert_eq!(open, ongoing);
    }

    /// What SQLite says of its file, and the journal of spans.
    #[track_caller]
    fn check_file(&self) {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).unwrap();
        let said: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(said, "ok");
        let broken = connection.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
        assert!(!broken, "a row refers to one that is not there");
    }

    fn replay(&mut self, reader: &Reader) {
        for (row, id) in fresh(&self.path, self.row) {
            self.row = row;
            assert!(self.seen.insert(id), "measurement {id} is doubled");
            let stored = reader.measurement(id).unwrap().unwrap();
            let measurement = &stored.evidence.measurement;
            let key = SeriesKey {
                site: measurement.site.clone(),
                url: measurement.url.clone(),
                vantage: measurement.vantage.clone(),
            };
            *self.counts.entry(key.clone()).or_default() += 1;
            let state = self.replayed.entry(key.clone()).or_default();
            for change in self.detector.step(&key, state, measurement, &stored.verdict) {
                match change.kind {
                    SpanChangeKind::Opened => self.journal.push((change.span.span_id, "opened")),
                    SpanChangeKind::Closed => self.journal.push((change.span.span_id, "closed")),
                    SpanChangeKind::Continued => {}
                }
                self.spans.insert(change.span.span_id, change.span);
            }
        }
        assert_eq!(
            journal(&self.path),
            {
                self.journal.sort();
                self.journal.clone()
            },
            "the journal of spans"
        );
    }
}

/// Copies a database with its log.
fn copy(from: &Path, to: &Path) {
    let log = |path: &Path| path.with_extension("db-wal");
    fs::copy(from, to).unwrap();
    let _ = fs::remove_file(log(to));
    if log(from).exists() {
        fs::copy(log(from), log(to)).unwrap();
    }
}

/// The measurements after a row, in the order in which they were stored.
fn fresh(path: &Path, row: i64) -> Vec<(i64, MeasurementId)> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = connection.prepare("SELECT seq, hex(id) FROM measurement WHERE seq > ?1 ORDER BY seq").unwrap();
    let rows = query.query_map([row], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
    rows.map(Result::unwrap).map(|(row, id)| (row, id.parse().unwrap())).collect()
}

/// Openings and closings by span.
fn journal(path: &Path) -> Vec<(SpanId, &'static str)> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query =
        connection.prepare("SELECT hex(span), kind = 'opened' FROM span_event WHERE kind != 'mechanism'").unwrap();
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))).unwrap();
    let mut found: Vec<(SpanId, &str)> = rows
        .map(|row| row.unwrap())
        .map(|(span, opened)| (span.parse().unwrap(), if opened { "opened" } else { "closed" }))
        .collect();
    found.sort();
    found
}
