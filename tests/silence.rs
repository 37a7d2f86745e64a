//! Silence is never read as health: what is recorded and said while nothing is measured.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use blockspan::model::{SilenceCause, SilenceKind, Timestamp, VantageSpan};
use blockspan::store::{Reader, SpanFilter};
use nix::sys::signal::Signal;

use support::daemon::{Daemon, Process, until};
use support::place::Place;
use support::world::World;

const OFTEN: &str = "interval = \"1s\"\ntls_timeout = \"700ms\"";

fn silences(place: &Place) -> Vec<VantageSpan> {
    Reader::open(&place.path("blockspan.db")).unwrap().vantage_spans(&SpanFilter::default()).unwrap()
}

fn measured(daemon: &Daemon) {
    daemon.metric_becomes("blockspan_records_waiting", &[], 0.0);
    until("something is stored", || (daemon.metric("blockspan_records_stored_total", &[])? > 0.0).then_some(()));
}

/// Waits until the record holds so many silences, all of them over.
fn over(place: &Place, count: usize) -> Vec<VantageSpan> {
    let told = until("the silences are over", || {
        let silences = silences(place);
        // The next life records the silence after a kill with its first sign of life, when it serves already.
        (silences.len() >= count && silences.iter().all(|silence| silence.end.is_some())).then_some(silences)
    });
    assert_eq!(told.len(), count, "{told:?}");
    told
}

#[test]
fn a_stop_and_a_kill_are_two_silences_with_the_truth_in_their_bounds() {
    let world = World::start();
    let place = world.place(&["news"], OFTEN);
    let daemon = Daemon::start(&place);
    measured(&daemon);
    assert!(silences(&place).is_empty());
    let stopping = Timestamp::now();
    daemon.stop(Signal::SIGTERM);
    let stopped = Timestamp::now();

    let told = silences(&place);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].kind, told[0].cause, told[0].end),
        (SilenceKind::NotMeasuring, Some(SilenceCause::Stopped), None)
    );
    let start = told[0].start;
    assert!(start.latest.unwrap() >= stopping && start.latest.unwrap() <= stopped, "{told:?}");
    let status = place.good(&["status"]);
    assert!(status.contains("Nothing is being measured: the daemon was stopped"), "{status}");

    let starting = Timestamp::now();
    let daemon = Daemon::start(&place);
    let told = over(&place, 1);
    assert!(told[0].end.unwrap().earliest.unwrap() >= starting, "{told:?}");
    assert!(!place.good(&["status"]).contains("Nothing is being measured"));
    let last_sign = Reader::open(&place.path("blockspan.db")).unwrap().last_life().unwrap().unwrap().last_sign;
    daemon.process.signal(Signal::SIGKILL);
    drop(daemon);

    let _daemon = Daemon::start(&place);
    let told = over(&place, 2);
    assert_eq!(told[1].cause, Some(SilenceCause::BrokeOff));
    assert!(told[1].start.earliest.unwrap() >= last_sign && told[1].start.earliest <= told[1].start.latest, "{told:?}");
    let list = place.good(&["history", "--silences"]);
    assert!(list.contains("daemon stopped") && list.contains("daemon broke off"), "{list}");
}

