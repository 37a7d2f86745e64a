//! An ordinary client that shares no code with the instrument. What it sees proves that the lab does what a scenario
//! says.

use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_socks::tcp::Socks5Stream;
use url::Url;

use crate::expect::Witness;
use crate::lab::Lab;
use crate::places;
use crate::quic_client;
use crate::scenario::{Authority, Scenario};
use crate::world::authority::root_der;

/// Most bytes of an answer that it reads.
const MOST: u64 = 1 << 20;

/// Wait at each layer.
pub(crate) const WAIT: Duration = Duration::from_secs(3);

tokio::task_local! {
    /// Wait at each layer where it must be another than `WAIT`.
    static PATIENCE: Duration;
}

/// How it gets to a site.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// To the first address that this resolver gives.
    Asking(Resolver),
    /// To this address.
    To(IpAddr),
    /// Through the way out.
    Out,
}

/// A resolver in clear text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resolver {
    address: Ipv4Addr,
    tcp: bool,
}

impl Resolver {
    /// The one that the instrument is set up to ask first, where that is one over TCP, and else the ISP's.
    fn of(scenario: &Scenario) -> Result<Self> {
        match scenario.setup.resolvers.first().and_then(|first| first.strip_prefix("tcp://")) {
            Some(end) => Ok(Self { address: *end.parse::<SocketAddrV4>()?.ip(), tcp: true }),
            None => Ok(ISP_RESOLVER),
        }
    }
}

const ISP_RESOLVER: Resolver = Resolver { address: places::RESOLVER, tcp: false };

/// Looks at a scenario from the vantage and through the way out.
pub(crate) fn run(scenario: &Scenario) -> Result<()> {
    let expected = scenario.witness.clone().context("no witness")?;
    let lab = Lab::build_at(scenario, expected.after)?;
    let asking = Way::Asking(Resolver::of(scenario)?);
    let patience = expected.takes_at_least.map_or(WAIT, |least| Duration::from_secs_f64(least * 10.0));
    let faults = in_vantage(&lab, PATIENCE.scope(patience, async move { faults(&expected, asking).await }))??;
    ensure!(faults.is_empty(), "{}\n{}", faults.join("\n"), lab.story());
    Ok(())
}

/// Everything in which what is seen differs from what must be seen.
async fn faults(expected: &Witness, asking: Way) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut same = |what: &str, expected: &str, seen: &str| {
        if expected != seen {
            faults.push(format!("{what}: expected  {expected}\n{what}: saw       {seen}"));
        }
    };
    let url: Url = expected.url.parse()?;
    let name = url.host_str().context("no host")?;
    let began = Instant::now();
    same("vantage", &expected.vantage, &look_by(&url, asking).await);
    let took = began.elapsed().as_secs_f64();
    let mut took_control = f64::INFINITY;
    // On a loaded machine the way out may be slow as well, but not each time.
    for _ in 0..3 {
        let began = Instant::now();
        same("control", &expected.control, &look_by(&url, Way::Out).await);
        took_control = took_control.min(began.elapsed().as_secs_f64());
        if expected.takes_at_least.is_none_or(|least| took_control < least) {
            break;
        }
    }
    if let Some(least) = expected.takes_at_least {
        let slow = took >= least && took_control < least;
        let seen = format!("{took:.2} s here, {took_control:.2} s there");
        same("pace", "slow here, quick there", if slow { "slow here, quick there" } else { &seen });
    }
    for (address, expected) in &expected.at {
        same(&address.to_string(), expected, &look_by(&url, Way::To(*address)).await);
    }
    if let Some(expected) = &expected.answers {
        let answers = ask_all(places::RESOLVER, name, expected.len() + 1).await?;
        let seen: Vec<_> = answers.iter().map(|answer| read_answer(answer).unwrap_or_default()).collect();
        same("answers", &format!("{expected:?}"), &format!("{seen:?}"));
    }
    if let Some(expected) = &expected.quic {
        let seen = match ask(places::RESOLVER, name).await.map(|addresses| addresses.first().copied()) {
            Ok(Some(address)) => quic_client::look(SocketAddr::new(address.into(), 443), name).await,
            _ => "no address".into(),
        };
        same("quic", expected, &format!("quic {seen}"));
    }
    for (url, expected) in &expected.also {
        same(url, expected, &look_by(&url.parse()?, asking).await);
    }
    Ok(faults)
}

