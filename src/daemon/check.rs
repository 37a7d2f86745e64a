//! One measurement now, for `check`: nothing is recorded.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::instrument::{Instrument, SetupError, Standing};
use crate::config::Config;
use crate::model::{Evidence, SeriesKey, Trigger, Verdict};

/// Measures each series once, all at once, controls and canaries included, and judges it. `report` gets each result as
/// it comes. A series whose vantage does not probe is passed over.
///
/// # Errors
/// When the instrument cannot be set up. A site that fails is a result, not an error.
pub async fn check(
    config: Config,
    wanted: Vec<SeriesKey>,
    report: &mut (dyn FnMut(Evidence, Verdict) + Send),
) -> Result<(), Box<SetupError>> {
    let instrument = Instrument::new(config)?;
    let mut under_way: FuturesUnordered<_> =
        wanted.iter().map(|key| instrument.observe(key, Trigger::Manual, Standing::default())).collect();
    while let Some(seen) = under_way.next().await {
        if let Some((evidence, verdict)) = seen {
            report(evidence, verdict);
        }
    }
    Ok(())
}
