//! A disk that is full, read-only, gone or damaged: told plainly, outlived, and nothing within the bound is lost.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;
use std::time::Duration;

use blockspan::model::Timestamp;
use nix::sys::signal::Signal;

use crate::ledger::Ledger;
use crate::small_disk::SmallDisk;
use crate::support::daemon::{Daemon, Process, until};
use crate::support::place::Ended;
use crate::support::world::World;

const PACE: &str = "interval = \"1s\"\ntls_timeout = \"5s\"";
const SPREAD: Duration = Duration::from_secs(1);
const SITES: [&str; 3] = ["news", "blog", "forum"];

/// How much of it there is.
fn count(daemon: &Daemon, what: &str) -> f64 {
    daemon.metric(&format!("blockspan_{what}"), &[]).unwrap()
}

/// Waits until so many more measurements are stored.
fn stores_more(daemon: &Daemon, more: f64) {
    let before = count(daemon, "records_stored_total");
    until("it stores", || (count(daemon, "records_stored_total") >= before + more).then_some(()));
}

/// Waits until the trouble is told everywhere, and shows that measuring goes on meanwhile.
fn is_in_trouble(daemon: &Daemon, world: &World, said: &str) {
    daemon.metric_becomes("blockspan_store_up", &[], 0.0);
    daemon.says("cannot store; measuring goes on and the records are held");
    assert!(daemon.process.said().contains(said), "`{said}` is not in:\n{}", daemon.process.said());
    let ready = daemon.get("/-/ready");
    assert!(ready.status == 503 && ready.body.contains("the store cannot take records"), "{ready:?}");
    assert_eq!(daemon.get("/-/healthy").status, 200);
    let (stored, requests) = (count(daemon, "records_stored_total"), world.requests("blog"));
    until("records wait", || (count(daemon, "records_waiting") >= 6.0).then_some(()));
    until("measuring goes on", || (world.requests("blog") > requests + 1).then_some(()));
    assert_eq!(count(daemon, "records_stored_total"), stored);
}

/// Waits until all is well, and stops it: what was measured is stored.
fn recovers(daemon: Daemon, ledger: &mut Ledger) -> String {
    daemon.metric_becomes("blockspan_store_up", &[], 1.0);
    until("nothing waits", || (count(&daemon, "records_waiting") <= 2.0).then_some(()));
    assert_eq!(daemon.get("/-/ready").status, 200);
    assert_eq!(count(&daemon, "records_dropped_total"), 0.0);
    let measured = daemon.get("/metrics").body;
    let measured = measured.lines().filter(|line| line.starts_with("blockspan_measurements_total{vantage=\"here\""));
    let measured: f64 = measured.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
    let said = daemon.stop(Signal::SIGTERM);
    ledger.check();
    assert!(ledger.measurements() as f64 >= measured, "{} of {measured} are there", ledger.measurements());
    assert!(said.contains("the store takes records again"), "{said}");
    // Not every two seconds.
    assert_eq!(said.matches("cannot store").count(), said.matches("takes records again").count(), "{said}");
    said
}

#[test]
fn a_full_disk_is_told_and_outlived_with_a_block_in_the_middle() {
    let world = World::start();
    let place = world.place(&SITES, PACE);
    let Some(disk) = SmallDisk::mount(&place) else { return };
    let run = place.command(&["run", "--listen", "127.0.0.1:0", "--store", "sqlite://disk/a.db"]);
    let daemon = Daemon::serving(Process::spawn(&mut disk.enter(&run)));
    stores_more(&daemon, 6.0);
    disk.fill();
    is_in_trouble(&daemon, &world, "free some space on that disk");

    // A block that begins and ends while nothing can be written.
    let becomes = |status: &str| {
        daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", &format!("status=\"{status}\"")], 1.0);
    };
    let began = Timestamp::now();
    world.reset("news", true);
    becomes("blocked");
    let ended = Timestamp::now();
    world.reset("news", false);
    becomes("accessible");
    assert_eq!(daemon.process.said().matches("cannot store").count(), 1, "{}", daemon.process.said());

    disk.free();
    let mut ledger = Ledger::of_copy(disk.path("a.db"), place.path("copy.db"), SPREAD);
    recovers(daemon, &mut ledger);
    let spans = ledger.spans("news");
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert!(spans[0].start.contains(began) && spans[0].end.unwrap().contains(ended), "{began} to {ended}: {spans:?}");
}

#[test]
fn a_disk_that_is_full_at_the_stop_and_at_the_next_start_loses_nothing_that_was_acknowledged() {
    let world = World::start();
    let place = world.place(&SITES, PACE);
    let Some(disk) = SmallDisk::mount(&place) else { return };
    let run = place.command(&["run", "--listen", "127.0.0.1:0", "--store", "sqlite://disk/a.db"]);
    let mut daemon = Daemon::serving(Process::spawn(&mut disk.enter(&run)));
    stores_more(&daemon, 6.0);
    disk.fill();
    is_in_trouble(&daemon, &world, "free some space on that disk");
    let stored = count(&daemon, "records_stored_total") as usize;
    // The log cannot be moved into the database either.
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(Duration::from_secs(10)), Some(1));
    let said = daemon.process.said();
    assert!(
        said.contains("measurements could not be recorded and are lost") && said.contains("free some space"),
        "{said}"
    );
    let mut ledger = Ledger::of_copy(disk.path("a.db"), place.path("copy.db"), SPREAD);
    ledger.check();
    assert_eq!(ledger.measurements(), stored);

    // With a record to go on from it measures, and waits for room.
    let daemon = Daemon::serving(Process::spawn(&mut disk.enter(&run)));
    is_in_trouble(&daemon, &world, "free some space on that disk");
    // Killed on a full disk.
    let mut process = daemon.process;
    process.signal(Signal::SIGKILL);
    process.wait(Duration::from_secs(10));
    ledger.check();
    assert_eq!(ledger.measurements(), stored);

    // Without one there is nothing to begin with.
    let fresh = place.command(&["run", "--listen", "127.0.0.1:0", "--store", "sqlite://disk/b.db"]);
    ended(&mut disk.enter(&fresh)).refused(1, &["b.db", "free some space on that disk"]);

    disk.free();
    let daemon = Daemon::serving(Process::spawn(&mut disk.enter(&run)));
    stores_more(&daemon, 6.0);
    daemon.stop(Signal::SIGTERM);
    ledger.check();
    assert!(ledger.measurements() >= stored + 6);
}

