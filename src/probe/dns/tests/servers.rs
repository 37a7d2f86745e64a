//! Name servers that do as they are told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

/// What a datagram server does on a question, in order.
pub(super) enum Act {
    /// Answers from where it was asked.
    Reply(Vec<u8>),
    /// Answers from another port.
    FromOtherPort(Vec<u8>),
    /// Answers from another address.
    FromOtherAddress(Vec<u8>),
    Wait(Duration),
}

/// An answer that gives `addresses`.
pub(super) fn answer(question: &Message, addresses: &[[u8; 4]]) -> Message {
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    let query = question.queries[0].clone();
    let name = query.name.clone();
    message.add_query(query);
    message.add_answers(addresses.iter().map(|&ip| Record::from_rdata(name.clone(), 60, RData::A(A(ip.into())))));
    message
}

/// An answer with a response code and nothing else.
pub(super) fn refusal(question: &Message, rcode: ResponseCode) -> Message {
    let mut message = answer(question, &[]);
    message.metadata.response_code = rcode;
    message
}

pub(super) fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

/// A datagram server. `script` gets each question and its number, from 0.
pub(super) async fn udp_at<S>(socket: UdpSocket, script: S) -> SocketAddr
where
    S: Fn(&Message, usize) -> Vec<Act> + Send + Sync + 'static,
{
    let address = socket.local_addr().unwrap();
    let other_port = UdpSocket::bind((address.ip(), 0)).await.unwrap();
    let other_address = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 77), 0)).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0u8; 2048];
        for number in 0.. {
            let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { return };
            for act in script(&Message::from_vec(&buffer[..length]).unwrap(), number) {
                let (from, bytes) = match act {
                    Act::Reply(bytes) => (&socket, bytes),
                    Act::FromOtherPort(bytes) => (&other_port, bytes),
                    Act::FromOtherAddress(bytes) => (&other_address, bytes),
                    Act::Wait(time) => {
                        tokio::time::sleep(time).await;
                        continue;
                    }
                };
                let _ = from.send_to(&bytes, peer).await;
            }
        }
    });
    address
}

pub(super) async fn udp<S>(script: S) -> SocketAddr
where
    S: Fn(&Message, usize) -> Vec<Act> + Send + Sync + 'static,
{
    udp_at(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), script).await
}

/// Bytes with their length before them (RFC 7766).
pub(super) fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    framed.extend_from_slice(bytes);
    framed
}

/// The TLS of a server, and whether its clients must tell the name they want (SNI).
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) wants_sni: bool,
}

/// A TCP server, perhaps with TLS; `script` gives the bytes written on each question, length and all, before it
/// hangs up.
pub(super) async fn tcp_at<S>(listener: TcpListener, tls: Option<Tls>, script: S) -> SocketAddr
where
    S: Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
{
    let address = listener.local_addr().unwrap();
    let script = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, script) = (tls.clone(), Arc::clone(&script));
            tokio::spawn(async move {
                match tls {
                    None => serve_framed(stream, &*script).await,
                    Some(tls) => {
                        let Ok(stream) = tls.acceptor.accept(stream).await else { return };
                        if tls.wants_sni {
                            assert_eq!(stream.get_ref().1.server_name(), Some(RESOLVER), "SNI must be sent");
                        }
                        serve_framed(stream, &*script).await;
                    }
                }
            });
        }
    });
    address
}

pub(super) async fn tcp<S>(script: S) -> SocketAddr
where
    S: Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
{
    tcp_at(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), None, script).await
}

async fn serve_framed<S>(mut stream: S, script: &(dyn Fn(&Message) -> Vec<u8> + Send + Sync))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(length) = stream.read_u16().await else { return };
    let mut question = vec![0u8; usize::from(length)];
    stream.read_exact(&mut question).await.unwrap();
    let reply = script(&Message::from_vec(&question).unwrap());
    let _ = stream.write_all(&reply).await;
    let _ = stream.shutdown().await;
}

/// The name of the encrypted test resolvers.
pub(super) const RESOLVER: &str = "resolver.example";

/// A certificate authority's one certificate, and who trusts it.
pub(super) struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    pub(super) fn of(name: &str) -> Self {
        let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Self { certificate: signed.cert.der().clone(), key: signed.signing_key.serialize_der() }
    }

    pub(super) fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(super) fn trusted(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        client(roots)
    }
}

/// A client that trusts no certificate.
pub(super) fn trusting_nobody() -> Arc<rustls::ClientConfig> {
    client(rustls::RootCertStore::empty())
}

fn client(roots: rustls::RootCertStore) -> Arc<rustls::ClientConfig> {
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
