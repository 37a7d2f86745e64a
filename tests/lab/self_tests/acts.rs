//! Each act of the censor, seen by an ordinary client.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::{Result, ensure};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::lab::Lab;
use crate::places;
use crate::scenario::Scenario;
use crate::witness::{WAIT, ask_all, connect, handshake, in_vantage, look, read_answer};

pub(super) const NEWS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 19, 1, 1), 443);

/// A world with one host for several names, and `more`.
pub(super) fn lab(more: &str) -> Result<Lab> {
    let host = r#"
        about = "A self-test."
        [[host]]
        address = "198.19.1.1"
        names = ["news.lab", "www.news.lab", "weather.lab"]
    "#;
    Lab::build(&toml::from_str::<Scenario>(&format!("{host}\n{more}"))?)
}

pub(super) async fn tls(name: &str) -> String {
    match connect(NEWS).await {
        Ok(stream) => handshake(stream, name).await.map_or_else(|failure| failure, |(_, signer)| signer),
        Err(failure) => format!("tcp {failure}"),
    }
}

pub(super) fn neighbour() -> Result<()> {
    let lab = lab(r#"
        [[censor]]
        when = { sni = ".news.lab" }
        act = "drop"
    "#)?;
    let seen =
        in_vantage(&lab, async { [tls("news.lab").await, tls("www.news.lab").await, tls("weather.lab").await] })?;
    ensure!(seen == ["timeout", "timeout", "trusted"], "{seen:?}");
    Ok(())
}

pub(super) fn many_segments() -> Result<()> {
    let lab = lab(r#"
        [[censor]]
        when = { sni = "news.lab" }
        act = "reset"
    "#)?;
    let seen = in_vantage(&lab, async {
        let hello = client_hello("news.lab")?;
        let mut stream = connect(NEWS).await.map_err(anyhow::Error::msg)?;
        stream.set_nodelay(true)?;
        for part in hello.chunks(100) {
            // The last segments may meet the reset.
            let _ = stream.write_all(part).await;
            sleep(Duration::from_millis(5)).await;
        }
        let answer = timeout(WAIT, stream.read_u8()).await?;
        Ok::<_, anyhow::Error>((hello.len(), answer.map_err(|error| error.kind())))
    })??;
    ensure!(seen.0 > 1460, "the hello of {} bytes fits one segment anyway", seen.0);
    ensure!(seen.1 == Err(std::io::ErrorKind::ConnectionReset), "{seen:?}");
    Ok(())
}

/// The bytes of a ClientHello, post-quantum key share and all.
pub(super) fn client_hello(name: &str) -> Result<Vec<u8>> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut client = rustls::ClientConnection::new(config.into(), ServerName::try_from(name.to_owned())?)?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello)?;
    Ok(hello)
}

pub(super) fn window() -> Result<()> {
    let lab = lab(r#"
        [[censor]]
        id = "window"
        when = { address = "198.19.1.1" }
        act = "refuse"
        from = 4.0
        until = 5.0
    "#)?;
    let clock = lab.clock;
    let seen = in_vantage(&lab, async move {
        let mut seen = Vec::new();
        while clock.now() < 6.0 {
            let before = clock.now();
            let outcome = connect(NEWS).await.map_or_else(|failure| failure, |_| "open".into());
            seen.push((before, outcome, clock.now()));
            sleep(Duration::from_millis(50)).await;
        }
        seen
    })?;
    for (before, outcome, after) in &seen {
        let expected = match (*before, *after) {
            (_, after) if after < 4.0 => "open",
            (before, after) if before >= 4.0 && after < 5.0 => "refused",
            (before, _) if before >= 5.0 => "open",
            _ => continue,
        };
        ensure!(outcome == expected, "{outcome} between {before} and {after} s");
    }
    ensure!(lab.log.count("window") > 0, "the rule never acted");
    Ok(())
}

pub(super) fn reset_host() -> Result<()> {
    let lab = lab(r#"
        [[censor]]
        when = { host = "news.lab" }
        act = "reset"
    "#)?;
    let (news, weather) = ("http://news.lab/".parse()?, "http://weather.lab/".parse()?);
    let seen = in_vantage(&lab, async move { [look(&news, false).await, look(&weather, false).await] })?;
    ensure!(seen[0] == "dns 198.19.1.1 > tcp open > http reset", "{seen:?}");
    ensure!(seen[1] == "dns 198.19.1.1 > tcp open > http 301", "{seen:?}");
    Ok(())
}

pub(super) fn forged_first() -> Result<()> {
    let lab = lab(r#"
        [[censor]]
        when = { question = "news.lab" }
        act = { forge-first = [{ addresses = ["198.18.2.99"] }] }
    "#)?;
    let answers = in_vantage(&lab, async {
        let injected = ask_all(places::TRUE_RESOLVER.1, "news.lab", 3).await?;
        let clean = ask_all(places::TRUE_RESOLVER.1, "weather.lab", 3).await?;
        Ok::<_, std::io::Error>([injected, clean].map(|answers| answers.iter().map(read_answer).collect::<Vec<_>>()))
    })??;
    let (forged, truth) = (Ok(vec![Ipv4Addr::new(198, 18, 2, 99)]), Ok(vec![*NEWS.ip()]));
    ensure!(answers[0] == [forged, truth.clone()] && answers[1] == [truth], "{answers:?}");
    Ok(())
}

pub(super) fn prohibited() -> Result<()> {
    let lab = lab(r#"
        [[censor]]
        when = { address = "198.19.1.1" }
        act = "prohibit"
    "#)?;
    let seen = in_vantage(&lab, async { tls("news.lab").await })?;
    ensure!(seen == "tcp unreachable", "{seen}");
    Ok(())
}

pub(super) fn intercepted() -> Result<()> {
    let lab = lab(r#"
        [[host]]
        address = "198.18.2.80"
        authority = "kazakh-name"
        http = "closed"
        [[host]]
        address = "198.19.1.2"
        names = ["other.lab"]
        [[censor]]
        when = { address = "198.19.1.1" }
        act = { redirect = "198.18.2.80:443" }
    "#)?;
    let url = |name: &str| format!("https://{name}/").parse();
    let (news, other) = (url("news.lab")?, url("other.lab")?);
    let seen =
        in_vantage(
            &lab,
            async move { [look(&news, false).await, look(&other, false).await, look(&news, true).await] },
        )?;
    let chain = "dns 198.19.1.1 > tcp open > tls signed by Information Security Certification Authority > http 200";
    ensure!(seen[0].starts_with(chain), "{seen:?}");
    ensure!(seen[1].starts_with("dns 198.19.1.2 > tcp open > tls trusted > http 200"), "{seen:?}");
    ensure!(seen[2].starts_with("tcp open > tls trusted > http 200"), "{seen:?}");
    Ok(())
}
