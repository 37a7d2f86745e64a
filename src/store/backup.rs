//! A consistent copy of the record, made while a daemon writes it.
//!
//! SQLite's online backup begins anew whenever another process has written between two of its steps, and would never
//! come to an end beside a busy daemon. So one read transaction is held from the first step to the last: what is copied
//! is one snapshot, and the writer goes on beside it into the write-ahead log.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::schema::{self, MIGRATIONS, Snapshot};
use super::{StoreError, beside};

/// Pages copied in one step (4 MiB): between two of them progress is told.
const STEP: i32 = 1024;
/// What SQLite and blockspan keep beside a database.
const BESIDE: [&str; 4] = ["-wal", "-shm", "-journal", ".lock"];
/// Faults of a copy that are told at most.
const MOST_FAULTS: usize = 3;

/// What has been done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupProgress {
    /// Copying.
    Copied {
        /// Bytes copied.
        bytes: u64,
        /// Bytes in all.
        of_bytes: u64,
    },
    /// The copy is whole and is being read through.
    Checking,
}

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupMade {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Measurements in it.
    pub measurements: u64,
    /// Spans in it.
    pub spans: u64,
}

/// Why no copy was made. The record is as it was, and so is the file that was there before.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] StoreError),
    /// The place of the copy is of no use.
    #[error("`{}` cannot hold the copy: {problem}; {advice}", path.display())]
    Place {
        /// Where the copy was to be.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
    /// The system or SQLite refused to write the copy.
    #[error("the copy `{}` cannot be written: {problem}; free some space there, or name a file on another disk", path.display())]
    Write {
        /// Where the copy was to be.
        path: PathBuf,
        /// What they say.
        problem: String,
    },
    /// The copy is not whole. The copy is exact: it is the record that is damaged.
    #[error(
        "the copy is not whole, because the record is damaged: {problem}; keep the backups that you have, and see `blockspan doctor`"
    )]
    Unsound {
        /// What the check says.
        problem: String,
    },
}

/// Copies the record at `from` to the file `to`, which appears whole and checked or not at all, readable by its owner
/// only. Needs no lock: a daemon may write meanwhile, and what it had committed before this began is in the copy. A
/// record of an older schema is copied as it is.
///
/// # Errors
/// There is no record, or it cannot be read; `to` is there already and not to be overwritten, is the record itself, or
/// cannot be written; the record is damaged.
pub fn back_up(
    from: &Path,
    to: &Path,
    overwrite: bool,
    report: &mut dyn FnMut(BackupProgress),
) -> Result<BackupMade, BackupError> {
    let Snapshot { connection: record, schema } = schema::open_for_copying(from, MIGRATIONS)?;
    let to = place(from, to, overwrite)?;
    let temporary = Temporary::create(&to)?;
    let made = copy(&record, from, &temporary.path, schema, report).map_err(|error| match error {
        BackupError::Write { problem, .. } => BackupError::Write { path: to.clone(), problem },
        other => other,
    })?;
    temporary.settle(&to, overwrite)?;
    Ok(BackupMade { path: to, ..made })
}

