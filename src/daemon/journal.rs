//! What a measurement came to, as one event: it is counted for Prometheus, and said as a readable line where something
//! has changed.

use tracing::{debug, info, warn};

use crate::detect::SeriesState;
use crate::model::{Evidence, SeriesKey, SpanChange, SpanChangeKind, Status, Verdict};
use crate::serve::Metrics;

/// A measurement that was judged, and what it did to its series.
pub(super) struct Measured<'m> {
    pub(super) key: &'m SeriesKey,
    pub(super) evidence: &'m Evidence,
    pub(super) verdict: &'m Verdict,
    /// Where the series stood before.
    pub(super) before: Status,
    /// Where it stands now.
    pub(super) after: &'m SeriesState,
    /// It is the first one of its series.
    pub(super) first: bool,
    pub(super) changes: &'m [SpanChange],
}

impl Measured<'_> {
    /// Counts it and says it.
    pub(super) fn note(&self, metrics: &Metrics) {
        metrics.observe(self.evidence, self.verdict);
        metrics.set_state(self.key, self.after);
        self.changes.iter().for_each(|change| metrics.span_changed(change));
        let Self { verdict, evidence, .. } = self;
        let how = verdict.mechanism.map(|how| format!(" ({how})")).unwrap_or_default();
        let took = evidence.measurement.elapsed.as_seconds();
        debug!("{}: {}{how} after {took:.2} s, {}", self.key, verdict.status, evidence.measurement.trigger);
        tell(self.key, self.before, self.after, self.first, self.changes);
    }
}

/// Says what changed from one measurement to the next.
fn tell(key: &SeriesKey, before: Status, after: &SeriesState, first: bool, changes: &[SpanChange]) {
    for change in changes {
        match (change.kind, change.span.partial) {
            (SpanChangeKind::Opened, Some(part)) => warn!(
                "{key}: accessible, but its part {part} is blocked ({}) since {}",
                change.span.mechanism.map_or("how is not known", |mechanism| mechanism.as_str()),
                change.span.start.in_words(),
            ),
            (SpanChangeKind::Closed, Some(part)) => info!(
                "{key}: its part {part} is no longer blocked since {}",
                change.span.end.map(|end| end.in_words()).unwrap_or_default()
            ),
            (SpanChangeKind::Opened, None) => warn!(
                "{key}: BLOCKED ({}) since {}",
                change.span.mechanism.map_or("how is not known", |mechanism| mechanism.as_str()),
                change.span.start.in_words(),
            ),
            (SpanChangeKind::Closed, None) => info!(
                "{key}: no longer blocked since {}",
                change.span.end.map(|end| end.in_words()).unwrap_or_default()
            ),
            (SpanChangeKind::Continued, _) => {}
        }
    }
    let opened_or_closed = changes.iter().any(|change| change.kind != SpanChangeKind::Continued);
    if opened_or_closed || after.status() == Status::Blocked {
        return;
    }
    let reason = after.last.as_ref().and_then(|last| last.reasons.first()).map(String::as_str).unwrap_or_default();
    if first {
        info!("{key}: {}. {reason}", after.status());
    } else if before != after.status() {
        info!("{key}: {before} → {}. {reason}", after.status());
    }
}
