//! Follow-up experiments of the series that go on failing: when they are made, how many, and what they showed lately.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;

use super::station::Station;
use crate::config::ExperimentsConfig;
use crate::model::{
    CanaryReport, CanaryScope, Experiment, ExperimentKind, Measurement, SeriesKey, SiteId, Timestamp, Trigger,
    VantageId,
};
use crate::probe::{Design, Limits, Prober, designs};
use url::Url;

/// How long experiments are remembered and counted.
const HOUR: Duration = Duration::from_secs(3600);
/// As many of a kind are made as the rounds come. The judge wants three and one with each measurement that it calls a
/// proof, the detector wants two proofs, and one may come to nothing.
const QUICK: usize = 5;
/// As many are made at once for a series asked for by hand: as many as the judge wants.
const BY_HAND: usize = 3;
/// Then they are spaced: what is proven, or is not to be proven this way, needs a few an hour.
const SPACING: Duration = Duration::from_secs(600);
/// A canary's address is left alone for so long after a site's name was sent to it: residual blocking lasts up to
/// three minutes, and in that time the canary itself would seem to fail.
const CANARY_REST: Duration = Duration::from_secs(200);
/// Between the rounds that are made at once when someone asks for a series by hand.
const PAUSE: Duration = Duration::from_secs(2);

/// Rounds that are under way at once may note their times out of order by so much.
const SAME_TIME: Duration = Duration::from_secs(60);

/// Makes and remembers the experiments.
pub(super) struct ExperimentDesk {
    config: ExperimentsConfig,
    prober: Arc<Prober>,
    book: Mutex<Book>,
}

/// What is remembered.
#[derive(Default)]
struct Book {
    series: HashMap<SeriesKey, Page>,
    /// When experiments of a site were begun, in the last hour.
    spent: HashMap<SiteId, Vec<Timestamp>>,
    /// When the address of a canary was last used.
    canaries: HashMap<(VantageId, Url), Timestamp>,
}

/// What is remembered of a series.
#[derive(Default)]
struct Page {
    /// The latest anomaly. None after a success.
    anomaly: Option<Timestamp>,
    /// The experiments of the last hour, oldest first.
    pairs: Vec<Experiment>,
    /// When one of each kind was last begun, and how many were in the last hour.
    begun: Vec<(ExperimentKind, Timestamp)>,
}

impl ExperimentDesk {
    pub(super) fn new(config: ExperimentsConfig, prober: Arc<Prober>) -> Self {
        Self { config, prober, book: Mutex::default() }
    }

    /// The site answered: what was seen before says nothing of what fails from now on.
    pub(super) fn clear(&self, key: &SeriesKey) {
        self.book.lock().series.remove(key);
    }

    /// The measurement is an anomaly. Makes the experiments that it calls for if it is not the first one (`again`: the
    /// series is known to be unsettled), and gives those of the last hour. `doubtful`: what answered is not known to be the site's own. A series asked for by hand is repeated at
    /// once.
    pub(super) async fn follow_up(
        &self,
        key: &SeriesKey,
        station: &Station,
        measurement: &Measurement,
        canaries: Option<&CanaryReport>,
        again: bool,
        doubtful: bool,
    ) -> Vec<Experiment> {
        let now = measurement.started_at;
        let repeated = self.book.lock().note_anomaly(key, now) || again;
        let by_hand = measurement.trigger == Trigger::Manual;
        if (repeated || by_hand) && !is_offline(canaries) {
            let rounds = if by_hand { BY_HAND } else { 1 };
            let made =
                join_all((0..rounds).map(|round| self.round(key, station, measurement, (canaries, doubtful), round)))
                    .await;
            self.book.lock().keep(key, made.into_iter().flatten());
        }
        self.book.lock().of(key, now)
    }

    /// One round: an experiment of each kind that is wanted and allowed, all at once.
    async fn round(
        &self,
        key: &SeriesKey,
        station: &Station,
        measurement: &Measurement,
        (canaries, doubtful): (Option<&CanaryReport>, bool),
        round: usize,
    ) -> Vec<Experiment> {
        tokio::time::sleep(PAUSE * u32::try_from(round).unwrap_or(0)).await;
        let by_hand = measurement.trigger == Trigger::Manual;
        let now = Timestamp::now();
        let usable = spare_canaries(station, canaries);
        let (before, canary) = {
            let book = self.book.lock();
            (book.of(key, measurement.started_at), book.rested(&key.vantage, &usable, now, by_hand))
        };
        let limits = Limits { config: &self.config, canary: canary.as_ref(), doubtful, before: &before };
        let wanted = designs(&self.prober, &station.vantage, measurement, &limits).await;
        let granted = {
            let mut book = self.book.lock();
            let allowed =
                wanted.into_iter().filter(|design| book.grant(key, design, now, self.config.per_hour, by_hand));
            allowed.collect::<Vec<_>>()
        };
        let made = join_all(granted.iter().map(|design| self.prober.experiment(&station.vantage, design))).await;
        made.into_iter().flatten().collect()
    }
}

