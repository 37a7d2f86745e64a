//! Answers that something lasts with: a turn, a place, until they are sent or given up.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

/// Bytes that are handed on at once. The library holds back what it cannot write yet, and lets go of an answer when it has
/// taken the last of it: so that is never much.
const SLICE: usize = 16 * 1024;

/// The body of an answer, and what is over when it is sent.
pub(super) struct Answer<U> {
    body: Body,
    /// What is made of it and not handed on.
    rest: Bytes,
    _until: U,
}

impl<U> Answer<U> {
    /// What is sent, and what lasts until then.
    pub(super) fn new(body: Body, until: U) -> Self {
        Self { body, rest: Bytes::new(), _until: until }
    }
}

impl<U: Unpin> hyper::body::Body for Answer<U> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(other)) => return Poll::Ready(Some(Ok(other))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(SLICE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyper::body::Body as _;

    use super::*;

    #[tokio::test]
    async fn what_lasts_with_a_large_answer_lasts_until_all_of_it_is_handed_on() {
        let place = Arc::new(());
        let mut answer = Answer::new(Body::from(vec![7; 3 * SLICE - 1]), Arc::clone(&place));
        assert_eq!(answer.size_hint().exact(), Some(3 * SLICE as u64 - 1));
        let mut lengths = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await {
            lengths.push(frame.unwrap().into_data().unwrap().len());
            assert_eq!(Arc::strong_count(&place), 2);
        }
        assert_eq!(lengths, [SLICE, SLICE, SLICE - 1]);
        assert!(answer.is_end_stream());
        drop(answer);
        assert_eq!(Arc::strong_count(&place), 1);
    }
}
