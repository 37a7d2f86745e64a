//! Two hundred hostile servers measured at once by a real daemon: none may hurt its host. Memory and time are bounded,
//! every measurement ends in an outcome of the closed set, and nothing private is dialled.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use support::daemon::Daemon;
use support::place::Place;

/// Sites, over all kinds.
const SITES: usize = 200;
/// The promise: what the daemon takes while all of them are measured at once.
const MOST_MEMORY: u64 = 128 << 20;
/// One URL, all of it.
const URL_TIMEOUT: Duration = Duration::from_secs(8);
/// 64 MiB of zeros as brotli.
const BROTLI_BOMB: &str =
    "cfffff7ff82700e2b14020f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c32200ddfb7ffeffffc33f0110870500baf7ff03";

/// What servers do, by the path that they are asked for: in clear text, and over TLS.
const CLEAR: [&str; 13] = [
    "endless-headers",
    "long-header",
    "continue-flood",
    "slow-body",
    "endless-body",
    "chunk-sizes",
    "gzip-bomb",
    "brotli-bomb",
    "redirect-loop",
    "redirect-chain",
    "inward",
    "garbage",
    "half-answer",
];
const OVER_TLS: [&str; 7] =
    ["silent", "garbage", "half-record", "long-chain", "settings-flood", "continuation-flood", "ping-flood"];

/// Hostile servers on loopback, and something that must never be asked.
struct Hostile {
    _runtime: Runtime,
    clear: SocketAddr,
    tls: BTreeMap<&'static str, SocketAddr>,
    udp: SocketAddr,
    tcp: SocketAddr,
    inner: SocketAddr,
    asked_inner: Arc<AtomicUsize>,
    /// The kinds that came to do their harm.
    done: Done,
    root_pem: String,
}

/// What has been done, by kind.
type Done = Arc<Mutex<BTreeSet<String>>>;

impl Hostile {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let asked_inner = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked_inner);
        let done = Done::default();
        let (of_clear, of_tls) = (Arc::clone(&done), Arc::clone(&done));
        let (root, root_pem) = authority();
        let (clear, tls, udp, tcp, inner) = runtime.block_on(async move {
            // Another loopback address that the configuration does not call public.
            let inner = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 99), 0)).await.unwrap();
            let at = inner.local_addr().unwrap();
            tokio::spawn(async move {
                while inner.accept().await.is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
            let clear = listen(move |stream| clear_text(stream, at, Arc::clone(&of_clear))).await;
            let mut tls = BTreeMap::new();
            let (small, large) = (acceptor(&root, 1, 16), acceptor(&root, 16, 60_000));
            for kind in OVER_TLS {
                let acceptor = if kind == "long-chain" { large.clone() } else { small.clone() };
                let done = Arc::clone(&of_tls);
                let serve = move |stream| over_tls(stream, kind, acceptor.clone(), Arc::clone(&done));
                tls.insert(kind, listen(serve).await);
            }
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let udp_address = udp.local_addr().unwrap();
            tokio::spawn(hostile_udp(udp));
            let tcp = listen(hostile_dns_stream).await;
            (clear, tls, udp_address, tcp, at)
        });
        Self { _runtime: runtime, clear, tls, udp, tcp, inner, asked_inner, done, root_pem }
    }
}

async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever is not cut off by the prober would go on for ever.
            tokio::spawn(tokio::time::timeout(Duration::from_secs(60), serve(stream)));
        }
    });
    address
}

async fn clear_text(mut stream: TcpStream, inner: SocketAddr, done: Done) -> std::io::Result<()> {
    let mut request = vec![0; 8192];
    let length = stream.read(&mut request).await?;
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
    let kind = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    done.lock().unwrap().insert(kind.to_owned());
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
    match kind {
        "endless-headers" => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&b"X-More: and more of it, without any end to it\r\n".repeat(200)).await?;
            }
        }
        "long-header" => {
            stream.write_all(format!("{head}X-Long: ").as_bytes()).await?;
            loop {
                stream.write_all(&[b'a'; 65_536]).await?;
            }
        }
        "continue-flood" => loop {
            stream.write_all(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(500)).await?;
        },
        "slow-body" => {
            stream.write_all(format!("{head}Content-Length: 1000000\r\n\r\n").as_bytes()).await?;
            loop {
                stream.write_all(b"a").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        "endless-body" => {
            stream.write_all(format!("{head}Content-Length: 10000000000\r\n\r\n").as_bytes()).await?;
            loop {
                stream.write_all(&[b'a'; 65_536]).await?;
            }
        }
        "chunk-sizes" => {
            stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await?;
            loop {
                // A chunk of one byte with a long extension.
                stream.write_all(format!("1;{}\r\na\r\n", "x".repeat(4000)).as_bytes()).await?;
            }
        }
        "gzip-bomb" => {
            stream.write_all(format!("{head}Content-Encoding: gzip\r\nConnection: close\r\n\r\n").as_bytes()).await?;
            let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            bomb.write_all(&vec![0; 16 << 20]).unwrap();
            let bomb = bomb.finish().unwrap();
            // Members follow each other (RFC 1952 section 2.2): without an end.
            loop {
                stream.write_all(&bomb).await?;
            }
        }
        "brotli-bomb" => {
            let bomb: Vec<u8> = (0..BROTLI_BOMB.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&BROTLI_BOMB[at..at + 2], 16).unwrap())
                .collect();
            let length = bomb.len();
            stream
                .write_all(format!("{head}Content-Encoding: br\r\nContent-Length: {length}\r\n\r\n").as_bytes())
                .await?;
            stream.write_all(&bomb).await
        }
        "redirect-loop" | "redirect-chain" => {
            let to = if kind == "redirect-loop" { path } else { format!("{path}/on") };
            stream
                .write_all(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").as_bytes())
                .await
        }
        // To the prober's own host: the inner server in four writings, and a cloud's metadata.
        "inward" => {
            let port = inner.port();
            let places = [
                format!("http://127.0.0.99:{port}/"),
                format!("http://[::ffff:127.0.0.99]:{port}/"),
                format!("http://[64:ff9b::7f00:63]:{port}/"),
                "http://169.254.169.254/latest/meta-data/".to_owned(),
                format!("http://0x7f000063:{port}/"),
            ];
            let number: usize = path.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0);
            let to = &places[number % places.len()];
            stream
                .write_all(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").as_bytes())
                .await
        }
        "garbage" => {
            for round in 0..2_000_u32 {
                stream.write_all(&round.to_le_bytes().repeat(256)).await?;
            }
            Ok(())
        }
        _ => stream.write_all(format!("{head}Content-Length: 5000\r\n\r\nhalf").as_bytes()).await,
    }
}

