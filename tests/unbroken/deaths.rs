//! The daemon killed at random moments while blocks start and end.

use std::thread;
use std::time::{Duration, Instant};

use blockspan::model::Timestamp;
use nix::sys::signal::Signal;

use crate::chance::Chance;
use crate::ledger::Ledger;
use crate::support::daemon::{Daemon, Process, until};
use crate::support::place::Place;
use crate::support::world::World;

const SITES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
/// Rounds as fast as can be, and patience that a busy machine does not wear out: no failure but the censor's.
const PACE: &str = "interval = \"1s\"\ntls_timeout = \"5s\"";
const SPREAD: Duration = Duration::from_secs(1);
/// Longest life of a daemon once it serves.
const LIFE: Duration = Duration::from_millis(3000);
/// A start takes about so long: deaths within it.
const START: Duration = Duration::from_millis(700);
/// Lives with a measurement of a site in which the record must have followed a block there that began or ended.
const PATIENCE: usize = 40;

/// A site and what the censor does to it.
struct Watched {
    name: &'static str,
    blocks: Vec<Block>,
    /// Lives since the censor last changed its mind in which it was measured.
    since: usize,
    /// Measurements of it that were on record when that was last looked at.
    measured: usize,
    /// Lives for which it leaves things as they are, once the record has followed.
    rest: u64,
}

/// When a block really began and ended: each within two instants, a few microseconds apart.
struct Block {
    began: (Timestamp, Timestamp),
    ended: Option<(Timestamp, Timestamp)>,
}

#[test]
fn a_daemon_killed_again_and_again_loses_nothing() {
    deaths(2, 12);
}

#[test]
#[ignore = "takes minutes: tests/run unbroken"]
fn a_daemon_killed_hundreds_of_times_loses_nothing() {
    deaths(4, 75);
}

/// Lets `workers`, each with a world and a database of its own, kill a daemon so many times.
fn deaths(workers: u64, kills: usize) {
    thread::scope(|scope| {
        for seed in 0..workers {
            scope.spawn(move || Worker::new(seed).run(kills));
        }
    });
}

struct Worker {
    seed: u64,
    chance: Chance,
    world: World,
    place: Place,
    ledger: Ledger,
    sites: Vec<Watched>,
}

impl Worker {
    fn new(seed: u64) -> Self {
        let world = World::start();
        let place = world.place(&SITES, PACE);
        let ledger = Ledger::of(place.path("blockspan.db"), SPREAD);
        let mut chance = Chance::seeded(seed);
        let watched = |name| Watched { name, blocks: Vec::new(), since: 0, measured: 0, rest: chance.below(4) };
        Self { seed, sites: SITES.map(watched).into(), chance, world, place, ledger }
    }

    fn run(mut self, kills: usize) {
        let begun = Instant::now();
        let (mut acknowledged, mut kill) = (0, 0);
        // On a slow machine the record follows after more lives, and the censor waits for it.
        while kill < kills || (kill < 3 * kills && self.blocks() < SITES.len()) {
            kill += 1;
            let before = self.ledger.measurements();
            let stored = self.live_and_die();
            acknowledged += stored;
            if self.place.path("blockspan.db").metadata().map_or(0, |file| file.len()) == 0 {
                continue;
            }
            if before == 0 && stored == 0 {
                // It may have died before there was a schema.
                continue;
            }
            self.ledger.check();
            let found = self.ledger.measurements() - before;
            assert!(
                found >= stored,
                "worker {}, kill {kill}: {stored} measurements were acknowledged, {found} are there",
                self.seed
            );
            self.check_blocks();
        }
        self.come_to_rest();
        let blocks = self.blocks();
        eprintln!(
            "worker {}: {kill} kills in {:.0?}, {} measurements of which {acknowledged} were acknowledged to the test, \
             {blocks} blocks",
            self.seed,
            begun.elapsed(),
            self.ledger.measurements(),
        );
        assert!(blocks >= SITES.len(), "hardly anything was blocked");
    }

    fn blocks(&self) -> usize {
        self.sites.iter().map(|site| site.blocks.len()).sum()
    }

    /// Starts a daemon, lets the censor change its mind meanwhile, and kills it. Gives how many measurements it has
    /// acknowledged.
    fn live_and_die(&mut self) -> usize {
        let turns = self.turns();
        if self.chance.below(6) == 0 {
            let mut starting = Process::spawn(&mut self.place.command(&["run", "--listen", "127.0.0.1:0"]));
            thread::sleep(self.chance.within(START));
            turns.into_iter().for_each(|index| self.turn(index));
            starting.signal(Signal::SIGKILL);
            assert_eq!(starting.wait(Duration::from_secs(10)), None, "{}", starting.said());
            return 0;
        }
        let mut daemon = Daemon::start(&self.place);
        let death = Instant::now() + self.chance.within(LIFE);
        for index in turns {
            thread::sleep(self.chance.within(death.saturating_duration_since(Instant::now())));
            self.turn(index);
        }
        thread::sleep(death.saturating_duration_since(Instant::now()));
        let stored = |daemon: &Daemon| daemon.metric("blockspan_records_stored_total", &[]).unwrap();
        let mut acknowledged = stored(&daemon);
        if self.chance.below(2) == 0 {
            // Where one record comes others do: it dies in the midst of them.
            let before = acknowledged;
            until("it stores something", || {
                acknowledged = stored(&daemon);
                (acknowledged > before).then_some(())
            });
            thread::sleep(self.chance.within(Duration::from_millis(5)));
        }
        daemon.process.signal(Signal::SIGKILL);
        assert_eq!(daemon.process.wait(Duration::from_secs(10)), None, "{}", daemon.process.said());
        let said = daemon.process.said();
        assert!(!said.contains("ERROR") && !said.contains("panicked"), "{said}");
        acknowledged as usize
    }

