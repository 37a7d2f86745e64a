//! `measurements`: the evidence with its verdicts, one after another, however many there are.

use std::ops::ControlFlow;

use super::args::{GlobalArgs, MeasurementsArgs, MeasurementsFormat};
use super::fault::{Exit, Fault};
use super::output::Output;
use super::{rooms, select};
use crate::export::measurement_with_context_json;
use crate::model::Timestamp;

/// Runs `measurements`.
///
/// # Errors
/// A site is unknown, the configuration is wrong, or the record cannot be read.
pub(super) fn run(global: &GlobalArgs, args: &MeasurementsArgs) -> Result<Exit, Fault> {
    let config = super::load(global)?.config;
    let Some(record) = rooms::open_record(&config.store.url)? else {
        let crate::config::StoreUrl::Sqlite(path) = &config.store.url;
        let what = format!("there is no `{}` yet: nothing has been measured; `blockspan run` makes it", path.display());
        return Err(Fault::Failed(what, None));
    };
    select::known_sites(&config, &args.select.sites, || {
        Ok(record.series()?.into_iter().map(|(series, _)| series.site).collect())
    })?;

    let filter = select::measurement_filter(&args.select, Timestamp::now());
    let mut output = Output::open(args.output.as_deref())?;
    let mut written = Ok(());
    record.measurements(&filter, &mut |stored| {
        written = match args.format {
            MeasurementsFormat::Ndjson => measurement_with_context_json(&stored.evidence, &stored.verdict, &mut output),
        };
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    output.finish()?;
    Ok(Exit::Good)
}
