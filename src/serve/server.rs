//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Door;
use super::answer::Answer;
use super::app::App;
use super::routes;
use super::seats::Seats;
use super::waiting::{Guest, Waiting};

/// How much one server bears.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; the next ones wait in the kernel's queue. HTTP/1.1 carries one request at a time on
    /// each, so this bounds the requests too.
    pub connections: usize,
    /// Connections at once from one network (IPv4 /24, IPv6 /56), so that no stranger takes all of them. What comes from
    /// this machine is not counted: a proxy speaks for many; where one stands elsewhere, it is as many as of all.
    pub from_one_network: usize,
    /// Longest wait for a request's head, and longest idle time between two requests.
    pub head: Duration,
    /// Longest life of a connection; a client that never reads its answer is cut off by it.
    pub connection: Duration,
    /// Time that open connections get to finish when the server stops.
    pub grace: Duration,
}

impl Limits {
    const DEFAULT: Self = Self {
        connections: 64,
        from_one_network: 32,
        head: Duration::from_secs(10),
        connection: Duration::from_secs(120),
        grace: Duration::from_secs(3),
    };

    /// The same, where everyone may come by a proxy that stands elsewhere, if it does.
    pub fn with_proxy(self, stands_elsewhere: bool) -> Self {
        if stands_elsewhere { Self { from_one_network: self.connections, ..self } } else { self }
    }
}

/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;
/// Fields of a request's head.
const MAX_FIELDS: usize = 64;
/// Wait after the system refused a connection (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until `shutdown`, then lets open requests finish for at most three seconds.
///
/// # Errors
///
/// When the listener has no local address. A connection that cannot be accepted is logged and does not end the server.
pub async fn serve(listener: TcpListener, app: App, door: Arc<Door>, shutdown: CancellationToken) -> io::Result<()> {
    serve_within(Limits::DEFAULT, listener, app, door, shutdown).await
}

pub(super) async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    app: App,
    door: Arc<Door>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let limits = limits.with_proxy(door.is_guarded_elsewhere());
    let acceptor = door.acceptor();
    let router = routes::router(app, door.hosts(listener.local_addr()?), door);
    serve_over(limits, listener, |_| router.clone(), acceptor, shutdown).await;
    Ok(())
}

/// Serves what `routes` gives for each peer until `shutdown`, then lets open requests finish for the time of grace.
pub async fn serve_routes(
    limits: Limits,
    listener: TcpListener,
    routes: impl Fn(SocketAddr) -> Router,
    shutdown: CancellationToken,
) {
    serve_over(limits, listener, routes, None, shutdown).await;
}

/// The same over TLS, if there is something that greets so.
async fn serve_over(
    limits: Limits,
    listener: TcpListener,
    routes: impl Fn(SocketAddr) -> Router,
    acceptor: Option<TlsAcceptor>,
    shutdown: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let seats = Seats::new(limits.from_one_network);
    let waiting = Waiting::default();
    let mut connections = JoinSet::new();
    while let Some((stream, peer)) = shutdown.run_until_cancelled(accept(&listener)).await {
        let Some(seat) = seats.take(peer.ip()) else {
            tracing::debug!("one network has as many connections as it may have; the next one is closed");
            continue;
        };
        // The semaphore is never closed, so only the shutdown ends this wait.
        let permit = shutdown.run_until_cancelled(place(&permits, &waiting)).await;
        let Some(Some(permit)) = permit else { break };
        let (router, acceptor, shutdown) = (routes(peer), acceptor.clone(), shutdown.clone());
        let guest = waiting.guest();
        connections.spawn(async move {
            let cut = guest.cut.clone();
            let talk = async {
                match acceptor {
                    None => converse(limits, stream, router, guest, shutdown).await,
                    Some(acceptor) => match tokio::time::timeout(limits.head, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => converse(limits, stream, router, guest, shutdown).await,
                        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                        Err(_) => tracing::debug!("a TLS handshake took too long"),
                    },
                }
            };
            if cut.run_until_cancelled(talk).await.is_none() {
                tracing::debug!("a connection that asked nothing gave up its place to another");
            }
            drop((permit, seat));
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all_done = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, all_done).await.is_err() {
        tracing::debug!(open = connections.len(), "clients did not finish in time and are cut off");
    }
    connections.shutdown().await;
}

/// A place for a connection: a free one, or that of whoever has kept us waiting longest.
async fn place(permits: &Arc<Semaphore>, waiting: &Waiting) -> Option<OwnedSemaphorePermit> {
    let free = || Arc::clone(permits).acquire_owned();
    let given_up = async {
        waiting.cut_oldest().await;
        free().await
    };
    tokio::select! {
        biased;
        permit = free() => permit.ok(),
        permit = given_up => permit.ok(),
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection from its first to its last request.
async fn converse(
    limits: Limits,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    guest: Arc<Guest>,
    shutdown: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        let served = guest.served();
        let answer = router.call(request);
        async move { Ok::<_, Infallible>(answer.await?.map(|body| Answer::new(body, served))) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = tokio::time::sleep(limits.connection) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.grace, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
