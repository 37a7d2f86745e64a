//! Between the conductor and the store: keeps records in order, and keeps them when the store cannot take them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::model::{Evidence, SeriesKey, SpanChange, SpanChangeKind};
use crate::serve::Metrics;
use crate::store::{ProbeRecord, Recorder, StoreError};

/// What is held while the store cannot take it; the oldest evidence is kept, what comes beyond is dropped and said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Records.
    pub records: usize,
    /// Bytes that they take in memory, about.
    pub bytes: usize,
}

/// At one record a second these last an hour of a full disk, and longer where evidence is large.
pub(super) const BOUNDS: Bounds = Bounds { records: 65_536, bytes: 64 << 20 };
/// Records handed to the store at once.
const BATCH: usize = 256;
/// Wait before the store is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// What is on its way to the store.
#[derive(Debug, Default)]
struct Held {
    records: VecDeque<(usize, ProbeRecord)>,
    bytes: usize,
    /// No more will come.
    closed: bool,
}

/// The queue between the two ends.
#[derive(Debug)]
struct Spool {
    held: Mutex<Held>,
    stirred: Notify,
    bounds: Bounds,
    metrics: Arc<Metrics>,
}

/// Where the conductor hands on its records.
pub(super) struct Outlet {
    spool: Arc<Spool>,
    dropped: u64,
    /// Openings and closings whose record was dropped.
    owed: HashMap<SeriesKey, Vec<SpanChange>>,
}

/// Where the keeper takes them from.
pub(super) struct Inlet(Arc<Spool>);

/// Both ends of a queue within `bounds`.
pub(super) fn spool(bounds: Bounds, metrics: Arc<Metrics>) -> (Outlet, Inlet) {
    let spool = Arc::new(Spool { held: Mutex::default(), stirred: Notify::new(), bounds, metrics });
    (Outlet { spool: Arc::clone(&spool), dropped: 0, owed: HashMap::new() }, Inlet(spool))
}

impl Spool {
    /// Holds a record, or gives it back when it is beyond the bounds.
    fn push(&self, record: ProbeRecord) -> Result<(), ProbeRecord> {
        let size = size_in_memory(&record.evidence);
        let mut held = self.held.lock();
        if held.records.len() >= self.bounds.records || held.bytes + size > self.bounds.bytes {
            return Err(record);
        }
        held.bytes += size;
        held.records.push_back((size, record));
        self.metrics.records_waiting(held.records.len());
        drop(held);
        self.stirred.notify_one();
        Ok(())
    }
}

impl Outlet {
    /// Hands on a record. When no more can be held the record is dropped: probing must go on, and the span lives
    /// on in the state, which the next record carries. That it opened or closed is kept for the next record: a closing
    /// that never came would leave the span open in the store for ever.
    pub(super) fn hand_on(&mut self, mut record: ProbeRecord) {
        if let Some(mut owed) = self.owed.remove(&record.series) {
            owed.append(&mut record.changes);
            record.changes = owed;
        }
        match self.spool.push(record) {
            Ok(()) if self.dropped > 0 => {
                warn!("{} measurements were not recorded while the store could not take them", self.dropped);
                self.dropped = 0;
            }
            Ok(()) => {}
            Err(record) => {
                self.dropped += 1;
                self.spool.metrics.records_dropped(1);
                let turns = record.changes.into_iter().filter(|change| change.kind != SpanChangeKind::Continued);
                let turns: Vec<SpanChange> = turns.collect();
                if !turns.is_empty() {
                    self.owed.insert(record.series, turns);
                }
            }
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.spool.held.lock().closed = true;
        self.spool.stirred.notify_one();
    }
}

impl Inlet {
    /// The oldest records, which stay until they are let go; none when no more will come.
    async fn next(&self) -> Vec<ProbeRecord> {
        loop {
            {
                let held = self.0.held.lock();
                if !held.records.is_empty() || held.closed {
                    return held.records.iter().take(BATCH).map(|(_, record)| record.clone()).collect();
                }
            }
            self.0.stirred.notified().await;
        }
    }

    /// Lets the oldest `count` records go.
    fn let_go(&self, count: usize) {
        let mut held = self.0.held.lock();
        let gone: usize = held.records.drain(..count).map(|(size, _)| size).sum();
        held.bytes -= gone;
        self.0.metrics.records_waiting(held.records.len());
    }

