//! What a series' pace usually is: a small memory of its good measurements, from which the baseline is taken.
//!
//! It begins by taking in every measurement and thins itself as it fills, until it spans `window`. Nothing enters while
//! a change is being seen or a span is open, so that a throttle never becomes what is usual by lasting long. One that
//! comes on little by little would creep in all the same; therefore the baseline, once it stands, gets slower at most
//! twofold in 30 days, while it gets faster at once. A site that has moved to a slower host is taken for usual when that
//! time has passed (after the half of the window that turns the median); until then control and canaries tell it from a throttle.

use std::time::Duration;

use base64::Engine;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::ThrottlingConfig;
use crate::model::{Baseline, Elapsed, Measurement, Pace, Slowness, Timestamp};

/// Paces kept. Half as many must be enough for a baseline: so many are left after a thinning.
const PLACES: usize = 64;
/// Steps of a code in which a figure doubles: one step is 6 %.
const STEPS_PER_OCTAVE: f64 = 12.0;
/// What the smallest code stands for: 50 µs; 21 doublings above it lie two minutes.
const SMALLEST_TIME: f64 = 50e-6;
/// The same for rates: 64 bytes per second; the largest code is 150 MB/s.
const SMALLEST_RATE: f64 = 64.0;
/// The time in which the baseline may get slower by one step: twofold in 30 days.
const STEP_SLOWER: Duration = Duration::from_secs(30 * 86_400 / 12);
/// Which of the four figures is a rate.
const RATE: usize = 3;

/// The figures of the memory.
#[derive(Debug, Clone, PartialEq)]
pub struct PaceParams {
    /// Whether paces are learnt and told at all.
    pub enabled: bool,
    /// Measurements that a baseline must rest on.
    pub samples: u32,
    /// Time that they must be spread over.
    pub over: Duration,
    /// How far back the memory reaches.
    pub window: Duration,
}

impl PaceParams {
    /// The configured figures.
    pub fn new(config: &ThrottlingConfig) -> Self {
        Self { enabled: config.enabled, samples: config.samples, over: config.over, window: config.window }
    }
}

impl Default for PaceParams {
    fn default() -> Self {
        Self::new(&ThrottlingConfig::default())
    }
}

/// How a pace compares with what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Clearly not throttled.
    Ordinary,
    /// Slower, but not by enough to have asked others.
    Grey,
    /// So much slower that control and canaries were asked; the verdict says what came of it.
    Remarkable,
}

/// A pace in four bytes: connect, handshake, first byte, rate. Each is the logarithm of the figure in twelfths of a
/// doubling, plus one; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Code([u8; 4]);

/// The latest good paces of a series and what is usual by them. About 500 bytes of JSON when full.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct PaceMemory {
    /// Oldest first.
    #[serde(serialize_with = "pack", deserialize_with = "unpack")]
    samples: Vec<Code>,
    /// The first one ever, and the latest.
    since: Option<Timestamp>,
    latest: Option<Timestamp>,
    /// Time between two samples.
    #[serde(rename = "spacing_seconds")]
    spacing: Elapsed,
    /// What is usual: the medians, held back from getting slower too fast.
    usual: Code,
    /// From when the next step is counted by which it may get slower. None while there is no baseline.
    held: Option<Timestamp>,
}

impl PaceMemory {
    /// Nothing has been learnt yet.
    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Takes in the pace of a good measurement at `at`, if its time has come.
    pub(super) fn learn(&mut self, at: Timestamp, pace: &Pace, params: &PaceParams) {
        if !params.enabled {
            return;
        }
        // A clock that stepped back would keep everything waiting until it has caught up.
        self.held = self.held.map(|held| held.min(at));
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        if self.latest.is_some_and(|latest| latest <= at && at.since(latest) < self.spacing.as_duration()) {
            return;
        }
        self.latest = Some(at);
        if self.samples.len() >= PLACES {
            self.make_room(at, params);
        }
        self.samples.push(Code::of(pace));
        self.settle(at, params);
    }

