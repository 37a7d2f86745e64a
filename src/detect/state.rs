//! What the test remembers of a series between two measurements. Saved with each measurement.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Params;
use super::pace::PaceMemory;
use crate::model::{Baseline, MeasurementId, Mechanism, PartialScope, Span, Status, Timestamp};

/// The opinion on the latest measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastVerdict {
    /// The measurement.
    pub measurement_id: MeasurementId,
    /// When it was made.
    pub at: Timestamp,
    /// The verdict on it.
    pub status: Status,
    /// How, when blocked.
    pub mechanism: Option<Mechanism>,
    /// The reasons in plain sentences.
    pub reasons: Vec<String>,
}

/// What the test remembers of one URL seen from one vantage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct SeriesState {
    /// The latest verdict. None before the first measurement.
    pub last: Option<LastVerdict>,
    /// The open span, while blocked.
    pub span: Option<Span>,
    /// The latest opinion that is not an unconfirmed `blocked`.
    pub(super) settled: Option<Status>,
    /// Score of the test that is running: towards opening while there is no span, towards closing while there is one.
    pub(super) score: f64,
    /// The first sign of a change, while the score is above zero.
    pub(super) unsettled_since: Option<Timestamp>,
    /// From when the confirmations are counted, while unsettled.
    pub(super) confirming_since: Option<Timestamp>,
    /// End of the latest probe that was a trial.
    pub(super) last_trial: Option<Timestamp>,
    /// Beginning of the latest good probe that may be relied on: a block that comes started not before it.
    pub(super) last_good: Option<Timestamp>,
    /// The same with an ordinary pace: slowness that comes started not before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_prompt: Option<Timestamp>,
    /// Score of the successes since the latest failure, until they are evident: before that they may have slipped
    /// through a block that had already begun.
    pub(super) doubt: Option<f64>,
    /// Failures since the latest success, oldest first.
    pub(super) run: Run,
    /// Log-likelihood ratio of all failures of the span, for its confidence.
    pub(super) weight_of_span: f64,
    /// Beginning of the latest probe by which the block was evidently still in force.
    pub(super) last_evident: Option<Timestamp>,
    /// End of the first good probe after that: the block had ended by then.
    pub(super) recovered: Option<Timestamp>,
    /// Another mechanism than the span's, seen once.
    pub(super) other_mechanism: Option<(Mechanism, Timestamp)>,
    /// The tests of parts of the way that are suspected, or blocked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) parts: BTreeMap<PartialScope, SeriesState>,
    /// Beginning of the latest probe in which each part was seen to work.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) parts_good: BTreeMap<PartialScope, Timestamp>,
    /// What its pace usually is.
    #[serde(default, skip_serializing_if = "PaceMemory::is_empty")]
    pub(super) pace: PaceMemory,
}

/// Failures without a success between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub(super) struct Run {
    /// The youngest failures, as many as are needed to be evident, oldest first: beginning of the probe and its score.
    pub tail: Vec<(Timestamp, f64)>,
    /// Beginning of the first one.
    pub first: Option<Timestamp>,
    /// End of the probe with which the run became evident.
    pub evident_at: Option<Timestamp>,
    /// How many.
    pub count: u64,
    /// Self-proving ones among them.
    pub proofs: u32,
    /// Their score in all.
    pub score: f64,
    /// Mechanisms in order of first appearance, with the score of each and its first instant.
    pub mechanisms: Vec<(Mechanism, f64, Timestamp)>,
}

impl SeriesState {
    /// A state that shows these and has nothing pending.
    pub fn new(last: Option<LastVerdict>, span: Option<Span>) -> Self {
        let settled = last.as_ref().map(|last| last.status).filter(|status| *status != Status::Blocked);
        Self { last, span, settled, ..Self::default() }
    }

    /// The state of a replay that begins while `span` is open, its earlier evidence not at hand. `in_force` is the
    /// latest instant at which the block is known to have been in force.
    pub fn within(span: Span, in_force: Option<Timestamp>) -> Self {
        Self { span: Some(span), last_evident: in_force, ..Self::default() }
    }

    /// This state as it would be had the opinions been others: `before` is what a replay of the old opinions comes
    /// to, `after` what one of the new ones does, and `span` the open span after it. What the opinions make no
    /// difference to stays, also where the evidence that is kept does not tell of it.
    pub fn revised(&self, before: &Self, after: &Self, span: Option<Span>) -> Self {
        let no_parts = BTreeMap::new;
        let test_of = |state: &Self| Self {
            last: None,
            settled: None,
            parts: no_parts(),
            parts_good: BTreeMap::new(),
            ..state.clone()
        };
        let mut state = if test_of(before) == test_of(after) {
            self.clone()
        } else {
            let mut state = match (&after.span, span) {
                // The evidence that opened it is not at hand; of what came later nothing counts towards its end.
                (None, Some(span)) => {
                    let in_force = span.last_observed;
                    Self { pace: after.pace.clone(), ..Self::within(span, in_force) }
                }
                (_, span) => Self { span, ..after.clone() },
            };
            let id = |state: &Self| state.span.as_ref().map(|span| span.span_id);
            if id(before) == id(after) && id(self) == id(&state) {
                // Failures that are no longer at hand still count. Added by itself: where all are at hand nothing is
                // added, and rounding plays no part.
                state.weight_of_span += (self.weight_of_span - before.weight_of_span).max(0.0);
            }
            state
        };
        // The parts are judged again only by what comes.
        (state.parts, state.parts_good) = (self.parts.clone(), self.parts_good.clone());
        state.last = if before.last == after.last { self.last.clone() } else { after.last.clone() };
        state.settled = if before.settled == after.settled { self.settled } else { after.settled };
        state
    }

