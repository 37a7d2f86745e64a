//! TCP, good and hostile, directly and through a tunnel.

use std::net::IpAddr;

use super::servers::{self, answer, bytes, framed};
use super::{PATIENCE, SHORT, ask, direct, query, vantage_via};
use crate::config::{ResolverSpec, Via};
use crate::model::{DnsTransport, Failure};
use crate::probe::tests::bed::ClosedPort;

const TRUE: [u8; 4] = [192, 0, 2, 1];

#[tokio::test]
async fn a_good_answer_over_tcp() {
    let server = servers::tcp(|question| framed(&bytes(&answer(question, &[TRUE])))).await;
    let exchanges = ask(ResolverSpec::Tcp(server), PATIENCE).await;
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!((exchange.transport, exchange.failure.clone()), (DnsTransport::Tcp, None));
    assert_eq!(exchange.answers[0].source, Some(server));
    assert_eq!(exchange.answers[0].addresses, [IpAddr::from(TRUE)]);
    assert!(exchange.answers[0].matches_question);
    assert!(exchange.answers[0].latency <= exchange.elapsed);
}

#[tokio::test]
async fn lengths_that_lie_do_no_harm() {
    type Script = fn(&hickory_proto::op::Message) -> Vec<u8>;
    let too_long: Script = |question| [&[0xff, 0xff][..], &bytes(&answer(question, &[TRUE]))].concat();
    let too_short: Script = |question| [&[0, 4][..], &bytes(&answer(question, &[TRUE]))].concat();
    let nothing: Script = |_| vec![0, 0];
    let hangup: Script = |_| Vec::new();
    for (script, failure) in [
        (too_long, Failure::Eof),
        (too_short, Failure::DnsServerMisbehaving),
        (nothing, Failure::DnsReplyWithWrongQueryId),
        (hangup, Failure::Eof),
    ] {
        let server = servers::tcp(script).await;
        assert_eq!(ask(ResolverSpec::Tcp(server), PATIENCE).await[0].failure, Some(failure));
    }
}

#[tokio::test]
async fn a_closed_port_and_a_silent_server_are_told_apart() {
    let closed = ClosedPort::take();
    assert_eq!(ask(ResolverSpec::Tcp(closed.address), PATIENCE).await[0].failure, Some(Failure::ConnectionRefused));
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let exchanges = ask(ResolverSpec::Tcp(silent.local_addr().unwrap()), SHORT).await;
    assert_eq!(exchanges[0].failure, Some(Failure::GenericTimeout));
    assert!(exchanges[0].elapsed.as_duration() >= SHORT);
}

#[tokio::test]
async fn a_tunnel_has_no_datagrams_and_hides_the_source() {
    let server = servers::tcp(|question| framed(&bytes(&answer(question, &[TRUE])))).await;
    let tunnel = vantage_via(Via::Socks5 { proxy: relay().await.to_string() });
    let tls = servers::trusting_nobody();
    let over_tcp = crate::probe::dns::ask(&tunnel, &ResolverSpec::Tcp(server), &query(PATIENCE), &tls).await;
    assert_eq!(over_tcp[0].failure, None);
    assert_eq!(over_tcp[0].answers[0].source, None);
    let over_udp = crate::probe::dns::ask(&tunnel, &ResolverSpec::Udp(server), &query(PATIENCE), &tls).await;
    let [exchange] = &over_udp[..] else { panic!("{over_udp:?}") };
    assert!(matches!(exchange.failure, Some(Failure::Unknown(_))));
    let open = crate::probe::dns::ask(&direct(), &ResolverSpec::Tcp(server), &query(PATIENCE), &tls).await;
    assert_eq!(open[0].answers[0].source, Some(server));
}

/// A SOCKS5 proxy for IPv4 addresses.
async fn relay() -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0u8; 10];
                client.read_exact(&mut bytes[..3]).await.unwrap();
                client.write_all(&[5, 0]).await.unwrap();
                client.read_exact(&mut bytes).await.unwrap();
                let ip: [u8; 4] = bytes[4..8].try_into().unwrap();
                let port = u16::from_be_bytes([bytes[8], bytes[9]]);
                let mut peer = tokio::net::TcpStream::connect((IpAddr::from(ip), port)).await.unwrap();
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut peer).await;
            });
        }
    });
    address
}
