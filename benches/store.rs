//! The store's promises of speed: recording, resuming, and reading 100,000 spans (well under 100 ms, so that
//! `history` on them stays under it).

#![allow(missing_docs, clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use blockspan::{detect, model, store};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use model::{Bracket, SpanChangeKind, Status};
use store::{MeasurementFilter, ProbeRecord, Reader, Recorder, SpanFilter};
use tokio::runtime::Runtime;

#[path = "../src/store/sample.rs"]
mod sample;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
}

fn record_all(runtime: &Runtime, recorder: &Recorder, records: Vec<ProbeRecord>) {
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for record in records {
            let recorder = recorder.clone();
            tasks.spawn(async move { recorder.record(record).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
    });
}

fn minutes_of(series: usize, minutes: std::ops::Range<u64>) -> Vec<ProbeRecord> {
    minutes.flat_map(|minute| (0..series).map(move |n| sample::record(n, minute, Status::Accessible))).collect()
}

/// `count` closed spans of 200 series in order of time, five to a record.
fn spans(count: u64) -> impl Iterator<Item = ProbeRecord> {
    let closed = |i: u64| {
        let (n, minute) = ((i / 5 % 200) as usize, i * 7);
        let mut span = sample::span(n, minute, minute + 5);
        span.end = Some(Bracket { earliest: Some(sample::at(minute + 5)), latest: Some(sample::at(minute + 6)) });
        span.ongoing = false;
        (n, minute, span)
    };
    (0..count / 5).map(move |record| {
        let (n, minute, _) = closed(record * 5);
        let plain = sample::record(n, minute, Status::Accessible);
        (record * 5..record * 5 + 5)
            .map(closed)
            .fold(plain, |record, (_, _, span)| sample::with_change(record, SpanChangeKind::Closed, span))
    })
}

fn recording(c: &mut Criterion) {
    let runtime = runtime();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record.db");
    let (recorder, _) = Recorder::open(&path).unwrap();
    let mut group = c.benchmark_group("record");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    let mut minute = 0;
    group.throughput(Throughput::Elements(1000));
    group.bench_function("1000 measurements of 200 series", |b| {
        b.iter_batched(
            || {
                minute += 5;
                minutes_of(200, minute..minute + 5)
            },
            |records| record_all(&runtime, &recorder, records),
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("one measurement, to its commit", |b| {
        b.iter_batched(
            || {
                minute += 1;
                minutes_of(1, minute..minute + 1)
            },
            |records| record_all(&runtime, &recorder, records),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    let records = Reader::open(&path).map(|reader| count(&reader)).unwrap();
    eprintln!("size on disk: {} bytes a measurement", recorder.bytes() / records.max(1));
}

fn count(reader: &Reader) -> u64 {
    let mut count = 0;
    reader
        .measurements(&MeasurementFilter::default(), &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    count
}

fn filled(path: &Path, runtime: &Runtime) {
    let (recorder, _) = Recorder::open(path).unwrap();
    let started = Instant::now();
    let mut all = spans(100_000);
    loop {
        let some: Vec<_> = all.by_ref().take(2000).collect();
        if some.is_empty() {
            break;
        }
        record_all(runtime, &recorder, some);
    }
    runtime.block_on(recorder.close()).unwrap();
    eprintln!(
        "20,000 records with 100,000 spans made and written in {:.1?}; {} bytes",
        started.elapsed(),
        store::file_bytes(path)
    );
}

fn reading(c: &mut Criterion) {
    let runtime = runtime();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spans.db");
    filled(&path, &runtime);
    let mut group = c.benchmark_group("read");
    group.sample_size(20);
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("100,000 spans, opening included", |b| {
        b.iter(|| Reader::open(&path).unwrap().spans(&SpanFilter::default()).unwrap().len());
    });
    group.throughput(Throughput::Elements(100));
    let one_site = MeasurementFilter { sites: vec![sample::key(7).site], ..MeasurementFilter::default() };
    group.bench_function("100 measurements of one site", |b| {
        b.iter(|| {
            let mut bytes = 0;
            Reader::open(&path)
                .unwrap()
                .measurements(&one_site, &mut |stored| {
                    bytes += stored.evidence.measurement.dns.len();
                    ControlFlow::Continue(())
                })
                .unwrap();
            bytes
        });
    });
    group.throughput(Throughput::Elements(200));
    group.bench_function("resume 200 series", |b| {
        b.iter(|| {
            let (recorder, restored) = Recorder::open(&path).unwrap();
            runtime.block_on(recorder.close()).unwrap();
            restored.len()
        });
    });
    group.finish();
}

criterion_group!(benches, recording, reading);
criterion_main!(benches);
