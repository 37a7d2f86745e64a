//! Connections of the reference, made by hickory-resolver's own connector, with a note of why the last one failed.
//!
//! The resolver's pool reports every failed connection as "no connections available"; whether the control
//! resolver was refused, silent or intercepted is worth knowing.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::config::ConnectionConfig;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ConnectionProvider, PoolContext};

/// The connector of one resolver. Clones share the note.
#[derive(Clone, Default)]
pub(super) struct Connector {
    provider: TokioRuntimeProvider,
    last_error: Arc<Mutex<Option<NetError>>>,
}

impl Connector {
    /// Why the last connection failed; none when it was made.
    pub(super) fn last_error(&self) -> Option<NetError> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, error: Option<&NetError>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error.cloned();
    }
}

impl ConnectionProvider for Connector {
    type Conn = <TokioRuntimeProvider as ConnectionProvider>::Conn;
    type FutureConn = Pin<Box<dyn Future<Output = Result<Self::Conn, NetError>> + Send>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        cx: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        let connecting = self.provider.new_connection(ip, config, cx)?;
        let connector = self.clone();
        Ok(Box::pin(async move {
            let connected = connecting.await;
            connector.note(connected.as_ref().err());
            connected
        }))
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.provider
    }
}
