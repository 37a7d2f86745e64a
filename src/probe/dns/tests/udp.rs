//! Datagrams: forged, late, odd, lost and refused.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;

use super::servers::{self, Act, answer, bytes, framed, refusal};
use super::{PATIENCE, SHORT, ask};
use crate::config::ResolverSpec;
use crate::model::{DnsTransport, Failure};
use crate::probe::tests::bed::ClosedPort;

const FORGED: [u8; 4] = [198, 51, 100, 66];
const TRUE: [u8; 4] = [192, 0, 2, 1];

fn addresses(of: &crate::model::DnsExchange, at: usize) -> Vec<IpAddr> {
    of.answers[at].addresses.clone()
}

#[tokio::test]
async fn one_good_answer() {
    let server = servers::udp(|question, _| vec![Act::Reply(bytes(&answer(question, &[TRUE])))]).await;
    let exchanges = ask(ResolverSpec::Udp(server), PATIENCE).await;
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(exchange.failure, None);
    assert_eq!(exchange.transport, DnsTransport::Udp);
    assert_eq!(exchange.resolver, format!("udp://{server}"));
    assert_eq!(exchange.name, "site.example");
    let [one] = &exchange.answers[..] else { panic!("{exchange:?}") };
    assert_eq!(one.source, Some(server));
    assert_eq!(one.rcode, Some(0));
    assert_eq!(one.addresses, [IpAddr::from(TRUE)]);
    assert_eq!(one.record_ttl_seconds, Some(60));
    assert_eq!(one.ip_ttl, Some(64), "the system's default on loopback");
    assert!(one.matches_question);
    assert!(!one.raw.is_empty());
    assert_eq!(exchange.elapsed, one.latency, "the drain is not part of the exchange's length");
}

#[tokio::test]
async fn both_answers_are_kept_the_forged_one_first() {
    let server = servers::udp(|question, _| {
        vec![
            Act::Reply(bytes(&answer(question, &[FORGED]))),
            Act::Wait(Duration::from_millis(60)),
            Act::Reply(bytes(&answer(question, &[TRUE]))),
        ]
    })
    .await;
    let exchanges = ask(ResolverSpec::Udp(server), PATIENCE).await;
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(exchange.answers.len(), 2);
    assert_eq!(addresses(exchange, 0), [IpAddr::from(FORGED)]);
    assert_eq!(addresses(exchange, 1), [IpAddr::from(TRUE)]);
    assert!(exchange.answers.iter().all(|answer| answer.matches_question));
    assert!(exchange.answers[1].latency.as_duration() >= Duration::from_millis(60));
}

#[tokio::test]
async fn what_does_not_match_is_kept_but_is_not_the_answer() {
    let server = servers::udp(|question, _| {
        let forged = answer(question, &[FORGED]);
        let mut wrong_id = forged.clone();
        wrong_id.metadata.id = wrong_id.metadata.id.wrapping_add(1);
        let mut wrong_name = forged.clone();
        wrong_name.queries[0].name = "other.example.".parse().unwrap();
        vec![
            Act::Reply(bytes(&wrong_id)),
            Act::Reply(bytes(&wrong_name)),
            Act::FromOtherPort(bytes(&forged)),
            Act::FromOtherAddress(bytes(&forged)),
            Act::Reply(b"junk".to_vec()),
            Act::Wait(Duration::from_millis(30)),
            Act::Reply(bytes(&answer(question, &[TRUE]))),
        ]
    })
    .await;
    let exchanges = ask(ResolverSpec::Udp(server), PATIENCE).await;
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(exchange.failure, None);
    assert_eq!(exchange.answers.len(), 6);
    assert!(exchange.answers[..5].iter().all(|answer| !answer.matches_question), "{exchange:?}");
    assert!(exchange.answers[5].matches_question);
    assert_eq!(addresses(exchange, 5), [IpAddr::from(TRUE)]);
    assert_ne!(exchange.answers[2].source, Some(server));
    assert_eq!(exchange.answers[3].source.unwrap().ip(), IpAddr::from([127, 0, 0, 77]));
    assert_eq!(exchange.answers[4].rcode, None);
}

