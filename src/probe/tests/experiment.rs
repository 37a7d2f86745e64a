//! Experiments over real sockets: servers that look at the name before they answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::LazyConfigAcceptor;

use super::bed::{self, Ca, ClosedPort, HERE, NOW, page};
use crate::config::{Config, ExperimentsConfig, ResolverSpec};
use crate::model::{
    AddressOrigin, Experiment, ExperimentKind, ExperimentOutcome, Failure, Layer, Measurement, QueryType, SLOW_TIME,
};
use crate::probe::{Design, Limits, Prober, designs};

/// The names that came, in their order.
type Heard = Arc<Mutex<Vec<String>>>;

/// A TLS server that keeps silent, resets or closes for `site.example`, and answers every other name.
async fn picky(ip: Ipv4Addr, ca: &Ca, act: Failure) -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let (noted, acceptor) = (Arc::clone(&heard), ca.acceptor(&["other.example"], NOW, &[]));
    let address = bed::serve(ip, move |stream| {
        let (acceptor, act, noted) = (acceptor.clone(), act.clone(), Arc::clone(&noted));
        async move {
            let mut hello = vec![0; 4096];
            let length = stream.peek(&mut hello).await.unwrap();
            let is_site = hello[..length].windows(12).any(|name| name == b"site.example");
            noted.lock().unwrap().push(if is_site { "site.example" } else { "another" }.to_owned());
            if !is_site {
                let started = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await.unwrap();
                let _ = started.into_stream(Arc::clone(acceptor.config())).await;
                return;
            }
            let mut stream = stream;
            bed::swallow(&mut stream).await;
            match act {
                Failure::ConnectionReset => bed::reset(stream),
                Failure::Eof => stream.shutdown().await.unwrap(),
                _ => std::future::pending().await,
            }
        }
    })
    .await;
    (address, heard)
}

async fn make(config: &Config, resolvers: &[ResolverSpec], design: &Design) -> Option<Experiment> {
    Prober::new(config).unwrap().experiment(&bed::vantage(resolvers), design).await
}

fn unrelated_sni(address: SocketAddr) -> Design {
    Design::UnrelatedSni { address, name: "site.example".into(), unrelated: "example.org".into() }
}

#[tokio::test]
async fn a_name_that_is_looked_at_makes_the_difference_and_the_other_one_goes_first() {
    let ca = Ca::new("lab");
    for act in [Failure::GenericTimeout, Failure::ConnectionReset, Failure::Eof] {
        let (address, heard) = picky(HERE, &ca, act.clone()).await;
        let pair = make(&bed::config(&ca), &[], &unrelated_sni(address)).await.unwrap();
        assert_eq!(pair.outcome(), ExperimentOutcome::SuspectFails, "{pair:#?}");
        assert_eq!((pair.suspect.failure, pair.suspect.layer), (Some(act), Some(Layer::Tls)));
        assert_eq!((pair.suspect.name.as_str(), pair.variant.name.as_str()), ("site.example", "example.org"));
        assert!(pair.variant.at <= pair.suspect.at);
        assert_eq!(*heard.lock().unwrap(), ["another", "site.example"]);
    }
}

#[tokio::test]
async fn an_alert_is_an_answer_and_junk_is_none() {
    let ca = Ca::new("lab");
    for (bytes, failure) in [
        (&[21, 3, 3, 0, 2, 2, 112][..], None),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Some(Failure::SslFailedHandshake)),
    ] {
        let address = bed::serve(HERE, move |mut stream| async move {
            bed::swallow(&mut stream).await;
            stream.write_all(bytes).await.unwrap();
            let _ = stream.read(&mut [0; 16]).await;
        })
        .await;
        let pair = make(&bed::config(&ca), &[], &unrelated_sni(address)).await.unwrap();
        assert_eq!((pair.suspect.failure, pair.variant.failure), (failure.clone(), failure));
    }
}

#[tokio::test]
async fn a_refused_connection_fails_below_tls() {
    let closed = ClosedPort::take();
    let pair = make(&bed::config(&Ca::new("lab")), &[], &unrelated_sni(closed.address)).await.unwrap();
    assert_eq!(pair.outcome(), ExperimentOutcome::BothFail);
    assert_eq!((pair.suspect.failure, pair.suspect.layer), (Some(Failure::ConnectionRefused), Some(Layer::Tcp)));
}

