//! QUIC handshakes beside TLS: those that go well, each way in which they do not, and what makes us try.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::bed::{self, Ca, ClosedPort, HERE, NOW, PAST, Zone, page};
use crate::config::{CanaryConfig, ResolverSpec, Role, VantageConfig, Via};
use crate::judge::{Knowledge, judge};
use crate::model::{
    AddressFamily, CanaryQuic, CanaryScope, CountryCode, Evidence, Failure, Measurement, Mechanism, PartialScope,
    QuicHandshake, QuicHint, Status, Trigger,
};
use crate::probe::{Prober, Target, ask_canaries, control_report};
use crate::vantage::Vantage;

/// A QUIC server at loopback. Each connection's peer and how it ended come out of the channel.
fn quic_server(ca: &Ca, name: &str, years: (i32, i32), alpn: &str) -> (u16, mpsc::Receiver<(SocketAddr, String)>) {
    let tls = Arc::clone(ca.acceptor(&[name], years, &[alpn]).config());
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::server(config, (HERE, 0).into()).unwrap();
    let port = endpoint.local_addr().unwrap().port();
    let (told, ends) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                if let Ok(connection) = incoming.await {
                    let peer = connection.remote_address();
                    let end = connection.closed().await.to_string();
                    let _ = told.send((peer, end)).await;
                }
            });
        }
    });
    (port, ends)
}

/// A UDP port where `answer` makes the answers to each datagram.
async fn udp_server(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> u16 {
    let socket = UdpSocket::bind((HERE, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            for datagram in answer(&buffer[..length]) {
                let _ = socket.send_to(&datagram, peer).await;
            }
        }
    });
    port
}

/// A site over TLS that says that it speaks HTTP/3 on this UDP port.
async fn site(ca: &Ca, port: u16) -> String {
    let offer = format!("Alt-Svc: h3=\":{port}\"; ma=60\r\n");
    let acceptor = ca.acceptor(&["127.0.0.1"], NOW, &["http/1.1"]);
    let site = bed::https(HERE, acceptor, move |_| page("200 OK", &offer, b"good")).await;
    format!("https://{site}/")
}

fn only(measurement: &Measurement) -> &QuicHandshake {
    assert_eq!(measurement.quic.len(), 1, "{measurement:#?}");
    &measurement.quic[0]
}

