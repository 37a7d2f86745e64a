//! `[log]`: which lines the daemon writes.

use tracing_subscriber::EnvFilter;

use super::document::Fields;
use super::fault::Wrong;
use super::types::LogConfig;
use super::value::parsed;

pub(super) fn read(fields: &mut Fields<'_>) -> LogConfig {
    LogConfig { filter: fields.or("filter", String::new(), parsed(filter)) }
}

/// Reads a filter in tracing's syntax; empty: what the command line says.
fn filter(text: &str) -> Result<String, Wrong> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Wrong::new("is no filter")
            .label(error.to_string())
            .expected("for example \"warn,blockspan=info\" or \"blockspan=info,blockspan::probe=debug\"")),
    }
}