#[test]
fn a_database_that_may_only_be_read_starts_no_daemon() {
    let world = World::start();
    let place = world.place(&SITES, PACE);
    let Some(disk) = SmallDisk::mount(&place) else { return };
    let run = |arguments: &[&str]| {
        ended(&mut disk.enter(&place.command(&[arguments, &["--store", "sqlite://disk/a.db"]].concat())))
    };
    assert_eq!(run(&["run", "--once"]).code, Some(0));
    // The file alone, in a directory that may be written to.
    disk.shell("mount --bind a.db a.db; mount -o remount,bind,ro a.db");
    run(&["run", "--listen", "127.0.0.1:0"]).refused(1, &["a.db", "it may only be read", "--store"]);
    disk.shell("umount a.db");
    disk.shell("mount -o remount,bind,ro .");
    run(&["run", "--listen", "127.0.0.1:0"]).refused(1, &["a.db", "Read-only file system", "--store"]);
    // Reading the record is another matter.
    assert_eq!(run(&["status"]).code, Some(0), "{:?}", run(&["status"]));
    disk.shell("mount -o remount,bind,rw .");
    assert_eq!(run(&["run", "--once"]).code, Some(0));
}

#[test]
fn a_file_that_may_not_grow_is_told_and_outlived() {
    let world = World::start();
    let place = world.place(&SITES, PACE);
    let daemon = Daemon::start(&place);
    stores_more(&daemon, 6.0);
    let limit = |bytes: &str| {
        let pid = daemon.process.id().to_string();
        let said =
            Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).output().unwrap();
        assert!(said.status.success(), "{said:?}");
    };
    // Nothing can be written, and the signal that goes with it must not end the daemon.
    limit("4096");
    is_in_trouble(&daemon, &world, "blockspan.db");
    limit("unlimited");
    recovers(daemon, &mut Ledger::of(place.path("blockspan.db"), SPREAD));
}

#[test]
fn a_directory_that_goes_away_is_told_and_outlived_when_it_comes_back() {
    let world = World::start();
    let place = world.place(&SITES, PACE);
    let [here, away] = ["kept", "away"].map(|name| place.path(name));
    fs::create_dir(&here).unwrap();
    let run = ["run", "--listen", "127.0.0.1:0", "--store", "sqlite://kept/a.db"];
    let daemon = Daemon::serving(Process::spawn(&mut place.command(&run)));
    stores_more(&daemon, 6.0);
    fs::rename(&here, &away).unwrap();
    is_in_trouble(&daemon, &world, "it was moved, deleted or replaced");
    fs::rename(&away, &here).unwrap();
    recovers(daemon, &mut Ledger::of(here.join("a.db"), SPREAD));

    let mut daemon = Daemon::serving(Process::spawn(&mut place.command(&run)));
    stores_more(&daemon, 3.0);
    fs::remove_dir_all(&here).unwrap();
    is_in_trouble(&daemon, &world, "it was moved, deleted or replaced");
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(Duration::from_secs(10)), Some(1));
    let said = daemon.process.said();
    assert!(said.contains("measurements could not be recorded and are lost"), "{said}");
}

#[test]
fn a_database_held_by_another_program_is_told_and_outlived() {
    let world = World::start();
    let place = world.place(&SITES, PACE);
    let daemon = Daemon::start(&place);
    stores_more(&daemon, 6.0);
    let other = rusqlite::Connection::open(place.path("blockspan.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    is_in_trouble(&daemon, &world, "another program holds the database");
    other.execute_batch("ROLLBACK").unwrap();
    recovers(daemon, &mut Ledger::of(place.path("blockspan.db"), SPREAD));
}

#[test]
fn a_damaged_database_is_named_at_the_start() {
    let world = World::start();
    let place = world.place(&SITES, PACE);
    assert_eq!(place.run(&["run", "--once"]).code, Some(0));
    let whole = fs::read(place.path("blockspan.db")).unwrap();
    let start = || place.run(&["run", "--listen", "127.0.0.1:0"]);
    // All but the first page is something else.
    let mut file = fs::OpenOptions::new().write(true).open(place.path("blockspan.db")).unwrap();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xa5; whole.len() - 4096]).unwrap();
    start().refused(1, &["blockspan.db", "damaged", "restore from a backup"]);
    // Cut off.
    fs::write(place.path("blockspan.db"), &whole[..4096 * 2]).unwrap();
    start().refused(1, &["blockspan.db", "damaged", "restore from a backup"]);
    // It was not touched by that: what can be saved still can.
    assert_eq!(fs::read(place.path("blockspan.db")).unwrap(), &whole[..4096 * 2]);
    fs::write(place.path("blockspan.db"), whole).unwrap();
    assert_eq!(place.run(&["run", "--once"]).code, Some(0));
}

fn ended(command: &mut Command) -> Ended {
    let mut process = Process::spawn(command);
    let code = process.wait(Duration::from_secs(30));
    let (stdout, stderr) = process.output();
    Ended { code, stdout, stderr }
}
