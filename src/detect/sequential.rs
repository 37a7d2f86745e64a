//! The test itself: one trial after another moves the state and gives span changes.

use super::pace::Look;
use super::state::{LastVerdict, Run, SeriesState};
use super::{Outcome, Params, Trial, partial};
use crate::model::{
    Bracket, Measurement, Mechanism, Pace, PartialScope, Segment, SeriesKey, Span, SpanChange, SpanChangeKind, SpanId,
    SpanSource, Status, Verdict,
};

/// Prior odds against a block at any one moment, as a score: what confidence must first make good.
const PRIOR: f64 = 9.2;
/// No count of measurements makes anything surer than this.
const MOST_CONFIDENCE: f64 = 0.9999;
/// Segments of a span at most. A block whose technique goes to and fro would else grow its span, which is saved with
/// every measurement, without end.
const MOST_SEGMENTS: usize = 100;

/// The sequential test with its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    params: Params,
    source: SpanSource,
}

impl Detector {
    /// A test whose spans bear `source`.
    pub fn new(params: Params, source: SpanSource) -> Self {
        Self { params, source }
    }

    /// The figures.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Takes in the verdict on one measurement; measurements of a series come in order of time.
    pub fn step(
        &self,
        key: &SeriesKey,
        state: &mut SeriesState,
        measurement: &Measurement,
        verdict: &Verdict,
    ) -> Vec<SpanChange> {
        state.last = Some(LastVerdict {
            measurement_id: measurement.measurement_id,
            at: measurement.started_at,
            status: verdict.status,
            mechanism: verdict.mechanism,
            reasons: verdict.reasons.clone(),
        });
        if verdict.status != Status::Blocked {
            state.settled = Some(verdict.status);
        }
        let mut trial = Trial::of(measurement, verdict);
        let look = state.pace.look(measurement, &self.params.pace);
        // While throttling is being seen, an answer that is slower than usual, but not by enough or not provably so, is
        // no recovery.
        let unclear = look == Look::Grey || verdict.weight == 0.0;
        if trial.outcome == Outcome::Good && unclear && state.is_slowed() {
            trial.outcome = Outcome::Silent;
        }
        let mut changes = self.take(key, state, trial);
        if state.last_good == Some(trial.from) && look == Look::Ordinary {
            state.last_prompt = state.last_good;
        }
        self.learn(state, measurement, verdict);
        self.parts(key, state, measurement, verdict, &mut changes);
        changes
    }

    /// Takes in what the measurement says of the parts of the way. Their suspicions are left to the regular rounds.
    fn parts(
        &self,
        key: &SeriesKey,
        state: &mut SeriesState,
        measurement: &Measurement,
        verdict: &Verdict,
        changes: &mut Vec<SpanChange>,
    ) {
        let of_site = Trial::of(measurement, verdict);
        for &scope in PartialScope::ALL {
            let outcome = partial::outcome(scope, measurement, verdict);
            let trial = Trial { outcome, ..of_site };
            let suspected = state.parts.remove(&scope);
            let mut part = match (suspected, outcome) {
                (Some(part), _) => part,
                (None, Outcome::Bad { .. }) => {
                    SeriesState { last_good: state.parts_good.get(&scope).copied(), ..SeriesState::default() }
                }
                (None, Outcome::Good) => {
                    state.parts_good.insert(scope, trial.from);
                    continue;
                }
                (None, Outcome::Silent) => continue,
            };
            for mut change in self.take(key, &mut part, trial) {
                partial::mark(&mut change.span, scope);
                changes.push(change);
            }
            if let Some(span) = &mut part.span {
                partial::mark(span, scope);
            }
            if outcome == Outcome::Good {
                state.parts_good.insert(scope, trial.from);
            }
            if part.span.is_some() || part.is_unsettled() || part.doubt.is_some() {
                state.parts.insert(scope, part);
            }
        }
    }

