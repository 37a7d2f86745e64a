//! Who keeps the server waiting: connections that have not sent the head of a request. Where all places are taken, the one that
//! has waited longest gives up its own, so that nobody holds the server by saying nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// All connections that are waited for, in the order in which the waiting began.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waited_for: BTreeMap<u64, CancellationToken>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, cut: &CancellationToken) -> u64 {
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waited_for.insert(number, cut.clone());
        drop(queue);
        self.more.notify_one();
        number
    }
}

impl Waiting {
    /// A connection that has just begun.
    pub(super) fn guest(&self) -> Arc<Guest> {
        let cut = CancellationToken::new();
        let number = Mutex::new(Some(self.0.enter(&cut)));
        Arc::new(Guest { cut, number, of: Arc::clone(&self.0) })
    }

    /// Cuts off whoever has been waited for longest, as soon as there is someone.
    pub(super) async fn cut_oldest(&self) {
        loop {
            let oldest = self.0.queue().waited_for.pop_first();
            if let Some((_, cut)) = oldest {
                return cut.cancel();
            }
            self.0.more.notified().await;
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Guest {
    /// Cancelled when the connection is to give up its place.
    pub(super) cut: CancellationToken,
    /// Its number while it is waited for.
    number: Mutex<Option<u64>>,
    of: Arc<Shared>,
}

impl Guest {
    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of a request has come: it is served until the answer is sent, but for the last slices.
    pub(super) fn served(self: &Arc<Self>) -> Served {
        if let Some(number) = self.number().take() {
            self.of.queue().waited_for.remove(&number);
        }
        Served(Arc::clone(self))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(number) = self.number().take() {
            self.of.queue().waited_for.remove(&number);
        }
    }
}

/// While it lives, a request of a connection is under way; then the next one is waited for.
#[derive(Debug)]
pub(super) struct Served(Arc<Guest>);

impl Drop for Served {
    fn drop(&mut self) {
        let number = self.0.of.enter(&self.0.cut);
        *self.0.number() = Some(number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use axum::body::Body;
    use hyper::body::Body as _;

    use super::super::answer::Answer;
    use super::*;

    #[tokio::test]
    async fn whoever_has_been_waited_for_longest_is_cut_off_first() {
        let waiting = Waiting::default();
        let (first, second, third) = (waiting.guest(), waiting.guest(), waiting.guest());
        let served = first.served();
        waiting.cut_oldest().await;
        assert!(second.cut.is_cancelled() && !first.cut.is_cancelled() && !third.cut.is_cancelled());
        drop(served);
        waiting.cut_oldest().await;
        assert!(third.cut.is_cancelled() && !first.cut.is_cancelled(), "its next request is waited for since later");
        waiting.cut_oldest().await;
        assert!(first.cut.is_cancelled());
    }

    #[tokio::test]
    async fn a_large_answer_is_under_way_until_it_is_handed_on() {
        let waiting = Waiting::default();
        let guest = waiting.guest();
        let mut answer = Answer::new(Body::from(vec![7; 50_000]), guest.served());
        let mut frames = 0;
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await {
            assert!(frame.is_ok() && guest.number().is_none(), "it is not waited for");
            frames += 1;
        }
        assert!(frames > 1);
        drop(answer);
        assert!(guest.number().is_some());
    }

    #[tokio::test]
    async fn nobody_is_cut_off_who_is_served_or_gone() {
        let waiting = Waiting::default();
        let guest = waiting.guest();
        drop(waiting.guest());
        let served = guest.served();
        let mut cutting = std::pin::pin!(waiting.cut_oldest());
        assert!(futures_util::poll!(cutting.as_mut()).is_pending());
        assert!(!guest.cut.is_cancelled());
        drop(served);
        cutting.await;
        assert!(guest.cut.is_cancelled());
    }
}
