//! The doors to the rooms that the commands need: configuration, record, measuring, the daemon.
//!
//! Commands see the record through `Record`, so that they can be tested without a database.

use std::ops::ControlFlow;
use std::path::PathBuf;

use url::Url;

use super::args::{GlobalArgs, RunArgs};
use super::fault::Fault;
use crate::config::{Config, StoreUrl};
use crate::detect::SeriesState;
use crate::model::{Evidence, SeriesKey, SiteId, Span, VantageId, Verdict};
use crate::store::{MeasurementFilter, SpanFilter, StoredMeasurement};

/// A configuration with what was noticed while reading it.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Whole and checked.
    pub(super) config: Config,
    /// The files that it comes from.
    pub(super) files: Vec<PathBuf>,
    /// What is allowed but probably not meant.
    pub(super) warnings: Vec<String>,
}

/// Reads targets and configuration.
///
/// # Errors
/// All faults of the files, laid out for a terminal (`colour`).
pub(super) fn load(_global: &GlobalArgs, _listen: Option<&str>, _colour: bool) -> Result<Loaded, Fault> {
    Err(Fault::failed("the configuration cannot be read", "this build has no configuration room"))
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

/// Opens the record for reading; None when there is no database yet.
///
/// # Errors
/// It is there but cannot be read: not a database of ours, a newer schema, no permission.
pub(super) fn open_record(url: &StoreUrl) -> Result<Option<Box<dyn Record>>, Fault> {
    let StoreUrl::Sqlite(path) = url;
    if !path.exists() {
        return Ok(None);
    }
    Err(Fault::failed(format!("`{}` cannot be read", path.display()), "this build has no store room"))
}

/// Measures each target from each vantage once, all controls and canaries included, and judges it. `report` gets
/// each result as it is there. Nothing is stored.
///
/// # Errors
/// Measuring could not begin (no runtime, no TLS roots). A site that fails is a result, not an error.
pub(super) async fn measure(
    _config: &Config,
    _targets: &[(SiteId, Url)],
    _vantages: &[VantageId],
    _report: &mut (dyn FnMut(Evidence, Verdict) + Send),
) -> Result<(), Fault> {
    Err(Fault::failed("nothing can be measured", "this build has no daemon room"))
}

/// Runs the daemon until it is told to stop, or one round with `--once`.
///
/// # Errors
/// The configuration is wrong, or the daemon cannot start.
pub(super) fn run(_global: &GlobalArgs, _run: &RunArgs) -> Result<(), Fault> {
    Err(Fault::failed("the daemon cannot start", "this build has no daemon room"))
}

/// Runs the demonstration on loopback.
///
/// # Errors
/// It cannot start.
pub(super) fn demo(_global: &GlobalArgs) -> Result<(), Fault> {
    Err(Fault::failed("the demonstration cannot start", "this build has no demo room"))
}