impl Book {
    /// Notes an anomaly; whether there was one within the hour before it.
    fn note_anomaly(&mut self, key: &SeriesKey, at: Timestamp) -> bool {
        self.series.retain(|_, page| page.anomaly.is_some_and(|anomaly| passed(anomaly, at) <= HOUR));
        self.spent.retain(|_, spent| spent.last().is_some_and(|last| passed(*last, at) <= HOUR));
        self.series.entry(key.clone()).or_default().anomaly.replace(at).is_some()
    }

    /// Whether an experiment may be made now; if so, it counts from now on.
    fn grant(&mut self, key: &SeriesKey, design: &Design, now: Timestamp, per_hour: usize, by_hand: bool) -> bool {
        let spent = self.spent.entry(key.site.clone()).or_default();
        spent.retain(|at| passed(*at, now) < HOUR);
        if spent.len() >= per_hour {
            return false;
        }
        let page = self.series.entry(key.clone()).or_default();
        page.begun.retain(|(_, at)| passed(*at, now) < HOUR);
        let same = || page.begun.iter().filter(|(kind, _)| *kind == design.kind());
        let rested = same().all(|(_, at)| passed(*at, now) >= SPACING);
        if !by_hand && same().count() >= QUICK && !rested {
            return false;
        }
        page.begun.push((design.kind(), now));
        spent.push(now);
        if let Some(canary) = design.canary() {
            self.canaries.insert((key.vantage.clone(), canary.clone()), now);
        }
        true
    }

    /// The canary of `usable` that was left alone the longest, if it was long enough or someone waits.
    fn rested(&self, vantage: &VantageId, usable: &[Url], now: Timestamp, by_hand: bool) -> Option<Url> {
        let used = |url: &Url| self.canaries.get(&(vantage.clone(), url.clone())).copied();
        let longest = usable.iter().min_by_key(|url| used(url))?;
        let rested = used(longest).is_none_or(|at| passed(at, now) >= CANARY_REST);
        (rested || by_hand).then(|| longest.clone())
    }

    fn keep(&mut self, key: &SeriesKey, made: impl Iterator<Item = Experiment>) {
        let page = self.series.entry(key.clone()).or_default();
        page.pairs.extend(made);
        page.pairs.sort_by_key(Experiment::began);
        let latest = page.pairs.last().map(Experiment::began);
        page.pairs.retain(|pair| latest.is_some_and(|latest| latest.since(pair.began()) <= HOUR));
    }

    /// The experiments of the hour before `now` and since, oldest first.
    fn of(&self, key: &SeriesKey, now: Timestamp) -> Vec<Experiment> {
        let pairs = self.series.get(key).map(|page| page.pairs.as_slice()).unwrap_or_default();
        pairs.iter().filter(|pair| now.since(pair.began()) <= HOUR).cloned().collect()
    }
}

/// The time from `at` to `now`. What lies in the future was noted before the clock was set back: nobody knows how long
/// ago, and it must not keep experiments waiting until the clock has caught up.
fn passed(at: Timestamp, now: Timestamp) -> Duration {
    if at.since(now) > SAME_TIME { Duration::MAX } else { now.since(at) }
}

/// Whether the vantage seems to have no network: then an experiment says nothing.
fn is_offline(canaries: Option<&CanaryReport>) -> bool {
    canaries.is_some_and(|report| report.results.iter().all(|result| result.failure.is_some()))
}

