//! The doors to the rooms that the commands need: configuration, record, measuring, the daemon, the demonstration.
//!
//! Commands see the record through `Record`, so that they can be tested without a database.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use super::args::{GlobalArgs, HelperArgs, RunArgs};
use super::fault::Fault;
use crate::config::{Config, ConfigErrors, HelperOverrides, Loaded, Overrides, Paths, ServeConfig, StoreUrl};
use crate::confine::Needs;
use crate::daemon::{Instrument, Reached, RunOptions, SetupError};
use crate::detect::{Life, SeriesState};
use crate::doctor::Served;
use crate::model::{ClockStep, Evidence, SeriesKey, Span, SpanEvent, SpanId, Timestamp, VantageSpan, Verdict};
use crate::store::{
    Archive, BackupMade, BackupProgress, Holder, MeasurementFilter, Reader, SpanFilter, StoreError, StoredMeasurement,
    Watched,
};

/// The files that are named, or else those of the working directory.
fn own_paths(global: &GlobalArgs, listen: Option<&str>) -> Paths {
    let overrides = Overrides { store: global.store.clone(), listen: listen.map(ToOwned::to_owned) };
    let own = Paths { config: global.config.clone(), overrides, ..Paths::default() };
    match &global.targets {
        Some(targets) => Paths { targets: targets.clone(), ..own },
        None => own,
    }
}

/// The same, or else those of the system.
fn paths(global: &GlobalArgs, listen: Option<&str>) -> Paths {
    let own = own_paths(global, listen);
    if global.targets.is_some() { own } else { own.or_of_system() }
}

/// Reads targets and configuration.
///
/// # Errors
/// All faults of the files, laid out for a terminal, with colour if wanted.
pub(super) fn load(global: &GlobalArgs, listen: Option<&str>, colour: bool) -> Result<Loaded, Fault> {
    read(&paths(global, listen), colour)
}

/// The same for what is to be measured now: where those are URLs only, there need be no list.
///
/// # Errors
/// As of [`load`].
pub(super) fn load_to_measure(global: &GlobalArgs, only_urls: bool, colour: bool) -> Result<Loaded, Fault> {
    // Whoever may not read the system's files can measure a URL all the same.
    let paths = if only_urls { own_paths(global, None) } else { paths(global, None) };
    read(&Paths { only_urls, ..paths }, colour)
}

fn read(paths: &Paths, colour: bool) -> Result<Loaded, Fault> {
    crate::config::load(paths).map_err(|errors| Fault::Config(errors.render(colour)))
}

/// The faults of what a service runs with: laid out for who started it at a terminal, and without the lines of the files
/// where they go into a log.
fn of_service(errors: &ConfigErrors, colour: bool) -> Fault {
    Fault::Config(if std::io::stderr().is_terminal() { errors.render(colour) } else { errors.told() })
}

/// What the commands read from the store.
pub(super) trait Record {
    /// The spans that `filter` lets through.
    fn spans(&self, filter: &SpanFilter) -> Result<Vec<Span>, Fault>;
    /// When vantages told nothing.
    fn vantage_spans(&self, filter: &SpanFilter) -> Result<Vec<VantageSpan>, Fault>;
    /// The latest life of the daemon.
    fn last_life(&self) -> Result<Option<Life>, Fault>;
    /// The series that have evidence, and that `filter` lets through by site, vantage and source.
    fn watched(&self, filter: &SpanFilter) -> Result<Vec<Watched>, Fault>;
    /// Whether the site of a series was reached within each of the stretches.
    fn reached(&self, watched: &Watched, stretches: &[(Timestamp, Timestamp)]) -> Result<Vec<bool>, Fault>;
    /// All that the journal tells of one span, in order.
    fn span_events(&self, span: SpanId) -> Result<Vec<SpanEvent>, Fault>;
    /// Every series with what the sequential test remembers of it.
    fn series(&self) -> Result<Vec<(SeriesKey, SeriesState)>, Fault>;
    /// The measurements that `filter` lets through, in order of their time, one after another until told to stop.
    fn measurements(
        &self,
        filter: &MeasurementFilter,
        each: &mut dyn FnMut(StoredMeasurement) -> ControlFlow<()>,
    ) -> Result<(), Fault>;
}

fn unreadable(error: StoreError) -> Fault {
    Fault::failed("the record cannot be read", error)
}

impl Record for Reader {
    fn spans(&self, filter: &SpanFilter) -> Result<Vec<Span>, Fault> {
        Self::spans(self, filter).map_err(unreadable)
    }

