//! A question over HTTPS (RFC 8484): POST, over HTTP/2 or HTTP/1.1 as the resolver chooses.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;
use url::{Position, Url};

use super::message::Question;
use super::record::{self, Reply};
use super::{DnsQuery, secure};
use crate::model::{DnsExchange, DnsTransport, Failure};
use crate::vantage::{Connection, Vantage};

/// Bytes read of an answer: as many as a DNS message can have.
const MAX_BODY: usize = 65_535;

/// The media type (RFC 8484 section 6).
const DNS_MESSAGE: &str = "application/dns-message";

/// Asks the endpoint `url` at `server`.
pub(super) async fn ask(
    vantage: &Vantage,
    url: &Url,
    server: SocketAddr,
    resolver: &str,
    query: &DnsQuery<'_>,
    tls: &Arc<rustls::ClientConfig>,
) -> DnsExchange {
    let started = Instant::now();
    let exchange = record::begin(query, resolver, DnsTransport::Doh, started);
    let question = match Question::for_https(query.name, query.query_type) {
        Ok(question) => question,
        Err(failure) => return DnsExchange { failure: Some(failure), ..exchange },
    };
    let talk = async {
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let stream = vantage.connect(server, query.timeout).await?;
        let stream = secure::handshake(stream, name, tls, &[b"h2", b"http/1.1"]).await?;
        converse(stream, url, &question.bytes).await
    };
    let reply = match tokio::time::timeout(query.timeout, talk).await {
        Ok(reply) => reply,
        Err(_) => Err(Failure::GenericTimeout),
    };
    let source = (!vantage.is_tunnel()).then_some(server);
    record::end(exchange, started, source, reply, |bytes| question.read(bytes))
}

async fn converse(stream: TlsStream<Connection>, url: &Url, question: &[u8]) -> Reply {
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let request = Request::post(if is_h2 { url.as_str() } else { &url[Position::BeforePath..Position::AfterQuery] })
        .header(CONTENT_TYPE, DNS_MESSAGE)
        .header(ACCEPT, DNS_MESSAGE);
    let request = if is_h2 { request } else { request.header(HOST, authority) };
    let request = request.body(Full::new(Bytes::copy_from_slice(question))).map_err(|_| Failure::HttpRequestFailed)?;
    let io = TokioIo::new(stream);
    let written = Instant::now();
    // The handle ends the connection with this exchange, however it ends.
    let (response, _connection) = if is_h2 {
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), io).await.map_err(|error| failure(&error))?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move { connection.await.unwrap_or_default() }));
        (sender.send_request(request).await, connection)
    } else {
        let (mut sender, connection) = http1::handshake(io).await.map_err(|error| failure(&error))?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move { connection.await.unwrap_or_default() }));
        (sender.send_request(request).await, connection)
    };
    let body = body(response.map_err(|error| failure(&error))?).await?;
    Ok((body, written.elapsed().into()))
}

async fn body(response: Response<Incoming>) -> Result<Vec<u8>, Failure> {
    if response.status() != StatusCode::OK {
        return Err(Failure::HttpRequestFailed);
    }
    match Limited::new(response.into_body(), MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(error) => Err(failure(error.as_ref())),
    }
}

/// The failure that an error of hyper means: the stream's, if it lies beneath.
fn failure(error: &(dyn Error + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return secure::failure(io);
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return Failure::Eof;
        }
        cause = error.source();
    }
    Failure::HttpRequestFailed
}
