//! The acts of the demo and what it shows at the end.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::stage::{SITES, configuration};
use super::world::{Doings, World, WorldError};
use crate::config::{Loaded, Paths, StoreUrl};
use crate::daemon::{RunError, RunOptions};
use crate::model::Span;
use crate::store::{Reader, SpanFilter, StoreError};

/// Why the demo broke off.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The world.
    #[error("cannot set the stage")]
    World(#[from] WorldError),
    /// A file.
    #[error("cannot write into {folder}")]
    Folder {
        /// The demo's folder.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration.
    #[error("cannot configure the demo")]
    Configuration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The daemon.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The record.
    #[error("cannot read what was recorded")]
    Store(#[from] StoreError),
}

/// One change in the world.
struct Act {
    /// Seconds after the beginning.
    at: u64,
    /// What the audience is told.
    words: &'static str,
    change: fn(&mut Doings),
}

const ACTS: &[Act] = &[
    Act {
        at: 0,
        words: "All is well: three sites, a provider, an encrypted resolver and a control abroad.",
        change: |_| {},
    },
    Act {
        at: 8,
        words: "The censor begins to swallow every greeting (ClientHello) that names news.demo.",
        change: |doings| {
            doings.swallowed.insert("news.demo");
        },
    },
    Act {
        at: 12,
        words: "The server of blog.demo breaks down. That is nobody's censorship.",
        change: |doings| {
            doings.down.insert("blog.demo");
        },
    },
    Act {
        at: 16,
        words: "The provider's name server is told to deny that forum.demo exists.",
        change: |doings| {
            doings.denied.insert("forum.demo");
        },
    },
    Act {
        at: 24,
        words: "blog.demo is repaired.",
        change: |doings| {
            doings.down.clear();
        },
    },
    Act {
        at: 36,
        words: "The censor lets news.demo through again. forum.demo stays denied.",
        change: |doings| {
            doings.swallowed.clear();
        },
    },
];
/// Length of the demo, seconds.
const LENGTH: u64 = 54;

/// Plays the acts, watched by the daemon; tells them through `say`. Gives the spans that were recorded.
///
/// # Errors
/// When the loopback network or `folder` cannot be used.
pub async fn demo(
    folder: &Path,
    listen: Option<SocketAddr>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<Span>, DemoError> {
    let world = World::start(SITES).await?;
    let failed = |source| DemoError::Folder { folder: folder.display().to_string(), source };
    std::fs::write(folder.join("root.pem"), &world.root_pem).map_err(failed)?;
    let mut config = configuration(&world, folder).map_err(DemoError::Configuration)?;
    if let Some(listen) = listen {
        config.serve.listen = listen;
    }
    let StoreUrl::Sqlite(database) = config.store.url.clone();
    let loaded = Loaded { config, files: Vec::new(), warnings: Vec::new() };
    let options = RunOptions::new(loaded, Paths::default());
    let stop = CancellationToken::new();
    let daemon = tokio::spawn(crate::daemon::run(options, stop.clone()));

    let curtain = Instant::now();
    for act in ACTS {
        tokio::select! {
            () = sleep_until(curtain + Duration::from_secs(act.at)) => {}
            () = stop.cancelled() => break,
        }
        if daemon.is_finished() {
            break;
        }
        (act.change)(&mut world.doings.write());
        say(act.words);
    }
    tokio::select! {
        () = sleep_until(curtain + Duration::from_secs(LENGTH)) => {}
        () = stop.cancelled() => {}
    }
    stop.cancel();
    if let Ok(ended) = daemon.await {
        ended?;
    }
    Ok(Reader::open(&database)?.spans(&SpanFilter::default())?)
}