    fn vantage_spans(&self, filter: &SpanFilter) -> Result<Vec<VantageSpan>, Fault> {
        Self::vantage_spans(self, filter).map_err(unreadable)
    }

    fn last_life(&self) -> Result<Option<Life>, Fault> {
        Self::last_life(self).map_err(unreadable)
    }

    fn watched(&self, filter: &SpanFilter) -> Result<Vec<Watched>, Fault> {
        Self::watched(self, filter).map_err(unreadable)
    }

    fn reached(&self, watched: &Watched, stretches: &[(Timestamp, Timestamp)]) -> Result<Vec<bool>, Fault> {
        Self::reached(self, watched, stretches).map_err(unreadable)
    }

    fn span_events(&self, span: SpanId) -> Result<Vec<SpanEvent>, Fault> {
        Self::span_events(self, span).map_err(unreadable)
    }

    fn series(&self) -> Result<Vec<(SeriesKey, SeriesState)>, Fault> {
        Self::series(self).map_err(unreadable)
    }

    fn measurements(
        &self,
        filter: &MeasurementFilter,
        each: &mut dyn FnMut(StoredMeasurement) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        Self::measurements(self, filter, each).map_err(unreadable)
    }
}

/// Opens the record for reading; None when there is no database yet.
///
/// # Errors
/// It is there but cannot be read: not a database of ours, another schema, no permission.
pub(super) fn open_record(url: &StoreUrl) -> Result<Option<Box<dyn Record>>, Fault> {
    let StoreUrl::Sqlite(path) = url;
    match Reader::open(path) {
        Ok(reader) => Ok(Some(Box::new(reader))),
        Err(StoreError::NothingRecorded { .. }) => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

/// Opens the record for a command that has nothing to say without one.
///
/// # Errors
/// There is none yet, or it cannot be read.
pub(super) fn required_record(url: &StoreUrl) -> Result<Box<dyn Record>, Fault> {
    open_record(url)?.ok_or_else(|| {
        let StoreUrl::Sqlite(path) = url;
        let what = format!("there is no `{}` yet: nothing has been measured; `blockspan run` makes it", path.display());
        Fault::Failed(what, None)
    })
}

/// Holds the record to be judged again: to look only, or to change it, which no daemon may do at the same time.
///
/// # Errors
/// There is no record, it is held by a daemon, or it cannot be read.
pub(super) fn open_archive(url: &StoreUrl, to_look: bool, now: Timestamp) -> Result<Archive, Fault> {
    let StoreUrl::Sqlite(path) = url;
    let open = if to_look { Archive::open_to_look } else { Archive::open };
    open(path, now, crate::rejudge::ruleset()).map_err(|error| match error {
        StoreError::Held { .. } => Fault::failed(
            "the record cannot be judged again while a daemon writes it: stop the daemon first, or look with --dry-run",
            error,
        ),
        _ => unreadable(error),
    })
}

/// Copies the record to a file.
///
/// # Errors
/// There is no record, the file cannot be written or is there already, or the record is damaged.
pub(super) fn back_up(
    url: &StoreUrl,
    to: &Path,
    overwrite: bool,
    report: &mut dyn FnMut(BackupProgress),
) -> Result<BackupMade, Fault> {
    let StoreUrl::Sqlite(path) = url;
    crate::store::back_up(path, to, overwrite, report).map_err(|error| Fault::failed("no backup was made", error))
}

/// Asks canaries, resolvers and controls once.
///
/// # Errors
/// A file that the configuration names cannot be used.
pub(super) fn reach(config: Config) -> Result<Reached, Fault> {
    let instrument = Instrument::new(config);
    let instrument = instrument.map_err(|error| Fault::failed("nobody can be asked", *error))?;
    Ok(runtime()?.block_on(instrument.reach()))
}

/// The last run of a daemon on the record, and the steps of its clock; none of both where the record cannot be read.
pub(super) fn life_and_clock(url: &StoreUrl) -> (Option<Life>, Vec<ClockStep>) {
    let StoreUrl::Sqlite(path) = url;
    let read = || -> Result<_, StoreError> {
        let reader = Reader::open(path)?;
        Ok((reader.last_life()?, reader.clock_steps()?))
    };
    read().unwrap_or_default()
}

/// Who holds the record, and what is served.
///
/// # Errors
/// Threads and timers cannot be set up.
pub(super) fn look_at_daemon(
    path: &Path,
    serve: &ServeConfig,
) -> Result<(Result<Option<Holder>, String>, Served), Fault> {
    Ok(runtime()?.block_on(crate::doctor::look_at(path, serve)))
}

/// Measures each series once, all controls and canaries included, and judges it. `report` gets each result as it
/// comes. Nothing is stored.
///
/// # Errors
/// Measuring could not begin. A site that fails is a result, not an error.
pub(super) fn measure(
    config: Config,
    wanted: Vec<SeriesKey>,
    report: &mut (dyn FnMut(Evidence, Verdict) + Send),
) -> Result<(), Fault> {
    let measured = runtime()?.block_on(crate::daemon::check(config, wanted, report));
    measured.map_err(|error: Box<SetupError>| Fault::failed("measuring cannot begin", *error))
}

/// Runs the daemon until it is told to stop, or one round with `--once`.
///
/// # Errors
/// The configuration is wrong, or the daemon cannot start.
pub(super) fn run(global: &GlobalArgs, args: &RunArgs, colour: bool) -> Result<(), Fault> {
    let listen = args.listen.as_deref();
    let loaded = crate::config::load(&paths(global, listen)).map_err(|errors| of_service(&errors, colour))?;
    give_up_rights(&loaded.files, &loaded.config.store.url, needs_capability(loaded.config.serve.listen));
    let options = RunOptions {
        once: args.once,
        set_log_filter: super::logging::set_filter,
        ..RunOptions::new(loaded, paths(global, listen))
    };
    let ended = runtime()?.block_on(crate::daemon::run(options, CancellationToken::new()));
    ended.map_err(|error| Fault::failed("the daemon cannot run", error))
}

/// From now on the first Ctrl-C (or SIGTERM) sets `stop`, a second one ends the program.
///
/// # Errors
/// Signals cannot be received.
pub(super) fn stop_on_interrupt(stop: &Arc<AtomicBool>) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Fault::failed("signals cannot be received", error))?;
    let token = CancellationToken::new();
    let within = runtime.enter();
    crate::daemon::watch_signals(token.clone()).map_err(|error| Fault::failed("signals cannot be received", error))?;
    let stop = Arc::clone(stop);
    runtime.spawn(async move {
        token.cancelled().await;
        stop.store(true, Ordering::Relaxed);
    });
    drop(within);
    // It serves until the program ends.
    std::mem::forget(runtime);
    Ok(())
}

