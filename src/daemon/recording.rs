//! Between the conductor and the store: keeps records in order, and keeps them when the store cannot take them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::spool::{Limits, Load, Spool};
use crate::serve::{Metrics, Readiness};
use crate::store::{ProbeRecord, Recorder, StoreError};

/// What is held while the store cannot take records.
pub(super) const LIMITS: Limits = Limits { records: 16_384, bytes: 64 << 20 };
/// What is handed to the store at once.
const BATCH: Limits = Limits { records: 256, bytes: 8 << 20 };
/// Wait before the store is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Where the conductor hands on its records.
pub(super) struct Outlet(Arc<Shared>);

/// Stores what the outlet is given.
pub(super) struct Keeper(Arc<Shared>);

/// Records that will never be stored.
#[derive(Debug)]
pub(super) struct Lost {
    /// How many.
    pub records: usize,
    /// Why.
    pub fault: StoreError,
}

struct Shared {
    waiting: Mutex<Waiting>,
    news: Notify,
    /// Nothing comes any more.
    closed: AtomicBool,
    metrics: Arc<Metrics>,
    ready: Arc<Readiness>,
}

struct Waiting {
    spool: Spool,
    /// Dropped since the store last took something.
    dropped: u64,
}

/// The two ends of the way to the store.
pub(super) fn way_to_store(limits: Limits, metrics: Arc<Metrics>, ready: Arc<Readiness>) -> (Outlet, Keeper) {
    metrics.store_up(true);
    let waiting = Mutex::new(Waiting { spool: Spool::new(limits), dropped: 0 });
    let shared = Shared { waiting, news: Notify::new(), closed: AtomicBool::new(false), metrics, ready };
    let shared = Arc::new(shared);
    (Outlet(Arc::clone(&shared)), Keeper(shared))
}

impl Outlet {
    /// Hands on a record. When even the spool is full the record is dropped: probing must go on, and the span lives on
    /// in the state, which the next record carries.
    pub(super) fn hand_on(&mut self, record: ProbeRecord) {
        let Shared { waiting, metrics, news, .. } = &*self.0;
        let mut waiting = waiting.lock();
        if waiting.spool.push(record) {
            news.notify_one();
        } else {
            if waiting.dropped == 0 {
                warn!(
                    "{} records wait for the store and no more are held: measurements are dropped until it takes some; \
                     what happens to spans is kept",
                    waiting.spool.load().records
                );
            }
            waiting.dropped += 1;
            metrics.records_dropped(1);
        }
        tell(metrics, waiting.spool.load());
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.news.notify_one();
    }
}

impl Keeper {
    /// Stores what comes until the outlet is gone and nothing waits. When the store fails, tries again until `patience`
    /// after the outlet is gone.
    ///
    /// # Errors
    /// The store is closed or its thread has broken off, or it could not take what was left: it will never be stored.
    pub(super) async fn keep(self, recorder: Recorder, patience: Duration) -> Result<(), Lost> {
        let mut troubled = false;
        let mut closed_at = None;
        while let Some(batch) = self.next().await {
            let count = batch.len();
            let Err(fault) = recorder.record_all(batch).await.map(|refused| {
                refused.iter().for_each(|refusal| error!("a measurement is lost: {}", super::chain(&refusal.why)));
                self.taken(count, refused.len());
            }) else {
                if troubled {
                    info!("the store takes records again");
                    self.say_troubled(false);
                }
                troubled = false;
                continue;
            };
            if !troubled {
                let waiting = self.0.waiting.lock().spool.load().records;
                let said = super::chain(&fault);
                error!(waiting, "cannot store; measuring goes on and the records are held: {said}");
                self.say_troubled(true);
            }
            troubled = true;
            let out_of_patience = self.0.closed.load(Ordering::Acquire)
                && closed_at.get_or_insert_with(Instant::now).elapsed() >= patience;
            if out_of_patience || matches!(fault, StoreError::Closed { .. }) {
                let records = self.0.waiting.lock().spool.load().records;
                self.0.metrics.records_dropped(records);
                return Err(Lost { records, fault });
            }
            tokio::time::sleep(RETRY.min(patience)).await;
        }
        Ok(())
    }

