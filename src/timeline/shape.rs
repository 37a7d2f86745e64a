//! Where a span stands on a time line.

use crate::model::{Span, Timestamp};

/// A span as the instants (Unix milliseconds) that matter to a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// It may have begun here; None when not bounded.
    pub start_earliest: Option<i64>,
    /// It had begun here.
    pub start_latest: i64,
    /// It still was so here.
    pub end_earliest: i64,
    /// It was over here; None when not bounded.
    pub end_latest: Option<i64>,
    /// Still so at the last observation.
    pub ongoing: bool,
}

impl Shape {
    /// None for a span that names no instant at all.
    pub fn of(span: &Span) -> Option<Self> {
        let ms = |at: Option<Timestamp>| at.map(Timestamp::as_unix_ms);
        let end = span.end.as_ref();
        let end_earliest = ms(end.and_then(|end| end.earliest));
        let end_latest = ms(end.and_then(|end| end.latest));
        let seen = ms(span.last_observed);
        let (start_earliest, start_latest) = (ms(span.start.earliest), ms(span.start.latest));
        // A span with a bound missing is drawn from what is known of it. A claim's time of writing bears witness to
        // a claim that states no end, and to nothing where it states one.
        let seen = if end.is_some() { None } else { seen };
        let begun = start_latest.or(seen).or(end_earliest).or(end_latest).or(start_earliest)?;
        let lasted = end_earliest.or(seen.max(start_latest)).or(end_latest).unwrap_or(begun);
        Some(Self { start_earliest, start_latest: begun, end_earliest: lasted, end_latest, ongoing: span.ongoing })
    }
}

/// The first and last instant that a span speaks of; spans that do not share any can share a row.
pub fn extent(span: &Span) -> (i64, i64) {
    let Some(shape) = Shape::of(span) else { return (i64::MIN, i64::MIN) };
    let first = shape.start_earliest.unwrap_or(i64::MAX).min(shape.start_latest).min(shape.end_earliest);
    let last = shape.end_latest.unwrap_or(i64::MIN).max(shape.end_earliest).max(shape.start_latest);
    (first, last)
}
