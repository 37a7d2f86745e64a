//! `check`: one measurement now, drawn layer by layer as a person would explain it.

mod dns;
mod draw;
mod experiments;
mod others;
mod pace;
mod sketch;
mod transport;

use std::io::Write;
use std::sync::Arc;

use url::Url;

use super::args::{CheckArgs, GlobalArgs, TellFormat};
use super::fault::{Exit, Fault};
use super::look::Look;
use super::output::Output;
use super::{rooms, select, words};
use crate::export::{measurement_json, measurement_with_networks_json};
use crate::knowledge::Networks;
use crate::model::{Evidence, SeriesKey, SiteId, VantageId, Verdict};

/// Runs `check`.
///
/// # Errors
/// A target or a vantage is unknown, the configuration is wrong, or measuring could not begin.
pub(super) fn run(global: &GlobalArgs, args: &CheckArgs) -> Result<Exit, Fault> {
    let crate::config::Loaded { config, files, .. } = rooms::load_to_measure(
        global,
        args.what.iter().all(|word| select::is_url(word)),
        super::stderr_colour(global),
    )?;
    let targets = select::targets(&config, &args.what)?;
    let vantages = select::vantages(&config, &args.vantage)?;
    if vantages.is_empty() {
        return Err(Fault::Usage("the configuration names no vantage to measure from".to_owned()));
    }
    let look = Look::detect(global.color, false);
    if look.terminal {
        eprintln!(
            "measuring {} from {}, at most {} each …",
            words::count(targets.len(), "URL", "URLs"),
            words::count(vantages.len(), "vantage", "vantages"),
            words::length(config.probe.url_timeout),
        );
    }

    let networks = Arc::clone(&config.network.networks);
    let wanted = wanted(&targets, &vantages);
    let mut statuses = Vec::new();
    let mut written = Ok(());
    rooms::give_up_rights(&files, &config.store.url, false);
    rooms::measure(config, wanted, &mut |evidence, verdict| {
        statuses.push(verdict.status);
        if written.is_ok() {
            written = tell(args.format, &look, &evidence, &verdict, &networks);
        }
    })?;
    written?;
    Ok(Exit::of_statuses(statuses))
}

/// Every URL from every vantage.
fn wanted(targets: &[(SiteId, Url)], vantages: &[VantageId]) -> Vec<SeriesKey> {
    let series = targets.iter().flat_map(|(site, url)| {
        vantages.iter().map(|vantage| SeriesKey { site: site.clone(), url: url.clone(), vantage: vantage.clone() })
    });
    series.collect()
}

/// Writes one result at once: the next one may take half a minute.
fn tell(
    format: TellFormat,
    look: &Look,
    evidence: &Evidence,
    verdict: &Verdict,
    networks: &Networks,
) -> Result<(), Fault> {
    let mut output = Output::open(None)?;
    match format {
        TellFormat::Json if networks.is_empty() => measurement_json(evidence, verdict, &mut output)?,
        TellFormat::Json => measurement_with_networks_json(evidence, verdict, networks, &mut output)?,
        TellFormat::Human => output.write_all(draw::measurement(evidence, verdict, look, networks).as_bytes())?,
    }
    output.finish()
}
