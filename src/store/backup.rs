//! A copy of the record, consistent while the daemon writes.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::StoreError;
use super::schema::{self, MIGRATIONS};

/// How often the progress is told.
const TOLD_EVERY: Duration = Duration::from_millis(200);

/// Copies the record at `from` to the new file `to`, as it is at one instant, packed tight. The copy gets its name when it
/// is whole, checked, and safe on the disk; only its owner may read it. `told` hears the bytes written now and then.
/// Tells the bytes of the copy.
///
/// # Errors
/// There is no record, `to` cannot be written, or the record is damaged: then no file `to` appears.
pub fn backup(from: &Path, to: &Path, told: &mut (dyn FnMut(u64) + Send)) -> Result<u64, StoreError> {
    let source = schema::open_for_reading(from, MIGRATIONS)?;
    let place = |path: &Path, error: &io::Error| StoreError::Location {
        path: path.to_owned(),
        problem: error.to_string(),
        advice: "name a file in a directory that exists, may be written to, and has room",
    };
    let temporary = temporary(to).map_err(|error| place(to, &error))?;
    let result = copy(&source, from, &temporary, told).and_then(|()| {
        let settle = || {
            File::open(&temporary)?.sync_all()?;
            std::fs::rename(&temporary, to)?;
            // The name is safe when its directory is.
            let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
            Ok(to.metadata()?.len())
        };
        settle().map_err(|error: io::Error| place(to, &error))
    });
    if result.is_err() {
        // Nobody wants half a copy; that it cannot be removed changes nothing.
        let _left = std::fs::remove_file(&temporary);
    }
    result
}

/// An empty file beside `to` that only its owner may read.
fn temporary(to: &Path) -> io::Result<PathBuf> {
    let name = to.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    let path = to.with_file_name(hidden);
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(path)
}

fn copy(
    source: &rusqlite::Connection,
    from: &Path,
    temporary: &Path,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<(), StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(from, "copying the record", &error);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                told(temporary.metadata().map_or(0, |metadata| metadata.len()));
                std::thread::park_timeout(TOLD_EVERY);
            }
        });
        let copied = source.execute("VACUUM INTO ?1", [temporary.to_string_lossy()]).map(drop);
        done.store(true, Ordering::Relaxed);
        watching.thread().unpark();
        copied
    })
    .map_err(sqlite)?;
    // A copy that nobody has looked at is a hope.
    let copy = schema::open_for_reading(temporary, MIGRATIONS)?;
    let check: String = copy
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| StoreError::sqlite(temporary, "checking the copy", &error))?;
    if check == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged { path: from.to_owned(), row: "the copy of it".to_owned(), problem: check })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::record;
    use super::super::{MeasurementFilter, Reader, Recorder};
    use super::*;
    use crate::model::Status;

    fn count(path: &Path) -> usize {
        let mut count = 0;
        let reader = Reader::open(path).unwrap();
        reader
            .measurements(&MeasurementFilter::default(), &mut |_| {
                count += 1;
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        count
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_copy_made_while_records_come_holds_what_was_acknowledged_before() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a.db"), dir.path().join("copy.db"));
        let (recorder, _) = Recorder::open(&from).unwrap();
        for minute in 0..200 {
            recorder.record(record(minute as usize % 5, minute, Status::Accessible)).await.unwrap();
        }
        let writing = tokio::spawn({
            let recorder = recorder.clone();
            async move {
                for minute in 200..400 {
                    recorder.record(record(minute as usize % 5, minute, Status::Accessible)).await.unwrap();
                }
            }
        });
        let bytes = tokio::task::block_in_place(|| backup(&from, &to, &mut |_| {})).unwrap();
        writing.await.unwrap();
        assert!((200..=400).contains(&count(&to)));
        assert_eq!(bytes, to.metadata().unwrap().len());
        assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(dir.path())
                .unwrap()
                .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
                .count(),
            0
        );
        recorder.close().await.unwrap();
        // What was copied can be gone on with.
        let (recorder, restored) = Recorder::open(&to).unwrap();
        assert_eq!(restored.len(), 5);
        recorder.close().await.unwrap();
    }

    #[test]
    fn without_a_record_or_a_place_nothing_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("copy.db");
        let refusal = backup(&dir.path().join("none.db"), &to, &mut |_| {}).unwrap_err();
        assert!(matches!(refusal, StoreError::NothingRecorded { .. }), "{refusal}");
        assert!(!to.exists());
    }
}
