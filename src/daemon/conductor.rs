//! The loop that measures: takes what is due, judges and detects what comes back, hands it on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::awake::since_boot;
use super::instrument::{Instrument, Standing};
use super::journal::Measured;
use super::opinion::FRESH;
use super::recording::Outlet;
use super::sentry::Sentry;
use super::surroundings;
use crate::detect::{Reach, SeriesState};
use crate::model::{CanaryReport, ControlId, Evidence, SeriesKey, Timestamp, Trigger, VantageId, Verdict};
use crate::schedule::{Jitter, Plan};
use crate::serve::{Board, Metrics, ProbeWish};
use crate::store::ProbeRecord;

/// How often the vantages' canaries are asked when no anomaly asks for them.
const CANARY_ROUND: Duration = Duration::from_secs(60);
/// How often those of a vantage are asked whose network is silent or in doubt.
const DOUBTFUL_ROUND: Duration = Duration::from_secs(15);
/// How old their last word may be for that. Less than a round: else it would be told again, and say nothing new.
const DOUBTFUL_AGE: Duration = Duration::from_secs(5);
/// How often the controls are tried.
const CONTROL_ROUND: Duration = Duration::from_secs(300);
/// Measurements under way may end by themselves for so long after a stop was asked for; then they are cancelled.
const DRAIN: Duration = Duration::from_secs(5);

/// Probes by hand that may be under way at once.
const MOST_WISHED: usize = 4;

/// What a task brings back.
enum Finished {
    Round(SeriesKey, Option<Box<(Evidence, Verdict)>>),
    Canaries(VantageId, Option<CanaryReport>),
    Controls(Vec<(ControlId, bool)>),
}

/// What a task brought back, and when it had begun in time since the machine was started.
type Brought = (Duration, Finished);

/// The loop that measures.
pub(super) struct Conductor {
    pub instrument: Arc<Instrument>,
    pub states: HashMap<SeriesKey, SeriesState>,
    pub records: Outlet,
    pub board: Arc<Board>,
    pub metrics: Arc<Metrics>,
    pub sentry: Arc<Sentry>,
    plan: Plan,
    chance: Jitter,
    tasks: JoinSet<Brought>,
    under_way: HashMap<Id, SeriesKey>,
    /// Turns for probes by hand.
    wishes: Arc<Semaphore>,
}

impl Conductor {
    pub(super) fn new(
        instrument: Arc<Instrument>,
        states: HashMap<SeriesKey, SeriesState>,
        records: Outlet,
        board: Arc<Board>,
        metrics: Arc<Metrics>,
        sentry: Arc<Sentry>,
        seed: u64,
    ) -> Self {
        let mut conductor = Self {
            instrument,
            states,
            records,
            board,
            metrics,
            sentry,
            plan: Plan::default(),
            chance: Jitter::seeded(seed),
            tasks: JoinSet::new(),
            under_way: HashMap::new(),
            wishes: Arc::new(Semaphore::new(MOST_WISHED)),
        };
        conductor.adopt(Arc::clone(&conductor.instrument));
        conductor
    }

    /// Goes on with another configuration.
    pub(super) fn adopt(&mut self, instrument: Arc<Instrument>) {
        let series = instrument.series();
        self.metrics.expect(&series, &instrument.vantages(), &instrument.control_ids());
        self.sentry.adopt(&instrument.vantages(), Timestamp::now());
        self.board.retain(instrument.sites().to_vec(), instrument.places());
        let whereabouts = surroundings::whereabouts(&instrument.config);
        self.metrics.place(&whereabouts);
        self.board.set_whereabouts(whereabouts, instrument.config.summary.networks);
        for key in &series {
            if let Some(state) = self.states.get(key) {
                self.metrics.set_state(key, state);
                self.board.set_state(key.clone(), state.clone());
            }
        }
        self.plan.retain(&series, Instant::now(), instrument.config.probe.interval);
        self.instrument = instrument;
    }

