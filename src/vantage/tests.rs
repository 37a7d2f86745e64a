//! Real sockets on loopback, and a SOCKS5 server that does as it is told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::probe::tests::bed::ClosedPort;

const PATIENCE: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(200);

fn vantage(via: Via) -> Vantage {
    Vantage::new(&VantageConfig {
        id: "test".parse().unwrap(),
        role: Role::Probe,
        country: CountryCode::UNKNOWN,
        asn: None,
        via,
        resolvers: vec![ResolverSpec::System],
    })
}

fn direct(source: Option<&str>) -> Vantage {
    vantage(Via::Direct { interface: None, source: source.map(|text| text.parse().unwrap()) })
}

fn socks5(proxy: SocketAddr) -> Vantage {
    vantage(Via::Socks5 { proxy: proxy.to_string() })
}

/// A server that says `hi` and who called.
async fn greeter() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let _ = stream.write_all(format!("hi {}", peer.ip()).as_bytes()).await;
        }
    });
    address
}

/// How the SOCKS5 server answers.
#[derive(Clone, Copy)]
enum Manner {
    Honest,
    Reply(u8),
    NoGreeting,
    NoReply,
    WantsPassword,
    Garbage,
    Hangup,
}

async fn socks_server(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_socks(stream, manner));
        }
    });
    address
}

async fn serve_socks(mut client: TcpStream, manner: Manner) {
    let mut greeting = [0u8; 3];
    client.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting, [5, 1, 0]);
    match manner {
        Manner::NoGreeting => return std::future::pending().await,
        Manner::WantsPassword => return client.write_all(&[5, 0xff]).await.unwrap(),
        Manner::Garbage => return client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap(),
        _ => client.write_all(&[5, 0]).await.unwrap(),
    }
    let mut request = [0u8; 10];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request[..4], [5, 1, 0, 1]);
    let target = SocketAddr::from(([request[4], request[5], request[6], request[7]], {
        u16::from_be_bytes([request[8], request[9]])
    }));
    let code = match manner {
        Manner::NoReply => return std::future::pending().await,
        Manner::Hangup => return,
        Manner::Reply(code) => code,
        _ => 0,
    };
    client.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    if code == 0 {
        let mut peer = TcpStream::connect(target).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut peer).await;
    }
}

async fn hear(mut connection: Connection) -> String {
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    text
}

fn refusal(outcome: Result<Connection, Failure>) -> Failure {
    outcome.err().expect("the connection must fail")
}

#[tokio::test]
async fn direct_connects_and_is_bound_to_its_source() {
    let server = greeter().await;
    assert_eq!(hear(direct(None).connect(server, PATIENCE).await.unwrap()).await, "hi 127.0.0.1");
    let bound = direct(Some("127.0.0.3"));
    assert_eq!(hear(bound.connect(server, PATIENCE).await.unwrap()).await, "hi 127.0.0.3");
    let socket = bound.udp_socket(false).unwrap();
    assert_eq!(socket.local_addr().unwrap().ip(), IpAddr::from([127, 0, 0, 3]));
}

#[tokio::test]
async fn direct_tells_why_it_cannot_connect() {
    let closed = ClosedPort::take();
    assert_eq!(refusal(direct(None).connect(closed.address, PATIENCE).await), Failure::ConnectionRefused);
    let v6 = "[::1]:9".parse().unwrap();
    assert_eq!(refusal(direct(Some("127.0.0.1")).connect(v6, PATIENCE).await), Failure::AddressNotAvailable);
    assert_eq!(direct(Some("127.0.0.1")).udp_socket(true).err(), Some(Failure::AddressNotAvailable));
    // An address of the documentation range (RFC 5737) is none of this machine.
    let stranger = direct(Some("192.0.2.1"));
    assert_eq!(refusal(stranger.connect(closed.address, PATIENCE).await), Failure::AddressNotAvailable);
}

#[tokio::test]
async fn an_unknown_interface_is_told() {
    let nowhere = vantage(Via::Direct { interface: Some("no-such-if0".into()), source: None });
    let failure = refusal(nowhere.connect(ClosedPort::take().address, PATIENCE).await);
    assert_eq!(failure, Failure::AddressNotAvailable);
}

#[tokio::test]
async fn silence_is_our_deadline() {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    // With the queue of the listener full, the kernel drops further SYNs.
    let mut held = Vec::new();
    for _ in 0..4 {
        match direct(None).connect(address, SHORT).await {
            Ok(connection) => held.push(connection),
            Err(failure) => return assert_eq!(failure, Failure::GenericTimeout),
        }
    }
    panic!("the queue never filled");
}

#[tokio::test]
async fn a_tunnel_carries_the_stream_and_no_datagrams() {
    let server = greeter().await;
    let tunnel = socks5(socks_server(Manner::Honest).await);
    assert_eq!(hear(tunnel.connect(server, PATIENCE).await.unwrap()).await, "hi 127.0.0.1");
    assert!(tunnel.is_tunnel());
    assert!(tunnel.udp_socket(false).is_err());
}

#[tokio::test]
async fn replies_of_the_proxy_tell_of_the_peer() {
    let closed = ClosedPort::take();
    for (manner, expected) in [
        (Manner::Reply(1), Failure::ProxyFailed),
        (Manner::Reply(2), Failure::ProxyFailed),
        (Manner::Reply(3), Failure::NetworkUnreachable),
        (Manner::Reply(4), Failure::HostUnreachable),
        (Manner::Reply(5), Failure::ConnectionRefused),
        (Manner::Reply(6), Failure::TimedOut),
        (Manner::Reply(8), Failure::AddressFamilyNotSupported),
        (Manner::Reply(99), Failure::ProxyFailed),
        (Manner::WantsPassword, Failure::ProxyFailed),
        (Manner::Garbage, Failure::ProxyFailed),
        (Manner::Hangup, Failure::ProxyFailed),
    ] {
        let tunnel = socks5(socks_server(manner).await);
        assert_eq!(refusal(tunnel.connect(closed.address, PATIENCE).await), expected);
    }
}

#[tokio::test]
async fn a_silent_proxy_is_not_a_silent_peer() {
    let closed = ClosedPort::take();
    let target = closed.address;
    let deaf = socks5(socks_server(Manner::NoGreeting).await);
    assert_eq!(refusal(deaf.connect(target, SHORT).await), Failure::ProxyFailed);
    let trying = socks5(socks_server(Manner::NoReply).await);
    // Long enough for a slow machine to come as far as the proxy's silence.
    assert_eq!(refusal(trying.connect(target, Duration::from_secs(1)).await), Failure::GenericTimeout);
    let dead = socks5(target);
    assert_eq!(refusal(dead.connect(target, PATIENCE).await), Failure::ProxyFailed);
    let nonsense = vantage(Via::Socks5 { proxy: "no port here".into() });
    assert_eq!(refusal(nonsense.connect(target, PATIENCE).await), Failure::ProxyFailed);
}
