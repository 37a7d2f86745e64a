//! What the test remembers of a series between two measurements. Saved with each measurement.

use serde::{Deserialize, Serialize};

use crate::model::{MeasurementId, Mechanism, Span, Status, Timestamp};

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
}

impl SeriesState {
    /// The state of the test: `blocked` while a span is open, otherwise the latest opinion that is not an
    /// unconfirmed `blocked`; `inconclusive` before there is one.
    pub fn status(&self) -> Status {
        Status::Inconclusive
    }

    /// Failures are being seen that have not yet made (or a recovery that has not yet ended) a span.
    pub fn is_unsettled(&self) -> bool {
        false
    }
}
