//! DoT and DoH, by our own exchange and by the reference.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use hickory_proto::op::{Message, ResponseCode};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use url::Url;

use super::servers::{self, Identity, RESOLVER, Tls, answer, bytes, framed, refusal};
use super::{PATIENCE, SHORT, direct, query};
use crate::config::ResolverSpec;
use crate::model::{DnsExchange, DnsRole, DnsTransport, Failure, QueryType};
use crate::probe::dns::{self, Reference, ReferenceError};
use crate::probe::tests::bed::ClosedPort;

const TRUE: [u8; 4] = [192, 0, 2, 1];

fn dot(address: SocketAddr) -> ResolverSpec {
    ResolverSpec::Dot { name: RESOLVER.to_owned(), address }
}

fn doh(address: SocketAddr) -> ResolverSpec {
    let url = format!("https://{RESOLVER}:{}/dns-query", address.port());
    ResolverSpec::Doh { url: Url::parse(&url).unwrap(), address }
}

async fn dot_server(
    identity: &Identity,
    wants_sni: bool,
    script: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = Tls { acceptor: identity.acceptor(&["dot"]), wants_sni };
    servers::tcp_at(listener, Some(tls), script).await
}

/// A DoH endpoint. `script` answers with a status and a body.
async fn doh_server(
    identity: &Identity,
    protocols: &[&str],
    script: impl Fn(&Message) -> (StatusCode, Vec<u8>) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = identity.acceptor(protocols);
    let script = Arc::new(script);
    let authority = format!("{RESOLVER}:{}", address.port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, script, authority) = (acceptor.clone(), Arc::clone(&script), authority.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = service_fn(move |request: Request<Incoming>| {
                    let (script, authority) = (Arc::clone(&script), authority.clone());
                    async move { Ok::<_, Infallible>(serve(request, &authority, &*script).await) }
                });
                let io = TokioIo::new(stream);
                let _ = if is_h2 {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
                } else {
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
                };
            });
        }
    });
    address
}

async fn serve(
    request: Request<Incoming>,
    authority: &str,
    script: &(dyn Fn(&Message) -> (StatusCode, Vec<u8>) + Send + Sync),
) -> Response<Full<Bytes>> {
    assert_eq!(request.uri().path(), "/dns-query");
    assert_eq!(request.headers()["content-type"], "application/dns-message");
    match request.headers().get("host") {
        Some(host) => assert_eq!(host, authority),
        None => assert!(request.uri().host().is_some()),
    }
    let question = request.into_body().collect().await.unwrap().to_bytes();
    let (status, body) = script(&Message::from_vec(&question).unwrap());
    Response::builder()
        .status(status)
        .header("content-type", "application/dns-message")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

fn good(question: &Message) -> (StatusCode, Vec<u8>) {
    (StatusCode::OK, bytes(&answer(question, &[TRUE])))
}

async fn ask(spec: ResolverSpec, tls: &Arc<rustls::ClientConfig>) -> DnsExchange {
    let mut exchanges = dns::ask(&direct(), &spec, &query(PATIENCE), tls).await;
    assert_eq!(exchanges.len(), 1);
    exchanges.remove(0)
}

fn assert_good(exchange: &DnsExchange, transport: DnsTransport) {
    assert_eq!((exchange.transport, exchange.failure.clone()), (transport, None), "{exchange:?}");
    assert_eq!(exchange.answers[0].addresses, [IpAddr::from(TRUE)]);
    assert!(exchange.answers[0].matches_question);
}

#[tokio::test]
async fn dot_answers_to_who_trusts_it() {
    let identity = Identity::of(RESOLVER);
    let server = dot_server(&identity, true, |question| framed(&bytes(&answer(question, &[TRUE])))).await;
    let exchange = ask(dot(server), &identity.trusted()).await;
    assert_good(&exchange, DnsTransport::Dot);
    assert_eq!(exchange.resolver, format!("tls://{RESOLVER}@{server}"));
    let distrustful = ask(dot(server), &servers::trusting_nobody()).await;
    assert_eq!(distrustful.failure, Some(Failure::SslUnknownAuthority));
    assert!(distrustful.answers.is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told() {
    let identity = Identity::of("other.example");
    let server = dot_server(&identity, true, |_| Vec::new()).await;
    assert_eq!(ask(dot(server), &identity.trusted()).await.failure, Some(Failure::SslInvalidHostname));
}

#[tokio::test]
async fn what_is_no_tls_is_a_failed_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0u8; 64]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0u8; 4096]).await;
        std::future::pending::<()>().await;
    });
    let exchange = ask(dot(server), &servers::trusting_nobody()).await;
    assert_eq!(exchange.failure, Some(Failure::SslFailedHandshake));
}

