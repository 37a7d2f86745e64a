//! The files that the record is in, and the disk that they are on.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::{Area, Check, Draft};
use crate::model::size_in_words;
use crate::store::{Tally, beside};

/// Less free space than this is told however slowly the record grows.
const LEAST_FREE: u64 = 1 << 30;
/// Less than this is soon used up.
const NONE_FREE: u64 = 64 << 20;
/// The write-ahead log of a record that is written in order stays well below this.
const LONG_LOG: u64 = 64 << 20;
/// Growth is looked at over this time.
pub(super) const WEEK_SECONDS: u64 = 7 * 24 * 3600;

/// What is found of the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaceFacts {
    /// The database file.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// Whether its directory is.
    pub directory_exists: bool,
    /// Whether this user may make files in the directory.
    pub directory_writable: bool,
    /// Whether this user may write the file; true when it is not there.
    pub writable: bool,
    /// Those of the database and what lies beside it that others than the owner may read.
    pub loose: Vec<PathBuf>,
    /// Bytes of the database, without its log.
    pub bytes: u64,
    /// Bytes of the write-ahead log.
    pub log_bytes: u64,
    /// Bytes that this user may still write to the disk. None when it is not known.
    pub free_bytes: Option<u64>,
}

/// Looks at the files of the database at `path`.
pub fn look_at_place(path: &Path) -> PlaceFacts {
    // What is told names the file as the user does: its whole path may tell more than is to be handed on.
    let shown = path.to_owned();
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let size = |path: &Path| path.metadata().map_or(0, |found| found.len());
    let loose = ["", "-wal", "-shm"].into_iter().filter(|suffix| grants(&beside(&path, suffix), OTHERS));
    let free = statvfs(directory).ok();
    PlaceFacts {
        exists: path.exists(),
        directory_exists: directory.is_dir(),
        directory_writable: access(directory, AccessFlags::W_OK | AccessFlags::X_OK).is_ok(),
        writable: !path.exists() || access(&path, AccessFlags::W_OK).is_ok(),
        loose: loose.map(|suffix| beside(&shown, suffix)).collect(),
        bytes: size(&path),
        log_bytes: size(&beside(&path, "-wal")),
        free_bytes: free.map(|free| free.blocks_available().saturating_mul(free.fragment_size())),
        path: shown,
    }
}

/// What others than a file's owner may do with it, its group among them (chmod(1)).
const OTHERS: u32 = 0o077;
/// What everyone may do, who is neither its owner nor of its group.
pub(super) const EVERYONE: u32 = 0o007;

/// Whether a file that is there grants any of these rights.
pub(super) fn grants(path: &Path, rights: u32) -> bool {
    path.metadata().is_ok_and(|found| found.permissions().mode() & rights != 0)
}

/// The checks of the files. `tally` is how the measurements of the last week are spread, when that could be read, and
/// `age_seconds` the time since the oldest of them.
pub fn on_place(facts: &PlaceFacts, tally: Option<&Tally>, age_seconds: Option<u64>) -> Vec<Check> {
    let shown = facts.path.to_string_lossy();
    let files = Draft::of(Area::Database, "files");
    let mut checks = Vec::new();
    if !facts.directory_exists {
        checks.push(files.failed(
            format!("the directory of {shown} is not there"),
            "create it, or name another place with --store or `[store] url`",
        ));
        return checks;
    }
    if !facts.directory_writable || !facts.writable {
        checks.push(files.failed(
            format!("{shown} or its directory may not be written by this user"),
            "give both to the user that runs the daemon, or run `blockspan doctor` as that user",
        ));
    } else if facts.loose.is_empty() {
        checks.push(files.ok(format!("{shown}, {}", size_in_words(facts.bytes))));
    } else {
        let names: Vec<String> = facts.loose.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        checks.push(files.warning(
            format!("others on this machine can read what was measured when: {}", names.join(", ")),
            format!("chmod 600 {}", names.join(" ")),
        ));
    }
    if facts.exists {
        let log = Draft::of(Area::Database, "log");
        checks.push(if facts.log_bytes < LONG_LOG {
            log.ok(format!("the write-ahead log takes {}", size_in_words(facts.log_bytes)))
        } else {
            log.warning(
                format!("the write-ahead log has grown to {}", size_in_words(facts.log_bytes)),
                "end the program that reads the record all the time; the log is emptied when nobody does",
            )
        });
    }
    checks.push(on_space(facts, tally, age_seconds));
    checks
}

