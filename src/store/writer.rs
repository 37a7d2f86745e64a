//! The writer thread: the only one that writes to the database.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::lock::DaemonLock;
use super::prune::{self, Cursor, Slice};
use super::write::Scribe;
use super::{CommitHook, Note, ProbeRecord, StoreError, silences};
use crate::model::Timestamp;

/// Where an answer goes. The asker may have gone away; that is no concern of the writer.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the thread is asked to do, in order.
#[derive(Debug)]
pub(super) enum Command {
    Record(Box<ProbeRecord>, Reply<()>),
    Prune { older_than: Timestamp, from: Cursor, reply: Reply<Slice> },
    Note(Box<Note>, Reply<()>),
    Flush(Reply<()>),
    Close(Reply<()>),
}

/// Records in one transaction at most.
const BATCH: usize = 500;

/// Time that a transaction gathers records at most; it ends sooner when none is waiting.
const GATHER: Duration = Duration::from_millis(100);

/// The state of the thread. Fields are dropped in order: the connection closes before the lock goes.
pub(super) struct Writer {
    connection: Connection,
    scribe: Scribe,
    path: PathBuf,
    on_commit: CommitHook,
    _lock: DaemonLock,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        lock: DaemonLock,
        path: &Path,
        on_commit: CommitHook,
    ) -> Result<Self, StoreError> {
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, scribe: Scribe::new(path)?, path: path.to_owned(), on_commit, _lock: lock })
    }

    /// Serves commands until told to close or until nobody can send any.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(command) = queue.blocking_recv() {
            let mut command = Some(command);
            while let Some(next) = command.take() {
                match next {
                    Command::Record(record, reply) => command = self.batch(*record, reply, &mut queue),
                    Command::Prune { older_than, from, reply } => {
                        let _ = reply.send(self.prune(older_than, from));
                    }
                    Command::Note(note, reply) => {
                        let _ = reply.send(self.note(&note));
                    }
                    Command::Flush(reply) => {
                        let _ = reply.send(self.checkpoint("PASSIVE"));
                    }
                    Command::Close(reply) => {
                        queue.close();
                        let result = self.finish();
                        drop(self);
                        let _ = reply.send(result);
                        return;
                    }
                }
            }
        }
    }

    /// Writes `first` and what waits behind it in one transaction, then answers them all. Returns the command
    /// that ended the batch, if it was not a record.
    fn batch(&mut self, first: ProbeRecord, reply: Reply<()>, queue: &mut mpsc::Receiver<Command>) -> Option<Command> {
        let started = Instant::now();
        let mut replies = Vec::new();
        let mut refused = Vec::new();
        let mut other = None;
        let mut next = Some((first, reply));
        let written = self.in_transaction("recording", |connection, scribe| {
            while let Some((record, reply)) = next.take() {
                match write_one(connection, scribe, &record) {
                    Ok(()) => replies.push(reply),
                    Err(error) if concerns_one(&error) => refused.push((reply, error)),
                    Err(error) => {
                        replies.push(reply);
                        return Err(error);
                    }
                }
                if replies.len() + refused.len() >= BATCH || started.elapsed() >= GATHER {
                    break;
                }
                match queue.try_recv() {
                    Ok(Command::Record(record, reply)) => next = Some((*record, reply)),
                    Ok(command) => other = Some(command),
                    Err(_) => {}
                }
            }
            Ok(())
        });
        // The transaction may not have begun at all.
        replies.extend(next.map(|(_, reply)| reply));
        for reply in replies {
            let _ = reply.send(written.clone());
        }
        for (reply, error) in refused {
            let _ = reply.send(Err(error));
        }
        other
    }

    fn note(&mut self, note: &Note) -> Result<(), StoreError> {
        let path = self.path.clone();
        let sqlite = |e: rusqlite::Error| StoreError::sqlite(&path, "noting a sign of life", &e);
        self.in_transaction("noting a sign of life", |connection, _| silences::note(connection, note).map_err(sqlite))
    }

    fn prune(&mut self, older_than: Timestamp, from: Cursor) -> Result<Slice, StoreError> {
        let path = self.path.clone();
        let slice = self.in_transaction("pruning", |connection, _| {
            prune::slice(connection, older_than, from).map_err(|e| StoreError::sqlite(&path, "pruning", &e))
        })?;
        // A dictionary that the scribe remembers may have gone.
        self.scribe.forget();
        Ok(slice)
    }

    /// Runs `work` in a transaction; on an error nothing of it stays, neither on disk nor in memory.
    fn in_transaction<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &mut Scribe) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&self.path, doing, &error);
        let result =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite).and_then(
                |transaction| {
                    let value = work(&transaction, &mut self.scribe)?;
                    transaction.commit().map_err(sqlite)?;
                    Ok(value)
                },
            );
        match result {
            Ok(_) => (self.on_commit)(started.elapsed()),
            Err(_) => self.scribe.forget(),
        }
        result
    }

    fn checkpoint(&self, mode: &str) -> Result<(), StoreError> {
        self.connection
            .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
            .map_err(|e| StoreError::sqlite(&self.path, "moving the log into the database", &e))
    }

    /// The log goes into the database unless a reader is in the way; then it is safe where it is.
    fn finish(&self) -> Result<(), StoreError> {
        self.connection
            .busy_timeout(Duration::from_millis(500))
            .and_then(|()| self.connection.execute_batch("PRAGMA optimize"))
            .map_err(|e| StoreError::sqlite(&self.path, "closing", &e))?;
        self.checkpoint("TRUNCATE")
    }
}

