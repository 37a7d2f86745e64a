//! A stretch of time with bounds on both ends, reckoned with.

use crate::model::{Bracket, Span, SpanSource, Timestamp};

/// The bounds of a stretch, in Unix milliseconds; what is not bounded lies at the end of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    /// It began not before this.
    pub(super) start_earliest: i64,
    /// It had begun by this.
    pub(super) start_latest: i64,
    /// It still was so at this.
    pub(super) end_earliest: i64,
    /// It was over by this.
    pub(super) end_latest: i64,
    /// Still so at the last observation.
    pub(super) ongoing: bool,
}

pub(super) const NEVER: i64 = i64::MAX;
pub(super) const EVER: i64 = i64::MIN;

impl Stretch {
    /// None for a span that bounds nothing: it cannot be reckoned with.
    pub(super) fn of(span: &Span) -> Option<Self> {
        let ms = |at: Option<Timestamp>| at.map(Timestamp::as_unix_ms);
        let start_latest = ms(span.start.latest).or(ms(span.last_observed))?;
        let seen = ms(span.last_observed).unwrap_or(start_latest).max(start_latest);
        let (end_earliest, end_latest) = match span.end {
            // An import ends somewhere: what it saw last may be over since.
            None if span.ongoing && span.source == SpanSource::Measured => (NEVER, NEVER),
            None => (seen, NEVER),
            Some(end) => (ms(end.earliest).unwrap_or(start_latest).max(start_latest), ms(end.latest).unwrap_or(NEVER)),
        };
        Some(Self {
            start_earliest: ms(span.start.earliest).unwrap_or(EVER),
            start_latest,
            end_earliest,
            end_latest: end_latest.max(end_earliest),
            ongoing: span.ongoing,
        })
    }

    /// Whether both were so at one instant for certain.
    pub(super) const fn overlaps(&self, other: &Self) -> bool {
        self.start_latest <= other.end_earliest && other.start_latest <= self.end_earliest
    }

    /// The stretch in which either was so; they must overlap.
    pub(super) fn joined(&self, other: &Self) -> Self {
        Self {
            start_earliest: self.start_earliest.min(other.start_earliest),
            start_latest: self.start_latest.min(other.start_latest),
            end_earliest: self.end_earliest.max(other.end_earliest),
            end_latest: self.end_latest.max(other.end_latest),
            ongoing: self.ongoing || other.ongoing,
        }
    }

    /// It was so at least until then, if what goes on goes on until `now`.
    pub(super) fn until(&self, now: Timestamp) -> Timestamp {
        told(self.end_earliest).unwrap_or(now)
    }

    /// Its start as it is told.
    pub(super) fn start(&self) -> Bracket {
        Bracket { earliest: told(self.start_earliest), latest: told(self.start_latest) }
    }

    /// Its end as it is told; None while it goes on.
    pub(super) fn end(&self) -> Option<Bracket> {
        (!self.ongoing).then(|| Bracket { earliest: told(self.end_earliest), latest: told(self.end_latest) })
    }
}

pub(super) fn told(ms: i64) -> Option<Timestamp> {
    (ms != NEVER && ms != EVER).then(|| Timestamp::from_unix_ms(ms))
}
