//! Between the conductor and the store: keeps records in order, and keeps them when the store cannot take them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::model::{SeriesKey, SpanChange, SpanChangeKind};
use crate::store::{ProbeRecord, Recorder, StoreError};

/// Records held while the store cannot take them; the oldest evidence is kept, what comes beyond is dropped and said.
pub(super) const BACKLOG: usize = 4096;
/// Records handed to the store at once.
const BATCH: usize = 256;
/// Wait before the store is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Where the conductor hands on its records.
pub(super) struct Outlet {
    records: mpsc::Sender<ProbeRecord>,
    dropped: u64,
    /// Openings and closings whose record was dropped.
    owed: HashMap<SeriesKey, Vec<SpanChange>>,
}

impl Outlet {
    pub(super) fn new(records: mpsc::Sender<ProbeRecord>) -> Self {
        Self { records, dropped: 0, owed: HashMap::new() }
    }

    /// Hands on a record. When even the backlog is full the record is dropped: probing must go on, and the span lives
    /// on in the state, which the next record carries. That it opened or closed is kept for the next record: a closing
    /// that never came would leave the span open in the store for ever.
    pub(super) fn hand_on(&mut self, mut record: ProbeRecord) {
        if let Some(mut owed) = self.owed.remove(&record.series) {
            owed.append(&mut record.changes);
            record.changes = owed;
        }
        match self.records.try_send(record) {
            Ok(()) if self.dropped > 0 => {
                warn!("{} measurements were not recorded while the store could not take them", self.dropped);
                self.dropped = 0;
            }
            Ok(()) => {}
            Err(fault) => {
                self.dropped += 1;
                let record = fault.into_inner();
                let turns = record.changes.into_iter().filter(|change| change.kind != SpanChangeKind::Continued);
                let turns: Vec<SpanChange> = turns.collect();
                if !turns.is_empty() {
                    self.owed.insert(record.series, turns);
                }
            }
        }
    }
}

/// Stores what comes until the channel is closed and empty. When the store fails, tries again until `patience` after the
/// channel was closed.
pub(super) async fn keep_records(mut incoming: mpsc::Receiver<ProbeRecord>, recorder: Recorder, patience: Duration) {
    let mut waiting: VecDeque<ProbeRecord> = VecDeque::new();
    let mut troubled = false;
    let mut closed_at = None;
    loop {
        if waiting.is_empty() {
            let mut fresh = Vec::with_capacity(BATCH);
            if incoming.recv_many(&mut fresh, BATCH).await == 0 {
                return;
            }
            waiting.extend(fresh);
        }
        let batch: Vec<ProbeRecord> = waiting.iter().take(BATCH).cloned().collect();
        let mut results = recorder.record_all(batch).await;
        for result in &mut results {
            // Trying again would not help, and must not hold up the others.
            if let Err(fault @ StoreError::Refused { .. }) = result {
                error!("a measurement is lost: {}", super::chain(fault));
                *result = Ok(());
            }
        }
        // Only what was stored before the first failure is let go: a later record of the same series must not
        // reach the store before an earlier one.
        let stored = results.iter().take_while(|result| result.is_ok()).count();
        waiting.drain(..stored);
        match results.into_iter().find_map(Result::err) {
            None if troubled => {
                info!("the store takes records again");
                troubled = false;
            }
            None => {}
            Some(fault) => {
                if !troubled {
                    error!(
                        waiting = waiting.len(),
                        "cannot store; measuring goes on and the records are held: {}",
                        super::chain(&fault)
                    );
                }
                troubled = true;
                if incoming.is_closed() {
                    let since = *closed_at.get_or_insert_with(tokio::time::Instant::now);
                    if since.elapsed() >= patience {
                        error!("{} records could not be stored and are lost", waiting.len() + incoming.len());
                        return;
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
        let (records, mut incoming) = mpsc::channel(1);
        let mut outlet = Outlet::new(records);
        let series = SeriesKey {
            site: "s".parse().unwrap(),
            url: "https://s.example/".parse().unwrap(),
            vantage: "v".parse().unwrap(),
        };
        outlet.hand_on(record(&series, Vec::new()));
        outlet.hand_on(record(&series, vec![change(&series, SpanChangeKind::Continued)]));
        outlet.hand_on(record(&series, vec![change(&series, SpanChangeKind::Closed)]));
        outlet.hand_on(record(&series, Vec::new()));
        assert!(incoming.try_recv().unwrap().changes.is_empty());
        outlet.hand_on(record(&series, Vec::new()));
        let kinds: Vec<_> = incoming.try_recv().unwrap().changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [SpanChangeKind::Closed]);
        outlet.hand_on(record(&series, Vec::new()));
        assert!(incoming.try_recv().unwrap().changes.is_empty());
    }

    /// The replay of a rejudgement goes by this order.
    #[tokio::test]
    async fn a_full_backlog_is_stored_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let (recorder, _) = Recorder::open_with(&path, Box::new(|_| ())).unwrap();
        let (records, incoming) = mpsc::channel(BACKLOG);
        let series = SeriesKey {
            site: "s".parse().unwrap(),
            url: "https://s.example/".parse().unwrap(),
            vantage: "v".parse().unwrap(),
        };
        for _ in 0..3 * BATCH {
            records.try_send(record(&series, Vec::new())).unwrap();
        }
        drop(records);
        keep_records(incoming, recorder.clone(), Duration::from_millis(50)).await;
        recorder.close().await.unwrap();
        let connection = rusqlite::Connection::open(&path).unwrap();
        let mut query = connection.prepare("SELECT id FROM measurement ORDER BY seq").unwrap();
        let stored: Vec<Vec<u8>> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(stored.len(), 3 * BATCH);
        assert!(stored.is_sorted(), "ids are in the order of their making");
    }

    #[tokio::test]
    async fn a_dead_store_does_not_hold_up_the_stop_however_much_is_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let (recorder, _) = Recorder::open_with(&dir.path().join("x.db"), Box::new(|_| ())).unwrap();
        recorder.clone().close().await.unwrap();
        let (records, incoming) = mpsc::channel(BACKLOG);
        let series = SeriesKey {
            site: "s".parse().unwrap(),
            url: "https://s.example/".parse().unwrap(),
            vantage: "v".parse().unwrap(),
        };
        for _ in 0..2 * BATCH {
            records.try_send(record(&series, Vec::new())).unwrap();
        }
        drop(records);
        let keeping = keep_records(incoming, recorder, Duration::from_millis(50));
        assert!(tokio::time::timeout(Duration::from_secs(5), keeping).await.is_ok());
    }
}
