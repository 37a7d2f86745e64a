//! What the path does beyond single packets and IPv4: both families, races, rates, QUIC, memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_socks::tcp::Socks5Stream;

use super::acts::{NEWS, client_hello, lab, tls};
use super::parts::open;
use crate::lab::Lab;
use crate::places;
use crate::quic_client;
use crate::router::Police;
use crate::scenario::{NamePattern, Scenario, Throttle};
use crate::witness::{WAIT, Way, ask_all, ask_over_tcp, connect, handshake, in_vantage, look, look_by, read_answer};

const NEWS_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 1, 0, 0, 0, 1);

/// A world with a host for two names that has both families and HTTP/3, whose page is `fill` bytes longer.
fn both_families(fill: usize, more: &str) -> Result<Lab> {
    let host = format!(
        r#"
        about = "A self-test."
        [[host]]
        address = "198.19.1.1"
        address6 = "2001:db8:3:1::1"
        names = ["news.lab", "weather.lab"]
        quic = true
        http = "page"
        page = {{ fill = {fill} }}
        "#
    );
    Lab::build(&toml::from_str::<Scenario>(&format!("{host}\n{more}"))?)
}

async fn tls_v6(name: &str) -> String {
    match connect(SocketAddr::new(NEWS_V6.into(), 443)).await {
        Ok(stream) => handshake(stream, name).await.map_or_else(|failure| failure, |(_, signer)| signer),
        Err(failure) => format!("tcp {failure}"),
    }
}

pub(super) fn ipv6() -> Result<()> {
    let works = "[setup]\nipv6 = true\n";
    let ban = |when: &str, act: &str| format!("{works}\n[[censor]]\nwhen = {{ {when} }}\nact = \"{act}\"\n");
    let seen = |more: &str| -> Result<[String; 3]> {
        in_vantage(&both_families(0, more)?, async {
            [tls_v6("news.lab").await, tls_v6("weather.lab").await, tls("news.lab").await]
        })
    };
    ensure!(seen(works)? == ["trusted", "trusted", "trusted"]);
    ensure!(seen(&ban("sni = \"news.lab\"", "reset"))? == ["reset", "trusted", "reset"]);
    let address = "address = \"2001:db8:3:1::1\"";
    ensure!(seen(&ban(address, "refuse"))? == ["tcp refused", "tcp refused", "trusted"]);
    let seen = seen(&ban(address, "prohibit"))?;
    // Linux says EACCES for code 1 of ICMPv6 and EHOSTUNREACH for code 13 of ICMP.
    ensure!(seen[0].starts_with("tcp ") && seen[0] != "tcp timeout" && seen[2] == "trusted", "{seen:?}");
    let abroad = in_vantage(&both_families(0, &ban(address, "drop"))?, async {
        let site = SocketAddr::new(NEWS_V6.into(), 443);
        let through = Socks5Stream::connect(places::WAY_OUT, site).await?.into_inner();
        Ok::<_, anyhow::Error>((tls_v6("news.lab").await, handshake(through, "news.lab").await.map(|(_, said)| said)))
    })??;
    ensure!(abroad == ("tcp timeout".into(), Ok("trusted".into())), "{abroad:?}");
    Ok(())
}

pub(super) fn ipv6_missing() -> Result<()> {
    let seen = |more: &str| -> Result<(String, String, f64)> {
        in_vantage(&both_families(0, more)?, async {
            let began = Instant::now();
            let over_v6 = tls_v6("news.lab").await;
            (over_v6, tls("news.lab").await, began.elapsed().as_secs_f64())
        })
    };
    let (over_v6, over_v4, _) = seen("")?;
    ensure!(over_v6.starts_with("tcp ") && over_v6 != "tcp timeout" && over_v4 == "trusted", "{over_v6}, {over_v4}");
    let broken = seen("[setup]\nipv6 = \"broken\"\n")?;
    ensure!(broken.0 == "tcp timeout" && broken.1 == "trusted", "{broken:?}");
    Ok(())
}

/// RSTs that the vantage's kernel has sent: its answer to segments of connections that it has given up.
fn resets_sent() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/net/snmp")?;
    let mut tcp = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, numbers) = (tcp.next().context("no names")?, tcp.next().context("no numbers")?);
    let mut fields = names.split(' ').zip(numbers.split(' '));
    let (_, number) = fields.find(|(name, _)| *name == "OutRsts").context("no OutRsts")?;
    Ok(number.parse()?)
}