    /// The open spans of parts of the way.
    pub fn partial_spans(&self) -> impl Iterator<Item = &Span> {
        self.parts.values().filter_map(|part| part.span.as_ref())
    }

    /// The state of the test: `blocked` while a span is open, otherwise the latest opinion that is not an
    /// unconfirmed `blocked`; `inconclusive` before there is one.
    pub fn status(&self) -> Status {
        if self.span.is_some() { Status::Blocked } else { self.settled.unwrap_or(Status::Inconclusive) }
    }

    /// Failures are being seen that have not yet made (or a recovery that has not yet ended) a span.
    pub fn is_unsettled(&self) -> bool {
        self.unsettled_since.is_some()
    }

    /// What the pace usually is; None when paces are not compared. While too little is known, its figures are empty.
    pub fn baseline(&self, params: &Params) -> Option<Baseline> {
        self.pace.baseline(&params.pace)
    }

    /// Throttling is being seen: in the open span, or in failures that have not yet made one.
    pub(super) fn is_slowed(&self) -> bool {
        let slowed = |mechanism| mechanism == Mechanism::Throttled;
        match &self.span {
            Some(span) => span.mechanism.is_some_and(slowed),
            None => self.run.mechanisms.iter().any(|(mechanism, ..)| slowed(*mechanism)),
        }
    }

    /// How long after `now` the next confirmation probe is due. None when nothing is to be confirmed or the
    /// confirmations are used up and the interval alone goes on.
    pub fn confirm_in(&self, now: Timestamp, params: &Params) -> Option<Duration> {
        let passed = now.since(self.confirming_since.or(self.unsettled_since)?);
        params.confirm_after.iter().find_map(|due| due.checked_sub(passed).filter(|left| !left.is_zero()))
    }
}

impl SeriesState {
    /// Makes ready for a probe that began at `from`. A clock that stepped back would make the time since the first sign
    /// of a change zero until it has caught up: it counts anew.
    pub(super) fn meet(&mut self, from: Timestamp) {
        if self.unsettled_since.is_some_and(|since| from < since) {
            self.unsettled_since = Some(from);
        }
        if self.confirming_since.is_some_and(|since| from < since) {
            self.confirming_since = Some(from);
        }
    }

    /// Notes a trial. After a long silence the confirmations begin anew.
    pub(super) fn note_trial(&mut self, from: Timestamp, until: Timestamp, stale: Duration) {
        if self.last_trial.is_some_and(|last| from.since(last) > stale) {
            self.confirming_since = None;
        }
        self.last_trial = Some(until);
    }

    /// A sign of a change: since when there are such signs.
    pub(super) fn unsettle(&mut self, from: Timestamp) -> Timestamp {
        self.confirming_since.get_or_insert(from);
        *self.unsettled_since.get_or_insert(from)
    }

    /// No sign of a change is left.
    pub(super) fn settle(&mut self) {
        self.unsettled_since = None;
        self.confirming_since = None;
    }
}

impl Run {
    /// Takes in one failure.
    pub(super) fn push(
        &mut self,
        from: Timestamp,
        until: Timestamp,
        mechanism: Mechanism,
        score: f64,
        proof: bool,
        evident: f64,
    ) {
        self.first.get_or_insert(from);
        self.count += 1;
        self.proofs += u32::from(proof);
        self.score += score;
        if self.score >= evident {
            self.evident_at.get_or_insert(until);
        }
        match self.mechanisms.iter_mut().find(|(known, ..)| *known == mechanism) {
            Some((_, sum, _)) => *sum += score,
            None => self.mechanisms.push((mechanism, score, from)),
        }
        self.tail.push((from, score));
        let mut sum: f64 = self.tail.iter().map(|(_, score)| score).sum();
        while self.tail.len() > 1 && sum - self.tail[0].1 >= evident {
            sum -= self.tail.remove(0).1;
        }
    }

    /// Whether the failures show by themselves that a block is in force.
    pub(super) fn is_evident(&self) -> bool {
        self.evident_at.is_some()
    }

    /// The latest instant from which the failures show by themselves that a block is in force.
    pub(super) fn evident_from(&self) -> Option<Timestamp> {
        self.evident_at.and(self.tail.first().map(|(from, _)| *from))
    }

    /// The mechanism that most of the evidence shows, the earlier one on a tie.
    pub(super) fn main_mechanism(&self) -> Option<(Mechanism, Timestamp)> {
        let mut best: Option<&(Mechanism, f64, Timestamp)> = None;
        for candidate in &self.mechanisms {
            if best.is_none_or(|(_, score, _)| candidate.1 > *score) {
                best = Some(candidate);
            }
        }
        best.map(|(mechanism, _, from)| (*mechanism, *from))
    }
}
