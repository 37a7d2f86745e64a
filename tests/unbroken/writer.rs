//! The write path alone under full load: a process that records as fast as it can, killed again and again.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use blockspan::detect::{Detector, Params, SeriesState};
use blockspan::model::{MeasurementId, SpanSource, Status};
use blockspan::store::{ProbeRecord, Recorder};
use nix::sys::signal::Signal;

use crate::chance::Chance;
use crate::ledger::Ledger;
use crate::sample;
use crate::support::daemon::{Process, until};

/// Names the database to a process that is to fill it.
const FILL: &str = "BLOCKSPAN_TEST_FILL";
const SERIES: usize = 12;
/// A record a minute of the sample's time, and by turns so many minutes with and without a block.
const TURN: u64 = 12;
const SPREAD: Duration = Duration::from_secs(120);
/// Longest time that a process writes.
const LIFE: Duration = Duration::from_millis(300);

#[test]
fn what_was_acknowledged_outlives_a_writer_killed_in_the_middle() {
    if let Some(path) = std::env::var_os(FILL) {
        return fill(Path::new(&path));
    }
    kill_writers("writer::what_was_acknowledged_outlives_a_writer_killed_in_the_middle", 2, 20);
}

#[test]
#[ignore = "takes a minute: tests/run unbroken"]
fn what_was_acknowledged_outlives_hundreds_of_writers_killed_in_the_middle() {
    if let Some(path) = std::env::var_os(FILL) {
        return fill(Path::new(&path));
    }
    kill_writers("writer::what_was_acknowledged_outlives_hundreds_of_writers_killed_in_the_middle", 4, 100);
}

/// Lets `workers` each kill so many writers of one database. `test` is the test to be run as the writer.
fn kill_writers(test: &str, workers: u64, kills: usize) {
    thread::scope(|scope| {
        for seed in 0..workers {
            scope.spawn(move || kill_writers_of_one(test, seed, kills));
        }
    });
}

fn kill_writers_of_one(test: &str, seed: u64, kills: usize) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut chance = Chance::seeded(seed);
    let mut ledger = Ledger::of(path.clone(), SPREAD);
    for kill in 0..kills {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut writer =
            Process::spawn(command.args(["--exact", test, "--nocapture", "--include-ignored"]).env(FILL, &path));
        // One in ten dies while it opens the database, or makes it.
        if chance.below(10) == 0 {
            thread::sleep(chance.within(LIFE));
        } else {
            until("it records", || writer.output().0.contains("stored").then_some(()));
            thread::sleep(chance.within(LIFE));
        }
        writer.signal(Signal::SIGKILL);
        assert_eq!(writer.wait(Duration::from_secs(10)), None, "{:?}", writer.output());
        let (acknowledged, _) = writer.output();
        // The first ones may die before there is anything.
        if path.metadata().map_or(0, |file| file.len()) == 0 || kill < 2 && !acknowledged.contains("stored") {
            continue;
        }
        ledger.check();
        for line in acknowledged.lines().filter_map(|line| line.strip_prefix("stored ")) {
            // The last line may be cut.
            if let Ok(id) = line.parse::<MeasurementId>() {
                assert!(ledger.holds(id), "worker {seed}, kill {kill}: {id} was acknowledged and is lost");
            }
        }
    }
    let spans: usize = (0..SERIES).map(|n| ledger.spans(sample::key(n).site.as_str()).len()).sum();
    eprintln!("worker {seed}: {kills} kills, {} measurements, {spans} spans", ledger.measurements());
    assert!(ledger.measurements() > kills * 4 && spans > 0, "it hardly wrote anything");
}

/// Records for ever, and says of each measurement that it is stored as soon as the store has said so.
fn fill(path: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let (recorder, restored) = Recorder::open(path).unwrap();
        let series = (0..SERIES).map(|n| {
            let state = restored.iter().find(|(key, _)| *key == sample::key(n)).map(|(_, state)| state.clone());
            fill_series(&recorder, n, state.unwrap_or_default())
        });
        futures_util::future::join_all(series).await;
    });
}

async fn fill_series(recorder: &Recorder, n: usize, mut state: SeriesState) {
    let detector = Detector::new(Params { spread: SPREAD, ..Params::default() }, SpanSource::Measured);
    let so_far = state.last.as_ref().map_or(0, |last| last.at.since(sample::at(0)).as_secs() / 60);
    for minute in so_far + 1.. {
        let blocked = (minute + n as u64) / TURN % 2 == 1;
        let record = sample::record(n, minute, if blocked { Status::Blocked } else { Status::Accessible });
        let changes = detector.step(&record.series, &mut state, &record.evidence.measurement, &record.verdict);
        let record = ProbeRecord { state: state.clone(), changes, ..record };
        let id = record.evidence.measurement.measurement_id;
        recorder.record(record).await.unwrap();
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "stored {id}").unwrap();
        stdout.flush().unwrap();
    }
}
