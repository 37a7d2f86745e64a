//! Packs imported measurements: many at once, on any thread, each series against its first evidence.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::pack::Packer;
use crate::model::{Evidence, Mechanism, SeriesKey, Status, Strength, Verdict};

/// Series whose dictionary is remembered; those beyond are packed without one.
const MOST_PRIMERS: usize = 2048;
/// Bytes of a verdict and its evidence that may become a dictionary: what is larger holds a body, which does not repeat.
const PRIMER_LIMIT: usize = 16 << 10;

/// A judged measurement, packed for the record.
#[derive(Debug)]
pub struct Packed {
    pub(super) series: Arc<SeriesKey>,
    pub(super) id: [u8; 16],
    pub(super) started_at: i64,
    pub(super) elapsed_ms: i64,
    pub(super) status: Status,
    pub(super) mechanism: Option<Mechanism>,
    pub(super) confidence: f64,
    pub(super) weight: f64,
    pub(super) self_proving: bool,
    pub(super) ruleset: u32,
    pub(super) verdict: Vec<u8>,
    pub(super) evidence: Vec<u8>,
    /// What both are packed against; empty: nothing.
    pub(super) primer: Primer,
}

/// A dictionary (RFC 8878, section 5), as raw content.
pub(super) type Primer = Arc<[u8]>;

/// The dictionaries of the series, which all threads of an import share.
#[derive(Debug, Clone, Default)]
pub struct Primers(Arc<Mutex<HashMap<Arc<SeriesKey>, Primer>>>);

impl Primers {
    /// Those that the record has.
    pub(super) fn of(known: impl Iterator<Item = (SeriesKey, Primer)>) -> Self {
        let known = known.take(MOST_PRIMERS).map(|(series, primer)| (Arc::new(series), primer));
        Self(Arc::new(Mutex::new(known.collect())))
    }

    /// The dictionary of a series, or else the text that `first` makes.
    fn get(&self, series: SeriesKey, first: impl FnOnce() -> Vec<u8>) -> (Arc<SeriesKey>, Primer) {
        let mut known = self.0.lock();
        if let Some((series, primer)) = known.get_key_value(&series) {
            return (Arc::clone(series), Arc::clone(primer));
        }
        let series = Arc::new(series);
        let text = first();
        if known.len() >= MOST_PRIMERS || text.len() > PRIMER_LIMIT {
            return (series, Primer::default());
        }
        let primer = Primer::from(text);
        known.insert(Arc::clone(&series), Arc::clone(&primer));
        (series, primer)
    }
}

/// Packs measurements: one for each thread.
pub struct Press {
    packer: Packer,
    primers: Primers,
    buffer: Vec<u8>,
}

impl Press {
    /// A press.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(primers: Primers) -> std::io::Result<Self> {
        Ok(Self { packer: Packer::quick()?, primers, buffer: Vec::new() })
    }

    /// Packs all of them; the results are in the same order.
    pub fn pack<'j>(
        &mut self,
        judged: impl ExactSizeIterator<Item = (&'j Evidence, &'j Verdict)>,
    ) -> Vec<std::io::Result<Packed>> {
        // Series by series: to change the dictionary costs as much as to pack a measurement.
        let mut by_series: Vec<_> = judged.enumerate().collect();
        by_series.sort_by(|(_, (one, _)), (_, (other, _))| {
            let of = |evidence: &'j Evidence| {
                let measurement = &evidence.measurement;
                (&measurement.vantage, measurement.url.as_str(), &measurement.site)
            };
            of(one).cmp(&of(other))
        });
        let mut packed: Vec<_> = Vec::with_capacity(by_series.len());
        let same = |(_, (one, _)): &(_, (&Evidence, _)), (_, (other, _)): &(_, (&Evidence, _))| {
            let (one, other) = (&one.measurement, &other.measurement);
            one.vantage == other.vantage && one.url == other.url && one.site == other.site
        };
        for of_series in by_series.chunk_by(same) {
            packed.extend(self.pack_series(of_series));
        }
        packed.sort_by_key(|(place, _)| *place);
        packed.into_iter().map(|(_, packed)| packed).collect()
    }

    fn pack_series<'j>(
        &mut self,
        judged: &[(usize, (&'j Evidence, &'j Verdict))],
    ) -> impl Iterator<Item = (usize, std::io::Result<Packed>)> {
        let mut packed = Vec::with_capacity(judged.len());
        let Some((_, (first, opinion))) = judged.first() else { return packed.into_iter() };
        let measurement = &first.measurement;
        let key = SeriesKey {
            site: measurement.site.clone(),
            url: measurement.url.clone(),
            vantage: measurement.vantage.clone(),
        };
        let text = || {
            let texts =
                serde_json::to_vec(opinion).and_then(|opinion| Ok([opinion, serde_json::to_vec(first)?].concat()));
            // What cannot be written is told where it is packed.
            texts.unwrap_or_default()
        };
        let (series, primer) = self.primers.get(key, text);
        let set = self.packer.against(&primer);
        let primer = if set.is_ok() { primer } else { Primer::default() };
        for (place, (evidence, verdict)) in judged {
            packed.push((*place, self.pack_one(&series, &primer, evidence, verdict)));
        }
        packed.into_iter()
    }

    fn pack_one(
        &mut self,
        series: &Arc<SeriesKey>,
        primer: &Primer,
        evidence: &Evidence,
        verdict: &Verdict,
    ) -> std::io::Result<Packed> {
        let measurement = &evidence.measurement;
        Ok(Packed {
            series: Arc::clone(series),
            id: *measurement.measurement_id.0.as_bytes(),
            started_at: measurement.started_at.as_unix_ms(),
            elapsed_ms: i64::try_from(measurement.elapsed.as_duration().as_millis()).unwrap_or(i64::MAX),
            status: verdict.status,
            mechanism: verdict.mechanism,
            confidence: verdict.confidence,
            weight: verdict.weight,
            self_proving: verdict.strength == Strength::SelfProving,
            ruleset: verdict.ruleset,
            verdict: self.text(verdict)?,
            evidence: self.text(evidence)?,
            primer: Arc::clone(primer),
        })
    }

    fn text(&mut self, value: &impl serde::Serialize) -> std::io::Result<Vec<u8>> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, value)?;
        self.packer.pack(&self.buffer)
    }
}
