//! A vantage and the canaries that tell whether it has a network.

use std::sync::Arc;

use crate::config::CanaryConfig;
use crate::vantage::Vantage;

/// A vantage with its own canaries.
pub(super) struct Station {
    pub vantage: Arc<Vantage>,
    pub canaries: Vec<CanaryConfig>,
}
