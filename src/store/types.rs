//! What goes into the store and what is asked of it.

use super::StoreError;
use crate::detect::{Life, SeriesState};
use crate::model::{
    ClockStep, Evidence, SeriesKey, SiteId, Span, SpanChange, SpanSource, Status, Timestamp, VantageId, VantageSpan,
    Verdict,
};

/// All that one probe leaves behind: written in one transaction, or not at all.
#[derive(Debug, Clone)]
pub struct ProbeRecord {
    /// The series it belongs to.
    pub series: SeriesKey,
    /// What was seen, with controls and canaries.
    pub evidence: Evidence,
    /// The opinion on it.
    pub verdict: Verdict,
    /// The detector's state after it.
    pub state: SeriesState,
    /// The span events that it caused.
    pub changes: Vec<SpanChange>,
}

/// A sign of life of the daemon, with what vantages and clock told since the one before.
#[derive(Debug, Clone)]
pub struct Note {
    /// The life, named by its beginning.
    pub life: Life,
    /// Silences of vantages that began, went on or ended.
    pub silences: Vec<VantageSpan>,
    /// Steps of the wall clock.
    pub steps: Vec<ClockStep>,
}

/// A record of a batch whose evidence can never be kept; its state and spans are, and so are the other records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in the batch.
    pub index: usize,
    /// Why: always [`StoreError::Refused`].
    pub why: StoreError,
}

/// Which spans to read; an empty list means all.
#[derive(Debug, Clone, Default)]
pub struct SpanFilter {
    /// Of these sites.
    pub sites: Vec<SiteId>,
    /// Seen from these vantages.
    pub vantages: Vec<VantageId>,
    /// With these statuses.
    pub statuses: Vec<Status>,
    /// Of these sources.
    pub sources: Vec<SpanSource>,
    /// That may have lasted beyond this instant.
    pub since: Option<Timestamp>,
    /// That may have begun before this instant.
    pub until: Option<Timestamp>,
}

impl SpanFilter {
    /// Whether a span passes: for spans that come from elsewhere than the store, such as reports. A span whose
    /// vantage is not known does not pass where vantages are asked for.
    pub fn lets_through(&self, span: &Span) -> bool {
        let end = span.end.and_then(|end| end.latest);
        (self.sites.is_empty() || self.sites.contains(&span.site))
            && (self.vantages.is_empty()
                || span.vantage.as_ref().is_some_and(|vantage| self.vantages.contains(vantage)))
            && (self.statuses.is_empty() || self.statuses.contains(&span.status))
            && (self.sources.is_empty() || self.sources.contains(&span.source))
            && self.since.is_none_or(|since| end.is_none_or(|end| end > since))
            && self.until.is_none_or(|until| span.start.earliest.is_none_or(|earliest| earliest < until))
    }
}

/// Which measurements to read; an empty list means all.
#[derive(Debug, Clone, Default)]
pub struct MeasurementFilter {
    /// Of these sites.
    pub sites: Vec<SiteId>,
    /// Seen from these vantages.
    pub vantages: Vec<VantageId>,
    /// Judged so.
    pub statuses: Vec<Status>,
    /// Begun at or after this instant.
    pub since: Option<Timestamp>,
    /// Begun before this instant.
    pub until: Option<Timestamp>,
}

/// A measurement as it was stored, with the verdict of that time.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMeasurement {
    /// What was seen, with controls and canaries.
    pub evidence: Evidence,
    /// The opinion on it.
    pub verdict: Verdict,
}