    /// Drops every other sample while the memory does not yet reach back far enough, otherwise the oldest.
    fn make_room(&mut self, at: Timestamp, params: &PaceParams) {
        let widest = params.window / PLACES as u32;
        if self.spacing.as_duration() >= widest {
            self.samples.remove(0);
            return;
        }
        let mut keep = false;
        self.samples.retain(|_| {
            keep = !keep;
            !keep
        });
        let so_far = at.since(self.since.unwrap_or(at));
        self.spacing = (so_far / (PLACES as u32 / 2)).max(Duration::from_millis(1)).min(widest).into();
    }

    /// Works out what is usual.
    fn settle(&mut self, at: Timestamp, params: &PaceParams) {
        let median = Code(std::array::from_fn(|figure| self.median(figure)));
        if !self.is_enough(params) {
            (self.usual, self.held) = (median, None);
            return;
        }
        let Some(held) = self.held else {
            (self.usual, self.held) = (median, Some(at));
            return;
        };
        let steps = u32::try_from(at.since(held).as_secs() / STEP_SLOWER.as_secs()).unwrap_or(u32::MAX);
        self.held = Some(held.plus(STEP_SLOWER.saturating_mul(steps)));
        let steps = u8::try_from(steps).unwrap_or(u8::MAX);
        self.usual = Code(std::array::from_fn(|figure| match (self.usual.0[figure], median.0[figure]) {
            // A figure that comes or goes (the page grew, or shrank below what tells a rate) has nothing to be held to.
            (0, new) => new,
            (_, 0) => 0,
            (old, new) if figure == RATE => new.max(old.saturating_sub(steps).max(1)),
            (old, new) => new.min(old.saturating_add(steps)),
        }));
    }

    /// The median of one figure; 0 when less than half of the samples have it.
    fn median(&self, figure: usize) -> u8 {
        let mut known: Vec<u8> = self.samples.iter().map(|code| code.0[figure]).filter(|code| *code > 0).collect();
        if known.len() * 2 < self.samples.len() {
            return 0;
        }
        known.sort_unstable();
        known.get(known.len() / 2).copied().unwrap_or(0)
    }

    fn is_enough(&self, params: &PaceParams) -> bool {
        let spread = self.since.zip(self.latest).map_or(Duration::ZERO, |(since, latest)| latest.since(since));
        self.samples.len() >= params.samples as usize && spread >= params.over
    }

    /// What is usual. As long as too little is known the pace is empty and only the count tells.
    pub(super) fn baseline(&self, params: &PaceParams) -> Option<Baseline> {
        params.enabled.then(|| Baseline {
            samples: u32::try_from(self.samples.len()).unwrap_or(u32::MAX),
            pace: if self.is_enough(params) { self.usual.pace() } else { Pace::default() },
        })
    }

    /// How the pace of `measurement` compares. One without an answer says nothing against it.
    pub(super) fn look(&self, measurement: &Measurement, params: &PaceParams) -> Look {
        let Some((baseline, pace)) = self.baseline(params).zip(Pace::of(measurement)) else { return Look::Ordinary };
        let parts: Vec<Slowness> = pace.against(&baseline.pace).collect();
        if parts.iter().all(Slowness::is_ordinary) {
            Look::Ordinary
        } else if parts.iter().any(Slowness::is_remarkable) {
            Look::Remarkable
        } else {
            Look::Grey
        }
    }
}

impl Code {
    fn of(pace: &Pace) -> Self {
        let code = |figure: Option<f64>, smallest: f64| {
            figure.map_or(0, |figure| {
                let steps = STEPS_PER_OCTAVE * (figure.max(smallest) / smallest).log2();
                // Within 1 and 255 by the clamp.
                (steps.round() + 1.0).clamp(1.0, 255.0) as u8
            })
        };
        let time = |time: Option<Elapsed>| code(time.map(Elapsed::as_seconds), SMALLEST_TIME);
        Self([
            time(pace.connect),
            time(pace.handshake),
            time(pace.first_byte),
            code(pace.bytes_per_second, SMALLEST_RATE),
        ])
    }

