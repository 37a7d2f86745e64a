//! What must hold of the test, by table, by property and in a short simulation.

mod throttling;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{Mechanism, SeriesKey, SpanChange, SpanChangeKind, SpanSource, Status, Timestamp};

const BAD: Outcome = Outcome::Bad { mechanism: Mechanism::TlsTimeout, weight: 0.9, self_proving: false };
const PROOF: Outcome = Outcome::Bad { mechanism: Mechanism::TlsMitm, weight: 1.0, self_proving: true };

struct Series {
    detector: Detector,
    key: SeriesKey,
    state: SeriesState,
    changes: Vec<SpanChange>,
}

impl Series {
    fn new() -> Self {
        let key = SeriesKey {
            site: "s".parse().unwrap(),
            url: "https://s.example/".parse().unwrap(),
            vantage: "v".parse().unwrap(),
        };
        let detector = Detector::new(Params::default(), SpanSource::Measured);
        Self { detector, key, state: SeriesState::default(), changes: Vec::new() }
    }

    /// One probe at `second`, which takes ten seconds when bad and one when good.
    fn probe(&mut self, second: u64, outcome: Outcome) -> &mut Self {
        let from = at(second);
        let until = from.plus(Duration::from_secs(if outcome == Outcome::Good { 1 } else { 10 }));
        let changes = self.detector.take(&self.key, &mut self.state, Trial { from, until, outcome });
        self.changes.extend(changes);
        self
    }

    fn probes(&mut self, seconds: &[u64], outcome: Outcome) -> &mut Self {
        for &second in seconds {
            self.probe(second, outcome);
        }
        self
    }

    fn kinds(&self) -> Vec<SpanChangeKind> {
        self.changes.iter().map(|change| change.kind).filter(|kind| *kind != SpanChangeKind::Continued).collect()
    }

    fn last(&self) -> &crate::model::Span {
        &self.changes.last().expect("no span change").span
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_700_000_000_000 + i64::try_from(second).unwrap() * 1000)
}

#[test]
fn a_block_opens_once_and_closes_once_with_the_truth_in_its_brackets() {
    let mut series = Series::new();
    series.probes(&[0, 60, 120], Outcome::Good);
    // True start at 150.
    series.probes(&[180, 190, 205, 225, 240, 255, 285, 300, 360, 420], BAD);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened]);
    assert_eq!(series.state.status(), Status::Blocked);
    // True end at 450.
    series.probes(&[480, 490, 505, 525, 540, 555, 585, 600, 615], Outcome::Good);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed]);
    let span = series.last();
    assert!(span.start.contains(at(150)), "{:?}", span.start);
    assert!(span.end.unwrap().contains(at(450)), "{:?}", span.end);
    assert_eq!(span.start.earliest, Some(at(120)));
    assert_eq!(span.end.unwrap().latest, Some(at(481)));
    assert!(!span.ongoing);
    assert_eq!(span.mechanism, Some(Mechanism::TlsTimeout));
    assert!(series.state.span.is_none());
}

#[test]
fn the_first_measurement_ever_being_bad_leaves_the_start_open_on_the_left() {
    let mut series = Series::new();
    series.probes(&[0, 10, 25, 45, 60, 75, 105, 120, 135], BAD);
    assert_eq!(series.last().start.earliest, None);
    assert!(series.last().start.latest.is_some());
}

#[test]
fn hasty_repeats_open_nothing_before_the_evidence_is_spread() {
    let mut series = Series::new();
    series.probe(0, Outcome::Good);
    series.probes(&[60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70], BAD);
    assert!(series.changes.is_empty());
    series.probe(175, BAD);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened]);
}

#[test]
fn two_proofs_open_a_span_without_waiting() {
    let mut series = Series::new();
    series.probe(0, Outcome::Good).probe(60, PROOF);
    assert!(series.changes.is_empty());
    series.probe(70, PROOF);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened]);
    assert_eq!(series.last().start.earliest, Some(at(0)));
    assert_eq!(series.last().start.latest, Some(at(70)));
}

