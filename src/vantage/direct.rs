//! This machine's own network, perhaps bound to an interface or a source address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::nat64;
use crate::model::Failure;

/// How sockets are bound before they are used.
#[derive(Debug, Clone, Default)]
pub(super) struct Direct {
    /// SO_BINDTODEVICE.
    pub(super) interface: Option<String>,
    /// Local address; the port is always the system's choice.
    pub(super) source: Option<IpAddr>,
}

impl Direct {
    /// Connects without a deadline of its own; to an IPv4 address by a translator, where the machine has IPv6 alone. An
    /// interface or a source address of one's own says by which way, and is left at that.
    pub(super) async fn connect(&self, address: SocketAddr) -> Result<TcpStream, Failure> {
        let failure = match self.dial(address).await {
            Err(failure @ Failure::NetworkUnreachable) if self.interface.is_none() && self.source.is_none() => failure,
            dialled => return dialled,
        };
        match nat64::translated(address).await {
            Some(translated) => self.dial(translated).await,
            None => Err(failure),
        }
    }

    async fn dial(&self, address: SocketAddr) -> Result<TcpStream, Failure> {
        let socket = self.socket(Type::STREAM, Protocol::TCP, address.is_ipv6())?;
        if let Some(source) = self.source {
            bind(&socket, source)?;
        }
        let stream = TcpSocket::from_std_stream(socket.into()).connect(address).await.map_err(from_io)?;
        stream.set_nodelay(true).map_err(from_io)?;
        Ok(stream)
    }

    /// An unconnected datagram socket.
    pub(super) fn udp_socket(&self, ipv6: bool) -> Result<UdpSocket, Failure> {
        let socket = self.socket(Type::DGRAM, Protocol::UDP, ipv6)?;
        let any = if ipv6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        bind(&socket, self.source.unwrap_or(any))?;
        UdpSocket::from_std(socket.into()).map_err(local)
    }

    fn socket(&self, kind: Type, protocol: Protocol, ipv6: bool) -> Result<Socket, Failure> {
        if self.source.is_some_and(|source| source.is_ipv6() != ipv6) {
            return Err(Failure::AddressNotAvailable);
        }
        let domain = if ipv6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, kind, Some(protocol)).map_err(local)?;
        socket.set_nonblocking(true).map_err(local)?;
        if ipv6 {
            socket.set_only_v6(true).map_err(local)?;
        }
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes())).map_err(|_| Failure::AddressNotAvailable)?;
        }
        Ok(socket)
    }
}

fn bind(socket: &Socket, address: IpAddr) -> Result<(), Failure> {
    socket.bind(&SockAddr::from(SocketAddr::new(address, 0))).map_err(local)
}

/// What an error means that came before anything was sent: never something of the peer or the path. No file
/// descriptors or memory left counts as a step that we broke off ourselves.
#[allow(clippy::needless_pass_by_value)]
fn local(error: std::io::Error) -> Failure {
    match Failure::from_io(&error) {
        own @ (Failure::AddressNotAvailable | Failure::AddressFamilyNotSupported | Failure::NetworkDown) => own,
        Failure::PermissionDenied => Failure::AddressNotAvailable,
        _ => Failure::Interrupted,
    }
}

// By value, because it is made for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn from_io(error: std::io::Error) -> Failure {
    Failure::from_io(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_never_the_peers_doing() {
        for (code, expected) in [
            (libc::EMFILE, Failure::Interrupted),
            (libc::ENFILE, Failure::Interrupted),
            (libc::ENOBUFS, Failure::Interrupted),
            (libc::ENOMEM, Failure::Interrupted),
            (libc::EPERM, Failure::AddressNotAvailable),
            (libc::EACCES, Failure::AddressNotAvailable),
            (libc::EADDRNOTAVAIL, Failure::AddressNotAvailable),
            (libc::EAFNOSUPPORT, Failure::AddressFamilyNotSupported),
        ] {
            assert_eq!(local(std::io::Error::from_raw_os_error(code)), expected, "{code}");
        }
    }
}
