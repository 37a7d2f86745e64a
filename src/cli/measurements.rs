//! `measurements`: the evidence with its verdicts, one after another, however many there are.

use std::io;
use std::ops::ControlFlow;

use super::args::{GlobalArgs, MeasurementsArgs, MeasurementsFormat};
use super::fault::{Exit, Fault};
use super::output::Output;
use super::rooms::Record;
use super::{rooms, select};
use crate::config::VantageConfig;
use crate::export::{
    MeasurementsCsv, MeasurementsParquet, ProbeNetwork, measurement_ooni, measurement_with_context_json,
};
use crate::model::{CountryCode, Timestamp, VantageId};
use crate::store::{MeasurementFilter, StoredMeasurement};

/// Runs `measurements`.
///
/// # Errors
/// A site is unknown, the configuration is wrong, or the record cannot be read.
pub(super) fn run(global: &GlobalArgs, args: &MeasurementsArgs) -> Result<Exit, Fault> {
    let config = super::load(global)?.config;
    let record = rooms::required_record(&config.store.url)?;
    select::known_sites(&config, &args.select.sites, || {
        Ok(record.series()?.into_iter().map(|(series, _)| series.site).collect())
    })?;

    let filter = select::measurement_filter(&args.select, Timestamp::now());
    let mut output = Output::open(args.output.as_deref())?;
    write(record.as_ref(), &filter, args.format, &config.vantages, &mut output)?;
    output.finish()?;
    Ok(Exit::Good)
}

fn write(
    record: &dyn Record,
    filter: &MeasurementFilter,
    format: MeasurementsFormat,
    vantages: &[VantageConfig],
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
        MeasurementsFormat::Ooni => each(record, filter, |stored| {
            let network = network(&stored.evidence.measurement.vantage, vantages);
            measurement_ooni(&stored.evidence, &stored.verdict, network, output)
        }),
    }
}

/// The network of a vantage as it is configured; that of an imported one stands in its name.
fn network(vantage: &VantageId, vantages: &[VantageConfig]) -> ProbeNetwork {
    if let Some(known) = vantages.iter().find(|known| known.id == *vantage) {
        return ProbeNetwork { asn: known.asn.unwrap_or(0), country: known.country };
    }
    let (asn, country) = vantage.imported_network().unwrap_or((0, CountryCode::UNKNOWN));
    ProbeNetwork { asn, country }
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