#[test]
fn a_chance_failure_before_the_block_does_not_pull_the_bound_past_the_truth() {
    let mut series = Series::new();
    series.probes(&[0, 60], Outcome::Good);
    // By chance; the block begins only at 125.
    series.probe(120, BAD);
    series.probes(&[130, 145, 165, 180, 195, 225, 240, 255], BAD);
    assert!(series.last().start.contains(at(125)), "{:?}", series.last().start);
}

#[test]
fn a_chance_failure_after_the_block_does_not_pull_the_bound_past_the_truth() {
    let mut series = Series::new();
    series.probe(0, Outcome::Good);
    series.probes(&[60, 70, 85, 105, 120, 135, 165, 180, 195, 240, 300], BAD);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened]);
    // The block ends at 330; by chance the probe at 360 still fails.
    series.probe(360, BAD);
    series.probes(&[420, 430, 445, 465, 480, 495, 525, 540, 555], Outcome::Good);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed]);
    assert!(series.last().end.unwrap().contains(at(330)), "{:?}", series.last().end);
}

#[test]
fn time_without_a_usable_measurement_widens_and_never_splits() {
    let mut series = Series::new();
    series.probe(0, Outcome::Good);
    series.probes(&[60, 70, 85, 105, 120, 135, 165, 180, 195], BAD);
    for minute in 5..600 {
        series.probe(minute * 60, Outcome::Silent);
    }
    series.probes(&[36_000, 36_060, 36_120], BAD);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened]);
    for minute in 603..700 {
        series.probe(minute * 60, Outcome::Silent);
    }
    series.probes(&[42_000, 42_010, 42_025, 42_045, 42_060, 42_075, 42_105, 42_120, 42_135], Outcome::Good);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed]);
    let end = series.last().end.unwrap();
    assert!(end.earliest.unwrap() <= at(36_120) && end.latest.unwrap() >= at(42_000));
}

#[test]
fn a_change_of_technique_is_a_segment_of_the_same_span() {
    let reset = Outcome::Bad { mechanism: Mechanism::TlsReset, weight: 1.0, self_proving: false };
    let mut series = Series::new();
    series.probe(0, Outcome::Good);
    series.probes(&[60, 70, 85, 105, 120, 135, 165, 180, 195], BAD);
    series.probe(240, reset).probe(300, BAD).probe(360, reset).probe(420, reset);
    let span = series.last();
    assert_eq!(
        span.segments.iter().map(|segment| segment.mechanism).collect::<Vec<_>>(),
        [Mechanism::TlsTimeout, Mechanism::TlsReset]
    );
    assert_eq!(span.segments[1].from, at(360));
    assert_eq!(series.kinds(), [SpanChangeKind::Opened]);
}

#[test]
fn a_state_that_was_stored_goes_on_exactly_where_it_was() {
    let seconds = [60, 70, 85, 105, 120, 135, 165, 180, 195, 240];
    let mut whole = Series::new();
    whole.probe(0, Outcome::Good).probes(&seconds, BAD);
    let mut broken = Series::new();
    broken.probe(0, Outcome::Good);
    for &second in &seconds {
        let text = serde_json::to_string(&broken.state).unwrap();
        broken.state = serde_json::from_str(&text).unwrap();
        broken.probe(second, BAD);
    }
    assert_eq!(whole.state, broken.state);
    assert_eq!(whole.changes, broken.changes);
}

#[test]
fn confirmations_follow_the_first_sign_and_end() {
    let params = Params::default();
    let mut series = Series::new();
    series.probe(0, Outcome::Good);
    assert_eq!(series.state.confirm_in(at(1), &params), None);
    series.probe(60, BAD);
    assert_eq!(series.state.confirm_in(at(60), &params), Some(Duration::from_secs(10)));
    assert_eq!(series.state.confirm_in(at(71), &params), Some(Duration::from_secs(14)));
    assert_eq!(series.state.confirm_in(at(60 + 196), &params), None);
    series.probe(70, Outcome::Good);
    assert!(!series.state.is_unsettled());
}

#[test]
fn a_stepped_clock_never_turns_a_bracket_round() {
    let mut series = Series::new();
    series.probe(7200, Outcome::Good);
    series.probes(&[3600, 3610, 3625, 3645, 3660, 3675, 3705, 3720, 3735], BAD);
    let start = series.last().start;
    // The last good probe bears the old clock's time, so it bounds nothing that the new clock tells.
    assert_eq!(start, crate::model::Bracket { earliest: None, latest: Some(at(3655)) });
}

