//! A world with a truth: when the site is blocked, and what else goes wrong. All in milliseconds since its beginning.

use blockspan::schedule::{Chance, Jitter};

/// Seconds in milliseconds.
pub(crate) const SECOND: i64 = 1000;
/// A minute in milliseconds.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// An hour in milliseconds.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// A day in milliseconds.
pub(crate) const DAY: i64 = 24 * HOUR;
/// A year in milliseconds.
pub(crate) const YEAR: i64 = 31_557_600 * SECOND;

/// How long a probe waits before it calls silence a failure.
pub(crate) const PATIENCE: i64 = 10 * SECOND;
/// How long a probe takes that is answered.
pub(crate) const ANSWER: i64 = SECOND;
/// Canaries asked.
pub(crate) const CANARIES: usize = 3;

/// What goes wrong besides blocking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Chance that any single probe fails by itself: of the site, of the control, of a canary.
    pub(crate) loss: f64,
    /// Loss in bursts on the vantage's path: mean clear time, mean burst.
    pub(crate) bursts: Option<(i64, i64)>,
    /// Chance that a probe within a burst is lost: 1 when the line is dead, less when it is only bad.
    pub(crate) burst_loss: f64,
    /// The site's own outages: mean time up, mean time down.
    pub(crate) site: Option<(i64, i64)>,
    /// The control's outages.
    pub(crate) control: Option<(i64, i64)>,
    /// The vantage has no network for so long at the end of each day.
    pub(crate) nightly: i64,
    /// The prober is stopped and started again: mean time running, mean time stopped.
    pub(crate) stops: Option<(i64, i64)>,
}

/// Nothing goes wrong.
pub(crate) const QUIET: Noise = Noise {
    name: "none",
    loss: 0.0,
    bursts: None,
    burst_loss: 1.0,
    site: None,
    control: None,
    nightly: 0,
    stops: None,
};

/// The noises of the promises, each alone and all at once. Bursts hit 2 % of the probes, six minutes on average.
pub(crate) const NOISES: &[Noise] = &[
    QUIET,
    Noise { name: "5 % of single probes", loss: 0.05, ..QUIET },
    Noise { name: "bursts, line dead", bursts: Some((294 * MINUTE, 6 * MINUTE)), ..QUIET },
    Noise { name: "bursts, nine of ten lost", bursts: Some((294 * MINUTE, 6 * MINUTE)), burst_loss: 0.9, ..QUIET },
    Noise { name: "bursts, half lost", bursts: Some((294 * MINUTE, 6 * MINUTE)), burst_loss: 0.5, ..QUIET },
    Noise { name: "site out 10 min a day", site: Some((DAY, 10 * MINUTE)), ..QUIET },
    Noise { name: "site flaps, 40 s up, 40 s down", site: Some((40 * SECOND, 40 * SECOND)), ..QUIET },
    Noise { name: "control out 1 h a day", loss: 0.05, control: Some((23 * HOUR, HOUR)), ..QUIET },
    Noise { name: "vantage out 1 h a day", nightly: HOUR, ..QUIET },
    Noise { name: "prober stopped 20 min a day, restarted", stops: Some((DAY, 20 * MINUTE)), ..QUIET },
    ALL,
];

/// All at once.
pub(crate) const ALL: Noise = Noise {
    name: "all at once",
    loss: 0.05,
    bursts: Some((294 * MINUTE, 6 * MINUTE)),
    burst_loss: 0.9,
    site: Some((DAY, 10 * MINUTE)),
    control: Some((23 * HOUR, HOUR)),
    nightly: HOUR,
    stops: Some((DAY, 20 * MINUTE)),
};

/// A block: from when to when, and the share of probes that it stops.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    /// The first instant at which it is in force.
    pub(crate) from: i64,
    /// The first instant at which it is not any more.
    pub(crate) to: i64,
    /// 1 for a full block; less when only some addresses or some paths are blocked.
    pub(crate) share: f64,
}

/// What one probe of the site finds, with what control and canaries say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sighting {
    /// The probe fails.
    pub(crate) fails: bool,
    /// The control: reached, not reached, or could not be asked.
    pub(crate) control: Control,
    /// Canaries that answer.
    pub(crate) canaries: usize,
}

/// What the control finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Control {
    /// The site.
    Reaches,
    /// The site does not answer it either.
    Fails,
    /// It could not be asked.
    Unusable,
}

/// Something that is up and down by turns, each for an exponentially distributed time.
struct Turns {
    means: Option<(i64, i64)>,
    down: bool,
    until: i64,
}

impl Turns {
    fn new(means: Option<(i64, i64)>, chance: &mut Jitter) -> Self {
        let until = means.map_or(i64::MAX, |(up, _)| exponential(up, chance));
        Self { means, down: false, until }
    }

    /// Whether it is down at `now`; asked in order of time.
    fn is_down(&mut self, now: i64, chance: &mut Jitter) -> bool {
        while let Some((up, down)) = self.means.filter(|_| now >= self.until) {
            self.down = !self.down;
            self.until += exponential(if self.down { down } else { up }, chance);
        }
        self.down
    }
}

fn exponential(mean: i64, chance: &mut Jitter) -> i64 {
    (-(1.0 - chance.draw()).ln() * mean as f64) as i64 + 1
}

/// The world.
pub(crate) struct World {
    noise: Noise,
    block: Option<Block>,
    bursts: Turns,
    site: Turns,
    control: Turns,
    stops: Turns,
    chance: Jitter,
}

impl World {
    /// A world with one block or none.
    pub(crate) fn new(noise: Noise, block: Option<Block>, seed: u64) -> Self {
        let mut chance = Jitter::seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d);
        for _ in 0..8 {
            chance.draw();
        }
        Self {
            noise,
            block,
            bursts: Turns::new(noise.bursts, &mut chance),
            site: Turns::new(noise.site, &mut chance),
            control: Turns::new(noise.control, &mut chance),
            stops: Turns::new(noise.stops, &mut chance),
            chance,
        }
    }

    /// When the prober, stopped at `now`, is started again; None while it runs.
    pub(crate) fn stopped(&mut self, now: i64) -> Option<i64> {
        self.stops.is_down(now, &mut self.chance).then_some(self.stops.until)
    }

    /// A probe that begins at `now`, and how long it takes. Probes come in order of time and do not overlap. What fails
    /// is silent, so control and canaries are asked when the probe has given up.
    pub(crate) fn probe(&mut self, now: i64) -> (Sighting, i64) {
        let blocked = self.block.filter(|block| (block.from..block.to).contains(&now));
        let fails = self.lost(now)
            || self.site.is_down(now, &mut self.chance)
            || blocked.is_some_and(|block| self.chance.draw() < block.share);
        if !fails {
            return (Sighting { fails, control: Control::Reaches, canaries: CANARIES }, ANSWER);
        }
        let later = now + PATIENCE;
        let control = if self.control.is_down(later, &mut self.chance) {
            Control::Unusable
        } else if self.site.is_down(later, &mut self.chance) || self.chance.draw() < self.noise.loss {
            Control::Fails
        } else {
            Control::Reaches
        };
        let canaries = (0..CANARIES).filter(|_| !self.lost(later)).count();
        (Sighting { fails, control, canaries }, PATIENCE)
    }

    /// Whether a single probe from the vantage is lost on its own path.
    fn lost(&mut self, now: i64) -> bool {
        let nightly = now.rem_euclid(DAY) >= DAY - self.noise.nightly;
        let burst = self.bursts.is_down(now, &mut self.chance) && self.chance.draw() < self.noise.burst_loss;
        nightly || burst || self.chance.draw() < self.noise.loss
    }
}
