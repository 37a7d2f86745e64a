//! Which file is ours, in which schema, and how it is brought up to date.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, beside};

/// Marks a SQLite file as ours (`PRAGMA application_id`): "bspn" in ASCII.
pub(super) const APPLICATION_ID: i32 = 0x6273_706e;

/// The schema's history, oldest first: entry n leads from schema n to n + 1.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001-record.sql"),
    include_str!("migrations/0002-rejudge.sql"),
    include_str!("migrations/0003-silence.sql"),
    include_str!("migrations/0004-import.sql"),
    include_str!("migrations/0005-webhook.sql"),
];

/// What a file turned out to be.
enum Found {
    Empty,
    Ours { schema: u32 },
}

/// Opens the database for writing, creating and migrating it as needed. The daemon's lock must be held.
pub(super) fn open_for_writing(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    if !refuse_non_sqlite(path)? {
        for_its_owner(path)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|e| StoreError::sqlite(path, "opening", &e))?;
    // SQLite opens what may not be written for reading, and says so only when something is written.
    if connection.is_readonly("main").map_err(|e| StoreError::sqlite(path, "opening", &e))? {
        return Err(StoreError::Location {
            path: path.to_owned(),
            problem: "it may only be read".to_owned(),
            advice: "make the file and its directory writable, or name another file with --store",
        });
    }
    let known = version_of(migrations);
    let schema = match identify(&connection, path)? {
        Found::Empty => 0,
        Found::Ours { schema } if schema > known => {
            return Err(StoreError::Newer { path: path.to_owned(), found: schema, known });
        }
        Found::Ours { schema } => schema,
    };
    prepare(&connection).map_err(|e| StoreError::sqlite(path, "opening for writing", &e))?;
    migrate(&mut connection, schema, migrations).map_err(|e| StoreError::sqlite(path, "migrating the schema", &e))?;
    Ok(connection)
}

/// Makes the file so that only its owner may read it: what is measured from where can put people at risk. SQLite gives the
/// same permissions to the files beside it. A file that is there keeps its own.
fn for_its_owner(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|error| StoreError::Location {
        path: path.to_owned(),
        problem: error.to_string(),
        advice: "make the file and its directory writable or name another file with --store",
    })
}

/// Refuses a place where nothing has been recorded.
pub(super) fn must_be_there(path: &Path) -> Result<(), StoreError> {
    if refuse_non_sqlite(path)? { Ok(()) } else { Err(StoreError::NothingRecorded { path: path.to_owned() }) }
}

/// Opens the database for reading, beside a running daemon or without one.
pub(super) fn open_for_reading(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    let Snapshot { connection, schema } = open_for_copying(path, migrations)?;
    let known = version_of(migrations);
    if schema < known {
        return Err(StoreError::Older { path: path.to_owned(), found: schema, known });
    }
    Ok(connection)
}

/// A database opened for reading, of this schema or an older one.
pub(super) struct Snapshot {
    pub(super) connection: Connection,
    pub(super) schema: u32,
}

/// Opens the database for reading as [`open_for_reading`] does, but an older one too.
pub(super) fn open_for_copying(path: &Path, migrations: &[&str]) -> Result<Snapshot, StoreError> {
    let nothing = || StoreError::NothingRecorded { path: path.to_owned() };
    if !refuse_non_sqlite(path)? {
        return Err(nothing());
    }
    let (connection, found) = match identified_for_reading(path, false) {
        Err(refusal) if cannot_open(&refusal) && !has_log(path) => {
            // Beside a log SQLite must write even to read. On a read-only medium nobody writes, and there is no log.
            identified_for_reading(path, true).map_err(|_| refusal)?
        }
        other => other?,
    };
    let known = version_of(migrations);
    match found {
        Found::Empty => Err(nothing()),
        Found::Ours { schema } if schema > known => {
            Err(StoreError::Newer { path: path.to_owned(), found: schema, known })
        }
        Found::Ours { schema } => Ok(Snapshot { connection, schema }),
    }
}