#[test]
fn a_clock_that_steps_back_within_a_block_leaves_one_span_of_no_negative_length() {
    let mut series = Series::new();
    series.probe(7200, Outcome::Good);
    series.probes(&[7260, 7270, 7285, 7305, 7335, 7365, 7395], BAD);
    series.probes(&[3740, 3800, 3830, 3860], BAD);
    series.probes(&[3920, 3930, 3945, 3965, 3980, 3995, 4025, 4040, 4055], Outcome::Good);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed]);
    let span = series.last();
    let end = span.end.unwrap();
    assert!(end.earliest.is_some() && end.earliest <= end.latest);
    assert_eq!(span.start, crate::model::Bracket { earliest: None, latest: end.latest });
    assert!(span.segments.iter().all(|segment| Some(segment.from) <= end.latest));
    assert!(span.last_observed <= end.latest);
}

#[test]
fn a_clock_that_steps_back_stops_neither_opening_nor_closing() {
    let mut series = Series::new();
    series.probe(7200, Outcome::Good).probe(7260, BAD);
    // Back by an hour. Silent measurements and failures alike begin the confirmations anew, and those end.
    series.probe(3670, Outcome::Silent);
    let params = series.detector.params().clone();
    assert_eq!(series.state.confirm_in(at(3680), &params), Some(Duration::from_secs(15)));
    assert_eq!(series.state.confirm_in(at(3670 + 196), &params), None);
    series.probes(&[3680, 3695, 3715, 3745, 3775, 3805], BAD);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened]);
    series.probe(3900, Outcome::Good);
    series.probes(&[310, 320, 335, 355, 385, 415, 445], Outcome::Good);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed]);
    assert!(!series.state.is_unsettled());
}

#[test]
fn a_failure_long_after_the_last_one_is_confirmed_as_the_first_one_is() {
    let params = Params::default();
    let mut series = Series::new();
    series.probe(0, Outcome::Good).probe(60, BAD);
    for minute in 2..60 {
        series.probe(minute * 60, Outcome::Silent);
        assert!(minute < 5 || series.state.confirm_in(at(minute * 60), &params).is_none());
    }
    series.probe(3600, BAD);
    assert_eq!(series.state.confirm_in(at(3600), &params), Some(Duration::from_secs(10)));
    series.probes(&[3610, 3625, 3645, 3675, 3705, 3735], BAD);
    assert_eq!(series.kinds(), [SpanChangeKind::Opened]);
    series.probe(3795, Outcome::Good).probe(7400, Outcome::Good);
    assert_eq!(series.state.confirm_in(at(7400), &params), Some(Duration::from_secs(10)));
}

#[test]
fn a_span_whose_technique_flaps_for_years_stays_small() {
    let reset = Outcome::Bad { mechanism: Mechanism::TlsReset, weight: 1.0, self_proving: false };
    let mut series = Series::new();
    series.probe(0, Outcome::Good);
    for step in 0..4000u64 {
        series.probe(60 + step * 60, if step / 2 % 2 == 0 { BAD } else { reset });
    }
    let span = series.last();
    assert!(span.segments.len() <= 100, "{} segments", span.segments.len());
    assert_eq!(span.mechanism, span.segments.last().map(|segment| segment.mechanism));
    assert!(span.segments.is_sorted_by_key(|segment| segment.from));
}

/// A generator of chance, so that the simulation is the same every time.
struct Chance(u64);

impl Chance {
    fn happens(&mut self, probability: f64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 / (1u64 << 53) as f64) < probability
    }
}

/// Probes from `start` to `end` at one-minute rounds with confirmations; a block lies in `block`; single probes fail by chance.
fn simulate(series: &mut Series, chance: &mut Chance, start: u64, end: u64, block: std::ops::Range<u64>, loss: f64) {
    simulate_leaky(series, chance, start, end, block, (loss, 0.0));
}

