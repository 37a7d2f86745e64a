//! A UDP socket for one peer that notes what the network says of it.
//!
//! The socket is connected, so that only the peer's datagrams and the ICMP messages about it reach us. The QUIC library
//! drops such errors or breaks off over them, so they are noted where they happen and kept from it.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::model::Failure;
use crate::vantage::Vantage;

/// Errors that one wake-up looks past before it gives way: each is one ICMP message.
const ERRORS_AT_ONCE: usize = 16;

/// The noting socket.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: UdpSocket,
    peer: SocketAddr,
    /// The first thing that the network said.
    noted: Mutex<Option<Failure>>,
    news: Notify,
    sent: Notify,
}

impl Datagrams {
    /// A socket of the vantage for `peer`, from a fresh source port.
    pub(super) async fn open(vantage: &Vantage, peer: SocketAddr) -> Result<Self, Failure> {
        let socket = vantage.udp_socket(peer.is_ipv6())?;
        socket.connect(peer).await.map_err(|error| Failure::from_io(&error))?;
        Ok(Self { socket, peer, noted: Mutex::default(), news: Notify::new(), sent: Notify::new() })
    }

    /// Waits for what the network says of the peer.
    pub(super) async fn refused(&self) -> Failure {
        loop {
            let news = self.news.notified();
            if let Some(failure) = self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return failure;
            }
            news.await;
        }
    }

    /// Waits for the next datagram to leave.
    pub(super) fn sent(&self) -> Notified<'_> {
        self.sent.notified()
    }

    fn note(&self, error: &io::Error) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| Failure::from_io(error));
        self.news.notify_waiters();
    }
}

impl AsyncUdpSocket for Datagrams {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.socket.try_send(transmit.contents) {
            Ok(_) => {
                self.sent.notify_waiters();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            // A datagram that cannot leave is a lost one to the library.
            Err(error) => {
                self.note(&error);
                Ok(())
            }
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else { return Poll::Ready(Ok(0)) };
        for _ in 0..ERRORS_AT_ONCE {
            let mut read = ReadBuf::new(buffer);
            match ready!(self.socket.poll_recv(cx, &mut read)) {
                Ok(()) => {
                    let len = read.filled().len();
                    *meta = RecvMeta { addr: self.peer, len, stride: len.max(1), ecn: None, dst_ip: None };
                    return Poll::Ready(Ok(1));
                }
                Err(error) => self.note(&error),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Waits until the socket takes datagrams again. One connection uses it, so the one place for a waker is enough.
#[derive(Debug)]
struct Writable(Arc<Datagrams>);

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.socket.poll_send_ready(cx)
    }
}
