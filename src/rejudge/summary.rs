//! What a rejudgement changes. Serialises to the object of `rejudge --format json` (docs/rejudge.md).

use std::collections::BTreeMap;

use serde::Serialize;

use super::merge::Shift;
use crate::model::{MeasurementId, Mechanism, RuleId, SeriesKey, Span, Status, Timestamp, Verdict};

/// Measurements named as examples of one change.
const EXAMPLES: usize = 3;

/// What a rejudgement changes, or would change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The version of the rules.
    pub ruleset: u32,
    /// Only measurements begun at or after this were judged again; null for all.
    pub since: Option<Timestamp>,
    /// Nothing was written.
    pub dry_run: bool,
    /// Series.
    pub series: SeriesCount,
    /// Measurements.
    pub measurements: MeasurementCount,
    /// Opinions that change, the most frequent change first.
    pub verdicts: Vec<VerdictShift>,
    /// Measured spans.
    pub spans: SpanCount,
    /// Spans that change, in order of site, URL, vantage and start.
    pub changes: Vec<SpanShift>,
    /// Series of which neither vantage nor site is configured: judged without a country.
    pub unplaced: Vec<SeriesKey>,
}

/// How many series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SeriesCount {
    /// Looked at.
    pub judged: u64,
    /// With an opinion or a span that changes.
    pub changed: u64,
}

/// How many measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MeasurementCount {
    /// Judged again.
    pub judged: u64,
    /// Begun too early to be judged again.
    pub passed_over: u64,
    /// With another status, mechanism or deciding rule.
    pub changed: u64,
    /// With the same opinion in other words, or with another weight or confidence.
    pub reworded: u64,
    /// With the very same verdict by another version of the rules.
    pub restamped: u64,
}

/// How many spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SpanCount {
    /// As they were.
    pub unchanged: u64,
    /// That were not there before.
    pub new: u64,
    /// That the evidence no longer bears.
    pub gone: u64,
    /// With other bounds.
    pub bounds: u64,
    /// With another mechanism, and the same bounds.
    pub mechanism: u64,
    /// With the same bounds and mechanism on other evidence: count, confidence, last observation.
    pub evidence: u64,
}

/// An opinion in short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Opinion {
    /// The status.
    pub status: Status,
    /// How, when blocked.
    pub mechanism: Option<Mechanism>,
    /// The rule that decided.
    pub rule: Option<RuleId>,
}

/// A change of opinion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictShift {
    /// The stored one.
    pub from: Opinion,
    /// Today's.
    pub to: Opinion,
    /// On how many measurements.
    pub count: u64,
    /// A few of them.
    pub examples: Vec<MeasurementId>,
}

/// What happens to a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanChangeOf {
    /// It is new.
    New,
    /// It is another one than it was.
    Changed,
    /// It goes.
    Gone,
}

/// In what a span differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// Start, end, or whether it goes on.
    Bounds,
    /// Mechanism or segments.
    Mechanism,
    /// Count of measurements, confidence, last observation.
    Evidence,
}

/// A span before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanShift {
    /// What happens to it.
    pub change: SpanChangeOf,
    /// In what it differs, when it is changed.
    pub differs: Vec<Difference>,
    /// As it was; null when it is new.
    pub before: Option<Span>,
    /// As it is; null when it is gone.
    pub after: Option<Span>,
}

/// How a verdict differs from the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// In nothing.
    Same,
    /// In the version of the rules only.
    Restamped,
    /// In words, weight or confidence.
    Reworded,
    /// In the opinion.
    Changed,
}

/// What comes of one series.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    is_placed: bool,
    /// Measured spans of the record before.
    spans: usize,
    pub(super) shifts: Vec<Shift>,
    measurements: MeasurementCount,
    verdicts: BTreeMap<(Opinion, Opinion), (u64, Vec<MeasurementId>)>,
}

impl Outcome {
    /// Of a series with so many measured spans.
    pub(super) fn new(is_placed: bool, spans: usize) -> Self {
        Self { is_placed, spans, ..Self::default() }
    }

    /// Counts a verdict; None when the measurement is not judged again.
    pub(super) fn note(&mut self, before: &Verdict, after: Option<&Verdict>) -> Kind {
        let Some(after) = after else {
            self.measurements.passed_over += 1;
            return Kind::Same;
        };
        self.measurements.judged += 1;
        let kind = kind(before, after);
        match kind {
            Kind::Same => {}
            Kind::Restamped => self.measurements.restamped += 1,
            Kind::Reworded => self.measurements.reworded += 1,
            Kind::Changed => {
                self.measurements.changed += 1;
                let (count, examples) = self.verdicts.entry((Opinion::of(before), Opinion::of(after))).or_default();
                *count += 1;
                if examples.len() < EXAMPLES {
                    examples.push(after.measurement_id);
                }
            }
        }
        kind
    }
}

