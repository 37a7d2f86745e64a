//! A stretch of time in one status, with bounds on both ends.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use super::labels::labels;
use super::{MeasurementId, Mechanism, PartialScope, SiteId, SpanId, Status, Timestamp, VantageId};

/// The bounds within which an event lies. None means not bounded on that side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bracket {
    /// Not before this.
    pub earliest: Option<Timestamp>,
    /// Not after this.
    pub latest: Option<Timestamp>,
}

impl Bracket {
    /// A bracket with its bounds in order. When the clock stepped back between them, the first one says nothing in terms
    /// of the new time: it is left open.
    pub fn ordered(earliest: Option<Timestamp>, latest: Option<Timestamp>) -> Self {
        let earliest = earliest.filter(|earliest| latest.is_none_or(|latest| *earliest <= latest));
        Self { earliest, latest }
    }

    /// This bracket of a start as it can stand beside that of the end: what lies beyond the end is of a clock that
    /// stepped back since, and all that is left to say is that it began before it ended.
    #[must_use]
    pub fn not_after(self, end: &Self) -> Self {
        let latest = end.latest.map_or(self.latest, |end| Some(self.latest.map_or(end, |latest| latest.min(end))));
        Self::ordered(self.earliest, latest)
    }

    /// Whether `instant` lies within the bounds.
    pub fn contains(&self, instant: Timestamp) -> bool {
        self.earliest.is_none_or(|earliest| earliest <= instant) && self.latest.is_none_or(|latest| instant <= latest)
    }

    /// The bounds for a reader, to the second: `some time between A and B`.
    pub fn in_words(&self) -> String {
        let shown =
            |instant: Timestamp| format!("{:.0}", instant.to_jiff().round(jiff::Unit::Second).unwrap_or_default());
        match (self.earliest, self.latest) {
            (Some(earliest), Some(latest)) if earliest == latest => shown(earliest),
            (Some(earliest), Some(latest)) => format!("some time between {} and {}", shown(earliest), shown(latest)),
            (None, Some(latest)) => format!("some time before {}", shown(latest)),
            (Some(earliest), None) => format!("some time after {}", shown(earliest)),
            (None, None) => "an unknown time".to_owned(),
        }
    }
}

labels! {
    /// Where a span comes from; spans of different sources are never mixed.
    "span source"
    pub enum SpanSource {
        /// Our own measurements.
        Measured => "measured",
        /// A document's claim, with its citation.
        Reported => "reported",
        /// Measurements of OONI, judged by our rules.
        Ooni => "ooni",
    }
}

/// What one sequential test runs on: one URL seen from one vantage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesKey {
    /// The site.
    pub site: SiteId,
    /// Its URL.
    pub url: Url,
    /// Where from.
    pub vantage: VantageId,
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} from {}", self.site, self.url, self.vantage)
    }
}

/// A stretch of a span with one mechanism.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// First seen.
    pub from: Timestamp,
    /// How.
    pub mechanism: Mechanism,
}

/// A stretch of time in one status. Serialises to an object of `history --format json` (DESIGN 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Its name for ever.
    pub span_id: SpanId,
    /// The site.
    pub site: SiteId,
    /// The URL; null for a report that names none.
    pub url: Option<Url>,
    /// Where from; null for a report that names none.
    pub vantage: Option<VantageId>,
    /// Where it comes from.
    pub source: SpanSource,
    /// The status.
    pub status: Status,
    /// How: the latest segment's mechanism, or null when not known (reports).
    pub mechanism: Option<Mechanism>,
    /// Which part of the way is interfered with, while the site can be reached; null when it is all of it.
    #[serde(default)]
    pub partial: Option<PartialScope>,
    /// Changes of mechanism.
    pub segments: Vec<Segment>,
    /// The start lies here.
    pub start: Bracket,
    /// The end lies here; null while ongoing, and for a report that states no end.
    pub end: Option<Bracket>,
    /// Still so at the last observation.
    pub ongoing: bool,
    /// The last measurement that saw it so; for a report, the time of writing.
    pub last_observed: Option<Timestamp>,
    /// Measurements that saw it so.
    pub measurements: u64,
    /// Probability that it is no chance, 0 to 1; null for reports.
    pub confidence: Option<f64>,
    /// Source of a report.
    pub citation: Option<String>,
}

labels! {
    /// What happened to a span.
    "span change"
    pub enum SpanChangeKind {
        /// It was opened.
        Opened => "opened",
        /// It goes on; counts, confidence or mechanism changed.
        Continued => "continued",
        /// It was closed.
        Closed => "closed",
    }
}

/// A change to a span, with the span as it then is.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanChange {
    /// What happened.
    pub kind: SpanChangeKind,
    /// The measurement's time at which it was decided.
    pub at: Timestamp,
    /// The span as it is now.
    pub span: Span,
}

labels! {
    /// What the journal of a record tells of a span.
    "span event"
    pub enum SpanEventKind {
        /// It was opened.
        Opened => "opened",
        /// The technique of the block changed.
        Mechanism => "mechanism",
        /// It was closed.
        Closed => "closed",
        /// A rejudgement changed it.
        Rejudged => "rejudged",
        /// A rejudgement withdrew it.
        Withdrawn => "withdrawn",
    }
}

/// One entry of the journal of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SpanEvent {
    /// What happened.
    pub kind: SpanEventKind,
    /// When it was known.
    pub at: Timestamp,
    /// The measurement that decided; null for what a rejudgement did.
    pub measurement_id: Option<MeasurementId>,
}