async fn failure(ca: &Ca, port: u16) -> Option<Failure> {
    let measurement = bed::measure(&bed::config(ca), &site(ca, port).await, &[]).await;
    assert!(measurement.final_answer().is_some(), "QUIC changes nothing of the rest");
    only(&measurement).failure.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_offers_http3_is_greeted_and_left_at_once() {
    let ca = Ca::new("lab");
    let (port, mut ends) = quic_server(&ca, "127.0.0.1", NOW, "h3");
    let url = site(&ca, port).await;
    let prober = Prober::new(&bed::config(&ca)).unwrap();
    let mut peers = Vec::new();
    for _ in 0..2 {
        let measurement = measure(&prober, &url, &bed::vantage(&[]), Trigger::Scheduled).await;
        let quic = only(&measurement);
        assert_eq!((&quic.failure, quic.alpn.as_deref(), quic.hint), (&None, Some("h3"), Some(QuicHint::AltSvc)));
        assert_eq!((quic.address, quic.hop, quic.server_name.as_str()), ((HERE, port).into(), 0, ""));
        assert!(quic.elapsed.as_seconds() > 0.0 && measurement.final_answer().is_some());
        let (peer, end) = ends.recv().await.unwrap();
        assert_eq!(end, "closed by peer: 0", "it is told at once, not by a time-out");
        peers.push(peer.port());
    }
    assert_ne!(peers[0], peers[1], "a fresh source port each time");
}

#[tokio::test]
async fn certificates_are_judged_as_over_tls() {
    let (ca, other) = (Ca::new("lab"), Ca::new("other"));
    for (signer, name, years, expected) in [
        (&other, "127.0.0.1", NOW, Failure::SslUnknownAuthority),
        (&ca, "other.example", NOW, Failure::SslInvalidHostname),
        (&ca, "127.0.0.1", PAST, Failure::SslInvalidCertificate),
    ] {
        let (port, _ends) = quic_server(signer, name, years, "h3");
        assert_eq!(failure(&ca, port).await, Some(expected), "{name}");
    }
}

#[tokio::test]
async fn another_protocol_is_a_broken_handshake() {
    let ca = Ca::new("lab");
    let (port, _ends) = quic_server(&ca, "127.0.0.1", NOW, "other");
    assert_eq!(failure(&ca, port).await, Some(Failure::SslFailedHandshake));
}

#[tokio::test]
async fn nobody_at_the_port_is_a_refusal() {
    let ca = Ca::new("lab");
    let closed = ClosedPort::take();
    assert_eq!(failure(&ca, closed.address.port()).await, Some(Failure::ConnectionRefused));
}

#[tokio::test]
async fn silence_is_told_after_its_time_and_not_met_again_at_once() {
    let ca = Ca::new("lab");
    let port = udp_server(|_| Vec::new()).await;
    let url = site(&ca, port).await;
    let prober = Prober::new(&bed::config(&ca)).unwrap();
    let measurement = measure(&prober, &url, &bed::vantage(&[]), Trigger::Scheduled).await;
    let quic = only(&measurement);
    assert_eq!(quic.failure, Some(Failure::GenericTimeout));
    assert!(quic.elapsed.as_seconds() >= 0.4, "{quic:?}");
    let again = measure(&prober, &url, &bed::vantage(&[]), Trigger::Scheduled).await;
    assert!(again.quic.is_empty() && again.final_answer().is_some());
    let asked = measure(&prober, &url, &bed::vantage(&[]), Trigger::Manual).await;
    assert_eq!(only(&asked).failure, Some(Failure::GenericTimeout));
}

#[tokio::test]
async fn junk_is_silence() {
    let ca = Ca::new("lab");
    let port = udp_server(|heard| {
        let mut echoed = heard.to_vec();
        echoed[10] ^= 1;
        // Echoes, a long header cut short, short headers, zeros, a Retry without a tag, nothing at all.
        vec![
            heard.to_vec(),
            echoed,
            vec![0xc0, 0, 0, 0, 1, 20],
            vec![0x40; 64],
            vec![0; 1500],
            [&[0xf0, 0, 0, 0, 1, 0, 0][..], &[7; 40]].concat(),
            Vec::new(),
        ]
    })
    .await;
    assert_eq!(failure(&ca, port).await, Some(Failure::GenericTimeout));
}

#[tokio::test]
async fn no_version_in_common() {
    let ca = Ca::new("lab");
    let port = udp_server(|heard| {
        // RFC 8999 section 6: the ids change places, version 0, then the versions spoken.
        let theirs = &heard[6..6 + usize::from(heard[5])];
        let ours_at = 6 + theirs.len();
        let ours = &heard[ours_at + 1..ours_at + 1 + usize::from(heard[ours_at])];
        let mut answer = vec![0x80, 0, 0, 0, 0, ours.len() as u8];
        answer.extend(ours);
        answer.push(theirs.len() as u8);
        answer.extend(theirs);
        answer.extend([0xfa, 0xce, 0xb0, 0x0c]);
        vec![answer]
    })
    .await;
    assert_eq!(failure(&ca, port).await, Some(Failure::QuicIncompatibleVersion));
}

#[tokio::test]
async fn a_site_that_is_known_to_speak_http3_is_greeted_though_tls_is_swallowed() {
    let ca = Ca::new("lab");
    let (port, _ends) = quic_server(&ca, "127.0.0.1", NOW, "h3");
    let blocked = Arc::new(AtomicBool::new(false));
    let acceptor = ca.acceptor(&["127.0.0.1"], NOW, &[]);
    let swallowed = Arc::clone(&blocked);
    let site = bed::serve(HERE, move |mut stream| {
        let (acceptor, swallowed) = (acceptor.clone(), swallowed.load(Ordering::SeqCst));
        async move {
            if swallowed {
                bed::swallow(&mut stream).await;
                return tokio::time::sleep(Duration::from_secs(30)).await;
            }
            let mut tls = acceptor.accept(stream).await.unwrap();
            bed::respond(&mut tls, &|_: &str| page("200 OK", &format!("Alt-Svc: h3=\":{port}\"\r\n"), b"")).await;
        }
    })
    .await;
    let url = format!("https://{site}/");
    let prober = Prober::new(&bed::config(&ca)).unwrap();
    let good = measure(&prober, &url, &bed::vantage(&[]), Trigger::Scheduled).await;
    assert_eq!(only(&good).failure, None);
    blocked.store(true, Ordering::SeqCst);
    let bad = measure(&prober, &url, &bed::vantage(&[]), Trigger::Scheduled).await;
    assert_eq!((bad.tls[0].failure.clone(), bad.http.len()), (Some(Failure::GenericTimeout), 0));
    let quic = only(&bad);
    assert_eq!((&quic.failure, quic.hint), (&None, Some(QuicHint::AltSvc)));
    assert!(quic.started < bad.tls[0].elapsed, "beside TLS, not after it");
}

#[tokio::test]
async fn an_https_record_tells_where_tls_cannot() {
    let ca = Ca::new("lab");
    let (port, _ends) = quic_server(&ca, "site.example", NOW, "h3");
    let site = bed::serve(HERE, |mut stream| async move {
        bed::swallow(&mut stream).await;
        bed::reset(stream);
    })
    .await;
    let zone = Zone::from([("site.example", vec![HERE])]);
    let mut config = bed::config(&ca);
    config.control.resolvers = vec![bed::encrypted_name_server_with(&ca, zone.clone(), Some(port)).await];
    let url = format!("https://site.example:{}/", site.port());
    let measurement = bed::measure(&config, &url, &[bed::name_server(zone).await]).await;
    let quic = only(&measurement);
    assert_eq!((&quic.failure, quic.hint), (&None, Some(QuicHint::HttpsRecord)));
    assert_eq!((quic.server_name.as_str(), quic.address), ("site.example", (HERE, port).into()));
    assert_eq!(measurement.dns.len(), 4, "the question for it is no evidence of the site's addresses");
}

#[tokio::test]
async fn only_the_end_of_the_chain_is_greeted() {
    let ca = Ca::new("lab");
    let (port, _ends) = quic_server(&ca, "127.0.0.1", NOW, "h3");
    let end = site(&ca, port).await;
    let headers = format!("Location: {end}\r\nAlt-Svc: h3=\":{port}\"\r\n");
    let acceptor = ca.acceptor(&["127.0.0.1"], NOW, &[]);
    let start = bed::https(HERE, acceptor, move |_| page("302 Found", &headers, b"")).await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{start}/"), &[]).await;
    assert_eq!((only(&measurement).hop, measurement.http.len()), (1, 2));
}

#[tokio::test]
async fn an_offer_that_proves_nothing_is_not_taken() {
    let (ca, other) = (Ca::new("lab"), Ca::new("other"));
    let (port, _ends) = quic_server(&ca, "127.0.0.1", NOW, "h3");
    let offer = format!("Alt-Svc: h3=\":{port}\"\r\n");
    let clear = bed::http(HERE, {
        let offer = offer.clone();
        move |_| page("200 OK", &offer, b"")
    })
    .await;
    let forged = bed::https(HERE, other.acceptor(&["127.0.0.1"], NOW, &[]), move |_| page("200 OK", &offer, b"")).await;
    for url in [format!("http://{clear}/"), format!("https://{forged}/")] {
        let measurement = bed::measure(&bed::config(&ca), &url, &[]).await;
        assert!(measurement.final_answer().is_some() && measurement.quic.is_empty(), "{measurement:#?}");
    }
}

#[tokio::test]
async fn it_can_be_switched_off_and_a_tunnel_has_none() {
    let ca = Ca::new("lab");
    let (port, _ends) = quic_server(&ca, "127.0.0.1", NOW, "h3");
    let url = site(&ca, port).await;
    let mut off = bed::config(&ca);
    off.probe.quic = false;
    assert!(bed::measure(&off, &url, &[]).await.quic.is_empty());

    let proxy = bed::serve(HERE, socks).await;
    let tunnel = vantage(Via::Socks5 { proxy: proxy.to_string() }, &[]);
    let prober = Prober::new(&bed::config(&ca)).unwrap();
    let measurement = measure(&prober, &url, &tunnel, Trigger::Manual).await;
    assert!(measurement.final_answer().is_some() && measurement.quic.is_empty(), "{measurement:#?}");
}

#[tokio::test]
async fn canaries_and_controls_tell_of_quic_families_and_resolvers() {
    let ca = Ca::new("lab");
    let (port, _ends) = quic_server(&ca, "site.example", NOW, "h3");
    let offer = format!("Alt-Svc: h3=\":{port}\"\r\n");
    let acceptor = ca.acceptor(&["site.example"], NOW, &[]);
    let site = bed::https(HERE, acceptor, move |_| page("200 OK", &offer, b"")).await;
    let resolver = bed::name_server(Zone::from([("site.example", vec![HERE])])).await;
    let lost = bed::name_server(Zone::new()).await;
    let url = format!("https://site.example:{}/", site.port());
    let prober = Prober::new(&bed::config(&ca)).unwrap();
    let here = vantage(Via::Direct { interface: None, source: None }, &[resolver.clone(), lost]);
    let canary = CanaryConfig { url: url.parse().unwrap(), scope: CanaryScope::Foreign, country: None };
    let report = ask_canaries(&prober, &here, &[canary]).await;
    let result = &report.results[0];
    assert_eq!((&result.failure, &result.quic), (&None, &Some(CanaryQuic { failure: None })));
    assert_eq!(result.families, [AddressFamily::Ipv4]);
    assert_eq!(result.resolvers, [resolver.to_string()]);

    let measurement = measure(&prober, &url, &here, Trigger::Control).await;
    let report = control_report("berlin".parse().unwrap(), &measurement, None);
    assert_eq!((report.quic.len(), &report.quic[0].failure), (1, &None));
}

#[tokio::test]
async fn a_canary_over_ipv6_shows_that_ipv6_works() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        eprintln!("SKIPPED: this machine has no IPv6 loopback");
        return;
    };
    let ca = Ca::new("lab");
    let acceptor = ca.acceptor(&["::1"], NOW, &[]);
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut tls = acceptor.accept(stream).await.unwrap();
            bed::respond(&mut tls, &|_: &str| page("200 OK", "", b"six")).await;
        }
    });
    let mut config = bed::config(&ca);
    config.network.allow_private.push("::1/128".parse().unwrap());
    let here = vantage(Via::Direct { interface: None, source: None }, &[]);
    let canary = CanaryConfig { url, scope: CanaryScope::Foreign, country: None };
    let report = ask_canaries(&Prober::new(&config).unwrap(), &here, &[canary]).await;
    assert_eq!(report.results[0].families, [AddressFamily::Ipv6], "{report:?}");
}

