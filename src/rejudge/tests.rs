//! What must hold of a rejudgement, on real databases: written as the daemon writes, judged as by other rules.

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

#[test]
fn the_samples_are_judged_as_the_stories_take_them() {
    let judged = |seen| {
        let verdict = todays(&show(0, 1, seen));
        (verdict.status, verdict.mechanism)
    };
    assert_eq!(judged(Good), (Status::Accessible, None));
    assert_eq!(judged(Swallowed), (Status::Blocked, Some(Mechanism::TlsTimeout)));
    assert_eq!(judged(Reset), (Status::Blocked, Some(Mechanism::TlsReset)));
    assert_eq!(judged(Alone).0, Status::Inconclusive);
}

#[tokio::test]
async fn a_block_that_earlier_rules_missed_is_found_as_today_s_daemon_would_have() {
    let story = story(0, 0, &[(Good, 5), (Swallowed, 12), (Good, 12)]);
    let record = Record::written(&story, &blind_to(Mechanism::TlsTimeout)).await;
    assert_eq!(record.spans(), []);
    let summary = record.rejudge();
    assert_eq!((summary.spans.new, summary.changes.len()), (1, 1));
    assert_eq!((summary.measurements.judged, summary.measurements.changed), (29, 12));
    assert_eq!(summary.measurements.restamped, 17);
    assert_eq!((summary.verdicts[0].count, summary.verdicts[0].examples.len()), (12, 3));
    assert_eq!(summary.verdicts[0].to.status, Status::Blocked);
    assert_same(&record, &Record::written(&story, &todays).await);
    // What decided stands in the journal, so that its evidence is kept.
    assert_eq!(record.number("SELECT count(*) FROM span_event WHERE kind = 'opened' AND rejudgement = 1"), 1);
    assert_eq!(record.number("SELECT count(*) FROM span_event WHERE kind = 'closed' AND rejudgement = 1"), 1);
    let corrections = Reader::open(&record.path).unwrap().corrections(None).unwrap();
    assert_eq!(corrections.len(), 1);
    assert_eq!((corrections[0].kind, &corrections[0].before), (CorrectionKind::Rejudged, &None));
    assert_eq!((corrections[0].at, corrections[0].ruleset), (at(1_000_000), RULESET));
    assert_eq!(record.number("SELECT count(*) FROM superseded WHERE rule = 'old.rule' AND ruleset = 0"), 12);
}

#[tokio::test]
async fn a_false_block_is_withdrawn_and_stays_in_the_journal_as_it_was() {
    let story = story(0, 0, &[(Good, 5), (Alone, 12), (Good, 12), (Swallowed, 12)]);
    let record = Record::written(&story, &rash).await;
    let quoted = record.spans();
    assert_eq!(quoted.len(), 2);
    let summary = record.rejudge();
    assert_eq!((summary.spans.gone, summary.spans.unchanged), (1, 1));
    assert_eq!(summary.changes[0].before.as_ref(), Some(&quoted[0]));
    assert_same(&record, &Record::written(&story, &todays).await);
    let corrections = Reader::open(&record.path).unwrap().corrections(None).unwrap();
    assert_eq!(corrections.len(), 1);
    assert_eq!(corrections[0].kind, CorrectionKind::Withdrawn);
    assert_eq!(corrections[0].before.as_ref(), Some(&quoted[0]));
    assert_eq!(Reader::open(&record.path).unwrap().corrections(Some(at(1_000_001))).unwrap(), []);
}

