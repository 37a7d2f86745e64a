//! What a running daemon has given up, as the kernel tells it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs;
use std::io::ErrorKind;

use nix::sys::signal::Signal;

use support::daemon::Daemon;
use support::world::World;

#[test]
fn every_thread_of_a_daemon_has_no_rights_that_it_does_not_need() {
    let world = World::start();
    let place = world.place(&["news"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    let daemon = Daemon::start(&place);
    daemon.says("given up at start: no new privileges, no core dumps, no capabilities");
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"accessible\""], 1.0);
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
    let of_core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert!(of_core.split_whitespace().skip(4).take(2).eq(["0", "0"]), "a dump would hold secrets: {of_core}");
    let threads = format!("/proc/{}/task", daemon.id());
    let mut count = 0;
    for thread in fs::read_dir(threads).unwrap() {
        let status = match fs::read_to_string(thread.unwrap().path().join("status")) {
            // A thread may end while we look: before its file is opened, or after.
            Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => continue,
            status => status.unwrap(),
        };
        for line in ["NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"] {
            assert!(status.contains(line), "{line}: {status}");
        }
        count += 1;
    }
    assert!(count > 2, "it has threads: {count}");
    daemon.stop(Signal::SIGTERM);
}

#[test]
fn a_daemon_cannot_read_what_its_configuration_did_not_name() {
    let world = World::start();
    let place = world.place(&["news"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    let elsewhere = tempfile::tempdir().unwrap();
    let list = elsewhere.path().join("list.csv");
    fs::write(&list, "url,category_code\nhttps://blog.sites.test/,NEWS\n").unwrap();
    let daemon = Daemon::start(&place);
    daemon.says("given up at start");
    if !daemon.said().contains("(Landlock") {
        eprintln!("SKIPPED: this kernel has no Landlock, so files are not confined here: {}", daemon.said());
        return;
    }
    let targets = place.read("targets.toml");
    place.write("targets.toml", &format!("include = [\"{}\"]\n{targets}", list.display()));
    let answer = daemon.post("/-/reload");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.body.contains("directories that it was started with"), "{answer:?}");
    // Beside the files that it knew it may read what is new.
    fs::copy(&list, place.path("list.csv")).unwrap();
    place.write("targets.toml", &format!("include = [\"list.csv\"]\n{targets}"));
    let answer = daemon.post("/-/reload");
    assert_eq!(answer.status, 200, "{answer:?}");
    daemon.stop(Signal::SIGTERM);
}