#[tokio::test]
async fn a_flood_of_junk_does_not_crowd_out_the_answer() {
    let server = servers::udp(|question, _| {
        let mut acts: Vec<_> = (0..60).map(|_| Act::FromOtherPort(b"junk".to_vec())).collect();
        acts.push(Act::Reply(bytes(&answer(question, &[TRUE]))));
        acts
    })
    .await;
    let exchanges = ask(ResolverSpec::Udp(server), PATIENCE).await;
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(exchange.failure, None);
    assert_eq!(exchange.answers.len(), 17);
    assert!(exchange.answers[16].matches_question);
}

#[tokio::test]
async fn refusals_have_their_failures() {
    let cases = [
        (ResponseCode::NXDomain, Failure::DnsNxdomain),
        (ResponseCode::Refused, Failure::DnsRefused),
        (ResponseCode::ServFail, Failure::DnsServfail),
        (ResponseCode::NoError, Failure::DnsNoAnswer),
    ];
    join_all(cases.map(async |(rcode, failure)| {
        let server = servers::udp(move |question, _| vec![Act::Reply(bytes(&refusal(question, rcode)))]).await;
        let exchanges = ask(ResolverSpec::Udp(server), PATIENCE).await;
        let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
        assert_eq!(exchange.failure, Some(failure));
        assert_eq!(exchange.answers[0].rcode, Some(u16::from(rcode)));
    }))
    .await;
}

#[tokio::test]
async fn silence_is_asked_twice() {
    let server = servers::udp(|_, _| Vec::new()).await;
    let begun = Instant::now();
    let exchanges = ask(ResolverSpec::Udp(server), SHORT).await;
    assert!(begun.elapsed() >= SHORT);
    let [first, second] = &exchanges[..] else { panic!("{exchanges:?}") };
    for exchange in [first, second] {
        assert_eq!(exchange.failure, Some(Failure::GenericTimeout));
        assert!(exchange.answers.is_empty());
    }
    // Its time runs from when the question was due; to open a socket takes of it.
    assert!(first.started.as_duration() + first.elapsed.as_duration() >= SHORT - Duration::from_millis(1));
    assert!(second.started.as_duration() >= SHORT / 2);
}

#[tokio::test]
async fn one_lost_datagram_is_not_a_block() {
    let server = servers::udp(|question, number| match number {
        0 => Vec::new(),
        _ => vec![Act::Reply(bytes(&answer(question, &[TRUE])))],
    })
    .await;
    let exchanges = ask(ResolverSpec::Udp(server), SHORT * 2).await;
    let [lost, good] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(lost.failure, Some(Failure::GenericTimeout));
    assert_eq!(good.failure, None);
}

#[tokio::test]
async fn a_late_answer_to_the_first_question_counts() {
    let server = servers::udp(|question, number| match number {
        0 => vec![Act::Wait(Duration::from_millis(600)), Act::Reply(bytes(&answer(question, &[TRUE])))],
        _ => Vec::new(),
    })
    .await;
    let exchanges = ask(ResolverSpec::Udp(server), Duration::from_secs(1)).await;
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(exchange.failure, None);
    assert!(exchange.elapsed.as_duration() >= Duration::from_millis(600));
}

#[tokio::test]
async fn only_wrong_answers_are_not_silence() {
    let wrong_id = servers::udp(|question, _| {
        let mut message = answer(question, &[FORGED]);
        message.metadata.id = message.metadata.id.wrapping_add(1);
        vec![Act::Reply(bytes(&message))]
    })
    .await;
    let exchanges = ask(ResolverSpec::Udp(wrong_id), SHORT).await;
    assert_eq!(exchanges[0].failure, Some(Failure::DnsReplyWithWrongQueryId));
    let elsewhere = servers::udp(|question, _| vec![Act::FromOtherPort(bytes(&answer(question, &[FORGED])))]).await;
    let exchanges = ask(ResolverSpec::Udp(elsewhere), SHORT).await;
    assert_eq!(exchanges[0].failure, Some(Failure::GenericTimeout));
}

