//! What hosts do by themselves, seen by an ordinary client: certificates, pages, faults, old TLS.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result, ensure};
use hickory_proto::rr::RData;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

use crate::lab::Lab;
use crate::places;
use crate::scenario::Scenario;
use crate::witness::{ask_all, connect, handshake, in_vantage, look, read_answer};

fn lab(hosts: &str) -> Result<Lab> {
    Lab::build(&toml::from_str::<Scenario>(&format!("about = \"A self-test.\"\n{hosts}"))?)
}

fn https(name: &str) -> Result<Url> {
    Ok(format!("https://{name}.lab/").parse()?)
}

/// Every kind of certificate, and what must be said of it.
const CERTIFICATES: [(&str, &str); 9] = [
    ("good", "trusted"),
    ("expired", "expired, signed by Lab Root"),
    ("not-yet-valid", "not yet valid, signed by Lab Root"),
    ("wrong-name", "for another name"),
    ("self-signed", "signed by self-signed.lab"),
    ("intermediate", "trusted"),
    ("no-intermediate", "signed by Lab Intermediate"),
    ("expired-intermediate", "expired, signed by Lab Intermediate"),
    ("stranger", "signed by Somebody's Root"),
];

pub(super) fn certificates() -> Result<()> {
    let mut hosts = String::new();
    for (number, (kind, _)) in CERTIFICATES.iter().enumerate() {
        let what = match *kind {
            "stranger" => "authority = \"stranger\"".to_owned(),
            kind => format!("certificate = {kind:?}"),
        };
        hosts += &format!("[[host]]\naddress = \"198.19.1.{number}\"\nnames = [\"{kind}.lab\"]\n{what}\n");
    }
    let lab = lab(&hosts)?;
    let seen = in_vantage(&lab, async {
        let mut seen = Vec::new();
        for (kind, _) in CERTIFICATES {
            seen.push((kind, look(&https(kind)?, false).await));
        }
        Ok::<_, anyhow::Error>(seen)
    })??;
    for ((kind, chain), (number, expected)) in seen.iter().zip(CERTIFICATES.iter().map(|(_, said)| said).enumerate()) {
        let whole = format!("dns 198.19.1.{number} > tcp open > tls {expected} > http 200 Evening news of the lab");
        ensure!(*chain == whole, "{kind}: {chain}");
    }
    Ok(())
}

pub(super) fn clock() -> Result<()> {
    for (days, expected) in [(400, "expired"), (-400, "not yet valid")] {
        let lab = lab(&format!(
            "[setup]\nclock_off_days = {days}\n[[host]]\naddress = \"198.19.1.1\"\nnames = [\"news.lab\"]\n"
        ))?;
        let canary = format!("https://{}/", places::FOREIGN_CANARY.0).parse()?;
        let urls = [https("news")?, canary];
        let seen = in_vantage(&lab, async move { [look(&urls[0], false).await, look(&urls[1], true).await] })?;
        ensure!(
            seen.iter().all(|chain| chain.contains(&format!("> tls {expected}, signed by Lab Root >"))),
            "{days} days: {seen:?}"
        );
    }
    Ok(())
}

