//! Watches that the vantages and the daemon itself are awake, and has it recorded when they are not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::awake::{reading, since_boot};
use crate::detect::{EVERY, Finding, HALTED, Life, Pulse, Reach, SIGN_OF_LIFE, Silences};
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

/// What the looks at the clocks told, in time since the machine was started.
#[derive(Debug, Default)]
struct Looks {
    /// When the last one was.
    last: Option<Duration>,
    /// When it was last found that nothing had run.
    awoke: Option<Duration>,
    /// When the wall clock was last found to have been stepped.
    stepped: Option<Duration>,
}

impl Looks {
    /// Whether nothing ran for a while since `begun`: found already, or about to be at `now`.
    fn halted_since(&self, begun: Duration, now: Duration) -> bool {
        let overdue = self.last.is_some_and(|last| now.saturating_sub(last) > EVERY + HALTED);
        overdue || self.awoke.is_some_and(|awoke| awoke > begun)
    }

    /// Whether the wall clock was stepped at most `time` before `now`.
    fn stepped_within(&self, time: Duration, now: Duration) -> bool {
        self.stepped.is_some_and(|stepped| now.saturating_sub(stepped) <= time)
    }

    fn note(&mut self, now: Duration, findings: &[Finding]) {
        self.last = Some(now);
        for finding in findings {
            match finding {
                Finding::Asleep { .. } => self.awoke = Some(now),
                Finding::Stepped(_) => self.stepped = Some(now),
            }
        }
    }
}

/// Told of what is seen by whoever sees it; writes in its own time.
pub(super) struct Sentry {
    watch: Mutex<Watch>,
    looks: Mutex<Looks>,
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
        let sentry = Self { watch: Mutex::new(watch), looks: Mutex::default(), metrics, board };
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

    /// Whether nothing ran for a while after `begun`, which is in time since the machine was started. What was under
    /// way then ran out of time, or lost its connections, while nobody looked.
    pub(super) fn halted_since(&self, begun: Duration) -> bool {
        self.looks.lock().halted_since(begun, since_boot())
    }

    /// Whether the wall clock was stepped at most `time` ago.
    pub(super) fn stepped_within(&self, time: Duration) -> bool {
        self.looks.lock().stepped_within(time, since_boot())
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
            let now = reading();
            let findings = pulse.look(now);
            self.looks.lock().note(now.since_boot, &findings);
            findings.into_iter().for_each(|finding| self.found(finding));
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

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_began_before_a_halt_ended_was_halted() {
        let asleep = Finding::Asleep { from: Timestamp::from_unix_ms(0), to: Timestamp::from_unix_ms(1) };
        let mut looks = Looks::default();
        assert!(!looks.halted_since(s(1), s(1000)), "nobody looks at the clocks");
        looks.note(s(100), &[]);
        assert!(!looks.halted_since(s(90), s(110)));
        assert!(looks.halted_since(s(90), s(136)), "the next look is overdue");
        looks.note(s(200), &[asleep]);
        assert!(looks.halted_since(s(199), s(205)) && !looks.halted_since(s(201), s(205)));
        looks.note(s(205), &[]);
        assert!(looks.halted_since(s(199), s(206)) && !looks.halted_since(s(201), s(206)));
    }

    #[test]
    fn a_clock_that_was_stepped_is_remembered_for_as_long_as_is_asked() {
        let at = Timestamp::from_unix_ms(0);
        let mut looks = Looks::default();
        assert!(!looks.stepped_within(Duration::MAX, s(10)), "it never was");
        looks.note(s(10), &[Finding::Stepped(ClockStep { at, before: at, by_ms: 2000 })]);
        assert!(looks.stepped_within(s(9), s(15)) && !looks.stepped_within(s(3), s(15)));
    }
}
