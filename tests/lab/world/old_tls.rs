//! Servers that do not speak the TLS of today, byte for byte: what the versions of OpenSSL that they run answer to a
//! ClientHello without TLS 1.0, 1.1 and RSA key exchange.

use std::io;
use std::net::SocketAddrV4;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::scenario::Speaks;

/// `AES128-SHA`: RSA key exchange.
const TLS_RSA_WITH_AES_128_CBC_SHA: [u8; 2] = [0x00, 0x2f];

/// Alerts of RFC 5246 7.2.
const FATAL: u8 = 2;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;

/// Serves port 443 so.
pub(crate) async fn serve(address: SocketAddrV4, speaks: Speaks) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, speaks));
        }
    });
    Ok(())
}

async fn answer(mut stream: TcpStream, speaks: Speaks) -> io::Result<()> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await?;
    stream.read_exact(&mut vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))]).await?;
    let answer = match speaks {
        Speaks::Tls10 => record([3, 1], 22, &server_hello()),
        Speaks::Tls11 => record([3, 3], 21, &[FATAL, PROTOCOL_VERSION]),
        Speaks::RsaKeyExchange | Speaks::Modern => record([3, 3], 21, &[FATAL, HANDSHAKE_FAILURE]),
    };
    stream.write_all(&answer).await?;
    // The client's own alert, or its end.
    let _ = stream.read(&mut [0; 64]).await?;
    Ok(())
}

/// A record (RFC 5246 6.2.1).
fn record(version: [u8; 2], kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[kind], &version[..], &length, content].concat()
}

/// A ServerHello of TLS 1.0 (RFC 2246 7.4.1.3): no extensions, no session.
fn server_hello() -> Vec<u8> {
    let random = [0x5a; 32];
    let body = [&[3, 1], &random[..], &[0], &TLS_RSA_WITH_AES_128_CBC_SHA, &[0]].concat();
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[2, 0, 0, length], body.as_slice()].concat()
}
