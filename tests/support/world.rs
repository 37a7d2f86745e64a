//! A small world on loopback: a name server, sites behind TLS, a censor on the path to them, and a way round it.
//!
//! Names resolve to an address behind which the censor sits; the sites' server has another one. A SOCKS5 proxy leads
//! to the server past the censor, as a control abroad would.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::dns;
use super::place::Place;

/// Where the censor sits.
const PATH: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Where the sites are.
const SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// No connection outlives this.
const LIFE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Doings {
    swallowed: BTreeSet<String>,
    reset: BTreeSet<String>,
    requests: BTreeMap<String, usize>,
}

/// The world; it ends when dropped.
pub struct World {
    doings: Arc<Mutex<Doings>>,
    runtime: Option<Runtime>,
    port: u16,
    resolver: SocketAddr,
    resolver_abroad: SocketAddr,
    silent_resolver: UdpSocket,
    way_out: SocketAddr,
    root_pem: String,
}

impl World {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let doings = Arc::new(Mutex::new(Doings::default()));
        let (acceptor, root_pem) = certificates();
        let _guard = runtime.enter();
        runtime
            .block_on(async {
                let (path, server) = two_on_one_port().await;
                let port = path.local_addr().unwrap().port();
                let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                let socks = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                let world = Self {
                    doings: Arc::clone(&doings),
                    runtime: None,
                    port,
                    resolver: udp.local_addr().unwrap(),
                    resolver_abroad: tcp.local_addr().unwrap(),
                    silent_resolver: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
                    way_out: socks.local_addr().unwrap(),
                    root_pem,
                };
                tokio::spawn(serve_path(path, port, Arc::clone(&doings)));
                tokio::spawn(serve_sites(server, acceptor, doings));
                tokio::spawn(dns::serve_udp(udp, PATH));
                tokio::spawn(dns::serve_tcp(tcp, PATH));
                tokio::spawn(serve_way_out(socks));
                world
            })
            .with(runtime)
    }

    fn with(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The URL of a site: `name`.sites.test.
    pub fn url(&self, name: &str) -> String {
        format!("https://{name}.sites.test:{}/", self.port)
    }

    /// From now on the censor swallows every ClientHello that names this site, or no longer.
    pub fn swallow(&self, name: &str, swallowed: bool) {
        let host = format!("{name}.sites.test");
        let mut doings = self.doings.lock().unwrap();
        if swallowed {
            doings.swallowed.insert(host);
        } else {
            doings.swallowed.remove(&host);
        }
    }

    /// From now on the censor answers every ClientHello that names this site with a reset, or no longer.
    pub fn reset(&self, name: &str, reset: bool) {
        let host = format!("{name}.sites.test");
        let mut doings = self.doings.lock().unwrap();
        if reset {
            doings.reset.insert(host);
        } else {
            doings.reset.remove(&host);
        }
    }

    /// How many requests the site has answered.
    pub fn requests(&self, name: &str) -> usize {
        self.doings.lock().unwrap().requests.get(&format!("{name}.sites.test")).copied().unwrap_or(0)
    }

    /// Who signs for the sites.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// The target list with one site for each name.
    pub fn targets(&self, names: &[&str]) -> String {
        let site = |name: &&str| {
            let url = self.url(name);
            format!("[[site]]\nid = \"{name}\"\nname = \"Site {name}\"\ncountry = \"KZ\"\nurls = [\"{url}\"]\n")
        };
        names.iter().map(site).collect()
    }

    /// A configuration with one vantage (`here`), one control past the censor (`abroad`), one canary, and all times
    /// scaled down. `probe` is further keys of `[probe]`: the interval and the time-out of TLS.
    pub fn config(&self, probe: &str) -> String {
        self.config_with(self.resolver, &format!("{probe}\ndns_timeout = \"1500ms\""))
    }

    /// The same with a round a second, but nobody answers the vantage's questions.
    pub fn config_without_network(&self) -> String {
        let silent = self.silent_resolver.local_addr().unwrap();
        self.config_with(silent, "interval = \"1s\"\ntls_timeout = \"2s\"\ndns_timeout = \"300ms\"")
    }

    fn config_with(&self, resolver: SocketAddr, probe: &str) -> String {
        let (way_out, abroad, canary) = (self.way_out, self.resolver_abroad, self.url("canary"));
        // A failing measurement takes longer than a second, and six or more of them open a span.
        let confirm_after = (1..=30).map(|step| format!("\"{}ms\"", step * 400)).collect::<Vec<_>>().join(", ");
        format!(
            r#"[probe]
{probe}
jitter = 0.0
tcp_timeout = "1500ms"
http_timeout = "2s"
url_timeout = "6s"
[detect]
confirm_after = [{confirm_after}]
spread = "1s"
[tls]
extra_roots = ["root.pem"]
[network]
allow_private = ["127.0.0.0/8"]
[control]
resolvers = []
[[vantage]]
id = "here"
country = "KZ"
resolvers = ["udp://{resolver}"]
[[vantage]]
id = "abroad"
role = "control"
via = "socks5://{way_out}"
resolvers = ["tcp://{abroad}"]
[[canary]]
url = "{canary}"
scope = "foreign"
"#
        )
    }

    /// A directory with the target list and the configuration.
    pub fn place(&self, names: &[&str], probe: &str) -> Place {
        Place::with(&[
            ("targets.toml", &self.targets(names)),
            ("blockspan.toml", &self.config(probe)),
            ("root.pem", &self.root_pem),
        ])
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One port that is free on both addresses.
async fn two_on_one_port() -> (TcpListener, TcpListener) {
    for _ in 0..32 {
        let path = TcpListener::bind((PATH, 0)).await.unwrap();
        let port = path.local_addr().unwrap().port();
        if let Ok(server) = TcpListener::bind((SERVER, port)).await {
            return (path, server);
        }
    }
    panic!("no port is free on {PATH} and {SERVER}")
}

fn certificates() -> (TlsAcceptor, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "root of the tests");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["*.sites.test".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), issuer.pem())
}