/// Bytes that come before the connection fails, and how it does.
async fn read_to_failure(name: &str) -> Result<(usize, Option<std::io::ErrorKind>)> {
    let mut stream = connect(NEWS).await.map_err(anyhow::Error::msg)?;
    stream.write_all(&client_hello(name)?).await?;
    let mut read = 0;
    let mut buffer = [0; 512];
    loop {
        match timeout(WAIT, stream.read(&mut buffer)).await {
            Err(_) => return Ok((read, None)),
            Ok(Err(error)) => return Ok((read, Some(error.kind()))),
            Ok(Ok(0)) => return Ok((read, Some(std::io::ErrorKind::UnexpectedEof))),
            Ok(Ok(bytes)) => read += bytes,
        }
    }
}

pub(super) fn race_reset() -> Result<()> {
    let race = |lead: &str, ends: &str| {
        format!(
            "[[censor]]\nwhen = {{ sni = \"news.lab\" }}\nact.race-reset = {{ lead = \"{lead}\", ends = \"{ends}\" }}\n"
        )
    };
    let (read, resets) = in_vantage(&lab(&race("reset", "client"))?, async {
        let read = read_to_failure("news.lab").await?;
        let patience = Instant::now() + Duration::from_secs(5);
        while resets_sent()? == 0 && Instant::now() < patience {
            sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, anyhow::Error>((read, resets_sent()?))
    })??;
    ensure!(read == (0, Some(std::io::ErrorKind::ConnectionReset)), "{read:?}");
    ensure!(resets >= 1, "the server's answer never came");
    let (banned, neighbour) = in_vantage(&lab(&race("server", "client"))?, async {
        Ok::<_, anyhow::Error>((read_to_failure("news.lab").await?, tls("weather.lab").await))
    })??;
    ensure!(banned.0 > 0 && banned.1 == Some(std::io::ErrorKind::ConnectionReset), "{banned:?}");
    ensure!(neighbour == "trusted", "{neighbour}");
    let url = "https://news.lab/".parse()?;
    let to_server = in_vantage(&lab(&race("server", "server"))?, async move { look(&url, false).await })?;
    // The server's own kernel resets what still comes, be it in the handshake or behind it.
    ensure!(to_server.starts_with("dns 198.19.1.1 > tcp open > ") && to_server.ends_with(" reset"), "{to_server}");
    Ok(())
}

pub(super) fn three_answers() -> Result<()> {
    let lab = lab(r#"
        [[censor]]
        when = { question = "news.lab" }
        act = { forge-first = [{ addresses = ["198.18.2.99"] }, { addresses = ["198.18.2.98"] }] }
    "#)?;
    let nowhere = Ipv4Addr::new(192, 0, 2, 1);
    let (resolver, web_server, nobody) = in_vantage(&lab, async move {
        let ask = async |address| ask_all(address, "news.lab", 4).await;
        Ok::<_, std::io::Error>((ask(places::RESOLVER).await?, ask(*NEWS.ip()).await?, ask(nowhere).await?))
    })??;
    let read = |answers: &[_]| answers.iter().map(read_answer).collect::<Vec<_>>();
    let forged = [Ok(vec![Ipv4Addr::new(198, 18, 2, 99)]), Ok(vec![Ipv4Addr::new(198, 18, 2, 98)])];
    ensure!(read(&resolver) == [&forged[..], &[Ok(vec![*NEWS.ip()])]].concat(), "{resolver:?}");
    ensure!(read(&web_server) == forged && read(&nobody) == forged, "{web_server:?} {nobody:?}");
    Ok(())
}

pub(super) fn forged_over_tcp() -> Result<()> {
    for act in
        ["{ forge = { addresses = [\"198.18.2.99\"] } }", "{ forge-first = [{ addresses = [\"198.18.2.99\"] }] }"]
    {
        let lab = lab(&format!("[[censor]]\nwhen = {{ question = \"news.lab\" }}\nact = {act}\n"))?;
        let seen = in_vantage(&lab, async {
            [
                ask_over_tcp(places::TRUE_RESOLVER.1, "news.lab").await,
                ask_over_tcp(places::TRUE_RESOLVER.1, "weather.lab").await,
            ]
        })?;
        ensure!(seen == [Ok(vec![Ipv4Addr::new(198, 18, 2, 99)]), Ok(vec![*NEWS.ip()])], "{act}: {seen:?}");
    }
    Ok(())
}

/// Bytes of the answer to a clear-text request, seconds that they took, and whether the server closed.
async fn fetch(host: &str, patience: Duration) -> Result<(usize, f64, bool)> {
    let began = Instant::now();
    let mut stream = TcpStream::connect((*NEWS.ip(), 80)).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let closed = timeout(patience, stream.read_to_end(&mut answer)).await.is_ok();
    Ok((answer.len(), began.elapsed().as_secs_f64(), closed))
}

pub(super) fn freeze() -> Result<()> {
    for when in ["{ host = \"news.lab\" }", "{ address = \"198.19.1.1\" }"] {
        let lab = both_families(50_000, &format!("[[censor]]\nwhen = {when}\nact = {{ freeze-after = 16384 }}\n"))?;
        let (bytes, _, closed) = in_vantage(&lab, fetch("news.lab", WAIT))??;
        ensure!((13_000..=16_384).contains(&bytes) && !closed, "{when}: {bytes} bytes, closed: {closed}");
        let (bytes, _, closed) = in_vantage(&lab, fetch("weather.lab", WAIT))??;
        ensure!((bytes > 50_000 && closed) != when.contains("address"), "{when}: {bytes} bytes, closed: {closed}");
    }
    Ok(())
}

pub(super) fn policed() -> Result<()> {
    let lab = both_families(
        40_000,
        "[[censor]]\nwhen = { host = \"news.lab\" }\nact = { throttle = { bytes_per_second = 16000 } }\n",
    )?;
    let patience = Duration::from_secs(60);
    let (bytes, seconds, closed) = in_vantage(&lab, fetch("news.lab", patience))??;
    let least = f64::from(40_000 - 8192) / 16_000.0;
    ensure!(bytes > 40_000 && closed && seconds >= least, "{bytes} bytes in {seconds} s, closed: {closed}");
    let (bytes, beside, closed) = in_vantage(&lab, fetch("weather.lab", patience))??;
    ensure!(bytes > 40_000 && closed && beside < seconds, "{bytes} bytes in {beside} s beside it, closed: {closed}");
    Ok(())
}

pub(super) fn delayed() -> Result<()> {
    let lab =
        both_families(0, "[[censor]]\nwhen = { address = \"198.19.1.1\" }\nact = { throttle = { delay_ms = 200 } }\n")?;
    let (bytes, seconds, closed) = in_vantage(&lab, fetch("news.lab", WAIT * 2))??;
    // Two round trips, held up in both directions.
    ensure!(bytes > 0 && closed && seconds >= 0.8, "{bytes} bytes in {seconds} s, closed: {closed}");
    Ok(())
}

pub(super) fn losses() -> Result<()> {
    let lossy = Throttle { loss: 0.1, ..Throttle::default() };
    let lost = |mut police: Police| (0..10_000).map(|_| police.pass(0, 0.0).is_none()).collect::<Vec<_>>();
    let (first, second) = (lost(Police::new(lossy, 0.0)), lost(Police::new(lossy, 0.0)));
    let count = first.iter().filter(|lost| **lost).count();
    ensure!((900..=1100).contains(&count) && first == second, "{count} of 10000");
    let mut bucket = Police::new(Throttle { bytes_per_second: Some(1000), burst_bytes: 500, ..lossy }, 0.0);
    bucket.pass(0, 0.0);
    let passed = (0..10_000).filter(|tick| bucket.pass(100, f64::from(*tick) / 1000.0).is_some()).count();
    ensure!((90..=105).contains(&passed), "{passed} packets of 100 bytes in 10 s at 1000 bytes a second");
    Ok(())
}

pub(super) fn quic() -> Result<()> {
    let seen = |more: &str| -> Result<[String; 4]> {
        in_vantage(&both_families(0, more)?, async {
            let canary = SocketAddr::new(places::FOREIGN_CANARY.1.into(), 443);
            let (news, weather, canary, over_tcp) = tokio::join!(
                quic_client::look(NEWS.into(), "news.lab"),
                quic_client::look(NEWS.into(), "weather.lab"),
                quic_client::look(canary, places::FOREIGN_CANARY.0),
                tls("news.lab"),
            );
            [news, weather, canary, over_tcp]
        })
    };
    let ban = |when: &str| seen(&format!("[[censor]]\nwhen = {when}\nact = \"drop\"\n"));
    ensure!(seen("")? == ["trusted"; 4]);
    ensure!(ban("{ quic = \"news.lab\" }")? == ["timeout", "trusted", "trusted", "trusted"]);
    ensure!(ban("{ udp = \"198.19.1.1\" }")? == ["timeout", "timeout", "trusted", "trusted"]);
    ensure!(ban("\"any-quic\"")? == ["timeout", "timeout", "timeout", "trusted"]);
    let head = in_vantage(&both_families(0, "")?, async {
        let mut stream = open(*NEWS.ip(), 443, "news.lab", b"http/1.1").await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: news.lab\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, anyhow::Error>(answer)
    })??;
    ensure!(head.contains("\r\nalt-svc: h3=\":443\"; ma=86400\r\n"), "{head}");
    let over_v6 = in_vantage(&both_families(0, "[setup]\nipv6 = true\n")?, async {
        quic_client::look(SocketAddr::new(NEWS_V6.into(), 443), "news.lab").await
    })?;
    ensure!(over_v6 == "trusted", "{over_v6}");
    Ok(())
}

pub(super) fn residual() -> Result<()> {
    let lab = lab("[[censor]]\nid = \"ban\"\nwhen = { sni = \"news.lab\" }\nact = \"drop\"\nresidual = 9.0\n")?;
    let (before, after) = in_vantage(&lab, async {
        let before = [tls("weather.lab").await, tls("news.lab").await, tls("weather.lab").await];
        let other_port = connect(SocketAddr::new(IpAddr::V4(*NEWS.ip()), 80)).await.is_ok();
        // Two waits are over by now: what is left of the nine seconds, and one more.
        sleep(Duration::from_secs(4)).await;
        ((before, other_port), tls("weather.lab").await)
    })?;
    ensure!(before == (["trusted".into(), "timeout".into(), "tcp timeout".into()], true), "{before:?}");
    ensure!(after == "trusted", "{after}");
    Ok(())
}

pub(super) fn control_down() -> Result<()> {
    let lab = lab("[setup]\ncontrol = \"down\"\n")?;
    let url: url::Url = "https://news.lab/".parse()?;
    let (out, here) = in_vantage(&lab, async move { (look(&url, true).await, look(&url, false).await) })?;
    ensure!(out == "tcp timeout" && here.ends_with("http 200 Evening news of the lab"), "{out}, {here}");
    Ok(())
}

pub(super) fn tunnel() -> Result<()> {
    let lab = lab("[setup]\ncontrol_tunnel = true\n[[censor]]\nwhen = \"foreign\"\nact = \"drop\"\n")?;
    let (here, through_tunnel) = in_vantage(&lab, async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(places::TUNNEL.into(), 0))?;
        let stream = socket.connect(NEWS.into()).await?;
        Ok::<_, std::io::Error>((tls("news.lab").await, handshake(stream, "news.lab").await.map(|(_, said)| said)))
    })??;
    ensure!(here == "tcp timeout" && through_tunnel == Ok("trusted".into()), "{here}, {through_tunnel:?}");
    Ok(())
}

