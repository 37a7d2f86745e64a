//! What goes into the store and what is asked of it.

use crate::detect::SeriesState;
use crate::model::{Evidence, SeriesKey, SiteId, SpanChange, SpanSource, Status, Timestamp, VantageId, Verdict};

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
