//! `backup`: a consistent copy of the record.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{BackupArgs, GlobalArgs};
use super::fault::{Exit, Fault};
use crate::config::StoreUrl;
use crate::store::{backup, file_bytes};

/// Runs `backup`.
///
/// # Errors
/// There is no record, the file is there already, or it cannot be written.
pub(super) fn run(global: &GlobalArgs, args: &BackupArgs) -> Result<Exit, Fault> {
    let config = super::load(global)?.config;
    let StoreUrl::Sqlite(from) = &config.store.url;
    let to = &args.file;
    let same =
        |other: &std::path::Path| from.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(a, b)| a == b);
    if same(to) {
        return Err(Fault::Usage(format!("`{}` is the record itself: name another file for the copy", to.display())));
    }
    if to.exists() && !args.force {
        let why = format!("`{}` is there already: name a new file, or replace it with --force", to.display());
        return Err(Fault::Usage(why));
    }
    if to.is_dir() {
        return Err(Fault::Usage(format!("`{}` is a directory: name a file in it", to.display())));
    }
    let bar = std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::new(file_bytes(from));
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {bytes} of about {total_bytes}") {
            bar.set_style(style);
        }
        bar
    });
    let copied = backup(from, to, &mut |bytes| {
        if let Some(bar) = &bar {
            bar.set_position(bytes);
        }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let bytes = copied.map_err(|error| Fault::failed("no copy was made", error))?;
    eprintln!(
        "{}: {:.1} MiB, checked. To restore it: stop the daemon, put the copy in the place of {} and remove {}-wal and {}-shm",
        to.display(),
        bytes as f64 / f64::from(1 << 20),
        from.display(),
        from.display(),
        from.display()
    );
    Ok(Exit::Good)
}
