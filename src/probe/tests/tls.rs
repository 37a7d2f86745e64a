//! Handshakes that go well, and each way in which they do not.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::bed::{self, Ca, HERE, NOW, PAST, page};
use crate::model::CertificateFault::{Expired, UnknownIssuer, WrongName};
use crate::model::{CertificateFault, Failure, Measurement, TlsHandshake};

fn only_tls(measurement: &Measurement) -> &TlsHandshake {
    assert_eq!(measurement.tls.len(), 1, "{measurement:#?}");
    &measurement.tls[0]
}

#[tokio::test]
async fn a_good_site_over_http1() {
    let ca = Ca::new("lab");
    let acceptor = ca.acceptor(&["127.0.0.1"], NOW, &["http/1.1"]);
    let site = bed::https(HERE, acceptor, |_| page("200 OK", "", b"<title>Good</title>")).await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
    let tls = only_tls(&measurement);
    assert!(tls.is_authentic(), "{tls:#?}");
    assert_eq!((tls.version.as_deref(), tls.alpn.as_deref()), (Some("TLSv1.3"), Some("http/1.1")));
    assert!(tls.cipher.as_deref().unwrap().starts_with("TLS_"));
    assert_eq!((tls.server_name.as_str(), tls.chain[0].names.as_slice()), ("", ["127.0.0.1".to_owned()].as_slice()));
    assert_eq!(measurement.tcp[0].failure, None);
    assert!(measurement.dns.is_empty());
    let answer = measurement.final_answer().unwrap();
    assert!(measurement.is_authentic(answer));
    assert_eq!((answer.status, answer.protocol.as_str()), (Some(200), "http/1.1"));
    let body = answer.body.as_ref().unwrap();
    assert_eq!((body.title.as_deref(), body.length, body.kept.as_deref()), (Some("Good"), 19, None));
}

#[tokio::test]
async fn a_good_site_over_http2() {
    let ca = Ca::new("lab");
    let acceptor = ca.acceptor(&["127.0.0.1"], NOW, &["h2", "http/1.1"]);
    let site = bed::serve(HERE, move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let tls = acceptor.accept(stream).await.unwrap();
            let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                assert!(request.headers()["user-agent"].to_str().unwrap().starts_with("Mozilla/"));
                let body = http_body_util::Full::new(bytes::Bytes::from_static(b"<title>Two</title>"));
                Ok::<_, std::convert::Infallible>(hyper::Response::new(body))
            });
            let executor = hyper_util::rt::TokioExecutor::new();
            let io = hyper_util::rt::TokioIo::new(tls);
            let _ = hyper::server::conn::http2::Builder::new(executor).serve_connection(io, service).await;
        }
    })
    .await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
    let answer = measurement.final_answer().unwrap_or_else(|| panic!("{measurement:#?}"));
    assert_eq!((answer.protocol.as_str(), answer.status), ("h2", Some(200)));
    assert_eq!(answer.body.as_ref().unwrap().title.as_deref(), Some("Two"));
    assert!(measurement.is_authentic(answer));
}

#[tokio::test]
async fn a_swallowed_client_hello_is_silence() {
    let ca = Ca::new("lab");
    let site = bed::serve(HERE, |mut stream| async move {
        bed::swallow(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
    })
    .await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
    let tls = only_tls(&measurement);
    assert_eq!(tls.failure, Some(Failure::GenericTimeout));
    assert!(tls.elapsed.as_seconds() >= 0.4, "{tls:?}");
    assert_eq!(measurement.tcp[0].failure, None);
    assert!(measurement.http.is_empty() && tls.chain.is_empty());
}

#[tokio::test]
async fn a_reset_after_the_client_hello() {
    let ca = Ca::new("lab");
    let site = bed::serve(HERE, |mut stream| async move {
        bed::swallow(&mut stream).await;
        bed::reset(stream);
    })
    .await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
    assert_eq!(only_tls(&measurement).failure, Some(Failure::ConnectionReset));
}

#[tokio::test]
async fn an_end_after_the_client_hello() {
    let ca = Ca::new("lab");
    let site = bed::serve(HERE, |mut stream| async move { bed::swallow(&mut stream).await }).await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
    assert_eq!(only_tls(&measurement).failure, Some(Failure::Eof));
}

#[tokio::test]
async fn an_alert_is_named() {
    let ca = Ca::new("lab");
    let site = bed::serve(HERE, |mut stream| async move {
        bed::swallow(&mut stream).await;
        // A fatal alert, unrecognized_name (RFC 8446 section 6).
        let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 112]).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    })
    .await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
    let tls = only_tls(&measurement);
    assert_eq!(
        (tls.failure.clone(), tls.alert.as_deref()),
        (Some(Failure::SslFailedHandshake), Some("unrecognized_name"))
    );
}

#[tokio::test]
async fn clear_text_where_tls_should_be() {
    let ca = Ca::new("lab");
    let site = bed::serve(HERE, |mut stream| async move {
        bed::swallow(&mut stream).await;
        let _ = stream.write_all(&page("403 Forbidden", "", b"blocked")).await;
    })
    .await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
    let tls = only_tls(&measurement);
    assert_eq!((tls.failure.clone(), tls.alert.as_deref()), (Some(Failure::SslFailedHandshake), None));
}