fn kind(before: &Verdict, after: &Verdict) -> Kind {
    if before == after {
        return Kind::Same;
    }
    if Opinion::of(before) != Opinion::of(after) {
        return Kind::Changed;
    }
    let restamped = Verdict { ruleset: after.ruleset, ..before.clone() };
    if restamped == *after { Kind::Restamped } else { Kind::Reworded }
}

impl Opinion {
    fn of(verdict: &Verdict) -> Self {
        Self { status: verdict.status, mechanism: verdict.mechanism, rule: verdict.rules.first().cloned() }
    }
}

impl Summary {
    /// Nothing yet.
    pub(super) fn new(ruleset: u32, since: Option<Timestamp>, dry_run: bool) -> Self {
        Self {
            ruleset,
            since,
            dry_run,
            series: SeriesCount::default(),
            measurements: MeasurementCount::default(),
            verdicts: Vec::new(),
            spans: SpanCount::default(),
            changes: Vec::new(),
            unplaced: Vec::new(),
        }
    }

    /// Whether anything changes: not an opinion, not a word, not a span.
    pub fn is_unchanged(&self) -> bool {
        let MeasurementCount { changed, reworded, restamped, .. } = self.measurements;
        changed + reworded + restamped == 0 && self.changes.is_empty()
    }

    /// Adds what comes of a series.
    pub(super) fn add(&mut self, key: SeriesKey, outcome: Outcome) {
        let Outcome { is_placed, spans, shifts, measurements, verdicts } = outcome;
        self.series.judged += 1;
        self.series.changed += u64::from(!shifts.is_empty() || measurements.changed > 0);
        self.measurements.judged += measurements.judged;
        self.measurements.passed_over += measurements.passed_over;
        self.measurements.changed += measurements.changed;
        self.measurements.reworded += measurements.reworded;
        self.measurements.restamped += measurements.restamped;
        for ((from, to), (count, examples)) in verdicts {
            match self.verdicts.iter_mut().find(|shift| shift.from == from && shift.to == to) {
                Some(shift) => {
                    shift.count += count;
                    shift.examples.extend(examples);
                    shift.examples.truncate(EXAMPLES);
                }
                None => self.verdicts.push(VerdictShift { from, to, count, examples }),
            }
        }
        self.verdicts.sort_by(|a, b| (b.count, &a.from, &a.to).cmp(&(a.count, &b.from, &b.to)));
        let before = shifts.iter().filter(|shift| shift.before.is_some()).count();
        self.spans.unchanged += spans.saturating_sub(before) as u64;
        for shift in shifts {
            let shift = SpanShift::from(shift);
            *match (shift.change, shift.differs.first()) {
                (SpanChangeOf::New, _) => &mut self.spans.new,
                (SpanChangeOf::Gone, _) => &mut self.spans.gone,
                (SpanChangeOf::Changed, Some(Difference::Bounds)) => &mut self.spans.bounds,
                (SpanChangeOf::Changed, Some(Difference::Mechanism)) => &mut self.spans.mechanism,
                (SpanChangeOf::Changed, _) => &mut self.spans.evidence,
            } += 1;
            self.changes.push(shift);
        }
        if !is_placed {
            self.unplaced.push(key);
        }
    }
}

impl From<Shift> for SpanShift {
    fn from(Shift { before, after, .. }: Shift) -> Self {
        let (change, differs) = match (&before, &after) {
            (Some(before), Some(after)) => (SpanChangeOf::Changed, differences(before, after)),
            (Some(_), None) => (SpanChangeOf::Gone, Vec::new()),
            (None, _) => (SpanChangeOf::New, Vec::new()),
        };
        Self { change, differs, before, after }
    }
}

/// In what two spans differ, the weightiest first.
fn differences(before: &Span, after: &Span) -> Vec<Difference> {
    let mut differs = Vec::new();
    if (before.start, before.end, before.ongoing) != (after.start, after.end, after.ongoing) {
        differs.push(Difference::Bounds);
    }
    if (before.mechanism, &before.segments) != (after.mechanism, &after.segments) {
        differs.push(Difference::Mechanism);
    }
    let evidence = |span: &Span| (span.measurements, span.confidence, span.last_observed);
    if evidence(before) != evidence(after) {
        differs.push(Difference::Evidence);
    }
    differs
}
