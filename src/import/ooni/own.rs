//! Our own documents read back: `test_keys.x_blockspan` holds the evidence whole, also what the format has no place for.
//!
//! It is no more trusted than the rest of a document: bounded, judged anew, and laid where the envelope says.

use url::Url;

use super::document::Own;
use crate::model::{Evidence, MeasurementId, SiteId, VantageId};

/// The version of the form that is read.
const VERSION: u32 = 1;
/// Records of one kind that are read; a measurement of ours has a few hundred at most.
const MOST: usize = 1024;

/// Where a measurement belongs. The vantage is the network, as for every imported document: the pseudonyms of another
/// record may be taken in this one.
pub(super) struct Place<'p> {
    pub(super) site: &'p SiteId,
    pub(super) url: Url,
    pub(super) vantage: &'p str,
    pub(super) measurement_id: MeasurementId,
}

/// The evidence; none where the document does not bring it or brings it in a later form: its layers are read then.
pub(super) fn evidence(own: &Own<'_>) -> Result<Option<Evidence>, String> {
    let Some(raw) = own.evidence.filter(|_| own.version == VERSION) else { return Ok(None) };
    let evidence: Evidence =
        serde_json::from_str(raw.get()).map_err(|error| format!("`test_keys.x_blockspan.evidence`: {error}"))?;
    let measurement = &evidence.measurement;
    let results = evidence.canaries.as_ref().map_or(0, |report| report.results.len());
    let counts = [
        ("dns", measurement.dns.len()),
        ("tcp", measurement.tcp.len()),
        ("tls", measurement.tls.len()),
        ("http", measurement.http.len()),
        ("quic", measurement.quic.len()),
        ("controls", evidence.controls.len()),
        ("canaries", results),
        ("experiments", evidence.experiments.len()),
    ];
    match counts.iter().find(|(_, count)| *count > MOST) {
        Some((kind, count)) => {
            Err(format!("`test_keys.x_blockspan.evidence` holds {count} records of `{kind}`; {MOST} are read at most"))
        }
        None => Ok(Some(evidence)),
    }
}

/// The evidence at its place.
pub(super) fn placed(mut evidence: Evidence, place: Place<'_>) -> Result<Evidence, String> {
    let vantage: VantageId = place.vantage.parse().map_err(|_| format!("`{}` cannot name a vantage", place.vantage))?;
    let measurement = &mut evidence.measurement;
    measurement.measurement_id = place.measurement_id;
    measurement.site = place.site.clone();
    measurement.url = place.url;
    measurement.vantage = vantage;
    Ok(evidence)
}
