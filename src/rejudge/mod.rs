//! Judges stored evidence again by today's rules and replays the detector over it (decision 009).
//!
//! Two replays run side by side over the evidence of a series, one with the verdicts that are stored, one with today's.
//! Where they come to the same the record stays as it is; where they differ the record takes over the difference. So
//! only another opinion changes anything, also where evidence has been pruned or was never stored.

mod audit;
mod chunk;
mod lane;
mod merge;
#[cfg(test)]
mod sample;
mod series;
mod summary;

#[cfg(test)]
mod tests;

pub use audit::{AuditOrders, Replay, SeriesAudit, audit};
pub use summary::{
    Difference, MeasurementCount, Opinion, SeriesCount, SpanChangeOf, SpanCount, SpanShift, Summary, VerdictShift,
};

use crate::detect::Detector;
use crate::judge::{Knowledge, RULESET};
use crate::model::{CountryCode, SeriesKey, Timestamp};
use crate::store::{Archive, StoreError};

/// What to judge again, and by what.
pub struct Orders<'a> {
    /// What the judge knows beside the evidence.
    pub knowledge: &'a Knowledge,
    /// The country whose blocking is watched for in a series; None when neither its vantage nor its site is configured.
    pub country: &'a (dyn Fn(&SeriesKey) -> Option<CountryCode> + Sync),
    /// The sequential test.
    pub detector: &'a Detector,
    /// Which series.
    pub wanted: &'a dyn Fn(&SeriesKey) -> bool,
    /// Only measurements begun at or after this get a new verdict.
    pub since: Option<Timestamp>,
}

impl std::fmt::Debug for Orders<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orders").field("since", &self.since).finish_non_exhaustive()
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Series that are done.
    pub series: usize,
    /// Series in all.
    pub of_series: usize,
    /// Measurements that were looked at.
    pub measurements: u64,
    /// Measurements in all.
    pub of_measurements: u64,
}

/// The version of the rules that it judges by.
pub const fn ruleset() -> u32 {
    RULESET
}

/// Judges the evidence of the archive again and tells what changes; changes it too, if the archive may be written.
/// Each series is changed whole or not at all.
///
/// # Errors
/// The record cannot be read or written: the series before that are done, this one and those after it are as they were.
pub fn rejudge(
    archive: &mut Archive,
    orders: &Orders<'_>,
    report: &mut dyn FnMut(Progress),
) -> Result<Summary, StoreError> {
    let all: Vec<_> = archive.series()?.into_iter().filter(|series| (orders.wanted)(&series.key)).collect();
    let mut progress = Progress {
        of_series: all.len(),
        of_measurements: all.iter().map(|series| series.measurements).sum(),
        ..Progress::default()
    };
    report(progress);
    let mut bench = chunk::Bench::new(archive)?;
    let mut summary = Summary::new(RULESET, orders.since, !archive.may_write());
    for one in all {
        let before = progress.measurements;
        let outcome = archive.revise(&one, |revision| {
            series::revise(revision, orders, &mut bench, &mut |looked_at| {
                progress.measurements = before + looked_at;
                report(progress);
            })
        })?;
        summary.add(one.key, outcome);
        progress.series += 1;
        progress.measurements = before + one.measurements;
        report(progress);
    }
    Ok(summary)
}
