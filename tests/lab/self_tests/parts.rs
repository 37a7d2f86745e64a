//! The parts of the lab that are not the censor.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use hickory_proto::op::Message;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::acts::{client_hello, lab};
use crate::places;
use crate::router::{Sight, look};
use crate::scenario::Authority;
use crate::witness::{ask, connect, in_vantage, question, read_answer};
use crate::world::authority::root_der;

pub(super) async fn open(
    address: Ipv4Addr,
    port: u16,
    name: &str,
    alpn: &[u8],
) -> Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root_der(Authority::Lab)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(SocketAddrV4::new(address, port)).await?;
    Ok(TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned())?, stream).await?)
}

async fn over_tls(name: &str) -> Result<Result<Vec<Ipv4Addr>, String>> {
    let mut stream = open(places::TRUE_RESOLVER.1, 853, places::TRUE_RESOLVER.0, b"dot").await?;
    let question = question(name)?;
    stream.write_u16(u16::try_from(question.len())?).await?;
    stream.write_all(&question).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(read_answer(&Message::from_vec(&answer)?))
}

async fn over_https(name: &str) -> Result<Result<Vec<Ipv4Addr>, String>> {
    let mut stream = open(places::TRUE_RESOLVER.1, 443, places::TRUE_RESOLVER.0, b"http/1.1").await?;
    let question = question(name)?;
    let head = format!(
        "POST /dns-query HTTP/1.1\r\nHost: dns.lab\r\nContent-Type: application/dns-message\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        question.len()
    );
    stream.write_all(&[head.as_bytes(), &question].concat()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no body")?;
    Ok(read_answer(&Message::from_vec(&answer[body + 4..])?))
}

pub(super) fn encrypted_resolvers() -> Result<()> {
    let lab = lab(r#"
        [[lie]]
        name = "news.lab"
        answer = "nxdomain"
    "#)?;
    let (isp, tls, https) = in_vantage(&lab, async {
        (ask(places::RESOLVER, "news.lab").await, over_tls("news.lab").await, over_https("news.lab").await)
    })?;
    let truth = Ok(vec![Ipv4Addr::new(198, 19, 1, 1)]);
    ensure!(isp == Err("nxdomain".into()), "{isp:?}");
    ensure!(tls? == truth && https? == truth, "an encrypted resolver lies too");
    Ok(())
}

pub(super) fn nothing_leaves() -> Result<()> {
    let lab = lab("")?;
    let seen = in_vantage(&lab, async { connect(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 443)).await })?;
    ensure!(seen.as_ref().is_err_and(|failure| failure == "timeout"), "{seen:?}");
    let devices = lab.vantage.run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))??;
    let names: Vec<_> = devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    ensure!(names.iter().all(|name| ["lo", crate::sys::DEVICE].contains(name)), "{names:?}");
    Ok(())
}

pub(super) fn http2() -> Result<()> {
    let lab = lab("")?;
    let seen = in_vantage(&lab, async {
        let stream = open(Ipv4Addr::new(198, 19, 1, 1), 443, "news.lab", b"h2").await?;
        ensure!(stream.get_ref().1.alpn_protocol() == Some(b"h2"), "not agreed on");
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io).await?;
        tokio::spawn(connection);
        let request = http::Request::get("https://news.lab/").body(http_body_util::Empty::<bytes::Bytes>::new())?;
        Ok(client.send_request(request).await?.status())
    })??;
    ensure!(seen == 200, "{seen}");
    Ok(())
}

pub(super) fn cut_hello() -> Result<()> {
    let hello = client_hello("news.lab")?;
    for length in 0..hello.len() {
        let seen = look(443, &hello[..length]);
        ensure!(seen == Sight::NotYet, "{length} bytes: {seen:?}");
    }
    ensure!(look(443, &hello) == Sight::Sni("news.lab".into()));
    ensure!(look(22, b"SSH-2.0-x") == Sight::NotYet && look(443, b"\x05\x01\x00") == Sight::Nothing);
    ensure!(look(80, b"GET / HTTP/1.1\r\nhost: news.lab:80\r\n\r\n") == Sight::Host("news.lab".into()));
    Ok(())
}
