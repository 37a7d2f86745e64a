//! What the tests measure: a certificate authority, servers that behave or misbehave, and a name server, all on
//! loopback and port 0.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::svcb::{Alpn, SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, HTTPS};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;

use crate::config::{
    Config, ControlConfig, DetectConfig, FingerprintsConfig, HelperServiceConfig, NetworkConfig, ProbeConfig,
    ResolverSpec, Role, ServeConfig, StoreConfig, StoreUrl, ThrottlingConfig, TlsConfig, VantageConfig, Via,
};
use crate::model::{CountryCode, Measurement, Trigger};
use crate::probe::{Prober, Target};
use crate::vantage::Vantage;

pub(crate) const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
pub(crate) const NOW: (i32, i32) = (2020, 2090);
pub(crate) const PAST: (i32, i32) = (2020, 2021);

/// A certificate authority.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: tempfile::NamedTempFile,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(pem.path(), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A server's side of TLS with a certificate for `names`.
    pub(crate) fn acceptor(&self, names: &[&str], years: (i32, i32), alpn: &[&str]) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        acceptor(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into(), alpn)
    }
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>, alpn: &[&str]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A TCP server at `ip`; `handle` gets each connection.
pub(crate) async fn serve<F, Fut>(ip: Ipv4Addr, handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// A port of loopback that is closed over TCP and UDP, and stays so while this lives: nobody else gets it.
pub(crate) struct ClosedPort {
    pub(crate) address: SocketAddr,
    _held: (socket2::Socket, std::net::UdpSocket),
}

impl ClosedPort {
    pub(crate) fn take() -> Self {
        loop {
            // It never listens.
            let tcp = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            tcp.bind(&SocketAddr::from((HERE, 0)).into()).unwrap();
            let address = tcp.local_addr().unwrap().as_socket().unwrap();
            // The same port of UDP may be another test's.
            if let Ok(udp) = std::net::UdpSocket::bind(address) {
                // Who is connected elsewhere is not there for others.
                udp.connect((HERE, 9)).unwrap();
                return Self { address, _held: (tcp, udp) };
            }
        }
    }
}

/// An HTTPS server that answers every request with the bytes that `answer` makes of its path.
pub(crate) async fn https<F>(ip: Ipv4Addr, acceptor: TlsAcceptor, answer: F) -> SocketAddr
where
    F: Fn(&str) -> Vec<u8> + Clone + Send + Sync + 'static,
{
    serve(ip, move |stream| {
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        async move {
            if let Ok(mut tls) = acceptor.accept(stream).await {
                respond(&mut tls, &answer).await;
                let _ = tls.shutdown().await;
            }
        }
    })
    .await
}

/// The same in clear text.
pub(crate) async fn http<F>(ip: Ipv4Addr, answer: F) -> SocketAddr
where
    F: Fn(&str) -> Vec<u8> + Clone + Send + Sync + 'static,
{
    serve(ip, move |mut stream| {
        let answer = answer.clone();
        async move {
            respond(&mut stream, &answer).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

/// Reads one request, its body too (a close with bytes unread would be a reset), and writes the answer.
pub(crate) async fn respond<S, F>(stream: &mut S, answer: &F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(&str) -> Vec<u8>,
{
    let head = head(stream).await;
    let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut body = vec![0; content_length(&head)];
    let _ = stream.read_exact(&mut body).await;
    let _ = stream.write_all(&answer(&path)).await;
    let _ = stream.flush().await;
}

/// The length of the body that a head announces.
pub(crate) fn content_length(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let value = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    value.map_or(0, |length| length.parse().unwrap())
}

/// A request's head.
pub(crate) async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Closes with a reset instead of an end.
pub(crate) fn reset(stream: TcpStream) {
    let stream = stream.into_std().unwrap();
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Reads something first: the ClientHello.
pub(super) async fn swallow(stream: &mut TcpStream) {
    let mut hello = [0; 4096];
    let _ = stream.read(&mut hello).await;
}

/// A whole answer with a Content-Length.
pub(crate) fn page(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Names and their IPv4 addresses.
pub(crate) type Zone = HashMap<&'static str, Vec<Ipv4Addr>>;

/// An answer from the zone; all its hosts speak HTTP/3 on UDP port `h3`.
fn lookup(zone: &Zone, h3: Option<u16>, question: &Message) -> Message {
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    let query = question.queries[0].clone();
    let name = query.name.clone();
    match zone.get(name.to_ascii().trim_end_matches('.')) {
        Some(addresses) if query.query_type == RecordType::A => {
            message.add_answers(addresses.iter().map(|ip| Record::from_rdata(name.clone(), 60, RData::A(A(*ip)))));
        }
        Some(_) if query.query_type == RecordType::HTTPS => {
            message.add_answers(h3.map(|port| Record::from_rdata(name.clone(), 60, https_record(port))));
        }
        Some(_) => {}
        None => message.metadata.response_code = ResponseCode::NXDomain,
    }
    message.add_query(query);
    message
}

fn https_record(port: u16) -> RData {
    let alpn = SvcParamValue::Alpn(Alpn(vec!["h3".into(), "h2".into()]));
    let parameters = vec![(SvcParamKey::Alpn, alpn), (SvcParamKey::Port, SvcParamValue::Port(port))];
    RData::HTTPS(HTTPS(SVCB::new(1, Name::root(), parameters)))
}

/// A name server over UDP.
pub(crate) async fn name_server(zone: Zone) -> ResolverSpec {
    let socket = UdpSocket::bind((HERE, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let answer = lookup(&zone, None, &Message::from_vec(&buffer[..length]).unwrap());
            let _ = socket.send_to(&answer.to_vec().unwrap(), peer).await;
        }
    });
    ResolverSpec::Udp(address)
}

/// A name server over TLS: a reference.
pub(crate) async fn encrypted_name_server(ca: &Ca, zone: Zone) -> ResolverSpec {
    encrypted_name_server_with(ca, zone, None).await
}

/// The same, whose hosts speak HTTP/3 on UDP port `h3`.
pub(super) async fn encrypted_name_server_with(ca: &Ca, zone: Zone, h3: Option<u16>) -> ResolverSpec {
    let acceptor = ca.acceptor(&["dns.example"], NOW, &[]);
    let zone = Arc::new(zone);
    let address = serve(HERE, move |stream| {
        let (acceptor, zone) = (acceptor.clone(), Arc::clone(&zone));
        async move {
            let Ok(mut tls) = acceptor.accept(stream).await else { return };
            while let Ok(length) = tls.read_u16().await {
                let mut question = vec![0; usize::from(length)];
                tls.read_exact(&mut question).await.unwrap();
                let answer = lookup(&zone, h3, &Message::from_vec(&question).unwrap()).to_vec().unwrap();
                tls.write_u16(answer.len() as u16).await.unwrap();
                tls.write_all(&answer).await.unwrap();
                tls.flush().await.unwrap();
            }
        }
    })
    .await;
    ResolverSpec::Dot { name: "dns.example".into(), address }
}

/// A configuration with short bounds that trusts `ca` and takes loopback for public.
pub(crate) fn config(ca: &Ca) -> Config {
    Config {
        sites: Vec::new(),
        probe: ProbeConfig {
            interval: Duration::from_secs(60),
            jitter: 0.1,
            dns_timeout: Duration::from_secs(2),
            tcp_timeout: Duration::from_secs(2),
            tls_timeout: Duration::from_millis(1500),
            http_timeout: Duration::from_millis(1500),
            quic: true,
            quic_timeout: Duration::from_millis(1500),
            url_timeout: Duration::from_secs(8),
            body_limit: 64 * 1024,
            max_addresses: 6,
            max_in_flight: 8,
        },
        detect: DetectConfig { confirm_after: Vec::new(), spread: Duration::ZERO },
        throttling: ThrottlingConfig::default(),
        store: StoreConfig { url: StoreUrl::Sqlite("x.db".into()), keep_measurements: Duration::ZERO },
        serve: ServeConfig {
            listen: SocketAddr::from((HERE, 0)),
            unprotected: false,
            tls: None,
            token_file: None,
            hosts: Vec::new(),
            cors: Vec::new(),
        },
        tls: TlsConfig { extra_roots: vec![ca.pem.path().to_owned()] },
        network: NetworkConfig { allow_private: vec!["127.0.0.0/8".parse().unwrap()], ..NetworkConfig::default() },
        fingerprints: FingerprintsConfig::default(),
        vantages: Vec::new(),
        control: ControlConfig { resolvers: Vec::new(), helpers: Vec::new(), max_age: Duration::ZERO },
        canaries: Vec::new(),
        helper: HelperServiceConfig::default(),
        experiments: crate::config::ExperimentsConfig::default(),
        summary: Default::default(),
        webhooks: Vec::new(),
        log: crate::config::LogConfig::default(),
    }
}

pub(crate) fn vantage(resolvers: &[ResolverSpec]) -> Vantage {
    Vantage::new(&VantageConfig {
        id: "here".parse().unwrap(),
        role: Role::Probe,
        country: CountryCode::UNKNOWN,
        asn: None,
        via: Via::Direct { interface: None, source: Some(IpAddr::V4(HERE)) },
        resolvers: resolvers.to_vec(),
    })
}

/// Measures `url` once.
pub(super) async fn measure(config: &Config, url: &str, resolvers: &[ResolverSpec]) -> Measurement {
    let target = Target { site: "site".parse().unwrap(), url: url.parse().unwrap() };
    Prober::new(config).unwrap().measure(&target, &vantage(resolvers), Trigger::Manual).await
}
