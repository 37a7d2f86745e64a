//! Between the conductor and the store: keeps records in order, and keeps them when the store cannot take them.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tracing::{error, info};

use crate::store::{ProbeRecord, Recorder};

/// Records held while the store cannot take them; the oldest evidence is kept, what comes beyond is dropped and said.
pub(super) const BACKLOG: usize = 4096;
/// Records handed to the store at once.
const BATCH: usize = 256;
/// Wait before the store is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Stores what comes until the channel is closed and empty. When the store fails, tries again until `patience` after the
/// channel was closed.
pub(super) async fn keep_records(mut incoming: mpsc::Receiver<ProbeRecord>, recorder: Recorder, patience: Duration) {
    let mut waiting: VecDeque<ProbeRecord> = VecDeque::new();
    let mut troubled = false;
    let mut closed_at = None;
    loop {
        if waiting.is_empty() {
            let mut fresh = Vec::with_capacity(BATCH);
            if incoming.recv_many(&mut fresh, BATCH).await == 0 {
                return;
            }
            waiting.extend(fresh);
        }
        let batch: Vec<ProbeRecord> = waiting.iter().take(BATCH).cloned().collect();
        let results = join_all(batch.into_iter().map(|record| recorder.record(record))).await;
        // Only what was stored before the first failure is let go: a later record of the same series must not
        // reach the store before an earlier one.
        let stored = results.iter().take_while(|result| result.is_ok()).count();
        waiting.drain(..stored);
        match results.into_iter().find_map(Result::err) {
            None if troubled => {
                info!("the store takes records again");
                troubled = false;
            }
            None => {}
            Some(fault) => {
                if !troubled {
                    error!(
                        waiting = waiting.len(),
                        "cannot store; measuring goes on and the records are held: {}",
                        super::chain(&fault)
                    );
                }
                troubled = true;
                if incoming.is_closed() && incoming.is_empty() {
                    let since = *closed_at.get_or_insert_with(tokio::time::Instant::now);
                    if since.elapsed() >= patience {
                        error!("{} records could not be stored and are lost", waiting.len());
                        return;
                    }
                }
                tokio::time::sleep(RETRY.min(patience)).await;
            }
        }
    }
}
