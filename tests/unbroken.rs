//! Nothing is lost: the daemon is killed at random moments, its disk is full, its record cannot be written.
//!
//! `BLOCKSPAN_KILLS=300 cargo test --test unbroken kills` kills it so often; a few times are usual.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use blockspan::model::{MeasurementId, Span, SpanSource, Timestamp};
use blockspan::schedule::{Chance, Jitter};
use blockspan::store::{MeasurementFilter, Reader, SpanFilter};
use nix::sys::signal::Signal;

use support::daemon::{Daemon, Process, until};
use support::place::Place;
use support::world::World;

/// As often as can be, and with little patience for a swallowed ClientHello.
const OFTEN: &str = "interval = \"1s\"\ntls_timeout = \"700ms\"";

/// How often the daemon is killed when nobody asks for more.
const FEW: u32 = 24;
/// Records that are killed at the same time, each with a daemon of its own.
const WORKERS: u32 = 2;
/// Sites that are blocked and freed by turns.
const TURNING: usize = 6;
/// Sites that are there for the load alone.
const QUIET: usize = 12;

/// When the censor began or ceased: not before the one, not after the other.
#[derive(Debug, Clone, Copy)]
struct Turn {
    before: Timestamp,
    after: Timestamp,
}

/// A true block.
#[derive(Debug, Clone, Copy)]
struct Block {
    from: Turn,
    to: Option<Turn>,
}

fn turn(world: &World, name: &str, swallowed: bool) -> Turn {
    let before = Timestamp::now();
    world.swallow(name, swallowed);
    Turn { before, after: Timestamp::now() }
}

fn names() -> Vec<String> {
    let turning = (0..TURNING).map(|n| format!("turning{n}"));
    turning.chain((0..QUIET).map(|n| format!("quiet{n}"))).collect()
}

/// Blocks and frees a site by turns, each for half a minute and more, until told to stop. Leaves it free.
fn turn_by_turn(world: &World, name: &str, stop: &Mutex<bool>, seed: u64) -> Vec<Block> {
    let mut chance = Jitter::seeded(seed);
    let mut blocks: Vec<Block> = Vec::new();
    let mut wait = |least: f64, spread: f64| {
        let until = Instant::now() + Duration::from_secs_f64(least + spread * chance.draw());
        while Instant::now() < until {
            if *stop.lock().unwrap() {
                return false;
            }
            thread::sleep(Duration::from_millis(100));
        }
        true
    };
    let mut free = (0.5, 5.0);
    while wait(free.0, free.1) {
        free = (25.0, 15.0);
        blocks.push(Block { from: turn(world, name, true), to: None });
        let goes_on = wait(30.0, 15.0);
        if !goes_on {
            // A block that is cut short by the end of the test must still be long enough to be found.
            thread::sleep(Duration::from_secs(25));
        }
        blocks.last_mut().unwrap().to = Some(turn(world, name, false));
        if !goes_on {
            break;
        }
    }
    blocks
}

