//! Web servers: HTTP/1.1 in clear text, HTTP/1.1 and HTTP/2 over TLS.

use std::fmt::Write as _;
use std::future::{Future, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::server::ResolvesServerCert;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::authority::{ByName, Fixed, Issuing};
use super::old_tls;
use super::page::{Answered, PageBody, Pages, redirect};
use crate::router::Clock;
use crate::scenario::{Fault, FaultKind, Host, Page, PlainHttp, Speaks, holds};

/// Longest that a server which is about to reset a connection waits for its client to say something.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves a host's ports 80 and 443, as far as it has them. `today` is the world's date.
pub(crate) async fn serve_host(host: &Host, clock: Clock, today: SystemTime) -> Result<()> {
    let pages = Arc::new(Pages::of(host)?);
    let door = Arc::new(Door { fault: host.fault, clock: Some(clock), taken: AtomicU64::new(0) });
    let page = move |from: Ipv4Addr, request: Request<Incoming>| ready(pages.answer(from, &request));
    let secure = SocketAddrV4::new(host.address, 443);
    match (host.https, host.speaks) {
        (false, _) => {}
        (true, Speaks::Modern) => {
            let issuing = Issuing { authority: host.authority, certificate: host.certificate, today };
            let tls = acceptor(issuing, &host.names, &[b"h2", b"http/1.1"])?;
            serve(secure, Some(tls), door.clone(), page.clone()).await?;
        }
        (true, speaks) => old_tls::serve(secure, speaks).await?,
    }
    let plain = SocketAddrV4::new(host.address, 80);
    match host.http {
        PlainHttp::Closed => {}
        PlainHttp::Page => serve(plain, None, door, page).await?,
        PlainHttp::Redirect => {
            serve(plain, None, door, |_, request: Request<Incoming>| {
                let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
                let to = format!("https://{}{}", host.unwrap_or_default(), request.uri());
                ready(redirect(StatusCode::MOVED_PERMANENTLY, &to))
            })
            .await?;
        }
    }
    Ok(())
}

/// Where connections come in, and are turned away again when the host is in trouble.
#[derive(Default)]
pub(crate) struct Door {
    fault: Option<Fault>,
    clock: Option<Clock>,
    taken: AtomicU64,
}

impl Door {
    /// Whether the next connection is reset.
    fn slams(&self) -> bool {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.map_or(0.0, |clock| clock.now());
        match self.fault.filter(|fault| holds(fault.from, fault.until, now)).map(|fault| fault.how) {
            Some(FaultKind::Resets) => true,
            Some(FaultKind::Overloaded) => is_odd_one(number),
            _ => false,
        }
    }
}

/// Half of all numbers, without a pattern (the finaliser of SplitMix64).
fn is_odd_one(number: u64) -> bool {
    let mut mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) & 1 == 1
}

/// Waits until the client says something, then resets the connection.
async fn reset(stream: TcpStream) -> io::Result<()> {
    let _ = tokio::time::timeout(PATIENCE, stream.peek(&mut [0])).await;
    stream.set_zero_linger()
}

/// TLS with such certificates; without names, one for whatever name is asked for.
pub(crate) fn acceptor(issuing: Issuing, names: &[String], alpn: &[&[u8]]) -> Result<TlsAcceptor> {
    let certificates: Arc<dyn ResolvesServerCert> = match names {
        [] => Arc::new(ByName::new(issuing)),
        names => Arc::new(Fixed(issuing.issue(names)?)),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config).into())
}

/// Binds, then answers every request by `service`, which is told where the client is, until the runtime ends.
pub(crate) async fn serve<S, F>(
    address: SocketAddrV4,
    tls: Option<TlsAcceptor>,
    door: Arc<Door>,
    service: S,
) -> io::Result<()>
where
    S: Fn(Ipv4Addr, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<PageBody>> + Send + 'static,
{
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        while let Ok((stream, SocketAddr::V4(from))) = listener.accept().await {
            if door.slams() {
                tokio::spawn(reset(stream));
                continue;
            }
            let (tls, service) = (tls.clone(), service.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = service(*from.ip(), request);
                    async move { Answered::Ok(answer.await) }
                });
                let http1 = hyper::server::conn::http1::Builder::new();
                let Some(tls) = tls else {
                    return drop(http1.serve_connection(TokioIo::new(stream), service).await);
                };
                let Ok(stream) = tls.accept(stream).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    drop(http2.serve_connection(TokioIo::new(stream), service).await);
                } else {
                    drop(http1.serve_connection(TokioIo::new(stream), service).await);
                }
            });
        }
    });
    Ok(())
}

/// A page as bytes on the wire, as a box on the path injects it.
pub(crate) fn http_text(page: &Page) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} OK\r\n", page.status);
    for (name, value) in &page.headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let _ = write!(text, "content-length: {}\r\nconnection: close\r\n\r\n{}", page.body.len(), page.body);
    text.into_bytes()
}