#[tokio::test]
async fn a_canary_is_found_by_its_name_and_asked_for_both() {
    let ca = Ca::new("lab");
    let (address, heard) = picky(HERE, &ca, Failure::ConnectionReset).await;
    let resolver = bed::name_server([("canary.example", vec![HERE])].into()).await;
    let canary = format!("https://canary.example:{}/", address.port()).parse().unwrap();
    let design = |canary| Design::SniElsewhere { canary, name: "site.example".into(), unrelated: "example.org".into() };
    let pair = make(&bed::config(&ca), std::slice::from_ref(&resolver), &design(canary)).await.unwrap();
    assert_eq!((pair.outcome(), pair.suspect.address), (ExperimentOutcome::SuspectFails, Some(address)));
    assert_eq!(*heard.lock().unwrap(), ["another", "site.example"]);
    let lost = design("https://nowhere.example/".parse().unwrap());
    assert_eq!(make(&bed::config(&ca), &[resolver], &lost).await, None);
}

#[tokio::test]
async fn another_host_is_answered_where_the_site_is_reset() {
    let ca = Ca::new("lab");
    let address = bed::serve(HERE, |mut stream| async move {
        let head = bed::head(&mut stream).await;
        if head.contains("Host: site.example") {
            return bed::reset(stream);
        }
        assert!(head.starts_with("GET /page?x=1 ") && head.contains("Host: example.org"), "{head}");
        stream.write_all(&page("404 Not Found", "", b"no")).await.unwrap();
    })
    .await;
    let url = format!("http://site.example:{}/page?x=1", address.port()).parse().unwrap();
    let design = Design::OtherHost { address, url, unrelated: "example.org".into() };
    let pair = make(&bed::config(&ca), &[], &design).await.unwrap();
    assert_eq!((pair.outcome(), pair.suspect.layer), (ExperimentOutcome::SuspectFails, Some(Layer::Http)));
}

/// Plain datagrams are answered with "no such name", TCP at the same address with the truth.
#[tokio::test]
async fn a_name_server_that_contradicts_itself_is_caught() {
    // The same port of TCP may be another test's.
    let (udp, server, listener) = loop {
        let udp = bed::name_server([].into()).await;
        let ResolverSpec::Udp(server) = udp.clone() else { panic!("not a datagram resolver") };
        if let Ok(listener) = tokio::net::TcpListener::bind(server).await {
            break (udp, server, listener);
        }
    };
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await.unwrap();
            let mut answer = question.clone();
            answer[2] |= 0x80;
            // One answer, no other records: the question again as a pointer, A, IN, a minute, 127.0.0.1.
            answer[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
            let end = 12 + answer[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
            answer.truncate(end);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            stream.write_u16(answer.len() as u16).await.unwrap();
            stream.write_all(&answer).await.unwrap();
            let _ = stream.read(&mut [0; 1]).await;
        }
    });
    let design = Design::OtherResolvers { resolver: udp, name: "site.example".into() };
    let pair = make(&bed::config(&Ca::new("lab")), &[], &design).await.unwrap();
    assert_eq!((pair.outcome(), pair.suspect.failure), (ExperimentOutcome::SuspectFails, Some(Failure::DnsNxdomain)));
    assert_eq!(pair.variant.resolver, Some(format!("tcp://{server}")));
}

/// What `measurement` calls for.
async fn called_for(config: &Config, measurement: &Measurement, resolvers: &[ResolverSpec]) -> Vec<ExperimentKind> {
    let all = ExperimentsConfig::default();
    let canary = "https://canary.example/".parse().unwrap();
    let limits = Limits { doubtful: false, config: &all, canary: Some(&canary), before: &[] };
    let prober = Prober::new(config).unwrap();
    let chosen = designs(&prober, &bed::vantage(resolvers), measurement, &limits).await;
    chosen.iter().map(Design::kind).collect()
}

