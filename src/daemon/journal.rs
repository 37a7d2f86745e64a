//! One readable line per change of state.

use tracing::{info, warn};

use crate::detect::SeriesState;
use crate::model::{SeriesKey, SpanChange, SpanChangeKind, Status};

/// Says what changed from one measurement to the next.
pub(super) fn tell(key: &SeriesKey, before: Status, after: &SeriesState, first: bool, changes: &[SpanChange]) {
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
