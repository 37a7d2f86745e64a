//! Web servers: HTTP/1.1 in clear text, HTTP/1.1 and HTTP/2 over TLS.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::server::ResolvesServerCert;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::authority::{ByName, Fixed, issue};
use crate::scenario::{Authority, Host, Page, PlainHttp};

/// Serves a host's ports 80 and 443, as far as it has them.
pub(crate) async fn serve_host(host: &Host) -> Result<()> {
    let page = Arc::new(host.page.clone());
    let served = page.clone();
    let serve_page = move |_: Request<Incoming>| std::future::ready(response(&served));
    if host.https {
        let tls = acceptor(host.authority, &host.names, &[b"h2", b"http/1.1"])?;
        serve(SocketAddrV4::new(host.address, 443), Some(tls), serve_page.clone()).await?;
    }
    let plain = SocketAddrV4::new(host.address, 80);
    match host.http {
        PlainHttp::Closed => {}
        PlainHttp::Page => serve(plain, None, serve_page).await?,
        PlainHttp::Redirect => {
            serve(plain, None, |request: Request<Incoming>| {
                let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
                let to = format!("https://{}{}", host.unwrap_or_default(), request.uri());
                let headers = [("location".into(), to)].into();
                let page = Page { status: 301, headers, body: String::new(), fill: 0 };
                std::future::ready(response(&page))
            })
            .await?;
        }
    }
    Ok(())
}

/// TLS with certificates of `authority`; without names, one for whatever name is asked for.
pub(crate) fn acceptor(authority: Authority, names: &[String], alpn: &[&[u8]]) -> Result<TlsAcceptor> {
    let certificates: Arc<dyn ResolvesServerCert> = match names {
        [] => Arc::new(ByName::new(authority)),
        names => Arc::new(Fixed(issue(authority, names)?)),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config).into())
}

/// Binds, then answers every request by `service` until the runtime ends.
pub(crate) async fn serve<S, F>(address: SocketAddrV4, tls: Option<TlsAcceptor>, service: S) -> io::Result<()>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, service) = (tls.clone(), service.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = service(request);
                    async move { Ok::<_, Infallible>(answer.await) }
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

fn response(page: &Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(page.body.clone() + &".".repeat(page.fill)));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &page.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
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