#[tokio::test]
async fn a_swallowed_client_hello_is_our_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec = doh(listener.local_addr().unwrap());
    let exchanges = dns::ask(&direct(), &spec, &query(SHORT), &servers::trusting_nobody()).await;
    assert_eq!(exchanges[0].failure, Some(Failure::GenericTimeout));
}

#[tokio::test]
async fn doh_answers_over_both_versions_of_http() {
    let identity = Identity::of(RESOLVER);
    for protocols in [&["h2"][..], &["http/1.1"], &[]] {
        let server = doh_server(&identity, protocols, good).await;
        let exchange = ask(doh(server), &identity.trusted()).await;
        assert_good(&exchange, DnsTransport::Doh);
        assert_eq!(exchange.answers[0].source, Some(server));
        let distrustful = ask(doh(server), &servers::trusting_nobody()).await;
        assert_eq!(distrustful.failure, Some(Failure::SslUnknownAuthority));
    }
}

#[tokio::test]
async fn doh_failures_are_of_http_or_of_dns() {
    let identity = Identity::of(RESOLVER);
    type Script = fn(&Message) -> (StatusCode, Vec<u8>);
    let forbidden: Script = |_| (StatusCode::FORBIDDEN, b"no".to_vec());
    let huge: Script = |_| (StatusCode::OK, vec![0u8; 70_000]);
    let junk: Script = |_| (StatusCode::OK, vec![0u8; 7]);
    let missing: Script = |question| (StatusCode::OK, bytes(&refusal(question, ResponseCode::NXDomain)));
    for (script, failure) in [
        (forbidden, Failure::HttpRequestFailed),
        (huge, Failure::HttpRequestFailed),
        (junk, Failure::DnsServerMisbehaving),
        (missing, Failure::DnsNxdomain),
    ] {
        for protocol in ["h2", "http/1.1"] {
            let server = doh_server(&identity, &[protocol], script).await;
            assert_eq!(ask(doh(server), &identity.trusted()).await.failure, Some(failure.clone()), "{protocol}");
        }
    }
}

fn reference(specs: &[ResolverSpec], tls: &Arc<rustls::ClientConfig>) -> Reference {
    Reference::new(specs, rustls::ClientConfig::clone(tls)).unwrap()
}

fn by_type(exchanges: &[DnsExchange], query_type: QueryType) -> &DnsExchange {
    exchanges.iter().find(|exchange| exchange.query_type == query_type).unwrap()
}

#[tokio::test]
async fn the_reference_tells_its_resolvers_apart_and_remembers() {
    let identity = Identity::of(RESOLVER);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let first = doh_server(&identity, &["h2"], move |question| {
        count.fetch_add(1, Ordering::Relaxed);
        good_for_type(question, TRUE)
    })
    .await;
    let second = doh_server(&identity, &["h2"], |question| good_for_type(question, [192, 0, 2, 2])).await;
    let reference = reference(&[doh(first), doh(second)], &identity.trusted());
    for _ in 0..2 {
        let exchanges = reference.ask(3, "site.example", Instant::now(), PATIENCE).await;
        assert_eq!(exchanges.len(), 4);
        assert!(exchanges.iter().all(|exchange| exchange.role == DnsRole::Control && exchange.hop == 3));
        for (server, ip) in [(first, TRUE), (second, [192, 0, 2, 2])] {
            let own: Vec<_> =
                exchanges.iter().filter(|exchange| exchange.resolver == doh(server).to_string()).cloned().collect();
            let a = by_type(&own, QueryType::A);
            assert_eq!(a.failure, None);
            assert_eq!(a.answers[0].addresses, [IpAddr::from(ip)]);
            assert_eq!(a.answers[0].source, Some(server));
            assert!(a.answers[0].matches_question && !a.answers[0].raw.is_empty());
            assert_eq!(by_type(&own, QueryType::Aaaa).failure, Some(Failure::DnsNoAnswer));
        }
    }
    // One question for A; the empty answer without SOA may not be cached (RFC 2308 section 5).
    assert!(asked.load(Ordering::Relaxed) <= 3, "{asked:?}");
}

