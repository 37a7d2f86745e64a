//! One address: TCP, then TLS, each with its own record.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;
use url::Host;

use super::Prober;
use crate::model::{AddressOrigin, Failure, TcpConnect, TlsHandshake};
use crate::probe::tls::{self, Hello};
use crate::probe::wire::{Wire, WireNotes};
use crate::vantage::{Connection, Vantage};

/// Time that a connection attempt may overrun its own limit before it is given up from outside.
const OVERRUN: Duration = Duration::from_millis(500);

/// One address to be dialled.
#[derive(Debug, Clone)]
pub(super) struct Dial {
    pub(super) hop: u8,
    pub(super) address: SocketAddr,
    pub(super) host: Host<String>,
    pub(super) tls: bool,
    /// The measurement's beginning and its end.
    pub(super) origin: Instant,
    pub(super) deadline: Instant,
}

/// What came of it.
pub(super) struct Attempt {
    pub(super) tcp: TcpConnect,
    pub(super) tls: Option<TlsHandshake>,
    pub(super) ready: Option<Ready>,
}

/// A connection that could carry a request.
pub(super) struct Ready {
    pub(super) address: SocketAddr,
    pub(super) stream: Connection,
    pub(super) notes: WireNotes,
    pub(super) h2: bool,
    /// No fault in its certificates; always so without TLS.
    pub(super) clean: bool,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// The record of an address that is not dialled because it cannot be public.
pub(super) fn bogon(hop: u8, address: SocketAddr, origin: Instant) -> TcpConnect {
    TcpConnect {
        hop,
        address,
        origin: AddressOrigin::Own,
        bogon: true,
        started: origin.elapsed().into(),
        elapsed: Duration::ZERO.into(),
        failure: Some(Failure::DnsBogon),
    }
}

/// Dials one address. Every step ends by the measurement's deadline and says so in its own record.
pub(super) async fn dial(prober: &Prober, vantage: &Vantage, dial: Dial) -> Attempt {
    let waiting = Instant::now();
    let patience = dial.deadline.min(waiting + prober.timeouts.tcp_timeout);
    let permit = timeout_at(patience.into(), prober.gates.enter(dial.address)).await.ok().flatten();
    let started = Instant::now();
    let mut tcp = TcpConnect {
        hop: dial.hop,
        address: dial.address,
        origin: AddressOrigin::Own,
        bogon: false,
        started: started.duration_since(dial.origin).into(),
        elapsed: Duration::ZERO.into(),
        failure: None,
    };
    if permit.is_none() {
        // We held back of our own accord: that is no silence of the peer.
        tcp.failure = Some(Failure::Interrupted);
        return Attempt { tcp, tls: None, ready: None };
    }
    let limit = prober.timeouts.tcp_timeout.min(dial.deadline.saturating_duration_since(started));
    let connected = timeout_at((started + limit + OVERRUN).into(), vantage.connect(dial.address, limit)).await;
    tcp.elapsed = started.elapsed().into();
    let connection = match connected.unwrap_or(Err(Failure::GenericTimeout)) {
        Ok(connection) => connection,
        Err(failure) => {
            tcp.failure = cut_short(Some(failure), limit, prober.timeouts.tcp_timeout.min(prober.timeouts.url_timeout));
            return Attempt { tcp, tls: None, ready: None };
        }
    };
    let (wire, notes) = Wire::new(connection);
    if !dial.tls {
        let stream: Connection = Box::new(wire);
        let ready = Ready { address: dial.address, stream, notes, h2: false, clean: true, permit };
        return Attempt { tcp, tls: None, ready: Some(ready) };
    }
    if Instant::now() >= dial.deadline {
        return Attempt { tcp, tls: None, ready: None };
    }
    let limit = prober.timeouts.tls_timeout.min(dial.deadline.saturating_duration_since(Instant::now()));
    let hello = Hello {
        hop: dial.hop,
        address: dial.address,
        host: &dial.host,
        origin: dial.origin,
        deadline: Instant::now() + limit,
    };
    let (mut handshake, stream) = tls::handshake(&prober.roots, &hello, wire, &notes).await;
    handshake.failure =
        cut_short(handshake.failure, limit, prober.timeouts.tls_timeout.min(prober.timeouts.url_timeout));
    let ready = stream.map(|stream| Ready {
        address: dial.address,
        stream: Box::new(stream),
        notes,
        h2: handshake.alpn.as_deref() == Some("h2"),
        clean: handshake.is_authentic(),
        permit,
    });
    Attempt { tcp, tls: Some(handshake), ready }
}

/// Silence within less than half of the usual time says nothing of the peer: the measurement's own end cut the step off.
pub(in crate::probe) fn cut_short(failure: Option<Failure>, allowed: Duration, usual: Duration) -> Option<Failure> {
    let cut = failure == Some(Failure::GenericTimeout) && allowed < usual / 2;
    if cut { Some(Failure::Interrupted) } else { failure }
}

/// The host of a URL, owned; a URL without one cannot be measured.
pub(super) fn host_of(url: &url::Url) -> Option<Host<String>> {
    url.host().map(|host| host.to_owned())
}

/// The address that the host is, when it is one.
pub(super) fn literal(host: &Host<String>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some((*ip).into()),
        Host::Ipv6(ip) => Some((*ip).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_end_of_the_measurement_cuts_short_is_no_silence() {
        let (usual, rest) = (Duration::from_secs(10), Duration::from_millis(300));
        assert_eq!(cut_short(Some(Failure::GenericTimeout), rest, usual), Some(Failure::Interrupted));
        assert_eq!(cut_short(Some(Failure::GenericTimeout), usual, usual), Some(Failure::GenericTimeout));
        assert_eq!(cut_short(Some(Failure::ConnectionReset), rest, usual), Some(Failure::ConnectionReset));
        assert_eq!(cut_short(None, rest, usual), None);
    }
}
