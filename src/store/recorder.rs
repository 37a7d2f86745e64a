//! The handle through which everything is recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::lock::DaemonLock;
use super::prune::Cursor;
use super::schema::{self, MIGRATIONS};
use super::writer::{Batch, Command, Reply, Writer};
use super::{Note, ProbeRecord, Refusal, StoreError, series};
use crate::detect::SeriesState;
use crate::model::{SeriesKey, Timestamp, WebhookId};

/// The series of the record with the state of each one's test: where the daemon goes on.
pub type Restored = Vec<(SeriesKey, SeriesState)>;

/// Told how long each committed transaction took, from its beginning to the end of the commit.
pub type CommitHook = Box<dyn Fn(Duration) + Send>;

/// Commands that wait for the writer; more callers wait for room.
const QUEUE: usize = 256;

/// Writes the record. Clones share one writer thread, which gathers what comes close together into one
/// transaction. The database stays locked for other daemons until [`close`](Recorder::close), or until the
/// last clone is gone and the thread has finished.
#[derive(Debug, Clone)]
pub struct Recorder {
    path: Arc<Path>,
    commands: mpsc::Sender<Command>,
}

impl Recorder {
    /// Opens or creates the database, takes it for this process, brings its schema up to date and reads where
    /// the series stand.
    ///
    /// # Errors
    /// The place cannot be used, the file is not ours, newer, damaged, or held by another daemon.
    pub fn open(path: &Path) -> Result<(Self, Restored), StoreError> {
        Self::open_with(path, Box::new(|_| {}))
    }

    /// As [`open`](Self::open), with something to tell the length of each transaction to.
    pub fn open_with(path: &Path, on_commit: CommitHook) -> Result<(Self, Restored), StoreError> {
        let path = schema::resolve(path)?;
        let lock = DaemonLock::take(&path)?;
        let connection = schema::open_for_writing(&path, MIGRATIONS)?;
        let restored = series::read_all(&connection, &path)?;
        let (commands, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(connection, lock, &path, on_commit)?;
        let closed = StoreError::Closed { path: path.clone() };
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|_| closed)?;
        Ok((Self { path: path.into(), commands }, restored))
    }

    /// Records all that one probe leaves behind, and returns once its transaction is committed. Recording the
    /// same measurement again changes nothing.
    ///
    /// # Errors
    /// SQLite refused (disk full, for example): nothing of the record is there, and it may be tried again.
    pub async fn record(&self, record: ProbeRecord) -> Result<(), StoreError> {
        let refused = self.record_all(vec![Arc::new(record)]).await?;
        refused.into_iter().next().map_or(Ok(()), |refusal| Err(refusal.why))
    }

    /// Records what several probes leave behind, in their order and in one transaction, and returns once it is
    /// committed. Evidence that can never be recorded is left out and told, trying it again would not help; what its record
    /// says of the series and its spans is recorded all the same.
    ///
    /// # Errors
    /// SQLite refused: nothing of them is there, and all may be tried again.
    pub async fn record_all(&self, records: Vec<Arc<ProbeRecord>>) -> Result<Vec<Refusal>, StoreError> {
        self.ask(|reply| Command::Record(Batch { records, reply })).await
    }

    /// Notes a sign of life of the daemon, with what vantages and clock told meanwhile. Noting the same again changes
    /// nothing but clock steps, which are told once.
    ///
    /// # Errors
    /// SQLite refused: nothing of the note is there, and it may be tried again.
    pub async fn note(&self, note: Note) -> Result<(), StoreError> {
        self.ask(|reply| Command::Note(Box::new(note), reply)).await
    }

    /// Up to which entry of the journal of spans the webhook `id` has been told: notes `done`, if it is given, and tells
    /// where it stands. One that is new begins at the end of the journal.
    ///
    /// # Errors
    /// SQLite refused, and nothing is noted.
    pub async fn webhook(&self, id: &WebhookId, done: Option<i64>) -> Result<i64, StoreError> {
        self.ask(|reply| Command::Webhook { id: id.clone(), done, reply }).await
    }

    /// Deletes measurements begun before `older_than`, and tells how many. What a span was opened and closed
    /// on stays, from the last good measurement to the one that decided. Works in small slices, between which
    /// recording goes on.
    pub async fn prune(&self, older_than: Timestamp) -> Result<u64, StoreError> {
        let mut deleted = 0;
        let mut cursor = Some(Cursor::default());
        while let Some(from) = cursor {
            let slice = self.ask(|reply| Command::Prune { older_than, from, reply }).await?;
            deleted += slice.deleted;
            cursor = slice.next;
        }
        Ok(deleted)
    }

    /// Returns once all that was recorded before is on the disk, safe against a power cut.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.ask(Command::Flush).await
    }

    /// Finishes what is queued, moves it all into the database file and lets go of it. Other clones get
    /// [`StoreError::Closed`] from then on.
    pub async fn close(self) -> Result<(), StoreError> {
        self.ask(Command::Close).await
    }

    /// Bytes that the database takes on the disk, its write-ahead log included.
    pub fn bytes(&self) -> u64 {
        super::file_bytes(&self.path)
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, StoreError> {
        let closed = || StoreError::Closed { path: PathBuf::from(&*self.path) };
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}
