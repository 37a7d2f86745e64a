//! No address gets more than a few of our connections at once, however many sites live behind it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections to one address at once: fewer than one browser opens.
const PER_ADDRESS: usize = 4;
/// Addresses remembered before those without a connection are forgotten.
const REMEMBERED: usize = 1024;

/// A gate per address.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<SocketAddr, Arc<Semaphore>>>);

impl Gates {
    /// Waits for a place; it is given back when the permit is dropped.
    pub(super) async fn enter(&self, address: SocketAddr) -> Option<OwnedSemaphorePermit> {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if gates.len() >= REMEMBERED {
                // A permit and a waiter each hold a reference of their own.
                gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            }
            Arc::clone(gates.entry(address).or_insert_with(|| Arc::new(Semaphore::new(PER_ADDRESS))))
        };
        gate.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_one_waits_until_another_leaves() {
        let gates = Gates::default();
        let here = SocketAddr::from(([203, 0, 113, 1], 443));
        let mut inside = Vec::new();
        for _ in 0..PER_ADDRESS {
            inside.push(gates.enter(here).await.unwrap());
        }
        let mut next = Box::pin(gates.enter(here));
        assert!(futures_util::poll!(&mut next).is_pending());
        assert!(gates.enter(SocketAddr::from(([203, 0, 113, 2], 443))).await.is_some());
        inside.pop();
        assert!(futures_util::poll!(&mut next).is_ready());
    }

    #[tokio::test]
    async fn memory_is_bounded_and_keeps_those_in_use() {
        let gates = Gates::default();
        let address = |n: usize| SocketAddr::from(([203, 0, 113, 1], n as u16));
        let _inside = gates.enter(address(0)).await;
        for n in 1..3 * REMEMBERED {
            drop(gates.enter(address(n)).await);
        }
        let gates = gates.0.lock().unwrap();
        assert!(gates.len() <= REMEMBERED && gates.contains_key(&address(0)));
    }
}
