//! Web servers that do harm, in clear text and over TLS.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// 64 MiB of zeros as brotli.
const BROTLI_BOMB: &str =
    "cfffff7ff82700e2b14020f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c32200ddfb7ffeffffc33f0110870500baf7ff03";

/// 16 MiB of zeros as gzip.
static GZIP_BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 16 << 20]).unwrap();
    bomb.finish().unwrap()
});

/// What servers do, by the path that they are asked for: in clear text, and over TLS.
pub(crate) const CLEAR: [&str; 13] = [
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
pub(crate) const OVER_TLS: [&str; 7] =
    ["silent", "garbage", "half-record", "long-chain", "settings-flood", "continuation-flood", "ping-flood"];

/// What has been done, by kind.
pub(crate) type Done = Arc<Mutex<BTreeSet<String>>>;

pub(crate) async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> SocketAddr
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

pub(crate) async fn clear_text(
    mut stream: TcpStream,
    inner: SocketAddr,
    done: Done,
    wait: Duration,
) -> std::io::Result<()> {
    let mut request = vec![0; 8192];
    let length = stream.read(&mut request).await?;
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
    let kind = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    done.lock().unwrap().insert(kind.to_owned());
    tokio::time::sleep(wait).await;
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
            // Members follow each other (RFC 1952 section 2.2): without an end.
            loop {
                stream.write_all(&GZIP_BOMB).await?;
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
        // To the prober's own host: the inner server in four writings, and what two clouds tell their guests.
        "inward" => {
            let port = inner.port();
            let places = [
                format!("http://127.0.0.99:{port}/"),
                format!("http://[::ffff:127.0.0.99]:{port}/"),
                format!("http://[64:ff9b::7f00:63]:{port}/"),
                "http://169.254.169.254/latest/meta-data/".to_owned(),
                "http://168.63.129.16/machine?comp=goalstate".to_owned(),
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
pub(crate) fn authority() -> (CertifiedIssuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let pem = root.pem();
    (root, pem)
}

/// A certificate for 127.0.0.1, the chain as many times, each with so many bytes of nothing in it.
pub(crate) fn acceptor(root: &CertifiedIssuer<'static, KeyPair>, times: usize, bytes: usize) -> TlsAcceptor {
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

pub(crate) async fn over_tls(
    mut stream: TcpStream,
    kind: &'static str,
    acceptor: TlsAcceptor,
    done: Done,
    wait: Duration,
) -> std::io::Result<()> {
    if matches!(kind, "silent" | "garbage" | "half-record" | "long-chain") {
        done.lock().unwrap().insert(kind.to_owned());
    }
    tokio::time::sleep(wait).await;
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
