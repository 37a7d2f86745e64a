//! How exchanges and answers are written down.

use std::net::SocketAddr;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::DnsQuery;
use super::message::Reading;
use crate::model::{DnsAnswer, DnsExchange, DnsTransport, Elapsed, Failure};

/// An exchange of which nothing is known yet but its beginning.
pub(super) fn begin(query: &DnsQuery<'_>, resolver: &str, transport: DnsTransport, started: Instant) -> DnsExchange {
    DnsExchange {
        hop: query.hop,
        resolver: resolver.to_owned(),
        role: query.role,
        transport,
        name: query.name.to_owned(),
        query_type: query.query_type,
        started: started.saturating_duration_since(query.origin).into(),
        elapsed: Elapsed::default(),
        failure: None,
        answers: Vec::new(),
    }
}

/// Who sent an answer, and how it travelled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) source: Option<SocketAddr>,
    pub(super) ip_ttl: Option<u8>,
    pub(super) latency: Elapsed,
    /// Whether the source is the one that was asked.
    pub(super) from_asked: bool,
}

/// An answer as evidence.
pub(super) fn answer(reading: &Reading, arrival: Arrival, raw: &[u8]) -> DnsAnswer {
    DnsAnswer {
        source: arrival.source,
        ip_ttl: arrival.ip_ttl,
        latency: arrival.latency,
        rcode: reading.rcode,
        addresses: reading.addresses.clone(),
        cnames: reading.cnames.clone(),
        record_ttl_seconds: reading.record_ttl,
        matches_question: arrival.from_asked && reading.id_matches && reading.question_matches,
        raw: BASE64.encode(raw),
    }
}

/// What one question over a stream came to: the answer's bytes and the time since the question was written.
pub(super) type Reply = Result<(Vec<u8>, Elapsed), Failure>;

/// Ends an exchange over a stream, which brings one answer at most. `source` is null behind a proxy.
pub(super) fn end(
    mut exchange: DnsExchange,
    started: Instant,
    source: Option<SocketAddr>,
    reply: Reply,
    read: impl FnOnce(&[u8]) -> Reading,
) -> DnsExchange {
    exchange.elapsed = started.elapsed().into();
    match reply {
        Err(failure) => exchange.failure = Some(failure),
        Ok((bytes, latency)) => {
            let reading = read(&bytes);
            exchange.failure = reading.failure();
            let arrival = Arrival { source, ip_ttl: None, latency, from_asked: true };
            exchange.answers.push(answer(&reading, arrival, &bytes));
        }
    }
    exchange
}
