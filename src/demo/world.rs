//! The world of the demo: name servers, sites, a censor on the path, and a way out that the censor does not see.
//!
//! Every site has two addresses of the loopback network: the one that its name resolves to leads through the censor,
//! the other is its server. The way out (SOCKS5) goes to the server whatever address it is asked for, as traffic from abroad
//! would.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use parking_lot::RwLock;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// The name of the encrypted resolver.
pub(super) const RESOLVER_NAME: &str = "dns.demo";
/// A connection of the demo lives no longer than this.
const LIFE: Duration = Duration::from_secs(30);

/// What goes on in the world just now.
#[derive(Debug, Default)]
pub(super) struct Doings {
    /// Sites whose ClientHello the censor swallows.
    pub swallowed: BTreeSet<&'static str>,
    /// Sites that the provider's name server denies (NXDOMAIN).
    pub denied: BTreeSet<&'static str>,
    /// Sites whose server is down.
    pub down: BTreeSet<&'static str>,
}

/// The running world.
pub(super) struct World {
    /// What goes on; changed by the acts.
    pub doings: Arc<RwLock<Doings>>,
    /// Port of all sites.
    pub port: u16,
    /// The provider's name server.
    pub resolver: SocketAddr,
    /// The encrypted resolver that tells the truth (DNS over TLS).
    pub encrypted: SocketAddr,
    /// The way out.
    pub way_out: SocketAddr,
    /// The root that the sites' certificates lead to, PEM.
    pub root_pem: String,
}

/// Why the world cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Sockets.
    #[error("cannot listen on the loopback network")]
    Listen(#[from] io::Error),
    /// Certificates.
    #[error("cannot make the certificates")]
    Certificates(#[from] rcgen::Error),
    /// Their use.
    #[error("cannot use the certificates")]
    Tls(#[from] rustls::Error),
}

fn path_address(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 42, 0, u8::try_from(index + 1).unwrap_or(u8::MAX))
}

fn server_address(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 43, 0, u8::try_from(index + 1).unwrap_or(u8::MAX))
}

impl World {
    /// Starts the world with these sites; it lasts as long as the runtime.
    pub(super) async fn start(sites: &'static [&'static str]) -> Result<Self, WorldError> {
        let authority = Authority::new()?;
        let doings = Arc::new(RwLock::new(Doings::default()));
        let first = TcpListener::bind((path_address(0), 0)).await?;
        let port = first.local_addr()?.port();
        let mut first = Some(first);
        for (index, &site) in sites.iter().enumerate() {
            let path = match first.take() {
                Some(listener) => listener,
                None => TcpListener::bind((path_address(index), port)).await?,
            };
            let server = TcpListener::bind((server_address(index), port)).await?;
            let acceptor = authority.acceptor(site)?;
            tokio::spawn(serve_path(path, SocketAddr::from((server_address(index), port)), site, Arc::clone(&doings)));
            tokio::spawn(serve_site(server, acceptor, site, Arc::clone(&doings)));
        }
        let resolver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let encrypted = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let way_out = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let world = Self {
            doings: Arc::clone(&doings),
            port,
            resolver: resolver.local_addr()?,
            encrypted: encrypted.local_addr()?,
            way_out: way_out.local_addr()?,
            root_pem: authority.issuer.pem(),
        };
        tokio::spawn(serve_provider_dns(resolver, sites, doings));
        tokio::spawn(serve_encrypted_dns(encrypted, authority.acceptor(RESOLVER_NAME)?, sites));
        tokio::spawn(serve_way_out(way_out));
        Ok(world)
    }
}

/// The certificate authority of the demo.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "blockspan demo root");
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    fn acceptor(&self, name: &str) -> Result<TlsAcceptor, WorldError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// The path to a site: the censor sits here. It lets connections come about and swallows what names the site.
async fn serve_path(listener: TcpListener, server: SocketAddr, site: &'static str, doings: Arc<RwLock<Doings>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let doings = Arc::clone(&doings);
        tokio::spawn(timeout(LIFE, async move {
            if doings.read().swallowed.contains(site) {
                return sleep(LIFE).await;
            }
            if let Ok(mut upstream) = TcpStream::connect(server).await {
                let _ = copy_bidirectional(&mut client, &mut upstream).await;
            }
        }));
    }
}