    fn pace(self) -> Pace {
        let figure =
            |code: u8, smallest: f64| (code > 0).then(|| smallest * (f64::from(code - 1) / STEPS_PER_OCTAVE).exp2());
        let time = |code| figure(code, SMALLEST_TIME).map(|time| Duration::from_secs_f64(time).into());
        let [connect, handshake, first_byte, rate] = self.0;
        Pace {
            connect: time(connect),
            handshake: time(handshake),
            first_byte: time(first_byte),
            bytes_per_second: figure(rate, SMALLEST_RATE).map(f64::round),
        }
    }
}

fn pack<S: Serializer>(samples: &[Code], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = samples.iter().flat_map(|code| code.0).collect();
    serializer.serialize_str(&base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes))
}

fn unpack<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Code>, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(text.as_bytes());
    let bytes = bytes.map_err(serde::de::Error::custom)?;
    let (codes, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || codes.len() > PLACES {
        return Err(serde::de::Error::custom("not a memory of paces"));
    }
    Ok(codes.iter().copied().map(Code).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;
    const DAY: u64 = 86_400;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_700_000_000_000).plus(Duration::from_secs(second))
    }

    fn pace(handshake: f64) -> Pace {
        let time = |seconds: f64| Some(Duration::from_secs_f64(seconds).into());
        Pace {
            connect: time(0.08),
            handshake: time(handshake),
            first_byte: time(0.2),
            bytes_per_second: Some(40e3 / handshake),
        }
    }

    /// One measurement a minute from day to day, each with the handshake that `seconds` tells.
    fn live(memory: &mut PaceMemory, days: std::ops::Range<u64>, seconds: impl Fn(f64) -> f64) {
        let params = PaceParams::default();
        for minute in days.start * DAY / MINUTE..days.end * DAY / MINUTE {
            memory.learn(at(minute * MINUTE), &pace(seconds(minute as f64 * 60.0 / DAY as f64)), &params);
        }
    }

    fn usual(memory: &PaceMemory) -> Pace {
        memory.baseline(&PaceParams::default()).unwrap().pace
    }

    fn handshake(memory: &PaceMemory) -> f64 {
        usual(memory).handshake.unwrap().as_seconds()
    }

    fn near(a: f64, b: f64) -> bool {
        (a / b).ln().abs() < 0.09
    }

    #[test]
    fn codes_are_true_to_a_few_per_cent() {
        for seconds in [0.0001, 0.0123, 0.45, 9.8, 60.0] {
            let (here, back) = (pace(seconds), Code::of(&pace(seconds)).pace());
            let ratio = back.handshake.unwrap().as_seconds() / seconds;
            assert!((0.97..1.03).contains(&ratio), "{seconds}: {ratio}");
            let ratio = back.bytes_per_second.unwrap() / here.bytes_per_second.unwrap().clamp(64.0, 1.5e8);
            assert!((0.95..1.05).contains(&ratio), "{seconds}: {ratio}");
        }
        assert_eq!(Code::of(&Pace::default()).pace(), Pace::default());
    }

    #[test]
    fn a_baseline_wants_enough_measurements_over_enough_time() {
        let (mut memory, params) = (PaceMemory::default(), PaceParams::default());
        live(&mut memory, 0..1, |_| 0.2);
        let early = memory.baseline(&params).unwrap();
        assert!(early.samples >= 30 && early.pace == Pace::default(), "{early:?}");
        live(&mut memory, 1..2, |_| 0.2);
        assert!(near(handshake(&memory), 0.2));
        let few = PaceParams { over: Duration::from_secs(1), ..params };
        let mut memory = PaceMemory::default();
        for second in 0..29 {
            memory.learn(at(second), &pace(0.2), &few);
        }
        assert_eq!(memory.baseline(&few).unwrap().pace, Pace::default());
        memory.learn(at(29), &pace(0.2), &few);
        assert!(memory.baseline(&few).unwrap().pace.handshake.is_some());
        assert_eq!(memory.baseline(&PaceParams { enabled: false, ..few }), None);
    }

    #[test]
    fn the_memory_stays_small_and_comes_to_span_its_window() {
        let mut memory = PaceMemory::default();
        for day in 0..60 {
            live(&mut memory, day..day + 1, |_| 0.2);
            assert!(memory.samples.len() <= PLACES && (day < 1 || memory.samples.len() >= 32), "day {day}");
        }
        let spacing = memory.spacing.as_duration().as_secs() / 3600;
        assert_eq!(spacing, 14 * 24 / 64, "hours between two samples");
        let bytes = serde_json::to_string(&memory).unwrap().len();
        assert!(bytes <= 550, "{bytes} bytes");
    }

    #[test]
    fn nights_and_evenings_make_one_median() {
        let mut memory = PaceMemory::default();
        // Three hours of each evening are ten times slower.
        live(&mut memory, 0..20, |day| if day.fract() > 0.8 && day.fract() < 0.925 { 2.0 } else { 0.2 });
        assert!(near(handshake(&memory), 0.2), "{}", handshake(&memory));
    }

    #[test]
    fn what_gets_slower_bit_by_bit_is_still_seen() {
        let mut memory = PaceMemory::default();
        live(&mut memory, 0..20, |_| 0.2);
        // Twice as slow every week: 16 times in four weeks.
        live(&mut memory, 20..48, |day| 0.2 * ((day - 20.0) / 7.0).exp2());
        let times = pace(3.2).against(&usual(&memory)).next().unwrap();
        assert!(times.is_large(), "{times:?}");
        // The rate is held likewise.
        assert!(usual(&memory).bytes_per_second.unwrap() > 200e3 / 2.1);
    }

    #[test]
    fn a_slower_host_becomes_usual_at_twofold_a_month_and_a_faster_one_soon() {
        let mut memory = PaceMemory::default();
        live(&mut memory, 0..20, |_| 0.2);
        // The median follows after half of the window, the baseline at its own pace from then on.
        live(&mut memory, 20..57, |_| 1.6);
        assert!(near(handshake(&memory), 0.4), "{}", handshake(&memory));
        live(&mut memory, 57..120, |_| 1.6);
        assert!(near(handshake(&memory), 1.6), "{}", handshake(&memory));
        live(&mut memory, 120..128, |_| 0.1);
        assert!(near(handshake(&memory), 0.1), "{}", handshake(&memory));
    }

    #[test]
    fn a_clock_that_steps_back_does_not_stop_the_memory() {
        let (mut memory, params) = (PaceMemory::default(), PaceParams::default());
        live(&mut memory, 200..240, |_| 0.2);
        let kept = memory.samples.clone();
        memory.learn(at(100 * DAY), &pace(0.8), &params);
        assert_ne!(memory.samples, kept);
        live(&mut memory, 100..130, |_| 0.1);
        assert!(near(handshake(&memory), 0.1));
    }

    #[test]
    fn a_memory_reads_back_as_it_was() {
        let mut memory = PaceMemory::default();
        live(&mut memory, 0..3, |day| 0.1 + day);
        let text = serde_json::to_string(&memory).unwrap();
        assert_eq!(serde_json::from_str::<PaceMemory>(&text).unwrap(), memory);
        for bad in ["AAA".to_owned(), "*".to_owned(), "AAAA".repeat(200)] {
            let mut broken: serde_json::Value = serde_json::from_str(&text).unwrap();
            broken["samples"] = bad.into();
            assert!(serde_json::from_value::<PaceMemory>(broken.clone()).is_err(), "{broken}");
        }
    }
}
