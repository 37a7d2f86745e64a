//! Packets that wait for their time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::packet::Packet;

/// Packets by the second at which they go on; those of one instant in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: BinaryHeap<Reverse<Waiting>>,
    count: u64,
}

#[derive(Debug)]
struct Waiting {
    due: f64,
    number: u64,
    packet: Packet,
}

impl Queue {
    /// Lets `packet` wait until `due`.
    pub(crate) fn put(&mut self, due: f64, packet: Packet) {
        self.count += 1;
        self.waiting.push(Reverse(Waiting { due, number: self.count, packet }));
    }

    /// When the next packet is due.
    pub(crate) fn next_due(&self) -> Option<f64> {
        self.waiting.peek().map(|Reverse(first)| first.due)
    }

    /// The next packet that is due at `now`.
    pub(crate) fn take(&mut self, now: f64) -> Option<Packet> {
        if self.next_due()? > now {
            return None;
        }
        self.waiting.pop().map(|Reverse(first)| first.packet)
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.due.total_cmp(&other.due).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}
