//! `demo`: plays the acts, and shows at the end what was recorded.

use std::io::Write;

use super::args::{GlobalArgs, HistoryFormat};
use super::fault::{Exit, Fault};
use super::history;
use super::look::Look;
use super::output::Output;
use crate::store::SpanFilter;

/// Runs `demo`, in a folder of its own that is removed at the end.
///
/// # Errors
/// The loopback network or the folder for temporary files cannot be used.
pub(super) fn run(global: &GlobalArgs) -> Result<Exit, Fault> {
    let folder = std::env::temp_dir().join(format!("blockspan-demo-{}", std::process::id()));
    let made = std::fs::create_dir(&folder);
    made.map_err(|error| Fault::failed(format!("`{}` cannot be made for the demo", folder.display()), error))?;
    let played = play(global, &folder);
    // Nothing of worth is left in it, and a folder for temporary files is cleaned by the system at last.
    let _left = std::fs::remove_dir_all(&folder);
    played.map(|()| Exit::Good)
}

fn play(global: &GlobalArgs, folder: &std::path::Path) -> Result<(), Fault> {
    let look = Look::detect(global.color, false);
    println!(
        "A small internet on loopback with a censor in it, for about a minute. Lines with a time are the daemon's own log."
    );
    let mut say = |words: &str| println!("\n>> {words}");
    let played = super::runtime()?.block_on(crate::demo::demo(folder, &mut say));
    let spans = played.map_err(|error| Fault::failed("the demo broke off", error))?;
    let filter = SpanFilter::default();
    let mut output = Output::open(None)?;
    writeln!(output, "\nWhat it recorded (blockspan history):\n")?;
    history::write(&spans, HistoryFormat::Table, &filter, &look, &mut output)?;
    writeln!(output, "\nAnd as a chart (blockspan history --format chart):\n")?;
    history::write(&spans, HistoryFormat::Chart, &filter, &look, &mut output)?;
    writeln!(output, "\nblog.demo was down for everyone and so was never called blocked.")?;
    output.finish()
}
