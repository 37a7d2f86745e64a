//! A question over a stream: TCP (RFC 7766) and TLS (RFC 7858), each message led by its length.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::message::Question;
use super::record::{self, Reply};
use super::{DnsQuery, secure};
use crate::model::{DnsExchange, DnsTransport, Failure};
use crate::vantage::{Stream, Vantage};

/// Asks over plain TCP.
pub(super) async fn ask_tcp(
    vantage: &Vantage,
    server: SocketAddr,
    resolver: &str,
    query: &DnsQuery<'_>,
) -> DnsExchange {
    ask(vantage, server, resolver, query, None).await
}

/// Asks over TLS; the certificate must be good for `name`, which is sent (SNI).
pub(super) async fn ask_tls(
    vantage: &Vantage,
    name: &str,
    server: SocketAddr,
    resolver: &str,
    query: &DnsQuery<'_>,
    tls: &Arc<rustls::ClientConfig>,
) -> DnsExchange {
    ask(vantage, server, resolver, query, Some((name, tls))).await
}

async fn ask(
    vantage: &Vantage,
    server: SocketAddr,
    resolver: &str,
    query: &DnsQuery<'_>,
    tls: Option<(&str, &Arc<rustls::ClientConfig>)>,
) -> DnsExchange {
    let started = Instant::now();
    let transport = if tls.is_some() { DnsTransport::Dot } else { DnsTransport::Tcp };
    let exchange = record::begin(query, resolver, transport, started);
    let question = match Question::new(query.name, query.query_type, true) {
        Ok(question) => question,
        Err(failure) => return DnsExchange { failure: Some(failure), ..exchange },
    };
    let talk = async {
        let stream = vantage.connect(server, query.timeout).await?;
        match tls {
            Some((name, tls)) => {
                converse(secure::handshake(stream, name, tls, &[b"dot"]).await?, &question.bytes).await
            }
            None => converse(stream, &question.bytes).await,
        }
    };
    let reply = match tokio::time::timeout(query.timeout, talk).await {
        Ok(reply) => reply,
        Err(_) => Err(Failure::GenericTimeout),
    };
    let source = (!vantage.is_tunnel()).then_some(server);
    record::end(exchange, started, source, reply, |bytes| question.read(bytes))
}

/// Writes one message and reads one; its length is bounded by the two bytes that tell it.
async fn converse(mut stream: impl Stream, question: &[u8]) -> Reply {
    let length = u16::try_from(question.len()).map_err(|_| Failure::Unknown("question too long".into()))?;
    let mut framed = Vec::with_capacity(question.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(question);
    let written = Instant::now();
    stream.write_all(&framed).await.map_err(|error| secure::failure(&error))?;
    stream.flush().await.map_err(|error| secure::failure(&error))?;
    let length = stream.read_u16().await.map_err(|error| secure::failure(&error))?;
    let mut answer = vec![0u8; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(|error| secure::failure(&error))?;
    Ok((answer, written.elapsed().into()))
}
