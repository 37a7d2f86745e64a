//! `backup` and `doctor` as processes: beside a writer, on sound and on damaged records, and without a network.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../src/store/sample.rs"]
mod sample;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blockspan::{detect, model, store};
use model::{MeasurementId, Status};
use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::Value;
use store::{MeasurementFilter, Reader, Recorder};

use support::daemon::{Daemon, Process, until};
use support::place::{Ended, Place};
use support::world::World;

const OFTEN: &str = "interval = \"1s\"\ntls_timeout = \"700ms\"";

/// A configuration under which nobody is reached, at a port where nobody serves.
fn lonely() -> Place {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "[serve]\nlisten = \"127.0.0.1:{port}\"\n[probe]\ndns_timeout = \"100ms\"\nurl_timeout = \"1s\"\n\
         [control]\nresolvers = []\n[[vantage]]\nid = \"here\"\nresolvers = [\"udp://127.0.0.1:9\"]\n\
         [[canary]]\nurl = \"https://canary.test/\"\nscope = \"foreign\"\n"
    );
    let targets = "[[site]]\nid = \"news\"\nurls = [\"https://news.test/\"]\n";
    Place::with(&[("targets.toml", targets), ("blockspan.toml", &config)])
}

/// The report, of which every check that is not well must say what to do.
fn report(ended: &Ended) -> Value {
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    for check in report["checks"].as_array().unwrap() {
        let is_told = matches!(check["state"].as_str().unwrap(), "warning" | "failed");
        assert_eq!(check["advice"].is_string(), is_told, "{check}");
    }
    assert_eq!(ended.code, Some(i32::from(report["ok"] == false)), "{ended:?}");
    report
}

fn examined(place: &Place, arguments: &[&str]) -> Value {
    report(&place.run(&[&["doctor", "--format", "json"], arguments].concat()))
}

/// State and text of the first check of this name.
fn check<'r>(report: &'r Value, area: &str, name: &str) -> (&'r str, &'r str) {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["area"] == area && check["check"] == name);
    let found = found.unwrap_or_else(|| panic!("{area} {name} is not in {report:#}"));
    (found["state"].as_str().unwrap(), found["found"].as_str().unwrap())
}

/// The names of the checks that failed.
fn failed(report: &Value) -> BTreeSet<&str> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["state"] == "failed").map(|check| check["check"].as_str().unwrap()).collect()
}

/// Writes `series` series of `minutes` each as the daemon's writer does; from minute 20 to 40 each hour they are blocked.
fn write(path: &Path, series: usize, minutes: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let detector = detect::Detector::new(detect::Params::default(), model::SpanSource::Measured);
    runtime.block_on(async {
        let (recorder, _) = Recorder::open(path).unwrap();
        for n in 0..series {
            let mut state = detect::SeriesState::default();
            let mut records = Vec::new();
            for minute in 0..minutes {
                let seen = if (20..40).contains(&(minute % 60)) { Status::Blocked } else { Status::Accessible };
                let mut record = sample::record(n, minute, seen);
                record.changes =
                    detector.step(&record.series, &mut state, &record.evidence.measurement, &record.verdict);
                record.state = state.clone();
                records.push(Arc::new(record));
            }
            assert!(recorder.record_all(records).await.unwrap().is_empty());
        }
        recorder.close().await.unwrap();
    });
}

fn ids(path: &Path) -> BTreeSet<MeasurementId> {
    let mut found = BTreeSet::new();
    let mut each = |stored: store::StoredMeasurement| {
        found.insert(stored.evidence.measurement.measurement_id);
        ControlFlow::Continue(())
    };
    Reader::open(path).unwrap().measurements(&MeasurementFilter::default(), &mut each).unwrap();
    found
}