/// Opens and identifies it; `immutable` takes it for a file that nobody can change.
fn identified_for_reading(path: &Path, immutable: bool) -> Result<(Connection, Found), StoreError> {
    let reading = |e: rusqlite::Error| StoreError::sqlite(path, "opening for reading", &e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match path.canonicalize().ok().and_then(|real| url::Url::from_file_path(real).ok()) {
        Some(url) if immutable => {
            Connection::open_with_flags(format!("{url}?immutable=1"), flags | OpenFlags::SQLITE_OPEN_URI)
        }
        _ => Connection::open_with_flags(path, flags),
    };
    let connection = connection.map_err(reading)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(reading)?;
    let found = identify(&connection, path)?;
    Ok((connection, found))
}

fn cannot_open(refusal: &StoreError) -> bool {
    refusal.sqlite_code().is_some_and(|code| code & 0xff == rusqlite::ffi::SQLITE_CANTOPEN)
}

/// Whether there are commits that have not yet been moved into the database.
fn has_log(path: &Path) -> bool {
    std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// The true place of the file, so that two names of one file share one lock.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let problem = |problem: String, advice| StoreError::Location { path: path.to_owned(), problem, advice };
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let name = path.file_name().ok_or_else(|| {
        problem("it names no file".to_owned(), "name a file, for example --store sqlite://blockspan.db")
    })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let parent = parent.canonicalize().map_err(|error| {
        problem(
            format!("its directory {} cannot be used ({error})", parent.display()),
            "create that directory or name another file with --store",
        )
    })?;
    Ok(parent.join(name))
}

/// Refuses what cannot be a database before SQLite touches it. Tells whether there is a file with content.
fn refuse_non_sqlite(path: &Path) -> Result<bool, StoreError> {
    let location = |problem: String| StoreError::Location {
        path: path.to_owned(),
        problem,
        advice: "check its permissions or name another file with --store",
    };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(location(error.to_string())),
    };
    if metadata.is_dir() {
        return Err(StoreError::Location {
            path: path.to_owned(),
            problem: "it is a directory".to_owned(),
            advice: "name a file, for example --store sqlite://blockspan.db",
        });
    }
    if !metadata.is_file() {
        return Err(location("it is not a plain file".to_owned()));
    }
    let mut head = [0; 16];
    let mut file = std::fs::File::open(path).map_err(|error| location(error.to_string()))?;
    match file.read_exact(&mut head) {
        Ok(()) if head == *b"SQLite format 3\0" => Ok(true),
        Err(_) if metadata.len() == 0 => Ok(false),
        _ => Err(StoreError::NotOurs { path: path.to_owned(), found: "not an SQLite file".to_owned() }),
    }
}

