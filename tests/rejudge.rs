//! `rejudge` as a process: beside a daemon, after one, and killed in the middle.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../src/store/sample.rs"]
mod sample;
#[allow(dead_code)]
#[path = "../src/rejudge/sample.rs"]
mod second_opinion;
mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use blockspan::{detect, model, store};
use model::{SeriesKey, Status};
use nix::sys::signal::Signal;
use serde_json::Value;
use store::{MeasurementFilter, ProbeRecord, Reader, Recorder, SpanFilter};

use support::daemon::{Daemon, Process, until};
use support::place::Place;
use support::world::World;

const SERIES: usize = 3;
const OFTEN: &str = "interval = \"1s\"\ntls_timeout = \"700ms\"";

fn told(place: &Place, arguments: &[&str]) -> Value {
    let arguments = [&["rejudge", "--format", "json"], arguments].concat();
    serde_json::from_str(&place.good(&arguments)).unwrap()
}

fn assert_nothing_changes(told: &Value) {
    for kind in ["changed", "reworded", "restamped"] {
        assert_eq!(told["measurements"][kind], 0, "{kind}: {told}");
    }
    assert_eq!(told["changes"], Value::Array(Vec::new()), "{told}");
}

#[test]
fn what_a_daemon_wrote_is_judged_the_same() {
    let world = World::start();
    let place = world.place(&["news"], OFTEN);
    let becomes = |daemon: &Daemon, status: &str| {
        let status = format!("status=\"{status}\"");
        daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", &status], 1.0);
    };
    let history = || place.good(&["history", "--source", "measured", "--format", "json"]);
    let mut daemon = Daemon::start(&place);
    becomes(&daemon, "accessible");
    world.swallow("news", true);
    becomes(&daemon, "blocked");
    until("the span is in the record", || (history().trim() != "[]").then_some(()));

    // Beside it one may look, and no more.
    assert_nothing_changes(&told(&place, &["--dry-run"]));
    let holder = format!("process {}", daemon.process.id());
    place.run(&["rejudge"]).refused(1, &["stop the daemon first", "--dry-run", "in use by another blockspan", &holder]);

    daemon.process.signal(Signal::SIGKILL);
    daemon.process.wait(Duration::from_secs(5));
    let daemon = Daemon::start(&place);
    world.swallow("news", false);
    becomes(&daemon, "accessible");
    daemon.stop(Signal::SIGTERM);

    let before = history();
    let dry = told(&place, &["--dry-run"]);
    assert_nothing_changes(&dry);
    assert!(dry["measurements"]["judged"].as_u64().unwrap() > 10 && dry["spans"]["unchanged"] == 1, "{dry}");
    assert_nothing_changes(&told(&place, &[]));
    assert_eq!(history(), before);
    let human = place.run(&["rejudge", "news", "--vantage", "here"]);
    assert_eq!((human.code, human.stderr.as_str()), (Some(0), ""), "{human:?}");
    assert!(human.stdout.ends_with("Nothing changes.\n"), "{}", human.stdout);
    place.run(&["rejudge", "newss"]).refused(2, &["no site `newss`", "Did you mean `news`?"]);
    place.run(&["rejudge", "--vantage", "her"]).refused(2, &["neither configured nor in the record", "`here`"]);
}

#[test]
fn without_a_record_there_is_nothing_to_judge() {
    let place = World::start().place(&["news"], OFTEN);
    for arguments in [&["rejudge"][..], &["rejudge", "--dry-run"]] {
        place.run(arguments).refused(1, &["nothing has been recorded", "blockspan run"]);
    }
    assert!(!place.path("blockspan.db").exists() && !place.path("blockspan.db.lock").exists());
}

