//! What documents claimed, held against what was measured at that time.

use super::Known;
use crate::model::{Report, Site, Span, Status, Timestamp};
use crate::store::Watched;
use crate::timeline::extent;

/// A claim as it is told.
pub(super) struct Claim {
    pub(super) status: String,
    pub(super) about: Option<String>,
    pub(super) when: String,
    pub(super) citation: String,
    /// What the measurements say to it; None where they cannot say anything (it does not claim a block).
    pub(super) measured: Option<String>,
}

/// What measurements of the time of a claim come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// So many blocks lie in it.
    Confirmed(usize),
    /// It was measured and reached between these, and no block is there.
    Contradicted(Timestamp, Timestamp),
    /// Nobody measured then.
    Unmeasured,
}

/// The claims about a site.
pub(super) fn claims(known: &Known<'_>, site: &Site, spans: &[&Span], watched: &[&Watched]) -> Vec<Claim> {
    let language = known.language;
    let mut reports: Vec<&Report> = site.reported.iter().collect();
    reports.sort_by_key(|report| (report.from.earliest, report.from.latest));
    let claim = |report: &Report| {
        let finding = finding(report, site, spans, watched);
        let measured = match finding {
            Finding::Confirmed(count) => language.say_with("brief-claim-confirmed", &[("count", count.into())]),
            Finding::Contradicted(from, to) => language.say_with(
                "brief-claim-contradicted",
                &[("from", language.instant(from).into()), ("to", language.instant(to).into())],
            ),
            Finding::Unmeasured => language.say("brief-claim-unmeasured"),
        };
        Claim {
            status: language.status(report.status),
            about: language.claim_about(report),
            when: language.claim(report),
            citation: language.citation(report),
            measured: (report.status == Status::Blocked).then_some(measured),
        }
    };
    reports.into_iter().map(claim).collect()
}

/// Only what the claim is certain to speak of counts: from when it had begun to when it was still so.
pub(super) fn finding(report: &Report, site: &Site, spans: &[&Span], watched: &[&Watched]) -> Finding {
    let claimed = report.to_span(&site.id);
    let ms = |at: Option<Timestamp>| at.map(Timestamp::as_unix_ms);
    let (first, last) = extent(&claimed);
    let begun = ms(report.from.latest).unwrap_or(first);
    let lasted = report.to.and_then(|to| ms(to.earliest)).or(ms(report.as_of)).unwrap_or(last).max(begun);
    let of_claim = |url: Option<&url::Url>, vantage: Option<&crate::model::VantageId>| {
        (report.url.is_none() || report.url.as_ref() == url)
            && (report.vantage.is_none() || report.vantage.as_ref() == vantage)
    };
    let within = spans.iter().filter(|span| {
        let from = ms(span.start.latest).unwrap_or(i64::MIN);
        let to = ms(span.end.and_then(|end| end.earliest)).or(ms(span.last_observed)).unwrap_or(from).max(from);
        of_claim(span.url.as_ref(), span.vantage.as_ref()) && from <= lasted && to >= begun
    });
    let count = within.count();
    if count > 0 {
        return Finding::Confirmed(count);
    }
    let looked: Vec<(i64, i64)> = watched
        .iter()
        .filter(|one| of_claim(Some(&one.series.url), Some(&one.series.vantage)))
        .map(|one| (one.first.as_unix_ms().max(begun), one.last.as_unix_ms().min(lasted)))
        .filter(|(from, to)| from <= to)
        .collect();
    let bounds = looked.iter().map(|(from, _)| *from).min().zip(looked.iter().map(|(_, to)| *to).max());
    bounds.map_or(Finding::Unmeasured, |(from, to)| {
        Finding::Contradicted(Timestamp::from_unix_ms(from), Timestamp::from_unix_ms(to))
    })
}
