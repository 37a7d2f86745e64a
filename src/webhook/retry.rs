//! When a message that was not taken is sent again. Pure.

use std::time::Duration;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(3600);

/// The wait after `failures` failures in a row: doubled each time, spread by a fifth so that many senders do not come at
/// one time. `luck` is from 0 to 1. What the receiver asks for (`Retry-After`) counts when it is longer, up to an hour.
pub(super) fn wait(first: Duration, failures: u32, luck: f64, asked: Option<Duration>) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let spread = doubled.min(LONGEST).mul_f64(0.8 + 0.4 * luck.clamp(0.0, 1.0));
    spread.max(asked.unwrap_or_default()).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_an_hour_and_listen_to_the_receiver() {
        let first = Duration::from_secs(5);
        let seconds = |failures, luck, asked: Option<u64>| {
            wait(first, failures, luck, asked.map(Duration::from_secs)).as_secs_f64()
        };
        for (failures, luck, asked, expected) in [
            (1, 0.5, None, 5.0),
            (1, 0.0, None, 4.0),
            (1, 1.0, None, 6.0),
            (4, 0.5, None, 40.0),
            (40, 0.5, None, 3600.0),
            (u32::MAX, 1.0, None, 3600.0),
            (1, 0.5, Some(120), 120.0),
            (1, 0.5, Some(1), 5.0),
            (1, 0.5, Some(1_000_000), 3600.0),
        ] {
            assert_eq!(seconds(failures, luck, asked), expected, "{failures} {luck} {asked:?}");
        }
    }
}