#[tokio::test]
async fn where_it_failed_decides_what_is_tried() {
    use ExperimentKind::{OtherHost, OtherResolvers, SniElsewhere, UnrelatedSni};
    let ca = Ca::new("lab");
    let config = bed::config(&ca);
    let zone = || [("site.example", vec![HERE]), ("good.example", vec![HERE])].into();
    let resolvers = [bed::name_server(zone()).await];
    let measured = |url: String| {
        let (config, resolvers) = (&config, &resolvers);
        async move { bed::measure(config, &url, resolvers).await }
    };
    let (swallowing, _) = picky(HERE, &ca, Failure::GenericTimeout).await;
    let swallowed = measured(format!("https://site.example:{}/", swallowing.port())).await;
    assert_eq!(called_for(&config, &swallowed, &resolvers).await, [UnrelatedSni, SniElsewhere]);

    let false_certificate = measured(format!("https://good.example:{}/", swallowing.port())).await;
    assert_eq!(called_for(&config, &false_certificate, &resolvers).await, []);

    let resetting = bed::serve(HERE, |mut stream| async move {
        bed::head(&mut stream).await;
        bed::reset(stream);
    })
    .await;
    let reset = measured(format!("http://site.example:{}/", resetting.port())).await;
    assert_eq!(called_for(&config, &reset, &resolvers).await, [OtherHost]);

    let nameless = measured("https://lost.example/".to_owned()).await;
    assert_eq!(called_for(&config, &nameless, &resolvers).await, [OtherResolvers]);

    let plain = bed::http(HERE, |_| page("403 Forbidden", "", b"blocked")).await;
    let answered = measured(format!("http://site.example:{}/", plain.port())).await;
    assert_eq!(called_for(&config, &answered, &resolvers).await, []);

    let good = bed::https(HERE, ca.acceptor(&["good.example"], NOW, &[]), |_| page("200 OK", "", b"here")).await;
    let mut slow = measured(format!("https://good.example:{}/", good.port())).await;
    assert_eq!(called_for(&config, &slow, &resolvers).await, [], "a plain success");
    slow.tls[0].elapsed = SLOW_TIME;
    assert_eq!(called_for(&config, &slow, &resolvers).await, [UnrelatedSni], "throttled by name, perhaps");

    let literal = measured(format!("https://{swallowing}/")).await;
    assert_eq!(called_for(&config, &literal, &resolvers).await, []);
}

#[tokio::test]
async fn what_is_switched_off_is_not_made_and_a_known_address_is_tried_again() {
    let ca = Ca::new("lab");
    let config = bed::config(&ca);
    let resolvers = [bed::name_server([("site.example", vec![HERE])].into()).await];
    let (address, _) = picky(HERE, &ca, Failure::GenericTimeout).await;
    let mut measurement = bed::measure(&config, &format!("https://site.example:{}/", address.port()), &resolvers).await;
    let mut twin = measurement.tls[0].clone();
    twin.address.set_ip([127, 0, 0, 9].into());
    assert_eq!(twin.origin, AddressOrigin::Own);
    measurement.tls.push(twin.clone());
    let prober = Prober::new(&config).unwrap();
    let mut made = prober.experiment(&bed::vantage(&resolvers), &unrelated_sni(address)).await.unwrap();
    made.suspect.address = Some(twin.address);
    let few = ExperimentsConfig { kinds: vec![ExperimentKind::UnrelatedSni], ..ExperimentsConfig::default() };
    for (before, expected) in [(vec![], address), (vec![made], twin.address)] {
        let limits = Limits { doubtful: false, config: &few, canary: None, before: &before };
        let chosen = designs(&prober, &bed::vantage(&resolvers), &measurement, &limits).await;
        assert_eq!(chosen, [unrelated_sni(expected)]);
    }
    let none = ExperimentsConfig { kinds: Vec::new(), ..few };
    let limits = Limits { doubtful: false, config: &none, canary: None, before: &[] };
    assert!(designs(&prober, &bed::vantage(&resolvers), &measurement, &limits).await.is_empty());
}

#[tokio::test]
async fn the_other_family_is_tried_where_one_fails_and_the_other_was_not_reached() {
    let ca = Ca::new("lab");
    let mut config = bed::config(&ca);
    config.network.allow_private.push("::1/128".parse().unwrap());
    let resolvers = [bed::name_server([("site.example", vec![HERE])].into()).await];
    let (address, _) = picky(HERE, &ca, Failure::Eof).await;
    let mut measurement = bed::measure(&config, &format!("https://site.example:{}/", address.port()), &resolvers).await;
    // Here the families change their places, as a machine of the tests may lack IPv6.
    let six: SocketAddr = SocketAddr::new("::1".parse().unwrap(), address.port());
    measurement.tcp[0].address = six;
    measurement.tls[0].address = six;
    assert!(measurement.dns.iter().any(|dns| dns.query_type == QueryType::A && dns.failure.is_none()));
    let all = ExperimentsConfig { kinds: vec![ExperimentKind::OtherFamily], ..ExperimentsConfig::default() };
    let limits = Limits { doubtful: false, config: &all, canary: None, before: &[] };
    let chosen = designs(&Prober::new(&config).unwrap(), &bed::vantage(&resolvers), &measurement, &limits).await;
    let [Design::OtherFamily { failing, other, .. }] = chosen.as_slice() else { panic!("{chosen:?}") };
    assert_eq!((*failing, *other), (six, address));
}