/// Records from three tasks as fast as the store takes it, and tells which have been acknowledged.
struct Torrent {
    acknowledged: Arc<Mutex<BTreeSet<MeasurementId>>>,
    count: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Torrent {
    fn start(path: &Path) -> Self {
        let (acknowledged, count, stop): (Arc<Mutex<BTreeSet<_>>>, Arc<AtomicU64>, Arc<AtomicBool>) =
            Default::default();
        let of_thread = (path.to_owned(), Arc::clone(&acknowledged), Arc::clone(&count), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let (path, acknowledged, count, stop) = of_thread;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (recorder, _) = Recorder::open(&path).unwrap();
                let one = async |n: usize| {
                    for minute in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let record = sample::record(n, minute, Status::Accessible);
                        let id = record.evidence.measurement.measurement_id;
                        recorder.record(record).await.unwrap();
                        acknowledged.lock().unwrap().insert(id);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                };
                tokio::join!(one(0), one(1), one(2));
                recorder.close().await.unwrap();
            });
        });
        Self { acknowledged, count, stop, thread: Some(thread) }
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_backup_beside_a_writer_holds_all_that_was_acknowledged_before() {
    let place = lonely();
    let (path, copy) = (place.path("blockspan.db"), place.path("copy.db"));
    let mut torrent = Torrent::start(&path);
    until("some is written", || (torrent.count.load(Ordering::Relaxed) > 300).then_some(()));
    // A loaded machine may let the backup run and not the writer.
    let beside_the_writer = (0..5).find_map(|_| {
        let _ = fs::remove_file(&copy);
        let before = torrent.acknowledged.lock().unwrap().clone();
        let told = place.good(&["backup", "copy.db"]);
        let meanwhile = torrent.acknowledged.lock().unwrap().len() - before.len();
        (meanwhile > 0).then_some((before, told))
    });
    torrent.stop();
    let (before, told) = beside_the_writer.expect("nothing was written while any of five backups was made");
    assert!(told.contains("copy.db: ") && told.contains("-wal"), "{told}");

    let held = ids(&copy);
    assert!(held.is_superset(&before), "{} of {} are missing", before.difference(&held).count(), before.len());
    assert!(held.is_subset(&torrent.acknowledged.lock().unwrap()), "it holds what was never acknowledged");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let found = examined(&place, &["--offline", "--full", "--store", "sqlite://copy.db"]);
    for name in ["record", "pages", "references", "dictionaries", "measurements"] {
        assert_eq!(check(&found, "database", name).0, "ok", "{found:#}");
    }
}

#[test]
fn a_backup_of_a_daemon_is_restored_and_gone_on_with() {
    let world = World::start();
    let place = world.place(&["news"], OFTEN);
    let daemon = Daemon::start(&place);
    world.swallow("news", true);
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"blocked\""], 1.0);
    let history = |place: &Place| place.good(&["history", "--source", "measured", "--format", "json"]);
    until("the span is in the record", || (history(&place).trim() != "[]").then_some(()));
    for name in ["blockspan.db", "blockspan.db-wal", "blockspan.db.lock"] {
        assert_eq!(place.path(name).metadata().unwrap().permissions().mode() & 0o077, 0, "{name}");
    }
    place.good(&["backup", "copy.db"]);
    place.run(&["backup", "copy.db"]).refused(1, &["no backup was made", "there already", "--force"]);
    place.good(&["backup", "copy.db", "--force"]);
    fs::hard_link(place.path("blockspan.db"), place.path("link.db")).unwrap();
    for part in ["blockspan.db", "blockspan.db-wal", "blockspan.db-shm", "blockspan.db.lock", "link.db"] {
        place.run(&["backup", part, "--force"]).refused(1, &["the record itself"]);
    }
    fs::remove_file(place.path("link.db")).unwrap();
    daemon.stop(Signal::SIGTERM);

    let elsewhere = world.place(&["news"], OFTEN);
    fs::copy(place.path("copy.db"), elsewhere.path("blockspan.db")).unwrap();
    let restored: Value = serde_json::from_str(&history(&elsewhere)).unwrap();
    let restarted = Daemon::start(&elsewhere);
    until("the span goes on", || {
        let now: Value = serde_json::from_str(&history(&elsewhere)).unwrap();
        assert_eq!(now[0]["span_id"], restored[0]["span_id"]);
        (now[0]["measurements"].as_u64() > restored[0]["measurements"].as_u64()).then_some(())
    });
    restarted.stop(Signal::SIGTERM);
    assert_eq!(check(&examined(&elsewhere, &["--offline"]), "spans", "evidence").0, "ok");
}

