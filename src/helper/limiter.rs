//! How often one asker may ask.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use ipnet::IpNet;

/// Networks remembered before those that have been quiet are forgotten.
const REMEMBERED: usize = 10_000;
/// Checks between two looks at how many are remembered.
const LOOK_EVERY: u32 = 1024;

/// Counts requests by the asker's network: whoever has one address of a /24, or of an IPv6 /56, has the others too.
pub(super) struct Limiter {
    networks: DefaultKeyedRateLimiter<IpNet>,
    clock: DefaultClock,
    checks: AtomicU32,
}

impl Limiter {
    /// At most `per_minute` requests a minute from one network, all of them at once if need be.
    pub(super) fn new(per_minute: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self {
            networks: DefaultKeyedRateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            checks: AtomicU32::new(0),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When it is one too many: how long to wait.
    pub(super) fn check(&self, network: IpNet) -> Result<(), Duration> {
        if self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK_EVERY) && self.networks.len() > REMEMBERED {
            self.networks.retain_recent();
        }
        self.networks.check_key(&network).map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::network_of;

    #[test]
    fn neighbours_share() {
        let network = |text: &str| network_of(text.parse().unwrap());
        let limiter = Limiter::new(2);
        assert!(limiter.check(network("192.0.2.1")).is_ok());
        assert!(limiter.check(network("192.0.2.2")).is_ok());
        let wait = limiter.check(network("192.0.2.3")).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(30), "{wait:?}");
        assert!(limiter.check(network("192.0.3.1")).is_ok());
    }
}
