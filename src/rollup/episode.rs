//! Spans of one series with short gaps between them, told as one. A block that flaps stays raw in the record; who wants
//! one line for it says how short a gap must be, and the line says so too.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::stretch::Stretch;
use crate::model::{Mechanism, Span, SpanId, Timestamp};

/// One or more spans of one series told as one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Episode {
    /// The spans as one: from the start of the first to the end of the last.
    #[serde(flatten)]
    pub span: Span,
    /// The spans that it is made of.
    pub parts: Vec<SpanId>,
    /// Gaps shorter than this were passed over, seconds.
    pub merged_within_seconds: u64,
}

/// Joins spans of one series, source, status and part whose gaps are shorter than `within` for certain: from the earliest
/// instant at which the one may have ended to the latest at which the next had begun.
pub fn episodes(spans: &[Span], within: Duration) -> Vec<Episode> {
    let mut of_series: BTreeMap<_, Vec<&Span>> = BTreeMap::new();
    let mut others = Vec::new();
    for span in spans {
        match (&span.url, &span.vantage, Stretch::of(span)) {
            (Some(url), Some(vantage), Some(_)) => {
                let part = span.partial.map(|part| part.as_str());
                of_series.entry((&span.site, url, vantage, span.source, span.status, part)).or_default().push(span);
            }
            _ => others.push(alone(span, within)),
        }
    }
    let mut told: Vec<Episode> = of_series.into_values().flat_map(|spans| joined(spans, within)).collect();
    told.extend(others);
    told
}

fn alone(span: &Span, within: Duration) -> Episode {
    Episode { span: span.clone(), parts: vec![span.span_id], merged_within_seconds: within.as_secs() }
}

fn joined(mut spans: Vec<&Span>, within: Duration) -> Vec<Episode> {
    spans.sort_by_key(|span| (span.start.latest, span.start.earliest, span.span_id));
    let mut told: Vec<Episode> = Vec::new();
    for span in spans {
        match told.last_mut() {
            Some(episode) if gap(&episode.span, span).is_some_and(|gap| gap < within) => {
                let whole = &mut episode.span;
                (whole.end, whole.ongoing) = (span.end, span.ongoing);
                whole.last_observed = span.last_observed.max(whole.last_observed);
                whole.measurements += span.measurements;
                whole.mechanism = span.mechanism.or(whole.mechanism);
                whole.confidence = whole.confidence.into_iter().chain(span.confidence).reduce(f64::max);
                for segment in &span.segments {
                    let last: Option<Mechanism> = whole.segments.last().map(|segment| segment.mechanism);
                    if last != Some(segment.mechanism) {
                        whole.segments.push(segment.clone());
                    }
                }
                episode.parts.push(span.span_id);
            }
            _ => told.push(alone(span, within)),
        }
    }
    told
}

/// The longest that the gap between two spans may have lasted; None when nothing bounds it.
fn gap(before: &Span, after: &Span) -> Option<Duration> {
    let from: Timestamp = before.end?.earliest?;
    Some(after.start.latest?.since(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::{between, span};

    #[test]
    fn a_gap_counts_at_its_longest() {
        let first = span(
            between("2026-11-24T10:00:00Z", "2026-11-24T10:01:00Z"),
            Some(between("2026-11-24T11:00:00Z", "2026-11-24T11:04:00Z")),
        );
        let second = span(between("2026-11-24T11:30:00Z", "2026-11-24T11:31:00Z"), None);
        let told = |minutes: u64| episodes(&[second.clone(), first.clone()], Duration::from_secs(minutes * 60));
        let apart = told(31);
        assert_eq!(apart.iter().map(|one| one.parts.len()).collect::<Vec<_>>(), [1, 1]);
        let one = &told(32)[0];
        assert_eq!(one.parts, [first.span_id, second.span_id]);
        assert_eq!((one.span.start, one.span.end, one.span.ongoing), (first.start, None, true));
        assert_eq!((one.span.measurements, one.merged_within_seconds), (246, 1920));
        let json = serde_json::to_value(one).unwrap();
        assert_eq!((&json["site"], json["parts"].as_array().unwrap().len()), (&"fergana".into(), 2));
    }
}
