//! Watches that the vantages and the daemon itself are awake, and has it recorded when they are not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::detect::{EVERY, Finding, Life, Pulse, Reach, Reading, SIGN_OF_LIFE, Silences};
use crate::model::{CanaryReport, ClockStep, SilenceCause, SilenceKind, SpanId, Timestamp, VantageId, VantageSpan};
use crate::serve::{Board, Metrics};
use crate::store::{Note, Recorder};

/// Steps of the clock that wait for the store at most: a clock that does nothing but jump must not fill the memory.
const MOST_STEPS: usize = 1000;

/// What is to be recorded, and what it follows from.
struct Watch {
    silences: Silences,
    watched: BTreeSet<VantageId>,
    began: Timestamp,
    /// What has changed since the last note, the latest state of each silence.
    changed: BTreeMap<SpanId, VantageSpan>,
    steps: Vec<ClockStep>,
}

/// Told of what is seen by whoever sees it; writes in its own time.
pub(super) struct Sentry {
    watch: Mutex<Watch>,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
}

impl Sentry {
    /// Begins a life after an earlier one, with the silences that were not over then.
    pub(super) fn new(
        earlier: Option<Life>,
        open: Vec<VantageSpan>,
        watched: &[VantageId],
        metrics: Arc<Metrics>,
        board: Arc<Board>,
        now: Timestamp,
    ) -> Self {
        let watched: BTreeSet<VantageId> = watched.iter().cloned().collect();
        let (silences, changed) = Silences::resume(earlier, open, &watched, now);
        let watch = Watch { silences, watched, began: now, changed: BTreeMap::new(), steps: Vec::new() };
        let sentry = Self { watch: Mutex::new(watch), metrics, board };
        sentry.take(&mut sentry.watch.lock(), changed);
        sentry
    }

    /// These vantages are measured from now on, and no others.
    pub(super) fn adopt(&self, watched: &[VantageId], now: Timestamp) {
        let mut watch = self.watch.lock();
        let dropped: Vec<VantageId> =
            watch.watched.iter().filter(|vantage| !watched.contains(vantage)).cloned().collect();
        let changed = watch.silences.stop(&dropped, SilenceCause::Unlisted, now);
        watch.watched = watched.iter().cloned().collect();
        self.take(&mut watch, changed);
        self.show(&watch);
    }

    /// A measurement from `vantage` ended.
    pub(super) fn measured(&self, vantage: &VantageId, until: Timestamp) {
        let mut watch = self.watch.lock();
        let began = watch.began;
        let over = watch.silences.measured(vantage, began, until);
        self.take(&mut watch, over.into_iter().collect());
    }

    /// The canaries of `vantage` told this; the asking was over at `until`.
    pub(super) fn asked(&self, vantage: &VantageId, report: &CanaryReport, until: Timestamp) {
        let Some(reach) = Reach::of(report) else { return };
        let mut watch = self.watch.lock();
        let changed = watch.silences.asked(vantage, report.at, until.max(report.at), reach);
        self.take(&mut watch, changed);
    }

    /// Whether the canaries of `vantage` are worth asking sooner than usual.
    pub(super) fn doubts(&self, vantage: &VantageId) -> bool {
        self.watch.lock().silences.is_in_doubt(vantage)
    }

    fn found(&self, finding: Finding) {
        let mut watch = self.watch.lock();
        match finding {
            Finding::Asleep { from, to } => {
                warn!("nothing ran for {} s: the machine slept or the process was halted", to.since(from).as_secs());
                let slept = watch.silences.slept(from, to);
                self.take(&mut watch, slept);
            }
            Finding::Stepped(step) => {
                warn!(
                    "the clock was stepped by {:+.3} s; what lies before and after it cannot be compared",
                    step.by_ms as f64 / 1e3
                );
                self.metrics.clock_stepped();
                if watch.steps.len() < MOST_STEPS {
                    watch.steps.push(step);
                }
            }
        }
    }

    /// Notes what changed, for log, metrics and record.
    fn take(&self, watch: &mut Watch, changed: Vec<VantageSpan>) {
        if changed.is_empty() {
            return;
        }
        for span in changed {
            let was_told = watch.changed.contains_key(&span.span_id) || span.observations > 2;
            match (&span.end, span.kind) {
                (Some(end), kind) if kind != SilenceKind::NotMeasuring => {
                    info!("{}: no longer {kind} since {}", span.vantage, end.in_words());
                }
                (None, kind) if kind != SilenceKind::NotMeasuring && !was_told => {
                    warn!("{}: {kind} since {}", span.vantage, span.start.in_words());
                }
                _ => {}
            }
            watch.changed.insert(span.span_id, span);
        }
        self.show(watch);
    }

    /// Shows what is silent now.
    fn show(&self, watch: &Watch) {
        let open: Vec<VantageSpan> =
            watch.watched.iter().flat_map(|vantage| watch.silences.open(vantage)).cloned().collect();
        self.metrics.silences(&open);
        self.board.set_silences(open);
    }

    fn note(&self, now: Timestamp, ended: bool) -> Note {
        let mut watch = self.watch.lock();
        let life = Life { began: watch.began, last_sign: now, ended: ended.then_some(now) };
        Note {
            life,
            silences: std::mem::take(&mut watch.changed).into_values().collect(),
            steps: std::mem::take(&mut watch.steps),
        }
    }

    /// What could not be noted is noted with the next sign of life, unless it has changed since.
    fn put_back(&self, note: Note) {
        let mut watch = self.watch.lock();
        for span in note.silences {
            watch.changed.entry(span.span_id).or_insert(span);
        }
        let later = std::mem::replace(&mut watch.steps, note.steps);
        watch.steps.extend(later);
        watch.steps.truncate(MOST_STEPS);
    }

    async fn sign(&self, recorder: &Recorder, ended: bool) {
        let note = self.note(Timestamp::now(), ended);
        // The writer says what is wrong with the store when a measurement comes.
        if recorder.note(note.clone()).await.is_err() {
            self.put_back(note);
        }
    }

    /// Looks at the clocks and gives signs of life until `stop`.
    pub(super) async fn stand(self: Arc<Self>, recorder: Recorder, stop: CancellationToken) {
        let mut pulse = Pulse::new(reading());
        let mut look = interval(EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut signed = None::<Instant>;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            for finding in pulse.look(reading()) {
                self.found(finding);
            }
            if signed.is_none_or(|at| at.elapsed() + EVERY > SIGN_OF_LIFE) {
                self.sign(&recorder, false).await;
                signed = Some(Instant::now());
            }
        }
    }

    /// The last note of a life that ends in order: from now on nothing is measured.
    pub(super) async fn end(&self, recorder: &Recorder) {
        {
            let mut watch = self.watch.lock();
            let watched = watch.watched.clone();
            let stopped = watch.silences.stop(&watched, SilenceCause::Stopped, Timestamp::now());
            self.take(&mut watch, stopped);
        }
        self.sign(recorder, true).await;
    }
}

/// The clocks now.
fn reading() -> Reading {
    let since_boot = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map(Duration::from);
    Reading { wall: Timestamp::now(), since_boot: since_boot.unwrap_or_default() }
}
