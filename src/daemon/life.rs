//! The life of the daemon: start in order, stop in order.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::conductor::Conductor;
use super::instrument::{Instrument, SetupError};
use super::messages::Messenger;
use super::recording::{LIMITS, Lost, way_to_store};
use super::reload::Reloader;
use super::sentry::Sentry;
use crate::config::{Config, Loaded, Paths, StoreUrl};
use crate::model::{Timestamp, shown_listener};
use crate::serve::{App, Board, Door, DoorError, Metrics, MetricsError, Readiness, Record, ReloadRequest, serve};
use crate::store::{Reader, Recorder, SpanFilter, StoreError};

/// Time between two looks for measurements that are older than they are to be kept.
const PRUNE_ROUND: Duration = Duration::from_secs(3600);
/// Time from the start to the first look.
const FIRST_PRUNE: Duration = Duration::from_secs(600);
/// Single probes that may wait until the conductor takes them up, which it does at once.
const PROBES: usize = 8;
/// How long the store is tried at a stop when it cannot take records.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// How the daemon is started.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The configuration as read at the start.
    pub loaded: Loaded,
    /// Where it was read from, for reloads.
    pub paths: Paths,
    /// One round of every series, then stop.
    pub once: bool,
    /// Told the filter of log lines at the start and when it has changed.
    pub set_log_filter: fn(&str) -> Result<(), String>,
}

impl RunOptions {
    /// A daemon on a configuration that was just read.
    pub fn new(loaded: Loaded, paths: Paths) -> Self {
        Self { loaded, paths, once: false, set_log_filter: |_| Ok(()) }
    }
}

