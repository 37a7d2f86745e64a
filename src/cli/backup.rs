//! `backup`: a copy of the record, also while it is being written.

use std::io::{IsTerminal, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{BackupArgs, GlobalArgs};
use super::fault::{Exit, Fault};
use super::output::Output;
use super::rooms;
use super::words::{bytes, count};
use crate::model::printable;
use crate::store::{BackupMade, BackupProgress};

/// A copy of less than this is made before a line of progress can be read.
const WORTH_A_BAR: u64 = 32 << 20;

/// Runs `backup`.
///
/// # Errors
/// There is no record, FILE cannot be written or is not to be overwritten, or the record is damaged.
pub(super) fn run(global: &GlobalArgs, args: &BackupArgs) -> Result<Exit, Fault> {
    if args.file == Path::new("-") {
        let text = "`backup` writes to a file that it can read through again, not to standard output: name a file";
        return Err(Fault::Usage(text.to_owned()));
    }
    let config = super::load(global)?.config;
    let is_wanted = std::io::stderr().is_terminal() && global.quiet == 0;
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
    let made = rooms::back_up(&config.store.url, &args.file, args.force, &mut |progress| {
        show(&bar, is_wanted, progress);
    });
    bar.finish_and_clear();
    let made = made?;
    let mut output = Output::open(None)?;
    writeln!(output, "{}", told(&made))?;
    output.finish()?;
    Ok(Exit::Good)
}

fn show(bar: &ProgressBar, is_wanted: bool, progress: BackupProgress) {
    match progress {
        BackupProgress::Copied { bytes: done, of_bytes } => {
            if is_wanted && of_bytes >= WORTH_A_BAR && bar.is_hidden() {
                let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent} %, {bytes} of {total_bytes}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_message("copying");
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            bar.set_length(of_bytes);
            bar.set_position(done);
        }
        BackupProgress::Checking => bar.set_message("checking"),
    }
}

fn told(made: &BackupMade) -> String {
    let number = |of: u64| usize::try_from(of).unwrap_or(usize::MAX);
    format!(
        "{}: {}, {}, {}\nTo restore it: stop blockspan, put it in the place of the record, remove the -wal and -shm\n\
         files that are beside it there, start blockspan.",
        printable(&made.path.to_string_lossy()),
        bytes(made.bytes),
        count(number(made.measurements), "measurement", "measurements"),
        count(number(made.spans), "span", "spans"),
    )
}
