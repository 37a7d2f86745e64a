//! What must hold of a rejudgement, on real databases: written as the daemon writes, judged as by other rules.

mod properties;
mod stories;

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;

use super::sample::{with_resets, with_second_opinion};
use super::*;
use crate::detect::{Params, SeriesState};
use crate::doctor::{Depth, State, on_record};
use crate::judge::judge;
use crate::model::{
    Bracket, Evidence, MeasurementId, Mechanism, RuleId, Span, SpanChange, SpanChangeKind, SpanSource, Status,
    Strength, Verdict,
};
use crate::store::sample::{at, evidence, key};
use crate::store::{
    CorrectionKind, MeasurementFilter, ProbeRecord, Reader, Recorder, SpanFilter, StoreError, StoredMeasurement,
};

/// What one measurement is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Good,
    /// The greeting is swallowed; the control reaches the site.
    Swallowed,
    /// The greeting is answered by a reset; the control reaches the site.
    Reset,
    /// The greeting is swallowed, and no control could be asked.
    Alone,
}

use Seen::{Alone, Good, Reset, Swallowed};

fn show(n: usize, minute: u64, seen: Seen) -> Evidence {
    let failing = evidence(n, minute, Status::Blocked);
    match seen {
        Good => evidence(n, minute, Status::Accessible),
        Swallowed => with_second_opinion(failing),
        Reset => with_resets(with_second_opinion(failing)),
        Alone => failing,
    }
}

/// Rules by which a database is written.
type Rules<'a> = &'a dyn Fn(&Evidence) -> Verdict;

/// The sample sites live in a documentation range (RFC 5737).
fn knowledge() -> Knowledge {
    Knowledge::new(vec!["192.0.2.0/24".parse().unwrap()])
}

fn country(_: &SeriesKey) -> Option<CountryCode> {
    Some(CountryCode::UNKNOWN)
}

fn todays(evidence: &Evidence) -> Verdict {
    judge(evidence, &knowledge(), CountryCode::UNKNOWN)
}

/// Earlier rules that found nothing where today's say `blocked` by this mechanism.
fn blind_to(mechanism: Mechanism) -> impl Fn(&Evidence) -> Verdict {
    move |evidence| {
        let verdict = todays(evidence);
        if verdict.mechanism != Some(mechanism) {
            return Verdict { ruleset: 0, ..verdict };
        }
        Verdict {
            status: Status::Inconclusive,
            mechanism: None,
            confidence: 0.0,
            strength: Strength::Weak,
            weight: 0.0,
            rules: vec![RuleId::of("old.rule")],
            ruleset: 0,
            ..verdict
        }
    }
}

/// Earlier rules that took what has no control for a block.
fn rash(evidence: &Evidence) -> Verdict {
    let verdict = todays(evidence);
    let is_alone = verdict.status == Status::Inconclusive;
    let swallowed = Mechanism::TlsTimeout;
    if is_alone {
        Verdict {
            status: Status::Blocked,
            mechanism: Some(swallowed),
            confidence: 0.9,
            strength: Strength::Differential,
            weight: 0.9,
            rules: vec![RuleId::of("rash.rule")],
            ruleset: 0,
            ..verdict
        }
    } else {
        Verdict { ruleset: 0, ..verdict }
    }
}

fn detector() -> Detector {
    Detector::new(Params::default(), SpanSource::Measured)
}

/// A daemon without sockets: judges, detects and records.
struct Daemon {
    states: HashMap<SeriesKey, SeriesState>,
    recorder: Recorder,
    /// Openings and closings whose record was dropped.
    owed: HashMap<SeriesKey, Vec<SpanChange>>,
}

impl Daemon {
    async fn start(path: &Path) -> Self {
        for _ in 0..500 {
            match Recorder::open(path) {
                Ok((recorder, restored)) => {
                    return Self { states: restored.into_iter().collect(), recorder, owed: HashMap::new() };
                }
                Err(StoreError::Held { .. }) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(other) => panic!("{other}"),
            }
        }
        panic!("the record stays locked");
    }

