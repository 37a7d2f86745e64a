//! What a rule is.

use super::facts::Facts;
use crate::model::{Mechanism, Status, Strength};

/// One rule of the judge. The table asks them in order; the first that speaks decides.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Stable, dotted id.
    pub id: &'static str,
    /// The status it gives.
    pub status: Status,
    /// The mechanism it gives, when blocked.
    pub mechanism: Option<Mechanism>,
    /// How the evidence bears it.
    pub strength: Strength,
    /// How sure one measurement makes us, 0 to 1, when nothing lessens it.
    pub confidence: f64,
    /// Weight as a trial of the sequential test, 0 to 1, when nothing lessens it.
    pub weight: f64,
    /// When it speaks, in plain words.
    pub description: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    pub(super) decide: fn(&Facts<'_>) -> Option<Finding>,
}

/// A rule's word on one measurement.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// Factor on the rule's confidence and weight: 1 when nothing lessens it.
    pub trust: f64,
    /// Plain sentences.
    pub reasons: Vec<String>,
}

impl Finding {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { trust: 1.0, reasons: vec![reason.into()] }
    }

    pub(super) fn trusted(mut self, trust: f64) -> Self {
        self.trust *= trust;
        self
    }

    pub(super) fn and(mut self, reasons: impl IntoIterator<Item = String>) -> Self {
        self.reasons.extend(reasons);
        self
    }
}

/// Rules of one status, so that a table entry names only what differs.
macro_rules! rule {
    ($id:literal, $status:ident, $strength:ident, $confidence:literal, $weight:literal, $decide:path, $description:literal, $source:literal) => {
        $crate::judge::rule::Rule {
            id: $id,
            status: $crate::model::Status::$status,
            mechanism: None,
            strength: $crate::model::Strength::$strength,
            confidence: $confidence,
            weight: $weight,
            description: $description,
            source: $source,
            decide: $decide,
        }
    };
}

/// Rules that say `blocked`.
macro_rules! blocked {
    ($id:literal, $mechanism:ident, $strength:ident, $confidence:literal, $weight:literal, $decide:expr, $description:literal, $source:literal) => {
        $crate::judge::rule::Rule {
            id: $id,
            status: $crate::model::Status::Blocked,
            mechanism: Some($crate::model::Mechanism::$mechanism),
            strength: $crate::model::Strength::$strength,
            confidence: $confidence,
            weight: $weight,
            description: $description,
            source: $source,
            decide: $decide,
        }
    };
}

pub(super) use {blocked, rule};