fn good_for_type(question: &Message, ip: [u8; 4]) -> (StatusCode, Vec<u8>) {
    let is_a = question.queries[0].query_type == hickory_proto::rr::RecordType::A;
    let addresses = if is_a { vec![ip] } else { Vec::new() };
    (StatusCode::OK, bytes(&answer(question, &addresses)))
}

#[tokio::test]
async fn the_reference_survives_connections_that_are_closed() {
    let identity = Identity::of(RESOLVER);
    // This server hangs up after every answer. hickory sends no SNI over DoT.
    let server = dot_server(&identity, false, |question| framed(&bytes(&answer(question, &[TRUE])))).await;
    let reference = reference(&[dot(server)], &identity.trusted());
    for name in ["a.example", "b.example", "c.example"] {
        let exchanges = reference.ask(0, name, Instant::now(), PATIENCE).await;
        assert_good(by_type(&exchanges, QueryType::A), DnsTransport::Dot);
    }
}

#[tokio::test]
async fn the_reference_maps_what_goes_wrong() {
    let identity = Identity::of(RESOLVER);
    let missing =
        doh_server(&identity, &["h2"], |question| (StatusCode::OK, bytes(&refusal(question, ResponseCode::NXDomain))))
            .await;
    let failing =
        doh_server(&identity, &["h2"], |question| (StatusCode::OK, bytes(&refusal(question, ResponseCode::ServFail))))
            .await;
    let forbidden = doh_server(&identity, &["h2"], |_| (StatusCode::FORBIDDEN, Vec::new())).await;
    let closed = ClosedPort::take();
    let specs = [doh(missing), doh(failing), doh(forbidden), doh(closed.address)];
    let exchanges = reference(&specs, &identity.trusted()).ask(0, "site.example", Instant::now(), PATIENCE).await;
    let failure_at = |at: usize| exchanges[at * 2].failure.clone();
    assert_eq!(failure_at(0), Some(Failure::DnsNxdomain));
    assert_eq!(exchanges[0].answers[0].rcode, Some(3));
    assert_eq!(failure_at(1), Some(Failure::DnsServfail));
    assert_eq!(failure_at(2), Some(Failure::HttpRequestFailed));
    assert_eq!(failure_at(3), Some(Failure::ConnectionRefused));
    let distrustful = reference(&specs[..1], &servers::trusting_nobody());
    let exchanges = distrustful.ask(0, "site.example", Instant::now(), PATIENCE).await;
    assert_eq!(exchanges[0].failure, Some(Failure::SslUnknownAuthority));
}

#[tokio::test]
async fn the_reference_keeps_its_deadline_and_its_standards() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = servers::trusting_nobody();
    let reference = reference(&[dot(silent.local_addr().unwrap())], &tls);
    let exchanges = reference.ask(0, "site.example", Instant::now(), SHORT).await;
    assert!(exchanges.iter().all(|exchange| exchange.failure == Some(Failure::GenericTimeout)));
    let plain = ResolverSpec::Udp(silent.local_addr().unwrap());
    let refused = Reference::new(&[plain], rustls::ClientConfig::clone(&tls));
    assert!(matches!(refused, Err(ReferenceError::NotEncrypted(_))));
}