/// The place of the copy, resolved, if it may be used.
fn place(from: &Path, to: &Path, overwrite: bool) -> Result<PathBuf, BackupError> {
    let bad = |problem: String, advice| BackupError::Place { path: to.to_owned(), problem, advice };
    const ANOTHER: &str = "name another file";
    let name = to.file_name().ok_or_else(|| bad("it names no file".to_owned(), "name a file, for example copy.db"))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let parent = parent.canonicalize().map_err(|error| {
        bad(
            format!("its directory {} cannot be used ({error})", parent.display()),
            "create that directory or name another file",
        )
    })?;
    let resolved = parent.join(name);
    let found = match resolved.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return if is_of(from, &resolved) {
                Err(bad("its name belongs to the record itself".to_owned(), ANOTHER))
            } else {
                Ok(resolved)
            };
        }
        Err(error) => return Err(bad(error.to_string(), ANOTHER)),
    };
    let is_same =
        |other: &Path| other.metadata().is_ok_and(|other| (other.dev(), other.ino()) == (found.dev(), found.ino()));
    if is_same(from) || BESIDE.iter().any(|suffix| is_same(&beside(from, suffix))) {
        return Err(bad("it is the record itself, or a part of it".to_owned(), ANOTHER));
    }
    if found.is_dir() {
        return Err(bad("it is a directory".to_owned(), "name a file in it"));
    }
    if !found.is_file() {
        return Err(bad("it is not a plain file".to_owned(), ANOTHER));
    }
    if !overwrite {
        return Err(bad("it is there already".to_owned(), "name another file, or overwrite it with --force"));
    }
    // A log that is left beside it would be played into the copy when that is opened.
    if beside(&resolved, "-wal").metadata().is_ok_and(|log| log.len() > 0) {
        return Err(bad(
            "a write-ahead log (-wal) lies beside it, so it is in use or was not closed".to_owned(),
            "name another file",
        ));
    }
    Ok(resolved)
}

/// Whether `path` is where something of the record at `from` would lie.
fn is_of(from: &Path, path: &Path) -> bool {
    let Ok(from) = from.canonicalize() else { return false };
    BESIDE.iter().any(|suffix| beside(&from, suffix) == path)
}

/// Copies page by page and reads the copy through. Leaves one file that needs nothing beside it.
fn copy(
    record: &Connection,
    from: &Path,
    to: &Path,
    schema: u32,
    report: &mut dyn FnMut(BackupProgress),
) -> Result<BackupMade, BackupError> {
    let reading = |error: rusqlite::Error| StoreError::sqlite(from, "copying", &error);
    let writing = |error: rusqlite::Error| BackupError::Write { path: to.to_owned(), problem: error.to_string() };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut made = Connection::open_with_flags(to, flags).map_err(writing)?;
    // Nobody else knows of the file, and a copy that breaks off is thrown away: it is made safe once, at the end.
    made.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        .map_err(writing)?;

    let snapshot = record.unchecked_transaction().map_err(reading)?;
    let number = |sql: &str| snapshot.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(reading);
    let page = u64::try_from(number("PRAGMA page_size")?).unwrap_or(0);
    let measurements = u64::try_from(number("SELECT count(*) FROM measurement")?).unwrap_or(0);
    let spans = u64::try_from(number("SELECT count(*) FROM span")?).unwrap_or(0);
    let backup = Backup::new(&snapshot, &mut made).map_err(writing)?;
    loop {
        let step = backup.step(STEP).map_err(|error| blame(&error, from, to))?;
        let progress = backup.progress();
        let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * page;
        report(BackupProgress::Copied {
            bytes: bytes(progress.pagecount - progress.remaining),
            of_bytes: bytes(progress.pagecount),
        });
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            // Another process holds the record exclusively (a recovery, a checkpoint at its end): it is soon over.
            _ => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
    drop(backup);
    // From here on the daemon's log may be emptied again.
    drop(snapshot);
    report(BackupProgress::Checking);
    made.pragma_update(None, "journal_mode", "DELETE").map_err(writing)?;
    check(&made, schema)?;
    made.close().map_err(|(_, error)| writing(error))?;
    let bytes = to.metadata().map_or(0, |metadata| metadata.len());
    Ok(BackupMade { path: to.to_owned(), bytes, measurements, spans })
}

/// Whose fault an error of a step is.
fn blame(error: &rusqlite::Error, from: &Path, to: &Path) -> BackupError {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, SystemIoFailure};
    match error.sqlite_error_code() {
        // A read of the record fails with the same code as a write of the copy, but for the extended one.
        Some(SystemIoFailure) if is_read(error) => StoreError::sqlite(from, "copying", error).into(),
        Some(DiskFull | SystemIoFailure | CannotOpen) => {
            BackupError::Write { path: to.to_owned(), problem: error.to_string() }
        }
        _ => StoreError::sqlite(from, "copying", error).into(),
    }
}

