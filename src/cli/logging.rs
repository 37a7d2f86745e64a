//! Log lines on standard error: a compact line for people, JSON for programs, or the journal of systemd.

use std::fmt;
use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use super::args::{GlobalArgs, LogFormat};
use super::fault::Fault;
use crate::model::Timestamp;

/// The variable that holds a filter in tracing's syntax, for example `blockspan=debug`; it goes before `-v` and `-q`.
const FILTER_VARIABLE: &str = "BLOCKSPAN_LOG";

/// The filter that is in force, to be exchanged, and what the command line says.
static FILTER: OnceLock<(reload::Handle<EnvFilter, Registry>, String)> = OnceLock::new();

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

/// How lines are written when nobody says: those of a service go to programs, unless it runs on a terminal.
fn usual(is_service: bool) -> LogFormat {
    // systemd says which stream is the journal's; the receiver sorts it out by itself.
    let has_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    match (is_service, std::io::stderr().is_terminal(), has_journal) {
        (true, false, true) => LogFormat::Journal,
        (true, false, false) => LogFormat::Json,
        _ => LogFormat::Human,
    }
}

/// Sets up logging for the whole process. Commands that only print speak up from warnings on; the daemon tells
/// what it does (`talkative`). `is_service` tells that it runs for long, and likely unwatched.
///
/// # Errors
/// The filter variable cannot be read.
pub(super) fn set_up(global: &GlobalArgs, talkative: bool, is_service: bool) -> Result<(), Fault> {
    let named = std::env::var(FILTER_VARIABLE).ok().filter(|text| !text.is_empty());
    let text = named
        .unwrap_or_else(|| default_filter(i16::from(global.verbose) - i16::from(global.quiet), talkative).to_owned());
    let filter = EnvFilter::try_new(&text).map_err(|error| {
        Fault::Usage(format!(
            "{FILTER_VARIABLE}=`{text}` is no filter ({error}); expected for example `info` or `blockspan=debug`"
        ))
    })?;
    let (filter, handle) = reload::Layer::new(filter);
    let colour = super::stderr_colour(global);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let human = |lines: tracing_subscriber::fmt::Layer<_, _, _, fn() -> std::io::Stderr>| {
        lines.with_ansi(colour).with_target(false).with_timer(Clock { whole_seconds: true }).compact().boxed()
    };
    let lines = lines.with_writer(std::io::stderr as fn() -> std::io::Stderr);
    let layer = match global.log_format.unwrap_or_else(|| usual(is_service)) {
        LogFormat::Human => human(lines),
        LogFormat::Json => lines.with_timer(Clock { whole_seconds: false }).json().flatten_event(true).boxed(),
        // Where the journal cannot be reached, lines on standard error reach it too.
        LogFormat::Journal => match tracing_journald::layer() {
            Ok(journal) => journal.boxed(),
            Err(_) => human(lines),
        },
    };
    // A second set-up in one process (tests) keeps the first.
    if tracing_subscriber::registry().with(filter).with(layer).try_init().is_ok() {
        let _first = FILTER.set((handle, text));
    }
    Ok(())
}

/// Exchanges the filter while running; an empty one is that of the command line.
///
/// # Errors
/// It is no filter.
pub(super) fn set_filter(text: &str) -> Result<(), String> {
    let Some((handle, of_start)) = FILTER.get() else { return Ok(()) };
    let text = if text.is_empty() { of_start } else { text };
    let filter = EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    handle.reload(filter).map_err(|error| error.to_string())
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