#[tokio::test]
async fn other_bounds_and_another_mechanism_are_told_apart() {
    // The earlier rules began to see the block when its technique changed.
    let early = story(0, 0, &[(Good, 5), (Swallowed, 12), (Reset, 12), (Good, 12)]);
    let record = Record::written(&early, &blind_to(Mechanism::TlsTimeout)).await;
    let summary = record.rejudge();
    assert_eq!((summary.spans.new, summary.spans.gone), (1, 1), "another first failure is another span: {summary:?}");
    assert_same(&record, &Record::written(&early, &todays).await);

    // They lost sight of it when its technique changed.
    let late = story(0, 0, &[(Good, 5), (Swallowed, 12), (Reset, 12), (Good, 12)]);
    let record = Record::written(&late, &blind_to(Mechanism::TlsReset)).await;
    let summary = record.rejudge();
    assert_eq!(summary.changes.len(), 1);
    assert_eq!(summary.changes[0].differs, [Difference::Bounds, Difference::Mechanism, Difference::Evidence]);
    assert_eq!(summary.spans.bounds, 1);
    let ids = |span: &Option<Span>| span.as_ref().map(|span| span.span_id);
    assert_eq!(ids(&summary.changes[0].before), ids(&summary.changes[0].after));
    assert_same(&record, &Record::written(&late, &todays).await);
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_writes_nothing() {
    let story = [story(0, 0, &[(Good, 5), (Swallowed, 12)]), story(1, 0, &[(Good, 9)])].concat();
    let record = Record::written(&story, &blind_to(Mechanism::TlsTimeout)).await;
    let before = std::fs::read(&record.path).unwrap();
    let told = record.try_rejudge(true, None, &[]).unwrap();
    assert!(told.dry_run && !told.is_unchanged());
    assert!(std::fs::read(&record.path).unwrap() == before);
    let done = record.rejudge();
    assert_eq!(Summary { dry_run: true, ..done }, told);
}

#[tokio::test]
async fn a_dry_run_needs_no_lock_and_a_real_one_does() {
    let record = Record::written(&story(0, 0, &[(Good, 3)]), &todays).await;
    let daemon = Daemon::start(&record.path).await;
    record.try_rejudge(true, None, &[]).unwrap();
    let refusal = record.try_rejudge(false, None, &[]).unwrap_err();
    assert!(matches!(refusal, StoreError::Held { .. }), "{refusal}");
    daemon.recorder.close().await.unwrap();
    record.rejudge();
}

#[test]
fn where_nothing_is_recorded_nothing_is_made() {
    let record = Record::new();
    for dry_run in [true, false] {
        let refusal = record.try_rejudge(dry_run, None, &[]).unwrap_err();
        assert!(matches!(refusal, StoreError::NothingRecorded { .. }), "{refusal}");
    }
    assert_eq!(std::fs::read_dir(record.path.parent().unwrap()).unwrap().count(), 0);
}

#[tokio::test]
async fn since_keeps_the_opinions_before_it_and_the_test_runs_over_all() {
    let blind = blind_to(Mechanism::TlsTimeout);
    let story = story(0, 0, &[(Good, 5), (Swallowed, 12), (Good, 12), (Swallowed, 12), (Good, 12)]);
    let record = Record::written(&story, &blind).await;
    let summary = record.try_rejudge(false, Some(at(29)), &[]).unwrap();
    assert_eq!((summary.measurements.passed_over, summary.measurements.changed), (29, 12));
    assert_eq!(summary.spans.new, 1);
    let expected = Record::written(&story, &|evidence| {
        if evidence.measurement.started_at >= at(29) { todays(evidence) } else { blind(evidence) }
    })
    .await;
    assert_same(&record, &expected);
    // In the middle of a block: what was overlooked before stays overlooked.
    let record = Record::written(&story, &blind).await;
    record.try_rejudge(false, Some(at(35)), &[]).unwrap();
    assert_eq!(record.spans()[0].start.earliest, Some(at(28)));
    assert_eq!(record.spans()[0].measurements, 6);
}

#[tokio::test]
async fn only_what_is_chosen_is_changed() {
    let seen = [(Good, 5), (Swallowed, 12)];
    let story = [story(0, 0, &seen), story(1, 0, &seen)].concat();
    let blind = blind_to(Mechanism::TlsTimeout);
    let record = Record::written(&story, &blind).await;
    let of =
        |states: Vec<(SeriesKey, SeriesState)>, n| states.into_iter().find(|(series, _)| *series == key(n)).unwrap();
    let untouched = of(record.states(), 0);
    let summary = record.try_rejudge(false, None, &[1]).unwrap();
    assert_eq!((summary.series.judged, summary.series.changed, summary.measurements.judged), (1, 1, 17));
    assert_eq!(record.spans().len(), 1);
    assert_eq!(record.spans()[0].vantage, Some(key(1).vantage));
    assert_eq!(of(record.states(), 0), untouched);
    record.rejudge();
    assert_same(&record, &Record::written(&story, &todays).await);
}

#[tokio::test]
async fn the_daemon_goes_on_from_the_state_of_the_replay() {
    let first = story(0, 0, &[(Good, 5), (Swallowed, 4)]);
    let then = story(0, 9, &[(Swallowed, 8), (Good, 12)]);
    let record = Record::written(&first, &blind_to(Mechanism::TlsTimeout)).await;
    record.rejudge();
    record.go_on(&then, &todays).await;
    assert_same(&record, &Record::written(&[first, then].concat(), &todays).await);
    assert!(record.rejudge().is_unchanged());
}

#[tokio::test]
async fn spans_whose_evidence_is_pruned_stay_and_an_open_one_goes_on() {
    let seen = [(Good, 5), (Alone, 12), (Good, 12), (Alone, 100), (Good, 12), (Alone, 12)];
    let story = story(0, 0, &seen);
    let record = Record::written(&story, &rash).await;
    let quoted = record.spans();
    assert_eq!(quoted.len(), 3);
    // In the middle of the second.
    assert!(record.prune(80).await > 30);
    let summary = record.rejudge();
    let after = record.spans();
    assert_eq!(after[0], quoted[0], "its evidence is gone");
    // The evidence from minute 80 on is silent, then good: the end is bounded by what is known.
    assert_eq!((after[1].span_id, after[1].start), (quoted[1].span_id, quoted[1].start));
    let silent = 129 - 80;
    assert_eq!(after[1].measurements, quoted[1].measurements - silent);
    let end = after[1].end.unwrap();
    assert!(end.earliest.unwrap() <= at(80) && end.latest.unwrap() >= at(129), "{end:?}");
    assert_eq!(end.latest, quoted[1].end.unwrap().latest);
    assert_eq!(after.len(), 2, "the third is withdrawn");
    assert_eq!((summary.spans.unchanged, summary.spans.bounds, summary.spans.gone), (1, 1, 1));
    assert!(record.rejudge().is_unchanged());
}

#[tokio::test]
async fn the_weight_of_an_open_span_is_exact() {
    // Sums of weights that rounding would show in.
    let story = story(0, 0, &[(Good, 5), (Swallowed, 7), (Alone, 1), (Reset, 9), (Swallowed, 3)]);
    let record = Record::written(&story, &blind_to(Mechanism::TlsReset)).await;
    record.rejudge();
    assert_same(&record, &Record::written(&story, &todays).await);
}

#[tokio::test]
async fn an_open_span_with_pruned_evidence_is_left_as_it_is_by_the_same_rules() {
    let story = story(0, 0, &[(Good, 5), (Swallowed, 60)]);
    let record = Record::written(&story, &todays).await;
    record.prune(40).await;
    let before = record.dump();
    assert!(record.rejudge().is_unchanged());
    assert_eq!(record.dump(), before);
    // Gone without a trace of when: by the oldest that is left.
    Connection::open(&record.path).unwrap().execute_batch("DELETE FROM measurement WHERE seq < 50").unwrap();
    let before = record.dump();
    assert!(record.rejudge().is_unchanged());
    assert_eq!(record.dump(), before);
}

#[tokio::test]
async fn a_span_that_went_on_while_its_records_were_dropped_is_withdrawn_under_its_own_id() {
    let story = story(0, 0, &[(Good, 5), (Alone, 12), (Good, 12)]);
    let record = Record::new();
    let mut daemon = Daemon::start(&record.path).await;
    for (minute, (n, evidence)) in story.iter().enumerate() {
        daemon.measure(*n, evidence, &rash, minute == 5 || minute == 7).await;
    }
    daemon.recorder.close().await.unwrap();
    let quoted = record.spans();
    assert_eq!(record.number("SELECT count(*) FROM measurement"), 27);
    let summary = record.rejudge();
    assert_eq!(record.spans(), []);
    assert_eq!((summary.spans.gone, summary.changes[0].before.as_ref()), (1, Some(&quoted[0])));
}

#[tokio::test]
async fn what_cannot_be_read_leaves_its_series_as_it_was() {
    let seen = [(Good, 5), (Swallowed, 12)];
    let story = [story(0, 0, &seen), story(1, 0, &seen)].concat();
    let record = Record::written(&story, &blind_to(Mechanism::TlsTimeout)).await;
    Connection::open(&record.path)
        .unwrap()
        .execute_batch("UPDATE measurement SET evidence = x'00' WHERE seq = (SELECT max(seq) FROM measurement)")
        .unwrap();
    let fault = record.try_rejudge(false, None, &[1]).unwrap_err();
    assert!(matches!(fault, StoreError::Damaged { .. }), "{fault}");
    assert_eq!(record.number("SELECT count(*) FROM measurement WHERE ruleset > 0"), 0);
    assert_eq!((record.spans().len(), record.number("SELECT count(*) FROM rejudgement")), (0, 0));
    // The series before it is done, and stays so.
    record.try_rejudge(false, None, &[]).unwrap_err();
    assert_eq!(record.number("SELECT count(*) FROM measurement WHERE ruleset > 0"), 17);
    assert_eq!(record.spans().len(), 1);
}

#[tokio::test]
async fn reported_and_imported_spans_are_never_touched() {
    let record = Record::written(&story(0, 0, &[(Good, 5), (Alone, 12), (Good, 12)]), &rash).await;
    Connection::open(&record.path).unwrap().execute_batch("UPDATE span SET source = 'ooni'").unwrap();
    let imported = record.spans();
    assert_eq!(record.rejudge().spans, SpanCount::default());
    assert_eq!(record.spans(), imported);
}

#[tokio::test]
async fn a_series_of_nowhere_is_told() {
    let record = Record::written(&story(0, 0, &[(Good, 2)]), &todays).await;
    let mut archive = Archive::open(&record.path, at(0), RULESET).unwrap();
    let orders =
        Orders { knowledge: &knowledge(), country: &|_| None, detector: &detector(), wanted: &|_| true, since: None };
    assert_eq!(rejudge(&mut archive, &orders, &mut |_| {}).unwrap().unplaced, [key(0)]);
}

/// Runs of the same, with gaps between them.
fn streams() -> impl Strategy<Value = Vec<(Seen, u64, u64)>> {
    let seen = prop_oneof![Just(Good), Just(Good), Just(Swallowed), Just(Reset), Just(Alone)];
    prop::collection::vec((seen, 1u64..12, 0u64..3), 1..8)
}

/// As [`story`], with so many minutes of silence after each run, and steps of the clock back for `back` of them.
fn told(runs: &[(Seen, u64, u64)], back: Option<usize>) -> Vec<(usize, Evidence)> {
    let mut minute = 100;
    let mut all = Vec::new();
    for (place, &(seen, times, gap)) in runs.iter().enumerate() {
        if back == Some(place) {
            minute -= 30;
        }
        all.extend(story(0, minute, &[(seen, times)]));
        minute += times + gap * 7;
    }
    all
}

/// Found by the property below: the clock stepped back, and what opened the span was pruned.
#[test]
fn a_span_whose_opening_is_pruned_stays_open_in_record_and_state() {
    let runs = [(Good, 1, 2), (Good, 1, 1), (Good, 2, 1), (Good, 7, 0), (Good, 4, 2), (Alone, 7, 0)];
    let story = told(&runs, Some(4));
    block_on(async {
        let record = Record::written(&story, &rash).await;
        record.prune(129).await;
        record.rejudge();
        let open: Vec<Span> = record.spans().into_iter().filter(|span| span.ongoing).collect();
        for (_, state) in record.states() {
            assert_eq!(Vec::from_iter(state.span), open);
        }
        assert!(record.rejudge().is_unchanged());
    });
}

/// Found by the property below, and by reading: nothing good was ever seen, so only failures tell since when there is
/// evidence, the first of which may have been of another kind.
#[test]
fn a_span_that_began_before_all_that_was_ever_seen_is_not_asked_of_what_pruning_left() {
    for (first, pruned) in [(Swallowed, 117), (Reset, 110)] {
        ask_what_pruning_left(&[(first, 1, 2), (Swallowed, 5, 0)], pruned);
    }
}

fn ask_what_pruning_left(runs: &[(Seen, u64, u64)], pruned: u64) {
    let story = told(runs, None);
    block_on(async {
        let record = Record::written(&story, &rash).await;
        let is_sound = || {
            let found = on_record(&record.path, Depth::Full, &detector(), at(1_000_000), &mut |_, _, _| {});
            let evidence = found.checks.into_iter().find(|check| check.check == "evidence").unwrap();
            assert_eq!(evidence.state, State::Ok, "{evidence:?}");
        };
        is_sound();
        record.prune(pruned).await;
        is_sound();
        let spans = record.spans();
        record.rejudge();
        assert_eq!(record.spans(), spans);
        is_sound();
    });
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever earlier rules made of it, the record is then as if today's had been there all the time.
    #[test]
    fn the_replay_comes_to_what_a_daemon_of_today_comes_to(
        runs in streams(), rules in 0usize..3, back in prop::option::of(1usize..9)
    ) {
        let story = told(&runs, back);
        let old: Rules<'_> = match rules {
            0 => &rash,
            1 => &blind_to(Mechanism::TlsTimeout),
            _ => &blind_to(Mechanism::TlsReset),
        };
        block_on(async {
            let record = Record::written(&story, old).await;
            let would = record.try_rejudge(true, None, &[]).unwrap();
            let summary = record.rejudge();
            assert_eq!(Summary { dry_run: true, ..summary }, would);
            assert_same(&record, &Record::written(&story, &todays).await);
            let done = record.dump();
            assert!(record.rejudge().is_unchanged());
            assert_eq!(record.dump(), done);
        });
    }

    /// Dropped records, restarts, pruning and a clock that steps back: the same rules change nothing at all.
    #[test]
    fn the_same_rules_change_nothing(
        runs in streams(),
        back in prop::option::of(1usize..9),
        dropped in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        restarts in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        pruned in prop::option::of(100u64..220),
    ) {
        let story = told(&runs, back);
        let at_one = |all: &[prop::sample::Index], now| all.iter().any(|index| index.index(story.len()) == now);
        block_on(async {
            let record = Record::new();
            let mut daemon = Daemon::start(&record.path).await;
            for (now, (n, evidence)) in story.iter().enumerate() {
                daemon.measure(*n, evidence, &todays, at_one(&dropped, now)).await;
                if at_one(&restarts, now) {
                    daemon.recorder.close().await.unwrap();
                    daemon = Daemon::start(&record.path).await;
                }
            }
            daemon.recorder.close().await.unwrap();
            if let Some(minute) = pruned {
                record.prune(minute).await;
            }
            let before = record.dump();
            let summary = record.rejudge();
            assert!(summary.is_unchanged(), "{summary:?}");
            assert_eq!(record.dump(), before);
        });
    }

    /// What the daemon, its restarts, pruning and rejudgements leave behind is sound to the doctor.
    #[test]
    fn the_doctor_finds_nothing_wrong_with_what_was_written_in_order(
        runs in streams(),
        rules in 0usize..3,
        restart in any::<prop::sample::Index>(),
        dropped in prop::option::of(any::<prop::sample::Index>()),
        pruned in prop::option::of(100u64..220),
        back in prop::option::of(1usize..9),
    ) {
        let story = told(&runs, back);
        let rules: Rules<'_> = match rules {
            0 => &rash,
            1 => &blind_to(Mechanism::TlsTimeout),
            _ => &todays,
        };
        let is = |index: Option<prop::sample::Index>, now| index.is_some_and(|index| index.index(story.len()) == now);
        block_on(async {
            let record = Record::new();
            let mut daemon = Daemon::start(&record.path).await;
            for (now, (n, evidence)) in story.iter().enumerate() {
                daemon.measure(*n, evidence, rules, is(dropped, now)).await;
                if is(Some(restart), now) {
                    daemon.recorder.close().await.unwrap();
                    daemon = Daemon::start(&record.path).await;
                }
            }
            daemon.recorder.close().await.unwrap();
            let sound = || {
                let found = on_record(&record.path, Depth::Full, &detector(), at(1_000_000), &mut |_, _, _| {});
                for check in found.checks {
                    let state = check.state;
                    let may_differ = match check.check {
                        // The test has seen what is not kept, or has met a clock that stepped back.
                        "evidence" => state == State::Warning && (dropped.is_some() || back.is_some()),
                        "bounds" | "overlaps" => back.is_some(),
                        "rules" => state == State::Warning,
                        _ => false,
                    };
                    assert!(matches!(state, State::Ok | State::Skipped) || may_differ, "{check:?}");
                }
            };
            sound();
            if let Some(minute) = pruned {
                record.prune(minute).await;
                sound();
            }
            record.rejudge();
            sound();
        });
    }

    /// However little is left of the evidence, other rules leave a sound record, and come to rest at once.
    #[test]
    fn other_rules_over_pruned_evidence_come_to_rest(runs in streams(), pruned in 100u64..220, back in prop::option::of(1usize..9)) {
        let story = told(&runs, back);
        block_on(async {
            let record = Record::written(&story, &rash).await;
            record.prune(pruned).await;
            let before: Vec<Span> = record.spans();
            record.rejudge();
            for span in before.iter().filter(|_| back.is_none()) {
                let is_over = |end: Bracket| end.latest.is_some_and(|latest| latest <= at(pruned));
                if span.end.is_some_and(is_over) {
                    assert!(record.spans().contains(span), "{span:?}");
                }
            }
            for (_, state) in record.states() {
                let open: Vec<Span> = record.spans().into_iter().filter(|span| span.ongoing).collect();
                assert_eq!(Vec::from_iter(state.span), open);
            }
            let done = record.dump();
            assert!(record.rejudge().is_unchanged());
            assert_eq!(record.dump(), done);
        });
    }
}
