//! Names, addresses, redirects and deadlines.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::bed::{self, Ca, HERE, NOW, Zone, page};
use crate::config::{CanaryConfig, ResolverSpec};
use crate::model::{AddressOrigin, CanaryScope, DnsRole, Failure, Trigger};
use crate::probe::{Prober, Target, ask_canaries};

fn zone(name: &'static str, ips: &[[u8; 4]]) -> Zone {
    Zone::from([(name, ips.iter().map(|ip| (*ip).into()).collect())])
}

#[tokio::test]
async fn a_name_is_resolved_and_a_dead_address_does_not_hide_the_living_one() {
    let ca = Ca::new("lab");
    let site = bed::http(HERE, |_| page("200 OK", "", b"here")).await;
    let resolver = bed::name_server(zone("site.example", &[[127, 0, 0, 9], [127, 0, 0, 1]])).await;
    let url = format!("http://site.example:{}/", site.port());
    let measurement = bed::measure(&bed::config(&ca), &url, &[resolver]).await;
    let failures: Vec<_> =
        measurement.tcp.iter().map(|tcp| (tcp.address.ip(), tcp.failure.clone(), tcp.origin)).collect();
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures.contains(&(IpAddr::from([127, 0, 0, 9]), Some(Failure::ConnectionRefused), AddressOrigin::Own)));
    assert_eq!(measurement.final_answer().unwrap().address, site);
    assert_eq!(measurement.dns.len(), 2, "A and AAAA");
}

#[tokio::test]
async fn a_bogon_is_recorded_and_not_dialled() {
    let ca = Ca::new("lab");
    let resolver = bed::name_server(zone("site.example", &[[10, 10, 34, 35]])).await;
    let measurement = bed::measure(&bed::config(&ca), "https://site.example/", &[resolver]).await;
    assert_eq!(measurement.tcp.len(), 1);
    let tcp = &measurement.tcp[0];
    assert_eq!((tcp.bogon, tcp.failure.clone(), tcp.origin), (true, Some(Failure::DnsBogon), AddressOrigin::Own));
    assert!(measurement.tls.is_empty() && measurement.http.is_empty());
}

#[tokio::test]
async fn loopback_is_a_bogon_unless_allowed() {
    let ca = Ca::new("lab");
    let site = bed::http(HERE, |_| page("200 OK", "", b"")).await;
    let mut config = bed::config(&ca);
    config.network.allow_private.clear();
    let measurement = bed::measure(&config, &format!("http://{site}/"), &[]).await;
    assert!(measurement.tcp[0].bogon && measurement.http.is_empty());
}

#[tokio::test]
async fn where_the_own_resolver_lies_the_reference_leads_to_the_site() {
    let ca = Ca::new("lab");
    let site = bed::https(HERE, ca.acceptor(&["site.example"], NOW, &[]), |_| page("200 OK", "", b"true")).await;
    let mut config = bed::config(&ca);
    config.control.resolvers = vec![bed::encrypted_name_server(&ca, zone("site.example", &[[127, 0, 0, 1]])).await];
    let own = bed::name_server(Zone::new()).await;
    let url = format!("https://site.example:{}/", site.port());
    let measurement = bed::measure(&config, &url, &[own]).await;
    let own_failures = measurement.dns.iter().filter(|dns| dns.role == DnsRole::Own);
    assert!(own_failures.into_iter().all(|dns| dns.failure == Some(Failure::DnsNxdomain)));
    let answer = measurement.final_answer().unwrap_or_else(|| panic!("{measurement:#?}"));
    assert_eq!(answer.origin, AddressOrigin::Control);
    assert!(measurement.is_authentic(answer));
    assert_eq!(measurement.tls[0].origin, AddressOrigin::Control);
}

#[tokio::test]
async fn an_own_address_carries_the_request_before_the_references() {
    let ca = Ca::new("lab");
    let acceptor = ca.acceptor(&["site.example"], NOW, &[]);
    let site = bed::https(HERE, acceptor.clone(), |_| page("200 OK", "", b"own")).await;
    let other = tokio::net::TcpListener::bind(("127.0.0.2", site.port())).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = other.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { drop(acceptor.accept(stream).await) });
        }
    });
    let mut config = bed::config(&ca);
    config.control.resolvers = vec![bed::encrypted_name_server(&ca, zone("site.example", &[[127, 0, 0, 2]])).await];
    let own = bed::name_server(zone("site.example", &[[127, 0, 0, 1]])).await;
    let url = format!("https://site.example:{}/", site.port());
    let measurement = bed::measure(&config, &url, &[own]).await;
    let answer = measurement.final_answer().unwrap();
    assert_eq!((answer.address, answer.origin), (site, AddressOrigin::Own));
    let control = measurement.tls.iter().find(|tls| tls.address.ip() == IpAddr::from([127, 0, 0, 2])).unwrap();
    assert_eq!((control.origin, control.is_authentic()), (AddressOrigin::Control, true));
}

