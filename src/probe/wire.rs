//! A stream that notes how the transport under it ended.
//!
//! TLS and HTTP libraries wrap, translate or drop the errors of the transport, each in its own way. What the
//! network itself did (a reset, an end) is therefore noted where it happens.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::model::Failure;

/// How the transport ended, if it has: the first thing that happened to it. And the first byte that came.
#[derive(Debug, Clone, Default)]
pub(super) struct WireNotes(Arc<Mutex<Option<Failure>>>, Arc<OnceLock<u8>>);

impl WireNotes {
    pub(super) fn ended(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first byte of the peer; None while nothing came.
    pub(super) fn first_byte(&self) -> Option<u8> {
        self.1.get().copied()
    }

    fn note(&self, failure: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }
}

/// The noting stream.
pub(super) struct Wire<S> {
    inner: S,
    notes: WireNotes,
}

impl<S> Wire<S> {
    pub(super) fn new(inner: S) -> (Self, WireNotes) {
        let notes = WireNotes::default();
        (Self { inner, notes: notes.clone() }, notes)
    }

    fn noted<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result {
            self.notes.note(Failure::from_io(error));
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining());
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if matches!(result, Poll::Ready(Ok(()))) && room > 0 && buf.filled().len() == before {
            self.notes.note(Failure::Eof);
        }
        if let Some(first) = buf.filled().get(before) {
            self.notes.1.get_or_init(|| *first);
        }
        self.noted(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.noted(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.noted(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn the_end_is_noted_and_data_is_not() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut wire, notes) = Wire::new(near);
        far.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 5];
        wire.read_exact(&mut buffer).await.unwrap();
        assert_eq!((notes.ended(), notes.first_byte()), (None, Some(b'h')));
        drop(far);
        assert_eq!(wire.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(notes.ended(), Some(Failure::Eof));
        assert!(wire.write_all(b"x").await.is_err());
        assert_eq!(notes.ended(), Some(Failure::Eof), "the first note stays");
    }
}