fn identify(connection: &Connection, path: &Path) -> Result<Found, StoreError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || {
        Ok((
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
            number("SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    let (application, schema, tables) = read().map_err(|e| StoreError::sqlite(path, "reading the header", &e))?;
    let schema = u32::try_from(schema).unwrap_or(u32::MAX);
    if application == i64::from(APPLICATION_ID) {
        Ok(Found::Ours { schema })
    } else if application == 0 && tables == 0 {
        Ok(Found::Empty)
    } else {
        Err(StoreError::NotOurs { path: path.to_owned(), found: "the SQLite database of another program".to_owned() })
    }
}

fn version_of(migrations: &[&str]) -> u32 {
    u32::try_from(migrations.len()).unwrap_or(u32::MAX)
}

/// WAL keeps readers and the writer out of each other's way. With `synchronous = NORMAL` a commit survives a crash
/// of the process; after a power cut the last commits may be missing, never half there.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    // The process may write nowhere but beside the record.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(())
}

/// Each step in a transaction of its own, together with the number that says that it was done.
fn migrate(connection: &mut Connection, from: u32, migrations: &[&str]) -> rusqlite::Result<()> {
    for (number, sql) in (1u32..).zip(migrations).skip(from as usize) {
        let step = connection.transaction()?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", number)?;
        step.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_record_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let connection = open_for_writing(&path, MIGRATIONS).unwrap();
        let _lock = crate::store::lock::DaemonLock::take(&path).unwrap();
        one_series(&connection);
        for name in ["a.db", "a.db-wal", "a.db-shm", "a.db.lock"] {
            let mode = dir.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    const SECOND: &str = "ALTER TABLE series ADD COLUMN note TEXT NOT NULL DEFAULT 'none';";

    fn one_series(connection: &Connection) {
        connection
            .execute(
                "INSERT INTO series (id, site, url, vantage, status, state, updated) \
                 VALUES (1, 'a', 'https://a.example/', 'v', 'accessible', '{}', 7)",
                [],
            )
            .unwrap();
    }

    #[test]
    fn an_older_file_is_brought_up_to_date_with_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        one_series(&open_for_writing(&path, MIGRATIONS).unwrap());
        let newer = [MIGRATIONS, &[SECOND]].concat();
        let (old, new) = (version_of(MIGRATIONS), version_of(&newer));
        let refusal = open_for_reading(&path, &newer).unwrap_err();
        assert_eq!(refusal, StoreError::Older { path: path.clone(), found: old, known: new });

        let connection = open_for_writing(&path, &newer).unwrap();
        let row = connection.query_row("SELECT url || ' ' || note FROM series", [], |row| row.get::<_, String>(0));
        assert_eq!(row.unwrap(), "https://a.example/ none");
        drop(connection);
        open_for_writing(&path, &newer).unwrap();
        open_for_reading(&path, &newer).unwrap();
    }

    #[test]
    fn the_journal_of_the_first_schema_comes_along() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let first = open_for_writing(&path, &MIGRATIONS[..1]).unwrap();
        first
            .execute_batch(
                "INSERT INTO span (id, site, source, status, ended, ongoing, measurements) \
                   VALUES (zeroblob(16), 'a', 'measured', 'blocked', 0, 1, 3); \
                 INSERT INTO span_event VALUES (7, zeroblob(16), 'opened', 5, zeroblob(16), 'tls.timeout');",
            )
            .unwrap();
        drop(first);
        let connection = open_for_writing(&path, MIGRATIONS).unwrap();
        let row = connection.query_row("SELECT seq || kind || at || mechanism FROM span_event", [], |row| row.get(0));
        assert_eq!(row, Ok("7opened5tls.timeout".to_owned()));
        let wrong = "INSERT INTO span_event (span, kind, at) VALUES (zeroblob(16), 'withdrawn', 5)";
        connection.execute(wrong, []).unwrap_err();
    }

    #[test]
    fn a_step_that_fails_leaves_the_schema_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let broken = [MIGRATIONS, &["CREATE TABLE half (a INTEGER); SELECT * FROM missing;"]].concat();
        open_for_writing(&path, &broken).unwrap_err();
        let connection = open_for_writing(&path, MIGRATIONS).unwrap();
        assert!(connection.query_row("SELECT count(*) FROM half", [], |_| Ok(())).is_err());
    }

    #[test]
    fn a_newer_schema_is_refused_by_both() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        open_for_writing(&path, &[MIGRATIONS, &[SECOND]].concat()).unwrap();
        for refusal in [open_for_writing(&path, MIGRATIONS), open_for_reading(&path, MIGRATIONS)] {
            let refusal = refusal.unwrap_err();
            let known = version_of(MIGRATIONS);
            assert_eq!(refusal, StoreError::Newer { path: path.clone(), found: known + 1, known });
            let said = format!("schema {}, this one knows {known}", known + 1);
            assert!(refusal.to_string().contains(&said), "{refusal}");
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("letter.txt");
        std::fs::write(&text, "Dear editor, this is no database.\n").unwrap();
        let short = dir.path().join("short");
        std::fs::write(&short, "hi").unwrap();
        let foreign = dir.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE cookies (a)").unwrap();
        let marked = dir.path().join("marked.db");
        Connection::open(&marked).unwrap().execute_batch("PRAGMA application_id = 5; PRAGMA user_version = 1").unwrap();
        let torn = dir.path().join("torn.db");
        std::fs::write(&torn, [&b"SQLite format 3\0"[..], &[0xff; 4080]].concat()).unwrap();
        for path in [&text, &short, &foreign, &marked, &torn] {
            let before = std::fs::read(path).unwrap();
            for refusal in [open_for_writing(path, MIGRATIONS), open_for_reading(path, MIGRATIONS)] {
                let refusal = refusal.unwrap_err();
                assert!(matches!(refusal, StoreError::NotOurs { .. }), "{refusal}");
            }
            assert_eq!(std::fs::read(path).unwrap(), before, "{}", path.display());
        }
    }

    #[test]
    fn places_that_cannot_hold_a_file_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = open_for_writing(dir.path(), MIGRATIONS).unwrap_err();
        assert!(refusal.to_string().contains("it is a directory"), "{refusal}");
        let refusal = resolve(&dir.path().join("missing/a.db")).unwrap_err();
        assert!(refusal.to_string().contains("create that directory"), "{refusal}");
        let refusal = resolve(Path::new("..")).and_then(|path| open_for_writing(&path, MIGRATIONS)).unwrap_err();
        assert!(matches!(refusal, StoreError::Location { .. }), "{refusal}");
    }

    #[test]
    fn a_reader_before_the_first_record_is_told_how_to_begin() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        for _ in 0..2 {
            let refusal = open_for_reading(&path, MIGRATIONS).unwrap_err();
            assert_eq!(refusal, StoreError::NothingRecorded { path: path.clone() });
            assert!(refusal.to_string().contains("blockspan run"), "{refusal}");
            std::fs::write(&path, "").unwrap();
        }
    }
}
