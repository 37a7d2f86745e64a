//! The writer thread: the only one that writes to the database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::lock::DaemonLock;
use super::place::Whereabouts;
use super::prune::{self, Cursor, Slice};
use super::write::Scribe;
use super::{CommitHook, Note, ProbeRecord, Refusal, StoreError, journal, silences};
use crate::model::{Timestamp, WebhookId};

/// Where an answer goes. The asker may have gone away; that is no concern of the writer.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Records that are written in one transaction, and where to tell which of them were refused.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<Arc<ProbeRecord>>,
    pub(super) reply: Reply<Vec<Refusal>>,
}

/// What the thread is asked to do, in order.
#[derive(Debug)]
pub(super) enum Command {
    Record(Batch),
    Prune { older_than: Timestamp, from: Cursor, reply: Reply<Slice> },
    Note(Box<Note>, Reply<()>),
    Webhook { id: WebhookId, done: Option<i64>, reply: Reply<i64> },
    Flush(Reply<()>),
    Close(Reply<()>),
}

/// Records in one transaction, from which on it gathers no more.
const BATCH: usize = 500;

/// Time that a transaction gathers records at most; it ends sooner when none is waiting.
const GATHER: Duration = Duration::from_millis(100);

/// The state of the thread. Fields are dropped in order: the connection closes before the lock goes.
pub(super) struct Writer {
    connection: Connection,
    scribe: Scribe,
    path: PathBuf,
    whereabouts: Whereabouts,
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
        let (scribe, whereabouts) = (Scribe::new(path)?, Whereabouts::of(path)?);
        Ok(Self { connection, scribe, path: path.to_owned(), whereabouts, on_commit, _lock: lock })
    }

    /// Serves commands until told to close or until nobody can send any.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(command) = queue.blocking_recv() {
            let mut command = Some(command);
            while let Some(next) = command.take() {
                match next {
                    Command::Record(batch) => command = self.record(batch, &mut queue),
                    Command::Prune { older_than, from, reply } => {
                        let _ = reply.send(self.prune(older_than, from));
                    }
                    Command::Note(note, reply) => {
                        let _ = reply.send(self.note(&note));
                    }
                    Command::Webhook { id, done, reply } => {
                        let _ = reply.send(self.webhook(&id, done));
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
    /// that ended the gathering, if it brought no records.
    fn record(&mut self, first: Batch, queue: &mut mpsc::Receiver<Command>) -> Option<Command> {
        let started = Instant::now();
        let mut asked = Vec::new();
        let mut count = 0;
        let mut other = None;
        let mut next = Some(first);
        let written = self.in_transaction("recording", |connection, scribe| {
            while let Some(Batch { records, reply }) = next.take() {
                let mut refused = Vec::new();
                let result = records.iter().enumerate().try_for_each(|(index, record)| {
                    let refusal = write_one(connection, scribe, record)?;
                    refused.extend(refusal.map(|why| Refusal { index, why }));
                    Ok(())
                });
                asked.push((reply, refused));
                result?;
                count += records.len();
                if count >= BATCH || started.elapsed() >= GATHER {
                    break;
                }
                match queue.try_recv() {
                    Ok(Command::Record(batch)) => next = Some(batch),
                    Ok(command) => other = Some(command),
                    Err(_) => {}
                }
            }
            Ok(())
        });
        // The transaction may not have begun at all.
        asked.extend(next.map(|batch| (batch.reply, Vec::new())));
        for (reply, refused) in asked {
            let _ = reply.send(written.clone().map(|()| refused));
        }
        other
    }

    fn note(&mut self, note: &Note) -> Result<(), StoreError> {
        let path = self.path.clone();
        let sqlite = |e: rusqlite::Error| StoreError::sqlite(&path, "noting a sign of life", &e);
        self.in_transaction("noting a sign of life", |connection, _| silences::note(connection, note).map_err(sqlite))
    }

    fn webhook(&mut self, id: &WebhookId, done: Option<i64>) -> Result<i64, StoreError> {
        let path = self.path.clone();
        let sqlite = |e: rusqlite::Error| StoreError::sqlite(&path, "noting what was told", &e);
        self.in_transaction("noting what was told", |connection, _| {
            journal::webhook(connection, id, done).map_err(sqlite)
        })
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
        // What is written to a file that nobody finds any more would be lost without a word.
        self.whereabouts.check(&self.path)?;
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
            Ok(_) => {
                self.scribe.kept();
                (self.on_commit)(started.elapsed());
            }
            Err(_) => self.scribe.undone(),
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

/// Writes one record. Of one that can never be written the state and the spans are kept all the same, and why is told.
fn write_one(
    connection: &Connection,
    scribe: &mut Scribe,
    record: &ProbeRecord,
) -> Result<Option<StoreError>, StoreError> {
    match apart(connection, scribe, |scribe| scribe.write(connection, record)) {
        Err(error) if concerns_one(&error) => {}
        other => return other.map(|()| None),
    }
    // It may be the fault of what the scribe remembered and has forgotten now.
    let refusal = match apart(connection, scribe, |scribe| scribe.write(connection, record)) {
        Err(error @ StoreError::Refused { .. }) => error,
        Err(error) if concerns_one(&error) => StoreError::Refused {
            path: scribe.path().to_owned(),
            measurement: record.evidence.measurement.measurement_id.to_string(),
            problem: error.to_string(),
        },
        other => return other.map(|()| None),
    };
    match apart(connection, scribe, |scribe| scribe.write_without_evidence(connection, record)) {
        Err(error) if !concerns_one(&error) => Err(error),
        _ => Ok(Some(refusal)),
    }
}

/// Does `work` so that, if it fails for a reason that lies in the record, nothing of it alone stays in the transaction.
fn apart(
    connection: &Connection,
    scribe: &mut Scribe,
    work: impl FnOnce(&mut Scribe) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let path = scribe.path().to_owned();
    let run = |sql: &str| connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]).map(drop));
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(&path, "recording", &error);
    run("SAVEPOINT record").map_err(sqlite)?;
    match work(scribe) {
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
    use crate::model::{Bracket, Span, SpanChange, SpanChangeKind, Status};

    fn writer(dir: &Path) -> (Writer, mpsc::Receiver<Command>) {
        let path = dir.join("a.db");
        let lock = DaemonLock::take(&path).unwrap();
        let connection = schema::open_for_writing(&path, MIGRATIONS).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        (Writer::new(connection, lock, &path, Box::new(|_| {})).unwrap(), mpsc::channel(1).1)
    }

    fn write(writer: &mut Writer, queue: &mut mpsc::Receiver<Command>, minute: u64) -> Result<(), StoreError> {
        write_these(writer, queue, vec![record(0, minute, Status::Accessible)])
            .map(|refused| assert!(refused.is_empty()))
    }

    fn write_these(
        writer: &mut Writer,
        queue: &mut mpsc::Receiver<Command>,
        records: Vec<ProbeRecord>,
    ) -> Result<Vec<Refusal>, StoreError> {
        let (reply, mut answer) = oneshot::channel();
        writer.record(Batch { records: records.into_iter().map(Arc::new).collect(), reply }, queue);
        answer.try_recv().unwrap()
    }

    fn number(writer: &Writer, sql: &str) -> i64 {
        writer.connection.query_row(sql, [], |row| row.get(0)).unwrap()
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
        // The first try of the early one failed with its transaction; the daemon tries it again.
        for each in [late.clone(), early, late.clone()] {
            assert_eq!(write_these(&mut writer, &mut queue, vec![each]), Ok(Vec::new()));
        }
        assert_eq!(number(&writer, "SELECT updated FROM series"), at(2).as_unix_ms());
        assert_eq!(number(&writer, "SELECT count(*) FROM measurement"), 2);
        assert_eq!(number(&writer, "SELECT last_observed FROM span"), at(2).as_unix_ms());
        assert_eq!(number(&writer, "SELECT count(*) FROM span_event WHERE kind = 'opened'"), 1);
    }
    #[test]
    fn a_closing_that_comes_late_closes_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut queue) = writer(dir.path());
        let [mut opening, mut closing, after] = [1, 2, 3].map(|minute| record(0, minute, Status::Accessible));
        let opened = span(0, 1, 1);
        let closed =
            Span { ongoing: false, end: Some(Bracket { earliest: None, latest: Some(at(2)) }), ..opened.clone() };
        opening.changes = vec![SpanChange { kind: SpanChangeKind::Opened, at: at(1), span: opened }];
        closing.changes = vec![SpanChange { kind: SpanChangeKind::Closed, at: at(2), span: closed }];
        for each in [opening, after, closing] {
            assert_eq!(write_these(&mut writer, &mut queue, vec![each]), Ok(Vec::new()));
        }
        assert_eq!(number(&writer, "SELECT count(*) FROM span WHERE ongoing"), 0);
        assert_eq!(number(&writer, "SELECT updated FROM series"), at(3).as_unix_ms());
    }

    #[test]
    fn of_a_batch_all_is_written_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut queue) = writer(dir.path());
        write(&mut writer, &mut queue, 0).unwrap();
        let pages = number(&writer, "PRAGMA page_count");
        writer.connection.pragma_update_and_check(None, "max_page_count", pages + 4, |_| Ok(())).unwrap();
        let many =
            |minutes: std::ops::Range<u64>| minutes.map(|minute| record(0, minute, Status::Accessible)).collect();
        let refusal = write_these(&mut writer, &mut queue, many(1..200)).unwrap_err();
        assert_eq!(refusal.sqlite_code(), Some(rusqlite::ffi::SQLITE_FULL), "{refusal}");
        assert_eq!(number(&writer, "SELECT count(*) FROM measurement"), 1);
        writer.connection.pragma_update_and_check(None, "max_page_count", 1 << 30, |_| Ok(())).unwrap();
        write_these(&mut writer, &mut queue, many(1..200)).unwrap();
        assert_eq!(number(&writer, "SELECT count(*) FROM measurement"), 200);
    }

    #[test]
    fn a_batch_that_is_tried_again_leaves_the_span_as_its_state_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut queue) = writer(dir.path());
        let change = |kind, last| vec![SpanChange { kind, at: at(last), span: span(0, 1, last) }];
        let [mut opening, mut going_on, good] = [1, 2, 3].map(|minute| record(0, minute, Status::Accessible));
        opening.changes = change(SpanChangeKind::Opened, 1);
        going_on.changes = change(SpanChangeKind::Continued, 2);
        write_these(&mut writer, &mut queue, vec![opening]).unwrap();
        // All of it is written, only the commit fails.
        let failing = "CREATE TABLE due (series REFERENCES series (id) DEFERRABLE INITIALLY DEFERRED); \
                       CREATE TRIGGER owe AFTER INSERT ON measurement BEGIN INSERT INTO due VALUES (-1); END";
        writer.connection.execute_batch(failing).unwrap();
        let batch = [going_on, good];
        write_these(&mut writer, &mut queue, batch.to_vec()).unwrap_err();
        writer.connection.execute_batch("DROP TRIGGER owe").unwrap();
        write_these(&mut writer, &mut queue, batch.to_vec()).unwrap();
        assert_eq!(number(&writer, "SELECT last_observed FROM span"), at(2).as_unix_ms());
    }

    #[test]
    fn a_record_that_breaks_a_rule_of_the_schema_is_refused_and_holds_up_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut queue) = writer(dir.path());
        let mut records: Vec<_> = (1..4).map(|minute| record(0, minute, Status::Accessible)).collect();
        records[1].verdict.confidence = f64::NAN;
        records[1].changes = vec![SpanChange { kind: SpanChangeKind::Opened, at: at(2), span: span(0, 2, 2) }];
        let refused = write_these(&mut writer, &mut queue, records).unwrap();
        let [Refusal { index: 1, why: StoreError::Refused { problem, .. } }] = refused.as_slice() else {
            panic!("{refused:?}")
        };
        assert!(problem.contains("NOT NULL"), "{problem}");
        assert_eq!(number(&writer, "SELECT count(*) FROM measurement"), 2);
        assert_eq!(number(&writer, "SELECT count(*) FROM span_event WHERE kind = 'opened'"), 1, "the span is kept");
    }

    #[test]
    fn what_the_scribe_remembers_wrongly_costs_no_record() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut queue) = writer(dir.path());
        write(&mut writer, &mut queue, 0).unwrap();
        // Someone has emptied the record by hand.
        writer.connection.execute_batch("DELETE FROM measurement; DELETE FROM dictionary; DELETE FROM series").unwrap();
        write(&mut writer, &mut queue, 1).unwrap();
        assert_eq!(number(&writer, "SELECT count(*) FROM measurement"), 1);
    }

    #[test]
    fn a_file_that_is_moved_away_takes_no_records_until_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut queue) = writer(dir.path());
        let [path, aside] = ["a.db", "aside.db"].map(|name| dir.path().join(name));
        write(&mut writer, &mut queue, 0).unwrap();
        std::fs::rename(&path, &aside).unwrap();
        let gone = StoreError::Gone { path: path.clone() };
        assert_eq!(write(&mut writer, &mut queue, 1), Err(gone.clone()));
        std::fs::copy(&aside, &path).unwrap();
        assert_eq!(write(&mut writer, &mut queue, 1), Err(gone), "a copy is another file");
        std::fs::rename(&aside, &path).unwrap();
        write(&mut writer, &mut queue, 1).unwrap();
        assert_eq!(number(&writer, "SELECT count(*) FROM measurement"), 2);
    }
}
