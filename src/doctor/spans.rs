//! What spans say, against each other, the state of their test, and the evidence. Pure.

use crate::model::{Span, Timestamp};
use crate::rejudge::SeriesAudit;
use crate::store::Faults;

/// By how much a bound may lie ahead of the clock: the daemon's clock and ours are read at different times.
const AHEAD_SECONDS: u64 = 60;

/// What is wrong with single spans, with pairs of them, and with what is held open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Disorder {
    /// Bounds that cannot be.
    pub(super) bounds: Faults,
    /// Two at once.
    pub(super) overlaps: Faults,
    /// Open in one place and not in the other.
    pub(super) open: Faults,
    /// Otherwise than the stored verdicts come to.
    pub(super) replay: Faults,
    /// Series that were replayed whole.
    pub(super) replayed: u64,
}

impl Disorder {
    /// Takes in a series.
    pub(super) fn look(&mut self, audit: &SeriesAudit, now: Timestamp) {
        let name = |span: &Span| format!("{}, span {}", audit.key, span.span_id);
        for span in &audit.spans {
            for problem in bounds(span, now) {
                self.bounds.add(|| format!("{}: {problem}", name(span)));
            }
        }
        let mut main: Vec<&Span> = audit.spans.iter().filter(|span| is_main(span)).collect();
        main.sort_by_key(|span| (span.start.latest, span.start.earliest));
        for pair in main.windows(2) {
            if overlap(pair[0], pair[1]) {
                self.overlaps.add(|| format!("{} and span {}", name(pair[0]), pair[1].span_id));
            }
        }
        self.look_at_open(audit, &main, &name);
        self.look_at_replay(audit, &name);
    }

    fn look_at_open(&mut self, audit: &SeriesAudit, main: &[&Span], name: &dyn Fn(&Span) -> String) {
        let held = audit.held_open.as_ref().filter(|span| is_main(span));
        if let Some(held) = held {
            match main.iter().find(|span| span.span_id == held.span_id) {
                None => self.open.add(|| format!("{} is open in the state of its test and is not there", name(held))),
                Some(span) if !span.ongoing => {
                    self.open.add(|| format!("{} is open in the state of its test and has ended", name(held)));
                }
                Some(_) => {}
            }
        }
        for span in main.iter().filter(|span| span.ongoing) {
            if held.is_none_or(|held| held.span_id != span.span_id) {
                self.open.add(|| format!("{} goes on, and the state of its test knows nothing of it", name(span)));
            }
        }
    }

    fn look_at_replay(&mut self, audit: &SeriesAudit, name: &dyn Fn(&Span) -> String) {
        let Some(replay) = &audit.replay else { return };
        self.replayed += 1;
        let come_to = |span: &Span| replay.spans.iter().find(|replayed| replayed.span_id == span.span_id);
        for span in replay.owed(&audit.spans).filter(|span| is_main(span)) {
            match come_to(span) {
                None => self.replay.add(|| format!("{} does not come out of the evidence", name(span))),
                Some(replayed) => {
                    let differs = differences(span, replayed);
                    if !differs.is_empty() {
                        self.replay
                            .add(|| format!("{} has {} than the evidence gives", name(span), differs.join(", ")));
                    }
                }
            }
        }
        for replayed in replay.spans.iter().filter(|span| is_main(span)) {
            if !audit.spans.iter().any(|span| span.span_id == replayed.span_id) {
                self.replay.add(|| format!("{} comes out of the evidence and is not there", name(replayed)));
            }
        }
    }
}

/// Whether a span is of the whole way, and not of a part of it that may be interfered with beside.
fn is_main(span: &Span) -> bool {
    span.partial.is_none()
}

/// What is wrong with the bounds of one measured span.
fn bounds(span: &Span, now: Timestamp) -> Vec<&'static str> {
    let limit = now.plus(std::time::Duration::from_secs(AHEAD_SECONDS));
    let after = |a: Option<Timestamp>, b: Option<Timestamp>| a.zip(b).is_some_and(|(a, b)| a > b);
    let (start, end) = (span.start, span.end);
    let end_latest = end.and_then(|end| end.latest);
    let instants = [start.earliest, start.latest, end.and_then(|end| end.earliest), end_latest, span.last_observed];
    let rules = [
        (after(start.earliest, start.latest), "its start is bounded the wrong way round"),
        (end.is_some_and(|end| after(end.earliest, end.latest)), "its end is bounded the wrong way round"),
        (after(start.earliest, end_latest) || after(start.latest, end_latest), "it ends before it begins"),
        (span.ongoing && end.is_some(), "it goes on and has an end"),
        (!span.ongoing && end.is_none(), "it does not go on and has no end"),
        (span.start.latest.is_none(), "nothing tells by when it had begun"),
        (span.measurements == 0, "no measurement is counted for it"),
        (instants.into_iter().flatten().any(|instant| instant > limit), "it reaches into the future"),
    ];
    rules.into_iter().filter(|(is_so, _)| *is_so).map(|(_, problem)| problem).collect()
}

/// Whether `earlier` was still in force when `later` had begun. Both are measured and in order of their start.
fn overlap(earlier: &Span, later: &Span) -> bool {
    let Some(begun) = later.start.latest else { return false };
    match earlier.end.and_then(|end| end.latest.or(end.earliest)) {
        Some(over) => over > begun,
        None => earlier.ongoing,
    }
}

