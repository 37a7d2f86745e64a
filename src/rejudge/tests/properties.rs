//! What holds for every story.

use super::*;

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
