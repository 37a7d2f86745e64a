//! Endpoints that are tried beside those that carry the request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bed::{self, Ca, HERE, NOW, Zone, page};
use crate::config::Config;
use crate::model::{Failure, Measurement, Trigger};
use crate::probe::{Extras, Prober, Target, control_report};

async fn measure(config: &Config, url: &str, resolver: crate::config::ResolverSpec, extras: &Extras) -> Measurement {
    let target = Target { site: "site".parse().unwrap(), url: url.parse().unwrap() };
    let vantage = bed::vantage(&[resolver]);
    Prober::new(config).unwrap().measure_with(&target, &vantage, Trigger::Control, extras).await
}

/// The site at `127.0.0.1`, and a server with the same port at another address that counts its connections.
async fn two(ca: &Ca, other_name: &str) -> (SocketAddr, SocketAddr, Arc<AtomicUsize>) {
    let site = bed::https(HERE, ca.acceptor(&["site.example"], NOW, &[]), |_| page("200 OK", "", b"here")).await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.5", site.port())).await.unwrap();
    let other = listener.local_addr().unwrap();
    let (acceptor, count) = (ca.acceptor(&[other_name], NOW, &[]), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut tls) = acceptor.accept(stream).await {
                    // Nothing may be asked here.
                    assert_eq!(bed::head(&mut tls).await, "");
                }
            });
        }
    });
    (site, other, count)
}

fn zone() -> Zone {
    Zone::from([("site.example", vec![HERE])])
}

#[tokio::test]
async fn they_are_tried_over_tls_and_carry_nothing() {
    let ca = Ca::new("lab");
    let (site, other, count) = two(&ca, "site.example").await;
    let dead: SocketAddr = format!("127.0.0.6:{}", site.port()).parse().unwrap();
    let extras = Extras { also: vec![other, dead, other, site], ..Extras::default() };
    let url = format!("https://site.example:{}/", site.port());
    let measurement = measure(&bed::config(&ca), &url, bed::name_server(zone()).await, &extras).await;
    assert_eq!(measurement.final_answer().unwrap().address, site);
    assert_eq!(measurement.http.len(), 1);
    let mut tried: Vec<_> = measurement.tcp.iter().map(|tcp| (tcp.address, tcp.failure.clone())).collect();
    tried.sort();
    assert_eq!(tried, [(site, None), (other, None), (dead, Some(Failure::ConnectionRefused))], "each once");
    assert!(measurement.tls.iter().any(|tls| tls.address == other && tls.is_authentic()));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let report = control_report("abroad".parse().unwrap(), &measurement, None);
    assert_eq!((report.reached(), report.endpoints.len()), (Some(true), 3));
}

#[tokio::test]
async fn they_are_tried_though_the_name_is_gone() {
    let ca = Ca::new("lab");
    let (site, other, _) = two(&ca, "other.example").await;
    let extras = Extras { also: vec![other], ..Extras::default() };
    let url = format!("https://site.example:{}/", site.port());
    let measurement = measure(&bed::config(&ca), &url, bed::name_server(Zone::new()).await, &extras).await;
    assert!(measurement.http.is_empty());
    assert_eq!(measurement.tls[0].failure, Some(Failure::SslInvalidHostname));
    let report = control_report("abroad".parse().unwrap(), &measurement, None);
    assert_eq!(report.reached(), Some(false));
    assert_eq!((report.endpoints[0].address, report.endpoints[0].tcp_failure.clone()), (other, None));
}

#[tokio::test]
async fn what_is_private_or_forbidden_is_not_dialled() {
    let ca = Ca::new("lab");
    let (site, other, count) = two(&ca, "site.example").await;
    let mut config = bed::config(&ca);
    let url = format!("https://site.example:{}/", site.port());
    let mut extras = Extras { also: vec![other], ..Extras::default() };
    config.network.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
    extras.also.push(format!("[::ffff:127.0.0.5]:{}", other.port()).parse().unwrap());
    extras.also.push(format!("[64:ff9b::7f00:5]:{}", other.port()).parse().unwrap());
    let measurement = measure(&config, &url, bed::name_server(zone()).await, &extras).await;
    assert!(measurement.final_answer().is_some());
    assert_eq!(measurement.tcp.len(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_forbidden_address_of_the_name_or_of_a_redirect_is_a_bogon() {
    let ca = Ca::new("lab");
    let (_, other, count) = two(&ca, "site.example").await;
    let to = format!("Location: https://{other}/\r\n");
    let site = bed::http(HERE, move |_| page("302 Found", &to, b"")).await;
    let mut config = bed::config(&ca);
    config.network.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
    let url = format!("http://site.example:{}/", site.port());
    let measurement = measure(&config, &url, bed::name_server(zone()).await, &Extras::default()).await;
    let last = measurement.tcp.last().unwrap();
    assert_eq!((last.hop, last.bogon, last.address), (1, true, other));
    assert!(measurement.final_answer().is_none());
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

/// Port 443 of loopback is closed or taken by something that has no certificate for the name: both are told.
#[tokio::test]
async fn a_clear_text_site_is_asked_for_a_certificate_too() {
    let ca = Ca::new("lab");
    let site = bed::http(HERE, |_| page("200 OK", "", b"here")).await;
    let extras = Extras { tls_beside_http: true, ..Extras::default() };
    let url = format!("http://site.example:{}/", site.port());
    let resolver = bed::name_server(Zone::from([("site.example", vec![HERE])])).await;
    let measurement = measure(&bed::config(&ca), &url, resolver, &extras).await;
    assert_eq!(measurement.final_answer().unwrap().address, site);
    let beside: Vec<_> = measurement.tcp.iter().filter(|tcp| tcp.address.port() == 443).collect();
    assert_eq!(beside.len(), 1);
    assert!(beside[0].failure.is_some() || measurement.tls[0].failure.is_some());
}
