//! Log lines on standard error: a compact line for people, or JSON.

use std::fmt;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use super::args::{GlobalArgs, LogFormat};
use super::fault::Fault;
use crate::model::Timestamp;

/// The variable that holds a filter in tracing's syntax, for example `blockspan=debug`; it goes before `-v` and `-q`.
const FILTER_VARIABLE: &str = "BLOCKSPAN_LOG";

/// The wall clock in UTC, to the second for people and to the millisecond for programs.
struct Clock {
    whole_seconds: bool,
}

impl FormatTime for Clock {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let now = Timestamp::now();
        if self.whole_seconds { write!(w, "{:.0}", now.to_jiff()) } else { write!(w, "{now}") }
    }
}

/// Sets up logging for the whole process. Commands that only print speak up from warnings on; the daemon tells
/// what it does (`talkative`).
///
/// # Errors
/// The filter variable cannot be read.
pub(super) fn set_up(global: &GlobalArgs, talkative: bool) -> Result<(), Fault> {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text).map_err(|error| {
            Fault::Usage(format!(
                "{FILTER_VARIABLE}=`{text}` is no filter ({error}); expected for example `info` or `blockspan=debug`"
            ))
        })?,
        _ => EnvFilter::new(default_filter(i16::from(global.verbose) - i16::from(global.quiet), talkative)),
    };
    let colour = super::stderr_colour(global);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second set-up in one process (tests) keeps the first.
    let _already = match global.log_format {
        LogFormat::Human => {
            lines.with_ansi(colour).with_target(false).with_timer(Clock { whole_seconds: true }).compact().try_init()
        }
        LogFormat::Json => lines.with_timer(Clock { whole_seconds: false }).json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// The filter for `-v` (positive) and `-q` (negative): other crates stay one level quieter than ours.
fn default_filter(louder: i16, talkative: bool) -> &'static str {
    match louder + i16::from(talkative) {
        i16::MIN..=-1 => "error",
        0 => "warn",
        1 => "warn,blockspan=info",
        2 => "info,blockspan=debug",
        _ => "debug,blockspan=trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_changes_the_level_and_reads_as_a_filter() {
        assert_eq!(default_filter(0, true), "warn,blockspan=info");
        assert_eq!(default_filter(0, false), "warn");
        assert_eq!(default_filter(-1, true), "warn");
        assert_eq!(default_filter(-9, true), "error");
        assert_eq!(default_filter(1, true), "info,blockspan=debug");
        for louder in -3..5 {
            assert!(EnvFilter::try_new(default_filter(louder, true)).is_ok());
        }
    }
}