fn is_read(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ};
    error.sqlite_error().is_some_and(|error| matches!(error.extended_code, SQLITE_IOERR_READ | SQLITE_IOERR_SHORT_READ))
}

/// Whether the copy is ours, of the schema of the record, and whole.
fn check(made: &Connection, schema: u32) -> Result<(), BackupError> {
    let unsound = |problem: String| BackupError::Unsound { problem };
    let read = || -> rusqlite::Result<(i64, i64, Vec<String>)> {
        let number = |sql: &str| made.query_row(sql, [], |row| row.get(0));
        let mut query = made.prepare("PRAGMA quick_check(3)")?;
        let said = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?, said))
    };
    let (application, version, said) = read().map_err(|error| unsound(error.to_string()))?;
    if application != i64::from(schema::APPLICATION_ID) || version != i64::from(schema) {
        return Err(unsound("it does not bear the marks of a record".to_owned()));
    }
    if said != ["ok"] {
        let said: Vec<&str> = said.iter().flat_map(|text| text.lines()).take(MOST_FAULTS).collect();
        return Err(unsound(said.join("; ")));
    }
    Ok(())
}

/// A file on its way to its name; taken away again when it does not get there.
struct Temporary {
    path: PathBuf,
    is_settled: bool,
}

impl Temporary {
    fn create(to: &Path) -> Result<Self, BackupError> {
        let mut hidden = OsString::from(".");
        hidden.push(to.file_name().unwrap_or_default());
        hidden.push(format!(".{}.tmp", std::process::id()));
        let path = to.with_file_name(hidden);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.map_err(|error| BackupError::Place {
            path: to.to_owned(),
            problem: error.to_string(),
            advice: "make its directory writable or name another file",
        })?;
        Ok(Self { path, is_settled: false })
    }

