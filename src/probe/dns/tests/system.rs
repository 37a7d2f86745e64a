//! The name servers of a resolv.conf, gone through in order.

use std::net::Ipv4Addr;

use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use tokio::net::UdpSocket;

use super::servers::{self, Act, answer, bytes, refusal};
use super::{PATIENCE, SHORT, direct, query};
use crate::model::{DnsExchange, Failure};
use crate::probe::dns::system::{self, NameServers};

/// Name servers of this file are at 127.0.1.N, all at one port, which is free at each of them.
struct Fixture {
    directory: tempfile::TempDir,
    port: u16,
}

impl Fixture {
    async fn new(first: impl Fn(&hickory_proto::op::Message, usize) -> Vec<Act> + Send + Sync + 'static) -> Self {
        // The same port of the other address may be another test's.
        let (port, one, other) = loop {
            let one = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, 1), 0)).await.unwrap();
            let port = one.local_addr().unwrap().port();
            if let Ok(other) = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, 2), port)).await {
                break (port, one, other);
            }
        };
        servers::udp_at(one, first).await;
        servers::udp_at(other, |question, _| vec![Act::Reply(bytes(&answer(question, &[[192, 0, 2, 1]])))]).await;
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("resolv.conf"),
            "search example.org\nnameserver 127.0.1.1\nnameserver 127.0.1.2\n",
        )
        .unwrap();
        Self { directory, port }
    }

    async fn ask(&self, timeout: std::time::Duration) -> Vec<DnsExchange> {
        let servers = NameServers { path: self.directory.path().join("resolv.conf"), port: self.port };
        system::ask(&direct(), &servers, &query(timeout)).await
    }
}

#[tokio::test]
async fn the_first_that_knows_is_the_last_asked() {
    let cases = [(ResponseCode::NXDomain, Failure::DnsNxdomain), (ResponseCode::NoError, Failure::DnsNoAnswer)];
    join_all(cases.map(async |(rcode, failure)| {
        let fixture = Fixture::new(move |question, _| vec![Act::Reply(bytes(&refusal(question, rcode)))]).await;
        let exchanges = fixture.ask(PATIENCE).await;
        let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
        assert_eq!(exchange.failure, Some(failure));
        assert_eq!(exchange.resolver, "system");
        assert_eq!(exchange.answers[0].source.unwrap().ip(), Ipv4Addr::new(127, 0, 1, 1));
    }))
    .await;
}

#[tokio::test]
async fn after_a_failing_one_comes_the_next() {
    join_all([ResponseCode::ServFail, ResponseCode::Refused].map(async |rcode| {
        let fixture = Fixture::new(move |question, _| vec![Act::Reply(bytes(&refusal(question, rcode)))]).await;
        let exchanges = fixture.ask(PATIENCE).await;
        let [failed, good] = &exchanges[..] else { panic!("{exchanges:?}") };
        assert!(failed.failure.is_some());
        assert_eq!(good.failure, None);
        assert_eq!(good.answers[0].source.unwrap().ip(), Ipv4Addr::new(127, 0, 1, 2));
        assert!(exchanges.iter().all(|exchange| exchange.resolver == "system"));
    }))
    .await;
}

#[tokio::test]
async fn after_a_silent_one_comes_the_next() {
    let fixture = Fixture::new(|_, _| Vec::new()).await;
    let exchanges = fixture.ask(SHORT * 2).await;
    let [first, again, good] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(first.failure, Some(Failure::GenericTimeout));
    assert_eq!(again.failure, Some(Failure::GenericTimeout));
    assert_eq!(good.failure, None);
}
