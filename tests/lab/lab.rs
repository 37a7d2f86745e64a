//! A whole small internet, built from a scenario, gone when dropped.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::SystemTime;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::places::{self, Place};
use crate::router::{self, Clock, Log, Path};
use crate::scenario::{Authority, Certificate, Host, Page, PlainHttp, Scenario, Speaks};
use crate::space::Space;
use crate::world::{self, World, answer::Zone, authority::shifted};

/// A running lab.
pub(crate) struct Lab {
    pub(crate) vantage: Space,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    dir: Option<TempDir>,
    stop: CancellationToken,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Lab {
    /// Builds everything; the scenario's clock starts at the end of it, as nearly as can be.
    pub(crate) fn build(scenario: &Scenario) -> Result<Self> {
        let hosts = all_hosts(scenario);
        let (vantage, vantage_device) = space(Place::Vantage, &[places::VANTAGE])?;
        let addresses =
            |place| hosts.iter().map(|host| host.address).filter(move |address| Place::of(*address) == Some(place));
        let isp: Vec<_> = addresses(Place::Isp).chain([places::RESOLVER]).collect();
        let (isp, isp_device) = space(Place::Isp, &isp)?;
        let abroad: Vec<_> = addresses(Place::Abroad).chain([*places::WAY_OUT.ip(), places::TRUE_RESOLVER.1]).collect();
        let (abroad, abroad_device) = space(Place::Abroad, &abroad)?;
        let (world, world_device) = space(Place::World, &addresses(Place::World).collect::<Vec<_>>())?;

        let dir = tempfile::Builder::new().prefix("blockspan-lab-").tempdir()?;
        let (clock, log, stop) = (Clock::start(), Log::default(), CancellationToken::new());
        let mut lab =
            Self { vantage, clock, log: log.clone(), dir: Some(dir), stop: stop.clone(), threads: Vec::new() };
        let faults: BTreeMap<_, _> = hosts.iter().filter_map(|host| Some((host.address, host.fault?))).collect();
        let path = Path { rules: named(scenario), faults, clock, log };
        let devices = vec![
            (Place::Vantage, vantage_device),
            (Place::Isp, isp_device),
            (Place::Abroad, abroad_device),
            (Place::World, world_device),
        ];
        lab.threads.push(router::start(path, devices, stop.clone())?);
        let all = World {
            isp_zone: Arc::new(zone(&hosts, Place::Isp)),
            zone: Arc::new(zone(&hosts, Place::Abroad)),
            hosts: Arc::new(hosts),
            lies: scenario.lies.clone(),
            clock,
            today: shifted(SystemTime::now(), -scenario.setup.clock_off_days),
        };
        for (place, space) in [(Place::Isp, &isp), (Place::Abroad, &abroad), (Place::World, &world)] {
            lab.threads.push(world::start(place, space, all.clone(), stop.clone())?);
        }
        Ok(lab)
    }

    /// The directory of files that this lab gives the instrument.
    pub(crate) fn dir(&self) -> Result<&FilePath> {
        self.dir.as_ref().map(TempDir::path).context("the lab is being taken down")
    }

    /// What a person needs to find out what went wrong: the router's log and every small text file.
    pub(crate) fn story(&self) -> String {
        let mut text = format!("---- router ----\n{}\n", self.log.text(&self.clock));
        let files = self.dir().ok().and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten().flatten();
        let mut paths: Vec<_> = files.map(|file| file.path()).collect();
        paths.sort();
        for path in paths {
            let content = std::fs::read(&path).unwrap_or_default();
            let shown = match String::from_utf8(content) {
                Ok(content) if content.len() <= 20_000 => content,
                Ok(content) => content.chars().skip(content.chars().count().saturating_sub(20_000)).collect(),
                Err(error) => format!("({} bytes)", error.as_bytes().len()),
            };
            text += &format!("---- {} ----\n{shown}\n", path.display());
        }
        text
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        if std::env::var_os("BLOCKSPAN_LAB_KEEP").is_some()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("kept {}", dir.keep().display());
        }
    }
}

fn space(place: Place, addresses: &[std::net::Ipv4Addr]) -> Result<(Space, std::os::fd::OwnedFd)> {
    // The first address is the one that connections of our own come from.
    let device = crate::sys::DEVICE;
    let lines: String = addresses.iter().map(|address| format!("addr add {address}/32 dev {device}\n")).collect();
    Space::make(place.name(), &lines).with_context(|| format!("namespace {}", place.name()))
}

/// The scenario's hosts and the canaries.
fn all_hosts(scenario: &Scenario) -> Vec<Host> {
    let canary = |(name, address): (&str, _)| Host {
        address,
        names: vec![name.to_owned()],
        published: true,
        resolves_for: None,
        https: true,
        speaks: Speaks::Modern,
        authority: Authority::Lab,
        certificate: Certificate::Good,
        http: PlainHttp::Redirect,
        page: Page::default(),
        page_for: Vec::new(),
        fault: None,
    };
    let canaries = [places::DOMESTIC_CANARY, places::FOREIGN_CANARY].map(canary);
    scenario.hosts.iter().cloned().chain(canaries).collect()
}

/// What the resolver of a place learns.
fn zone(hosts: &[Host], of: Place) -> Zone {
    let mut zone = Zone::new();
    let (name, address) = places::TRUE_RESOLVER;
    zone.insert(name.to_owned(), vec![address]);
    for host in hosts.iter().filter(|host| host.published && host.resolves_for.is_none_or(|place| place == of)) {
        for name in &host.names {
            zone.entry(name.clone()).or_default().push(host.address);
        }
    }
    zone
}

/// The rules, each with a name for the log.
fn named(scenario: &Scenario) -> Vec<crate::scenario::Rule> {
    let mut rules = scenario.rules.clone();
    for (number, rule) in rules.iter_mut().enumerate().filter(|(_, rule)| rule.id.is_empty()) {
        rule.id = format!("rule {number}");
    }
    rules
}