/// A site whose every path redirects as `location` tells.
async fn redirecting(location: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> SocketAddr {
    bed::http(HERE, move |path| match location(path) {
        end if end.is_empty() => page("200 OK", "", b"the end"),
        to => page("302 Found", &format!("Location: {to}\r\n"), b""),
    })
    .await
}

#[tokio::test]
async fn a_redirect_chain_is_measured_hop_by_hop() {
    let ca = Ca::new("lab");
    let end = bed::http(HERE, |_| page("200 OK", "", b"<title>End</title>")).await;
    let site = redirecting(move |path| match path {
        "/" => "/next".to_owned(),
        _ => format!("http://end.example:{}/", end.port()),
    })
    .await;
    let resolver = bed::name_server(zone("end.example", &[[127, 0, 0, 1]])).await;
    let measurement = bed::measure(&bed::config(&ca), &format!("http://{site}/"), &[resolver]).await;
    let hops: Vec<_> = measurement.http.iter().map(|answer| (answer.hop, answer.status.unwrap())).collect();
    assert_eq!(hops, [(0, 302), (1, 302), (2, 200)]);
    assert_eq!(measurement.http[0].redirect.as_ref().unwrap().path(), "/next");
    assert_eq!(measurement.tcp.iter().map(|tcp| tcp.hop).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(!measurement.dns.is_empty() && measurement.dns.iter().all(|dns| dns.hop == 2));
    assert_eq!(measurement.final_answer().unwrap().body.as_ref().unwrap().title.as_deref(), Some("End"));
}

#[tokio::test]
async fn endless_redirects_end_after_ten() {
    let ca = Ca::new("lab");
    let site = redirecting(|path| format!("{path}x")).await;
    let measurement = bed::measure(&bed::config(&ca), &format!("http://{site}/"), &[]).await;
    assert_eq!(measurement.http.len(), 11);
    assert!(measurement.http[..10].iter().all(|answer| answer.failure.is_none()));
    assert_eq!(measurement.http[10].failure, Some(Failure::HttpTooManyRedirects));
    assert!(measurement.final_answer().is_none());
}

#[tokio::test]
async fn a_loop_is_not_run_through_twice() {
    let ca = Ca::new("lab");
    let site = redirecting(|path| if path == "/" { "/a#x".to_owned() } else { "/".to_owned() }).await;
    let measurement = bed::measure(&bed::config(&ca), &format!("http://{site}/"), &[]).await;
    assert_eq!(measurement.http.len(), 2);
    assert_eq!(measurement.http[1].failure, Some(Failure::HttpTooManyRedirects));
}

#[tokio::test]
async fn bad_locations_are_told() {
    let ca = Ca::new("lab");
    for (location, failure) in [
        ("http://", Failure::HttpInvalidRedirectLocationHost),
        ("mailto:a@site.example", Failure::HttpUnexpectedRedirectUrl),
    ] {
        let site = redirecting(move |_| location.to_owned()).await;
        let measurement = bed::measure(&bed::config(&ca), &format!("http://{site}/"), &[]).await;
        let answer = &measurement.http[0];
        assert_eq!((answer.failure.as_ref(), &answer.redirect), (Some(&failure), &None));
    }
}

#[tokio::test]
async fn a_redirect_into_a_private_network_is_not_followed_there() {
    let ca = Ca::new("lab");
    let site = redirecting(|_| "http://192.168.1.1/admin".to_owned()).await;
    let measurement = bed::measure(&bed::config(&ca), &format!("http://{site}/"), &[]).await;
    assert_eq!(measurement.http.len(), 1);
    assert!(measurement.tcp.iter().any(|tcp| tcp.hop == 1 && tcp.bogon));
}

/// A server that takes whatever comes and never answers.
async fn silent() -> SocketAddr {
    bed::serve(HERE, |mut stream| async move {
        bed::swallow(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
    })
    .await
}

#[tokio::test]
async fn the_url_deadline_records_the_layer_that_was_pending() {
    let ca = Ca::new("lab");
    let mut config = bed::config(&ca);
    let long = Duration::from_secs(20);
    config.probe.dns_timeout = long;
    config.probe.tls_timeout = long;
    config.probe.http_timeout = long;
    config.probe.url_timeout = Duration::from_secs(2);
    let site = silent().await;
    let began = Instant::now();

    let tls = bed::measure(&config, &format!("https://{site}/"), &[]).await;
    assert_eq!((tls.tls.len(), tls.tls[0].failure.clone()), (1, Some(Failure::GenericTimeout)));
    assert!(tls.http.is_empty());

    let http = bed::measure(&config, &format!("http://{site}/"), &[]).await;
    assert_eq!((http.http.len(), http.http[0].failure.clone()), (1, Some(Failure::GenericTimeout)));

    let nobody = tokio::net::UdpSocket::bind((HERE, 0)).await.unwrap();
    let resolvers = [ResolverSpec::Udp(nobody.local_addr().unwrap())];
    let dns = bed::measure(&config, "https://site.example/", &resolvers).await;
    assert!(!dns.dns.is_empty() && dns.tcp.is_empty());
    assert!(dns.dns.iter().all(|exchange| exchange.failure == Some(Failure::GenericTimeout)));

    let resolver = ResolverSpec::Tcp(site);
    let dns = bed::measure(&config, "https://site.example/", &[resolver]).await;
    assert!(!dns.dns.is_empty() && dns.tcp.is_empty());
    assert!(dns.dns.iter().all(|exchange| exchange.failure == Some(Failure::GenericTimeout)));
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_slow_resolver_does_not_hold_up_the_site_but_is_recorded() {
    let ca = Ca::new("lab");
    let mut config = bed::config(&ca);
    config.probe.dns_timeout = Duration::from_millis(1500);
    let site = bed::http(HERE, |_| page("200 OK", "", b"")).await;
    let quick = bed::name_server(zone("site.example", &[[127, 0, 0, 1]])).await;
    let nobody = tokio::net::UdpSocket::bind((HERE, 0)).await.unwrap();
    let slow = ResolverSpec::Udp(nobody.local_addr().unwrap());
    let url = format!("http://site.example:{}/", site.port());
    let measurement = bed::measure(&config, &url, &[slow.clone(), quick]).await;
    let answer = measurement.final_answer().unwrap();
    assert!(answer.started.as_seconds() < 1.2, "{answer:?}");
    let silent = measurement.dns.iter().filter(|dns| dns.resolver == slow.to_string());
    assert!(silent.clone().count() >= 2 && silent.into_iter().all(|dns| dns.failure == Some(Failure::GenericTimeout)));
}

#[tokio::test]
async fn an_address_that_is_busy_with_us_is_not_called_silent() {
    let ca = Ca::new("lab");
    let mut config = bed::config(&ca);
    config.probe.tcp_timeout = Duration::from_millis(600);
    config.probe.tls_timeout = Duration::from_secs(3);
    let prober = Prober::new(&config).unwrap();
    let vantage = bed::vantage(&[]);
    let target = Target { site: "site".parse().unwrap(), url: format!("https://{}/", silent().await).parse().unwrap() };
    let all = (0..5).map(|_| prober.measure(&target, &vantage, Trigger::Manual));
    let all = futures_util::future::join_all(all).await;
    let held_back = all.iter().filter(|one| one.tcp[0].failure == Some(Failure::Interrupted)).count();
    let silent = all.iter().filter(|one| one.tls.iter().any(|tls| tls.failure == Some(Failure::GenericTimeout)));
    assert_eq!((held_back, silent.count()), (1, 4));
}

#[tokio::test]
async fn dropping_a_measurement_closes_its_connections() {
    let ca = Ca::new("lab");
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let site = bed::serve(HERE, move |mut stream| {
        let sender = sender.clone();
        async move {
            bed::swallow(&mut stream).await;
            sender.send("hello").await.unwrap();
            bed::swallow(&mut stream).await;
            sender.send("closed").await.unwrap();
        }
    })
    .await;
    let mut config = bed::config(&ca);
    config.probe.tls_timeout = Duration::from_secs(30);
    let prober = Prober::new(&config).unwrap();
    let vantage = bed::vantage(&[]);
    let target = Target { site: "site".parse().unwrap(), url: format!("https://{site}/").parse().unwrap() };
    {
        let measuring = prober.measure(&target, &vantage, Trigger::Manual);
        tokio::select! {
            _ = measuring => panic!("it cannot end"),
            word = receiver.recv() => assert_eq!(word, Some("hello")),
        }
    }
    assert_eq!(receiver.recv().await, Some("closed"));
}

#[tokio::test]
async fn canaries_answer_or_tell_why_not() {
    let ca = Ca::new("lab");
    let (trusted, untrusted) = (ca.acceptor(&["127.0.0.1"], NOW, &[]), Ca::new("x").acceptor(&["127.0.0.1"], NOW, &[]));
    let good = bed::https(HERE, trusted, |_| page("404 Not Found", "", b"")).await;
    let false_one = bed::https(HERE, untrusted, |_| page("200 OK", "", b"")).await;
    let clear = bed::http(HERE, |_| page("204 No Content", "", b"")).await;
    let broken = bed::http(HERE, |_| page("502 Bad Gateway", "", b"")).await;
    let canary = |url: String| CanaryConfig { url: url.parse().unwrap(), scope: CanaryScope::Foreign, country: None };
    let canaries = [
        canary(format!("https://{good}/")),
        canary(format!("https://{false_one}/")),
        canary(format!("http://{clear}/")),
        canary(format!("http://{broken}/")),
    ];
    let prober = Prober::new(&bed::config(&ca)).unwrap();
    let report = ask_canaries(&prober, &bed::vantage(&[]), &canaries).await;
    let failures: Vec<_> = report.results.into_iter().map(|result| result.failure).collect();
    let expected = [None, Some(Failure::SslUnknownAuthority), None, Some(Failure::HttpRequestFailed)];
    assert_eq!(failures, expected);
}
