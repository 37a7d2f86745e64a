//! What the difference between two replays means for the spans of the record.
//!
//! A merge of three: the replay of the old opinions is the common base, the replay of the new ones is one change to it,
//! and the record, which may have seen more evidence than is kept, is the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::lane::{Lane, Traced};
use crate::model::{Span, SpanId, Timestamp};
use crate::store::Turn;

/// What is to be done about a span of the record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shift {
    /// It is new.
    New { after: Span, turns: Vec<Turn> },
    /// It is another one than it was.
    Changed { before: Span, after: Span, turns: Vec<Turn> },
    /// It is to be withdrawn.
    Gone { before: Span },
}

/// What is to be done about the spans of the record, in order of their start.
pub(super) fn shifts(recorded: &[Span], before: &Lane, after: &Lane) -> Vec<Shift> {
    let names = names(recorded, before);
    let by_id: HashMap<SpanId, &Span> = recorded.iter().map(|span| (span.span_id, span)).collect();
    let of_record = |id: SpanId| by_id.get(names.get(&id).unwrap_or(&id)).copied();
    let mut shifts = BTreeMap::new();
    let mut borne: BTreeSet<SpanId> = BTreeSet::new();
    let mut add = |shift: Shift| {
        let (Shift::New { after: span, .. } | Shift::Changed { after: span, .. } | Shift::Gone { before: span }) =
            &shift;
        shifts.insert((span.start.earliest, span.start.latest, span.span_id), shift);
    };
    for Traced { span: new, turns } in &after.spans {
        borne.extend(of_record(new.span_id).map(|known| known.span_id));
        match (before.get(new.span_id).map(|traced| &traced.span), of_record(new.span_id)) {
            (Some(old), _) if old == new => {}
            (Some(old), Some(known)) => {
                let after = merged(known, old, new);
                if after != *known {
                    add(Shift::Changed { before: known.clone(), after, turns: turns.clone() });
                }
            }
            (None, Some(known)) if known == new => {}
            (None, Some(known)) => {
                add(Shift::Changed { before: known.clone(), after: new.clone(), turns: turns.clone() });
            }
            (_, None) => add(Shift::New { after: new.clone(), turns: turns.clone() }),
        }
    }
    for Traced { span: old, .. } in &before.spans {
        let known = of_record(old.span_id).filter(|known| !borne.contains(&known.span_id));
        if let Some(known) = known {
            add(Shift::Gone { before: known.clone() });
        }
    }
    shifts.into_values().collect()
}

/// The open span of the record after the shifts.
pub(super) fn open_span(recorded: &[Span], before: &Lane, after: &Lane) -> Option<Span> {
    let open = after.state.span.as_ref()?;
    let id = names(recorded, before).get(&open.span_id).copied().unwrap_or(open.span_id);
    let known = recorded.iter().find(|span| span.span_id == id);
    match (known, before.get(open.span_id)) {
        (Some(known), Some(old)) => Some(merged(known, &old.span, open)),
        _ => Some(open.clone()),
    }
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

/// Spans of the old replay that the record knows by another id, because it saw a first failure whose evidence was
/// never stored: found by their time.
fn names(recorded: &[Span], before: &Lane) -> HashMap<SpanId, SpanId> {
    let known: BTreeSet<SpanId> = recorded.iter().map(|span| span.span_id).collect();
    let mut left: Vec<&Span> = recorded.iter().filter(|span| before.get(span.span_id).is_none()).collect();
    let mut names = HashMap::new();
    for Traced { span, .. } in before.spans.iter().filter(|traced| !known.contains(&traced.span.span_id)) {
        if let Some(at) = left.iter().position(|other| overlap(span, other)) {
            names.insert(span.span_id, left.remove(at).span_id);
        }
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
