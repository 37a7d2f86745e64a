//! A host's second address: what comes to a port of it is handed to the same port of the first, inside the machine, so
//! that one server answers at both.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::scenario::{Host, PlainHttp};

/// Serves the ports of a host's IPv6 address, if it has one.
pub(crate) async fn serve(host: &Host) -> io::Result<()> {
    let Some(address) = host.address6 else { return Ok(()) };
    let ports = [(443, host.https), (80, host.http != PlainHttp::Closed)];
    for port in ports.into_iter().filter_map(|(port, open)| open.then_some(port)) {
        let listener = TcpListener::bind(SocketAddr::new(address.into(), port)).await?;
        let first = host.address;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(hand_over(stream, first, port));
            }
        });
    }
    Ok(())
}

async fn hand_over(mut stream: TcpStream, first: Ipv4Addr, port: u16) -> io::Result<()> {
    let mut server = TcpStream::connect((first, port)).await?;
    copy_bidirectional(&mut stream, &mut server).await?;
    Ok(())
}
