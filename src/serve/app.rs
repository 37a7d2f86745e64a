//! What the server needs of the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::{Board, Metrics, Record};
use crate::model::{Evidence, SeriesKey, Verdict};

/// Asks the daemon to read its configuration again.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Told when it is taken, or all that is wrong with it as text for people.
    pub reply: oneshot::Sender<Result<(), String>>,
}

/// Asks the daemon to measure one URL from one vantage now.
#[derive(Debug)]
pub struct ProbeWish {
    /// Which.
    pub series: SeriesKey,
    /// Told what was seen; dropped when it cannot be done now.
    pub reply: oneshot::Sender<Box<(Evidence, Verdict)>>,
}

/// How far the daemon has come. Ready when the store is open and takes records and the first round is scheduled, until
/// it stops.
#[derive(Debug, Default)]
pub struct Readiness {
    store_open: AtomicBool,
    store_troubled: AtomicBool,
    round_scheduled: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The store is open.
    pub fn store_opened(&self) {
        self.store_open.store(true, Ordering::Release);
    }

    /// The store cannot take records, or takes them again.
    pub fn store_troubled(&self, troubled: bool) {
        self.store_troubled.store(troubled, Ordering::Release);
    }

    /// The first round is scheduled.
    pub fn round_scheduled(&self) {
        self.round_scheduled.store(true, Ordering::Release);
    }

    /// The daemon stops.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Why it is not ready; None when it is.
    pub fn missing(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            Some("the daemon is stopping")
        } else if !self.store_open.load(Ordering::Acquire) {
            Some("the store is not open yet")
        } else if self.store_troubled.load(Ordering::Acquire) {
            Some("the store cannot take records (measuring goes on); the log says why")
        } else if !self.round_scheduled.load(Ordering::Acquire) {
            Some("the first round is not scheduled yet")
        } else {
            None
        }
    }
}

/// What the server needs of the daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The present.
    pub board: Arc<Board>,
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// How far the daemon has come.
    pub ready: Arc<Readiness>,
    /// Where reloads are asked for. A small bound suffices: when it is full, a reload is already due.
    pub reload: mpsc::Sender<ReloadRequest>,
    /// Where single probes are asked for; what it does not hold is refused.
    pub probe: mpsc::Sender<ProbeWish>,
    /// The record.
    pub record: Record,
    /// Origins whose pages may read the API and the feed (CORS); `*` is everyone.
    pub cors: Arc<[String]>,
}
