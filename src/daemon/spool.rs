//! Records that wait for the store, within a bound of memory.
//!
//! What does not fit is dropped, the newest first: what waits is then a whole stretch up to the moment at which the
//! spool was full. The span of a dropped record is not dropped: the next record of its series carries its state, and
//! what happened to the span.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use serde::Serialize;

use crate::model::{SeriesKey, SpanChange, SpanChangeKind};
use crate::store::ProbeRecord;

/// How much waits at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Records.
    pub records: usize,
    /// Their memory, bytes.
    pub bytes: usize,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    /// Records.
    pub records: usize,
    /// Their memory, bytes.
    pub bytes: usize,
}

/// Records that wait for the store, oldest first.
pub(super) struct Spool {
    limits: Limits,
    waiting: VecDeque<Held>,
    bytes: usize,
    /// What happened to spans in records that were dropped.
    owed: HashMap<SeriesKey, Vec<SpanChange>>,
}

struct Held {
    record: Arc<ProbeRecord>,
    bytes: usize,
}

impl Spool {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new(), bytes: 0, owed: HashMap::new() }
    }

    /// What waits now.
    pub(super) fn load(&self) -> Load {
        Load { records: self.waiting.len(), bytes: self.bytes }
    }

    /// Takes a record in. Tells whether it fitted.
    pub(super) fn push(&mut self, mut record: ProbeRecord) -> bool {
        if let Some(mut owed) = self.owed.remove(&record.series) {
            owed.append(&mut record.changes);
            record.changes = owed;
        }
        let bytes = memory_of(&record);
        if self.waiting.len() >= self.limits.records || self.bytes + bytes > self.limits.bytes {
            owe(self.owed.entry(record.series).or_default(), record.changes);
            return false;
        }
        self.bytes += bytes;
        self.waiting.push_back(Held { record: Arc::new(record), bytes });
        true
    }

    /// The oldest records, as many as fit into `most`, and at least one if any waits.
    pub(super) fn oldest(&self, most: Limits) -> Vec<Arc<ProbeRecord>> {
        let mut bytes = 0;
        let fits = self.waiting.iter().take(most.records).take_while(|held| {
            let first = bytes == 0;
            bytes += held.bytes;
            first || bytes <= most.bytes
        });
        fits.map(|held| Arc::clone(&held.record)).collect()
    }

    /// Lets go of the oldest `count`: the store has them.
    pub(super) fn let_go(&mut self, count: usize) {
        let gone = self.waiting.drain(..count.min(self.waiting.len()));
        self.bytes -= gone.map(|held| held.bytes).sum::<usize>();
    }
}

/// Adds changes to those owed. Of a span that goes on only the latest news is kept, so that this does not grow with
/// every measurement.
fn owe(owed: &mut Vec<SpanChange>, changes: impl IntoIterator<Item = SpanChange>) {
    for change in changes {
        let span = change.span.span_id;
        owed.retain(|before| before.kind != SpanChangeKind::Continued || before.span.span_id != span);
        owed.push(change);
    }
}

/// About how much memory a record takes: the length of its JSON, and half as much for what holds it together.
fn memory_of(record: &ProbeRecord) -> usize {
    let parts = [json_length(&record.evidence), json_length(&record.verdict), json_length(&record.state)];
    let spans = record.changes.iter().map(|change| json_length(&change.span));
    let json: usize = parts.into_iter().chain(spans).sum();
    json + json / 2
}

