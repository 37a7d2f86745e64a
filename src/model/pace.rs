//! How fast a site answers: what throttling is told by.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Elapsed, HttpExchange, Measurement, TcpConnect, TlsHandshake};

/// How fast one exchange went. A part is null where it was not reached or bears nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Pace {
    /// Length of the TCP handshake: one round trip.
    #[serde(rename = "connect_seconds")]
    pub connect: Option<Elapsed>,
    /// Length of the TLS handshake.
    #[serde(rename = "handshake_seconds")]
    pub handshake: Option<Elapsed>,
    /// From the request to the answer's head.
    #[serde(rename = "first_byte_seconds")]
    pub first_byte: Option<Elapsed>,
    /// Bytes of the body on the wire by time from its head to its end; null for bodies too small to tell.
    pub bytes_per_second: Option<f64>,
}

/// What a series' pace usually is: medians of its latest good measurements.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// How many measurements it rests on.
    pub samples: u32,
    /// Their medians.
    pub pace: Pace,
}

/// The smallest body, bytes on the wire, whose time tells a rate: below it a round trip decides.
pub const TELLING_BODY: u64 = 32 * 1024;

impl Pace {
    /// The pace of the exchange that answered at the end of the chain, with the connection that carried it.
    pub fn of(measurement: &Measurement) -> Option<Self> {
        let exchange = measurement.http.last().filter(|exchange| exchange.status.is_some())?;
        let here = |hop: u8, address: std::net::SocketAddr| hop == exchange.hop && address == exchange.address;
        let tcp = measurement.tcp.iter().find(|tcp| here(tcp.hop, tcp.address) && tcp.failure.is_none());
        let tls = measurement.tls.iter().find(|tls| here(tls.hop, tls.address) && tls.failure.is_none());
        Some(Self::of_exchange(exchange, tcp, tls))
    }

    /// The pace of one exchange over the connection that carried it.
    pub fn of_exchange(exchange: &HttpExchange, tcp: Option<&TcpConnect>, tls: Option<&TlsHandshake>) -> Self {
        let body_time = |first: Elapsed| exchange.elapsed.as_duration().saturating_sub(first.as_duration());
        let rate = exchange.first_byte.zip(exchange.body.as_ref()).and_then(|(first, body)| {
            let wire = body.wire_length.unwrap_or(body.length);
            let time = body_time(first).max(Duration::from_millis(1));
            (wire >= TELLING_BODY).then(|| wire as f64 / time.as_secs_f64())
        });
        Self {
            connect: tcp.map(|tcp| tcp.elapsed),
            handshake: tls.map(|tls| tls.elapsed),
            first_byte: exchange.first_byte,
            bytes_per_second: rate,
        }
    }
}
