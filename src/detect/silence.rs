//! When vantages told nothing: without a network, behind a national cut, or not measuring.
//!
//! Askings of canaries, lives of the daemon and halts of the machine come in; stretches with bounds on both ends come
//! out. The bounds follow the rule of spans: a start lies after the last good asking began and before the first bad one
//! had ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::pulse::EVERY;
use crate::model::{
    Bracket, CanaryReport, CanaryScope, SilenceCause, SilenceKind, SpanId, Timestamp, VantageId, VantageSpan,
};

/// Askings in a row that open or close a silence. Each asks all canaries: that all of three fail by chance at 5 % loss
/// comes once in 8,000 askings, twice in a row once in a century of asking every minute.
const ENOUGH: u32 = 2;

/// What was asked comes no later than this after what was asked later: a measurement carries it until it is judged. What
/// seems to be older is of a clock that was set back.
const LATE: Duration = Duration::from_secs(300);

/// A look at the clocks is no later than this, if anything runs at all.
const PUNCTUAL: Duration = Duration::from_secs(EVERY.as_secs() + 1);

/// How long after a sign of life the next one is due at the latest.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// One life of the daemon, as the record knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it began.
    pub began: Timestamp,
    /// The last sign of it.
    pub last_sign: Timestamp,
    /// When it ended in order; None when it goes on, or broke off.
    pub ended: Option<Timestamp>,
}

/// What one asking of a vantage's canaries told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A foreign canary answered; or a domestic one where no foreign one is configured.
    Abroad,
    /// Domestic ones only.
    Home,
    /// None.
    Nothing,
}

impl Reach {
    /// What a report tells; None when nothing was asked.
    pub fn of(report: &CanaryReport) -> Option<Self> {
        let (foreign, of_foreign) = report.tally(CanaryScope::Foreign);
        let (domestic, of_domestic) = report.tally(CanaryScope::Domestic);
        match (foreign, of_foreign, domestic, of_domestic) {
            (_, 0, _, 0) => None,
            (1.., ..) | (_, 0, 1.., _) => Some(Self::Abroad),
            (_, _, 1.., _) => Some(Self::Home),
            _ => Some(Self::Nothing),
        }
    }

    const fn silence(self) -> Option<SilenceKind> {
        match self {
            Self::Abroad => None,
            Self::Home => Some(SilenceKind::DomesticOnly),
            Self::Nothing => Some(SilenceKind::Offline),
        }
    }
}

/// What is known of one vantage.
#[derive(Debug, Clone, Default)]
struct Standing {
    /// Its network is silent.
    network: Option<VantageSpan>,
    /// Nothing is measured from it.
    pause: Option<VantageSpan>,
    /// Beginning of the latest asking that was told of.
    counted: Option<Timestamp>,
    /// Beginning of the last asking that agreed with what stands.
    agreed: Option<Timestamp>,
    /// Askings in a row that tell otherwise, all the same, and the end of the first of them.
    other: Option<(Option<SilenceKind>, u32, Timestamp)>,
}

/// All vantages. Gives what changed after each event; what is given replaces an earlier span of the same id.
#[derive(Debug, Clone, Default)]
pub struct Silences {
    vantages: BTreeMap<VantageId, Standing>,
}

impl Silences {
    /// Goes on after an earlier life: `open` are the silences that were not over, `watched` the vantages that are
    /// measured from now on.
    pub fn resume(
        earlier: Option<Life>,
        open: Vec<VantageSpan>,
        watched: &BTreeSet<VantageId>,
        now: Timestamp,
    ) -> (Self, Vec<VantageSpan>) {
        let mut silences = Self::default();
        for span in open {
            let standing = silences.vantages.entry(span.vantage.clone()).or_default();
            let place =
                if span.kind == SilenceKind::NotMeasuring { &mut standing.pause } else { &mut standing.network };
            *place = Some(span);
        }
        let mut changed = Vec::new();
        // A life that ended in order has said so for each of its vantages.
        if let Some(Life { last_sign, ended: None, .. }) = earlier {
            let latest = last_sign.plus(2 * SIGN_OF_LIFE).min(now.max(last_sign));
            let start = Bracket { earliest: Some(last_sign), latest: Some(latest) };
            let known: Vec<VantageId> = silences.vantages.keys().chain(watched).cloned().collect();
            for vantage in known {
                changed.extend(silences.pause(&vantage, start, SilenceCause::BrokeOff));
            }
        }
        for vantage in watched {
            silences.vantages.entry(vantage.clone()).or_default();
        }
        (silences, changed)
    }

