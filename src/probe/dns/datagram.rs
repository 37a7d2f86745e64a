//! Datagrams with what the socket knows of them: their source, their IP TTL, and the ICMP errors that came back.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv4RecvTtl, Ipv6RecvErr, Ipv6RecvHopLimit};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::model::Failure;

/// Bytes kept of a datagram. We offer 1232 (EDNS), so a longer one is out of order anyway.
const MAX_DATAGRAM: usize = 4096;

/// Room for the control messages: an IP TTL, and an extended error with the address of who sent it.
const MAX_CONTROL: usize = 512;

/// Control messages are read in place, so their buffer must be aligned as their header is (cmsg(3)).
#[repr(align(8))]
struct Control([u8; MAX_CONTROL]);

/// What a socket heard.
#[derive(Debug)]
pub(super) enum Heard {
    Datagram {
        bytes: Vec<u8>,
        source: Option<SocketAddr>,
        ip_ttl: Option<u8>,
    },
    /// An ICMP message about what we sent, or a local error in its place.
    Error(Failure),
}

/// Asks the kernel for the IP TTL of what comes and for ICMP errors. Without either the socket still serves, so
/// that an odd kernel costs evidence and not the measurement.
pub(super) fn prepare(socket: &UdpSocket, ipv6: bool) {
    if ipv6 {
        let _ = setsockopt(socket, Ipv6RecvHopLimit, &true);
        let _ = setsockopt(socket, Ipv6RecvErr, &true);
    } else {
        let _ = setsockopt(socket, Ipv4RecvTtl, &true);
        let _ = setsockopt(socket, Ipv4RecvErr, &true);
    }
}

/// Waits for the next datagram or error. Loses nothing when cancelled.
///
/// # Errors
/// Only when the socket can no longer be waited for.
pub(super) async fn hear(socket: &UdpSocket) -> Result<Heard, Failure> {
    // Readiness for reading alone never wakes for a lone ICMP error.
    socket
        .async_io(Interest::READABLE | Interest::ERROR, || match receive(socket, MsgFlags::MSG_ERRQUEUE) {
            Err(Errno::EAGAIN) => match receive(socket, MsgFlags::empty()) {
                Ok(heard) => Ok(heard),
                Err(Errno::EAGAIN) => Err(io::ErrorKind::WouldBlock.into()),
                Err(errno) => Ok(Heard::Error(failure(errno))),
            },
            Err(errno) => Ok(Heard::Error(failure(errno))),
            Ok(heard) => Ok(heard),
        })
        .await
        .map_err(|error| Failure::from_io(&error))
}

fn receive(socket: &UdpSocket, flags: MsgFlags) -> Result<Heard, Errno> {
    let mut buffer = [0u8; MAX_DATAGRAM];
    let mut control = Control([0u8; MAX_CONTROL]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = flags | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control.0), flags)?;
    let mut ip_ttl = None;
    let mut error = None;
    for item in message.cmsgs().into_iter().flatten() {
        match item {
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                ip_ttl = u8::try_from(ttl).ok();
            }
            ControlMessageOwned::Ipv4RecvErr(extended, _) => error = i32::try_from(extended.ee_errno).ok(),
            ControlMessageOwned::Ipv6RecvErr(extended, _) => error = i32::try_from(extended.ee_errno).ok(),
            _ => {}
        }
    }
    if flags.contains(MsgFlags::MSG_ERRQUEUE) {
        return Ok(Heard::Error(error.map_or(Failure::HostUnreachable, |code| failure(Errno::from_raw(code)))));
    }
    let source = message.address.as_ref().and_then(socket_address);
    let length = message.bytes.min(MAX_DATAGRAM);
    Ok(Heard::Datagram { bytes: buffer[..length].to_vec(), source, ip_ttl })
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(IpAddr::V4(v4.ip()), v4.port()));
    }
    address.as_sockaddr_in6().map(|v6| SocketAddr::new(IpAddr::V6(v6.ip()), v6.port()))
}

fn failure(errno: Errno) -> Failure {
    Failure::from_io(&io::Error::from(errno))
}
