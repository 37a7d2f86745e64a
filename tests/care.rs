//! `backup` and `doctor` as processes.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use support::daemon::{Daemon, until};
use support::place::Place;
use support::world::World;

const OFTEN: &str = "interval = \"1s\"\ntls_timeout = \"700ms\"";

fn state_of(told: &str, name: &str) -> Value {
    let told: Value = serde_json::from_str(told).unwrap_or_else(|_| panic!("{told}"));
    told["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).cloned().unwrap_or_default()
}

fn doctor(place: &Place) -> (Option<i32>, String) {
    let ended = place.run(&["doctor", "--offline", "--full", "--format", "json"]);
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    (ended.code, ended.stdout)
}

#[test]
fn a_copy_made_while_the_daemon_writes_can_be_put_in_its_place() {
    let world = World::start();
    let place = world.place(&["news", "blog"], OFTEN);
    let daemon = Daemon::start(&place);
    until("something is stored", || (daemon.metric("blockspan_records_stored_total", &[])? >= 6.0).then_some(()));
    let stored = daemon.metric("blockspan_records_stored_total", &[]).unwrap() as usize;
    place.good(&["backup", "copy.db"]);
    let lines = |store: &str| place.good(&["--store", store, "measurements"]).lines().count();
    assert!(lines("sqlite://copy.db") >= stored);
    place.run(&["backup", "copy.db"]).refused(2, &["is there already", "--force"]);
    place.good(&["backup", "--force", "copy.db"]);
    place.run(&["backup", "blockspan.db", "--force"]).refused(2, &["the record itself"]);
    place.run(&["backup", "missing/copy.db"]).refused(1, &["copy.db", "directory that exists"]);
    place.run(&["--store", "sqlite://none.db", "backup", "b.db"]).refused(1, &["nothing has been recorded"]);
    let measured = lines("sqlite://blockspan.db");
    until("it goes on", || (lines("sqlite://blockspan.db") > measured).then_some(()));
    daemon.stop(Signal::SIGTERM);
    // Restored, it goes on from there.
    std::fs::rename(place.path("copy.db"), place.path("blockspan.db")).unwrap();
    let before = lines("sqlite://blockspan.db");
    place.good(&["run", "--once"]);
    assert_eq!(lines("sqlite://blockspan.db"), before + 2);
    let told = doctor(&place).1;
    assert_eq!(
        (&state_of(&told, "database")["state"], &state_of(&told, "spans")["state"]),
        (&"ok".into(), &"ok".into()),
        "{told}"
    );
}

#[test]
fn a_sound_instrument_is_told_so_and_a_stopped_daemon_is_warned_of() {
    let world = World::start();
    let place = world.place(&["news"], OFTEN);
    let (code, told) = doctor(&place);
    assert_eq!((code, &state_of(&told, "database")["state"]), (Some(0), &"warning".into()), "{told}");
    let daemon = Daemon::start(&place);
    until("something is stored", || (daemon.metric("blockspan_records_stored_total", &[])? >= 3.0).then_some(()));
    let (code, told) = doctor(&place);
    assert_eq!(code, Some(0), "{told}");
    for name in ["configuration", "disk", "database", "spans", "evidence", "rules", "daemon"] {
        assert_eq!(state_of(&told, name)["state"], "ok", "{name}: {told}");
    }
    let asked = place.run(&["doctor", "--format", "json"]);
    assert_eq!(state_of(&asked.stdout, "canaries")["state"], "ok", "{asked:?}");
    assert_eq!(state_of(&asked.stdout, "controls")["state"], "ok", "{asked:?}");
    daemon.stop(Signal::SIGTERM);
    assert_eq!(state_of(&doctor(&place).1, "daemon")["state"], "warning");
    let page = include_str!("../docs/care.md");
    for name in
        ["configuration", "disk", "database", "spans", "evidence", "rules", "clock", "daemon", "canaries", "controls"]
    {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/care.md");
    }
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let world = World::start();
    let place = world.place(&["news"], "interval = \"1h\"\ntls_timeout = \"2s\"");
    place.good(&["run", "--once"]);
    let failed = |name: &str, what: &str| {
        let (code, told) = doctor(&place);
        let check = state_of(&told, name);
        assert_eq!((code, &check["state"]), (Some(1), &"failed".into()), "{what}: {told}");
        assert!(check["advice"].as_str().is_some_and(|advice| advice.len() > 10), "{told}");
    };
    let sql = |text: &str| rusqlite::Connection::open(place.path("blockspan.db")).unwrap().execute_batch(text).unwrap();

    sql(
        "INSERT INTO span (id, site, url, vantage, source, status, start_earliest, start_latest, ended, ongoing, measurements) \
         VALUES (randomblob(16), 'news', 'https://x.example/', 'here', 'measured', 'blocked', 9, 5, 0, 1, 3)",
    );
    failed("spans", "a span without a state");
    sql("DELETE FROM span");
    sql("UPDATE measurement SET evidence = x'0011'");
    failed("evidence", "torn evidence");
    let path = place.path("blockspan.db");
    let whole = std::fs::read(&path).unwrap();
    let torn: Vec<u8> =
        whole.iter().enumerate().map(|(at, byte)| if at > 4096 && at % 97 == 0 { !byte } else { *byte }).collect();
    std::fs::write(&path, torn).unwrap();
    failed("database", "flipped bytes");
    std::fs::write(&path, "no database at all, only a letter to the editor").unwrap();
    failed("database", "another file");
    place.write("blockspan.toml", "[probe]\ninterval = \"soon\"\n");
    failed("configuration", "a bad configuration");
}

#[test]
fn without_a_network_canaries_and_controls_are_told_to_be_dead() {
    let world = World::start();
    let place = world.place(&["news"], "interval = \"1h\"\ntls_timeout = \"2s\"");
    let flags = if nix::unistd::geteuid().is_root() { "-n" } else { "-Urn" };
    let mut command = Command::new("unshare");
    command.args([flags, env!("CARGO_BIN_EXE_blockspan"), "doctor", "--format", "json"]).current_dir(place.path("."));
    let ended = command.output().unwrap();
    let (told, said) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    if told.is_empty() && said.contains("unshare") {
        eprintln!("SKIPPED: no network namespace can be made here");
        return;
    }
    assert_eq!(ended.status.code(), Some(1), "{told}{said}");
    for name in ["canaries", "controls"] {
        assert_eq!(state_of(&told, name)["state"], "failed", "{told}");
    }
}