    /// Learns the pace of a good measurement, unless something is being seen that may be throttling or its end.
    fn learn(&self, state: &mut SeriesState, measurement: &Measurement, verdict: &Verdict) {
        let plain = measurement.final_answer().and_then(|answer| answer.status).is_some_and(|status| status < 400);
        let quiet = state.span.is_none() && !state.is_unsettled();
        if plain
            && quiet
            && verdict.status == Status::Accessible
            && let Some(pace) = Pace::of(measurement)
        {
            state.pace.learn(measurement.started_at, &pace, &self.params.pace);
        }
    }

    /// Takes in one trial.
    pub fn take(&self, key: &SeriesKey, state: &mut SeriesState, trial: Trial) -> Vec<SpanChange> {
        state.meet(trial.from);
        if trial.outcome != Outcome::Silent {
            state.note_trial(trial.from, trial.until, self.params.stale);
        }
        let change = match trial.outcome {
            Outcome::Silent => None,
            Outcome::Good => self.good(state, trial),
            Outcome::Bad { mechanism, weight, self_proving } => {
                self.bad(key, state, trial, mechanism, weight, self_proving)
            }
        };
        change.into_iter().collect()
    }

    fn good(&self, state: &mut SeriesState, trial: Trial) -> Option<SpanChange> {
        state.run = Run::default();
        state.other_mechanism = None;
        if state.span.is_none() {
            state.doubt = state.doubt.map(|sum| sum + self.params.step_down()).filter(|sum| *sum < self.params.evident);
            if state.doubt.is_none() {
                state.last_good = Some(trial.from);
            }
            state.score = (state.score - self.params.step_down()).max(0.0);
            if state.score == 0.0 {
                state.settle();
            }
            return None;
        }
        state.score += self.params.step_down();
        state.recovered.get_or_insert(trial.until);
        let since = state.unsettle(trial.from);
        let spread = self.params.spread_of(state.span.as_ref().and_then(|span| span.mechanism));
        if state.score < self.params.threshold || trial.until.since(since) < spread {
            return None;
        }
        let mut span = state.span.take()?;
        let end = Bracket::ordered(state.last_evident, state.recovered);
        close(&mut span, end);
        *state = SeriesState {
            last: state.last.take(),
            settled: state.settled,
            last_good: Some(trial.from),
            last_prompt: Some(trial.from),
            last_trial: state.last_trial,
            pace: std::mem::take(&mut state.pace),
            parts: std::mem::take(&mut state.parts),
            parts_good: std::mem::take(&mut state.parts_good),
            ..SeriesState::default()
        };
        Some(SpanChange { kind: SpanChangeKind::Closed, at: trial.from, span })
    }

    fn bad(
        &self,
        key: &SeriesKey,
        state: &mut SeriesState,
        trial: Trial,
        mechanism: Mechanism,
        weight: f64,
        proof: bool,
    ) -> Option<SpanChange> {
        let plain = weight * self.params.step_up();
        // A proof counts so much that `proofs` of them reach the threshold by themselves.
        let score = if proof { plain.max(self.params.threshold / f64::from(self.params.proofs.max(1))) } else { plain };
        // One proof shows by itself that the block was in force at that moment.
        let shown = if proof { score.max(self.params.evident) } else { score };
        state.run.push(trial.from, trial.until, mechanism, shown, proof, self.params.evident);
        if state.span.is_some() {
            return self.bad_in_span(state, trial, mechanism, score);
        }
        state.score += score;
        state.doubt = Some(0.0);
        let since = state.unsettle(trial.from);
        let proven = state.run.proofs >= self.params.proofs;
        let mechanism = state.run.main_mechanism().map(|(mechanism, _)| mechanism);
        let spread = trial.until.since(since) >= self.params.spread_of(mechanism);
        if state.score < self.params.threshold || !state.run.is_evident() || !(proven || spread) {
            return None;
        }
        let span = self.open(key, state, trial)?;
        state.span = Some(span.clone());
        state.last_evident = state.run.evident_from();
        state.score = 0.0;
        state.settle();
        Some(SpanChange { kind: SpanChangeKind::Opened, at: trial.from, span })
    }

