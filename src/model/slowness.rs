//! How much slower than usual: the figures by which throttling is told from an ordinary bad day.
//!
//! Judge and detector compare with the same figures, so that what opens a span and what closes it fit together.
//! Changing one of them is a change of the rule set.

use super::labels::labels;
use super::{Elapsed, Pace};

labels! {
    /// A part of an exchange in which throttling shows.
    "part of a pace"
    pub enum PacePart {
        /// The TLS handshake: the first exchange after the site's name has passed the censor.
        Handshake => "handshake",
        /// The time until the answer's head.
        FirstByte => "first_byte",
        /// Bytes of the body by time.
        Goodput => "goodput",
    }
}

/// A time below this is never called slow. Two lost packets in a row cost a handshake less than a second (after the TCP
/// handshake the first waits are some 0.2 and 0.4 s, RFC 6298 as systems do it); throttled handshakes were reported with
/// medians of 2 to 4 s (OONI on Kazakhstan, 2023-04-28), so nearly all of them are above it.
pub const SLOW_TIME: Elapsed = Elapsed::from_micros(1_000_000);
/// A rate above this, bytes per second, is never called slow: twice what is reported of policing (130 to 150 kbit/s, Xue
/// et al., IMC 2021), and below what a page of 32 KiB gets on any ordinary line.
const SLOW_RATE: f64 = 32.0 * 1024.0;
/// How many times longer than usual a time must be. The times of an ordinary line vary log-normally with a deviation of
/// about 1.5 times: 8 times is five deviations. The reported cases are 10 to 40 times.
pub const TIMES_SLOWER: f64 = 8.0;
/// The same for rates. Here the bound above does most of the work: small pages never get far beyond slow start, so even a
/// line that is throttled to 17 kB/s is only 6 times slower than usual for them.
const RATE_TIMES_SLOWER: f64 = 5.0;
/// Slower by less than half of that is ordinary, and so is what is beyond the bounds by twice.
const ORDINARY: f64 = 0.5;
/// Others must be so many times faster to show that they do not share the slowness, and twice as many times if they are
/// themselves not far from slow: a server that is overloaded answers a near control faster than us, and slowly all the
/// same.
const NOT_SHARED: f64 = 4.0;
/// A TCP handshake shorter than this shows no congested line, however it compares with the usual one.
const LINE_TIME: Elapsed = Elapsed::from_micros(100_000);

/// One part of a pace against what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slowness {
    /// Which part.
    pub part: PacePart,
    /// Now: seconds, or bytes per second.
    pub here: f64,
    /// Usually, in the same unit; None when not known.
    pub usual: Option<f64>,
    /// How many times longer than usual the TCP handshake took, at least 1: so much the line itself explains.
    pub line: f64,
}

impl Pace {
    /// The part in seconds or bytes per second.
    pub fn part(&self, part: PacePart) -> Option<f64> {
        match part {
            PacePart::Handshake => self.handshake.map(Elapsed::as_seconds),
            PacePart::FirstByte => self.first_byte.map(Elapsed::as_seconds),
            PacePart::Goodput => self.bytes_per_second,
        }
    }

    /// Each part in which throttling would show, against what is usual. Over TLS the censor has read the site's name
    /// before the handshake's answer, so a first byte that is late after a prompt handshake is the server's own thinking:
    /// it counts in clear text only.
    pub fn against(&self, usual: &Self) -> impl Iterator<Item = Slowness> + use<> {
        let line = match (self.connect, usual.connect) {
            (Some(here), Some(usual)) if here >= LINE_TIME => {
                (here.as_seconds() / usual.as_seconds().max(1e-4)).max(1.0)
            }
            _ => 1.0,
        };
        let (pace, usual) = (*self, *usual);
        let first = if pace.handshake.is_some() { PacePart::Handshake } else { PacePart::FirstByte };
        [first, PacePart::Goodput]
            .into_iter()
            .filter_map(move |part| Some(Slowness { part, here: pace.part(part)?, usual: usual.part(part), line }))
    }
}

impl Slowness {
    /// How many times slower than usual; None when the usual pace is not known.
    pub fn times(&self) -> Option<f64> {
        self.usual.map(|usual| self.part.times(self.here, usual))
    }

    /// Slow by itself, and many times slower than usual beyond what the line explains.
    pub fn is_large(&self) -> bool {
        let enough = if self.part == PacePart::Goodput { RATE_TIMES_SLOWER } else { TIMES_SLOWER };
        self.is_slow() && self.times().is_some_and(|times| times / self.line >= enough)
    }

    /// Slow by itself, whatever is usual.
    pub fn is_slow(&self) -> bool {
        self.part.is_slow(self.here)
    }

    /// Worth asking others: far off what is usual, or slow without anything better ever having been seen.
    pub fn is_remarkable(&self) -> bool {
        if self.has_fast_usual() { self.is_large() } else { self.is_slow() }
    }

