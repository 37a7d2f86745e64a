//! `measurements`: the evidence with its verdicts, one after another, however many there are.

use std::io;
use std::ops::ControlFlow;

use super::args::{GlobalArgs, MeasurementsArgs, MeasurementsFormat};
use super::fault::{Exit, Fault};
use super::output::Output;
use super::rooms::Record;
use super::{rooms, select};
use crate::export::{MeasurementsCsv, MeasurementsParquet, measurement_with_context_json};
use crate::model::Timestamp;
use crate::store::{MeasurementFilter, StoredMeasurement};

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
    write(record.as_ref(), &filter, args.format, &mut output)?;
    output.finish()?;
    Ok(Exit::Good)
}

fn write(
    record: &dyn Record,
    filter: &MeasurementFilter,
    format: MeasurementsFormat,
    output: &mut Output,
) -> Result<(), Fault> {
    match format {
        MeasurementsFormat::Ndjson => {
            each(record, filter, |stored| measurement_with_context_json(&stored.evidence, &stored.verdict, output))
        }
        MeasurementsFormat::Csv => {
            let mut file = MeasurementsCsv::new(output)?;
            each(record, filter, |stored| file.write(&stored.evidence, &stored.verdict))
        }
        MeasurementsFormat::Parquet => {
            let mut file = MeasurementsParquet::new(output)?;
            each(record, filter, |stored| file.write(&stored.evidence, &stored.verdict))?;
            Ok(file.finish()?)
        }
    }
}

/// Gives every measurement to `write` until one cannot be written.
fn each(
    record: &dyn Record,
    filter: &MeasurementFilter,
    mut write: impl FnMut(&StoredMeasurement) -> io::Result<()>,
) -> Result<(), Fault> {
    let mut written = Ok(());
    record.measurements(filter, &mut |stored| {
        written = write(&stored);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(written?)
}
