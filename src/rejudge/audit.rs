//! Whether the record follows from its own evidence: the stored verdicts replayed, and nothing judged or written.

use super::lane::{self, Lane};
use crate::detect::Detector;
use crate::model::{SeriesKey, Span, Timestamp};
use crate::store::{Archive, ArchivedSeries, Faults, Place, Revision, StoreError, Unsealer};

/// Of a series that is not opened whole, so many of the newest measurements are.
const SAMPLE: usize = 100;

/// How an audit is made.
#[derive(Debug)]
pub struct AuditOrders<'a> {
    /// The sequential test.
    pub detector: &'a Detector,
    /// Measurements that are opened at most, about. A series that does not fit is only looked into.
    pub budget: u64,
    /// Whether one that does not fit is looked into.
    pub sample: bool,
}

/// What was found in one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesAudit {
    /// Which.
    pub key: SeriesKey,
    /// Measurements that are kept.
    pub measurements: u64,
    /// Measurements that were opened.
    pub opened: u64,
    /// Those of them that could not be.
    pub damaged: Faults,
    /// Its measured spans, in order of their start.
    pub spans: Vec<Span>,
    /// The span that the state of its test holds open.
    pub held_open: Option<Span>,
    /// What the stored verdicts come to. None when not all of the evidence could be opened.
    pub replay: Option<Replay>,
}

/// What the stored verdicts come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// From here on the evidence is whole.
    pub begins: Timestamp,
    /// There was more of it.
    pub pruned: bool,
    /// The spans that began from here on, in order of their start.
    pub spans: Vec<Span>,
}

/// Opens the evidence of every measured series, replays the stored verdicts and tells what was found; a series that
/// cannot be read at all is told by its error. `report` gets the measurements done and those in all.
///
/// # Errors
/// The series cannot be listed.
pub fn audit(
    archive: &mut Archive,
    orders: &AuditOrders<'_>,
    report: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Result<SeriesAudit, StoreError>>, StoreError> {
    let mut all = archive.series()?;
    // Small ones first: as many as can be are then replayed whole.
    all.sort_by_key(|series| series.measurements);
    let of_measurements: u64 = all.iter().map(|series| series.measurements).sum();
    let mut unsealer = archive.unsealer()?;
    let mut left = orders.budget;
    let mut done = 0;
    let mut found = Vec::with_capacity(all.len());
    for series in all {
        report(done, of_measurements);
        let audited = archive.revise(&series, |revision| {
            let mut tell = |looked_at: u64| report(done + looked_at, of_measurements);
            one(revision, &series, orders, left, &mut unsealer, &mut tell)
        });
        done += series.measurements;
        if let Ok(audited) = &audited {
            left = left.saturating_sub(audited.opened);
        }
        found.push(audited);
    }
    report(done, of_measurements);
    Ok(found)
}

fn one(
    revision: &mut Revision<'_>,
    series: &ArchivedSeries,
    orders: &AuditOrders<'_>,
    budget: u64,
    unsealer: &mut Unsealer,
    report: &mut dyn FnMut(u64),
) -> Result<SeriesAudit, StoreError> {
    let standing = revision.standing()?;
    let places = revision.places()?;
    let is_whole = places.len() as u64 <= budget;
    let most = if orders.sample { SAMPLE } else { 0 };
    let chosen: &[Place] = if is_whole { &places } else { &places[places.len().saturating_sub(most)..] };
    let mut audit = SeriesAudit {
        key: series.key.clone(),
        measurements: places.len() as u64,
        opened: chosen.len() as u64,
        damaged: Faults::default(),
        spans: standing.spans,
        held_open: standing.state.span,
        replay: None,
    };
    let Some(oldest) = places.iter().map(|place| place.started_at).min() else { return Ok(audit) };
    let begins = standing.pruned_before.map_or(oldest, |pruned| pruned.max(oldest));
    let pruned = standing.pruned_before.is_some();
    let mut replay = Lane::from(lane::start(&audit.spans, begins, pruned));
    for (number, place) in (1u64..).zip(chosen) {
        let opened = revision.sealed(*place).and_then(|sealed| unsealer.open(&sealed));
        match opened {
            Ok(stored) if stored.evidence.measurement.started_at != place.started_at => {
                audit
                    .damaged
                    .add(|| format!("measurement {} lies at another time than its own", stored.verdict.measurement_id));
            }
            Ok(stored) => {
                if is_whole && place.started_at >= begins {
                    replay.step(orders.detector, &series.key, &stored.evidence.measurement, &stored.verdict);
                }
            }
            Err(StoreError::Damaged { row, problem, .. }) => audit.damaged.add(|| format!("{row}: {problem}")),
            Err(error) => audit.damaged.add(|| error.to_string()),
        }
        if number % 256 == 0 {
            report(number);
        }
    }
    if is_whole && audit.damaged.count == 0 {
        let mut spans: Vec<Span> = replay
            .spans
            .into_iter()
            .map(|traced| traced.span)
            .filter(|span| !lane::began_before(span, begins, pruned))
            .collect();
        spans.sort_by_key(|span| (span.start.earliest, span.start.latest, span.span_id));
        audit.replay = Some(Replay { begins, pruned, spans });
    }
    Ok(audit)
}

impl Replay {
    /// Those of `recorded` that the replay must come to.
    pub fn owed<'s>(&self, recorded: &'s [Span]) -> impl Iterator<Item = &'s Span> {
        let (begins, pruned) = (self.begins, self.pruned);
        recorded.iter().filter(move |span| !lane::began_before(span, begins, pruned))
    }
}
