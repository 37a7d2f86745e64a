//! The promise that the page of 100 sites from 20 vantages over 5 years renders in under a second: what the server takes,
//! and what a browser takes until all is drawn, where `BLOCKSPAN_PYTHON` names the interpreter of `tests/run files`.
//!
//! `cargo bench --bench page`

#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blockspan::{detect, model, serve, store};
use detect::{LastVerdict, SeriesState};
use model::{Bracket, MeasurementId, Mechanism, SeriesKey, Site, SpanChangeKind, Status, Timestamp};
use serve::{App, Board, Metrics, Place, Readiness, Record};
use store::Recorder;
use tokio_util::sync::CancellationToken;

#[path = "../src/store/sample.rs"]
#[allow(dead_code)]
mod sample;

const SITES: usize = 100;
const VANTAGES: usize = 20;
/// Spans of each series in the five years: one in two months.
const SPANS: usize = 30;
const MONTHS_2: u64 = 61 * 24 * 60;
const RUNS: usize = 11;

fn key(site: usize, vantage: usize) -> SeriesKey {
    SeriesKey {
        site: format!("site-{site}").parse().unwrap(),
        url: format!("https://site-{site}.example/").parse().unwrap(),
        vantage: format!("vantage-{vantage}").parse().unwrap(),
    }
}

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("blockspan.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(fill(&database));
    let (reload, _requests) = tokio::sync::mpsc::channel(1);
    let app = App {
        board: Arc::new(board()),
        metrics: Arc::new(Metrics::new().unwrap()),
        ready: Arc::new(Readiness::new()),
        reload,
        probe: tokio::sync::mpsc::channel(1).0,
        record: Record::new(database),
        cors: Arc::new([]),
    };
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = runtime.spawn(serve::serve(listener, app, serve::Door::of_this_machine(), shutdown.clone()));
    println!("{SITES} sites, {VANTAGES} vantages, {} spans in 5 years", SITES * VANTAGES * SPANS);
    let paths = ["/", "/sites/site-7", "/sites/site-7?from=2026-01-01&to=2026-03-01", "/vantages"];
    for path in paths {
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..RUNS {
            let started = Instant::now();
            bytes = get(address, path);
            times.push(started.elapsed());
        }
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!(
            "server  {path:45} median {:6.1} ms, most {:6.1}, {} kB",
            ms(times[RUNS / 2]),
            ms(times[RUNS - 1]),
            bytes / 1000
        );
    }
    match std::env::var_os("BLOCKSPAN_PYTHON") {
        None => println!("browser SKIPPED: BLOCKSPAN_PYTHON names no interpreter"),
        Some(python) => {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/speed.py");
            let status =
                Command::new(python).arg(script).arg(format!("http://{address}")).args(paths).status().unwrap();
            assert!(status.success());
        }
    }
    shutdown.cancel();
    runtime.block_on(server).unwrap().unwrap();
}

fn get(address: SocketAddr, path: &str) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..200]));
    answer.len()
}

/// A span of two weeks, `number` times two months after the beginning of 2022.
fn span(key: &SeriesKey, number: usize, offset: u64) -> model::Span {
    let start = Timestamp::from_unix_ms(1_640_995_200_000)
        .plus(Duration::from_secs((number as u64 * MONTHS_2 + offset * 431 % 40_000) * 60));
    let minute = |minutes: u64| Some(start.plus(Duration::from_secs(minutes * 60)));
    let mut span = sample::span(0, 1, 2);
    span.site = key.site.clone();
    span.url = Some(key.url.clone());
    span.vantage = Some(key.vantage.clone());
    span.span_id = model::SpanId::derived(&format!("{key}{number}"));
    span.start = Bracket { earliest: minute(0), latest: minute(1) };
    span.end = Some(Bracket { earliest: minute(20_160), latest: minute(20_161) });
    span.last_observed = minute(20_160);
    span.ongoing = false;
    span
}

async fn fill(database: &Path) {
    let (recorder, _) = Recorder::open(database).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, (site, vantage)) in
        (0..SITES).flat_map(|site| (0..VANTAGES).map(move |vantage| (site, vantage))).enumerate()
    {
        let key = key(site, vantage);
        let mut plain = sample::record(number % 200, number as u64, Status::Accessible);
        plain.evidence.measurement.site = key.site.clone();
        plain.evidence.measurement.url = key.url.clone();
        plain.evidence.measurement.vantage = key.vantage.clone();
        let spans = (0..SPANS).map(|one| span(&key, one, number as u64));
        let record = spans.fold(plain, |record, span| sample::with_change(record, SpanChangeKind::Closed, span));
        let recorder = recorder.clone();
        tasks.spawn(async move { recorder.record(record).await.unwrap() });
    }
    while tasks.join_next().await.is_some() {}
    recorder.close().await.unwrap();
}

fn board() -> Board {
    let site = |site: usize| Site {
        id: key(site, 0).site,
        name: format!("Site {site}"),
        country: "KZ".parse().unwrap(),
        category: Some("NEWS".to_owned()),
        urls: vec![key(site, 0).url],
        reported: Vec::new(),
    };
    let place = |vantage: usize| Place { id: key(0, vantage).vantage, country: "KZ".parse().unwrap() };
    let board = Board::new((0..SITES).map(site).collect(), (0..VANTAGES).map(place).collect());
    for (site, vantage) in (0..SITES).flat_map(|site| (0..VANTAGES).map(move |vantage| (site, vantage))) {
        let key = key(site, vantage);
        let blocked = (site + vantage) % 7 == 0;
        let last = LastVerdict {
            measurement_id: MeasurementId::new(),
            at: Timestamp::now(),
            status: if blocked { Status::Blocked } else { Status::Accessible },
            mechanism: blocked.then_some(Mechanism::TlsTimeout),
            reasons: vec!["A sentence that tells why.".to_owned()],
        };
        let open = blocked.then(|| model::Span { ongoing: true, end: None, ..span(&key, SPANS - 1, 5) });
        board.set_state(key, SeriesState::new(Some(last), open));
    }
    board
}
