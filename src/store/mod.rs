//! The record: measurements, verdicts, detector states and spans, in one SQLite file.
//!
//! [`Recorder`] is the daemon's hand on it: one writer thread, one daemon at a time. [`Reader`] is everyone else's,
//! beside a running daemon or without one. [`Archive`] holds it still for `rejudge`, [`back_up`] copies it.

mod archive;
mod backup;
mod corrections;
mod coverage;
mod error;
mod examine;
mod filter;
mod import;
mod intern;
mod journal;
mod lock;
mod measurements;
mod pack;
mod place;
mod press;
mod prune;
mod reader;
mod recorder;
#[cfg(test)]
pub(crate) mod sample;
mod schema;
mod series;
mod silences;
mod spans;
#[cfg(test)]
mod story;
mod types;
mod write;
mod writer;

use std::path::{Path, PathBuf};

pub use archive::{Archive, ArchivedSeries, Place, Revision, Sealed, Standing, Turn, TurnKind, Unsealer};
pub use backup::{BackupError, BackupMade, BackupProgress, back_up};
pub use corrections::{Correction, CorrectionKind};
pub use coverage::Watched;
pub use error::StoreError;
pub use examine::{Examiner, Faults, Tally};
pub use import::{FileMark, Importer, SpanCounts};
pub use journal::News;
pub use lock::{Holder, holder};
pub use press::{Packed, Press, Primers};
pub use reader::Reader;
pub use recorder::{CommitHook, Recorder, Restored};
pub use types::{MeasurementFilter, Note, ProbeRecord, Refusal, SpanFilter, StoredMeasurement};

/// The file of a database's name and `suffix`, where SQLite and blockspan keep what belongs to it.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Bytes that the database at `path` takes on the disk, its write-ahead log included; 0 when there is none.
pub fn file_bytes(path: &Path) -> u64 {
    let log = beside(path, "-wal");
    [path, log.as_path()].into_iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