/// The same; single probes get through the block by chance. Gives the instants at which it held.
fn simulate_leaky(
    series: &mut Series,
    chance: &mut Chance,
    start: u64,
    end: u64,
    block: std::ops::Range<u64>,
    (loss, leak): (f64, f64),
) -> Vec<u64> {
    let mut held = Vec::new();
    let params = series.detector.params().clone();
    let (mut now, mut round) = (start, start);
    while now < end {
        let bad = if block.contains(&now) { leak == 0.0 || !chance.happens(leak) } else { chance.happens(loss) };
        if bad && block.contains(&now) {
            held.push(now);
        }
        series.probe(now, if bad { BAD } else { Outcome::Good });
        if now >= round {
            round += 60;
        }
        let confirm = series.state.confirm_in(at(now), &params).map(|wait| now + wait.as_secs().max(1));
        now = confirm.map_or(round, |due| due.min(round));
    }
    held
}

#[test]
fn five_percent_loss_for_ten_site_years_opens_at_most_one_span() {
    let mut series = Series::new();
    simulate(&mut series, &mut Chance(0x9e37_79b9_7f4a_7c15), 0, 10 * 31_557_600, 0..0, 0.05);
    let opened = series.kinds().iter().filter(|kind| **kind == SpanChangeKind::Opened).count();
    assert!(opened <= 1, "{opened} false spans in ten site-years");
}

#[test]
fn blocks_among_losses_are_found_once_in_time_with_the_truth_in_the_brackets() {
    let mut chance = Chance(42);
    let mut delays = Vec::new();
    for case in 0..2000u64 {
        let (from, to) = (7000 + case % 61, 9000 + case % 67);
        let mut series = Series::new();
        simulate(&mut series, &mut chance, 0, 12_000, from..to, 0.05);
        assert_eq!(series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed], "case {case}");
        let opened = series.changes.iter().find(|change| change.kind == SpanChangeKind::Opened).unwrap();
        delays.push(opened.at.since(at(from)).as_secs());
        let span = series.last();
        assert!(span.start.contains(at(from)), "case {case}: start {from} not in {:?}", span.start);
        assert!(span.end.unwrap().contains(at(to)), "case {case}: end {to} not in {:?}", span.end);
    }
    delays.sort_unstable();
    assert!(
        delays[delays.len() * 95 / 100] <= 60 + 180,
        "95 % of openings within {} s",
        delays[delays.len() * 95 / 100]
    );
}

/// The test counts on one probe of twenty getting through; its bounds must stand that.
#[test]
fn a_leaky_block_has_the_truth_in_its_brackets() {
    let mut chance = Chance(4711);
    for case in 0..2000u64 {
        let (from, to) = (7000 + case % 61, 9000 + case % 67);
        let mut series = Series::new();
        let held = simulate_leaky(&mut series, &mut chance, 0, 12_000, from..to, (0.05, 0.05));
        assert_eq!(series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed], "case {case}");
        let (first, last) = (held[0], held[held.len() - 1]);
        let span = series.last();
        assert!(span.start.contains(at(first)), "case {case}: start {first} not in {:?}", span.start);
        assert!(span.end.unwrap().contains(at(last)), "case {case}: end {last} not in {:?}", span.end);
    }
}

proptest! {
    #[test]
    fn openings_and_closings_alternate_and_brackets_are_in_order(outcomes in proptest::collection::vec(0u8..6, 0..400)) {
        let mut series = Series::new();
        for (index, outcome) in outcomes.iter().enumerate() {
            let outcome = match outcome { 0 | 1 => Outcome::Good, 2 | 3 => BAD, 4 => PROOF, _ => Outcome::Silent };
            series.probe(index as u64 * 45, outcome);
        }
        for (index, kind) in series.kinds().iter().enumerate() {
            prop_assert_eq!(*kind, if index % 2 == 0 { SpanChangeKind::Opened } else { SpanChangeKind::Closed });
        }
        for change in &series.changes {
            prop_assert!(change.span.start.earliest <= change.span.start.latest);
            if let Some(end) = change.span.end {
                prop_assert!(end.earliest <= end.latest);
                prop_assert!(change.span.start.earliest <= end.latest);
            }
            prop_assert!((0.0..=1.0).contains(&change.span.confidence.unwrap()));
        }
    }
}
