//! `config check`: whether targets and configuration can be used.

use std::io::Write;

use super::args::GlobalArgs;
use super::fault::{Exit, Fault};
use super::output::Output;
use super::words::count;
use crate::config::{Config, KnownFile, Role};
use crate::model::printable;

/// Runs `config check`.
///
/// # Errors
/// All faults of the files at once.
pub(super) fn run(global: &GlobalArgs) -> Result<Exit, Fault> {
    let loaded = super::load(global)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {}", warning.lines().map(printable).collect::<Vec<_>>().join("\n  "));
    }
    let mut output = Output::open(None)?;
    writeln!(output, "configuration is good: {}", summary(&loaded.config))?;
    let Config { fingerprints, network, .. } = &loaded.config;
    for file in &loaded.files {
        let known = fingerprints.files.iter().chain(&network.asn_files).find(|known| known.path == *file);
        let holds = known.map(holds).unwrap_or_default();
        writeln!(output, "  read {}{holds}", printable(&file.to_string_lossy()))?;
    }
    writeln!(output, "  {} known", count(fingerprints.known.len(), "fingerprint", "fingerprints"))?;
    output.finish()?;
    Ok(Exit::Good)
}

/// What a list or table holds.
fn holds(file: &KnownFile) -> String {
    let entries = file.entries.map(|entries| format!(", {}", count(entries, "entry", "entries"))).unwrap_or_default();
    let skipped = match file.skipped {
        0 => String::new(),
        lines => format!(", {} left out", count(lines, "line", "lines")),
    };
    format!(": {}{entries}{skipped}", file.format)
}

pub(super) fn summary(config: &Config) -> String {
    let urls = config.sites.iter().map(|site| site.urls.len()).sum();
    let of = |role| config.vantages.iter().filter(|vantage| vantage.role == role).count();
    let controls = of(Role::Control) + config.control.helpers.len() + usize::from(!config.control.resolvers.is_empty());
    [
        count(config.sites.len(), "site", "sites"),
        count(urls, "URL", "URLs"),
        count(of(Role::Probe), "vantage", "vantages"),
        count(controls, "control", "controls"),
        count(config.canaries.len(), "canary", "canaries"),
    ]
    .join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn what_there_is_is_counted() {
        assert_eq!(summary(&fixtures::config()), "2 sites, 3 URLs, 1 vantage, 1 control, 0 canaries");
    }
}
