//! How quickly the record is judged again: typical evidence of an accessible and of a blocked site.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use blockspan::{detect, judge, model, rejudge, store};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model::{CountryCode, SeriesKey, Status, Timestamp};
use store::{Archive, Recorder};

#[allow(dead_code)]
#[path = "../src/store/sample.rs"]
mod sample;
#[allow(dead_code)]
#[path = "../src/rejudge/sample.rs"]
mod second_opinion;

const SERIES: usize = 4;
const MINUTES: u64 = 2_500;

/// A database of [`SERIES`] times [`MINUTES`] measurements; half of a blocked site's are good.
fn filled(path: &Path, is_blocked: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let (recorder, _) = Recorder::open(path).unwrap();
        for minute in 0..MINUTES {
            let status = if is_blocked && minute % 100 < 50 { Status::Blocked } else { Status::Accessible };
            let records = (0..SERIES).map(|n| {
                let mut record = sample::record(n, minute, status);
                if status == Status::Blocked {
                    record.evidence = second_opinion::with_second_opinion(record.evidence);
                }
                record
            });
            let recording = records.map(|record| recorder.record(record));
            for done in futures_util::future::join_all(recording).await {
                done.unwrap();
            }
        }
        recorder.close().await.unwrap();
    });
}

fn judge_again(path: &Path, to_look: bool) -> u64 {
    let open = if to_look { Archive::open_to_look } else { Archive::open };
    let mut archive = open(path, Timestamp::from_unix_ms(0), rejudge::ruleset()).unwrap();
    let orders = rejudge::Orders {
        knowledge: &judge::Knowledge::new(vec!["192.0.2.0/24".parse().unwrap()]),
        country: &|_: &SeriesKey| Some(CountryCode::UNKNOWN),
        detector: &detect::Detector::new(detect::Params::default(), model::SpanSource::Measured),
        wanted: &|_: &SeriesKey| true,
        since: None,
    };
    let summary = rejudge::rejudge(&mut archive, &orders, &mut |_| {}).unwrap();
    archive.close().unwrap();
    summary.measurements.judged
}

fn judging_again(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let mut group = c.benchmark_group("rejudge");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(SERIES as u64 * MINUTES));
    for (name, is_blocked) in [("accessible", false), ("half blocked", true)] {
        let path = dir.path().join(format!("{is_blocked}.db"));
        filled(&path, is_blocked);
        group.bench_function(format!("10,000 measurements, {name}, dry run"), |b| {
            b.iter(|| judge_again(&path, true));
        });
        let copy = dir.path().join("copy.db");
        group.bench_function(format!("10,000 measurements, {name}, every verdict replaced"), |b| {
            b.iter_batched(
                || std::fs::copy(&path, &copy).unwrap(),
                |_| judge_again(&copy, false),
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, judging_again);
criterion_main!(benches);
