//! What can go wrong with the record, and what to do about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the record cannot be opened, written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The place is of no use: a directory, a missing parent, no permission.
    #[error("cannot keep the record in {}: {problem}; {advice}", path.display())]
    Location {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
    /// The file is something else.
    #[error(
        "{} is not a blockspan database: it is {found}; name another file with --store or `[store] url`",
        path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// Made by a later version of this program.
    #[error(
        "{} was made by a newer blockspan (schema {found}, this one knows {known}): upgrade blockspan or use another file",
        path.display()
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The latest schema that this build knows.
        known: u32,
    },
    /// Made by an earlier version; only the daemon migrates.
    #[error(
        "{} was made by an older blockspan (schema {found}, this one reads {known}): start `blockspan run` once to bring it up to date",
        path.display()
    )]
    Older {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The schema that this build reads.
        known: u32,
    },
    /// There is no record yet.
    #[error(
        "nothing has been recorded in {} yet: start `blockspan run` to begin, or name the file of the record with --store",
        path.display()
    )]
    NothingRecorded {
        /// The database file.
        path: PathBuf,
    },
    /// Another daemon has it.
    #[error(
        "{} is in use by another blockspan ({}): stop that one, or name another file with --store",
        path.display(), holder(*pid)
    )]
    Held {
        /// The database file.
        path: PathBuf,
        /// The process that holds it, if it left its id.
        pid: Option<u32>,
    },
    /// SQLite refused.
    #[error("{}: {doing} failed: {message}{}", path.display(), advice(*code))]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// SQLite's extended result code, if it is an error of SQLite itself.
        code: Option<i32>,
        /// What SQLite says.
        message: String,
    },
    /// A row does not hold what it must.
    #[error(
        "{}: {row} is damaged: {problem}; keep a copy of the file and restore from a backup, or leave that row out",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// Which row.
        row: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A record that cannot be kept; the others are not concerned.
    #[error("{}: measurement {measurement} cannot be recorded: {problem}", path.display())]
    Refused {
        /// The database file.
        path: PathBuf,
        /// The measurement's id.
        measurement: String,
        /// Why.
        problem: String,
    },
    /// The file that was opened is no longer found under its name.
    #[error(
        "{} is no longer the file that was opened: it was moved, deleted or replaced; put it back, or restart blockspan \
         to go on with what is there",
        path.display()
    )]
    Gone {
        /// The database file.
        path: PathBuf,
    },
    /// The recorder has been closed, or its thread could not be started.
    #[error("{}: the record is closed", path.display())]
    Closed {
        /// The database file.
        path: PathBuf,
    },
}

impl StoreError {
    /// An error of SQLite met while `doing` something with `path`.
    pub(super) fn sqlite(path: &Path, doing: &'static str, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error {
            rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::NotADatabase => {
                Self::NotOurs { path, found: "no SQLite database, or a damaged one".to_owned() }
            }
            rusqlite::Error::SqliteFailure(failure, text) => Self::Sqlite {
                path,
                doing,
                code: Some(failure.extended_code),
                message: text.clone().unwrap_or_else(|| failure.to_string()),
            },
            other => Self::Sqlite { path, doing, code: None, message: other.to_string() },
        }
    }

    /// SQLite's extended result code, if SQLite refused.
    pub const fn sqlite_code(&self) -> Option<i32> {
        match self {
            Self::Sqlite { code, .. } => *code,
            _ => None,
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "its process id is not known".to_owned(), |pid| format!("process {pid}"))
}

/// What to do about a result code of SQLite. The primary code is the low byte of the extended one.
fn advice(code: Option<i32>) -> &'static str {
    use rusqlite::ffi;
    match code.map(|code| code & 0xff) {
        Some(ffi::SQLITE_FULL) => "; free some space on that disk",
        Some(ffi::SQLITE_READONLY) => "; make the file and its directory writable",
        Some(ffi::SQLITE_CANTOPEN) => "; check that the directory exists and may be written to",
        Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) => "; another program holds the database: close it",
        Some(ffi::SQLITE_IOERR) => "; check the disk: is it full, failing, or mounted read-only?",
        Some(ffi::SQLITE_CORRUPT) => "; the file is damaged: keep a copy of it and restore from a backup",
        _ => "",
    }
}