    /// Makes it safe and gives it its name.
    fn settle(mut self, to: &Path, overwrite: bool) -> Result<(), BackupError> {
        let write = |error: io::Error| BackupError::Write { path: to.to_owned(), problem: error.to_string() };
        let file = File::open(&self.path).map_err(write)?;
        // Some file systems know no modes: then there is nobody to keep out by them.
        let _unknown = file.set_permissions(fs::Permissions::from_mode(0o600));
        file.sync_all().map_err(write)?;
        if !overwrite && to.symlink_metadata().is_ok() {
            return Err(BackupError::Place {
                path: to.to_owned(),
                problem: "it has appeared meanwhile".to_owned(),
                advice: "name another file, or overwrite it with --force",
            });
        }
        fs::rename(&self.path, to).map_err(write)?;
        self.is_settled = true;
        // The name is not safe against a power cut before its directory is.
        if let Some(directory) = to.parent() {
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(write)?;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_settled {
            for path in [self.path.clone(), beside(&self.path, "-wal"), beside(&self.path, "-journal")] {
                // Nothing is left to tell it to: the command already ends with the error that brought us here.
                let _gone = fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::record;
    use super::super::{MeasurementFilter, Reader, Recorder};
    use super::*;
    use crate::model::Status;
    use std::ops::ControlFlow;

    fn quiet(_: BackupProgress) {}

    /// A record of `minutes` measurements, held open by its recorder.
    async fn recorded(path: &Path, minutes: u64) -> Recorder {
        let (recorder, _) = Recorder::open(path).unwrap();
        for minute in 0..minutes {
            recorder.record(record(0, minute, Status::Accessible)).await.unwrap();
        }
        recorder
    }

    fn count(path: &Path) -> u64 {
        let mut count = 0;
        let mut each = |_| {
            count += 1;
            ControlFlow::Continue(())
        };
        Reader::open(path).unwrap().measurements(&MeasurementFilter::default(), &mut each).unwrap();
        count
    }

    fn files(directory: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn the_copy_holds_what_is_still_in_the_log_and_stands_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("a.db"), dir.path().join("b.db"));
        let recorder = recorded(&path, 20).await;
        let mut seen = Vec::new();
        let made = back_up(&path, &copy, false, &mut |progress| seen.push(progress)).unwrap();
        assert_eq!((made.measurements, made.spans), (20, 0));
        assert_eq!(made.bytes, copy.metadata().unwrap().len());
        assert_eq!(seen.last(), Some(&BackupProgress::Checking));
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(count(&copy), 20);
        let beside = files(dir.path()).into_iter().filter(|name| name.contains("b.db")).collect::<Vec<_>>();
        assert_eq!(beside, ["b.db"], "one file, nothing beside it, also after reading it");

        // It can be gone on with.
        recorder.close().await.unwrap();
        let again = Recorder::open(&copy).unwrap().0;
        again.record(record(0, 30, Status::Accessible)).await.unwrap();
        again.close().await.unwrap();
        assert_eq!((count(&copy), count(&path)), (21, 20));
    }

    #[tokio::test]
    async fn what_must_not_be_written_over_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let recorder = recorded(&path, 2).await;
        fs::write(dir.path().join("there"), "precious").unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        std::os::unix::fs::symlink(&path, dir.path().join("link.db")).unwrap();
        fs::hard_link(&path, dir.path().join("hard.db")).unwrap();
        let before = files(dir.path());
        for (to, force, said) in [
            ("there", false, "--force"),
            ("a.db", true, "the record itself"),
            ("link.db", true, "the record itself"),
            ("hard.db", true, "the record itself"),
            ("a.db-wal", true, "the record itself"),
            ("a.db-journal", false, "the record itself"),
            ("a.db.lock", true, "the record itself"),
            ("folder", true, "it is a directory"),
            ("no/such/b.db", false, "create that directory"),
            ("..", true, "it names no file"),
        ] {
            let refusal = back_up(&path, &dir.path().join(to), force, &mut quiet).unwrap_err().to_string();
            assert!(refusal.contains(said), "{to}: {refusal}");
        }
        assert_eq!(files(dir.path()), before);
        assert_eq!(fs::read_to_string(dir.path().join("there")).unwrap(), "precious");
        back_up(&path, &dir.path().join("there"), true, &mut quiet).unwrap();
        assert_eq!(count(&dir.path().join("there")), 2);
        drop(recorder);
    }

    #[tokio::test]
    async fn a_database_that_is_in_use_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a.db"), dir.path().join("other.db"));
        let (_one, _two) = (recorded(&path, 1).await, recorded(&other, 1).await);
        let refusal = back_up(&path, &other, true, &mut quiet).unwrap_err().to_string();
        assert!(refusal.contains("-wal") && refusal.contains("name another file"), "{refusal}");
    }

    #[test]
    fn without_a_record_there_is_nothing_to_copy() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = back_up(&dir.path().join("a.db"), &dir.path().join("b.db"), false, &mut quiet).unwrap_err();
        assert!(refusal.to_string().contains("nothing has been recorded"), "{refusal}");
        assert_eq!(files(dir.path()), [] as [&str; 0]);
    }

    #[tokio::test]
    async fn a_damaged_record_makes_no_copy_that_looks_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("a.db"), dir.path().join("b.db"));
        recorded(&path, 200).await.close().await.unwrap();
        let mut bytes = fs::read(&path).unwrap();
        // The heads of the pages in the middle.
        let middle = bytes.len() / 4096 / 2;
        for page in middle..middle + 8 {
            bytes[page * 4096..page * 4096 + 64].fill(0xa5);
        }
        fs::write(&path, bytes).unwrap();
        let refusal = back_up(&path, &copy, false, &mut quiet).unwrap_err();
        assert!(refusal.to_string().contains("damaged"), "{refusal}");
        assert_eq!(files(dir.path()).iter().filter(|name| name.contains("b.db")).count(), 0);
    }

    /// Before an upgrade is when a copy is wanted most.
    #[test]
    fn an_older_record_is_copied_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("a.db"), dir.path().join("b.db"));
        drop(schema::open_for_writing(&path, &MIGRATIONS[..2]).unwrap());
        back_up(&path, &copy, false, &mut quiet).unwrap();
        let connection = Connection::open(&copy).unwrap();
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
        assert_eq!(version, Ok(2));
    }
}
