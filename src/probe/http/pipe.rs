//! A connection under a type without a lifetime in it, which the HTTP/2 client's executor bound needs, and of which no more
//! than so many bytes are read: whatever a server sends before, between or around what was asked for (RFC 9110 section
//! 15.2, RFC 9113 section 10.5), it ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::vantage::Connection;

/// The connection itself.
pub(super) struct Pipe {
    connection: Connection,
    /// Bytes that may still be read.
    left: u64,
}

impl Pipe {
    pub(super) fn new(connection: Connection, most: u64) -> Self {
        Self { connection, left: most }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the server sends without end")));
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut self.connection).poll_read(cx, buf);
        self.left = self.left.saturating_sub((buf.filled().len() - before) as u64);
        result
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
