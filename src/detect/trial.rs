//! What one verdict is worth to the test.

use crate::model::{Measurement, Mechanism, Status, Strength, Timestamp, Verdict};

/// One trial of the sequential test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// When the probe began: what it saw happened not before this.
    pub from: Timestamp,
    /// When the probe ended: what it saw happened not after this.
    pub until: Timestamp,
    /// What it says.
    pub outcome: Outcome,
}

/// What a trial says about blocking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// Interference was seen.
    Bad {
        /// How.
        mechanism: Mechanism,
        /// Weight, 0 to 1.
        weight: f64,
        /// The evidence needs no control.
        self_proving: bool,
    },
    /// The site itself was reached.
    Good,
    /// Nothing that bears on blocking: the site is down, the vantage offline, the evidence thin.
    Silent,
}

impl Trial {
    /// The trial that a verdict amounts to. `denied` is good: the site's own server was reached.
    pub fn of(measurement: &Measurement, verdict: &Verdict) -> Self {
        let outcome = match (verdict.status, verdict.mechanism) {
            (Status::Blocked, Some(mechanism)) => Outcome::Bad {
                mechanism,
                weight: verdict.weight.clamp(0.0, 1.0),
                self_proving: verdict.strength == Strength::SelfProving,
            },
            (Status::Accessible | Status::Denied, _) => Outcome::Good,
            _ => Outcome::Silent,
        };
        let from = measurement.started_at;
        Self { from, until: from.plus(measurement.elapsed.as_duration()), outcome }
    }
}