/// Why the daemon could not start, or broke off.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The record.
    #[error("cannot open the record")]
    Store(#[from] StoreError),
    /// The instrument.
    #[error(transparent)]
    Setup(#[from] Box<SetupError>),
    /// The way in.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The page's address.
    #[error(
        "cannot serve on {}; another program may hold it: use --listen or `[serve] listen` to choose another",
        shown_listener(*.address)
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The metrics registry.
    #[error("cannot set up the metrics")]
    Metrics(#[from] MetricsError),
    /// Records that the store did not take, at a stop or because it broke off.
    #[error("{records} measurements could not be recorded and are lost")]
    Unrecorded {
        /// How many.
        records: usize,
        /// Why.
        source: StoreError,
    },
    /// The task that hands records to the store is gone.
    #[error("the keeper of records broke off, which is a fault of blockspan; measurements are lost")]
    KeeperGone,
    /// Signals.
    #[error("cannot receive signals")]
    Signals(#[source] std::io::Error),
}

/// Runs the daemon until it is asked to stop by a signal or by `stop`.
///
/// # Errors
/// When it cannot start: the store is held by another, the address is taken, a named file is missing. When the store
/// has broken off, or could not take all records at the stop.
pub async fn run(options: RunOptions, stop: CancellationToken) -> Result<(), RunError> {
    let RunOptions { loaded, paths, once, set_log_filter } = options;
    let Loaded { config, files, warnings } = loaded;
    for warning in warnings {
        warn!("{warning}");
    }
    if let Err(why) = set_log_filter(&config.log.filter) {
        warn!("`[log] filter` cannot be used: {why}");
    }
    let StoreUrl::Sqlite(database) = config.store.url.clone();
    let metrics = Arc::new(Metrics::new()?);
    let of_writes = Arc::clone(&metrics);
    let (recorder, restored) = Recorder::open_with(&database, Box::new(move |took| of_writes.store_write(took)))?;
    let instrument = Arc::new(Instrument::new(config.clone())?);
    let board = Arc::new(Board::new(instrument.sites().to_vec(), instrument.places()));
    watch_signals(stop.clone())?;

    let ready = Arc::new(Readiness::new());
    ready.store_opened();
    let (records, keeper) = way_to_store(LIMITS, Arc::clone(&metrics), Arc::clone(&ready));
    let keeping = keeper.keep(recorder.clone(), STORE_PATIENCE);
    // A daemon that cannot record must not go on as if it did.
    let keeper = tokio::spawn(stopping_at_the_end(keeping, stop.clone()));
    let states: HashMap<_, _> = restored.into_iter().collect();
    metrics.config_reloaded(true, Timestamp::now());
    let seed = u64::try_from(Timestamp::now().as_unix_ms()).unwrap_or(1) ^ u64::from(std::process::id()) << 32;
    let sentry = Arc::new(watch_over(&database, &instrument, &metrics, &board)?);
    let conductor = Conductor::new(
        Arc::clone(&instrument),
        states,
        records,
        Arc::clone(&board),
        Arc::clone(&metrics),
        Arc::clone(&sentry),
        seed,
    );

    if once {
        info!("measuring {} once into {}", described(&instrument), database.display());
        conductor.run_once(stop.clone()).await;
    } else {
        let door = Door::new(&config.serve)?;
        let listener = TcpListener::bind(config.serve.listen)
            .await
            .map_err(|source| RunError::Listen { address: config.serve.listen, source })?;
        let address = listener.local_addr().unwrap_or(config.serve.listen);
        // Before anyone is told where to look: a SIGHUP that nobody receives ends the process.
        let hangups = signal(SignalKind::hangup()).map_err(RunError::Signals)?;
        let (requests, reload_requests) = mpsc::channel::<ReloadRequest>(4);
        let (instruments, new_instruments) = mpsc::channel(1);
        let (probe, probes) = mpsc::channel(PROBES);
        let app = App {
            board: Arc::clone(&board),
            metrics: Arc::clone(&metrics),
            ready: Arc::clone(&ready),
            reload: requests,
            probe,
            record: Record::new(database.clone()),
            cors: config.serve.cors.clone().into(),
        };
        let server = tokio::spawn(serve(listener, app, Arc::clone(&door), stop.clone()));
        let messenger = Messenger::start(&instrument, &recorder, &database, &metrics, stop.clone())?;
        let reloader = Reloader {
            paths,
            current: config.clone(),
            files,
            board,
            metrics: Arc::clone(&metrics),
            instruments,
            messenger,
            door: Arc::clone(&door),
            set_log_filter,
        };
        tokio::spawn(reloader.run(reload_requests, hangups, stop.clone()));
        tokio::spawn(keep_house(recorder.clone(), config, metrics, Arc::clone(&sentry), stop.clone()));
        let standing = tokio::spawn(Arc::clone(&sentry).stand(recorder.clone(), stop.clone()));
        info!(
            "watching {}; look at {}://{}/ (metrics at /metrics); the record is {}",
            described(&instrument),
            door.scheme(),
            shown_listener(address),
            database.display()
        );
        ready.round_scheduled();
        super::manager::ready(&format!("watching {}", described(&instrument)));
        tokio::spawn(super::manager::give_signs_of_life(stop.clone()));
        conductor.run(new_instruments, probes, stop.clone()).await;
        stop.cancel();
        super::manager::stopping();
        ready.stopping();
        if let Ok(Err(fault)) = server.await {
            warn!("serving ended badly: {fault}");
        }
        // A last sign of life must not be followed by another one.
        let _ended = standing.await;
        sentry.end(&recorder).await;
    }
    // The conductor is gone and with it the outlet: the keeper stores what is left and ends.
    let kept = keeper.await;
    let closed = recorder.close().await;
    match kept {
        Ok(Ok(())) => closed?,
        Ok(Err(Lost { records, fault })) => return Err(RunError::Unrecorded { records, source: fault }),
        Err(_) => return Err(RunError::KeeperGone),
    }
    info!("stopped in order");
    Ok(())
}

/// What the record knows of earlier lives, and a sentry who goes on from there.
fn watch_over(
    database: &Path,
    instrument: &Instrument,
    metrics: &Arc<Metrics>,
    board: &Arc<Board>,
) -> Result<Sentry, StoreError> {
    let reader = Reader::open(database)?;
    let open = reader.vantage_spans(&SpanFilter::default())?.into_iter().filter(|span| span.end.is_none()).collect();
    let life = reader.last_life()?;
    Ok(Sentry::new(life, open, &instrument.vantages(), Arc::clone(metrics), Arc::clone(board), Timestamp::now()))
}

/// Does `work`, and asks for the stop when it has ended, however it has.
async fn stopping_at_the_end<T>(work: impl Future<Output = T>, stop: CancellationToken) -> T {
    let _stops = stop.drop_guard();
    work.await
}

fn described(instrument: &Instrument) -> String {
    let urls: usize = instrument.sites().iter().map(|site| site.urls.len()).sum();
    format!("{} sites ({urls} URLs) from {} vantages", instrument.sites().len(), instrument.vantages().len())
}

/// SIGINT and SIGTERM stop in order; a second one stops at once.
///
/// # Errors
/// When signals cannot be received.
pub fn watch_signals(stop: CancellationToken) -> Result<(), RunError> {
    let mut interrupts = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    // A file that may not grow further (`ulimit -f`, LimitFSIZE) must be an error of that file, not the end of the
    // process: a signal that was once waited for is never fatal again.
    let _ = signal(SignalKind::from_raw(libc::SIGXFSZ)).map_err(RunError::Signals)?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupts.recv() => "SIGINT",
                _ = terminations.recv() => "SIGTERM",
            }
        };
        // Awaited apart: what a log line is made of is not even looked at when nobody wants the line.
        let first = next().await;
        info!("{first}: stopping; once more to stop at once");
        stop.cancel();
        let second = next().await;
        warn!("{second} again: stopping at once");
        std::process::exit(1);
    });
    Ok(())
}

/// Forgets measurements that are older than they are to be kept, and tells how large the record is.
async fn keep_house(
    recorder: Recorder,
    config: Config,
    metrics: Arc<Metrics>,
    sentry: Arc<Sentry>,
    stop: CancellationToken,
) {
    let mut size_round = tokio::time::interval(Duration::from_secs(60));
    // A machine may start with a wrong clock, and forgetting cannot be undone.
    let mut prune_round = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_PRUNE, PRUNE_ROUND);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = size_round.tick() => metrics.store_bytes(recorder.bytes()),
            _ = prune_round.tick() => {
                if sentry.stepped_within(PRUNE_ROUND) {
                    info!("the clock was stepped lately: old measurements are kept for another hour");
                    continue;
                }
                match recorder.prune(Timestamp::now().minus(config.store.keep_measurements)).await {
                    Ok(0) => {}
                    Ok(count) => info!("{count} measurements are past their keeping time and were removed"),
                    Err(fault) => warn!("old measurements could not be removed: {}", super::chain(&fault)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_keeper_that_breaks_off_stops_the_daemon() {
        let stop = CancellationToken::new();
        let broken = tokio::spawn(stopping_at_the_end(async { panic!("on purpose") }, stop.clone()));
        tokio::time::timeout(Duration::from_secs(5), stop.cancelled()).await.unwrap();
        let broken: Result<(), _> = broken.await;
        assert!(broken.unwrap_err().is_panic());
    }
}
