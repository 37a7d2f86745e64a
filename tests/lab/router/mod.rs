//! The path: reads IP packets from the TUN device of each place, lets the censor look at those of the vantage, and
//! writes them to the device of the place they go to.

mod censor;
mod flow;
mod hello;
mod log;
mod packet;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

pub(crate) use self::hello::{Sight, look};
pub(crate) use self::log::{Clock, Log};
use censor::Censor;
use packet::{Body, Packet, Seen};

use crate::places::Place;
use crate::scenario::{Fault, FaultKind, Rule, holds};
use crate::sys;

/// What the router knows of the scenario.
pub(crate) struct Path {
    pub(crate) rules: Vec<Rule>,
    /// Hosts that fail by themselves.
    pub(crate) faults: BTreeMap<Ipv4Addr, Fault>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
}

/// Starts the router thread. It ends when `stop` is cancelled.
pub(crate) fn start(
    path: Path,
    devices: Vec<(Place, OwnedFd)>,
    stop: CancellationToken,
) -> Result<JoinHandle<Result<()>>> {
    thread::Builder::new()
        .name("router".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, run(path, devices, stop))
        })
        .context("start the router")
}

async fn run(path: Path, devices: Vec<(Place, OwnedFd)>, stop: CancellationToken) -> Result<()> {
    let mut readers = JoinSet::new();
    let copies: Vec<OwnedFd> = devices.iter().map(|(_, device)| device.try_clone()).collect::<std::io::Result<_>>()?;
    let censor = Censor::new(path.rules, path.log.clone());
    let devices = devices.into_iter().collect();
    let router = Router { censor, faults: path.faults, clock: path.clock, log: path.log, devices };
    let router = Rc::new(RefCell::new(router));
    for device in copies {
        readers.spawn_local(read(device, router.clone()));
    }
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        Some(ended) = readers.join_next() => ended?,
    }
}

async fn read(device: OwnedFd, router: Rc<RefCell<Router>>) -> Result<()> {
    let device = sys::watch(device)?;
    let mut buffer = vec![0_u8; 65_536];
    loop {
        let mut ready = device.readable().await?;
        match ready.try_io(|fd| nix::unistd::read(fd, &mut buffer).map_err(Into::into)) {
            Ok(length) => router.borrow_mut().take(&buffer[..length?]),
            Err(_would_block) => {}
        }
    }
}

struct Router {
    censor: Censor,
    faults: BTreeMap<Ipv4Addr, Fault>,
    clock: Clock,
    log: Log,
    devices: BTreeMap<Place, OwnedFd>,
}

impl Router {
    fn take(&mut self, bytes: &[u8]) {
        let now = self.clock.now();
        let Some(mut packet) = Packet::parse(bytes) else { return };
        packet.ip.time_to_live = packet.ip.time_to_live.saturating_sub(1);
        if packet.ip.time_to_live == 0 {
            return;
        }
        let ends = [packet.source(), packet.destination()];
        let packets = if ends.iter().any(|end| Place::of(*end) == Some(Place::Vantage)) {
            self.censor.inspect(packet, now)
        } else {
            vec![packet]
        };
        for packet in packets {
            if let Some(packet) = self.at_the_edge(packet, now) {
                self.send(&packet);
            }
        }
    }

    /// What becomes of a packet at the host that it goes to or comes from, when that host fails by itself.
    fn at_the_edge(&self, packet: Packet, now: f64) -> Option<Packet> {
        let fault_of = |address| self.faults.get(&address).filter(|fault| holds(fault.from, fault.until, now));
        if fault_of(packet.source()).is_some_and(|fault| fault.how == FaultKind::Unreachable) {
            return None;
        }
        let on_path = |fault: &&Fault| !matches!(fault.how, FaultKind::Resets | FaultKind::Overloaded);
        // What the server does wrong with connections that it took, it does itself.
        let Some(fault) = fault_of(packet.destination()).filter(on_path) else { return Some(packet) };
        let says_something = matches!(&packet.body, Body::Tcp(_, data) if !data.is_empty());
        let fate = match fault.how {
            FaultKind::Unreachable => None,
            FaultKind::Closed => Seen::of(&packet).and_then(Seen::reset_to_sender),
            FaultKind::Silent => (!says_something).then_some(packet),
            FaultKind::Resets | FaultKind::Overloaded => Some(packet),
        };
        self.log.act(now, "fault", &format!("{:?}", fault.how));
        fate
    }

    fn send(&self, packet: &Packet) {
        let device = Place::of(packet.destination()).and_then(|place| self.devices.get(&place));
        if let (Some(device), Some(bytes)) = (device, packet.to_bytes()) {
            // A full device drops, as a path does.
            let _ = nix::unistd::write(device, &bytes);
        }
    }
}