/// Runs `work` in the vantage's namespace.
pub(crate) fn in_vantage<T: Send + 'static>(lab: &Lab, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    lab.vantage.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(work))
    })?
}

/// What a client sees of `url`, layer by layer: `dns ADDRESS > tcp open > tls trusted > http 200 TITLE`.
pub(crate) async fn look(url: &Url, through_way_out: bool) -> String {
    look_by(url, if through_way_out { Way::Out } else { Way::Asking(ISP_RESOLVER) }).await
}

/// The same, by any way.
pub(crate) async fn look_by(url: &Url, way: Way) -> String {
    let mut seen = Vec::new();
    // The first failure has said all that there is to say.
    let _ = layers(url, way, &mut seen).await;
    seen.join(" > ")
}

async fn layers(url: &Url, way: Way, seen: &mut Vec<String>) -> Option<()> {
    let host = url.host_str()?;
    let port = url.port_or_known_default()?;
    let stream = if let Way::Out = way {
        let opening = timeout(WAIT, Socks5Stream::connect(places::WAY_OUT, (host.to_owned(), port))).await;
        let opened =
            opening.map_err(|_| "timeout".to_owned()).and_then(|stream| stream.map_err(|error| in_words(&error)));
        note(seen, "tcp", opened.as_ref().map(|_| "open".to_owned()).map_err(Clone::clone))?;
        opened.ok()?.into_inner()
    } else {
        let address = if let Way::To(address) = way { address } else { resolve(host, way, seen).await?.into() };
        let opened = connect(SocketAddr::new(address, port)).await;
        note(seen, "tcp", opened.as_ref().map(|_| "open".to_owned()).map_err(Clone::clone))?;
        opened.ok()?
    };
    if url.scheme() == "http" {
        return note(seen, "http", get(stream, url).await);
    }
    let (signer, stream) = match handshake(stream, host).await {
        Ok((stream, signer)) => (Ok(signer), Some(stream)),
        Err(failure) => (Err(failure), None),
    };
    note(seen, "tls", signer)?;
    note(seen, "http", get(stream?, url).await)
}

async fn resolve(host: &str, way: Way, seen: &mut Vec<String>) -> Option<Ipv4Addr> {
    let Way::Asking(resolver) = way else { return None };
    let resolved =
        if resolver.tcp { ask_over_tcp(resolver.address, host).await } else { ask(resolver.address, host).await };
    note(seen, "dns", resolved.as_ref().map(|addresses| listed(addresses)).map_err(Clone::clone))?;
    resolved.ok()?.first().copied()
}

fn note(seen: &mut Vec<String>, layer: &str, outcome: Result<String, String>) -> Option<()> {
    let ok = outcome.is_ok();
    seen.push(format!("{layer} {}", outcome.unwrap_or_else(|failure| failure)));
    ok.then_some(())
}

fn listed(addresses: &[Ipv4Addr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Asks `resolver` over UDP for the addresses of `name`.
pub(crate) async fn ask(resolver: Ipv4Addr, name: &str) -> Result<Vec<Ipv4Addr>, String> {
    let answers = ask_all(resolver, name, 1).await.map_err(|error| in_words(&error))?;
    read_answer(answers.first().ok_or("timeout")?)
}

/// Asks `resolver` over TCP for the addresses of `name`.
pub(crate) async fn ask_over_tcp(resolver: Ipv4Addr, name: &str) -> Result<Vec<Ipv4Addr>, String> {
    let question = question(name).map_err(|error| error.to_string())?;
    let mut stream = connect(SocketAddrV4::new(resolver, 53)).await?;
    let answer = within(async {
        stream.write_u16(u16::try_from(question.len()).map_err(io::Error::other)?).await?;
        stream.write_all(&question).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    })
    .await?;
    read_answer(&Message::from_vec(&answer).map_err(|error| error.to_string())?)
}

/// Asks `resolver` over UDP, and gives the first `most` answers of those that come in time.
pub(crate) async fn ask_all(resolver: Ipv4Addr, name: &str, most: usize) -> io::Result<Vec<Message>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.send_to(&question(name).map_err(io::Error::other)?, (resolver, 53)).await?;
    let mut answers = Vec::new();
    let mut buffer = [0; 1500];
    while answers.len() < most
        && let Ok(received) = timeout(WAIT, socket.recv_from(&mut buffer)).await
    {
        answers.extend(Message::from_vec(&buffer[..received?.0]));
    }
    Ok(answers)
}

/// The bytes of a question for the addresses of `name`.
pub(crate) fn question(name: &str) -> Result<Vec<u8>> {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(Name::from_ascii(name)?, RecordType::A));
    Ok(query.to_vec()?)
}

