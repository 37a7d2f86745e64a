//! The life of a helper: set up, listen, serve, stop in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Extension;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::desk::{Desk, DeskError};
use super::limiter::Limiter;
use super::metrics::Metrics;
use super::routes::{Shop, router};
use crate::config::{Config, Token, TokenError};
use crate::model::shown_listener;
use crate::serve::{Limits, serve_routes};

/// What the server bears. Most askers wait for their answer, so there are more connections than measurements.
const LIMITS: Limits = Limits {
    connections: 256,
    from_one_network: 64,
    head: Duration::from_secs(10),
    connection: Duration::from_secs(120),
    grace: Duration::from_secs(10),
};

/// Why a helper cannot run.
#[derive(Debug, thiserror::Error)]
pub enum HelperRunError {
    /// The instrument.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The metrics registry.
    #[error("cannot set up the metrics")]
    Metrics(#[from] prometheus::Error),
    /// The address.
    #[error(
        "cannot listen on {}; another program may hold it: use --listen or `[helper] listen` to choose another",
        shown_listener(*.address)
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A helper that listens and does not serve yet.
pub struct Helper {
    listener: TcpListener,
    address: SocketAddr,
    shop: Arc<Shop>,
}

impl Helper {
    /// Sets up what `config` describes and takes its address.
    ///
    /// # Errors
    /// When a file named by the configuration cannot be used, or the address cannot be had.
    pub async fn open(config: &Config) -> Result<Self, HelperRunError> {
        let helper = &config.helper;
        let shop = Shop {
            desk: Desk::new(config)?,
            limiter: Limiter::new(helper.per_minute),
            metrics: Metrics::new()?,
            token: helper.token_file.as_deref().map(Token::read).transpose()?,
            behind_proxy: helper.behind_proxy,
        };
        let taken = |source| HelperRunError::Listen { address: helper.listen, source };
        let listener = TcpListener::bind(helper.listen).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        Ok(Self { listener, address, shop: Arc::new(shop) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets measurements under way finish for at most ten seconds.
    pub async fn run(self, stop: CancellationToken) {
        let asked = if self.shop.token.is_some() { "askers need the token" } else { "no token is asked for" };
        info!("helping at http://{}/ ({asked}; metrics at /metrics)", shown_listener(self.address));
        let limits = LIMITS.with_proxy(self.shop.behind_proxy);
        let routes = router(self.shop);
        serve_routes(limits, self.listener, |peer| routes.clone().layer(Extension(peer)), stop).await;
        info!("stopped in order");
    }
}