    /// The vantages that are not measured any more from `now` on, and why.
    pub fn stop<'v>(
        &mut self,
        vantages: impl IntoIterator<Item = &'v VantageId>,
        cause: SilenceCause,
        now: Timestamp,
    ) -> Vec<VantageSpan> {
        let start = Bracket { earliest: Some(now), latest: Some(now) };
        vantages.into_iter().filter_map(|vantage| self.pause(vantage, start, cause)).collect()
    }

    /// The vantages that are known.
    pub fn vantages(&self) -> impl Iterator<Item = &VantageId> {
        self.vantages.keys()
    }

    /// The silences of a vantage that are not over.
    pub fn open(&self, vantage: &VantageId) -> impl Iterator<Item = &VantageSpan> {
        let standing = self.vantages.get(vantage);
        standing.into_iter().flat_map(|standing| standing.pause.iter().chain(&standing.network))
    }

    /// Whether its network is silent or in doubt: its canaries are then worth asking sooner.
    pub fn is_in_doubt(&self, vantage: &VantageId) -> bool {
        self.vantages.get(vantage).is_some_and(|standing| standing.network.is_some() || standing.other.is_some())
    }

    fn pause(&mut self, vantage: &VantageId, start: Bracket, cause: SilenceCause) -> Option<VantageSpan> {
        let standing = self.vantages.entry(vantage.clone()).or_default();
        if standing.pause.is_some() {
            return None;
        }
        // What was about to be seen of the network has no neighbour in time any more.
        (standing.agreed, standing.other) = (None, None);
        let mut span = new(vantage, SilenceKind::NotMeasuring, start);
        span.cause = Some(cause);
        standing.pause = Some(span.clone());
        Some(span)
    }

    /// A measurement from `vantage` ended at `until`; `began` is the beginning of this life.
    pub fn measured(&mut self, vantage: &VantageId, began: Timestamp, until: Timestamp) -> Option<VantageSpan> {
        let mut span = self.vantages.get_mut(vantage)?.pause.take()?;
        let earliest = span.start.latest.map_or(began, |start| began.max(start));
        span.end = Some(Bracket { earliest: Some(earliest.min(until)), latest: Some(until) });
        Some(span)
    }

    /// Nothing ran between the looks at the clocks at `from` and `to`: the machine slept, or the process was halted. It
    /// ran for less than the time between two looks after the one, and before the other: timers stand still in a sleep.
    pub fn slept(&mut self, from: Timestamp, to: Timestamp) -> Vec<VantageSpan> {
        let to = to.max(from);
        let start = Bracket { earliest: Some(from), latest: Some(from.plus(PUNCTUAL).min(to)) };
        let end = Bracket { earliest: Some(to.minus(PUNCTUAL).max(from)), latest: Some(to) };
        let mut slept = Vec::new();
        for (vantage, standing) in self.vantages.iter_mut().filter(|(_, standing)| standing.pause.is_none()) {
            (standing.agreed, standing.other) = (None, None);
            let mut span = new(vantage, SilenceKind::NotMeasuring, start);
            span.cause = Some(SilenceCause::Asleep);
            span.end = Some(end);
            slept.push(span);
        }
        slept
    }

    /// The canaries of `vantage` were asked from `from` to `until` and told this.
    pub fn asked(&mut self, vantage: &VantageId, from: Timestamp, until: Timestamp, reach: Reach) -> Vec<VantageSpan> {
        let standing = self.vantages.entry(vantage.clone()).or_default();
        // Who asks at about the same time is told the same, which counts once; and who was told earlier may come later.
        let is_told = |counted: Timestamp| from <= counted && counted.since(from) <= LATE;
        if standing.counted.is_some_and(is_told) {
            return Vec::new();
        }
        standing.counted = Some(from);
        let told = reach.silence();
        if told == standing.network.as_ref().map(|span| span.kind) {
            standing.agreed = Some(from);
            standing.other = None;
            return standing.network.as_mut().map_or_else(Vec::new, |span| {
                span.last_observed = Some(from);
                span.observations += 1;
                vec![span.clone()]
            });
        }
        let (count, first) = match standing.other {
            Some((before, count, first)) if before == told => (count + 1, first.min(until)),
            _ => (1, until),
        };
        standing.other = Some((told, count, first));
        if count < ENOUGH {
            return Vec::new();
        }
        let turn = Bracket { earliest: standing.agreed.filter(|agreed| *agreed <= first), latest: Some(first) };
        let mut changed = Vec::new();
        if let Some(mut span) = standing.network.take() {
            span.end = Some(turn);
            changed.push(span);
        }
        if let Some(kind) = told {
            let mut span = new(vantage, kind, turn);
            (span.last_observed, span.observations) = (Some(from), u64::from(count));
            standing.network = Some(span.clone());
            changed.push(span);
        }
        (standing.agreed, standing.other) = (Some(from), None);
        changed
    }
}

