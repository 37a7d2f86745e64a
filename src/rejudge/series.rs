//! One series judged again.

use super::Orders;
use super::chunk::{Bench, Judged, Measure};
use super::lane::{self, Lane};
use super::merge;
use super::summary::{Kind, Outcome};
use crate::model::CountryCode;
use crate::store::{Place, Revision, StoreError};

/// Judges the evidence of a series again, replays the detector, and tells what changes; writes it too, if the revision
/// may be written.
pub(super) fn revise(
    revision: &mut Revision<'_>,
    orders: &Orders<'_>,
    bench: &mut Bench,
    report: &mut dyn FnMut(u64),
) -> Result<Outcome, StoreError> {
    let standing = revision.standing()?;
    let places = revision.places()?;
    let country = (orders.country)(revision.key());
    let mut outcome = Outcome::new(country.is_some(), standing.spans.len());
    let Some(oldest) = places.iter().map(|place| place.started_at).min() else { return Ok(outcome) };

    // Before this the evidence is not whole: what it bore is not replayed.
    let begins = standing.pruned_before.map_or(oldest, |pruned| pruned.max(oldest));
    let mut before = Lane::from(lane::start(&standing.spans, begins, standing.pruned_before.is_some()));
    let mut after = before.clone();
    let measure =
        Measure { knowledge: orders.knowledge, country: country.unwrap_or(CountryCode::UNKNOWN), since: orders.since };
    let key = revision.key().clone();
    let mut rest: &[Place] = &places;
    while !rest.is_empty() {
        for judged in bench.next(revision, &mut rest, measure)? {
            let Judged { sealed, measurement, before: old, after: new } = judged;
            let kind = outcome.note(&old, new.as_ref());
            if let (Some(new), true) = (&new, revision.may_write() && kind != Kind::Same) {
                revision.put_verdict(&sealed, &old, new, kind == Kind::Changed)?;
            }
            if measurement.started_at >= begins {
                before.step(orders.detector, &key, &measurement, &old);
                after.step(orders.detector, &key, &measurement, new.as_ref().unwrap_or(&old));
            }
        }
        report(u64::try_from(places.len() - rest.len()).unwrap_or(u64::MAX));
    }

    let shifts = merge::shifts(&standing.spans, &before, &after);
    if revision.may_write() {
        for shift in &shifts {
            match (&shift.before, &shift.after) {
                (before, Some(after)) => revision.put_span(before.as_ref(), after, &shift.turns)?,
                (Some(before), None) => revision.withdraw(before)?,
                (None, None) => {}
            }
        }
        let open = merge::open_span(&standing.spans, &shifts);
        let state = standing.state.revised(&before.state, &after.state, open);
        if state != standing.state {
            revision.put_state(&state)?;
        }
    }
    outcome.shifts = shifts;
    Ok(outcome)
}
