//! What can be reached now, for `doctor`: every vantage's canaries and every control is asked once.

use super::instrument::{Instrument, SetupError};
use crate::config::Config;
use crate::model::{CanaryReport, ControlId, VantageId};

/// What answered.
#[derive(Debug, Clone)]
pub struct Reached {
    /// What the canaries of each vantage said.
    pub canaries: Vec<(VantageId, Option<CanaryReport>)>,
    /// Whether each control could be used.
    pub controls: Vec<(ControlId, bool)>,
}

/// Asks all of them.
///
/// # Errors
/// When the instrument cannot be set up. Who does not answer is a result, not an error.
pub async fn reach(config: Config) -> Result<Reached, Box<SetupError>> {
    let instrument = Instrument::new(config)?;
    let mut canaries = Vec::new();
    for vantage in instrument.vantages() {
        let report = instrument.ask_canaries(&vantage).await;
        canaries.push((vantage, report));
    }
    let controls = if instrument.control_ids().is_empty() { Vec::new() } else { instrument.try_controls().await };
    Ok(Reached { canaries, controls })
}
