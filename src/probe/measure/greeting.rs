//! One address greeted over QUIC, beside what TCP does there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;
use url::Host;

use super::Prober;
use super::attempt::cut_short;
use super::http3::Known;
use crate::model::{AddressFamily, AddressOrigin, Failure, QuicHandshake};
use crate::probe::quic;
use crate::probe::tls::{self, Hello};
use crate::vantage::Vantage;

/// Handshakes of one measurement at most: one for each address family.
pub(super) const MOST: usize = AddressFamily::ALL.len();
/// Time that a handshake may overrun its own limit before it is given up from outside.
const OVERRUN: Duration = Duration::from_millis(500);

/// One address to be greeted.
#[derive(Debug, Clone)]
pub(super) struct Greeting {
    pub(super) hop: u8,
    pub(super) address: SocketAddr,
    pub(super) host: Host<String>,
    pub(super) known: Known,
    /// The measurement's beginning and its end.
    pub(super) origin: Instant,
    pub(super) deadline: Instant,
}

/// Makes the handshake. It ends by the measurement's deadline and says so in its record.
pub(super) async fn greet(prober: &Prober, vantage: &Vantage, greeting: Greeting) -> QuicHandshake {
    let (usual, whole) = (prober.timeouts.quic_timeout, prober.timeouts.url_timeout);
    let waiting = Instant::now();
    let patience = greeting.deadline.min(waiting + usual);
    let permit = timeout_at(patience.into(), prober.quic_gates.enter(greeting.address)).await.ok().flatten();
    let started = Instant::now();
    if permit.is_none() {
        // We held back of our own accord: that is no silence of the peer.
        return broken_off(&greeting, started, Failure::Interrupted);
    }
    let limit = usual.min(greeting.deadline.saturating_duration_since(started));
    let hello = Hello {
        hop: greeting.hop,
        address: greeting.address,
        host: &greeting.host,
        origin: greeting.origin,
        deadline: started + limit,
    };
    let greeted = quic::handshake(&prober.roots, vantage, &hello, greeting.known.hint);
    let mut record = timeout_at((started + limit + OVERRUN).into(), greeted)
        .await
        .unwrap_or_else(|_| broken_off(&greeting, started, Failure::GenericTimeout));
    record.failure = cut_short(record.failure, limit, usual.min(whole));
    record
}

fn broken_off(greeting: &Greeting, started: Instant, failure: Failure) -> QuicHandshake {
    QuicHandshake {
        hop: greeting.hop,
        address: greeting.address,
        server_name: tls::sni(&greeting.host),
        started: started.duration_since(greeting.origin).into(),
        elapsed: started.elapsed().into(),
        failure: Some(failure),
        origin: AddressOrigin::Own,
        hint: Some(greeting.known.hint),
        alpn: None,
        last_good: None,
    }
}