    /// What is to be stored next; None when nothing waits and nothing will come.
    async fn next(&self) -> Option<Vec<Arc<ProbeRecord>>> {
        loop {
            // Asked first: what came before the end is then seen below.
            let closed = self.0.closed.load(Ordering::Acquire);
            let batch = self.0.waiting.lock().spool.oldest(BATCH);
            if !batch.is_empty() {
                return Some(batch);
            }
            if closed {
                return None;
            }
            self.0.news.notified().await;
        }
    }

    /// The store has the oldest `count`, of which it refused some.
    fn taken(&self, count: usize, refused: usize) {
        let Shared { waiting, metrics, .. } = &*self.0;
        let mut waiting = waiting.lock();
        waiting.spool.let_go(count);
        metrics.records_stored(count - refused);
        metrics.records_dropped(refused);
        tell(metrics, waiting.spool.load());
        if waiting.dropped > 0 {
            warn!("{} measurements were not recorded while the store could not take them", waiting.dropped);
            waiting.dropped = 0;
        }
    }

    fn say_troubled(&self, troubled: bool) {
        self.0.metrics.store_up(!troubled);
        self.0.ready.store_troubled(troubled);
    }
}

fn tell(metrics: &Metrics, load: Load) {
    metrics.records_waiting(load.records, load.bytes);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{SpanChangeKind, Status};
    use crate::store::{Reader, SpanFilter, sample};

    const ROOMY: Limits = LIMITS;
    const PATIENCE: Duration = Duration::from_millis(50);

    struct Place {
        dir: tempfile::TempDir,
        metrics: Arc<Metrics>,
        ready: Arc<Readiness>,
    }

    impl Place {
        fn new() -> Self {
            let ready = Readiness::new();
            ready.store_opened();
            ready.round_scheduled();
            Self {
                dir: tempfile::tempdir().unwrap(),
                metrics: Arc::new(Metrics::new().unwrap()),
                ready: Arc::new(ready),
            }
        }

        fn path(&self) -> std::path::PathBuf {
            self.dir.path().join("x.db")
        }

        fn recorder(&self) -> Recorder {
            Recorder::open(&self.path()).unwrap().0
        }

        fn ends(&self, limits: Limits) -> (Outlet, Keeper) {
            way_to_store(limits, Arc::clone(&self.metrics), Arc::clone(&self.ready))
        }

        fn metric(&self, name: &str) -> f64 {
            let text = self.metrics.render();
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
        }
    }

    fn hand_on(outlet: &mut Outlet, minutes: std::ops::Range<u64>) {
        minutes.for_each(|minute| outlet.hand_on(sample::record(0, minute, Status::Accessible)));
    }

    fn count(path: &Path) -> usize {
        let mut count = 0;
        let each = &mut |_| {
            count += 1;
            std::ops::ControlFlow::Continue(())
        };
        Reader::open(path).unwrap().measurements(&Default::default(), each).unwrap();
        count
    }

    #[tokio::test]
    async fn what_is_counted_as_stored_is_stored() {
        let place = Place::new();
        let (mut outlet, keeper) = place.ends(ROOMY);
        hand_on(&mut outlet, 0..600);
        assert_eq!(place.metric("blockspan_records_waiting"), 600.0);
        assert!(place.metric("blockspan_records_waiting_bytes") > 600_000.0);
        let recorder = place.recorder();
        let keeping = tokio::spawn(keeper.keep(recorder.clone(), PATIENCE));
        while place.metric("blockspan_records_stored_total") < 600.0 {
            let stored = place.metric("blockspan_records_stored_total");
            assert!(count(&place.path()) as f64 >= stored);
            tokio::task::yield_now().await;
        }
        drop(outlet);
        keeping.await.unwrap().unwrap();
        recorder.close().await.unwrap();
        assert_eq!(count(&place.path()), 600);
        assert_eq!(place.metric("blockspan_records_waiting"), 0.0);
        assert_eq!(place.metric("blockspan_records_dropped_total"), 0.0);
    }

    #[tokio::test]
    async fn a_refused_record_holds_up_nobody_and_its_opening_is_not_lost() {
        let place = Place::new();
        let (mut outlet, keeper) = place.ends(ROOMY);
        let opening = sample::record(0, 1, Status::Blocked);
        let mut opening = sample::with_change(opening, SpanChangeKind::Opened, sample::span(0, 1, 1));
        opening.verdict.confidence = f64::NAN;
        outlet.hand_on(opening);
        hand_on(&mut outlet, 2..3);
        drop(outlet);
        let recorder = place.recorder();
        keeper.keep(recorder.clone(), PATIENCE).await.unwrap();
        assert_eq!(count(&place.path()), 1);
        assert_eq!(place.metric("blockspan_records_dropped_total"), 1.0);
        assert_eq!(place.metric("blockspan_records_stored_total"), 1.0);
        recorder.close().await.unwrap();
        let spans = Reader::open(&place.path()).unwrap().spans(&SpanFilter::default()).unwrap();
        assert_eq!(spans, [sample::span(0, 1, 1)]);
    }

    #[tokio::test]
    async fn a_closed_store_is_noticed_at_once_however_much_waits() {
        let place = Place::new();
        let recorder = place.recorder();
        recorder.clone().close().await.unwrap();
        let (mut outlet, keeper) = place.ends(ROOMY);
        hand_on(&mut outlet, 0..600);
        // The outlet is still there: measuring goes on.
        let keeping = keeper.keep(recorder, Duration::from_secs(600));
        let lost = tokio::time::timeout(Duration::from_secs(5), keeping).await.unwrap().unwrap_err();
        assert!(matches!(lost, Lost { records: 600, fault: StoreError::Closed { .. } }), "{lost:?}");
        assert!(place.ready.missing().unwrap().contains("store"));
    }

    #[tokio::test]
    async fn a_writer_that_breaks_off_is_noticed_at_once() {
        let place = Place::new();
        let (recorder, _) = Recorder::open_with(&place.path(), Box::new(|_| panic!("on purpose"))).unwrap();
        let (mut outlet, keeper) = place.ends(ROOMY);
        hand_on(&mut outlet, 0..1);
        let keeping = keeper.keep(recorder, Duration::from_secs(600));
        let lost = tokio::time::timeout(Duration::from_secs(5), keeping).await.unwrap().unwrap_err();
        assert!(matches!(lost.fault, StoreError::Closed { .. }), "{lost:?}");
    }

    #[tokio::test]
    async fn a_store_in_trouble_is_told_and_what_waited_is_stored_when_it_recovers() {
        let place = Place::new();
        let recorder = place.recorder();
        let aside = place.dir.path().join("aside.db");
        std::fs::rename(place.path(), &aside).unwrap();
        let (mut outlet, keeper) = place.ends(Limits { records: 10, ..ROOMY });
        hand_on(&mut outlet, 0..15);
        let keeping = tokio::spawn(keeper.keep(recorder.clone(), PATIENCE));
        while place.metric("blockspan_store_up") != 0.0 {
            tokio::task::yield_now().await;
        }
        assert!(place.ready.missing().unwrap().contains("the log says why"));
        let of_metrics = ["waiting", "dropped_total", "stored_total"];
        let [waiting, dropped, stored] = of_metrics.map(|name| place.metric(&format!("blockspan_records_{name}")));
        assert_eq!((waiting, dropped, stored), (10.0, 5.0, 0.0));
        std::fs::rename(&aside, place.path()).unwrap();
        while place.metric("blockspan_store_up") != 1.0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(place.ready.missing(), None);
        drop(outlet);
        keeping.await.unwrap().unwrap();
        recorder.close().await.unwrap();
        assert_eq!(count(&place.path()), 10);
        assert!(Reader::open(&place.path()).unwrap().spans(&SpanFilter::default()).unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_store_in_trouble_does_not_hold_up_the_stop() {
        let place = Place::new();
        let recorder = place.recorder();
        std::fs::remove_file(place.path()).unwrap();
        let (mut outlet, keeper) = place.ends(ROOMY);
        hand_on(&mut outlet, 0..600);
        drop(outlet);
        let keeping = keeper.keep(recorder, PATIENCE);
        let lost = tokio::time::timeout(Duration::from_secs(5), keeping).await.unwrap().unwrap_err();
        assert!(matches!(lost, Lost { records: 600, fault: StoreError::Gone { .. } }), "{lost:?}");
        assert_eq!(place.metric("blockspan_records_dropped_total"), 600.0);
    }
}