/// Foreign canaries over TLS that answer, all but the first: should a site's name leave an address dead, another
/// canary still vouches for the vantage.
fn spare_canaries(station: &Station, canaries: Option<&CanaryReport>) -> Vec<Url> {
    let answers = |url: &Url| {
        canaries
            .is_some_and(|report| report.results.iter().any(|result| result.url == *url && result.failure.is_none()))
    };
    let foreign = station.canaries.iter().filter(|canary| canary.scope == CanaryScope::Foreign);
    let urls = foreign.map(|canary| &canary.url).filter(|url| url.scheme() == "https" && answers(url));
    urls.skip(1).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attempt, CanaryResult, Elapsed, Failure};

    #[test]
    fn what_was_noted_before_the_clock_was_set_back_keeps_nobody_waiting() {
        let at = |seconds: i64| Timestamp::from_unix_ms(seconds * 1000);
        assert_eq!(passed(at(100), at(160)), Duration::from_secs(60));
        assert_eq!(passed(at(160), at(100)), Duration::ZERO, "rounds at once");
        assert!(passed(at(3_700), at(100)) > HOUR);
    }

    fn key(url: &str) -> SeriesKey {
        SeriesKey { site: "s".parse().unwrap(), url: url.parse().unwrap(), vantage: "v".parse().unwrap() }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_700_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn by_name() -> Design {
        let address = "192.0.2.1:443".parse().unwrap();
        Design::UnrelatedSni { address, name: "s.example".into(), unrelated: "example.org".into() }
    }

    fn by_host() -> Design {
        let address = "192.0.2.1:80".parse().unwrap();
        Design::OtherHost { address, url: "http://s.example/".parse().unwrap(), unrelated: "example.org".into() }
    }

    fn pair(began: Timestamp) -> Experiment {
        let attempt = Attempt {
            answer: None,
            name: "s.example".into(),
            address: None,
            resolver: None,
            at: began,
            elapsed: Elapsed::default(),
            failure: None,
            layer: None,
        };
        Experiment { kind: ExperimentKind::UnrelatedSni, canary: None, suspect: attempt.clone(), variant: attempt }
    }

    #[test]
    fn five_are_made_as_the_rounds_come_and_then_a_few_an_hour() {
        let (mut book, key) = (Book::default(), key("https://s.example/"));
        let granted: Vec<u64> =
            (0..7200).step_by(30).filter(|second| book.grant(&key, &by_name(), at(*second), 1000, false)).collect();
        assert_eq!(granted[..7], [0, 30, 60, 90, 120, 720, 1320]);
        for start in 0..3600 {
            let within = granted.iter().filter(|second| (start..start + 3600).contains(*second)).count();
            assert!(within <= 10, "{within} in the hour from {start}");
        }
        assert!(book.grant(&key, &by_host(), at(7200), 1000, false), "each kind by itself");
        assert!(book.grant(&key, &by_name(), at(7201), 1000, true), "someone waits");
    }

    #[test]
    fn a_site_has_its_bound_over_all_its_series() {
        let mut book = Book::default();
        let (one, two) = (key("https://s.example/"), key("https://s.example/two"));
        let granted = [&one, &two, &one, &two, &one].map(|key| book.grant(key, &by_name(), at(0), 3, true));
        assert_eq!(granted, [true, true, true, false, false]);
        assert!(!book.grant(&two, &by_host(), at(3599), 3, true));
        assert!(book.grant(&two, &by_host(), at(3600), 3, true));
    }

    #[test]
    fn an_anomaly_is_repeated_when_there_was_one_within_the_hour() {
        let (mut book, key) = (Book::default(), key("https://s.example/"));
        assert!(!book.note_anomaly(&key, at(0)));
        assert!(book.note_anomaly(&key, at(3600)));
        assert!(!book.note_anomaly(&key, at(7201)));
    }

    #[test]
    fn pairs_are_kept_for_an_hour_in_order_of_their_time() {
        let (mut book, key) = (Book::default(), key("https://s.example/"));
        book.keep(&key, [pair(at(30)), pair(at(20)), pair(at(3625))].into_iter());
        let times = |book: &Book, now| book.of(&key, now).iter().map(Experiment::began).collect::<Vec<_>>();
        assert_eq!(times(&book, at(3620)), [at(30), at(3625)]);
        assert_eq!(times(&book, at(3700)), [at(3625)]);
    }

    #[test]
    fn a_canary_rests_after_it_was_used() {
        let mut book = Book::default();
        let (key, urls) =
            (key("https://s.example/"), ["https://b.example/", "https://c.example/"].map(|url| url.parse().unwrap()));
        let mut use_one = |second, by_hand| {
            let canary = book.rested(&key.vantage, &urls, at(second), by_hand)?;
            let design = Design::SniElsewhere { canary: canary.clone(), name: "s".into(), unrelated: "e".into() };
            assert!(book.grant(&key, &design, at(second), 1000, true));
            Some(canary)
        };
        assert_eq!(use_one(0, false).as_ref(), Some(&urls[0]));
        assert_eq!(use_one(10, false).as_ref(), Some(&urls[1]));
        assert_eq!(use_one(199, false), None);
        assert_eq!(use_one(200, false).as_ref(), Some(&urls[0]));
        assert_eq!(use_one(201, true).as_ref(), Some(&urls[1]));
    }

    #[test]
    fn without_any_canary_that_answers_nothing_is_tried() {
        let result = |failure| CanaryResult::new("https://a.example/".parse().unwrap(), CanaryScope::Foreign, failure);
        let report = |results| CanaryReport { at: at(0), results };
        let silent = || result(Some(Failure::GenericTimeout));
        assert!(is_offline(Some(&report(vec![silent(), silent()]))));
        assert!(!is_offline(Some(&report(vec![silent(), result(None)]))));
        assert!(!is_offline(None), "no canary is configured");
    }
}
