//! The story every backend must tell alike, and what SQLite alone must hold.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::sample::{at, key, record, span, with_change};
use super::{MeasurementFilter, ProbeRecord, Reader, Recorder, Restored, SpanFilter, StoreError, StoredMeasurement};
use crate::model::{Bracket, MeasurementId, Mechanism, Segment, Span, SpanChangeKind, SpanSource, Status};

/// What the story needs of a store. A second backend joins by implementing it.
trait Backend {
    fn open(&self) -> impl Future<Output = Result<(Recorder, Restored), StoreError>>;
    fn reader(&self) -> Reader;
}

struct Sqlite {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn sqlite() -> Sqlite {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blockspan.db");
    Sqlite { _dir: dir, path }
}

impl Backend for Sqlite {
    /// The lock goes with the writer thread, which may outlive the last handle by a moment.
    async fn open(&self) -> Result<(Recorder, Restored), StoreError> {
        for _ in 0..500 {
            match Recorder::open(&self.path) {
                Err(StoreError::Held { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                other => return other,
            }
        }
        Recorder::open(&self.path)
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path).unwrap()
    }
}

fn id(record: &ProbeRecord) -> MeasurementId {
    record.evidence.measurement.measurement_id
}

fn measurements(reader: &Reader, filter: &MeasurementFilter) -> Vec<StoredMeasurement> {
    let mut all = Vec::new();
    reader
        .measurements(filter, &mut |stored| {
            all.push(stored);
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

fn minutes(reader: &Reader) -> Vec<u64> {
    measurements(reader, &MeasurementFilter::default())
        .iter()
        .map(|stored| stored.evidence.measurement.started_at.since(at(0)).as_secs() / 60)
        .collect()
}

fn numbers(path: &Path, sql: &str) -> Vec<i64> {
    let connection = Connection::open(path).unwrap();
    let mut query = connection.prepare(sql).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Blocked from minute 3 to minute 6: opened on minute 4, closed on minute 8.
async fn one_block(recorder: &Recorder, n: usize) -> Span {
    let mut span = span(n, 3, 4);
    for minute in 0..=9 {
        let status = if (3..=6).contains(&minute) { Status::Blocked } else { Status::Accessible };
        let mut record = record(n, minute, status);
        record.state.span = (4..8).contains(&minute).then(|| span.clone());
        let record = match minute {
            4 => with_change(record, SpanChangeKind::Opened, span.clone()),
            5 | 6 => {
                span.last_observed = Some(at(minute));
                span.measurements += 1;
                with_change(record, SpanChangeKind::Continued, span.clone())
            }
            8 => {
                span.end = Some(Bracket { earliest: Some(at(6)), latest: Some(at(7)) });
                span.ongoing = false;
                with_change(record, SpanChangeKind::Closed, span.clone())
            }
            _ => record,
        };
        recorder.record(record).await.unwrap();
    }
    span
}

/// An open span stays one span over a restart; the states resume; what was recorded is what is read.
async fn the_record_outlives_the_daemon(backend: &impl Backend) {
    let (recorder, restored) = backend.open().await.unwrap();
    assert_eq!(restored, []);
    let first = with_change(record(0, 1, Status::Blocked), SpanChangeKind::Opened, span(0, 1, 1));
    let second = record(1, 2, Status::Accessible);
    recorder.record(first.clone()).await.unwrap();
    recorder.record(second.clone()).await.unwrap();
    recorder.close().await.unwrap();

    let (recorder, restored) = backend.open().await.unwrap();
    let expected = [&first, &second].map(|record| (record.series.clone(), record.state.clone()));
    assert_eq!(restored, expected);
    let mut grown = span(0, 1, 3);
    grown.mechanism = Some(Mechanism::TlsReset);
    grown.segments.push(Segment { from: at(3), mechanism: Mechanism::TlsReset });
    let third = with_change(record(0, 3, Status::Blocked), SpanChangeKind::Continued, grown.clone());
    recorder.record(third.clone()).await.unwrap();

    let reader = backend.reader();
    assert_eq!(reader.spans(&SpanFilter::default()).unwrap(), [grown]);
    assert_eq!(reader.series().unwrap()[0], (third.series.clone(), third.state.clone()));
    let stored = measurements(&reader, &MeasurementFilter::default());
    let expected =
        [first, second, third].map(|record| StoredMeasurement { evidence: record.evidence, verdict: record.verdict });
    assert_eq!(stored, expected);
    let one = reader.measurement(expected[1].verdict.measurement_id).unwrap();
    assert_eq!(one.as_ref(), Some(&expected[1]));
    assert_eq!(reader.measurement(MeasurementId::new()).unwrap(), None);
    recorder.close().await.unwrap();
}

async fn what_was_acknowledged_is_there_after_a_crash(backend: &impl Backend) {
    let (recorder, _) = backend.open().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    let mut expected = BTreeSet::new();
    for i in 0..300 {
        let record = record(i % 7, i as u64, Status::Accessible);
        expected.insert(id(&record));
        let recorder = recorder.clone();
        tasks.spawn(async move { recorder.record(record).await.unwrap() });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    drop(recorder);
    let (recorder, restored) = backend.open().await.unwrap();
    assert_eq!(restored.len(), 7);
    let stored = measurements(&backend.reader(), &MeasurementFilter::default());
    assert!(stored.is_sorted_by_key(|stored| stored.evidence.measurement.started_at));
    let found: BTreeSet<_> = stored.iter().map(|stored| stored.verdict.measurement_id).collect();
    assert_eq!(found, expected);
    recorder.close().await.unwrap();
}

async fn the_same_measurement_twice_is_once(backend: &impl Backend) {
    let (recorder, _) = backend.open().await.unwrap();
    let opened = with_change(record(0, 1, Status::Blocked), SpanChangeKind::Opened, span(0, 1, 1));
    let closed = {
        let mut span = span(0, 1, 1);
        span.end = Some(Bracket { earliest: Some(at(1)), latest: Some(at(2)) });
        span.ongoing = false;
        with_change(record(0, 2, Status::Accessible), SpanChangeKind::Closed, span)
    };
    for record in [&opened, &closed, &opened] {
        recorder.record(record.clone()).await.unwrap();
    }
    let reader = backend.reader();
    assert_eq!(minutes(&reader), [1, 2]);
    assert_eq!(reader.spans(&SpanFilter::default()).unwrap(), [closed.changes[0].span.clone()]);
    assert_eq!(reader.series().unwrap(), [(closed.series, closed.state)]);
    recorder.close().await.unwrap();
}

async fn retention_keeps_what_spans_stand_on(backend: &impl Backend) {
    let (recorder, _) = backend.open().await.unwrap();
    let blocked = one_block(&recorder, 0).await;
    for minute in 0..=9 {
        recorder.record(record(1, minute, Status::Accessible)).await.unwrap();
    }
    assert_eq!(recorder.prune(at(0)).await.unwrap(), 0);
    // Of series 1 all but minute 9 go; of series 0: 0, 1, 5. Minutes 2 to 4 hold the opening, 6 to 8 the closing.
    assert_eq!(recorder.prune(at(9)).await.unwrap(), 9 + 3);
    let reader = backend.reader();
    assert_eq!(minutes(&reader), [2, 3, 4, 6, 7, 8, 9, 9]);
    assert_eq!(reader.spans(&SpanFilter::default()).unwrap(), [blocked]);
    assert_eq!(reader.series().unwrap().len(), 2);
    recorder.record(record(1, 10, Status::Accessible)).await.unwrap();
    assert_eq!(recorder.prune(at(9)).await.unwrap(), 0);
    assert_eq!(minutes(&reader).len(), 9);
    recorder.close().await.unwrap();
}

async fn filters_let_through_what_they_say(backend: &impl Backend) {
    let (recorder, _) = backend.open().await.unwrap();
    let mut all = Vec::new();
    for n in 0..6 {
        let first = n as u64 * 10;
        let mut one = span(n, first, first + 4);
        if n % 2 == 1 {
            one.end = Some(Bracket { earliest: Some(at(first + 4)), latest: (n != 5).then(|| at(first + 6)) });
            one.ongoing = false;
        }
        if n == 3 {
            one.source = SpanSource::Ooni;
            one.status = Status::Down;
            one.mechanism = None;
            one.segments = Vec::new();
            (one.url, one.vantage, one.confidence, one.last_observed) = (None, None, None, None);
            one.citation = Some("A \"letter\";\u{1f}=\n".to_owned());
            one.partial = Some(crate::model::PartialScope::Ipv6);
        }
        let status = if n % 2 == 0 { Status::Blocked } else { Status::Accessible };
        let record = with_change(record(n, first, status), SpanChangeKind::Opened, one.clone());
        recorder.record(record).await.unwrap();
        all.push(one);
    }
    let reader = backend.reader();
    let (site, vantage) = (key(3).site, key(1).vantage);
    let mut passed = Vec::new();
    for bits in 0u32..64 {
        let on = |bit: u32| bits & (1 << bit) != 0;
        let filter = SpanFilter {
            sites: if on(0) { vec![site.clone(), key(1).site] } else { Vec::new() },
            vantages: if on(1) { vec![vantage.clone()] } else { Vec::new() },
            statuses: if on(2) { vec![Status::Blocked] } else { Vec::new() },
            sources: if on(3) { vec![SpanSource::Measured] } else { Vec::new() },
            since: on(4).then(|| at(16)),
            until: on(5).then(|| at(39)),
        };
        let expected: Vec<Span> = all.iter().filter(|span| filter.lets_through(span)).cloned().collect();
        passed.push(expected.len());
        assert_eq!(reader.spans(&filter).unwrap(), expected, "{filter:?}");
    }
    assert_eq!(passed[..3], [6, 2, 2]);
    assert_eq!((passed[16], passed[32]), (5, 4));

    let starts = |filter: &MeasurementFilter| -> Vec<u64> {
        measurements(&reader, filter)
            .iter()
            .map(|stored| stored.evidence.measurement.started_at.since(at(0)).as_secs() / 60)
            .collect()
    };
    let any = MeasurementFilter::default();
    assert_eq!(starts(&any), [0, 10, 20, 30, 40, 50]);
    assert_eq!(starts(&MeasurementFilter { sites: vec![site], ..any.clone() }), [30]);
    assert_eq!(starts(&MeasurementFilter { vantages: vec![vantage], ..any.clone() }), [10, 40]);
    assert_eq!(starts(&MeasurementFilter { statuses: vec![Status::Blocked], ..any.clone() }), [0, 20, 40]);
    assert_eq!(starts(&MeasurementFilter { since: Some(at(10)), until: Some(at(40)), ..any.clone() }), [10, 20, 30]);
    assert!(starts(&MeasurementFilter { sites: vec!["nowhere".parse().unwrap()], ..any.clone() }).is_empty());
    let mut seen = 0;
    reader
        .measurements(&any, &mut |_| {
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 2);
    recorder.close().await.unwrap();
}

macro_rules! stories {
    ($backend:expr; $($name:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            super::$name(&$backend).await;
        })+
    };
}

mod on_sqlite {
    stories! {
        super::sqlite();
        the_record_outlives_the_daemon,
        what_was_acknowledged_is_there_after_a_crash,
        the_same_measurement_twice_is_once,
        retention_keeps_what_spans_stand_on,
        filters_let_through_what_they_say,
    }
}

#[tokio::test]
async fn a_second_daemon_is_refused_until_the_first_closes() {
    let backend = sqlite();
    let (first, _) = Recorder::open(&backend.path).unwrap();
    let aside = backend.path.with_file_name("other-name.db");
    std::os::unix::fs::symlink(&backend.path, &aside).unwrap();
    for path in [&backend.path, &aside] {
        let refusal = Recorder::open(path).unwrap_err();
        assert!(matches!(refusal, StoreError::Held { pid: Some(pid), .. } if pid == std::process::id()), "{refusal}");
    }
    let clone = first.clone();
    first.close().await.unwrap();
    Recorder::open(&backend.path).unwrap();
    let refusal = clone.record(record(0, 0, Status::Accessible)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Closed { .. }), "{refusal}");
}

#[tokio::test]
async fn closing_leaves_everything_in_one_file() {
    let backend = sqlite();
    let (recorder, _) = Recorder::open(&backend.path).unwrap();
    recorder.record(record(0, 0, Status::Accessible)).await.unwrap();
    recorder.flush().await.unwrap();
    assert!(recorder.bytes() > 0);
    recorder.close().await.unwrap();
    assert!(!backend.path.with_file_name("blockspan.db-wal").exists());
    assert_eq!(super::file_bytes(&backend.path), backend.path.metadata().unwrap().len());
    let copy = backend.path.with_file_name("copy.db");
    std::fs::copy(&backend.path, &copy).unwrap();
    assert_eq!(minutes(&Reader::open(&copy).unwrap()), [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_the_writer_do_not_wait_for_each_other() {
    let backend = sqlite();
    let commits = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&commits);
    let hook = Box::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let (recorder, _) = Recorder::open_with(&backend.path, hook).unwrap();
    recorder.record(record(0, 0, Status::Accessible)).await.unwrap();
    let path = backend.path.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&path).unwrap();
        let mut last = 0;
        while last < 200 {
            let now = minutes(&reader).len();
            assert!(now >= last);
            last = now;
        }
    });
    for minute in 1..200 {
        recorder.record(record(0, minute, Status::Accessible)).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap().unwrap();
    assert_eq!(commits.load(Ordering::Relaxed), 200);
    recorder.close().await.unwrap();
}

#[tokio::test]
async fn one_record_that_cannot_be_kept_harms_no_other() {
    let backend = sqlite();
    let (recorder, _) = Recorder::open(&backend.path).unwrap();
    let mut bad = with_change(record(0, 1, Status::Blocked), SpanChangeKind::Opened, span(0, 1, 1));
    bad.verdict.confidence = f64::NAN;
    let records = [record(0, 0, Status::Accessible), bad, record(1, 2, Status::Accessible)];
    let [first, bad, last] = records.map(|record| recorder.record(record));
    let (first, bad, last) = tokio::join!(first, bad, last);
    first.unwrap();
    last.unwrap();
    assert!(matches!(bad, Err(StoreError::Refused { .. })), "{bad:?}");
    recorder.record(record(0, 3, Status::Accessible)).await.unwrap();
    let reader = backend.reader();
    assert_eq!(minutes(&reader), [0, 2, 3]);
    assert_eq!(reader.spans(&SpanFilter::default()).unwrap(), [span(0, 1, 1)], "what it says of the span is kept");
    recorder.close().await.unwrap();
}

#[tokio::test]
async fn a_failing_database_is_told_and_outlived() {
    let backend = sqlite();
    let (recorder, _) = Recorder::open(&backend.path).unwrap();
    recorder.record(record(0, 0, Status::Accessible)).await.unwrap();
    let aside = Connection::open(&backend.path).unwrap();
    aside.execute_batch("ALTER TABLE measurement RENAME TO elsewhere").unwrap();
    let error = recorder.record(record(0, 1, Status::Accessible)).await.unwrap_err();
    assert_eq!(error.sqlite_code(), Some(rusqlite::ffi::SQLITE_ERROR), "{error}");
    assert!(error.to_string().contains("blockspan.db"), "{error}");
    aside.execute_batch("ALTER TABLE elsewhere RENAME TO measurement").unwrap();
    recorder.record(record(0, 2, Status::Accessible)).await.unwrap();
    assert_eq!(minutes(&backend.reader()), [0, 2]);
    recorder.close().await.unwrap();
}

#[tokio::test]
async fn the_journal_holds_openings_changes_and_closings_only() {
    let backend = sqlite();
    let (recorder, _) = Recorder::open(&backend.path).unwrap();
    one_block(&recorder, 0).await;
    let mut changed = span(1, 1, 2);
    for (minute, kind, mechanism) in [
        (1, SpanChangeKind::Opened, Mechanism::TlsTimeout),
        (2, SpanChangeKind::Continued, Mechanism::TlsTimeout),
        (3, SpanChangeKind::Continued, Mechanism::TcpReset),
        (4, SpanChangeKind::Continued, Mechanism::TcpReset),
    ] {
        changed.mechanism = Some(mechanism);
        recorder.record(with_change(record(1, minute, Status::Blocked), kind, changed.clone())).await.unwrap();
    }
    recorder.close().await.unwrap();
    let minute = |sql: &str| -> Vec<i64> {
        let start = at(0).as_unix_ms();
        numbers(&backend.path, sql).iter().map(|ms| (ms - start) / 60_000).collect()
    };
    assert_eq!(minute("SELECT at FROM span_event WHERE kind = 'opened'"), [4, 1]);
    assert_eq!(minute("SELECT at FROM span_event WHERE kind = 'mechanism'"), [3]);
    assert_eq!(minute("SELECT at FROM span_event WHERE kind = 'closed'"), [8]);
}

#[tokio::test]
async fn evidence_that_repeats_is_small_and_dictionaries_go_with_it() {
    let backend = sqlite();
    let (recorder, _) = Recorder::open(&backend.path).unwrap();
    for minute in 0..40 {
        // The site changes all of its certificates at minute 20.
        let mut record = record(if minute < 20 { 0 } else { 500 }, minute, Status::Accessible);
        record.series = key(0);
        recorder.record(record).await.unwrap();
    }
    let lengths = numbers(&backend.path, "SELECT length(evidence) FROM measurement ORDER BY seq");
    let plain = serde_json::to_vec(&record(0, 1, Status::Accessible).evidence).unwrap().len() as i64;
    assert!(lengths[1..20].iter().chain(&lengths[28..]).all(|&length| length * 5 < plain), "{plain}: {lengths:?}");
    let dictionaries = "SELECT count(*) FROM dictionary";
    assert_eq!(numbers(&backend.path, dictionaries), [2], "{plain}: {lengths:?}");
    assert_eq!(minutes(&backend.reader()).len(), 40);
    recorder.prune(at(40)).await.unwrap();
    assert_eq!(numbers(&backend.path, dictionaries), [1]);
    recorder.record(record(0, 41, Status::Accessible)).await.unwrap();
    assert_eq!(minutes(&backend.reader()), [41]);
    recorder.close().await.unwrap();
}

#[tokio::test]
async fn damage_is_named_not_feared() {
    let backend = sqlite();
    let (recorder, _) = Recorder::open(&backend.path).unwrap();
    let one = with_change(record(0, 0, Status::Blocked), SpanChangeKind::Opened, span(0, 0, 0));
    recorder.record(one.clone()).await.unwrap();
    recorder.close().await.unwrap();
    let sound = std::fs::read(&backend.path).unwrap();
    let read = |reader: &Reader| -> Result<(), StoreError> {
        reader.spans(&SpanFilter::default())?;
        reader.series()?;
        reader.measurements(&MeasurementFilter::default(), &mut |_| ControlFlow::Continue(()))?;
        reader.measurement(id(&one)).map(drop)
    };
    read(&backend.reader()).unwrap();
    let span = format!("span {}", one.changes[0].span.span_id);
    let measurement = format!("measurement {}", id(&one));
    for (damage, row) in [
        ("UPDATE span SET status = 'blokked'", span.as_str()),
        ("UPDATE span SET url = 'not a url'", &span),
        ("UPDATE span SET site = ''", &span),
        ("UPDATE span SET mechanism = NULL", &span),
        ("UPDATE span SET measurements = -1", &span),
        ("UPDATE span SET site = CAST(x'ff' AS TEXT)", &span),
        ("UPDATE span SET segment_from = NULL, segments = '[[1]]'", &span),
        ("UPDATE series SET state = '{'", "series 1"),
        ("UPDATE series SET vantage = '/'", "series 1"),
        ("UPDATE measurement SET evidence = x'00'", &measurement),
        ("UPDATE measurement SET evidence = verdict", &measurement),
        ("UPDATE measurement SET verdict = evidence", &measurement),
        ("UPDATE measurement SET dictionary = NULL", &measurement),
        ("PRAGMA foreign_keys = OFF; DELETE FROM dictionary", &measurement),
        ("UPDATE dictionary SET content = x'28b52ffd'", &measurement),
        ("UPDATE measurement SET id = zeroblob(16)", "measurement 00000000-0000-0000-0000-000000000000"),
    ] {
        std::fs::write(&backend.path, &sound).unwrap();
        Connection::open(&backend.path).unwrap().execute_batch(damage).unwrap();
        let error = read(&backend.reader()).unwrap_err();
        assert!(matches!(&error, StoreError::Damaged { row: named, .. } if named == row), "{damage}: {error}");
    }
}
