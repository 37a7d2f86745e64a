//! What the daemon costs: 200 sites at one-minute probing, as a process of its own, against sites on loopback.
//!
//! `cargo bench --bench daemon` measures for two minutes and prints share of a core, peak memory and the time from start to the first
//! measurement. Promise (issue 2): under 2 % of one core, under 64 MiB, under one second.
//! The servers run in this process, so that their cost is not counted.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{RData, Record, RecordType};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

const SITES: usize = 200;
const WATCH: Duration = Duration::from_secs(120);

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let requests = Arc::new(AtomicU64::new(0));
    let (web, dns, root) = runtime.block_on(serve(Arc::clone(&requests)))?;
    write_files(folder.path(), web, dns, &root)?;

    let started = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_blockspan"))
        .current_dir(folder.path())
        .args(["run", "--listen", "127.0.0.1:0"])
        .stderr(Stdio::null())
        .spawn()?;
    let child = Killed(child);
    while requests.load(Ordering::Relaxed) == 0 {
        if started.elapsed() > Duration::from_secs(20) {
            return Err("no measurement within 20 s".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let first = started.elapsed();
    // The first round brings the code into memory; from then on it is the steady state that counts.
    std::thread::sleep(Duration::from_secs(5));
    let (cpu_before, begun, requests_before) =
        (cpu_seconds(child.0.id())?, Instant::now(), requests.load(Ordering::Relaxed));
    std::thread::sleep(WATCH);
    let (cpu, passed) = (cpu_seconds(child.0.id())? - cpu_before, begun.elapsed());
    let measured = requests.load(Ordering::Relaxed) - requests_before;
    let share = cpu / passed.as_secs_f64() * 100.0;
    let mut out = io::stdout().lock();
    writeln!(out, "daemon: {SITES} sites at 60 s, {measured} measurements in {:.0} s", passed.as_secs_f64())?;
    writeln!(out, "  share of one core        {share:.2} %      (promise: under 2 %)")?;
    writeln!(out, "  CPU per measurement      {:.2} ms", cpu / measured.max(1) as f64 * 1000.0)?;
    writeln!(out, "  peak resident memory     {:.1} MiB    (promise: under 64 MiB)", peak_mib(child.0.id())?)?;
    writeln!(out, "  start to first request   {:.0} ms     (promise: under 1000 ms)", first.as_secs_f64() * 1000.0)?;
    Ok(())
}

fn cpu_seconds(pid: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    // Linux reports in hundredths of a second (USER_HZ).
    Ok(ticks as f64 / 100.0)
}

fn peak_mib(pid: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse::<f64>()? / 1024.0)
}

fn write_files(folder: &Path, web: SocketAddr, dns: SocketAddr, root: &str) -> io::Result<()> {
    let mut targets = String::new();
    for index in 0..SITES {
        targets += &format!(
            "[[site]]\nid = \"s{index}\"\nname = \"Site {index}\"\ncountry = \"KZ\"\nurls = [\"https://s{index}.bench:{}/\"]\n",
            web.port()
        );
    }
    fs::write(folder.join("targets.toml"), targets)?;
    fs::write(folder.join("root.pem"), root)?;
    fs::write(
        folder.join("blockspan.toml"),
        format!(
            "[tls]\nextra_roots = [\"root.pem\"]\n[network]\nallow_private = [\"127.0.0.0/8\"]\n[control]\nresolvers = []\n\
             [[vantage]]\nid = \"bench\"\nresolvers = [\"udp://{dns}\"]\n[[canary]]\nurl = \"https://canary.bench:{}/\"\nscope = \"foreign\"\n",
            web.port()
        ),
    )
}

async fn serve(requests: Arc<AtomicU64>) -> Result<(SocketAddr, SocketAddr, String), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let names =
        (0..SITES).map(|index| format!("s{index}.bench")).chain(["canary.bench".to_owned()]).collect::<Vec<_>>();
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let web = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let dns = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addresses = (web.local_addr()?, dns.local_addr()?);
    tokio::spawn(async move {
        let page = format!("<title>bench</title>{}", "x".repeat(20_000));
        while let Ok((stream, _)) = web.accept().await {
            let (acceptor, requests, page) = (acceptor.clone(), Arc::clone(&requests), page.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut request = [0u8; 4096];
                let _ = stream.read(&mut request).await?;
                requests.fetch_add(1, Ordering::Relaxed);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(page.as_bytes()).await?;
                stream.shutdown().await
            });
        }
    });
    tokio::spawn(async move {
        let mut buffer = [0u8; 1500];
        while let Ok((length, from)) = dns.recv_from(&mut buffer).await {
            let Ok(mut message) = Message::from_vec(&buffer[..length]) else { continue };
            let Some(query) = message.queries.first().cloned() else { continue };
            message.metadata.message_type = MessageType::Response;
            message.additionals.clear();
            if query.query_type() == RecordType::A {
                message.answers =
                    vec![Record::from_rdata(query.name().clone(), 30, RData::A(Ipv4Addr::LOCALHOST.into()))];
            }
            if let Ok(reply) = message.to_vec() {
                let _ = dns.send_to(&reply, from).await;
            }
        }
    });
    Ok((addresses.0, addresses.1, issuer.pem()))
}