pub(super) fn careless() -> Result<()> {
    let host =
        "about = \"A self-test.\"\n[[host]]\naddress = \"198.19.1.1\"\nnames = [\"news.lab\", \"notnews.lab\"]\n";
    let seen = |pattern: &str| -> Result<[String; 2]> {
        let rule = format!("{host}[[censor]]\nwhen = {{ sni = \"{pattern}\" }}\nact = \"reset\"\n");
        let lab = Lab::build(&toml::from_str::<Scenario>(&rule)?)?;
        in_vantage(&lab, async {
            let way = Way::To(IpAddr::V4(*NEWS.ip()));
            let look = async |url: &str| match url.parse() {
                Ok(url) => look_by(&url, way).await,
                Err(error) => error.to_string(),
            };
            [look("https://news.lab/").await, look("https://notnews.lab/").await]
        })
    };
    let (cut, whole) = ("tcp open > tls reset", "tcp open > tls trusted > http 200 Evening news of the lab");
    ensure!(seen(".news.lab")? == [cut, whole] && seen("*news.lab")? == [cut, cut]);
    Ok(())
}

pub(super) fn patterns() -> Result<()> {
    for (pattern, caught, spared) in [
        ("news.lab", &["news.lab", "NEWS.lab."][..], &["www.news.lab", "notnews.lab"][..]),
        (".news.lab", &["news.lab", "www.news.lab"], &["notnews.lab", "news.lab.example"]),
        ("*news.lab", &["news.lab", "www.news.lab", "notnews.lab"], &["news.lab.example"]),
        ("news*", &["news.lab", "news.lab.example"], &["notnews.lab"]),
        ("*news*", &["news.lab", "notnews.lab", "news.lab.example"], &["weather.lab"]),
    ] {
        let matches = |name: &&str| NamePattern(pattern.into()).matches(name);
        ensure!(caught.iter().all(matches) && !spared.iter().any(matches), "{pattern}");
    }
    Ok(())
}

pub(super) fn senseless() -> Result<()> {
    let refused = |rule: &str| -> Result<bool> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), format!("about = \"A self-test.\"\n[[censor]]\n{rule}\n"))?;
        Ok(Scenario::read(file.path()).is_err())
    };
    for rule in [
        "when = { address = \"198.19.1.1\" }\nact.race-reset = { lead = \"reset\" }",
        "when = { sni = \"news.lab\" }\nact.forge = \"nxdomain\"",
        "when = { question = \"news.lab\" }\nact = { freeze-after = 1 }",
        "when = { address = \"198.19.1.1\" }\nact = \"drop\"\nresidual = 1.0",
        "when = { sni = \"news.lab\" }\nact = \"refuse\"\nresidual = 1.0",
    ] {
        ensure!(refused(rule)?, "{rule}");
    }
    ensure!(!refused("when = { sni = \"news.lab\" }\nact = \"reset\"\nresidual = 1.0")?);
    Ok(())
}
