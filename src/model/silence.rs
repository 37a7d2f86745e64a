//! A stretch of time in which a vantage told nothing of sites: silence is never read as health.

use serde::{Deserialize, Serialize};

use super::labels::labels;
use super::{Bracket, SpanId, Timestamp, VantageId};

labels! {
    /// In what way a vantage told nothing.
    "silence kind"
    pub enum SilenceKind {
        /// No canary could be reached: it had no network.
        Offline => "offline",
        /// Domestic canaries could be reached and no foreign one: a national cut.
        DomesticOnly => "domestic_only",
        /// Nothing was measured from it.
        NotMeasuring => "not_measuring",
    }
}

labels! {
    /// Why nothing was measured.
    "silence cause"
    pub enum SilenceCause {
        /// The daemon was stopped in order.
        Stopped => "stopped",
        /// The daemon broke off: killed, crashed, or the power failed.
        BrokeOff => "broke_off",
        /// The machine slept, or the process was halted.
        Asleep => "asleep",
        /// The configuration did not name the vantage.
        Unlisted => "unlisted",
    }
}

/// A stretch of time in which a vantage told nothing of sites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VantageSpan {
    /// Its name for ever.
    pub span_id: SpanId,
    /// The vantage.
    pub vantage: VantageId,
    /// In what way it told nothing.
    pub kind: SilenceKind,
    /// Why, when nothing was measured.
    pub cause: Option<SilenceCause>,
    /// The start lies here.
    pub start: Bracket,
    /// The end lies here; null while it goes on.
    pub end: Option<Bracket>,
    /// The last observation that saw it so.
    pub last_observed: Option<Timestamp>,
    /// Observations that saw it so; 0 where nothing was measured.
    pub observations: u64,
}

/// A step of the wall clock: instants before and after it cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStep {
    /// What the clock showed when the step was noticed.
    pub at: Timestamp,
    /// What it would have shown without it.
    pub before: Timestamp,
    /// By how much it was moved, milliseconds; below zero: back.
    pub by_ms: i64,
}
