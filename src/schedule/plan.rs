//! The plan: which series is due when.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::jitter::{Chance, shifted};
use crate::model::{SeriesKey, Trigger};

/// Share by which a confirmation probe is shifted.
const CONFIRMATION_JITTER: f64 = 0.2;

/// A series whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What to measure.
    pub series: SeriesKey,
    /// When it should have been measured.
    pub at: Instant,
    /// Why.
    pub trigger: Trigger,
}

/// Which series is due when. A series that was taken is under way and not due again until it is put back.
#[derive(Debug, Default)]
pub struct Plan {
    order: BTreeSet<(Instant, SeriesKey)>,
    entries: HashMap<SeriesKey, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// None while under way.
    due: Option<(Instant, Trigger)>,
    /// The next regular round.
    round: Instant,
}

impl Plan {
    /// Makes the plan hold exactly `wanted`. New series are spread over one interval from `now`, the first due at
    /// once; known ones keep their place.
    pub fn retain(&mut self, wanted: &[SeriesKey], now: Instant, interval: Duration) {
        let gone: Vec<SeriesKey> = self.entries.keys().filter(|key| !wanted.contains(key)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
        let new: Vec<&SeriesKey> = wanted.iter().filter(|key| !self.entries.contains_key(key)).collect();
        let count = u32::try_from(new.len()).unwrap_or(u32::MAX).max(1);
        for (index, key) in (0u32..).zip(new) {
            let round = now + interval / count * index;
            self.entries.insert(key.clone(), Entry { due: None, round });
            self.set_due(key, round, Trigger::Scheduled);
        }
        // A shorter interval takes effect at once.
        let late: Vec<SeriesKey> =
            self.order.iter().filter(|(at, _)| *at > now + interval).map(|(_, key)| key.clone()).collect();
        for key in late {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.round = now + interval;
            }
            self.set_due(&key, now + interval, Trigger::Scheduled);
        }
    }

    /// The next due time. None when all are under way or there are none.
    pub fn next_due(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the first series that is due at `now`.
    pub fn take(&mut self, now: Instant) -> Option<Due> {
        let (at, series) = self.order.first().filter(|(at, _)| *at <= now)?.clone();
        self.order.remove(&(at, series.clone()));
        let entry = self.entries.get_mut(&series)?;
        let (_, trigger) = entry.due.take()?;
        Some(Due { series, at, trigger })
    }

    /// Puts a series back after it was measured: due at its next round, or earlier when a confirmation is wanted
    /// after `confirm`. A series that has left the plan meanwhile stays away.
    pub fn put_back(
        &mut self,
        series: &SeriesKey,
        now: Instant,
        interval: Duration,
        jitter: f64,
        confirm: Option<Duration>,
        chance: &mut impl Chance,
    ) {
        let Some(entry) = self.entries.get_mut(series) else { return };
        if entry.round <= now {
            // Counted from the round, not from its end: a slow measurement does not stretch the interval. After a
            // sleep of the machine missed rounds are not made up for.
            let next = entry.round + shifted(interval, jitter, chance);
            entry.round = if next <= now { now + shifted(interval, jitter, chance).min(interval) } else { next };
        }
        let round = entry.round;
        let confirmation =
            confirm.map(|wait| now + shifted(wait, CONFIRMATION_JITTER, chance)).filter(|at| *at < round);
        match confirmation {
            Some(at) => self.set_due(series, at, Trigger::Confirmation),
            None => self.set_due(series, round, Trigger::Scheduled),
        }
    }

    fn set_due(&mut self, series: &SeriesKey, at: Instant, trigger: Trigger) {
        let Some(entry) = self.entries.get_mut(series) else { return };
        if let Some((old, _)) = entry.due.replace((at, trigger)) {
            self.order.remove(&(old, series.clone()));
        }
        self.order.insert((at, series.clone()));
    }

    fn remove(&mut self, series: &SeriesKey) {
        if let Some(Entry { due: Some((at, _)), .. }) = self.entries.remove(series) {
            self.order.remove(&(at, series.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Jitter;

    const MINUTE: Duration = Duration::from_secs(60);

    fn key(name: &str) -> SeriesKey {
        SeriesKey {
            site: name.parse().unwrap(),
            url: format!("https://{name}.example/").parse().unwrap(),
            vantage: "v".parse().unwrap(),
        }
    }

    #[test]
    fn new_series_are_spread_over_the_interval_and_the_first_is_due_at_once() {
        let now = Instant::now();
        let keys: Vec<SeriesKey> = (0..4).map(|index| key(&format!("s{index}"))).collect();
        let mut plan = Plan::default();
        plan.retain(&keys, now, MINUTE);
        assert_eq!(plan.take(now).unwrap().series, keys[0]);
        assert!(plan.take(now).is_none());
        assert_eq!(plan.next_due(), Some(now + MINUTE / 4));
    }

    #[test]
    fn a_series_under_way_is_not_due_and_rounds_do_not_drift() {
        let now = Instant::now();
        let mut plan = Plan::default();
        plan.retain(&[key("a")], now, MINUTE);
        plan.take(now).unwrap();
        assert_eq!(plan.next_due(), None);
        let mut chance = Jitter::seeded(1);
        plan.put_back(&key("a"), now + Duration::from_secs(30), MINUTE, 0.0, None, &mut chance);
        assert_eq!(plan.next_due(), Some(now + MINUTE));
    }

    #[test]
    fn a_confirmation_comes_before_the_round_and_leaves_the_round_where_it_is() {
        let now = Instant::now();
        let mut plan = Plan::default();
        let mut chance = Jitter::seeded(1);
        plan.retain(&[key("a")], now, MINUTE);
        plan.take(now).unwrap();
        plan.put_back(&key("a"), now, MINUTE, 0.0, Some(Duration::from_secs(10)), &mut chance);
        let at = plan.next_due().unwrap();
        assert!(at >= now + Duration::from_secs(8) && at <= now + Duration::from_secs(12));
        assert_eq!(plan.take(at).unwrap().trigger, Trigger::Confirmation);
        plan.put_back(&key("a"), at, MINUTE, 0.0, None, &mut chance);
        assert_eq!(plan.next_due(), Some(now + MINUTE));
    }

    #[test]
    fn a_machine_that_slept_does_not_make_up_for_missed_rounds() {
        let now = Instant::now();
        let mut plan = Plan::default();
        let mut chance = Jitter::seeded(1);
        plan.retain(&[key("a")], now, MINUTE);
        plan.take(now).unwrap();
        let woke = now + MINUTE * 600;
        plan.put_back(&key("a"), woke, MINUTE, 0.1, None, &mut chance);
        assert!(plan.take(woke).is_none());
        assert!(plan.next_due().unwrap() <= woke + MINUTE);
    }

    #[test]
    fn a_changed_list_keeps_the_place_of_what_stays() {
        let now = Instant::now();
        let mut plan = Plan::default();
        plan.retain(&[key("a"), key("b")], now, MINUTE);
        plan.take(now).unwrap();
        plan.retain(&[key("b"), key("c")], now + Duration::from_secs(1), MINUTE);
        assert_eq!(plan.take(now + MINUTE).unwrap().series, key("c"));
        assert_eq!(plan.take(now + MINUTE).unwrap().series, key("b"));
        let mut chance = Jitter::seeded(1);
        plan.put_back(&key("a"), now, MINUTE, 0.1, None, &mut chance);
        assert_eq!(plan.next_due(), None, "a series that was taken off the list stays away");
    }
}
