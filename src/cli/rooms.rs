//! The doors to the rooms that the commands need: configuration, record, measuring, the daemon.
//!
//! Commands see the record through `Record`, so that they can be tested without a database.

use std::ops::ControlFlow;

use tokio_util::sync::CancellationToken;
use url::Url;

use super::args::{GlobalArgs, RunArgs};
use super::fault::Fault;
use crate::config::{self, Config, Loaded, Overrides, Paths, StoreUrl};
use crate::daemon::{self, RunOptions};
use crate::detect::SeriesState;
use crate::model::{Evidence, SeriesKey, SiteId, Span, VantageId, Verdict};
use crate::store::{MeasurementFilter, Reader, SpanFilter, StoredMeasurement};

/// The files that the command line names, and what it says over them.
fn paths(global: &GlobalArgs, listen: Option<&str>) -> Paths {
    Paths {
        targets: global.targets.clone(),
        config: global.config.clone(),
        overrides: Overrides { store: global.store.clone(), listen: listen.map(str::to_owned) },
    }
}

/// Reads targets and configuration.
///
/// # Errors
/// All faults of the files, laid out for a terminal (`colour`).
pub(super) fn load(global: &GlobalArgs, listen: Option<&str>, colour: bool) -> Result<Loaded, Fault> {
    config::load(&paths(global, listen)).map_err(|faults| Fault::Config(faults.render(colour)))
}

/// What the commands read from the store.
pub(super) trait Record {
    /// The spans that `filter` lets through.
    fn spans(&self, filter: &SpanFilter) -> Result<Vec<Span>, Fault>;
    /// Every series with what the sequential test remembers of it.
    fn series(&self) -> Result<Vec<(SeriesKey, SeriesState)>, Fault>;
    /// The measurements that `filter` lets through, in order of their time, one after another until told to stop.
    fn measurements(
        &self,
        filter: &MeasurementFilter,
        each: &mut dyn FnMut(StoredMeasurement) -> ControlFlow<()>,
    ) -> Result<(), Fault>;
}

impl Record for Reader {
    fn spans(&self, filter: &SpanFilter) -> Result<Vec<Span>, Fault> {
        Self::spans(self, filter).map_err(unreadable)
    }

    fn series(&self) -> Result<Vec<(SeriesKey, SeriesState)>, Fault> {
        Self::series(self).map_err(unreadable)
    }

    fn measurements(
        &self,
        filter: &MeasurementFilter,
        each: &mut dyn FnMut(StoredMeasurement) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        Self::measurements(self, filter, each).map_err(unreadable)
    }
}

fn unreadable(error: crate::store::StoreError) -> Fault {
    Fault::failed("the record cannot be read", error)
}

/// Opens the record for reading; None when there is no database yet.
///
/// # Errors
/// It is there but cannot be read: not a database of ours, a newer schema, no permission.
pub(super) fn open_record(url: &StoreUrl) -> Result<Option<Box<dyn Record>>, Fault> {
    let StoreUrl::Sqlite(path) = url;
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(Box::new(Reader::open(path).map_err(unreadable)?)))
}

/// Measures each target from each vantage once, all controls and canaries included, and judges it. `report` gets
/// each result as it is there. Nothing is stored.
///
/// # Errors
/// Measuring could not begin (no TLS roots). A site that fails is a result, not an error.
pub(super) async fn measure(
    config: &Config,
    targets: &[(SiteId, Url)],
    vantages: &[VantageId],
    report: &mut (dyn FnMut(Evidence, Verdict) + Send),
) -> Result<(), Fault> {
    let mut wanted = Vec::new();
    for (site, url) in targets {
        for vantage in vantages {
            wanted.push(SeriesKey { site: site.clone(), url: url.clone(), vantage: vantage.clone() });
        }
    }
    let measured = daemon::check(config.clone(), wanted, report).await;
    measured.map_err(|error| Fault::failed("measuring cannot begin", error))
}

/// Runs the daemon until it is told to stop, or one round with `--once`.
///
/// # Errors
/// The configuration is wrong, or the daemon cannot start.
pub(super) fn run(global: &GlobalArgs, run: &RunArgs) -> Result<(), Fault> {
    let listen = run.listen.as_deref();
    let loaded = super::load(global, listen)?;
    let options = RunOptions { once: run.once, ..RunOptions::new(loaded, paths(global, listen)) };
    let ended = super::runtime()?.block_on(daemon::run(options, CancellationToken::new()));
    ended.map_err(|error| Fault::failed("blockspan cannot run", error))
}