fn on_space(facts: &PlaceFacts, tally: Option<&Tally>, age_seconds: Option<u64>) -> Check {
    let space = Draft::of(Area::Database, "space");
    let Some(free) = facts.free_bytes else { return space.skipped("the free space of the disk is not known here") };
    let week = tally.map_or(0, |tally| week_of_growth(facts.bytes, tally, age_seconds));
    let growth = if week > 0 { format!("; the record grows by {} a week", size_in_words(week)) } else { String::new() };
    let found = format!("{} free{growth}", size_in_words(free));
    let advice = "free some space, or keep measurements for a shorter time (`[store] keep_measurements`)";
    if free < NONE_FREE {
        space.failed(found, advice)
    } else if free < week.max(LEAST_FREE) {
        space.warning(found, advice)
    } else {
        space.ok(found)
    }
}

/// Bytes by which the record grows in a week at its present rate.
fn week_of_growth(bytes: u64, tally: &Tally, age_seconds: Option<u64>) -> u64 {
    let (Some(age), true) = (age_seconds, tally.measurements > 0) else { return 0 };
    // A record younger than an hour tells nothing of a week.
    if age < 3600 {
        return 0;
    }
    let of_recent = bytes as f64 * tally.recent as f64 / tally.measurements as f64;
    (of_recent * WEEK_SECONDS as f64 / age.min(WEEK_SECONDS) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn good() -> PlaceFacts {
        PlaceFacts {
            path: "a.db".into(),
            exists: true,
            directory_exists: true,
            directory_writable: true,
            writable: true,
            loose: Vec::new(),
            bytes: 100_000_000,
            log_bytes: 4096,
            free_bytes: Some(10 << 30),
        }
    }

    fn state(facts: &PlaceFacts, tally: Option<&Tally>, name: &str) -> State {
        on_place(facts, tally, Some(WEEK_SECONDS)).iter().find(|check| check.check == name).unwrap().state
    }

    #[test]
    fn each_fault_of_the_place_is_told_with_what_to_do() {
        let busy = Tally { measurements: 100, recent: 100, ..Tally::default() };
        let huge = PlaceFacts { bytes: 20 << 30, ..good() };
        for (facts, tally, name, wanted) in [
            (good(), None, "files", State::Ok),
            (good(), None, "log", State::Ok),
            (good(), Some(&busy), "space", State::Ok),
            (PlaceFacts { directory_exists: false, ..good() }, None, "files", State::Failed),
            (PlaceFacts { directory_writable: false, ..good() }, None, "files", State::Failed),
            (PlaceFacts { writable: false, ..good() }, None, "files", State::Failed),
            (PlaceFacts { loose: vec!["a.db".into()], ..good() }, None, "files", State::Warning),
            (PlaceFacts { log_bytes: 1 << 30, ..good() }, None, "log", State::Warning),
            (PlaceFacts { free_bytes: Some(1 << 20), ..good() }, None, "space", State::Failed),
            (PlaceFacts { free_bytes: Some(900 << 20), ..good() }, None, "space", State::Warning),
            (PlaceFacts { free_bytes: None, ..good() }, None, "space", State::Skipped),
            (huge.clone(), Some(&busy), "space", State::Warning),
            (huge, None, "space", State::Ok),
        ] {
            assert_eq!(state(&facts, tally, name), wanted, "{name}: {facts:?}");
            for check in on_place(&facts, tally, Some(WEEK_SECONDS)) {
                let is_told = matches!(check.state, State::Ok | State::Skipped) == check.advice.is_none();
                assert!(is_told, "{check:?}");
            }
        }
    }

    #[test]
    fn growth_is_that_of_a_week() {
        let tally = Tally { measurements: 1000, recent: 100, ..Tally::default() };
        assert_eq!(week_of_growth(1_000_000, &tally, Some(10 * WEEK_SECONDS)), 100_000);
        let young = Tally { measurements: 100, recent: 100, ..Tally::default() };
        assert_eq!(week_of_growth(1_000_000, &young, Some(WEEK_SECONDS / 7)), 7_000_000);
        assert_eq!(week_of_growth(1_000_000, &young, Some(60)), 0);
        assert_eq!(week_of_growth(1_000_000, &Tally::default(), None), 0);
    }

    #[test]
    fn the_place_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        std::fs::write(&path, "0123456789").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let facts = look_at_place(&path);
        assert!(facts.exists && facts.writable && facts.directory_writable && facts.free_bytes.is_some());
        assert_eq!((facts.bytes, facts.loose), (10, vec![path.clone()]));
        assert!(!look_at_place(&dir.path().join("no/such/a.db")).directory_exists);
    }
}