    /// Measures until `stop`, then lets what is under way end or cancels it.
    pub(super) async fn run(
        mut self,
        mut reloads: mpsc::Receiver<Arc<Instrument>>,
        mut probes: mpsc::Receiver<ProbeWish>,
        stop: CancellationToken,
    ) {
        let mut canary_round = interval(CANARY_ROUND);
        let mut doubtful_round = interval(DOUBTFUL_ROUND);
        doubtful_round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut control_round = interval(CONTROL_ROUND);
        canary_round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        control_round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let may_start = self.under_way.len() < self.instrument.config.probe.max_in_flight;
            let due = self.plan.next_due().filter(|_| may_start);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(instrument) = reloads.recv() => self.adopt(instrument),
                Some(wish) = probes.recv() => self.fulfil(wish),
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => self.take_in(ended),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.start_due(),
                _ = canary_round.tick() => self.start_canaries(FRESH, |_| true),
                _ = doubtful_round.tick() => {
                    let sentry = Arc::clone(&self.sentry);
                    self.start_canaries(DOUBTFUL_AGE, |vantage| sentry.doubts(vantage));
                }
                _ = control_round.tick() => self.start_controls(),
            }
        }
        self.drain().await;
    }

    /// Measures every series once and returns when all are recorded.
    pub(super) async fn run_once(mut self, stop: CancellationToken) {
        for key in self.instrument.series() {
            while self.under_way.len() >= self.instrument.config.probe.max_in_flight {
                let Some(ended) = self.tasks.join_next_with_id().await else { break };
                self.take_in(ended);
            }
            self.start(key, Trigger::Scheduled);
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                ended = self.tasks.join_next_with_id() => match ended {
                    Some(ended) => self.take_in(ended),
                    None => break,
                },
            }
        }
        self.drain().await;
    }

    async fn drain(mut self) {
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.take_in(ended);
            }
        };
        if timeout(DRAIN, all).await.is_err() {
            warn!("{} measurements were still under way and are cancelled", self.under_way.len());
            self.tasks.shutdown().await;
        }
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        while self.under_way.len() < self.instrument.config.probe.max_in_flight {
            let Some(due) = self.plan.take(now) else { return };
            self.metrics.schedule_lag(now.saturating_duration_since(due.at));
            self.start(due.series, due.trigger);
        }
    }

    fn start(&mut self, key: SeriesKey, trigger: Trigger) {
        let instrument = Arc::clone(&self.instrument);
        let guard = self.metrics.in_flight();
        let of_task = key.clone();
        let standing = self.standing(&key);
        let id = self.spawn(async move {
            let _counted = guard;
            let seen = instrument.observe(&of_task, trigger, standing).await.map(Box::new);
            Finished::Round(of_task, seen)
        });
        self.under_way.insert(id, key);
    }

    /// Measures for someone who asks by hand. What is seen is told and not recorded: it comes when others want it, and
    /// not in the order of the rounds.
    fn fulfil(&mut self, wish: ProbeWish) {
        // Without a turn the wish is dropped, which tells who asked.
        let Ok(turn) = Arc::clone(&self.wishes).try_acquire_owned() else { return };
        let instrument = Arc::clone(&self.instrument);
        let guard = self.metrics.in_flight();
        let standing = self.standing(&wish.series);
        tokio::spawn(async move {
            let _counted = (guard, turn);
            if let Some(seen) = instrument.observe(&wish.series, Trigger::Scheduled, standing).await {
                // Who asked may have gone.
                let _gone = wish.reply.send(Box::new(seen));
            }
        });
    }

    fn standing(&self, key: &SeriesKey) -> Standing {
        let state = self.states.get(key);
        Standing {
            unsettled: state.is_some_and(|state| state.is_unsettled() || state.span.is_some()),
            baseline: state.and_then(|state| state.baseline(self.instrument.detector.params())),
        }
    }

    fn spawn(&mut self, task: impl Future<Output = Finished> + Send + 'static) -> Id {
        let begun = since_boot();
        self.tasks.spawn(async move { (begun, task.await) }).id()
    }

    fn start_canaries(&mut self, max_age: Duration, wanted: impl Fn(&VantageId) -> bool) {
        for vantage in self.instrument.vantages().into_iter().filter(wanted) {
            let instrument = Arc::clone(&self.instrument);
            self.spawn(async move {
                let report = instrument.ask_canaries(&vantage, max_age).await;
                Finished::Canaries(vantage, report)
            });
        }
    }

    fn start_controls(&mut self) {
        if self.instrument.control_ids().is_empty() {
            return;
        }
        let instrument = Arc::clone(&self.instrument);
        self.spawn(async move { Finished::Controls(instrument.try_controls().await) });
    }

    fn take_in(&mut self, ended: Result<(Id, Brought), JoinError>) {
        match ended {
            Ok((id, (begun, finished))) => {
                self.under_way.remove(&id);
                let halted = self.sentry.halted_since(begun);
                match finished {
                    Finished::Round(key, _) if halted => {
                        info!("{key}: nothing ran while it was being measured; that measurement says nothing");
                        self.put_back(&key);
                    }
                    _ if halted => {}
                    Finished::Round(key, seen) => self.finish_round(&key, seen),
                    Finished::Canaries(vantage, report) => self.note_canaries(&vantage, report.as_ref()),
                    Finished::Controls(tried) => {
                        tried.iter().for_each(|(control, up)| self.metrics.control_up(control, *up));
                    }
                }
            }
            Err(fault) => {
                let key = self.under_way.remove(&fault.id());
                if fault.is_panic() {
                    error!("a measurement broke off, which is a fault of blockspan: {fault}");
                }
                if let Some(key) = key {
                    self.put_back(&key);
                }
            }
        }
    }

    fn finish_round(&mut self, key: &SeriesKey, seen: Option<Box<(Evidence, Verdict)>>) {
        let Some((evidence, verdict)) = seen.map(|seen| *seen) else { return };
        for control in &evidence.controls {
            self.metrics.control_up(&control.id, control.unusable.is_none());
        }
        if let Some(report) = &evidence.canaries {
            self.note_canaries(&key.vantage, Some(report));
        }
        let measurement = &evidence.measurement;
        self.sentry.measured(&key.vantage, measurement.started_at.plus(measurement.elapsed.as_duration()));
        let first = !self.states.contains_key(key);
        let state = self.states.entry(key.clone()).or_default();
        let before = state.status();
        let changes = self.instrument.detector.step(key, state, &evidence.measurement, &verdict);
        self.board.set_state(key.clone(), state.clone());
        let event =
            Measured { key, evidence: &evidence, verdict: &verdict, before, after: state, first, changes: &changes };
        event.note(&self.metrics);
        let record = ProbeRecord { series: key.clone(), evidence, verdict, state: state.clone(), changes };
        self.records.hand_on(record);
        self.put_back(key);
    }

    fn put_back(&mut self, key: &SeriesKey) {
        let probe = &self.instrument.config.probe;
        let now = Timestamp::now();
        let confirm = self.states.get(key).and_then(|state| state.confirm_in(now, self.instrument.detector.params()));
        self.plan.put_back(key, Instant::now(), probe.interval, probe.jitter, confirm, &mut self.chance);
    }

    fn note_canaries(&self, vantage: &VantageId, report: Option<&CanaryReport>) {
        let up = report.and_then(Reach::of).map(|reach| reach == Reach::Abroad);
        if let Some(up) = up {
            self.metrics.vantage_up(vantage, up);
        }
        if let Some(report) = report {
            self.sentry.asked(vantage, report, Timestamp::now());
        }
        self.board.set_vantage(vantage, up);
    }
}
