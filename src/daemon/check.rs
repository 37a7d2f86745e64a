//! One measurement now, for `check`: nothing is recorded. What the record knows of a series is taken from it.

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tracing::warn;

use super::instrument::{Instrument, SetupError, Standing};
use crate::config::{Config, StoreUrl};
use crate::detect::SeriesState;
use crate::model::{Evidence, SeriesKey, Trigger, Verdict};
use crate::store::{Reader, StoreError};

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
    let known = known(&config.store.url);
    let instrument = Instrument::new(config)?;
    let standing = |key: &SeriesKey| {
        let state = known.get(key);
        let unsettled = state.is_some_and(|state| state.is_unsettled() || state.span.is_some());
        Standing { unsettled, baseline: state.and_then(|state| state.baseline(instrument.detector.params())) }
    };
    let mut under_way: FuturesUnordered<_> =
        wanted.iter().map(|key| instrument.observe(key, Trigger::Manual, standing(key))).collect();
    while let Some(seen) = under_way.next().await {
        if let Some((evidence, verdict)) = seen {
            report(evidence, verdict);
        }
    }
    Ok(())
}

/// Where the series of the record stand. A record that is not there or cannot be read leaves the check to itself.
fn known(url: &StoreUrl) -> HashMap<SeriesKey, SeriesState> {
    let StoreUrl::Sqlite(path) = url;
    match Reader::open(path).and_then(|reader| reader.series()) {
        Ok(series) => series.into_iter().collect(),
        Err(StoreError::NothingRecorded { .. }) => HashMap::new(),
        Err(fault) => {
            warn!("what is usual is not known, as the record cannot be read: {}", super::chain(&fault));
            HashMap::new()
        }
    }
}
