//! Shifting of due times, so that rounds neither march in step with each other nor can be predicted by a censor.

use std::time::Duration;

/// A source of numbers between 0 (included) and 1 (excluded).
pub trait Chance {
    /// The next number.
    fn draw(&mut self) -> f64;
}

/// A small generator (xorshift64*, Vigna 2016): enough for spreading probes, not for secrets.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// A generator that always gives the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed | 1)
    }
}

impl Chance for Jitter {
    fn draw(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// `length` shifted by at most `share` of itself to either side.
pub(super) fn shifted(length: Duration, share: f64, chance: &mut impl Chance) -> Duration {
    length.mul_f64((1.0 + share * (2.0 * chance.draw() - 1.0)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_between_zero_and_one_and_are_spread() {
        let mut jitter = Jitter::seeded(7);
        let drawn: Vec<f64> = (0..10_000).map(|_| jitter.draw()).collect();
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = drawn.iter().sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }

    #[test]
    fn a_shift_stays_within_its_share() {
        let mut jitter = Jitter::seeded(7);
        for _ in 0..1000 {
            let length = shifted(Duration::from_secs(60), 0.1, &mut jitter);
            assert!((54.0..=66.0).contains(&length.as_secs_f64()), "{length:?}");
        }
    }
}
