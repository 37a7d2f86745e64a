//! What the difference between two replays means for the spans of the record.
//!
//! A merge of three: the replay of the old opinions is the common base, the replay of the new ones is one change to it,
//! and the record, which may have seen more evidence than is kept, is the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::lane::{Lane, Traced};
use crate::model::{Span, SpanId, Timestamp};
use crate::store::Turn;

/// What is to be done about a span of the record: it is new without `before`, and to be withdrawn without `after`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shift {
    pub(super) before: Option<Span>,
    pub(super) after: Option<Span>,
    /// What decided about it, as it is to be.
    pub(super) turns: Vec<Turn>,
}

/// What is to be done about the spans of the record, in order of their start.
pub(super) fn shifts(recorded: &[Span], before: &Lane, after: &Lane) -> Vec<Shift> {
    let names = names(recorded, before, after);
    let by_id: HashMap<SpanId, &Span> = recorded.iter().map(|span| (span.span_id, span)).collect();
    let of_record = |id: SpanId| by_id.get(names.get(&id).unwrap_or(&id)).copied();
    let mut shifts = BTreeMap::new();
    let mut borne: BTreeSet<SpanId> = BTreeSet::new();
    let mut add = |before: Option<&Span>, after: Option<Span>, turns: &[Turn]| {
        let Some(span) = after.as_ref().or(before) else { return };
        let place = (span.start.earliest, span.start.latest, span.span_id);
        shifts.insert(place, Shift { before: before.cloned(), after, turns: turns.to_vec() });
    };
    for Traced { span: new, turns } in &after.spans {
        let known = of_record(new.span_id);
        borne.extend(known.map(|known| known.span_id));
        let wanted = match (before.get(new.span_id).map(|traced| &traced.span), known) {
            (Some(old), _) if old == new => continue,
            (Some(old), Some(known)) => merged(known, old, new),
            // The record tells of it by evidence that is not at hand.
            (None, Some(known)) if known.span_id != new.span_id => continue,
            _ => new.clone(),
        };
        if known != Some(&wanted) {
            add(known, Some(wanted), turns);
        }
    }
    for Traced { span: old, .. } in &before.spans {
        if let Some(known) = of_record(old.span_id).filter(|known| !borne.contains(&known.span_id)) {
            add(Some(known), None, &[]);
        }
    }
    shifts.into_values().collect()
}

/// The open span of the record after the shifts: it is the record that must come out of one piece, whatever the replays
/// have open.
pub(super) fn open_span(recorded: &[Span], shifts: &[Shift]) -> Option<Span> {
    let shifted = |span: &&Span| shifts.iter().any(|shift| shift.before.as_ref() == Some(*span));
    let kept = recorded.iter().filter(|span| !shifted(span));
    let all = kept.chain(shifts.iter().filter_map(|shift| shift.after.as_ref()));
    all.filter(|span| span.ongoing).max_by_key(|span| (span.start.latest, span.span_id)).cloned()
}

/// `known` with what differs between `old` and `new`. Things that belong together change together.
fn merged(known: &Span, old: &Span, new: &Span) -> Span {
    let mut span = known.clone();
    if old.start != new.start {
        span.start = new.start;
    }
    if (old.end, old.ongoing) != (new.end, new.ongoing) {
        (span.end, span.ongoing) = (new.end, new.ongoing);
    }
    if (old.mechanism, &old.segments) != (new.mechanism, &new.segments) {
        (span.mechanism, span.segments) = (new.mechanism, new.segments.clone());
    }
    if old.last_observed != new.last_observed {
        span.last_observed = new.last_observed;
    }
    if old.confidence != new.confidence {
        span.confidence = new.confidence;
    }
    // The measurements that are not kept still saw it.
    span.measurements = (known.measurements + new.measurements).saturating_sub(old.measurements);
    span
}

/// Spans of the replays that the record knows by another id, because it saw a first failure whose evidence is not at hand:
/// those of the old one are found by their time; what only the new one has open is the one that is open in the record.
fn names(recorded: &[Span], before: &Lane, after: &Lane) -> HashMap<SpanId, SpanId> {
    let known: BTreeSet<SpanId> = recorded.iter().map(|span| span.span_id).collect();
    let mut left: Vec<&Span> = recorded.iter().filter(|span| before.get(span.span_id).is_none()).collect();
    let mut names = HashMap::new();
    for Traced { span, .. } in before.spans.iter().filter(|traced| !known.contains(&traced.span.span_id)) {
        if let Some(at) = left.iter().position(|other| overlap(span, other)) {
            names.insert(span.span_id, left.remove(at).span_id);
        }
    }
    let new =
        after.state.span.as_ref().filter(|span| before.get(span.span_id).is_none() && !known.contains(&span.span_id));
    if let Some((new, open)) = new.zip(left.iter().find(|other| other.ongoing)) {
        names.insert(new.span_id, open.span_id);
    }
    names
}

fn overlap(a: &Span, b: &Span) -> bool {
    let from = |span: &Span| span.start.latest.or(span.start.earliest);
    let until = |span: &Span| {
        let end = span.end.and_then(|end| end.earliest.or(end.latest));
        end.unwrap_or(Timestamp::from_unix_ms(i64::MAX))
    };
    from(a).is_none_or(|from| from <= until(b)) && from(b).is_none_or(|from| from <= until(a))
}
