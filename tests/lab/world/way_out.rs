//! The way out: a SOCKS5 proxy (RFC 1928) abroad, CONNECT only.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::answer::Zone;
use crate::places::{WAY_OUT, WAY_OUT_V6};

/// Longest wait for a site to take a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Replies of RFC 1928 6.
const SUCCEEDED: u8 = 0;
const HOST_UNREACHABLE: u8 = 4;
const REFUSED: u8 = 5;
const EXPIRED: u8 = 6;

/// Serves the proxy. Names are resolved by the truth.
pub(crate) async fn serve(zone: Arc<Zone>) -> io::Result<()> {
    let listener = TcpListener::bind(WAY_OUT).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(relay(stream, zone.clone()));
        }
    });
    Ok(())
}

async fn relay(mut client: TcpStream, zone: Arc<Zone>) -> io::Result<()> {
    let [_version, methods] = read(&mut client).await?;
    client.read_exact(&mut vec![0; usize::from(methods)]).await?;
    client.write_all(&[5, 0]).await?;
    let [_version, _command, _reserved, kind] = read(&mut client).await?;
    let address = match kind {
        1 => Some(IpAddr::from(read::<4>(&mut client).await?)),
        4 => Some(IpAddr::from(read::<16>(&mut client).await?)),
        3 => {
            let [length] = read(&mut client).await?;
            let mut name = vec![0; usize::from(length)];
            client.read_exact(&mut name).await?;
            let name = String::from_utf8_lossy(&name).trim_end_matches('.').to_ascii_lowercase();
            zone.get(&name).and_then(|addresses| addresses.first().copied())
        }
        _ => return Ok(()),
    };
    let port = u16::from_be_bytes(read(&mut client).await?);
    let connected = match address {
        Some(address) => connect(SocketAddr::new(address, port)).await,
        None => Err(HOST_UNREACHABLE),
    };
    let reply = connected.as_ref().err().copied().unwrap_or(SUCCEEDED);
    client.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    if let Ok(mut site) = connected {
        copy_bidirectional(&mut client, &mut site).await?;
    }
    Ok(())
}

async fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn connect(to: SocketAddr) -> Result<TcpStream, u8> {
    let attempt = async {
        let (socket, own) = match to {
            SocketAddr::V4(_) => (TcpSocket::new_v4()?, IpAddr::V4(*WAY_OUT.ip())),
            SocketAddr::V6(_) => (TcpSocket::new_v6()?, IpAddr::V6(WAY_OUT_V6)),
        };
        socket.bind(SocketAddr::new(own, 0))?;
        socket.connect(to).await
    };
    match timeout(CONNECT, attempt).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(REFUSED),
        Ok(Err(_)) => Err(HOST_UNREACHABLE),
        Err(_) => Err(EXPIRED),
    }
}
