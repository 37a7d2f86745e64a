//! Slowing a connection down, as a throttling box does: packets over the rate are dropped, and all may be delayed or lost.

use crate::scenario::Throttle;

/// One direction of one throttled connection.
#[derive(Debug, Clone)]
pub(crate) struct Police {
    throttle: Throttle,
    /// Bytes that may pass now.
    tokens: f64,
    filled_at: f64,
    packets: u64,
}

impl Police {
    /// Starts with a full bucket.
    pub(crate) fn new(throttle: Throttle, now: f64) -> Self {
        Self { throttle, tokens: f64::from(throttle.burst_bytes), filled_at: now, packets: 0 }
    }

    /// Whether a packet with this much payload passes at `now`, and the seconds that it is held up then. A packet
    /// without payload costs nothing: acknowledgements pass a policer of payload rates.
    pub(crate) fn pass(&mut self, payload: usize, now: f64) -> Option<f64> {
        self.packets += 1;
        if chance(self.packets) < self.throttle.loss {
            return None;
        }
        if let Some(rate) = self.throttle.bytes_per_second {
            let filled = self.tokens + f64::from(rate) * (now - self.filled_at);
            (self.tokens, self.filled_at) = (filled.min(f64::from(self.throttle.burst_bytes)), now);
            let cost = payload as f64;
            if cost > self.tokens {
                return None;
            }
            self.tokens -= cost;
        }
        Some(f64::from(self.throttle.delay_ms) / 1000.0)
    }
}

/// A number in [0, 1) that looks random and is always the same for the same packet of a connection (splitmix64), so that
/// a scenario loses the same packets in every run.
fn chance(number: u64) -> f64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