/// What the record holds, with its promises held against it.
fn measurements_of_a_whole_record(path: &Path) -> BTreeSet<MeasurementId> {
    let raw = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let check: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let reader = Reader::open(path).unwrap();
    let spans = reader.spans(&SpanFilter::default()).unwrap();
    let series = reader.series().unwrap();
    for (key, state) in &series {
        let of_series =
            |span: &&Span| span.url.as_ref() == Some(&key.url) && span.vantage.as_ref() == Some(&key.vantage);
        let open: Vec<_> = spans.iter().filter(of_series).filter(|span| span.ongoing).collect();
        assert_eq!(open, state.span.iter().collect::<Vec<_>>(), "{key}: the state and the spans do not agree");
    }
    let mut ids = BTreeSet::new();
    let mut last = BTreeMap::new();
    reader
        .measurements(&MeasurementFilter::default(), &mut |stored| {
            let measurement = &stored.evidence.measurement;
            assert!(ids.insert(measurement.measurement_id), "{} is there twice", measurement.measurement_id);
            last.insert(measurement.url.clone(), measurement.measurement_id);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    for (key, state) in &series {
        assert_eq!(state.last.as_ref().map(|last| last.measurement_id), last.get(&key.url).copied(), "{key}");
    }
    ids
}

/// Starts the daemon again and again and kills it, each time at another moment of its life.
fn kill_again_and_again(place: &Place, kills: u32, seed: u64) -> usize {
    let mut chance = Jitter::seeded(seed);
    let record = place.path("blockspan.db");
    let mut there = BTreeSet::new();
    let mut acknowledged = 0;
    for _ in 0..kills {
        let daemon = Daemon::start(place);
        thread::sleep(Duration::from_secs_f64(0.1 + 3.0 * chance.draw() * chance.draw()));
        // Asked for without a pause between the answer and the kill.
        let stored = daemon.metric("blockspan_records_stored_total", &[]).unwrap() as usize;
        daemon.process.signal(Signal::SIGKILL);
        drop(daemon);
        let now = measurements_of_a_whole_record(&record);
        assert!(now.is_superset(&there), "measurements that were there before are gone");
        assert!(now.len() >= there.len() + stored, "{stored} were acknowledged, {} are new", now.len() - there.len());
        there = now;
        acknowledged += stored;
    }
    acknowledged
}

/// The truth about one site held against its spans.
fn each_block_is_one_span(name: &str, blocks: &[Block], spans: &[Span]) {
    let shown = format!("{name}:\n{blocks:#?}\n{spans:#?}");
    assert_eq!(blocks.len(), spans.len(), "{shown}");
    for (block, span) in blocks.iter().zip(spans) {
        let start = span.start;
        assert!(start.earliest.is_none_or(|earliest| earliest <= block.from.after), "start, {shown}");
        assert!(start.latest.unwrap() >= block.from.before, "start, {shown}");
        let (end, truth) = (span.end.unwrap(), block.to.unwrap());
        assert!(end.earliest.is_none_or(|earliest| earliest <= truth.after), "end, {shown}");
        assert!(end.latest.unwrap() >= truth.before, "end, {shown}");
    }
}

#[test]
fn kills_lose_nothing_and_double_nothing() {
    let kills = std::env::var("BLOCKSPAN_KILLS").ok().map_or(FEW, |kills| kills.parse().unwrap());
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            thread::spawn(move || {
                let world = Arc::new(World::start());
                let names = names();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let place = world.place(&names, OFTEN);
                let stop = Arc::new(Mutex::new(false));
                let censors: Vec<_> = (0..TURNING)
                    .map(|n| {
                        let (world, stop) = (Arc::clone(&world), Arc::clone(&stop));
                        let seed = u64::from(worker) * 100 + n as u64 + 1;
                        thread::spawn(move || turn_by_turn(&world, &format!("turning{n}"), &stop, seed))
                    })
                    .collect();
                let acknowledged = kill_again_and_again(&place, kills.div_ceil(WORKERS), u64::from(worker) + 7);
                // Left in peace, it finishes what is under way.
                let daemon = Daemon::start(&place);
                *stop.lock().unwrap() = true;
                let truth: Vec<Vec<Block>> = censors.into_iter().map(|censor| censor.join().unwrap()).collect();
                thread::sleep(Duration::from_secs(1));
                until("all is free again", || {
                    let reader = Reader::open(&place.path("blockspan.db")).unwrap();
                    let series = reader.series().unwrap();
                    series.iter().all(|(_, state)| state.span.is_none() && !state.is_unsettled()).then_some(())
                });
                daemon.stop(Signal::SIGTERM);
                let all = measurements_of_a_whole_record(&place.path("blockspan.db")).len();
                let reader = Reader::open(&place.path("blockspan.db")).unwrap();
                for (n, blocks) in truth.iter().enumerate() {
                    let name = format!("turning{n}");
                    let filter = SpanFilter { sites: vec![name.parse().unwrap()], ..SpanFilter::default() };
                    each_block_is_one_span(&name, blocks, &reader.spans(&filter).unwrap());
                }
                let spans = reader.spans(&SpanFilter::default()).unwrap();
                assert!(spans.iter().all(|span| span.site.as_str().starts_with("turning")), "{spans:#?}");
                assert!(spans.iter().all(|span| span.source == SpanSource::Measured));
                (acknowledged, all, spans.len())
            })
        })
        .collect();
    let mut blocks = 0;
    for worker in workers {
        let (acknowledged, all, spans) = worker.join().unwrap();
        println!("{acknowledged} acknowledged before a kill, {all} in the record, {spans} blocks");
        assert!(all >= acknowledged && spans >= TURNING / 2);
        blocks += spans;
    }
    println!("{kills} kills, {blocks} blocks, none lost, doubled or split");
}

/// A daemon whose record lies on a small disk that only it sees.
struct Disk {
    place: Place,
    process: Process,
    address: std::net::SocketAddr,
}