/// Who signs for the servers; the prober trusts it, or it would not speak HTTP with them.
fn authority() -> (CertifiedIssuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let pem = root.pem();
    (root, pem)
}

/// A certificate for 127.0.0.1, the chain as many times, each with so many bytes of nothing in it.
fn acceptor(root: &CertifiedIssuer<'static, KeyPair>, times: usize, bytes: usize) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![7; bytes]));
    let certificate: CertificateDer<'static> = params.signed_by(&key, root).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate; times], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// An HTTP/2 frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

async fn over_tls(mut stream: TcpStream, kind: &'static str, acceptor: TlsAcceptor, done: Done) -> std::io::Result<()> {
    if matches!(kind, "silent" | "garbage" | "half-record" | "long-chain") {
        done.lock().unwrap().insert(kind.to_owned());
    }
    match kind {
        "silent" => {
            let mut all = [0; 4096];
            while stream.read(&mut all).await? > 0 {}
            return Ok(());
        }
        "garbage" => loop {
            stream.write_all(&[0x16; 65_536]).await?;
        },
        "half-record" => {
            // The head of a record of 16 kB, then nothing.
            stream.write_all(&[0x16, 3, 3, 0x40, 0, 2, 0, 0]).await?;
            tokio::time::sleep(Duration::from_secs(60)).await;
            return Ok(());
        }
        _ => {}
    }
    let mut stream = acceptor.accept(stream).await?;
    let mut all = vec![0; 4096];
    if stream.read(&mut all).await? == 0 {
        return Ok(());
    }
    done.lock().unwrap().insert(kind.to_owned());
    stream.write_all(&frame(4, 0, 0, &[])).await?;
    let flood = match kind {
        "settings-flood" => frame(4, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(1000),
        "ping-flood" => frame(6, 0, 0, &[1; 8]).repeat(1000),
        // Headers that never end (CVE-2024-27316 and its kin).
        _ => {
            stream.write_all(&frame(1, 0, 1, &[0x88])).await?;
            frame(9, 0, 1, &[0; 1000]).repeat(20)
        }
    };
    loop {
        stream.write_all(&flood).await?;
    }
}

/// Answers to another question, answers that point at themselves, and a flood of both.
async fn hostile_udp(socket: UdpSocket) {
    let mut question = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut question).await {
        let asked = &question[..length.max(12)];
        for answer in [looping(asked), other_name(asked), asked[..12].to_vec(), vec![0xff; 1400]] {
            for _ in 0..50 {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    }
}

/// An answer whose name is a pointer to itself (RFC 1035 section 4.1.4).
fn looping(asked: &[u8]) -> Vec<u8> {
    let mut answer = asked.to_vec();
    (answer[2], answer[3], answer[6], answer[7]) = (0x81, 0x80, 0, 1);
    let here = u16::try_from(answer.len()).unwrap();
    answer.extend((0xc000 | here).to_be_bytes());
    answer.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    answer
}

/// An answer that gives an address for a name that nobody asked for.
fn other_name(asked: &[u8]) -> Vec<u8> {
    let mut answer = asked.to_vec();
    (answer[2], answer[3], answer[6], answer[7]) = (0x81, 0x80, 0, 1);
    answer.extend(b"\x05other\x04test\x00");
    answer.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 99]);
    answer
}

/// An answer of 64 kB over TCP, most of it records, again and again.
async fn hostile_dns_stream(mut stream: TcpStream) -> std::io::Result<()> {
    let mut question = vec![0; 1500];
    let length = stream.read(&mut question).await?;
    let asked = question.get(2..length).unwrap_or(&[0; 12]).to_vec();
    let mut answer = asked;
    answer.resize(answer.len().max(12), 0);
    (answer[2], answer[3], answer[6], answer[7]) = (0x81, 0x80, 0xff, 0xff);
    while answer.len() + 16 <= 65_535 {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    }
    let framed = [&u16::try_from(answer.len()).unwrap().to_be_bytes(), answer.as_slice()].concat();
    loop {
        stream.write_all(&framed).await?;
    }
}

fn place(hostile: &Hostile) -> Place {
    let mut targets = String::new();
    for number in 0..SITES {
        let url = match number % (CLEAR.len() + OVER_TLS.len() + 1) {
            kind if kind < CLEAR.len() => format!("http://{}/{}/{number}", hostile.clear, CLEAR[kind]),
            kind if kind < CLEAR.len() + OVER_TLS.len() => {
                format!("https://{}/{number}", hostile.tls[OVER_TLS[kind - CLEAR.len()]])
            }
            _ => format!("https://name-{number}.test:{}/", hostile.clear.port()),
        };
        let _ = writeln!(
            targets,
            "[[site]]\nid = \"site-{number}\"\nname = \"Site\"\ncountry = \"KZ\"\nurls = [\"{url}\"]"
        );
    }
    let config = format!(
        r#"[probe]
interval = "5s"
jitter = 0.0
dns_timeout = "2s"
tcp_timeout = "2s"
tls_timeout = "3s"
http_timeout = "4s"
url_timeout = "{}s"
max_in_flight = {SITES}
[experiments]
unrelated_sni = false
sni_elsewhere = false
other_resolvers = false
other_family = false
other_host = false
host_elsewhere = false
[tls]
extra_roots = ["root.pem"]
[network]
allow_private = ["127.0.0.1/32"]
[control]
resolvers = []
[[vantage]]
id = "here"
country = "KZ"
resolvers = ["udp://{}", "tcp://{}"]
[[canary]]
url = "http://{}/half-answer"
"#,
        URL_TIMEOUT.as_secs(),
        hostile.udp,
        hostile.tcp,
        hostile.clear,
    );
    Place::with(&[("targets.toml", &targets), ("blockspan.toml", &config), ("root.pem", &hostile.root_pem)])
}

/// The most memory that a process has had resident, bytes (`VmHWM` in proc(5)).
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn two_hundred_hostile_servers_at_once_cost_little_and_reach_nothing_private() {
    let hostile = Hostile::start();
    let place = place(&hostile);
    let begun = Instant::now();
    let daemon = Daemon::start(&place);
    let sum = |name: &str| -> f64 {
        let text = daemon.get("/metrics").body;
        let counts = text.lines().filter(|line| line.starts_with(name));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let mut together: f64 = 0.0;
    // Each is measured twice at least: what is left over from the first round would show in the second.
    while sum("blockspan_measurements_total{") < 2.0 * SITES as f64 {
        together = together.max(sum("blockspan_probes_in_flight "));
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{} after two minutes",
            sum("blockspan_measurements_total{")
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let (took, memory) = (begun.elapsed().as_secs_f64(), peak_memory(daemon.id()));
    let log = daemon.stop(Signal::SIGTERM);
    eprintln!(
        "hostile servers: {together} at once, {took:.1} s, {:.1} MiB at most",
        memory as f64 / f64::from(1 << 20)
    );
    assert!(!log.contains("panicked"), "{log}");
    assert!(memory < MOST_MEMORY, "{memory} bytes");
    assert!(together >= 0.6 * SITES as f64, "only {together} at once");
    let done = hostile.done.lock().unwrap().clone();
    for kind in CLEAR.iter().chain(&OVER_TLS) {
        assert!(done.contains(*kind), "{kind} did not come to do its harm: {done:?}");
    }
    assert_eq!(hostile.asked_inner.load(Ordering::SeqCst), 0, "{} was dialled", hostile.inner);

    let all = place.good(&["measurements", "--format", "ndjson"]);
    let mut inward = 0;
    for line in all.lines() {
        let measured: Value = serde_json::from_str(line).unwrap();
        let (url, elapsed) = (measured["url"].as_str().unwrap(), measured["elapsed_seconds"].as_f64().unwrap());
        // A loaded machine wakes up late.
        assert!(elapsed < URL_TIMEOUT.as_secs_f64() + 3.0, "{url} took {elapsed} s");
        assert_ne!(measured["status"], "blocked", "nothing here is censorship: {line}");
        let dialled: Vec<&Value> = measured["tcp"].as_array().unwrap().iter().collect();
        for one in &dialled {
            let address = one["address"].as_str().unwrap();
            let is_public = address.starts_with("127.0.0.1:");
            assert_eq!(one["bogon"].as_bool().unwrap(), !is_public, "{line}");
        }
        inward += usize::from(dialled.iter().any(|one| one["bogon"] == true));
        assert!(line.len() < 300_000, "{} bytes are kept of {url}", line.len());
    }
    assert!(inward > 0, "redirects to the inner server are recorded");
}
