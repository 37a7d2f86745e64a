//! The figures of the sequential test.

use std::time::Duration;

use super::PaceParams;
use crate::config::{DetectConfig, ThrottlingConfig};
use crate::model::Mechanism;

/// The figures of the sequential test, a Bernoulli CUSUM (Reynolds & Stoumbos 1999) on log-likelihood ratios.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Chance that a single probe of a site that is not blocked fails, seen here and not at the control.
    pub failure_when_clear: f64,
    /// Chance that a single probe of a blocked site fails.
    pub failure_when_blocked: f64,
    /// Score at which a span is opened or closed. At 15 six unambiguous failures in a row open a span: five in a row
    /// come by chance once in some years of one-minute probing at 5 % loss, six once in a century.
    pub threshold: f64,
    /// Score from which a run of failures is taken to show that the block was in force: four failures, which come by
    /// chance once in 160,000 times at 5 % loss. It sets the bounds of start and end, so that chance failures just
    /// before a block, or just after it, cannot pull a bound past the true instant.
    pub evident: f64,
    /// Self-proving failures that open a span without waiting for `spread`.
    pub proofs: u32,
    /// Time over which other evidence must be spread.
    pub spread: Duration,
    /// The same for throttling: a path that is congested for some minutes, and no other, is no censor's work.
    pub sustained: Duration,
    /// Waits after the first sign of a change at which confirmation probes are made.
    pub confirm_after: Vec<Duration>,
    /// Time without a trial after which the next sign of a change is confirmed as a first one is: much longer than
    /// rounds and confirmations usually lie apart.
    pub stale: Duration,
    /// How a series' usual pace is learnt.
    pub pace: PaceParams,
}

impl Params {
    /// The standard figures with the configured times.
    pub fn new(config: &DetectConfig) -> Self {
        Self { spread: config.spread, confirm_after: config.confirm_after.clone(), ..Self::default() }
    }

    /// The same with what is configured of throttling.
    pub fn with_throttling(self, config: &ThrottlingConfig) -> Self {
        Self { sustained: config.sustained, pace: PaceParams::new(config), ..self }
    }

    /// Time over which evidence of `mechanism` that does not prove itself must be spread.
    pub fn spread_of(&self, mechanism: Option<Mechanism>) -> Duration {
        if mechanism == Some(Mechanism::Throttled) { self.spread.max(self.sustained) } else { self.spread }
    }

    /// Log-likelihood ratio of one unambiguous failure.
    pub fn step_up(&self) -> f64 {
        (self.failure_when_blocked / self.failure_when_clear).ln()
    }

    /// Log-likelihood ratio of one success, as a positive number.
    pub fn step_down(&self) -> f64 {
        ((1.0 - self.failure_when_clear) / (1.0 - self.failure_when_blocked)).ln()
    }
}

impl Default for Params {
    fn default() -> Self {
        Self {
            failure_when_clear: 0.05,
            failure_when_blocked: 0.95,
            threshold: 15.0,
            evident: 9.0,
            proofs: 2,
            spread: Duration::from_secs(120),
            sustained: ThrottlingConfig::default().sustained,
            confirm_after: [10, 25, 45, 75, 105, 135, 165, 195].map(Duration::from_secs).to_vec(),
            stale: Duration::from_secs(600),
            pace: PaceParams::default(),
        }
    }
}