fn may_mount() -> bool {
    let flags = if nix::unistd::geteuid().is_root() { "-m" } else { "-Urm" };
    let tried = Command::new("unshare").args([flags, "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    let may = tried.is_ok_and(|ended| ended.status.success());
    if !may {
        eprintln!("SKIPPED: no small disk can be mounted here (unshare {flags} mount)");
    }
    may
}

impl Disk {
    /// A daemon whose record lies on a disk of `size` that only it sees.
    fn start(world: &World, size: &str) -> Self {
        let place = world.place(&["news", "blog"], OFTEN);
        std::fs::create_dir(place.path("disk")).unwrap();
        let flags = if nix::unistd::geteuid().is_root() { "-m" } else { "-Urm" };
        let script = format!(
            "mount -t tmpfs -o size={size} none disk || exit 99; \
             '{}' run --listen 127.0.0.1:0 --store sqlite://disk/b.db & echo $! > daemon; \
             wait $!; code=$?; cp disk/b.db* .; exit $code",
            env!("CARGO_BIN_EXE_blockspan")
        );
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", &script]).current_dir(place.path("."));
        let process = Process::spawn(&mut command);
        let address = until("it says where to look", || {
            let said = process.said();
            Some(said.split_once("look at http://")?.1.split_once('/')?.0.parse().unwrap())
        });
        Self { place, process, address }
    }

    /// The disk as the daemon sees it.
    fn path(&self, name: &str) -> PathBuf {
        let place = self.place.path("disk").canonicalize().unwrap();
        let place = place.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.process.id())).join(place).join(name)
    }

    fn metric(&self, name: &str) -> f64 {
        let metrics = support::http::ask(self.address, "GET", "/metrics").body;
        let line =
            metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '))).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    fn becomes(&self, name: &str, is: impl Fn(f64) -> bool) {
        until(name, || is(self.metric(name)).then_some(()));
    }

    /// Makes trouble until records wait, then ends it: what was measured meanwhile must be in the record, in order.
    fn outlasts(mut self, begin: impl FnOnce(&Self), end: impl FnOnce(&Self)) {
        self.becomes("blockspan_records_stored_total", |stored| stored >= 4.0);
        begin(&self);
        self.becomes("blockspan_records_waiting", |waiting| waiting >= 8.0);
        let waiting = self.metric("blockspan_records_waiting");
        let stored = self.metric("blockspan_records_stored_total");
        end(&self);
        self.becomes("blockspan_records_stored_total", |now| now >= stored + waiting);
        self.becomes("blockspan_records_waiting", |waiting| waiting == 0.0);
        let said = self.process.said();
        assert_eq!(said.matches("cannot store").count(), 1, "told once, not every time: {said}");
        assert!(said.contains("the store takes records again"), "{said}");
        assert_eq!(self.metric("blockspan_records_dropped_total"), 0.0);

        let stored = self.metric("blockspan_records_stored_total") as usize;
        let daemon: i32 = self.place.read("daemon").trim().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon), Signal::SIGTERM).unwrap();
        assert_eq!(self.process.wait(Duration::from_secs(10)), Some(0), "{}", self.process.said());
        assert!(measurements_of_a_whole_record(&self.place.path("b.db")).len() >= stored);
    }
}

#[test]
fn a_full_disk_stops_neither_the_probes_nor_the_record() {
    if !may_mount() {
        return;
    }
    let world = World::start();
    let disk = Disk::start(&world, "4m");
    let begin = |disk: &Disk| {
        use std::io::Write;
        let mut filler = std::fs::File::create(disk.path("filler")).unwrap();
        while filler.write_all(&[7; 4096]).is_ok() {}
    };
    let end = |disk: &Disk| {
        let said = disk.process.said();
        assert!(said.contains("free some space on that disk"), "what to do is not said: {said}");
        std::fs::remove_file(disk.path("filler")).unwrap();
    };
    disk.outlasts(begin, end);
}

#[test]
fn a_record_on_a_read_only_disk_is_refused_at_the_start() {
    if !may_mount() {
        return;
    }
    let world = World::start();
    let place = world.place(&["news"], "interval = \"1h\"\ntls_timeout = \"2s\"");
    std::fs::create_dir(place.path("disk")).unwrap();
    let flags = if nix::unistd::geteuid().is_root() { "-m" } else { "-Urm" };
    let binary = env!("CARGO_BIN_EXE_blockspan");
    let run = format!("'{binary}' run --once --store sqlite://disk/b.db");
    let script = format!("mount -t tmpfs none disk && {run} && mount -o remount,ro disk && exec {run}");
    let mut command = Command::new("unshare");
    command.args([flags, "sh", "-c", &script]).current_dir(place.path("."));
    let mut process = Process::spawn(&mut command);
    let code = process.wait(Duration::from_secs(30));
    let said = process.said();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("b.db") && said.contains("writable") && !said.contains("panicked"), "{said}");
}