fn json_length(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    // What cannot be written at all will be refused by the store.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// Counts what is written to it.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use SpanChangeKind::{Closed, Continued, Opened};

    use super::*;
    use crate::model::Status;
    use crate::store::sample;

    const ROOMY: Limits = Limits { records: 100, bytes: 1 << 30 };

    fn plain(n: usize, minute: u64) -> ProbeRecord {
        sample::record(n, minute, Status::Accessible)
    }

    fn with(n: usize, minute: u64, kind: SpanChangeKind) -> ProbeRecord {
        sample::with_change(plain(n, minute), kind, sample::span(n, 1, minute))
    }

    fn minutes(records: &[Arc<ProbeRecord>]) -> Vec<u64> {
        let minute =
            |record: &Arc<ProbeRecord>| record.evidence.measurement.started_at.since(sample::at(0)).as_secs() / 60;
        records.iter().map(minute).collect()
    }

    fn changes(record: &ProbeRecord) -> Vec<SpanChangeKind> {
        record.changes.iter().map(|change| change.kind).collect()
    }

    #[test]
    fn what_comes_beyond_the_bound_is_dropped_and_what_waits_stays_whole() {
        let mut spool = Spool::new(Limits { records: 3, ..ROOMY });
        let held: Vec<bool> = (0..5).map(|minute| spool.push(plain(0, minute))).collect();
        assert_eq!(held, [true, true, true, false, false]);
        assert_eq!(minutes(&spool.oldest(ROOMY)), [0, 1, 2]);
        spool.let_go(2);
        assert!(spool.push(plain(0, 5)));
        assert_eq!(minutes(&spool.oldest(ROOMY)), [2, 5]);
    }

    #[test]
    fn the_bound_is_one_of_memory_too() {
        let one = memory_of(&plain(0, 0));
        let mut spool = Spool::new(Limits { bytes: one * 5 / 2, ..ROOMY });
        let held = (0..5).filter(|minute| spool.push(plain(0, *minute))).count();
        assert_eq!(held, 2);
        assert!(spool.load().bytes <= one * 5 / 2, "{:?}", spool.load());
        spool.let_go(2);
        assert_eq!(spool.load(), Load { records: 0, bytes: 0 });
    }

    #[test]
    fn a_batch_is_bounded_but_never_empty() {
        let mut spool = Spool::new(ROOMY);
        (0..5).for_each(|minute| assert!(spool.push(plain(0, minute))));
        let one = memory_of(&plain(0, 0));
        assert_eq!(minutes(&spool.oldest(Limits { records: 2, ..ROOMY })), [0, 1]);
        assert_eq!(minutes(&spool.oldest(Limits { bytes: one * 7 / 2, ..ROOMY })), [0, 1, 2]);
        assert_eq!(minutes(&spool.oldest(Limits { bytes: 1, ..ROOMY })), [0]);
    }

    #[test]
    fn what_happened_to_a_span_outlives_the_record_that_is_dropped() {
        let mut spool = Spool::new(Limits { records: 1, ..ROOMY });
        assert!(spool.push(plain(0, 0)));
        for dropped in [with(0, 1, Opened), with(0, 2, Continued), with(0, 3, Continued)] {
            assert!(!spool.push(dropped));
        }
        assert!(!spool.push(plain(1, 3)), "another series");
        spool.let_go(1);
        assert!(spool.push(plain(0, 4)));
        let next = spool.oldest(ROOMY).remove(0);
        assert_eq!(changes(&next), [Opened, Continued]);
        assert_eq!(next.changes[1].span, sample::span(0, 1, 3), "the span as it was last");
        spool.let_go(1);
        assert!(spool.push(plain(0, 5)));
        assert!(changes(&spool.oldest(ROOMY)[0]).is_empty(), "it is told once");

        assert!(!spool.push(with(0, 6, Continued)));
        assert!(!spool.push(with(0, 7, Closed)));
        spool.let_go(1);
        assert!(spool.push(plain(0, 8)));
        assert_eq!(changes(&spool.oldest(ROOMY)[0]), [Closed]);
    }

    /// The memory that the process really takes for a full spool. Alone in its process, since others allocate too:
    /// `cargo test --lib spool -- --ignored --nocapture`.
    #[test]
    #[ignore = "measures the memory of the process: run alone"]
    fn memory_is_about_what_is_counted() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
        };
        let mut spool = Spool::new(super::super::recording::LIMITS);
        let before = resident();
        let mut minute = 0;
        // Each from its own JSON, as evidence is made: no buffer is shared, none is larger than it must be.
        while spool.push(plain(minute as usize % 200, minute)) {
            minute += 1;
        }
        let (taken, load) = (resident() - before, spool.load());
        println!("{load:?}: {taken} bytes resident, {:.2} of what is counted", taken as f64 / load.bytes as f64);
        assert!(taken < load.bytes * 3 / 2);
    }
}