    /// The sites at which the censor changes its mind in the next life: where the record has followed its last change.
    fn turns(&mut self) -> Vec<usize> {
        let (ledger, chance) = (&self.ledger, &mut self.chance);
        let mut turns = Vec::new();
        for (index, site) in self.sites.iter_mut().enumerate() {
            let measured = ledger.measurements_of(site.name);
            // A slow machine may not come round to it in a life.
            site.since += usize::from(measured > site.measured);
            site.measured = measured;
            if !site.is_followed(ledger) {
                assert!(
                    site.since < PATIENCE,
                    "worker {}: after {PATIENCE} lives with a measurement the record has not followed at {}: {:?}",
                    self.seed,
                    site.name,
                    ledger.state(site.name)
                );
            } else if site.rest > 0 {
                site.rest -= 1;
            } else {
                turns.push(index);
                site.rest = chance.below(4);
            }
        }
        turns
    }

    fn turn(&mut self, index: usize) {
        let (world, site) = (&self.world, &mut self.sites[index]);
        let blocked = site.is_blocked();
        let before = Timestamp::now();
        world.reset(site.name, !blocked);
        let instant = (before, Timestamp::now());
        match site.blocks.last_mut() {
            Some(block) if blocked => block.ended = Some(instant),
            _ => site.blocks.push(Block { began: instant, ended: None }),
        }
        site.since = 0;
    }

    /// There is one span for each block that the record has followed, and its bounds hold the truth.
    fn check_blocks(&self) {
        for site in &self.sites {
            let spans = self.ledger.spans(site.name);
            let whole = site.blocks.iter().filter(|block| block.ended.is_some()).count();
            assert!(
                (whole..=site.blocks.len()).contains(&spans.len()),
                "worker {}: {} blocks of {}, but {} spans: {spans:?}",
                self.seed,
                site.blocks.len(),
                site.name,
                spans.len()
            );
            for (block, span) in site.blocks.iter().zip(spans) {
                let holds = |bracket: blockspan::model::Bracket, (from, until): (Timestamp, Timestamp)| {
                    bracket.earliest.is_none_or(|earliest| earliest <= until)
                        && bracket.latest.is_none_or(|latest| from <= latest)
                };
                assert!(holds(span.start, block.began), "began {:?}: {span:?}", block.began);
                match (span.end, block.ended) {
                    (Some(end), Some(ended)) => assert!(holds(end, ended), "ended {ended:?}: {span:?}"),
                    (Some(_), None) => panic!("it goes on, but the record has an end: {span:?}"),
                    (None, _) => {}
                }
            }
        }
    }

    /// A last daemon lives as long as it wants to: everything is found, everything ends.
    fn come_to_rest(&mut self) {
        let daemon = Daemon::start(&self.place);
        self.until_followed(&daemon);
        for index in 0..self.sites.len() {
            if self.sites[index].is_blocked() {
                self.turn(index);
            }
        }
        self.until_followed(&daemon);
        daemon.stop(Signal::SIGTERM);
        self.ledger.check();
        self.check_blocks();
        for site in &self.sites {
            let spans = self.ledger.spans(site.name);
            assert_eq!(spans.len(), site.blocks.len(), "{}: {spans:?}", site.name);
            assert!(spans.iter().all(|span| !span.ongoing), "{spans:?}");
        }
    }
    fn until_followed(&self, daemon: &Daemon) {
        for site in &self.sites {
            let status = if site.is_blocked() { "blocked" } else { "accessible" };
            let labels = [format!("site=\"{}\"", site.name), format!("status=\"{status}\"")];
            daemon.metric_becomes("blockspan_site_status", &[&labels[0], &labels[1]], 1.0);
        }
    }
}

impl Watched {
    fn is_blocked(&self) -> bool {
        self.blocks.last().is_some_and(|block| block.ended.is_none())
    }

    /// Whether the record knows of the latest change.
    fn is_followed(&self, ledger: &Ledger) -> bool {
        let Some(state) = ledger.state(self.name) else { return false };
        let spans = ledger.spans(self.name).len();
        state.span.is_some() == self.is_blocked() && spans == self.blocks.len()
    }
}