    fn waiting(&self) -> (usize, bool) {
        let held = self.0.held.lock();
        (held.records.len(), held.closed)
    }
}

/// Bytes that evidence takes in memory, about: its small parts as a lump, what can be large exactly.
fn size_in_memory(evidence: &Evidence) -> usize {
    /// A measurement without answers, with all its names and numbers.
    const LUMP: usize = 4 << 10;
    let measurement = &evidence.measurement;
    let answers = measurement.dns.iter().flat_map(|exchange| &exchange.answers);
    let raw: usize = answers.map(|answer| answer.raw.len()).sum();
    let certificate = |record: &crate::model::CertificateRecord| {
        record.der.len()
            + record.subject.len()
            + record.issuer.len()
            + record.names.iter().map(String::len).sum::<usize>()
    };
    let chains: usize = measurement.tls.iter().flat_map(|tls| &tls.chain).map(certificate).sum();
    let exchange = |http: &crate::model::HttpExchange| {
        let headers: usize = http.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        headers + http.body.as_ref().and_then(|body| body.kept.as_ref()).map_or(0, String::len)
    };
    let pages: usize = measurement.http.iter().map(exchange).sum();
    let others = (evidence.controls.len() + evidence.experiments.len()) * 1024;
    LUMP + raw + chains + pages + others
}

/// Stores what comes until no more will and nothing is left. When the store fails, tries again until `patience` after
/// the last record came.
///
/// # Errors
/// The writer of the record is gone, which it never should be: nothing can be recorded any more.
pub(super) async fn keep_records(
    incoming: Inlet,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    patience: Duration,
) -> Result<(), StoreError> {
    let mut troubled = false;
    let mut closed_at = None;
    loop {
        let batch = incoming.next().await;
        if batch.is_empty() {
            return Ok(());
        }
        let mut results = join_all(batch.into_iter().map(|record| recorder.record(record))).await;
        let mut refused = 0;
        for result in &mut results {
            // Trying again would not help, and must not hold up the others.
            if let Err(fault @ StoreError::Refused { .. }) = result {
                error!("a measurement is lost: {}", super::chain(fault));
                metrics.records_dropped(1);
                refused += 1;
                *result = Ok(());
            }
        }
        // Only what was stored before the first failure is let go: a later record of the same series must not
        // reach the store before an earlier one.
        let stored = results.iter().take_while(|result| result.is_ok()).count();
        incoming.let_go(stored);
        metrics.records_stored(stored.saturating_sub(refused));
        match results.into_iter().find_map(Result::err) {
            None if troubled => {
                info!("the store takes records again");
                troubled = false;
            }
            None => {}
            Some(fault @ StoreError::Closed { .. }) => {
                error!("nothing can be recorded any more: {}", super::chain(&fault));
                return Err(fault);
            }
            Some(fault) => {
                let (waiting, closed) = incoming.waiting();
                if !troubled {
                    error!(
                        waiting,
                        "cannot store; measuring goes on and the records are held: {}",
                        super::chain(&fault)
                    );
                }
                troubled = true;
                if closed {
                    let since = *closed_at.get_or_insert_with(Instant::now);
                    if since.elapsed() >= patience {
                        error!("{waiting} records could not be stored and are lost");
                        return Ok(());
                    }
                }
                tokio::time::sleep(RETRY.min(patience)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::detect::SeriesState;
    use crate::model::{
        Bracket, Evidence, Measurement, MeasurementId, Span, SpanId, SpanSource, Status, Strength, Timestamp, Trigger,
        Verdict,
    };

    fn record(series: &SeriesKey, changes: Vec<SpanChange>) -> ProbeRecord {
        let measurement_id = MeasurementId::new();
        let measurement = Measurement {
            measurement_id,
            site: series.site.clone(),
            url: series.url.clone(),
            vantage: series.vantage.clone(),
            trigger: Trigger::Scheduled,
            started_at: Timestamp::from_unix_ms(0),
            elapsed: Duration::ZERO.into(),
            dns: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            http: Vec::new(),
            quic: Vec::new(),
        };
        let verdict = Verdict {
            partial: Vec::new(),
            measurement_id,
            status: Status::Accessible,
            mechanism: None,
            confidence: 1.0,
            strength: Strength::SelfProving,
            weight: 1.0,
            rules: Vec::new(),
            reasons: Vec::new(),
            ruleset: 1,
            control: None,
        };
        let evidence = Evidence::new(measurement, Vec::new(), None);
        ProbeRecord { series: series.clone(), evidence, verdict, state: SeriesState::default(), changes }
    }

    fn change(series: &SeriesKey, kind: SpanChangeKind) -> SpanChange {
        let span = Span {
            span_id: SpanId::derived("a"),
            site: series.site.clone(),
            url: Some(series.url.clone()),
            vantage: Some(series.vantage.clone()),
            source: SpanSource::Measured,
            status: Status::Blocked,
            mechanism: None,
            partial: None,
            segments: Vec::new(),
            start: Bracket { earliest: None, latest: None },
            end: None,
            ongoing: kind != SpanChangeKind::Closed,
            last_observed: None,
            measurements: 1,
            confidence: None,
            citation: None,
        };
        SpanChange { kind, at: Timestamp::from_unix_ms(0), span }
    }

    #[test]
    fn a_closing_whose_record_was_dropped_comes_with_the_next_record() {
        let (mut outlet, incoming) = spool(Bounds { records: 1, bytes: usize::MAX }, metrics());
        let taken = || {
            let (_, record) = incoming.0.held.lock().records.pop_front().unwrap();
            record
        };
        let series = SeriesKey {
            site: "s".parse().unwrap(),
            url: "https://s.example/".parse().unwrap(),
            vantage: "v".parse().unwrap(),
        };
        outlet.hand_on(record(&series, Vec::new()));
        outlet.hand_on(record(&series, vec![change(&series, SpanChangeKind::Continued)]));
        outlet.hand_on(record(&series, vec![change(&series, SpanChangeKind::Closed)]));
        outlet.hand_on(record(&series, Vec::new()));
        assert!(taken().changes.is_empty());
        outlet.hand_on(record(&series, Vec::new()));
        let kinds: Vec<_> = taken().changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [SpanChangeKind::Closed]);
        outlet.hand_on(record(&series, Vec::new()));
        assert!(taken().changes.is_empty());
    }

    fn metrics() -> Arc<Metrics> {
        Arc::new(Metrics::new().unwrap())
    }

    fn series() -> SeriesKey {
        SeriesKey {
            site: "s".parse().unwrap(),
            url: "https://s.example/".parse().unwrap(),
            vantage: "v".parse().unwrap(),
        }
    }

    #[test]
    fn what_is_held_is_bounded_in_bytes() {
        let metrics = metrics();
        let one = size_in_memory(&record(&series(), Vec::new()).evidence);
        let (mut outlet, incoming) = spool(Bounds { records: 100, bytes: 3 * one }, Arc::clone(&metrics));
        for _ in 0..5 {
            outlet.hand_on(record(&series(), Vec::new()));
        }
        assert_eq!((incoming.waiting().0, outlet.dropped), (3, 2));
        incoming.let_go(2);
        assert_eq!(incoming.0.held.lock().bytes, one);
        let told = metrics.render();
        assert!(told.contains("blockspan_records_waiting 1\n"), "{told}");
        assert!(told.contains("blockspan_records_dropped_total 2\n"), "{told}");
    }

    #[tokio::test]
    async fn a_writer_that_is_gone_is_told_at_once_and_does_not_hold_up_the_stop() {
        let dir = tempfile::tempdir().unwrap();
        let (recorder, _) = Recorder::open_with(&dir.path().join("x.db"), Box::new(|_| ())).unwrap();
        recorder.clone().close().await.unwrap();
        let (mut outlet, incoming) = spool(BOUNDS, metrics());
        for _ in 0..2 * BATCH {
            outlet.hand_on(record(&series(), Vec::new()));
        }
        let keeping = keep_records(incoming, recorder, metrics(), Duration::from_secs(3600));
        let ended = tokio::time::timeout(Duration::from_secs(5), keeping).await.unwrap();
        assert!(matches!(ended, Err(StoreError::Closed { .. })), "{ended:?}");
    }

    #[tokio::test]
    async fn what_was_stored_is_counted_and_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let (recorder, _) = Recorder::open_with(&dir.path().join("x.db"), Box::new(|_| ())).unwrap();
        let metrics = metrics();
        let (mut outlet, incoming) = spool(BOUNDS, Arc::clone(&metrics));
        for _ in 0..BATCH + 1 {
            outlet.hand_on(record(&series(), Vec::new()));
        }
        drop(outlet);
        keep_records(incoming, recorder, Arc::clone(&metrics), Duration::from_secs(1)).await.unwrap();
        let told = metrics.render();
        assert!(told.contains(&format!("blockspan_records_stored_total {}\n", BATCH + 1)), "{told}");
        assert!(told.contains("blockspan_records_waiting 0\n"), "{told}");
    }
}
