//! Time that goes on while the machine sleeps, unlike the runtime's own.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::detect::Reading;
use crate::model::Timestamp;

/// Time since the machine was started, its sleep included. No step of the wall clock moves it.
pub(super) fn since_boot() -> Duration {
    // Every kernel that this runs on has this clock.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// The clocks now.
pub(super) fn reading() -> Reading {
    Reading { wall: Timestamp::now(), since_boot: since_boot() }
}

/// When something was learnt. Its age is told by the runtime's clock and by one that no sleep of the machine stops,
/// whichever went further: what was said before the lid was closed is not fresh when it is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    at: Instant,
    since_boot: Duration,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), since_boot: since_boot() }
    }

    /// Time from `earlier` to this moment.
    pub(super) fn since(self, earlier: Self) -> Duration {
        let slept_through = self.since_boot.saturating_sub(earlier.since_boot);
        self.at.saturating_duration_since(earlier.at).max(slept_through)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn age_goes_on_by_either_clock() {
        let learnt = Moment::now();
        tokio::time::advance(Duration::from_secs(9)).await;
        let now = Moment::now();
        assert_eq!(now.since(learnt).as_secs(), 9);
        let woken = Moment { since_boot: learnt.since_boot + Duration::from_secs(8 * 3600), ..now };
        assert_eq!(woken.since(learnt).as_secs(), 8 * 3600);
        assert_eq!(learnt.since(now), Duration::ZERO);
    }
}
