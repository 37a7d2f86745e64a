//! The promise that `history` on 100,000 spans answers in under 100 ms, as a whole command: start, read, print.
//!
//! `cargo bench --bench history` prints the median of each format over several runs of the real binary.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use blockspan::{detect, model, store};
use model::{Bracket, SpanChangeKind, Status};
use store::Recorder;

#[path = "../src/store/sample.rs"]
#[allow(dead_code)]
mod sample;

const SPANS: u64 = 100_000;
const RUNS: usize = 15;

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let one = sample::key(7);
    let targets =
        format!("[[site]]\nid = \"{}\"\nname = \"One\"\ncountry = \"KZ\"\nurls = [\"{}\"]\n", one.site, one.url);
    std::fs::write(folder.path().join("targets.toml"), targets).unwrap();
    fill(&folder.path().join("blockspan.db"));
    let all = ["json", "ndjson", "csv", "table", "chart"].map(|format| (format, None));
    let some = ["json", "table", "chart"].map(|format| (format, Some(one.site.as_str())));
    for (format, site) in all.into_iter().chain(some) {
        let mut times: Vec<Duration> = (0..RUNS).map(|_| once(folder.path(), format, site)).collect();
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!(
            "history {:4} --format {format:6} on {SPANS} spans: median {:5.1} ms, least {:5.1}, most {:5.1}   (promise: under 100 ms)",
            site.unwrap_or_default(),
            ms(times[RUNS / 2]),
            ms(times[0]),
            ms(times[RUNS - 1])
        );
    }
}

fn once(folder: &std::path::Path, format: &str, site: Option<&str>) -> Duration {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_blockspan"))
        .current_dir(folder)
        .args(["history", "--source", "measured", "--format", format])
        .args(site)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let bytes = std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
    let taken = started.elapsed();
    // A chart draws its 200 series as rows; the other formats print every span.
    let spans = if site.is_some() { SPANS / 200 } else { SPANS };
    assert!(bytes > if format == "chart" { 50 } else { 50 * spans }, "{format}: only {bytes} bytes");
    taken
}

fn fill(database: &std::path::Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let (recorder, _) = Recorder::open(database).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for record in 0..SPANS / 50 {
            let spans = (record * 50..record * 50 + 50).map(|index| {
                let (series, minute) = ((index / 50 % 200) as usize, index * 7);
                let mut span = sample::span(series, minute, minute + 5);
                span.end =
                    Some(Bracket { earliest: Some(sample::at(minute + 5)), latest: Some(sample::at(minute + 6)) });
                span.ongoing = false;
                span
            });
            let plain = sample::record((record % 200) as usize, record * 350, Status::Accessible);
            let record = spans.fold(plain, |record, span| sample::with_change(record, SpanChangeKind::Closed, span));
            let recorder = recorder.clone();
            tasks.spawn(async move { recorder.record(record).await.unwrap() });
        }
        while tasks.join_next().await.is_some() {}
        recorder.close().await.unwrap();
    });
}