fn new(vantage: &VantageId, kind: SilenceKind, start: Bracket) -> VantageSpan {
    let ms = start.latest.or(start.earliest).map_or(0, Timestamp::as_unix_ms);
    VantageSpan {
        span_id: SpanId::derived(&format!("silence\n{vantage}\n{kind}\n{ms}")),
        vantage: vantage.clone(),
        kind,
        cause: None,
        start,
        end: None,
        last_observed: None,
        observations: 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_ms(second * 1000)
    }

    fn home() -> VantageId {
        "home".parse().unwrap()
    }

    fn watched() -> BTreeSet<VantageId> {
        [home()].into()
    }

    fn started() -> Silences {
        Silences::resume(None, Vec::new(), &watched(), at(0)).0
    }

    fn bracket(earliest: i64, latest: i64) -> Bracket {
        Bracket { earliest: Some(at(earliest)), latest: Some(at(latest)) }
    }

    #[test]
    fn one_lost_asking_is_no_silence() {
        let mut silences = started();
        for (n, reach) in [Reach::Abroad, Reach::Nothing, Reach::Abroad, Reach::Home, Reach::Nothing, Reach::Abroad]
            .into_iter()
            .enumerate()
        {
            let from = n as i64 * 60;
            assert!(silences.asked(&home(), at(from), at(from + 5), reach).is_empty());
        }
    }

    /// Ten sites that fail at once are told what the canaries said at one asking.
    #[test]
    fn an_asking_that_many_are_told_of_is_one_asking() {
        let mut silences = started();
        for _ in 0..10 {
            assert!(silences.asked(&home(), at(0), at(5), Reach::Nothing).is_empty());
        }
        let opened = silences.asked(&home(), at(15), at(20), Reach::Nothing);
        assert_eq!(opened[0].observations, 2);
        assert!(silences.asked(&home(), at(15), at(21), Reach::Nothing).is_empty());
        // What a measurement still carried, good or bad, is of before.
        assert!(silences.asked(&home(), at(0), at(60), Reach::Nothing).is_empty());
        assert!(silences.asked(&home(), at(7), at(60), Reach::Abroad).is_empty());
        assert_eq!(silences.asked(&home(), at(30), at(31), Reach::Nothing)[0].observations, 3);
        // A clock that was set back does not make them deaf.
        assert_eq!(silences.asked(&home(), at(-9000), at(-8999), Reach::Nothing)[0].observations, 4);
    }

    #[test]
    fn a_cut_lies_between_the_last_good_asking_and_the_first_bad_one() {
        let mut silences = started();
        silences.asked(&home(), at(0), at(1), Reach::Abroad);
        silences.asked(&home(), at(60), at(70), Reach::Nothing);
        let opened = silences.asked(&home(), at(120), at(130), Reach::Nothing);
        assert_eq!((opened.len(), opened[0].kind, opened[0].start), (1, SilenceKind::Offline, bracket(0, 70)));
        let goes_on = silences.asked(&home(), at(180), at(190), Reach::Nothing);
        assert_eq!((goes_on[0].span_id, goes_on[0].observations), (opened[0].span_id, 3));
        assert!(silences.asked(&home(), at(240), at(241), Reach::Abroad).is_empty());
        let closed = silences.asked(&home(), at(300), at(301), Reach::Abroad);
        assert_eq!((closed[0].span_id, closed[0].end), (opened[0].span_id, Some(bracket(180, 241))));
        assert_eq!(silences.open(&home()).count(), 0);
    }

    #[test]
    fn a_national_cut_that_becomes_a_dead_line_is_two_silences_that_meet() {
        let mut silences = started();
        for (n, reach) in [Reach::Abroad, Reach::Home, Reach::Home, Reach::Nothing].into_iter().enumerate() {
            silences.asked(&home(), at(n as i64 * 60), at(n as i64 * 60 + 5), reach);
        }
        let turn = silences.asked(&home(), at(240), at(245), Reach::Nothing);
        let kinds: Vec<_> = turn.iter().map(|span| (span.kind, span.start, span.end)).collect();
        let meet = bracket(120, 185);
        assert_eq!(
            kinds,
            [(SilenceKind::DomesticOnly, bracket(0, 65), Some(meet)), (SilenceKind::Offline, meet, None)]
        );
    }

    #[test]
    fn a_life_that_broke_off_is_a_silence_until_something_is_measured() {
        let life = Life { began: at(0), last_sign: at(100), ended: None };
        let (mut silences, opened) = Silences::resume(Some(life), Vec::new(), &watched(), at(500));
        assert_eq!((opened[0].cause, opened[0].start), (Some(SilenceCause::BrokeOff), bracket(100, 120)));
        let closed = silences.measured(&home(), at(500), at(503)).unwrap();
        assert_eq!((closed.span_id, closed.end), (opened[0].span_id, Some(bracket(500, 503))));
        assert!(silences.measured(&home(), at(500), at(504)).is_none());
    }

    #[test]
    fn a_stop_in_order_is_a_silence_at_once_and_the_next_life_ends_it() {
        let mut silences = started();
        let stopped = silences.stop(&watched(), SilenceCause::Stopped, at(50));
        assert_eq!((stopped[0].cause, stopped[0].start), (Some(SilenceCause::Stopped), bracket(50, 50)));
        let life = Life { began: at(0), last_sign: at(50), ended: Some(at(50)) };
        let (mut next, changed) = Silences::resume(Some(life), stopped, &watched(), at(900));
        assert!(changed.is_empty());
        assert_eq!(next.measured(&home(), at(900), at(901)).unwrap().end, Some(bracket(900, 901)));
    }

    #[test]
    fn sleep_is_over_when_it_is_noticed_and_not_told_twice_of_a_paused_vantage() {
        let mut silences = started();
        let slept = silences.slept(at(10), at(400));
        assert_eq!((slept[0].cause, slept[0].start), (Some(SilenceCause::Asleep), bracket(10, 16)));
        assert_eq!(slept[0].end, Some(bracket(394, 400)));
        silences.stop(&watched(), SilenceCause::Unlisted, at(500));
        assert!(silences.slept(at(600), at(700)).is_empty());
    }

    #[test]
    fn what_canaries_told() {
        let result = |scope, failed: bool| {
            crate::model::CanaryResult::new(
                "https://canary.example/".parse().unwrap(),
                scope,
                failed.then_some(crate::model::Failure::GenericTimeout),
            )
        };
        let (foreign, domestic) = (CanaryScope::Foreign, CanaryScope::Domestic);
        for (results, told) in [
            (vec![], None),
            (vec![result(foreign, true), result(foreign, false), result(domestic, true)], Some(Reach::Abroad)),
            (vec![result(foreign, true), result(domestic, false)], Some(Reach::Home)),
            (vec![result(domestic, false)], Some(Reach::Abroad)),
            (vec![result(domestic, true)], Some(Reach::Nothing)),
            (vec![result(foreign, true), result(domestic, true)], Some(Reach::Nothing)),
        ] {
            assert_eq!(Reach::of(&CanaryReport { at: at(0), results }), told);
        }
    }

    proptest! {
        /// Whatever the canaries tell, at most one silence of the network is open, and what is closed hangs together.
        #[test]
        fn silences_of_the_network_never_overlap(told in prop::collection::vec(0..3u8, 0..60)) {
            let mut silences = started();
            let mut spans = BTreeMap::new();
            for (n, reach) in told.into_iter().enumerate() {
                let reach = [Reach::Abroad, Reach::Home, Reach::Nothing][usize::from(reach)];
                let from = n as i64 * 60;
                for span in silences.asked(&home(), at(from), at(from + 7), reach) {
                    spans.insert(span.span_id, span);
                }
            }
            let mut spans: Vec<VantageSpan> = spans.into_values().collect();
            spans.sort_by_key(|span| span.start.latest);
            prop_assert!(spans.iter().filter(|span| span.end.is_none()).count() <= 1);
            for pair in spans.windows(2) {
                let end = pair[0].end.unwrap();
                prop_assert!(end.latest <= pair[1].start.latest);
                prop_assert!(end.earliest <= end.latest && pair[1].start.earliest <= pair[1].start.latest);
                prop_assert!(pair[0].start.latest <= end.latest);
            }
        }
    }
}
