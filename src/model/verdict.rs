//! The opinion on one measurement.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::labels::labels;
use super::{ControlId, MeasurementId, Mechanism, Status, Timestamp};

/// The id of a rule of the judge, for example `tls.timeout.differential`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleId(pub Cow<'static, str>);

impl RuleId {
    /// The id of a rule of this build.
    pub const fn of(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

labels! {
    /// How the evidence bears its verdict.
    "strength"
    pub enum Strength {
        /// It proves itself; no control is needed.
        SelfProving => "self_proving",
        /// It fails here and works at the control.
        Differential => "differential",
        /// It bears no opinion on blocking.
        Weak => "weak",
    }
}

labels! {
    /// Which part of the way to a site is interfered with while another part works.
    "partial scope"
    pub enum PartialScope {
        /// Its IPv4 addresses.
        Ipv4 => "ipv4",
        /// Its IPv6 addresses.
        Ipv6 => "ipv6",
        /// Some of its addresses of one family.
        Address => "address",
        /// HTTP/3 over QUIC.
        Quic => "quic",
        /// A resolver of several of the vantage's own.
        Resolver => "resolver",
    }
}

/// Interference with a part of the way, while the site can be reached: an attribute of a verdict that is not `blocked`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// Which part.
    pub scope: PartialScope,
    /// How.
    pub mechanism: Mechanism,
    /// The rule that says so.
    pub rule: RuleId,
    /// How sure one measurement makes us, 0 to 1.
    pub confidence: f64,
    /// A plain sentence.
    pub reason: String,
}

/// What the control saw, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlSummary {
    /// Which control.
    pub id: ControlId,
    /// Its status for the URL: `accessible`, `down`, `denied`, or `inconclusive` when it could not be asked.
    pub status: Status,
    /// When it measured.
    pub at: Timestamp,
}

/// The opinion on one measurement. Can be computed again from the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Of which measurement.
    pub measurement_id: MeasurementId,
    /// The opinion.
    pub status: Status,
    /// How, when blocked.
    pub mechanism: Option<Mechanism>,
    /// How sure this one measurement makes us, 0 to 1.
    pub confidence: f64,
    /// How the evidence bears it.
    pub strength: Strength,
    /// How much one such failure weighs as a trial of the sequential test, 0 to 1; a reset after ClientHello
    /// weighs more than silence, silence more than a refusal.
    pub weight: f64,
    /// The rules that decided, the deciding one first.
    pub rules: Vec<RuleId>,
    /// Plain sentences.
    pub reasons: Vec<String>,
    /// The version of the rule set.
    pub ruleset: u32,
    /// What the control saw, in short.
    pub control: Option<ControlSummary>,
    /// Interference with a part of the way while the site can be reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<Partial>,
}