/// A censor before a QUIC server: lets through only who comes from `friend`.
async fn censored(server: u16, friend: Ipv4Addr) -> u16 {
    let front = Arc::new(UdpSocket::bind((HERE, 0)).await.unwrap());
    let port = front.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = front.recv_from(&mut buffer).await {
            if peer.ip() != friend {
                continue;
            }
            if let Entry::Vacant(vacant) = ways.entry(peer) {
                let way = Arc::new(UdpSocket::bind((HERE, 0)).await.unwrap());
                way.connect((HERE, server)).await.unwrap();
                vacant.insert(Arc::clone(&way));
                let front = Arc::clone(&front);
                tokio::spawn(async move {
                    let mut buffer = [0; 2048];
                    while let Ok(length) = way.recv(&mut buffer).await {
                        let _ = front.send_to(&buffer[..length], peer).await;
                    }
                });
            }
            let _ = ways[&peer].send(&buffer[..length]).await;
        }
    });
    port
}

#[tokio::test]
async fn quic_that_is_swallowed_only_here_is_told_as_blocked_in_part() {
    let ca = Ca::new("lab");
    let friend = Ipv4Addr::new(127, 0, 0, 3);
    let (free, _ends) = quic_server(&ca, "127.0.0.1", NOW, "h3");
    let url = site(&ca, censored(free, friend).await).await;
    let canary =
        CanaryConfig { url: site(&ca, free).await.parse().unwrap(), scope: CanaryScope::Foreign, country: None };
    let config = bed::config(&ca);
    let prober = Prober::new(&config).unwrap();
    let (here, abroad) =
        (bed::vantage(&[]), vantage(Via::Direct { interface: None, source: Some(friend.into()) }, &[]));
    let measurement = measure(&prober, &url, &here, Trigger::Manual).await;
    let control =
        control_report("abroad".parse().unwrap(), &measure(&prober, &url, &abroad, Trigger::Control).await, None);
    let canaries = ask_canaries(&prober, &here, &[canary]).await;
    let evidence = Evidence::new(measurement, vec![control], Some(canaries));
    let verdict = judge(&evidence, &Knowledge::new(config.network.allow_private), CountryCode::UNKNOWN);
    assert_eq!(verdict.status, Status::Accessible);
    let [partial] = verdict.partial.as_slice() else { panic!("{evidence:#?}") };
    assert_eq!((partial.scope, partial.mechanism), (PartialScope::Quic, Mechanism::QuicTimeout));
}