#[tokio::test]
async fn a_server_without_tls_1_2_or_1_3_is_a_broken_handshake() {
    let ca = Ca::new("lab");
    let site = bed::serve(HERE, |mut stream| async move {
        bed::swallow(&mut stream).await;
        let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 70]).await;
    })
    .await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
    let tls = only_tls(&measurement);
    assert_eq!(
        (tls.failure.clone(), tls.alert.as_deref()),
        (Some(Failure::SslFailedHandshake), Some("protocol_version"))
    );
}

/// Serves a page behind a bad certificate and checks that all is recorded and the page read all the same.
async fn bad_certificate(trusted: bool, name: &str, years: (i32, i32), failure: Failure, faults: &[CertificateFault]) {
    let (ca, other) = (Ca::new("lab"), Ca::new("other"));
    let acceptor = if trusted { &ca } else { &other }.acceptor(&[name], years, &["http/1.1"]);
    let site = bed::https(HERE, acceptor, |_| page("200 OK", "", b"<title>Blocked</title>")).await;
    let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
    let tls = only_tls(&measurement);
    assert_eq!((tls.failure.as_ref(), tls.faults.as_slice()), (Some(&failure), faults));
    assert_eq!(tls.chain.len(), 1);
    let answer = measurement.final_answer().unwrap();
    assert!(!measurement.is_authentic(answer));
    let body = answer.body.as_ref().unwrap();
    assert_eq!(body.title.as_deref(), Some("Blocked"));
    assert!(body.kept.is_some(), "a page of doubtful origin is kept");
}

#[tokio::test]
async fn an_untrusted_authority() {
    bad_certificate(false, "127.0.0.1", NOW, Failure::SslUnknownAuthority, &[UnknownIssuer]).await;
}

#[tokio::test]
async fn a_wrong_name() {
    bad_certificate(true, "other.example", NOW, Failure::SslInvalidHostname, &[WrongName]).await;
}

#[tokio::test]
async fn an_expired_certificate() {
    bad_certificate(true, "127.0.0.1", PAST, Failure::SslInvalidCertificate, &[Expired]).await;
}

#[tokio::test]
async fn several_faults_at_once() {
    let all = [UnknownIssuer, WrongName, Expired];
    bad_certificate(false, "other.example", PAST, Failure::SslUnknownAuthority, &all).await;
    bad_certificate(true, "other.example", PAST, Failure::SslInvalidHostname, &[WrongName, Expired]).await;
}

#[tokio::test]
async fn a_false_certificate_is_used_only_when_no_true_one_is_left() {
    let (ca, other) = (Ca::new("lab"), Ca::new("other"));
    let zone = |ips: [[u8; 4]; 2]| bed::Zone::from([("site.example", ips.map(Into::into).to_vec())]);
    let port_holder =
        bed::https(HERE, other.acceptor(&["site.example"], NOW, &[]), |_| page("200 OK", "", b"false")).await;
    // The true one sits at another address of the same port, and is slow.
    let truth = ca.acceptor(&["site.example"], NOW, &[]);
    let listener = tokio::net::TcpListener::bind(("127.0.0.2", port_holder.port())).await.unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        let mut tls = truth.accept(stream).await.unwrap();
        bed::respond(&mut tls, &|_: &str| page("200 OK", "", b"true")).await;
    });
    let resolver = bed::name_server(zone([[127, 0, 0, 1], [127, 0, 0, 2]])).await;
    let url = format!("https://site.example:{}/", port_holder.port());
    let measurement = bed::measure(&bed::config(&ca), &url, &[resolver]).await;
    assert_eq!(measurement.tls.len(), 2);
    let answer = measurement.final_answer().unwrap();
    assert_eq!(answer.address.ip(), IpAddr::from([127, 0, 0, 2]));
    assert!(measurement.is_authentic(answer));
    assert!(measurement.tls.iter().all(|tls| tls.server_name == "site.example"));
}

#[tokio::test]
async fn an_ipv6_address_in_the_url_is_dialled_named_and_verified() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        eprintln!("SKIPPED: this machine has no IPv6 loopback");
        return;
    };
    let ca = Ca::new("lab");
    let acceptor = ca.acceptor(&["::1"], NOW, &["http/1.1"]);
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut tls = acceptor.accept(stream).await.unwrap();
        assert_eq!(tls.get_ref().1.server_name(), None);
        let head = bed::head(&mut tls).await;
        tls.write_all(&page("200 OK", "", b"six")).await.unwrap();
        let _ = tls.shutdown().await;
        head
    });
    let mut config = bed::config(&ca);
    config.network.allow_private = vec!["::1/128".parse().unwrap()];
    let vantage = crate::vantage::Vantage::new(&crate::config::VantageConfig {
        id: "here".parse().unwrap(),
        role: crate::config::Role::Probe,
        country: crate::model::CountryCode::UNKNOWN,
        asn: None,
        via: crate::config::Via::Direct { interface: None, source: None },
        resolvers: Vec::new(),
    });
    let target = crate::probe::Target {
        site: "site".parse().unwrap(),
        url: format!("https://someone:secret@{address}/a?b#c").parse().unwrap(),
    };
    let prober = crate::probe::Prober::new(&config).unwrap();
    let measurement = prober.measure(&target, &vantage, crate::model::Trigger::Manual).await;
    let answer = measurement.final_answer().unwrap_or_else(|| panic!("{measurement:#?}"));
    assert!(measurement.is_authentic(answer));
    assert_eq!((answer.address, answer.origin), (address, crate::model::AddressOrigin::Own));
    let head = heard.await.unwrap();
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("Host: {address}\r\n")), "{head}");
    assert!(!head.contains("secret") && !head.contains("Authorization"), "{head}");
}