/// The addresses of an answer, or what it says instead.
pub(crate) fn read_answer(answer: &Message) -> Result<Vec<Ipv4Addr>, String> {
    let addresses: Vec<_> = answer
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
        .collect();
    match answer.metadata.response_code {
        ResponseCode::NoError if addresses.is_empty() => Err("empty".into()),
        ResponseCode::NoError => Ok(addresses),
        ResponseCode::NXDomain => Err("nxdomain".into()),
        ResponseCode::Refused => Err("refused".into()),
        ResponseCode::ServFail => Err("servfail".into()),
        other => Err(other.to_string()),
    }
}

/// Opens a connection.
pub(crate) async fn connect(to: impl Into<SocketAddr>) -> Result<TcpStream, String> {
    within(TcpStream::connect(to.into())).await
}

/// Shakes hands whoever it is, and says who vouches for it: `trusted`, or the common name of an unknown signer.
pub(crate) async fn handshake(stream: TcpStream, name: &str) -> Result<(TlsStream<TcpStream>, String), String> {
    let judge = Arc::new(Judge::new().map_err(|error| error.to_string())?);
    let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(judge.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await?;
    let said = judge.said();
    Ok((stream, said))
}

/// The status and the title of the page, and whether it ends before it should.
async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, url: &Url) -> Result<String, String> {
    let host = url.host_str().unwrap_or_default();
    let mut request = format!("GET {} HTTP/1.1\r\n", url.path());
    let _ = write!(request, "Host: {host}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    within(async {
        stream.write_all(request.as_bytes()).await?;
        stream.take(MOST).read_to_end(&mut answer).await
    })
    .await?;
    let long = answer.len() as u64 == MOST;
    let answer = String::from_utf8_lossy(&answer);
    let Some(status) = answer.split(' ').nth(1) else { return Err("eof".into()) };
    let rest = answer.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let page = rest.map_or(status.to_owned(), |(title, _)| format!("{status} {title}"));
    Ok(if long {
        page + ", long"
    } else if is_short(&answer) {
        page + ", cut short"
    } else {
        page
    })
}

/// Whether fewer bytes came than Content-Length announces.
fn is_short(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return true };
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut announced = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    announced.find_map(|(_, value)| value.trim().parse::<usize>().ok()).is_some_and(|length| length > body.len())
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, String> {
    match timeout(PATIENCE.try_with(|patience| *patience).unwrap_or(WAIT), work).await {
        Ok(done) => done.map_err(|error| in_words(&error)),
        Err(_) => Err("timeout".into()),
    }
}

/// A failure in one word.
fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<tokio_socks::Error>() {
        return match error {
            tokio_socks::Error::ConnectionRefused => "refused".into(),
            tokio_socks::Error::Io(error) => in_words(error),
            other => other.to_string(),
        };
    }
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "refused".into(),
        Some(io::ErrorKind::ConnectionReset) => "reset".into(),
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => "unreachable".into(),
        Some(io::ErrorKind::UnexpectedEof) => "eof".into(),
        _ => error.to_string(),
    }
}

/// Lets every chain pass and says what it is.
#[derive(Debug)]
pub(crate) struct Judge {
    honest: Arc<WebPkiServerVerifier>,
    said: Mutex<String>,
}

impl Judge {
    /// What it said last.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn new() -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(root_der(Authority::Lab)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let honest = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { honest, said: Mutex::default() })
    }
}

fn signer(chain: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(chain).ok()?;
    let name = certificate.issuer().iter_common_name().next()?.as_str().ok()?.to_owned();
    Some(name)
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError as Fault;
        let by = format!("signed by {}", signer(leaf).unwrap_or_default());
        let said = match self.honest.verify_server_cert(leaf, intermediates, name, ocsp, now) {
            Ok(_) => "trusted".to_owned(),
            Err(rustls::Error::InvalidCertificate(fault)) => match fault {
                Fault::Expired | Fault::ExpiredContext { .. } => format!("expired, {by}"),
                Fault::NotValidYet | Fault::NotValidYetContext { .. } => format!("not yet valid, {by}"),
                Fault::NotValidForName | Fault::NotValidForNameContext { .. } => "for another name".to_owned(),
                _ => by,
            },
            Err(_) => by,
        };
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = said;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.honest.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.honest.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.honest.supported_verify_schemes()
    }
}