#[tokio::test]
async fn an_unreachable_port_is_told_by_icmp() {
    let closed = ClosedPort::take();
    let begun = Instant::now();
    let exchanges = ask(ResolverSpec::Udp(closed.address), PATIENCE).await;
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(exchange.failure, Some(Failure::ConnectionRefused));
    assert!(begun.elapsed() < PATIENCE / 2, "the deadline must not be waited for");
}

#[tokio::test]
async fn ipv6_works_alike() {
    let Ok(socket) = tokio::net::UdpSocket::bind("[::1]:0").await else {
        eprintln!("skipped: this machine has no IPv6 loopback");
        return;
    };
    let server = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0u8; 2048];
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let question = hickory_proto::op::Message::from_vec(&buffer[..length]).unwrap();
        socket.send_to(&bytes(&answer(&question, &[TRUE])), peer).await.unwrap();
        // Who is connected elsewhere is not there for others, and nobody else gets the port.
        socket.connect("[::1]:9").await.unwrap();
        std::future::pending::<()>().await;
    });
    let exchanges = ask(ResolverSpec::Udp(server), PATIENCE).await;
    assert_eq!(exchanges[0].failure, None);
    assert_eq!(exchanges[0].answers[0].source, Some(server));
    assert_eq!(exchanges[0].answers[0].ip_ttl, Some(64));
    let exchanges = ask(ResolverSpec::Udp(server), PATIENCE).await;
    assert_eq!(exchanges[0].failure, Some(Failure::ConnectionRefused));
}

#[tokio::test]
async fn a_truncated_answer_is_asked_again_over_tcp() {
    // The same port of UDP may be another test's.
    let (server, listener, socket) = loop {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server: SocketAddr = listener.local_addr().unwrap();
        if let Ok(socket) = tokio::net::UdpSocket::bind(server).await {
            break (server, listener, socket);
        }
    };
    servers::tcp_at(listener, None, |question| framed(&bytes(&answer(question, &[TRUE, [192, 0, 2, 2]])))).await;
    servers::udp_at(socket, |question, _| {
        let mut message = answer(question, &[]);
        message.metadata.truncation = true;
        vec![Act::Reply(bytes(&message))]
    })
    .await;
    let exchanges = ask(ResolverSpec::Udp(server), PATIENCE).await;
    let [cut, whole] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!((cut.transport, cut.failure.clone()), (DnsTransport::Udp, None));
    assert_eq!((whole.transport, whole.failure.clone()), (DnsTransport::Tcp, None));
    assert_eq!(addresses(whole, 0), [IpAddr::from(TRUE), IpAddr::from([192, 0, 2, 2])]);
    assert_eq!(whole.resolver, format!("udp://{server}"));
}

#[tokio::test]
async fn a_server_without_edns_is_asked_plainly() {
    let server = servers::udp(|question, _| {
        vec![Act::Reply(bytes(&match question.edns {
            Some(_) => refusal(question, ResponseCode::FormErr),
            None => answer(question, &[TRUE]),
        }))]
    })
    .await;
    let exchanges = ask(ResolverSpec::Udp(server), PATIENCE).await;
    let [refused, plain] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(refused.failure, Some(Failure::DnsServerMisbehaving));
    assert_eq!(plain.failure, None);
}

#[tokio::test]
async fn an_unusable_name_is_told() {
    let closed = ClosedPort::take();
    let bad = super::DnsQuery { name: "..", ..super::query(SHORT) };
    let spec = ResolverSpec::Udp(closed.address);
    let exchanges = crate::probe::dns::ask(&super::direct(), &spec, &bad, &servers::trusting_nobody()).await;
    assert!(matches!(exchanges[0].failure, Some(Failure::Unknown(_))), "{exchanges:?}");
}
