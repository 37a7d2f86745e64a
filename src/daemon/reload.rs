//! Reading the configuration again while running: on SIGHUP, on request, and when a file changes. A bad file changes
//! nothing but what log, page and metric say.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::instrument::Instrument;
use super::messages::Messenger;
use super::watch::FileWatch;
use crate::config::{self, Config, Loaded, Paths};
use crate::model::Timestamp;
use crate::serve::{Board, Door, Metrics, ReloadRequest};

/// Editors write a file in several steps; what follows within this time belongs to the same change.
const SETTLE: Duration = Duration::from_millis(500);

/// Reads the configuration again when asked.
pub(super) struct Reloader {
    pub paths: Paths,
    pub current: Config,
    pub files: Vec<PathBuf>,
    pub board: Arc<Board>,
    pub metrics: Arc<Metrics>,
    pub instruments: mpsc::Sender<Arc<Instrument>>,
    pub messenger: Messenger,
    pub door: Arc<Door>,
    pub set_log_filter: fn(&str) -> Result<(), String>,
}

impl Reloader {
    /// Serves requests, SIGHUP and file changes until `stop`.
    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<ReloadRequest>,
        mut hangups: Signal,
        stop: CancellationToken,
    ) {
        let (changed, mut changes) = mpsc::channel(1);
        let mut watch = FileWatch::start(&self.files, changed.clone());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(request) = requests.recv() => {
                    let result = self.reload("a request").await;
                    // Who asked may have gone meanwhile.
                    let _ = request.reply.send(result);
                }
                Some(()) = hangups.recv() => {
                    let _ = self.reload("SIGHUP").await;
                }
                Some(()) = changes.recv() => {
                    tokio::time::sleep(SETTLE).await;
                    while changes.try_recv().is_ok() {}
                    let _ = self.reload("a changed file").await;
                }
            }
            if !watch.covers(&self.files) {
                watch = FileWatch::start(&self.files, changed.clone());
            }
        }
    }

    /// Reads the files and hands on the new instrument.
    async fn reload(&mut self, why: &str) -> Result<(), String> {
        let result = self.try_reload(why).await;
        self.metrics.config_reloaded(result.is_ok(), Timestamp::now());
        self.board.set_config_error(result.as_ref().err().cloned());
        if let Err(faults) = &result {
            error!("reload after {why} failed, the old configuration goes on:\n{faults}");
        }
        result
    }

    async fn try_reload(&mut self, why: &str) -> Result<(), String> {
        let paths = self.paths.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&paths)).await;
        let Loaded { mut config, files, warnings } =
            loaded.map_err(|fault| fault.to_string())?.map_err(|faults| faults.told())?;
        self.files = files;
        for warning in warnings {
            warn!("{warning}");
        }
        let same_door = config.serve == self.current.serve;
        if config.store != self.current.store || !same_door {
            warn!("a changed [store] or [serve] takes effect only at the next start");
            config.store = self.current.store.clone();
            config.serve = self.current.serve.clone();
        }
        // Files named by the configuration (roots, tokens) may have changed though it has not: the instrument is
        // built anew all the same.
        let same = config == self.current;
        let instrument = Instrument::new(config.clone()).map_err(|fault| super::chain(fault.as_ref()))?;
        // Where another door is named, the files of this one may be gone: it stays as it is until the next start.
        let renewal = same_door.then(|| self.door.renewal()).transpose().map_err(|fault| fault.to_string())?;
        let hooks = instrument.webhooks().map_err(|fault| super::chain(fault.as_ref()))?;
        let (sites, series) = (instrument.sites().len(), instrument.series().len());
        // What can fail is behind us, but for these two, of which the first does nothing when it fails.
        (self.set_log_filter)(&config.log.filter)?;
        self.instruments.send(Arc::new(instrument)).await.map_err(|_| "the daemon is stopping".to_owned())?;
        if let Some(renewal) = renewal {
            renewal.take_effect();
        }
        self.messenger.carry(hooks);
        self.current = config;
        let what = if same { "nothing has changed in it" } else { "it is in force" };
        info!("configuration read again after {why}: {what} ({sites} sites, {series} series)");
        Ok(())
    }
}
