//! One story each: what a replay finds, changes and leaves.

use super::*;

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