#[tokio::test]
async fn a_measurement_that_is_dropped_leaves_nothing_running() {
    let ca = Ca::new("lab");
    let (heard, mut datagrams) = mpsc::channel(8);
    let port = udp_server(move |_| {
        let _ = heard.try_send(());
        Vec::new()
    })
    .await;
    let url = site(&ca, port).await;
    let mut config = bed::config(&ca);
    config.probe.quic_timeout = Duration::from_secs(5);
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let greeting = tokio::spawn(async move { bed::measure(&config, &url, &[]).await });
    datagrams.recv().await.unwrap();
    greeting.abort();
    let _ = greeting.await;
    let gone = async {
        while metrics.num_alive_tasks() > before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), gone).await.expect("tasks of the handshake are left");
}

async fn measure(prober: &Prober, url: &str, vantage: &Vantage, trigger: Trigger) -> Measurement {
    let target = Target { site: "site".parse().unwrap(), url: url.parse().unwrap() };
    prober.measure(&target, vantage, trigger).await
}

fn vantage(via: Via, resolvers: &[ResolverSpec]) -> Vantage {
    Vantage::new(&VantageConfig {
        id: "there".parse().unwrap(),
        role: Role::Probe,
        country: CountryCode::UNKNOWN,
        asn: None,
        via,
        resolvers: resolvers.to_vec(),
    })
}

/// One SOCKS5 connection to an IPv4 address.
async fn socks(mut client: tokio::net::TcpStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut greeting, mut request) = ([0; 3], [0; 10]);
    client.read_exact(&mut greeting).await.unwrap();
    client.write_all(&[5, 0]).await.unwrap();
    client.read_exact(&mut request).await.unwrap();
    let ip = Ipv4Addr::new(request[4], request[5], request[6], request[7]);
    let mut peer = tokio::net::TcpStream::connect((ip, u16::from_be_bytes([request[8], request[9]]))).await.unwrap();
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut peer).await;
}
