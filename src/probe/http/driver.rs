//! Running the HTTP library's connection beside the exchange, and never longer than it.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

/// Runs `work` to its end while `connection` moves the bytes. The connection is dropped with it.
pub(super) async fn beside<T>(connection: impl Future, work: impl Future<Output = T>) -> T {
    let (mut connection, mut work) = (pin!(connection), pin!(work));
    let mut moving = true;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = &mut connection, if moving => moving = false,
        }
    }
}

/// The background tasks that HTTP/2 wants; they end when this is dropped, so that an abandoned measurement leaves
/// nothing running.
#[derive(Debug, Default)]
pub(super) struct Background(Arc<Mutex<JoinSet<()>>>);

impl Background {
    pub(super) fn spawner(&self) -> Spawner {
        Spawner(Arc::clone(&self.0))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Starts tasks on a [`Background`].
#[derive(Debug, Clone)]
pub(super) struct Spawner(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
            task.await;
        });
    }
}

#[cfg(test)]
mod tests {
    use hyper::rt::Executor;

    use super::*;

    #[tokio::test]
    async fn background_tasks_end_with_their_owner() {
        struct Bell(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Bell {
            fn drop(&mut self) {
                let _ = self.0.take().unwrap().send(());
            }
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let bell = Bell(Some(sender));
        let background = Background::default();
        background.spawner().execute(async move {
            let _bell = bell;
            std::future::pending::<()>().await;
        });
        drop(background);
        receiver.await.unwrap();
    }
}
