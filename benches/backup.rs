//! The promise of `backup`: the writer of the daemon goes on beside it. Prints writes a second and the longest wait for
//! a commit, alone and while a record of about 200 MB is copied.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use blockspan::{detect, model, store};
use model::Status;
use store::{Recorder, back_up};
use tokio::runtime::Runtime;

#[path = "../src/store/sample.rs"]
#[allow(dead_code)]
mod sample;

/// Size of the record that is copied.
const SIZE: u64 = 200_000_000;
/// Time that the writer is watched alone.
const ALONE: Duration = Duration::from_secs(5);

/// Records until `stop`; gives the longest wait for a commit.
async fn write(recorder: &Recorder, n: usize, from: u64, stop: &AtomicBool, count: &AtomicU64) -> Duration {
    let mut longest = Duration::ZERO;
    for minute in from.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let record = sample::record(n, minute, Status::Accessible);
        let begun = Instant::now();
        recorder.record(record).await.unwrap();
        longest = longest.max(begun.elapsed());
        count.fetch_add(1, Ordering::Relaxed);
    }
    longest
}

/// Watches the writer while `work` is done on another thread.
fn watched(runtime: &Runtime, recorder: &Recorder, from: u64, what: &str, work: impl FnOnce() + Send) {
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let longest = std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            work();
            stop.store(true, Ordering::Relaxed);
        });
        runtime.block_on(async {
            let (a, b, c, d) = tokio::join!(
                write(recorder, 0, from, stop, &count),
                write(recorder, 1, from, stop, &count),
                write(recorder, 2, from, stop, &count),
                write(recorder, 3, from, stop, &count)
            );
            a.max(b).max(c).max(d)
        })
    });
    let took = begun.elapsed();
    let rate = count.load(Ordering::Relaxed) as f64 / took.as_secs_f64();
    println!("{what}: {took:.1?}, {rate:.0} writes/s, longest wait for a commit {longest:.1?}");
}

/// Fills the database with series of which none packs another's evidence, until it is large enough.
fn fill(runtime: &Runtime, recorder: &Recorder) {
    let mut n = 10;
    while recorder.bytes() < SIZE {
        let records = (0..500)
            .map(|minute| std::sync::Arc::new(sample::record(n + minute as usize, minute, Status::Accessible)))
            .collect();
        assert!(runtime.block_on(recorder.record_all(records)).unwrap().is_empty());
        n += 500;
    }
}

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("record.db"), dir.path().join("copy.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (recorder, _) = Recorder::open(&path).unwrap();
    fill(&runtime, &recorder);
    watched(&runtime, &recorder, 0, "alone", || std::thread::sleep(ALONE));
    watched(&runtime, &recorder, 1_000_000, "beside a backup", || {
        let made = back_up(&path, &copy, false, &mut |_| {}).unwrap();
        println!("copied {} MB with {} measurements", made.bytes / 1_000_000, made.measurements);
    });
    println!("the log afterwards: {} MB", dir.path().join("record.db-wal").metadata().unwrap().len() / 1_000_000);
    runtime.block_on(recorder.close()).unwrap();
}
