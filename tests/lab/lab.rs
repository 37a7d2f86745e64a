//! A whole small internet, built from a scenario, gone when dropped.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::SystemTime;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::places::{self, Place};
use crate::router::{self, Clock, Log, Path};
use crate::scenario::{Authority, Certificate, Control, Fault, Host, Ipv6, Page, PlainHttp, Scenario, Speaks};
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
        Self::build_at(scenario, 0.0)
    }

    /// The same, as it is when this many seconds of the scenario are over.
    pub(crate) fn build_at(scenario: &Scenario, seconds: f64) -> Result<Self> {
        let hosts = all_hosts(scenario);
        let ours = |(v4, v6): (Ipv4Addr, Ipv6Addr), has_v6: bool| -> Vec<IpAddr> {
            std::iter::once(IpAddr::V4(v4)).chain(has_v6.then_some(IpAddr::V6(v6))).collect()
        };
        let mut vantage = ours(places::VANTAGE, scenario.setup.ipv6 != Ipv6::None);
        if scenario.setup.ipv6 == Ipv6::Nat64 {
            vantage.retain(IpAddr::is_ipv6);
        }
        vantage.extend(scenario.setup.control_tunnel.then_some(IpAddr::V4(places::TUNNEL)));
        let (vantage, vantage_device) = space(Place::Vantage, vantage, &[])?;
        let (isp, isp_device) =
            space(Place::Isp, vec![places::RESOLVER.into(), places::OTHER_RESOLVER.into()], &hosts)?;
        let mut abroad = ours((*places::WAY_OUT.ip(), places::WAY_OUT_V6), scenario.speaks_ipv6());
        abroad.push(places::TRUE_RESOLVER.1.into());
        let (abroad, abroad_device) = space(Place::Abroad, abroad, &hosts)?;
        let (world, world_device) = space(Place::World, Vec::new(), &hosts)?;

        let dir = tempfile::Builder::new().prefix("blockspan-lab-").tempdir()?;
        let (clock, log, stop) = (Clock::start_at(seconds), Log::default(), CancellationToken::new());
        let mut lab =
            Self { vantage, clock, log: log.clone(), dir: Some(dir), stop: stop.clone(), threads: Vec::new() };
        let path = Path {
            rules: named(scenario),
            faults: faults(&hosts),
            ipv6_broken: scenario.setup.ipv6 == Ipv6::Broken,
            translates: scenario.setup.ipv6 == Ipv6::Nat64,
            control_down: scenario.setup.control == Control::Down,
            clock,
            log,
        };
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
            dns64: scenario.setup.ipv6 == Ipv6::Nat64,
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

/// The namespace of a place: its own addresses, of which the first of a family is the one that connections of its own come
/// from, and those of the hosts there.
fn space(place: Place, mut own: Vec<IpAddr>, hosts: &[Host]) -> Result<(Space, std::os::fd::OwnedFd)> {
    own.extend(hosts.iter().flat_map(addresses).filter(|address| Place::of(*address) == Some(place)));
    Space::make(place.name(), &own).with_context(|| format!("namespace {}", place.name()))
}

/// Both addresses of a host.
fn addresses(host: &Host) -> impl Iterator<Item = IpAddr> + use<> {
    std::iter::once(host.address.into()).chain(host.address6.map(IpAddr::from))
}

/// What is wrong with hosts, by each of their addresses.
fn faults(hosts: &[Host]) -> BTreeMap<IpAddr, Fault> {
    let at_fault = hosts.iter().filter_map(|host| Some((host, host.fault?)));
    at_fault.flat_map(|(host, fault)| addresses(host).map(move |address| (address, fault))).collect()
}

/// The scenario's hosts and the canaries, which speak whatever any host of the scenario speaks, and have as
/// much to say.
fn all_hosts(scenario: &Scenario) -> Vec<Host> {
    let quic = scenario.hosts.iter().any(|host| host.quic);
    let fill = scenario.hosts.iter().map(|host| host.page.fill).max().unwrap_or(0);
    let canary = |(name, address, address6): (&str, _, _)| Host {
        address,
        address6: scenario.speaks_ipv6().then_some(address6),
        quic,
        names: vec![name.to_owned()],
        published: true,
        resolves_for: None,
        https: true,
        speaks: Speaks::Modern,
        authority: Authority::Lab,
        certificate: Certificate::Good,
        http: PlainHttp::Redirect,
        page: Page { fill, ..Page::default() },
        page_for: Vec::new(),
        fault: None,
    };
    let canaries = [places::DOMESTIC_CANARY, places::FOREIGN_CANARY].map(canary);
    let mut hosts: Vec<_> = scenario.hosts.iter().cloned().chain(canaries).collect();
    for host in hosts.iter_mut().filter(|host| host.quic) {
        host.page.headers.insert("alt-svc".into(), "h3=\":443\"; ma=86400".into());
    }
    hosts
}

/// What the resolver of a place learns.
fn zone(hosts: &[Host], of: Place) -> Zone {
    let mut zone = Zone::new();
    let (name, address) = places::TRUE_RESOLVER;
    zone.insert(name.to_owned(), vec![address.into()]);
    // From whose IPv6 addresses a translator's prefix is learnt (RFC 7050).
    zone.insert("ipv4only.arpa".to_owned(), [170, 171].map(|last| Ipv4Addr::new(192, 0, 0, last).into()).to_vec());
    for host in hosts.iter().filter(|host| host.published && host.resolves_for.is_none_or(|place| place == of)) {
        for name in &host.names {
            zone.entry(name.clone()).or_default().extend(addresses(host));
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
