//! The QUIC handshake over a vantage's own UDP socket (RFC 9000, RFC 9001): what is recorded and what is trusted is as for
//! TLS. Nothing is asked for once it is done; the connection is closed at once.

mod alt_svc;
mod failure;
mod socket;
mod tasks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::crypto::rustls::{HandshakeData, QuicClientConfig};
use quinn::{ClientConfig, Endpoint, EndpointConfig, TransportConfig, VarInt};
use rustls::client::Resumption;
use tokio::time::{timeout, timeout_at};

pub(super) use self::alt_svc::{Offer, offer};
use self::socket::Datagrams;
use self::tasks::Tasks;
use super::roots::Roots;
use super::tls::{self, Hello, RecordingVerifier};
use crate::model::{AddressOrigin, Failure, QuicHandshake, QuicHint};
use crate::vantage::Vantage;

/// The protocol asked for: HTTP/3 (RFC 9114).
const ALPN: &[u8] = b"h3";
/// How long the farewell may take to leave. It needs no answer.
const FAREWELL: Duration = Duration::from_millis(100);

/// Makes the handshake from a fresh source port. Never fails: every failure is in the record. Dropping the future ends
/// everything at once.
pub(super) async fn handshake(roots: &Roots, vantage: &Vantage, hello: &Hello<'_>, hint: QuicHint) -> QuicHandshake {
    let started = Instant::now();
    let mut record = QuicHandshake {
        hop: hello.hop,
        address: hello.address,
        server_name: tls::sni(hello.host),
        started: started.duration_since(hello.origin).into(),
        elapsed: Duration::ZERO.into(),
        failure: None,
        origin: AddressOrigin::Own,
        hint: Some(hint),
        alpn: None,
        last_good: None,
    };
    let tasks = Arc::new(Tasks::default());
    let outcome = match Attempt::begin(roots, vantage, hello, &tasks).await {
        Ok(attempt) => attempt.run(hello.deadline, started).await,
        Err(failure) => Outcome { failure: Some(failure), alpn: None, ended: started.elapsed() },
    };
    (record.failure, record.alpn, record.elapsed) = (outcome.failure, outcome.alpn, outcome.ended.into());
    record
}

/// What came of a handshake.
struct Outcome {
    failure: Option<Failure>,
    alpn: Option<String>,
    ended: Duration,
}

/// A handshake that is ready to begin.
struct Attempt {
    endpoint: Endpoint,
    connecting: quinn::Connecting,
    socket: Arc<Datagrams>,
    verifier: Arc<RecordingVerifier>,
    /// Ends what the library has left running when this is dropped.
    _tasks: tasks::Guard,
}

impl Attempt {
    async fn begin(roots: &Roots, vantage: &Vantage, hello: &Hello<'_>, tasks: &Arc<Tasks>) -> Result<Self, Failure> {
        let unnamed = || Failure::Unknown("the host cannot be named in TLS".to_owned());
        let name = tls::server_name(hello.host).ok_or_else(unnamed)?.to_str().into_owned();
        let verifier = Arc::new(RecordingVerifier::new(roots.clone()));
        let config = client_config(roots, Arc::clone(&verifier)).ok_or_else(library)?;
        let socket = Arc::new(Datagrams::open(vantage, hello.address).await?);
        let guard = tasks::Guard::new(Arc::clone(tasks));
        let runtime: Arc<dyn quinn::Runtime> = Arc::<Tasks>::clone(tasks);
        let shared: Arc<dyn quinn::AsyncUdpSocket> = Arc::<Datagrams>::clone(&socket);
        let endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, shared, runtime)
            .map_err(|error| Failure::from_io(&error))?;
        let connecting = endpoint.connect_with(config, hello.address, &name).map_err(|_| library())?;
        Ok(Self { endpoint, connecting, socket, verifier, _tasks: guard })
    }

    async fn run(self, deadline: Instant, started: Instant) -> Outcome {
        let Self { endpoint, mut connecting, socket, verifier, _tasks: guard } = self;
        let outcome = timeout_at(deadline.into(), async {
            tokio::select! {
                biased;
                connected = &mut connecting => connected.map_err(|error| failure::of(&error)),
                // The network's own word (ICMP) comes with the socket; the library would wait on.
                refused = socket.refused() => Err(refused),
            }
        })
        .await;
        let ended = started.elapsed();
        let (failure, alpn) = match outcome {
            Err(_) => (Some(Failure::GenericTimeout), None),
            Ok(Err(failure)) => (Some(failure), None),
            Ok(Ok(connection)) => {
                let agreed = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
                let alpn = agreed.and_then(|data| data.protocol);
                let farewell = socket.sent();
                connection.close(VarInt::from_u32(0), b"");
                let _ = timeout(FAREWELL, farewell).await;
                let alpn = alpn.map(|name| String::from_utf8_lossy(&name).into_owned());
                (tls::fault_failure(&verifier.take()), alpn)
            }
        };
        drop((endpoint, guard));
        Outcome { failure, alpn, ended }
    }
}

fn library() -> Failure {
    Failure::Unknown("the QUIC library cannot be set up".to_owned())
}

fn client_config(roots: &Roots, verifier: Arc<RecordingVerifier>) -> Option<ClientConfig> {
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(roots.provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session shows no chain.
    tls.resumption = Resumption::disabled();
    let mut transport = TransportConfig::default();
    // The deadline is ours, and a handshake needs to know of no larger datagrams.
    transport.max_idle_timeout(None).mtu_discovery_config(None);
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0)).datagram_receive_buffer_size(None);
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).ok()?));
    config.transport_config(Arc::new(transport));
    Some(config)
}
