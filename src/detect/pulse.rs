//! Whether time went on as it should between two looks at the clocks: a machine that slept, a process that was halted, a
//! wall clock that was stepped.

use std::time::Duration;

use crate::model::{ClockStep, Timestamp};

/// The clocks at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Timestamp,
    /// Time since the machine was started, sleep included (CLOCK_BOOTTIME); no step of the wall clock moves it.
    pub since_boot: Duration,
}

/// What a look at the clocks tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing ran from the one instant to the other, in terms of the present wall clock.
    Asleep {
        /// The last look before.
        from: Timestamp,
        /// The first look after.
        to: Timestamp,
    },
    /// The wall clock was stepped.
    Stepped(ClockStep),
}

/// The look at the clocks is due so often.
pub const EVERY: Duration = Duration::from_secs(5);
/// A look that comes so much too late means that nothing ran: a machine under load is late by seconds.
pub const HALTED: Duration = Duration::from_secs(30);
/// A wall clock that gains or loses more than this between two looks was stepped; NTP slews by at most 500 parts in a
/// million, which is 2.5 ms in five seconds.
const STEP: Duration = Duration::from_secs(1);

/// The last look at the clocks.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    last: Reading,
}

impl Pulse {
    /// The first look.
    pub const fn new(first: Reading) -> Self {
        Self { last: first }
    }

    /// The next look, and what it tells.
    pub fn look(&mut self, now: Reading) -> Vec<Finding> {
        let before = std::mem::replace(&mut self.last, now);
        let passed = now.since_boot.saturating_sub(before.since_boot);
        let mut found = Vec::new();
        let expected = before.wall.plus(passed);
        let by_ms = now.wall.as_unix_ms() - expected.as_unix_ms();
        if by_ms.unsigned_abs() > u64::try_from(STEP.as_millis()).unwrap_or(u64::MAX) {
            found.push(Finding::Stepped(ClockStep { at: now.wall, before: expected, by_ms }));
        }
        if passed > EVERY + HALTED {
            found.push(Finding::Asleep { from: now.wall.minus(passed), to: now.wall });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(wall_s: i64, since_boot_s: u64) -> Reading {
        Reading { wall: Timestamp::from_unix_ms(wall_s * 1000), since_boot: Duration::from_secs(since_boot_s) }
    }

    fn found(wall_s: i64, since_boot_s: u64) -> Vec<Finding> {
        Pulse::new(reading(1000, 100)).look(reading(wall_s, since_boot_s))
    }

    #[test]
    fn ordinary_time_and_a_busy_machine_tell_nothing() {
        for seconds in [0, 1, 5, 34] {
            assert!(found(1000 + seconds, 100 + seconds as u64).is_empty(), "{seconds}");
        }
    }

    #[test]
    fn a_sleep_is_told_with_both_ends() {
        let (from, to) = (Timestamp::from_unix_ms(1_000_000), Timestamp::from_unix_ms(1_600_000));
        assert_eq!(found(1600, 700), [Finding::Asleep { from, to }]);
    }

    #[test]
    fn a_step_is_told_with_its_size_and_is_no_sleep() {
        for by_ms in [3_600_000, -3_600_000, 1_500] {
            let now =
                Reading { wall: Timestamp::from_unix_ms(1_005_000 + by_ms), since_boot: Duration::from_secs(105) };
            let step = ClockStep { at: now.wall, before: Timestamp::from_unix_ms(1_005_000), by_ms };
            assert_eq!(Pulse::new(reading(1000, 100)).look(now), [Finding::Stepped(step)]);
        }
    }

    #[test]
    fn a_sleep_from_which_the_clock_wakes_wrong_is_both() {
        let found = found(5000, 700);
        let wall = Timestamp::from_unix_ms;
        assert_eq!(found[1], Finding::Asleep { from: wall(4_400_000), to: wall(5_000_000) });
        assert!(matches!(found[0], Finding::Stepped(ClockStep { by_ms: 3_400_000, .. })));
    }
}
