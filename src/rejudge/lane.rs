//! One replay of the detector over the evidence of a series.

use std::collections::HashMap;
use std::time::Duration;

use crate::detect::{Detector, SeriesState};
use crate::model::{Measurement, SeriesKey, Span, SpanChangeKind, SpanId, Timestamp, Verdict};
use crate::store::{Turn, TurnKind};

/// A span that a replay came to, with what decided it.
#[derive(Debug, Clone)]
pub(super) struct Traced {
    pub(super) span: Span,
    pub(super) turns: Vec<Turn>,
}

/// A replay: the state of the test, and the spans so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Lane {
    pub(super) state: SeriesState,
    pub(super) spans: Vec<Traced>,
    /// Where a span stands in `spans`.
    at: HashMap<SpanId, usize>,
}

impl Lane {
    /// A replay that begins within the span of `state`, or before all spans.
    pub(super) fn from(state: SeriesState) -> Self {
        let mut lane = Self { state, ..Self::default() };
        if let Some(span) = lane.state.span.clone() {
            lane.traced(span);
        }
        lane
    }

    /// Takes in the next measurement with a verdict on it.
    pub(super) fn step(&mut self, detector: &Detector, key: &SeriesKey, measurement: &Measurement, verdict: &Verdict) {
        // Spans of parts stay as they are: the parts of a verdict are not compared.
        let changes = detector.step(key, &mut self.state, measurement, verdict);
        for change in changes.into_iter().filter(|change| change.span.partial.is_none()) {
            let traced = self.traced(change.span.clone());
            let kind = match change.kind {
                SpanChangeKind::Opened => TurnKind::Opened,
                SpanChangeKind::Closed => TurnKind::Closed,
                SpanChangeKind::Continued if traced.span.mechanism != change.span.mechanism => TurnKind::Mechanism,
                SpanChangeKind::Continued => {
                    traced.span = change.span;
                    continue;
                }
            };
            traced.turns.push(Turn {
                kind,
                at: change.at,
                measurement: measurement.measurement_id,
                mechanism: change.span.mechanism,
            });
            traced.span = change.span;
        }
    }

    pub(super) fn get(&self, id: SpanId) -> Option<&Traced> {
        self.spans.get(*self.at.get(&id)?)
    }

    fn traced(&mut self, span: Span) -> &mut Traced {
        let next = self.spans.len();
        let at = *self.at.entry(span.span_id).or_insert(next);
        if at == next {
            self.spans.push(Traced { span, turns: Vec::new() });
        }
        &mut self.spans[at]
    }
}

/// How long before the first failure of its own kind a span without a good measurement before it may have begun to count: others
/// of its run may have failed in other ways.
const OTHER_WAYS: Duration = Duration::from_secs(86_400);

/// Whether a span may rest on measurements from before `begins`, which are pruned: on the last good one, or without one on the
/// first that failed.
pub(super) fn began_before(span: &Span, begins: Timestamp, pruned: bool) -> bool {
    let failed = || span.segments.first().map(|segment| segment.from).into_iter().chain(span.start.latest).min();
    let of_failures = || failed().map(|first| if pruned { first.minus(OTHER_WAYS) } else { first });
    span.start.earliest.or_else(of_failures).is_some_and(|start| start < begins)
}

/// Where a replay of evidence that begins at `begins` starts: within the recorded span that was open then and began
/// earlier, as it was then; otherwise from nothing.
pub(super) fn start(recorded: &[Span], begins: Timestamp, pruned: bool) -> SeriesState {
    let is_earlier = |span: &Span| began_before(span, begins, pruned);
    let is_open = |span: &Span| {
        span.ongoing || span.end.is_some_and(|end| end.latest.or(end.earliest).is_some_and(|end| end > begins))
    };
    match recorded.iter().rfind(|span| is_earlier(span) && is_open(span)) {
        Some(span) => within(span, begins),
        None => SeriesState::default(),
    }
}

/// The state within a span whose evidence before `begins` is not at hand: of what came later nothing is known yet.
fn within(recorded: &Span, begins: Timestamp) -> SeriesState {
    let mut span = recorded.clone();
    let of_then = span.segments.iter().take_while(|segment| segment.from < begins).count().max(1);
    span.segments.truncate(of_then);
    span.mechanism = span.segments.last().map(|segment| segment.mechanism).or(span.mechanism);
    let known: Vec<Timestamp> = [
        span.start.latest,
        span.segments.last().map(|segment| segment.from),
        recorded.end.and_then(|end| end.earliest),
        recorded.last_observed,
    ]
    .into_iter()
    .flatten()
    .filter(|instant| *instant <= begins)
    .collect();
    let in_force = known.into_iter().max().or(span.start.latest);
    (span.end, span.ongoing, span.last_observed) = (None, true, in_force);
    SeriesState::within(span, in_force)
}
