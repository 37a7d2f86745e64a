//! What happened on the path, and when.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Lines that are kept for people.
const LINES: usize = 400;

/// The clock of a scenario: everything in it counts from one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    /// Seconds that were over then.
    before: f64,
    start_ms: i64,
}

impl Clock {
    /// Starts now, as if `seconds` were over already.
    pub(crate) fn start_at(seconds: f64) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_ms = i64::try_from(since_epoch.as_millis()).unwrap_or_default() - (seconds * 1000.0) as i64;
        Self { start: Instant::now(), before: seconds, start_ms }
    }

    /// Seconds since the start.
    pub(crate) fn now(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    /// The instant `seconds` after the start, in milliseconds of Unix time.
    pub(crate) fn unix_ms(&self, seconds: f64) -> i64 {
        self.start_ms + (seconds * 1000.0) as i64
    }
}

/// The router's log. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    lines: Vec<String>,
    /// Seconds at which each rule first and last did something, and how often.
    acts: BTreeMap<String, (f64, f64, u64)>,
}

impl Log {
    /// Notes that `rule` did something to `what`.
    pub(crate) fn act(&self, now: f64, rule: &str, what: &str) {
        let mut content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = content.acts.entry(rule.to_owned()).or_insert((now, now, 0));
        (entry.1, entry.2) = (now, entry.2 + 1);
        if content.lines.len() < LINES {
            content.lines.push(format!("{now:9.3} s  {rule}: {what}"));
        }
    }

    /// How often `rule` did something.
    pub(crate) fn count(&self, rule: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).acts.get(rule).map_or(0, |entry| entry.2)
    }

    /// Everything, for people.
    pub(crate) fn text(&self, clock: &Clock) -> String {
        let content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = format!("scenario began at {} (unix ms)\n", clock.unix_ms(0.0));
        for (rule, (first, last, count)) in &content.acts {
            let (first, last) = (clock.unix_ms(*first), clock.unix_ms(*last));
            let _ = writeln!(text, "{rule}: {count} acts, first at {first}, last at {last}");
        }
        text + &content.lines.join("\n")
    }
}
