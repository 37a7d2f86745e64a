//! Two other tests on the same sightings: OONI's change detector and "three in a row".

use crate::world::{Control, HOUR, Sighting};

/// A span as a detector tells it: when it was told, and the bounds it gives. None: not bounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// When the opening was told.
    pub(crate) opened_at: i64,
    /// When the closing was told, if it was.
    pub(crate) closed_at: Option<i64>,
    /// Bounds of the start.
    pub(crate) start: (Option<i64>, Option<i64>),
    /// Bounds of the end.
    pub(crate) end: Option<(Option<i64>, Option<i64>)>,
}

/// Whether a probe and its control make an anomaly; neither of the two peers knows canaries. None: nothing to say.
fn anomaly(sighting: &Sighting) -> Option<bool> {
    match (sighting.fails, sighting.control) {
        (false, _) => Some(false),
        (true, Control::Reaches) => Some(true),
        (true, _) => None,
    }
}

/// Opens after three anomalies in a row, closes after three successes in a row.
#[derive(Default)]
pub(crate) struct ThreeInARow {
    run: u32,
    first: i64,
    last_other: Option<i64>,
    /// What it told.
    pub(crate) told: Vec<Told>,
}

impl ThreeInARow {
    /// Takes in a probe that began at `from` and ended at `until`.
    pub(crate) fn take(&mut self, from: i64, until: i64, sighting: &Sighting) {
        let Some(bad) = anomaly(sighting) else { return };
        let open = self.told.last().is_some_and(|told| told.closed_at.is_none());
        if bad == open {
            self.run = 0;
            self.last_other = Some(from);
            return;
        }
        self.run += 1;
        if self.run == 1 {
            self.first = until;
        }
        if self.run < 3 {
            return;
        }
        let bounds = (self.last_other, Some(self.first));
        if open {
            if let Some(told) = self.told.last_mut() {
                (told.closed_at, told.end) = (Some(until), Some(bounds));
            }
        } else {
            self.told.push(Told { opened_at: until, closed_at: None, start: bounds, end: None });
        }
        self.run = 0;
        self.last_other = Some(from);
    }
}

/// OONI's production detector (ooni/data, August 2026): a two-sided CUSUM on hourly medians of the blocked score, which is
/// 0.7 for a TLS time-out while the control works; drift 0.35, threshold 3.5.
#[derive(Default)]
pub(crate) struct OoniCusum {
    hour: i64,
    scores: Vec<f64>,
    blocked: bool,
    up: f64,
    down: f64,
    /// What it told. It gives an instant and no bounds: the bounds are the hour of the change as it sees it.
    pub(crate) told: Vec<Told>,
}

const MEAN: f64 = 0.7;
const SLACK: f64 = 0.35;
const THRESHOLD: f64 = 3.5;

impl OoniCusum {
    /// Takes in a probe.
    pub(crate) fn take(&mut self, from: i64, sighting: &Sighting) {
        let hour = from / HOUR;
        if hour != self.hour {
            self.end_hour();
            self.hour = hour;
        }
        self.scores.push(if anomaly(sighting) == Some(true) { MEAN } else { 0.0 });
    }

    fn end_hour(&mut self) {
        if self.scores.is_empty() {
            return;
        }
        self.scores.sort_by(f64::total_cmp);
        let score = self.scores[self.scores.len() / 2];
        self.scores.clear();
        let now = (self.hour + 1) * HOUR;
        let bounds = (Some(now - HOUR), Some(now));
        if self.blocked {
            self.down = (self.down + (MEAN - score) - SLACK).max(0.0);
            if self.down > THRESHOLD {
                (self.blocked, self.down) = (false, 0.0);
                if let Some(told) = self.told.last_mut() {
                    (told.closed_at, told.end) = (Some(now), Some(bounds));
                }
            }
        } else {
            self.up = (self.up + score - SLACK).max(0.0);
            if self.up > THRESHOLD {
                (self.blocked, self.up) = (true, 0.0);
                self.told.push(Told { opened_at: now, closed_at: None, start: bounds, end: None });
            }
        }
    }
}