#[test]
fn a_backup_that_cannot_be_made_says_why_and_leaves_nothing() {
    let place = lonely();
    place.run(&["backup", "copy.db"]).refused(1, &["nothing has been recorded", "blockspan run"]);
    write(&place.path("blockspan.db"), 1, 30);
    place.run(&["backup", "blockspan.db", "--force"]).refused(1, &["the record itself", "name another file"]);
    place.run(&["backup", "blockspan.db-journal"]).refused(1, &["belongs to the record", "name another file"]);
    place.run(&["backup", "no/such/copy.db"]).refused(1, &["create that directory"]);
    place.run(&["backup", "-"]).refused(2, &["name a file"]);
    place.run(&["backup"]).refused(2, &["FILE"]);
    let names: Vec<_> = fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("copy")), "{names:?}");
    assert!(place.good(&["backup", "--help"]).contains("To restore it"));
}

/// A command in a user namespace of its own; None, loudly, where the system does not permit it.
fn unshared(flags: &str, script: &str) -> Option<Command> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", flags, "--", "sh", "-c"]);
    let mut trial = Command::new("unshare");
    let tried = trial.args(["--user", "--map-root-user", flags, "--", "true"]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        eprintln!("SKIPPED: user namespaces are not permitted here (unshare {flags})");
        return None;
    }
    command.arg(script);
    Some(command)
}

#[test]
fn a_full_disk_leaves_no_half_backup() {
    let place = lonely();
    write(&place.path("blockspan.db"), 4, 600);
    fs::create_dir(place.path("small")).unwrap();
    let script =
        "mount -t tmpfs -o size=64k none small && \"$0\" backup small/copy.db; code=$?; ls -A small; exit $code";
    let Some(mut command) = unshared("--mount", script) else { return };
    command.arg(env!("CARGO_BIN_EXE_blockspan")).current_dir(place.path("."));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("small/copy.db") && said.contains("free some space"), "{said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "the temporary file is gone");
}

#[test]
fn all_is_well_beside_a_daemon() {
    let world = World::start();
    // Each must be reached at the first try.
    let place = world.place(&["news"], "interval = \"1s\"\ntls_timeout = \"2s\"");
    let daemon = Daemon::start(&place);
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"accessible\""], 1.0);
    until("it is in the record", || (!place.run(&["measurements"]).stdout.is_empty()).then_some(()));
    let config = format!("{}[serve]\nlisten = \"{}\"\n", place.read("blockspan.toml"), daemon.address);
    place.write("doctor.toml", &config);
    let found = examined(&place, &["--config", "doctor.toml"]);
    assert_eq!((&found["ok"], failed(&found)), (&true.into(), BTreeSet::new()), "{found:#}");
    let well = [
        ("configuration", "files"),
        ("database", "files"),
        ("database", "pages"),
        ("database", "measurements"),
        ("spans", "journal"),
        ("spans", "evidence"),
        ("spans", "rules"),
        ("clock", "time"),
        ("reachability", "canary"),
        ("reachability", "resolver"),
        ("reachability", "control"),
        ("daemon", "running"),
        ("daemon", "answers"),
        ("daemon", "reload"),
        ("daemon", "measuring"),
    ];
    for (area, name) in well {
        assert_eq!(check(&found, area, name).0, "ok", "{area} {name}: {found:#}");
    }
    assert!(check(&found, "daemon", "running").1.contains(&format!("process {}", daemon.process.id())));

    let human = place.run(&["doctor", "--config", "doctor.toml"]);
    assert_eq!(human.code, Some(0), "{human:?}");
    for heading in ["Configuration", "Database", "Spans", "Clock", "Reachability", "Daemon"] {
        assert!(human.stdout.contains(&format!("{heading}\n")), "{}", human.stdout);
    }
    assert!(human.stdout.lines().all(|line| line.chars().count() <= 80), "{}", human.stdout);
    assert!(!human.stdout.contains('\u{1b}') && human.stderr.is_empty(), "{human:?}");

    // A file that it refuses.
    place.write("blockspan.toml", "[prob]\n");
    daemon.says("the old configuration goes on");
    let found = examined(&place, &["--offline", "--config", "doctor.toml"]);
    assert_eq!(failed(&found), BTreeSet::from(["reload"]), "{found:#}");
}