pub(super) fn old_tls() -> Result<()> {
    let lab = lab(r#"
        [[host]]
        address = "198.19.1.1"
        names = ["oldest.lab"]
        speaks = "tls10"
        [[host]]
        address = "198.19.1.2"
        names = ["old.lab"]
        speaks = "tls11"
        [[host]]
        address = "198.19.1.3"
        names = ["rsa.lab"]
        speaks = "rsa-key-exchange"
    "#)?;
    let seen = in_vantage(&lab, async {
        let mut seen = Vec::new();
        for (number, name) in (1_u8..).zip(["oldest", "old", "rsa"]) {
            let stream = connect(SocketAddrV4::new(Ipv4Addr::new(198, 19, 1, number), 443)).await?;
            seen.push(handshake(stream, name).await.err().unwrap_or_default());
        }
        Ok::<_, String>(seen)
    })?
    .map_err(anyhow::Error::msg)?;
    let expected = ["ServerDoesNotSupportTls12Or13", "ProtocolVersion", "HandshakeFailure"];
    ensure!(seen.iter().zip(expected).all(|(seen, expected)| seen.contains(expected)), "{seen:?}");
    Ok(())
}

/// The whole answer to a request in clear text.
async fn answer(host: u8, accept: &str) -> Result<Vec<u8>> {
    let mut stream =
        connect(SocketAddrV4::new(Ipv4Addr::new(198, 19, 1, host), 80)).await.map_err(anyhow::Error::msg)?;
    let request = format!("GET / HTTP/1.1\r\nHost: x.lab\r\nAccept-Encoding: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn split(answer: &[u8]) -> Result<(String, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no body")?;
    Ok((String::from_utf8(answer[..end].to_vec())?, &answer[end + 4..]))
}

pub(super) fn coded_pages() -> Result<()> {
    let lab = lab(r#"
        [[host]]
        address = "198.19.1.1"
        http = "page"
        page = { coding = "gzip", body = "<title>News</title>", fill = 200000 }
        [[host]]
        address = "198.19.1.2"
        http = "page"
        page = { coding = "br", body = "<title>News</title>", fill = 200000 }
    "#)?;
    let (gzip, brotli, plain) = in_vantage(&lab, async {
        (answer(1, "gzip, br").await, answer(2, "gzip, br").await, answer(2, "gzip").await)
    })?;
    let (gzip, brotli, plain) = (gzip?, brotli?, plain?);
    let whole = [&b"<title>News</title>"[..], &[b' '; 200_000]].concat();
    let mut decoded = Vec::new();
    let (head, body) = split(&gzip)?;
    flate2::read::GzDecoder::new(body).read_to_end(&mut decoded)?;
    ensure!(head.contains("content-encoding: gzip") && body.len() < 10_000 && decoded == whole, "gzip: {head}");
    let (head, body) = split(&brotli)?;
    decoded.clear();
    brotli_decompressor::Decompressor::new(body, 4096).read_to_end(&mut decoded)?;
    ensure!(head.contains("content-encoding: br") && decoded == whole, "brotli: {head}");
    let (head, body) = split(&plain)?;
    ensure!(!head.contains("content-encoding") && body == whole, "asked for neither: {head}");
    Ok(())
}

pub(super) fn broken_bodies() -> Result<()> {
    let lab = lab(r#"
        [[host]]
        address = "198.19.1.1"
        names = ["news.lab"]
        http = "page"
        page = { body = "<title>News</title> and more", missing = 5 }
    "#)?;
    let secure = https("news")?;
    let (plain, secure) = in_vantage(&lab, async move { (answer(1, "").await, look(&secure, false).await) })?;
    let plain = plain?;
    let (head, body) = split(&plain)?;
    ensure!(head.contains("content-length: 28") && body == b"<title>News</title> and", "{head} {body:?}");
    ensure!(secure.ends_with("> tls trusted > http eof"), "{secure}");
    Ok(())
}

pub(super) fn pages_by_client() -> Result<()> {
    let lab = lab(r#"
        [[host]]
        address = "198.19.1.1"
        names = ["news.lab"]
        [[host.page_for]]
        from = "vantage"
        page = { status = 403, body = "<title>Not for you</title>" }
        [[host]]
        address = "198.19.1.2"
        names = ["turns.lab"]
        page = { redirects = 3 }
    "#)?;
    let urls = [https("news")?, https("turns")?, "https://turns.lab/2".parse()?, "https://turns.lab/3".parse()?];
    let seen = in_vantage(&lab, async move {
        let mut seen = vec![look(&urls[0], true).await];
        for url in urls {
            seen.push(look(&url, false).await);
        }
        seen
    })?;
    let ends = ["200 Evening news of the lab", "403 Not for you", "302", "302", "200 Evening news of the lab"];
    ensure!(seen.iter().zip(ends).all(|(seen, end)| seen.ends_with(&format!("> http {end}"))), "{seen:?}");
    Ok(())
}

pub(super) fn faults() -> Result<()> {
    let lab = lab(r#"
        [[host]]
        address = "198.19.1.1"
        names = ["resets.lab"]
        fault = { how = "resets" }
        [[host]]
        address = "198.19.1.2"
        names = ["overloaded.lab"]
        http = "page"
        fault = { how = "overloaded" }
    "#)?;
    let (resets, overloaded) = (https("resets")?, "http://overloaded.lab/".parse()?);
    let (reset, seen) = in_vantage(&lab, async move {
        let mut seen = Vec::new();
        for _ in 0..40 {
            seen.push(look(&overloaded, false).await);
        }
        ([look(&resets, false).await, look(&resets, true).await], seen)
    })?;
    // Through the way out the client meets the end of the proxy's connection.
    ensure!(
        reset[0] == "dns 198.19.1.1 > tcp open > tls reset" && reset[1].starts_with("tcp open > tls "),
        "{reset:?}"
    );
    ensure!(!reset[1].contains("trusted"), "{reset:?}");
    let (good, bad): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.ends_with("Evening news of the lab"));
    ensure!(bad.iter().all(|seen| seen.ends_with("> http reset")), "{bad:?}");
    ensure!((12..=28).contains(&good.len()), "{} of 40 connections served", good.len());
    Ok(())
}

pub(super) fn resolvers_learn() -> Result<()> {
    let lab = lab(r#"
        [[host]]
        address = "198.19.1.1"
        names = ["news.lab"]
        resolves_for = "isp"
        [[host]]
        address = "198.19.1.2"
        names = ["news.lab", "new.lab"]
        resolves_for = "abroad"
    "#)?;
    let answers = in_vantage(&lab, async {
        let mut answers = Vec::new();
        for (resolver, name) in [
            (places::RESOLVER, "news.lab"),
            (places::TRUE_RESOLVER.1, "news.lab"),
            (places::TRUE_RESOLVER.1, "new.lab"),
            (places::RESOLVER, "new.lab"),
        ] {
            answers.extend(ask_all(resolver, name, 1).await?);
        }
        Ok::<_, std::io::Error>(answers)
    })??;
    let seen: Vec<_> = answers.iter().map(read_answer).collect();
    let at = |last| Ok(vec![Ipv4Addr::new(198, 19, 1, last)]);
    ensure!(seen == [at(1), at(2), at(2), Err("nxdomain".into())], "{seen:?}");
    // A true negative answer bears the zone that knows so.
    let bears = |answer: &hickory_proto::op::Message| {
        answer.authorities.iter().any(|record| matches!(record.data, RData::SOA(_)))
    };
    ensure!(answers.iter().map(bears).eq([false, false, false, true]), "{answers:?}");
    Ok(())
}