/// Runs a helper until it is told to stop.
///
/// # Errors
/// The configuration is wrong, or the helper cannot start.
pub(super) fn helper(global: &GlobalArgs, args: &HelperArgs, colour: bool) -> Result<(), Fault> {
    let (listen, token_file) = (args.listen.clone(), args.token_file.clone());
    let overrides = HelperOverrides { listen, token_file, unprotected: args.unprotected };
    let loaded = crate::config::load_helper(global.config.as_deref(), &overrides)
        .map_err(|errors| of_service(&errors, colour))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    give_up_rights(&loaded.files, &loaded.config.store.url, needs_capability(loaded.config.helper.listen));
    let cannot = |error: Box<dyn std::error::Error + Send + Sync>| Fault::failed("the helper cannot run", error);
    runtime()?.block_on(async {
        let helper = crate::helper::Helper::open(&loaded.config).await.map_err(|error| cannot(error.into()))?;
        let stop = CancellationToken::new();
        crate::daemon::watch_signals(stop.clone()).map_err(|error| cannot(error.into()))?;
        helper.run(stop).await;
        Ok(())
    })
}

/// Plays the demonstration on loopback in `folder`; gives the spans that were recorded.
///
/// # Errors
/// It cannot start.
pub(super) fn demo(
    folder: &Path,
    listen: Option<SocketAddr>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<Span>, Fault> {
    let played = runtime()?.block_on(crate::demo::demo(folder, listen, say));
    played.map_err(|error| Fault::failed("the demonstration broke off", error))
}

/// Whether a capability is needed to listen there (ports below 1024; 0 is any free one).
const fn needs_capability(listen: SocketAddr) -> bool {
    matches!(listen.port(), 1..1024)
}

/// Gives up the rights that are not needed, before there are threads: reading what the configuration names, writing where
/// the record is.
pub(super) fn give_up_rights(files: &[PathBuf], record: &StoreUrl, low_port: bool) {
    let StoreUrl::Sqlite(path) = record;
    let real = path.canonicalize().unwrap_or_else(|_| path.clone());
    let directory = match real.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let confined = crate::confine::confine(&Needs { read: files.to_vec(), write: vec![directory], low_port });
    if !confined.applied.is_empty() {
        tracing::info!("given up at start: {}", confined.applied.join(", "));
    }
    for missing in &confined.missing {
        tracing::warn!("not given up: {missing}");
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Fault::failed("threads and timers cannot be set up", error))
}
