//! The name server of the world: every name of `.sites.test` leads to one address, all others do not exist.

use std::net::Ipv4Addr;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// The answer to a question.
fn answer(question: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(question).ok()?;
    let query = message.queries.first()?.clone();
    message.metadata.message_type = MessageType::Response;
    message.additionals.clear();
    if !query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase().ends_with(".sites.test") {
        message.metadata.response_code = ResponseCode::NXDomain;
    } else if query.query_type() == RecordType::A {
        message.answers = vec![Record::from_rdata(query.name().clone(), 30, RData::A(address.into()))];
    }
    message.to_vec().ok()
}

pub(super) async fn serve_udp(socket: UdpSocket, address: Ipv4Addr) {
    let mut buffer = [0u8; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        if let Some(reply) = answer(&buffer[..length], address) {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}

/// DNS over TCP (RFC 1035 section 4.2.2): two bytes of length before each message.
pub(super) async fn serve_tcp(listener: TcpListener, address: Ipv4Addr) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut question = vec![0u8; usize::from(length)];
                stream.read_exact(&mut question).await?;
                let Some(reply) = answer(&question, address) else { break };
                let mut framed = u16::try_from(reply.len()).unwrap().to_be_bytes().to_vec();
                framed.extend_from_slice(&reply);
                stream.write_all(&framed).await?;
            }
            std::io::Result::Ok(())
        });
    }
}