#[test]
fn before_the_first_record_it_says_how_to_begin() {
    let place = lonely();
    let found = examined(&place, &["--offline"]);
    let (state, said) = check(&found, "database", "record");
    assert_eq!((state, said), ("warning", "there is no record yet"));
    assert_eq!(check(&found, "daemon", "running").0, "warning");
    assert_eq!(check(&found, "reachability", "all").0, "skipped");
    assert!(!place.path("blockspan.db").exists() && !place.path("blockspan.db.lock").exists());
}

#[test]
fn a_bad_configuration_is_told_as_config_check_tells_it() {
    let place = lonely();
    place.write("blockspan.toml", "[prob]\n");
    let found = examined(&place, &[]);
    let faults = place.run(&["config", "check"]).stderr;
    assert_eq!(check(&found, "configuration", "files"), ("failed", faults.trim_end()));
    assert_eq!(check(&found, "database", "record").0, "skipped");
    let human = place.run(&["doctor"]);
    assert_eq!(human.code, Some(1));
    assert!(human.stdout.contains("blockspan.toml:1:2") && human.stdout.contains("config check"), "{}", human.stdout);
}

/// What is done to a sound record, and the checks that must fail by it.
fn after(harm: &dyn Fn(&Connection)) -> (Value, BTreeSet<String>) {
    let place = lonely();
    let path = place.path("blockspan.db");
    write(&path, 2, 200);
    let sound = examined(&place, &["--offline"]);
    assert_eq!(failed(&sound), BTreeSet::new(), "{sound:#}");
    for name in ["evidence", "journal", "bounds", "overlaps", "states"] {
        assert_eq!(check(&sound, "spans", name).0, "ok", "{name}: {sound:#}");
    }
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    harm(&connection);
    connection.close().unwrap();
    let found = examined(&place, &["--offline"]);
    let names = failed(&found).into_iter().map(str::to_owned).collect();
    (found, names)
}

fn sql(text: &'static str) -> impl Fn(&Connection) {
    move |connection| {
        connection.execute_batch(text).unwrap();
        assert!(connection.changes() > 0, "{text}");
    }
}

#[test]
fn each_harm_to_the_record_is_found() {
    let any = |harm: &'static str, names: &[&str]| {
        let (found, failed) = after(&sql(harm));
        assert_eq!(failed, names.iter().map(|name| (*name).to_owned()).collect(), "{harm}: {found:#}");
        found
    };
    let found = any(
        "DELETE FROM measurement WHERE id = (SELECT measurement FROM span_event WHERE kind = 'closed' LIMIT 1)",
        &["journal"],
    );
    assert!(check(&found, "spans", "journal").1.contains("was closed, is not there"), "{found:#}");

    let later = "UPDATE span SET end_latest = end_latest + 7200000 WHERE rowid = (SELECT min(rowid) FROM span)";
    let found = any(later, &["overlaps"]);
    assert_eq!(check(&found, "spans", "evidence").0, "warning", "{found:#}");

    any("UPDATE span SET start_latest = start_earliest - 1 WHERE rowid = 1", &["bounds"]);
    any("DELETE FROM dictionary WHERE series = 1", &["references", "measurements"]);
    any("UPDATE series SET state = '{' WHERE id = 1", &["measurements"]);
    // 200 minutes end in a time without a block: the last span is closed, and no state holds one open.
    any(
        "UPDATE span SET ended = 0, end_earliest = NULL, end_latest = NULL, ongoing = 1 \
         WHERE rowid = (SELECT max(rowid) FROM span)",
        &["states"],
    );
    let found = any("UPDATE measurement SET ruleset = 0", &[]);
    assert_eq!(check(&found, "spans", "rules").0, "warning", "{found:#}");
}