/// Records of `series` series, `minutes` each, by rules that took every block for an outage.
fn write_blind(path: &Path, series: usize, minutes: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let detector = detect::Detector::new(detect::Params::default(), model::SpanSource::Measured);
    runtime.block_on(async {
        let (recorder, _) = Recorder::open(path).unwrap();
        let mut states: BTreeMap<usize, detect::SeriesState> = BTreeMap::new();
        for minute in 0..minutes {
            let made = (0..series).map(|n| {
                let seen = if minute % 40 < 20 { Status::Accessible } else { Status::Blocked };
                let evidence = second_opinion::with_second_opinion(sample::evidence(n, minute, seen));
                let status = if seen == Status::Blocked { Status::Down } else { seen };
                let plain = sample::record(n, minute, status);
                let verdict =
                    model::Verdict { measurement_id: evidence.measurement.measurement_id, ruleset: 0, ..plain.verdict };
                let state = states.entry(n).or_default();
                let changes = detector.step(&plain.series, state, &evidence.measurement, &verdict);
                ProbeRecord { series: plain.series, evidence, verdict, state: state.clone(), changes }
            });
            let records: Vec<ProbeRecord> = made.collect();
            futures_util::future::join_all(records.into_iter().map(|record| recorder.record(record))).await;
        }
        recorder.close().await.unwrap();
    });
}

/// Per series: whether its verdicts are new, and how many spans it has. A mixture is a failure.
fn standing(path: &Path) -> BTreeMap<SeriesKey, (bool, usize)> {
    let reader = Reader::open(path).unwrap();
    let mut found: BTreeMap<SeriesKey, (bool, usize)> = BTreeMap::new();
    let mut each = |stored: store::StoredMeasurement| {
        let measurement = &stored.evidence.measurement;
        let (site, url) = (measurement.site.clone(), measurement.url.clone());
        let key = SeriesKey { site, url, vantage: measurement.vantage.clone() };
        let is_new = stored.verdict.ruleset > 0;
        let (known, _) = found.entry(key.clone()).or_insert((is_new, 0));
        assert_eq!(*known, is_new, "{key} is half judged");
        ControlFlow::Continue(())
    };
    reader.measurements(&MeasurementFilter::default(), &mut each).unwrap();
    for span in reader.spans(&SpanFilter::default()).unwrap() {
        let key = SeriesKey { site: span.site, url: span.url.unwrap(), vantage: span.vantage.unwrap() };
        found.get_mut(&key).unwrap().1 += 1;
    }
    found
}

#[test]
fn killed_in_the_middle_each_series_is_as_it_was_or_done() {
    let config = "[network]\nallow_private = [\"192.0.2.0/24\"]\n[control]\nresolvers = []\n";
    let place = Place::with(&[("targets.toml", ""), ("blockspan.toml", config)]);
    place.write("targets.toml", "[[site]]\nid = \"other\"\nurls = [\"https://other.test/\"]\n");
    let path = place.path("blockspan.db");
    write_blind(&path, SERIES, 120);
    let whole = std::fs::read(&path).unwrap();
    let dry = told(&place, &["--dry-run"]);
    assert_eq!((&dry["measurements"]["changed"], &dry["spans"]["new"]), (&360.into(), &9.into()));
    assert_eq!(dry["unplaced"].as_array().unwrap().len(), SERIES);

    let has_begun = |pid: u32| {
        let holder = std::fs::read_to_string(place.path("blockspan.db.lock"));
        holder.is_ok_and(|holder| holder.trim() == pid.to_string()).then_some(())
    };
    let has_done_one = |_: u32| {
        let corrections = Reader::open(&path).and_then(|reader| reader.corrections(None));
        corrections.is_ok_and(|corrections| !corrections.is_empty()).then_some(())
    };
    for moment in [&has_begun as &dyn Fn(u32) -> Option<()>, &has_done_one] {
        std::fs::write(&path, &whole).unwrap();
        let mut process = Process::spawn(&mut place.command(&["rejudge"]));
        until("it is under way", || moment(process.id()));
        process.signal(Signal::SIGKILL);
        process.wait(Duration::from_secs(5));
        let found = standing(&path);
        for (key, (is_new, spans)) in &found {
            assert_eq!(*spans, if *is_new { 3 } else { 0 }, "{key}");
        }

        // What is left is done by the next one, and then nothing is.
        let done = found.values().filter(|(is_new, _)| *is_new).count();
        let rest = told(&place, &[]);
        assert_eq!(rest["spans"]["new"], 3 * (SERIES - done));
        assert_nothing_changes(&told(&place, &[]));
    }
}
