//! One series in one world, watched by three tests at once.

use std::time::Duration;

use blockspan::detect::{Detector, Params, SeriesState, Trial};
use blockspan::model::{SeriesKey, SpanChangeKind, SpanSource, Timestamp};
use blockspan::schedule::{Chance, Jitter};

use crate::peers::{OoniCusum, ThreeInARow, Told};
use crate::verdicts::Verdicts;
use crate::world::World;

/// Where the world's time begins on the wall clock.
const ORIGIN: i64 = 1_600_000_000_000;

/// What each test told.
pub(crate) struct Outcome {
    /// Ours.
    pub(crate) ours: Vec<Told>,
    /// Three in a row.
    pub(crate) three: Vec<Told>,
    /// OONI's.
    pub(crate) ooni: Vec<Told>,
}

/// Watches `world` from 0 to `end` at `interval`, with jitter and our confirmations. The peers see the regular rounds.
pub(crate) fn watch(world: World, verdicts: &Verdicts, interval: i64, end: i64, seed: u64) -> Outcome {
    watch_each(world, verdicts, interval, end, seed, &mut |_, _| {})
}

/// The same; `each` hears when every probe began and what it was worth.
pub(crate) fn watch_each(
    mut world: World,
    verdicts: &Verdicts,
    interval: i64,
    end: i64,
    seed: u64,
    each: &mut dyn FnMut(i64, blockspan::detect::Outcome),
) -> Outcome {
    let detector = Detector::new(Params::default(), SpanSource::Measured);
    let key = SeriesKey {
        site: "site".parse().expect("an id"),
        url: "https://site.example/".parse().expect("a URL"),
        vantage: "vantage".parse().expect("an id"),
    };
    let mut state = SeriesState::default();
    let mut chance = Jitter::seeded(seed ^ 0xdead_beef_1234_5678);
    let (mut three, mut ooni, mut ours) = (ThreeInARow::default(), OoniCusum::default(), Vec::<Told>::new());
    let (mut now, mut round) = (0, 0);
    while now < end {
        if let Some(again) = world.stopped(now) {
            // All that a restart leaves is what was saved.
            let saved = serde_json::to_string(&state).expect("a state");
            state = serde_json::from_str(&saved).expect("a saved state");
            (now, round) = (again, again);
            continue;
        }
        let (sighting, took) = world.probe(now);
        let outcome = verdicts.of(&sighting);
        each(now, outcome);
        let (from, until) = (instant(now), instant(now + took));
        for change in detector.take(&key, &mut state, Trial { from, until, outcome }) {
            let bracket = |bracket: blockspan::model::Bracket| (bracket.earliest.map(ms), bracket.latest.map(ms));
            match change.kind {
                SpanChangeKind::Opened => ours.push(Told {
                    opened_at: now + took,
                    closed_at: None,
                    start: bracket(change.span.start),
                    end: None,
                }),
                SpanChangeKind::Closed => {
                    if let Some(told) = ours.last_mut() {
                        told.closed_at = Some(now + took);
                        told.end = change.span.end.map(bracket);
                    }
                }
                SpanChangeKind::Continued => {}
            }
        }
        if now >= round {
            three.take(now, now + took, &sighting);
            ooni.take(now, &sighting);
            round += shifted(interval, 0.1, &mut chance);
        }
        let after = now + took;
        round = round.max(after);
        let confirm = state.confirm_in(instant(after), detector.params());
        let confirm = confirm.map(|wait| after + shifted(millis(wait), 0.2, &mut chance));
        now = confirm.map_or(round, |due| due.min(round)).max(after);
    }
    Outcome { ours, three: three.told, ooni: ooni.told }
}

fn shifted(length: i64, share: f64, chance: &mut Jitter) -> i64 {
    (length as f64 * (1.0 + share * (2.0 * chance.draw() - 1.0))) as i64
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

fn instant(at: i64) -> Timestamp {
    Timestamp::from_unix_ms(ORIGIN + at)
}

fn ms(at: Timestamp) -> i64 {
    at.as_unix_ms() - ORIGIN
}