#[test]
fn a_vantage_without_network_is_offline_in_record_status_page_and_metrics() {
    let world = World::start();
    let place = world.place(&["news"], OFTEN);
    place.write("blockspan.toml", &world.config_without_network());
    let daemon = Daemon::start(&place);
    daemon.metric_becomes("blockspan_vantage_silent", &["kind=\"offline\""], 1.0);
    assert!(daemon.get("/").body.contains("no network; it began"), "{}", daemon.get("/").body);
    let told = until("it is recorded", || silences(&place).into_iter().find(|told| told.kind == SilenceKind::Offline));
    assert_eq!((told.start.earliest, told.end), (None, None), "it never had one: {told:?}");
    let status = place.good(&["status"]);
    assert!(status.contains("here: no network since"), "{status}");
    // The network comes.
    place.write("blockspan.toml", &world.config(OFTEN));
    assert_eq!(daemon.post("/-/reload").status, 200);
    // Canaries that do not fail are asked once a minute.
    let patience = Timestamp::now().plus(Duration::from_secs(150));
    while silences(&place).iter().any(|told| told.kind == SilenceKind::Offline && told.end.is_none()) {
        assert!(Timestamp::now() < patience, "it is still offline:\n{}", daemon.process.said());
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_daemon_that_was_halted_says_so_and_no_span_opens() {
    let world = World::start();
    let place = world.place(&["news", "blog"], OFTEN);
    let daemon = Daemon::start(&place);
    measured(&daemon);
    thread::sleep(Duration::from_secs(6));
    daemon.process.signal(Signal::SIGSTOP);
    let halted = Timestamp::now();
    thread::sleep(Duration::from_secs(50));
    let going_on = Timestamp::now();
    daemon.process.signal(Signal::SIGCONT);
    daemon.says("the machine slept or the process was halted");
    let told = until("it is recorded", || silences(&place).into_iter().next());
    assert_eq!((told.kind, told.cause), (SilenceKind::NotMeasuring, Some(SilenceCause::Asleep)));
    assert!(told.start.contains(halted) && told.end.unwrap().contains(going_on), "{told:?}");
    thread::sleep(Duration::from_secs(3));
    daemon.stop(Signal::SIGTERM);
    assert!(Reader::open(&place.path("blockspan.db")).unwrap().spans(&SpanFilter::default()).unwrap().is_empty());
}

/// The library of Debian's package faketime, which moves the wall clock of one process.
fn faketime() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok).find_map(|folder| {
        let library = folder.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    if found.is_none() {
        eprintln!("SKIPPED: the clock cannot be stepped without libfaketime (Debian package faketime)");
    }
    found
}

fn step_clock(file: &Path, seconds: i64) {
    std::fs::write(file, format!("{seconds:+}s\n")).unwrap();
}

#[test]
fn a_clock_that_is_stepped_by_an_hour_neither_splits_nor_ends_a_block() {
    let Some(library) = faketime() else { return };
    for step in [3600, -3600] {
        let world = World::start();
        let place = world.place(&["news"], OFTEN);
        let clock = place.path("clock");
        step_clock(&clock, 0);
        let mut command = place.command(&["run", "--listen", "127.0.0.1:0"]);
        command
            .env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
        let process = Process::spawn(&mut command);
        let address = until("it says where to look", || {
            let said = process.said();
            Some(said.split_once("look at http://")?.1.split_once('/')?.0.parse().unwrap())
        });
        let mut daemon = Daemon { process, address };
        measured(&daemon);
        world.swallow("news", true);
        daemon.says("BLOCKED");
        step_clock(&clock, step);
        daemon.says("the clock was stepped by");
        thread::sleep(Duration::from_secs(4));
        world.swallow("news", false);
        daemon.says("no longer blocked");
        daemon.process.signal(Signal::SIGTERM);
        assert_eq!(daemon.process.wait(Duration::from_secs(10)), Some(0), "{}", daemon.process.said());

        let reader = Reader::open(&place.path("blockspan.db")).unwrap();
        let spans = reader.spans(&SpanFilter::default()).unwrap();
        assert_eq!(spans.len(), 1, "by {step} s: {spans:#?}");
        let (start, end) = (spans[0].start, spans[0].end.unwrap());
        assert!(start.earliest.is_none_or(|earliest| Some(earliest) <= start.latest), "{spans:#?}");
        assert!(end.earliest.is_none_or(|earliest| Some(earliest) <= end.latest), "{spans:#?}");
        let steps = reader.clock_steps().unwrap();
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert!((steps[0].by_ms - step * 1000).abs() < 1500, "{steps:?}");
        // Ordered by their making, whatever the clock did.
        let raw = rusqlite::Connection::open(place.path("blockspan.db")).unwrap();
        let out_of_order: i64 = raw
            .query_row(
                "SELECT count(*) FROM measurement a JOIN measurement b ON b.seq = a.seq + 1 WHERE b.id <= a.id",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(out_of_order, 0, "by {step} s");
        assert!(silences(&place).iter().all(|told| told.cause != Some(SilenceCause::Asleep)), "a step is no sleep");
    }
}