#[test]
fn a_state_that_holds_a_span_that_is_not_there_is_found() {
    let harm = |connection: &Connection| {
        let span = sample::span(0, 5, 190);
        let mut state: Value = connection
            .query_row("SELECT state FROM series WHERE id = 1", [], |row| row.get::<_, String>(0))
            .map(|state| serde_json::from_str(&state).unwrap())
            .unwrap();
        state["span"] = serde_json::to_value(span).unwrap();
        connection.execute("UPDATE series SET state = ?1 WHERE id = 1", [state.to_string()]).unwrap();
    };
    let (found, failed) = after(&harm);
    assert_eq!(failed, BTreeSet::from(["states".to_owned()]), "{found:#}");
    assert!(check(&found, "spans", "states").1.contains("is not there"), "{found:#}");
}

#[test]
fn flipped_bytes_are_found_and_make_no_panic() {
    let place = lonely();
    let path = place.path("blockspan.db");
    write(&path, 2, 200);
    let whole = fs::read(&path).unwrap();
    let pages = whole.len() / 4096;
    for page in [1, pages / 3, pages / 2, pages - 1] {
        let mut bytes = whole.clone();
        bytes[page * 4096..page * 4096 + 200].iter_mut().for_each(|byte| *byte ^= 0x5a);
        fs::write(&path, bytes).unwrap();
        let ended = place.run(&["doctor", "--offline", "--format", "json"]);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        let found = report(&ended);
        assert!(!failed(&found).is_empty(), "page {page}: {found:#}");
        place.run(&["backup", "copy.db"]).refused(1, &["no backup was made"]);
    }
    // Not even the head is left.
    fs::write(&path, &whole[..100]).unwrap();
    let found = examined(&place, &["--offline"]);
    assert!(failed(&found).contains("record"), "{found:#}");
}

#[test]
fn without_a_network_everyone_who_cannot_be_reached_is_told() {
    let place = lonely();
    place.write(
        "blockspan.toml",
        "[probe]\ndns_timeout = \"500ms\"\nurl_timeout = \"2s\"\n\
         [control]\nresolvers = [\"https://dns.quad9.net/dns-query@9.9.9.9\"]\n\
         helpers = [{ url = \"https://helper.test/\" }]\n\
         [[vantage]]\nid = \"here\"\nresolvers = [\"udp://9.9.9.9:53\"]\n\
         [[vantage]]\nid = \"abroad\"\nrole = \"control\"\nvia = \"socks5://127.0.0.1:9\"\n\
         [[canary]]\nurl = \"https://canary.test/\"\nscope = \"foreign\"\n",
    );
    let Some(mut command) = unshared("--net", "ip link set lo up; exec \"$0\" doctor --format json") else { return };
    let mut process = Process::spawn(command.arg(env!("CARGO_BIN_EXE_blockspan")).current_dir(place.path(".")));
    let code = process.wait(Duration::from_secs(60));
    let (stdout, stderr) = process.output();
    let found = report(&Ended { code, stdout, stderr });
    assert_eq!(failed(&found), BTreeSet::from(["canary", "resolver", "reference", "control"]), "{found:#}");
    let controls = found["checks"].as_array().unwrap().iter().filter(|check| check["check"] == "control");
    assert_eq!(controls.filter(|check| check["state"] == "failed").count(), 2, "{found:#}");
}
