//! Log lines: for programs where nobody watches, by level and module while running, and never with an address of the
//! vantage.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use support::daemon::{Daemon, Process, until};
use support::place::Place;
use support::world::World;

const QUICK: &str = "interval = \"1s\"\ntls_timeout = \"700ms\"";

/// A daemon whose lines nobody has a say in.
fn start(place: &Place, arguments: &[&str]) -> Process {
    let all = [&["run", "--listen", "127.0.0.1:0"], arguments].concat();
    let mut command = place.command(&all);
    command.env_remove("BLOCKSPAN_LOG_FORMAT").env_remove("JOURNAL_STREAM");
    Process::spawn(&mut command)
}

#[test]
fn a_service_that_nobody_watches_writes_json_with_its_events() {
    let world = World::start();
    let place = world.place(&["news"], QUICK);
    world.swallow("news", true);
    let mut process = start(&place, &[]);
    until("it tells of the block", || process.said().contains("BLOCKED").then_some(()));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(Duration::from_secs(20)), Some(0));
    let said = process.said();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["message"].is_string() && line["target"].is_string(), "{line}");
    }
    let blocked = lines.iter().find(|line| line["message"].as_str().unwrap().contains("BLOCKED")).unwrap();
    assert_eq!(blocked["level"], "WARN");
    // What is no service speaks to people.
    let status = place.run(&["status"]);
    assert!(!status.stderr.contains("{\""), "{}", status.stderr);
}

#[test]
fn levels_change_by_module_while_it_runs() {
    let world = World::start();
    let place = world.place(&["news"], QUICK);
    let config = place.read("blockspan.toml");
    let daemon = Daemon::start(&place);
    let reload = |filter: &str| {
        place.write("blockspan.toml", &format!("{config}\n[log]\nfilter = \"{filter}\"\n"));
        daemon.post("/-/reload")
    };
    assert!(!daemon.said().contains("DEBUG"));
    assert_eq!(reload("info,blockspan::daemon::journal=debug").status, 200);
    daemon.says("configuration read again");
    daemon.says("from here: accessible after ");
    let refused = reload("blockspan=loud");
    assert_eq!(refused.status, 500);
    assert!(refused.body.contains("`filter` is no filter"), "{refused:?}");
    assert_eq!(reload("off").status, 200);
    // What it said before may still be on its way to us.
    let before = until("nothing more arrives", || {
        let length = daemon.said().len();
        std::thread::sleep(Duration::from_millis(300));
        (daemon.said().len() == length).then_some(length)
    });
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(daemon.said().len(), before, "nothing more is said");
    daemon.stop(Signal::SIGTERM);
}

#[test]
fn no_line_holds_an_address_of_the_vantage() {
    let world = World::start();
    let place = world.place(&["news", "blog"], QUICK);
    let config = place.read("blockspan.toml");
    // Its own address on the way, and that of its router's name server.
    place.write("blockspan.toml", &config.replace("id = \"here\"\n", "id = \"here\"\nsource = \"127.0.0.77\"\n"));
    world.swallow("news", true);
    let mut process = start(&place, &["-vv"]);
    until("it tells of the block", || process.said().contains("BLOCKED").then_some(()));
    world.swallow("news", false);
    until("and of its end", || process.said().contains("no longer blocked").then_some(()));
    process.signal(Signal::SIGTERM);
    process.wait(Duration::from_secs(20));
    let said = process.said();
    assert!(said.lines().count() > 10, "{said}");
    for line in said.lines() {
        assert!(!line.contains("127.0.0.77"), "{line}");
    }
}