/// In what `recorded` differs from what its evidence gives.
fn differences(recorded: &Span, replayed: &Span) -> Vec<&'static str> {
    let rules = [
        (recorded.start != replayed.start, "another start"),
        (recorded.end != replayed.end || recorded.ongoing != replayed.ongoing, "another end"),
        (recorded.mechanism != replayed.mechanism || recorded.segments != replayed.segments, "another mechanism"),
        (recorded.measurements < replayed.measurements, "fewer measurements"),
        (recorded.measurements > replayed.measurements, "more measurements"),
    ];
    rules.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bracket, PartialScope};
    use crate::rejudge::Replay;
    use crate::store::sample::{at, key, span};

    const NOW: u64 = 1000;

    fn closed(first: u64, last: u64) -> Span {
        let end = Some(Bracket { earliest: Some(at(last)), latest: Some(at(last + 1)) });
        Span { end, ongoing: false, ..span(0, first, last) }
    }

    fn audit(spans: Vec<Span>, held_open: Option<Span>, replay: Option<Vec<Span>>) -> SeriesAudit {
        SeriesAudit {
            key: key(0),
            measurements: 9,
            opened: 9,
            damaged: Faults::default(),
            spans,
            held_open,
            replay: replay.map(|spans| Replay { begins: at(0), pruned: false, spans }),
        }
    }

    fn looked(audit: &SeriesAudit) -> Disorder {
        let mut disorder = Disorder::default();
        disorder.look(audit, at(NOW));
        disorder
    }

    fn counts(disorder: &Disorder) -> [u64; 4] {
        [&disorder.bounds, &disorder.overlaps, &disorder.open, &disorder.replay].map(|faults| faults.count)
    }

    #[test]
    fn sound_spans_are_in_order() {
        let (first, open) = (closed(5, 10), span(0, 20, 30));
        let spans = vec![first, open.clone()];
        let disorder = looked(&audit(spans.clone(), Some(open), Some(spans)));
        assert_eq!((counts(&disorder), disorder.replayed), ([0; 4], 1), "{disorder:?}");
    }

    #[test]
    fn bounds_that_cannot_be_are_told() {
        let changed = |change: &dyn Fn(&mut Span)| {
            let mut span = closed(5, 10);
            change(&mut span);
            span
        };
        for (span, said) in [
            (changed(&|span| span.start.earliest = Some(at(6))), "start is bounded the wrong way round"),
            (changed(&|span| span.end.as_mut().unwrap().earliest = Some(at(12))), "end is bounded the wrong way round"),
            (changed(&|span| span.end.as_mut().unwrap().latest = Some(at(4))), "ends before it begins"),
            (changed(&|span| span.ongoing = true), "goes on and has an end"),
            (changed(&|span| span.end = None), "has no end"),
            (changed(&|span| span.start.latest = None), "by when it had begun"),
            (changed(&|span| span.measurements = 0), "no measurement"),
            (changed(&|span| span.last_observed = Some(at(NOW + 2))), "into the future"),
        ] {
            let problems = bounds(&span, at(NOW)).join("; ");
            assert!(problems.contains(said), "{said}: {problems}");
        }
        let mut unknown = closed(5, 10);
        (unknown.start.earliest, unknown.end) = (None, Some(Bracket { earliest: None, latest: Some(at(11)) }));
        assert_eq!(bounds(&unknown, at(NOW)), [] as [&str; 0]);
        // Four failures make a start and, the same four, the beginning of the end.
        let mut short = closed(5, 10);
        short.end.as_mut().unwrap().earliest = Some(at(4));
        assert_eq!(bounds(&short, at(NOW)), [] as [&str; 0]);
    }

    #[test]
    fn two_at_once_are_told_unless_one_is_partial() {
        let spans = vec![closed(5, 20), closed(10, 15)];
        assert_eq!(counts(&looked(&audit(spans.clone(), None, None))), [0, 1, 0, 0]);
        let mut beside = spans;
        beside[1].partial = Some(PartialScope::ALL[0]);
        assert_eq!(counts(&looked(&audit(beside, None, None))), [0; 4]);
        // One that goes on, and another after it.
        let open = span(0, 5, 6);
        assert_eq!(counts(&looked(&audit(vec![open.clone(), closed(10, 15)], Some(open), None))), [0, 1, 0, 0]);
    }

    #[test]
    fn what_is_open_must_be_open_in_both_places() {
        let open = span(0, 5, 10);
        let of = |spans, held| looked(&audit(spans, held, None)).open.named.join("; ");
        assert!(of(vec![], Some(open.clone())).contains("is not there"));
        assert!(of(vec![closed(5, 10)], Some(open.clone())).contains("has ended"));
        assert!(of(vec![open.clone()], None).contains("knows nothing of it"));
        assert_eq!(of(vec![open.clone()], Some(open)), "");
    }

    #[test]
    fn what_the_evidence_does_not_give_is_told() {
        let recorded = closed(5, 10);
        let of = |recorded: &[Span], replayed: &[Span]| {
            looked(&audit(recorded.to_vec(), None, Some(replayed.to_vec()))).replay.named.join("; ")
        };
        let same = std::slice::from_ref(&recorded);
        assert!(of(same, &[]).contains("does not come out of the evidence"));
        assert!(of(&[], same).contains("is not there"));
        let mut other = recorded.clone();
        other.start.latest = Some(at(6));
        other.measurements += 1;
        let said = of(same, &[other]);
        assert!(said.contains("another start, fewer measurements"), "{said}");
        // Begun before the evidence that is kept.
        let mut early = audit(vec![recorded.clone()], None, Some(vec![]));
        early.replay.as_mut().unwrap().begins = at(8);
        assert_eq!(counts(&looked(&early)), [0; 4]);
    }
}