/// The censor: reads the ClientHello and lets it pass, unless it names a swallowed site.
async fn serve_path(listener: TcpListener, port: u16, doings: Arc<Mutex<Doings>>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(timeout(LIFE, watch(client, port, Arc::clone(&doings))));
    }
}

async fn watch(mut client: TcpStream, port: u16, doings: Arc<Mutex<Doings>>) -> io::Result<()> {
    // One TLS record: type, version, length (RFC 8446 section 5.1). The name stands in it in clear text.
    let mut hello = vec![0u8; 5];
    client.read_exact(&mut hello).await?;
    hello.resize(5 + usize::from(u16::from_be_bytes([hello[3], hello[4]])), 0);
    client.read_exact(&mut hello[5..]).await?;
    let names = |host: &String| hello.windows(host.len()).any(|window| window == host.as_bytes());
    if doings.lock().unwrap().swallowed.iter().any(names) {
        tokio::time::sleep(LIFE).await;
        return Ok(());
    }
    if doings.lock().unwrap().reset.iter().any(names) {
        // Closing without lingering sends a reset.
        return SockRef::from(&client).set_linger(Some(Duration::ZERO));
    }
    let mut server = TcpStream::connect((SERVER, port)).await?;
    server.write_all(&hello).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

async fn serve_sites(listener: TcpListener, acceptor: TlsAcceptor, doings: Arc<Mutex<Doings>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, doings) = (acceptor.clone(), Arc::clone(&doings));
        tokio::spawn(timeout(LIFE, async move {
            let mut stream = acceptor.accept(stream).await?;
            let host = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
            let mut request = [0u8; 4096];
            if stream.read(&mut request).await? == 0 {
                return Ok(());
            }
            *doings.lock().unwrap().requests.entry(host.clone()).or_default() += 1;
            let page = format!("<!doctype html><title>{host}</title><p>This is {host}.");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
            stream.write_all(format!("{head}{page}").as_bytes()).await?;
            stream.shutdown().await
        }));
    }
}

/// A SOCKS5 proxy (RFC 1928), IPv4 CONNECT only, that leads round the censor.
async fn serve_way_out(listener: TcpListener) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(timeout(LIFE, lead_out(client)));
    }
}

async fn lead_out(mut client: TcpStream) -> io::Result<()> {
    let mut greeting = [0u8; 2];
    client.read_exact(&mut greeting).await?;
    client.read_exact(&mut vec![0u8; usize::from(greeting[1])]).await?;
    client.write_all(&[5, 0]).await?;
    let mut request = [0u8; 10];
    client.read_exact(&mut request).await?;
    let [_, command, _, kind, a, b, c, d, high, low] = request;
    let wanted = Ipv4Addr::new(a, b, c, d);
    if (command, kind) != (1, 1) {
        return client.write_all(&[5, 7, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    }
    let address = if wanted == PATH { SERVER } else { wanted };
    let mut server = TcpStream::connect((address, u16::from_be_bytes([high, low]))).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}
