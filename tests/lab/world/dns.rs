//! The transports of a name server: datagrams, TCP, TLS (RFC 7858) and HTTPS (RFC 8484).

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::answer::NameServer;
use super::page::PageBody;
use super::web::{self, Door};

/// Answers datagrams and TCP on port 53.
pub(crate) async fn serve_plain(address: Ipv4Addr, server: Arc<NameServer>) -> io::Result<()> {
    let socket = UdpSocket::bind(SocketAddrV4::new(address, 53)).await?;
    let listener = TcpListener::bind(SocketAddrV4::new(address, 53)).await?;
    let datagrams = server.clone();
    tokio::spawn(async move {
        let mut buffer = vec![0_u8; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = datagrams.answer(&buffer[..length]) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_stream(stream, server.clone()));
        }
    });
    Ok(())
}

/// Answers DNS over TLS on port 853.
pub(crate) async fn serve_tls(address: Ipv4Addr, tls: TlsAcceptor, server: Arc<NameServer>) -> io::Result<()> {
    let listener = TcpListener::bind(SocketAddrV4::new(address, 853)).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, server) = (tls.clone(), server.clone());
            tokio::spawn(async move { serve_stream(tls.accept(stream).await?, server).await });
        }
    });
    Ok(())
}

/// Messages with a length before each (RFC 1035 4.2.2).
async fn serve_stream(mut stream: impl AsyncRead + AsyncWrite + Unpin, server: Arc<NameServer>) -> io::Result<()> {
    loop {
        let mut question = vec![0_u8; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut question).await?;
        if let Some(answer) = server.answer(&question) {
            let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
            stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await?;
            stream.flush().await?;
        }
    }
}

/// Answers DNS over HTTPS on port 443.
pub(crate) async fn serve_https(address: Ipv4Addr, tls: TlsAcceptor, server: Arc<NameServer>) -> io::Result<()> {
    let service = move |_, request: Request<Incoming>| {
        let server = server.clone();
        async move { answer_https(request, &server).await }
    };
    web::serve(SocketAddrV4::new(address, 443), Some(tls), Arc::new(Door::default()), service).await
}

async fn answer_https(request: Request<Incoming>, server: &NameServer) -> Response<PageBody> {
    let question = match *request.method() {
        Method::POST => {
            Limited::new(request.into_body(), 4096).collect().await.ok().map(|body| body.to_bytes().to_vec())
        }
        _ => request
            .uri()
            .query()
            .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("dns=")))
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()),
    };
    let mut response = Response::new(PageBody::whole(Vec::new().into()));
    match question.and_then(|question| server.answer(&question)) {
        Some(answer) => {
            let kind = http::HeaderValue::from_static("application/dns-message");
            response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            *response.body_mut() = PageBody::whole(answer.into());
        }
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}