    async fn measure(&mut self, n: usize, evidence: &Evidence, rules: Rules<'_>, is_dropped: bool) {
        let series = key(n);
        let verdict = rules(evidence);
        let state = self.states.entry(series.clone()).or_default();
        let mut changes = self.owed.remove(&series).unwrap_or_default();
        changes.extend(detector().step(&series, state, &evidence.measurement, &verdict));
        if is_dropped {
            changes.retain(|change| change.kind != SpanChangeKind::Continued);
            self.owed.insert(series, changes);
            return;
        }
        let record = ProbeRecord { series, evidence: evidence.clone(), verdict, state: state.clone(), changes };
        self.recorder.record(record).await.unwrap();
    }
}

/// A database in a folder of its own.
struct Record {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Record {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blockspan.db");
        Self { _dir: dir, path }
    }

    /// What a daemon with these rules makes of the evidence.
    async fn written(story: &[(usize, Evidence)], rules: Rules<'_>) -> Self {
        let record = Self::new();
        record.go_on(story, rules).await;
        record
    }

    async fn go_on(&self, story: &[(usize, Evidence)], rules: Rules<'_>) {
        let mut daemon = Daemon::start(&self.path).await;
        for (n, evidence) in story {
            daemon.measure(*n, evidence, rules, false).await;
        }
        daemon.recorder.close().await.unwrap();
    }

    async fn prune(&self, minute: u64) -> u64 {
        let daemon = Daemon::start(&self.path).await;
        let pruned = daemon.recorder.prune(at(minute)).await.unwrap();
        daemon.recorder.close().await.unwrap();
        pruned
    }

    fn try_rejudge(&self, dry_run: bool, since: Option<Timestamp>, wanted: &[usize]) -> Result<Summary, StoreError> {
        let open = if dry_run { Archive::open_to_look } else { Archive::open };
        let mut archive = open(&self.path, at(1_000_000), RULESET)?;
        let keys: Vec<SeriesKey> = wanted.iter().map(|&n| key(n)).collect();
        let orders = Orders {
            knowledge: &knowledge(),
            country: &country,
            detector: &detector(),
            wanted: &|key| keys.is_empty() || keys.contains(key),
            since,
        };
        let mut last = Progress::default();
        let summary = rejudge(&mut archive, &orders, &mut |progress| {
            assert!(progress.measurements >= last.measurements && progress.series >= last.series);
            last = progress;
        })?;
        assert_eq!((last.series, last.measurements), (last.of_series, last.of_measurements));
        archive.close()?;
        Ok(summary)
    }

    fn rejudge(&self) -> Summary {
        self.try_rejudge(false, None, &[]).unwrap()
    }

    fn spans(&self) -> Vec<Span> {
        Reader::open(&self.path).unwrap().spans(&SpanFilter::default()).unwrap()
    }

    fn states(&self) -> Vec<(SeriesKey, SeriesState)> {
        Reader::open(&self.path).unwrap().series().unwrap()
    }

    fn verdicts(&self) -> BTreeMap<MeasurementId, Verdict> {
        let mut verdicts = BTreeMap::new();
        let mut each = |stored: StoredMeasurement| {
            verdicts.insert(stored.verdict.measurement_id, stored.verdict);
            ControlFlow::Continue(())
        };
        Reader::open(&self.path).unwrap().measurements(&MeasurementFilter::default(), &mut each).unwrap();
        verdicts
    }

    /// All that is stored, row by row.
    fn dump(&self) -> Vec<String> {
        let connection = Connection::open(&self.path).unwrap();
        let mut rows = Vec::new();
        for table in
            ["series", "dictionary", "measurement", "span", "span_event", "superseded", "rejudgement", "pruned"]
        {
            let mut query = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = query.column_count();
            let mut found = query.query([]).unwrap();
            while let Some(row) = found.next().unwrap() {
                let cells: Vec<String> = (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap())).collect();
                rows.push(format!("{table}: {}", cells.join(" ")));
            }
        }
        rows
    }

    fn number(&self, sql: &str) -> i64 {
        Connection::open(&self.path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

/// Series `n` measured once a minute from `first` on.
fn story(n: usize, first: u64, seen: &[(Seen, u64)]) -> Vec<(usize, Evidence)> {
    let all = seen.iter().flat_map(|&(seen, times)| std::iter::repeat_n(seen, times as usize));
    (first..).zip(all).map(|(minute, seen)| (n, show(n, minute, seen))).collect()
}

fn assert_same(record: &Record, expected: &Record) {
    assert_eq!(record.spans(), expected.spans());
    assert_eq!(record.states(), expected.states());
    assert_eq!(record.verdicts(), expected.verdicts());
}
