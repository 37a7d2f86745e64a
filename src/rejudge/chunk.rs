//! Measurements opened and judged a few hundred at a time, on all cores, in order.

use std::panic::resume_unwind;
use std::thread;

use crate::judge::{Knowledge, judge};
use crate::model::{CountryCode, Measurement, Timestamp, Verdict};
use crate::store::{Archive, Place, Revision, Sealed, StoreError, StoredMeasurement, Unsealer};

/// Measurements of one chunk: enough to outweigh the start of threads.
const MOST: usize = 512;
/// Bytes of one chunk when opened, about.
const MOST_BYTES: usize = 32 << 20;
/// Measurements for which another thread is worth its start.
const WORTH_A_THREAD: usize = 32;
/// Threads beyond this wait for the one that writes.
const MOST_THREADS: usize = 8;

/// A measurement with the verdict that is stored and today's. Controls and canaries have done their part.
pub(super) struct Judged {
    pub(super) sealed: Sealed,
    pub(super) measurement: Measurement,
    pub(super) before: Verdict,
    /// None when it began too early to be judged again.
    pub(super) after: Option<Verdict>,
}

/// By what measurements are judged.
#[derive(Clone, Copy)]
pub(super) struct Measure<'a> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) country: CountryCode,
    pub(super) since: Option<Timestamp>,
}

impl Measure<'_> {
    fn judge(&self, unsealer: &mut Unsealer, sealed: Sealed) -> Result<Judged, StoreError> {
        let StoredMeasurement { evidence, verdict: before } = unsealer.open(&sealed)?;
        let is_due = self.since.is_none_or(|since| evidence.measurement.started_at >= since);
        let after = is_due.then(|| judge(&evidence, self.knowledge, self.country));
        Ok(Judged { sealed, measurement: evidence.measurement, before, after })
    }
}

/// The tools of each thread.
pub(super) struct Bench(Vec<Unsealer>);

impl Bench {
    pub(super) fn new(archive: &Archive) -> Result<Self, StoreError> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        (0..threads).map(|_| archive.unsealer()).collect::<Result<_, _>>().map(Self)
    }

    /// Judges what lies at the first of `places`; `places` is left with the rest.
    pub(super) fn next(
        &mut self,
        revision: &mut Revision<'_>,
        places: &mut &[Place],
        measure: Measure<'_>,
    ) -> Result<Vec<Judged>, StoreError> {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while let Some((&place, rest)) = places.split_first() {
            let sealed = revision.sealed(place)?;
            bytes += sealed.plain_size();
            chunk.push(sealed);
            *places = rest;
            if chunk.len() >= MOST || bytes >= MOST_BYTES {
                break;
            }
        }
        self.judge(chunk, measure)
    }

    fn judge(&mut self, chunk: Vec<Sealed>, measure: Measure<'_>) -> Result<Vec<Judged>, StoreError> {
        let threads = (chunk.len() / WORTH_A_THREAD).clamp(1, self.0.len().max(1));
        let share = chunk.len().div_ceil(threads).max(1);
        let mut chunk = chunk.into_iter();
        let mut shares: Vec<Vec<Sealed>> = Vec::with_capacity(threads);
        while chunk.len() > 0 {
            shares.push(chunk.by_ref().take(share).collect());
        }
        let judge_share = |unsealer: &mut Unsealer, share: Vec<Sealed>| -> Result<Vec<Judged>, StoreError> {
            share.into_iter().map(|sealed| measure.judge(unsealer, sealed)).collect()
        };
        let mut work = self.0.iter_mut().zip(shares);
        let Some((unsealer, first)) = work.next() else { return Ok(Vec::new()) };
        thread::scope(|scope| {
            let others: Vec<_> =
                work.map(|(unsealer, share)| scope.spawn(move || judge_share(unsealer, share))).collect();
            let mut judged = judge_share(unsealer, first)?;
            for other in others {
                judged.extend(other.join().unwrap_or_else(|fault| resume_unwind(fault))?);
            }
            Ok(judged)
        })
    }
}