    /// Clearly not throttled. Between this and `is_large` lies a grey zone that says neither.
    pub fn is_ordinary(&self) -> bool {
        if !self.has_fast_usual() {
            return !self.is_slow();
        }
        let enough = ORDINARY * if self.part == PacePart::Goodput { RATE_TIMES_SLOWER } else { TIMES_SLOWER };
        // A lost first packet makes the line look bad for once; that is no sign of recovery, so the line explains nothing.
        self.part.is_prompt(self.here) || self.times().is_some_and(|times| times < enough)
    }

    /// Whether `other`'s pace in the same part shows that it does not share the slowness; None when it does not tell.
    pub fn is_shared_with(&self, other: &Pace) -> Option<bool> {
        let theirs = other.part(self.part)?;
        let enough = if self.part.is_prompt(theirs) { NOT_SHARED } else { 2.0 * NOT_SHARED };
        Some(self.part.is_slow(theirs) || self.part.times(self.here, theirs) < enough)
    }

    fn has_fast_usual(&self) -> bool {
        self.usual.is_some_and(|usual| !self.part.is_slow(usual))
    }
}

impl PacePart {
    fn is_slow(self, value: f64) -> bool {
        if self == Self::Goodput { value <= SLOW_RATE } else { value >= SLOW_TIME.as_seconds() }
    }

    /// Beyond the bound of what is slow by twice.
    fn is_prompt(self, value: f64) -> bool {
        if self == Self::Goodput { value >= SLOW_RATE / ORDINARY } else { value <= SLOW_TIME.as_seconds() * ORDINARY }
    }

    /// How many times slower `here` is than `there`.
    fn times(self, here: f64, there: f64) -> f64 {
        let (more, less) = if self == Self::Goodput { (there, here) } else { (here, there) };
        more / less.max(1e-6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(connect: u64, handshake: u64, first: u64, rate: f64) -> Pace {
        let ms = |ms: u64| (ms > 0).then(|| Elapsed::from_micros(ms * 1000));
        Pace {
            connect: ms(connect),
            handshake: ms(handshake),
            first_byte: ms(first),
            bytes_per_second: (rate > 0.0).then_some(rate),
        }
    }

    /// Against a usual 80 ms, 160 ms, 200 ms and 200 kB/s.
    fn seen(here: Pace) -> (Vec<&'static str>, bool) {
        let usual = pace(80, 160, 200, 200e3);
        let large = here.against(&usual).filter(Slowness::is_large).map(|slow| slow.part.as_str()).collect();
        (large, here.against(&usual).all(|slow| slow.is_ordinary()))
    }

    #[test]
    fn only_what_is_slow_by_itself_and_by_comparison_is_large() {
        for (here, large, ordinary) in [
            (pace(80, 160, 200, 200e3), vec![], true),
            (pace(85, 900, 200, 0.0), vec![], false),
            (pace(85, 1200, 200, 0.0), vec![], false),
            (pace(85, 1300, 200, 0.0), vec!["handshake"], false),
            (pace(85, 400, 200, 33e3), vec![], false),
            (pace(85, 400, 200, 17e3), vec!["goodput"], false),
            (pace(85, 3000, 200, 17e3), vec!["handshake", "goodput"], false),
            // The server thinks; the handshake was prompt.
            (pace(85, 160, 9000, 200e3), vec![], true),
            // In clear text there is no handshake to go by.
            (pace(85, 0, 9000, 0.0), vec!["first_byte"], false),
            // The line is slower by as much.
            (pace(1100, 3000, 200, 0.0), vec![], false),
        ] {
            assert_eq!(seen(here), (large, ordinary), "{here:?}");
        }
    }

    #[test]
    fn a_short_connect_time_shows_no_congestion() {
        let usual = pace(2, 100, 100, 0.0);
        assert!(pace(30, 2000, 100, 0.0).against(&usual).all(|slow| slow.is_large()));
    }

    #[test]
    fn without_a_usual_pace_only_what_is_slow_by_itself_is_remarkable() {
        let slow = |here: Pace, usual| here.against(&usual).any(|slow| slow.is_remarkable());
        let (fast, sluggish) = (pace(80, 160, 200, 0.0), pace(80, 2500, 200, 0.0));
        assert!(!slow(fast, Pace::default()) && slow(sluggish, Pace::default()));
        assert!(slow(sluggish, fast));
        // It was never better: the question stays open.
        assert!(slow(sluggish, sluggish) && !sluggish.against(&sluggish).any(|slow| slow.is_large()));
        assert!(sluggish.against(&sluggish).all(|slow| !slow.is_ordinary()));
    }

    #[test]
    fn others_share_it_unless_they_are_much_faster() {
        let slow = pace(80, 3000, 200, 16e3);
        let of = |other: Pace| slow.against(&fast()).map(|slow| slow.is_shared_with(&other)).collect::<Vec<_>>();
        fn fast() -> Pace {
            pace(80, 160, 200, 200e3)
        }
        assert_eq!(of(fast()), [Some(false), Some(false)]);
        assert_eq!(of(pace(80, 900, 200, 0.0)), [Some(true), None]);
        assert_eq!(of(pace(80, 600, 200, 100e3)), [Some(true), Some(false)], "5 times, but not prompt itself");
        assert_eq!(of(pace(80, 200, 200, 40e3)), [Some(false), Some(true)]);
    }
}