/// Writes one record so that, if it fails, nothing of it alone stays in the transaction.
fn write_one(connection: &Connection, scribe: &mut Scribe, record: &ProbeRecord) -> Result<(), StoreError> {
    let path = scribe.path().to_owned();
    let run = |sql: &str| connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]).map(drop));
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(&path, "recording", &error);
    run("SAVEPOINT record").map_err(sqlite)?;
    match scribe.write(connection, record) {
        Ok(()) => run("RELEASE record").map_err(sqlite),
        Err(error) if concerns_one(&error) => {
            scribe.forget();
            run("ROLLBACK TO record").and_then(|()| run("RELEASE record")).map_err(sqlite)?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Whether an error lies in the record and not in the database: the others can be written.
fn concerns_one(error: &StoreError) -> bool {
    match error {
        StoreError::Refused { .. } => true,
        StoreError::Sqlite { code: Some(code), .. } => matches!(
            rusqlite::ffi::Error::new(*code).code,
            ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, record, span};
    use super::super::schema::{self, MIGRATIONS};
    use super::*;
    use crate::model::{SpanChange, SpanChangeKind, Status};

    fn writer(dir: &Path) -> (Writer, mpsc::Receiver<Command>) {
        let path = dir.join("a.db");
        let lock = DaemonLock::take(&path).unwrap();
        let connection = schema::open_for_writing(&path, MIGRATIONS).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        (Writer::new(connection, lock, &path, Box::new(|_| {})).unwrap(), mpsc::channel(1).1)
    }

    fn write(writer: &mut Writer, queue: &mut mpsc::Receiver<Command>, minute: u64) -> Result<(), StoreError> {
        let (reply, mut answer) = oneshot::channel();
        writer.batch(record(0, minute, Status::Accessible), reply, queue);
        answer.try_recv().unwrap()
    }

    #[test]
    fn a_full_disk_is_told_and_outlived() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut queue) = writer(dir.path());
        let pages = |writer: &Writer, pages: i64| {
            writer.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };
        pages(&writer, 1);
        let failures: Vec<StoreError> = (0..50).filter_map(|i| write(&mut writer, &mut queue, i).err()).collect();
        assert!(failures.len() > 10);
        for failure in failures {
            assert_eq!(failure.sqlite_code(), Some(rusqlite::ffi::SQLITE_FULL));
            assert!(failure.to_string().ends_with("free some space on that disk"), "{failure}");
        }
        pages(&writer, 1 << 30);
        write(&mut writer, &mut queue, 60).unwrap();
    }

    #[test]
    fn a_database_held_by_another_program_is_told_and_outlived() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut queue) = writer(dir.path());
        let other = Connection::open(dir.path().join("a.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let refusal = write(&mut writer, &mut queue, 0).unwrap_err();
        assert_eq!(refusal.sqlite_code(), Some(rusqlite::ffi::SQLITE_BUSY), "{refusal}");
        other.execute_batch("ROLLBACK").unwrap();
        write(&mut writer, &mut queue, 0).unwrap();
    }

    #[test]
    fn a_record_that_comes_late_does_not_turn_back_its_series() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut queue) = writer(dir.path());
        let (mut early, mut late) = (record(0, 1, Status::Blocked), record(0, 2, Status::Accessible));
        let change = |kind, last| SpanChange { kind, at: at(last), span: span(0, 1, last) };
        early.changes = vec![change(SpanChangeKind::Opened, 1)];
        late.changes = vec![change(SpanChangeKind::Continued, 2)];
        let number =
            |writer: &Writer, sql: &str| writer.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        // The first try of the early one failed with its transaction; the daemon tries it again.
        for each in [late.clone(), early, late.clone()] {
            let (reply, mut answer) = oneshot::channel();
            writer.batch(each, reply, &mut queue);
            answer.try_recv().unwrap().unwrap();
        }
        assert_eq!(number(&writer, "SELECT updated FROM series"), at(2).as_unix_ms());
        assert_eq!(number(&writer, "SELECT count(*) FROM measurement"), 2);
        assert_eq!(number(&writer, "SELECT last_observed FROM span"), at(2).as_unix_ms());
        assert_eq!(number(&writer, "SELECT count(*) FROM span_event WHERE kind = 'opened'"), 1);
    }
}
