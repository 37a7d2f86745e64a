//! The record as requests read it: on threads of their own, a few at a time.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::store::{Reader, StoreError};

/// Reads of the record at one time; more wait.
const AT_ONCE: usize = 4;

/// Where the record is, and who may read it now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Record {
    database: Arc<PathBuf>,
    turns: Arc<Semaphore>,
}

/// Why nothing could be read. Says nothing of paths and files: strangers may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// The daemon ends.
    #[error("the daemon is stopping")]
    Stopping,
    /// It is told in the log.
    #[error("the record cannot be read; the log says why")]
    Broken,
}

impl Record {
    /// The record at `database`, which need not be there yet.
    pub fn new(database: PathBuf) -> Self {
        Self { database: Arc::new(database), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Does `work` with the record.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unreadable> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Unreadable::Stopping)?;
        let database = Arc::clone(&self.database);
        // The turn goes with the work: a reader whose client went away still reads.
        let read = tokio::task::spawn_blocking(move || {
            let read = Reader::open(&database).and_then(|reader| work(&reader));
            drop(turn);
            read
        });
        match read.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                tracing::error!("the record cannot be read for a request: {error}");
                Err(Unreadable::Broken)
            }
            Err(_) => Err(Unreadable::Broken),
        }
    }
}
