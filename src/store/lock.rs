//! One daemon at a time: a kernel lock on `<database>.lock`, which a crash releases.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{StoreError, beside};

/// How long one who only looks at the lock may be in the way.
const GLANCE: Duration = Duration::from_millis(50);

/// Holds the database for this process until dropped.
///
/// The file stays when the lock goes: were it removed, two openers could hold locks on two files of one name.
#[derive(Debug)]
pub(super) struct DaemonLock {
    _file: File,
}

impl DaemonLock {
    /// Takes the lock that belongs to the database at `path`.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        Self::take_after(path, GLANCE)
    }

    /// The same, where one who only looks at the lock is in the way for so long.
    fn take_after(path: &Path, glance: Duration) -> Result<Self, StoreError> {
        let unusable = |error: &std::io::Error| StoreError::Location {
            path: path.to_owned(),
            problem: format!("its lock file {} cannot be used ({error})", lock_path(path).display()),
            advice: "make its directory writable or name another file with --store",
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(lock_path(path))
            .map_err(|error| unusable(&error))?;
        let mut locked = file.try_lock();
        if matches!(locked, Err(TryLockError::WouldBlock)) {
            // It may be only someone who looks whether it is held.
            std::thread::sleep(glance);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Held { path: path.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(&error)),
        }
        // The lock holds without it; a full disk must not be told as a lock that cannot be taken.
        let _ = write_pid(&mut file);
        Ok(Self { _file: file })
    }
}

/// Who holds a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The process, if it left its id.
    pub pid: Option<u32>,
}

/// Who holds the database at `path` for writing: a daemon or `rejudge`. None when nobody does.
///
/// # Errors
/// The lock file cannot be read.
pub fn holder(path: &Path) -> std::io::Result<Option<Holder>> {
    let path = super::schema::resolve(path).unwrap_or_else(|_| path.to_owned());
    let mut file = match File::open(lock_path(&path)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Let go of at once: who comes meanwhile tries twice.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(Holder { pid: read_pid(&mut file) })),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn lock_path(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it_and_may_follow() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let held = DaemonLock::take(&path).unwrap();
        let refusal = DaemonLock::take(&path).unwrap_err();
        assert_eq!(refusal, StoreError::Held { path: path.clone(), pid: Some(std::process::id()) });
        assert!(refusal.to_string().contains("a.db") && refusal.to_string().contains("process"), "{refusal}");
        drop(held);
        DaemonLock::take(&path).unwrap();
    }

    #[test]
    fn who_holds_it_is_told_without_taking_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        assert_eq!(holder(&path).unwrap(), None);
        assert!(!lock_path(&path).exists(), "looking makes no file");
        let held = DaemonLock::take(&path).unwrap();
        assert_eq!(holder(&path).unwrap(), Some(Holder { pid: Some(std::process::id()) }));
        drop(held);
        assert_eq!(holder(&path).unwrap(), None);
        let looker = File::open(lock_path(&path)).unwrap();
        looker.try_lock_shared().unwrap();
        let glance = Duration::from_secs(2);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| DaemonLock::take_after(&path, glance));
            std::thread::sleep(glance / 20);
            drop(looker);
            taken.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_longer_id_of_an_earlier_holder_leaves_no_digits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        std::fs::write(lock_path(&path), "99999999999999\n").unwrap();
        let _held = DaemonLock::take(&path).unwrap();
        let text = std::fs::read_to_string(lock_path(&path)).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }
}