async fn serve_site(listener: TcpListener, acceptor: TlsAcceptor, site: &'static str, doings: Arc<RwLock<Doings>>) {
    while let Ok((stream, _)) = listener.accept().await {
        if doings.read().down.contains(site) {
            continue;
        }
        let acceptor = acceptor.clone();
        tokio::spawn(timeout(LIFE, async move {
            let mut stream = acceptor.accept(stream).await?;
            let mut request = [0u8; 4096];
            let _ = stream.read(&mut request).await?;
            let page = format!("<!doctype html><title>{site}</title><p>This is {site}.");
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                page.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(page.as_bytes()).await?;
            stream.shutdown().await
        }));
    }
}

/// The answer to a question: a site's address, the truth unless `denied`.
fn answer(question: &[u8], sites: &[&str], denied: &BTreeSet<&str>) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(question).ok()?;
    let query = message.queries.first()?.clone();
    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    message.metadata.message_type = MessageType::Response;
    message.additionals.clear();
    match sites.iter().position(|site| *site == name) {
        Some(index) if !denied.contains(name.as_str()) => {
            if query.query_type() == RecordType::A {
                message.answers =
                    vec![Record::from_rdata(query.name().clone(), 30, RData::A(path_address(index).into()))];
            }
        }
        _ => message.metadata.response_code = ResponseCode::NXDomain,
    }
    message.to_vec().ok()
}

async fn serve_provider_dns(socket: UdpSocket, sites: &'static [&'static str], doings: Arc<RwLock<Doings>>) {
    let mut buffer = [0u8; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let reply = answer(&buffer[..length], sites, &doings.read().denied);
        if let Some(reply) = reply {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}

async fn serve_encrypted_dns(listener: TcpListener, acceptor: TlsAcceptor, sites: &'static [&'static str]) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut stream = acceptor.accept(stream).await?;
            loop {
                let length = stream.read_u16().await?;
                let mut question = vec![0u8; usize::from(length)];
                stream.read_exact(&mut question).await?;
                let Some(reply) = answer(&question, sites, &BTreeSet::new()) else { return Ok(()) };
                stream.write_u16(u16::try_from(reply.len()).unwrap_or(0)).await?;
                stream.write_all(&reply).await?;
                stream.flush().await?;
            }
            #[allow(unreachable_code)]
            io::Result::Ok(())
        });
    }
}

/// A SOCKS5 proxy (RFC 1928) for IPv4 CONNECT that leads to the site's server, past the censor.
async fn serve_way_out(listener: TcpListener) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(timeout(LIFE, lead_out(client)));
    }
}

async fn lead_out(mut client: TcpStream) -> io::Result<()> {
    let [_version, methods] = read(&mut client).await?;
    let mut offered = vec![0u8; usize::from(methods)];
    client.read_exact(&mut offered).await?;
    client.write_all(&[5, 0]).await?;
    let [_version, command, _, kind] = read(&mut client).await?;
    if (command, kind) != (1, 1) {
        return client.write_all(&[5, 7, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    }
    let [a, b, c, d] = read(&mut client).await?;
    let port = client.read_u16().await?;
    let wanted = Ipv4Addr::new(a, b, c, d);
    let address = match wanted.octets() {
        [127, 42, 0, index] => Ipv4Addr::new(127, 43, 0, index),
        _ => wanted,
    };
    match TcpStream::connect((IpAddr::V4(address), port)).await {
        Ok(mut upstream) => {
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
            copy_bidirectional(&mut client, &mut upstream).await.map(|_| ())
        }
        Err(_) => client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await,
    }
}

async fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0u8; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