    fn open(&self, key: &SeriesKey, state: &mut SeriesState, trial: Trial) -> Option<Span> {
        let (mechanism, from) = state.run.main_mechanism()?;
        let first = state.run.first.unwrap_or(trial.from);
        state.weight_of_span = state.run.score;
        let last_good = if mechanism == Mechanism::Throttled { state.last_prompt } else { state.last_good };
        Some(Span {
            span_id: SpanId::derived(&format!(
                "{}\n{}\n{}\n{}\n{}",
                self.source,
                key.site,
                key.url,
                key.vantage,
                first.as_unix_ms()
            )),
            site: key.site.clone(),
            url: Some(key.url.clone()),
            vantage: Some(key.vantage.clone()),
            source: self.source,
            status: Status::Blocked,
            mechanism: Some(mechanism),
            partial: None,
            segments: vec![Segment { from, mechanism }],
            start: Bracket::ordered(last_good, state.run.evident_at),
            end: None,
            ongoing: true,
            last_observed: Some(trial.from),
            measurements: state.run.count,
            confidence: Some(confidence(state.weight_of_span, state.run.proofs > 0, mechanism)),
            citation: None,
        })
    }

    fn bad_in_span(
        &self,
        state: &mut SeriesState,
        trial: Trial,
        mechanism: Mechanism,
        score: f64,
    ) -> Option<SpanChange> {
        state.score = (state.score - score).max(0.0);
        // A success before this failure may have slipped through: the end is not bounded by it.
        state.recovered = None;
        if let Some(evident) = state.run.evident_from() {
            state.last_evident = Some(evident);
            state.score = 0.0;
        }
        if state.score == 0.0 {
            state.settle();
        }
        state.weight_of_span += score;
        let proven = state.run.proofs > 0;
        let span = state.span.as_mut()?;
        span.measurements += 1;
        span.last_observed = Some(trial.from);
        let before = span.mechanism;
        match state.other_mechanism {
            _ if span.mechanism == Some(mechanism) => state.other_mechanism = None,
            // Seen twice in a row: the technique has changed, and did so when it was first seen.
            Some((other, from)) if other == mechanism => {
                if span.segments.len() >= MOST_SEGMENTS {
                    span.segments.pop();
                }
                span.segments.push(Segment { from, mechanism });
                span.mechanism = Some(mechanism);
                state.other_mechanism = None;
            }
            _ => state.other_mechanism = Some((mechanism, trial.from)),
        }
        let now = confidence(state.weight_of_span, proven, span.mechanism.unwrap_or(mechanism));
        // Better evidence is not forgotten when later evidence is weaker; a new mechanism is judged by itself.
        span.confidence = Some(if before == span.mechanism { span.confidence.unwrap_or(0.0).max(now) } else { now });
        Some(SpanChange { kind: SpanChangeKind::Continued, at: trial.from, span: span.clone() })
    }
}

/// Probability that the failures are no chance. Differential evidence is capped by its ambiguity: however often a
/// connection is refused, the refusal alone does not say by whom.
fn confidence(score: f64, proven: bool, mechanism: Mechanism) -> f64 {
    let posterior = 1.0 / (1.0 + (PRIOR - score).exp());
    let cap = match mechanism {
        _ if proven => MOST_CONFIDENCE,
        Mechanism::TcpRefused
        | Mechanism::TcpUnreachable
        | Mechanism::DnsServfail
        | Mechanism::DnsTimeout
        | Mechanism::Throttled => 0.95,
        Mechanism::TcpTimeout | Mechanism::TcpReset | Mechanism::TlsAlert => 0.98,
        _ => 0.999,
    };
    posterior.min(cap)
}

/// Closes a span. Whatever of it lies beyond the end is of a clock that stepped back since.
fn close(span: &mut Span, end: Bracket) {
    span.start = span.start.not_after(&end);
    if let Some(latest) = end.latest {
        span.segments.iter_mut().for_each(|segment| segment.from = segment.from.min(latest));
        span.last_observed = span.last_observed.map(|observed| observed.min(latest));
    }
    span.end = Some(end);
    span.ongoing = false;
}
