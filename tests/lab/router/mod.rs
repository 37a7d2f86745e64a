//! The path: reads IP packets from the TUN device of each place, lets the censor look at those of the vantage, and
//! writes them to the device of the place they go to.

mod censor;
mod flow;
mod hello;
mod log;
mod nat64;
mod packet;
mod police;
mod queue;
mod quic;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(crate) use self::hello::{Sight, look};
pub(crate) use self::log::{Clock, Log};
pub(crate) use self::police::Police;
use censor::{Censor, Onward};
use packet::{Body, Header, Packet, Seen};
use queue::Queue;

use crate::places::Place;
use crate::scenario::{Fault, FaultKind, Rule, holds};
use crate::sys;

/// What the router knows of the scenario.
pub(crate) struct Path {
    pub(crate) rules: Vec<Rule>,
    /// Hosts that fail by themselves.
    pub(crate) faults: BTreeMap<IpAddr, Fault>,
    /// No IPv6 packet passes the vantage's uplink.
    pub(crate) ipv6_broken: bool,
    /// What goes to IPv6 addresses that stand for IPv4 ones goes there, as if from the vantage's IPv4 address.
    pub(crate) translates: bool,
    /// Nothing comes from or goes to the place of the way out and the encrypted resolver.
    pub(crate) control_down: bool,
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
    let router = Router {
        censor: Censor::new(path.rules.clone(), path.log.clone()),
        path,
        devices: devices.into_iter().collect(),
        queue: Queue::default(),
    };
    let (router, put) = (Rc::new(RefCell::new(router)), Rc::new(Notify::new()));
    for device in copies {
        readers.spawn_local(read(device, router.clone(), put.clone()));
    }
    readers.spawn_local(release(router, put));
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        Some(ended) = readers.join_next() => ended?,
    }
}

async fn read(device: OwnedFd, router: Rc<RefCell<Router>>, put: Rc<Notify>) -> Result<()> {
    let device = sys::watch(device)?;
    let mut buffer = vec![0_u8; 65_536];
    loop {
        let mut ready = device.readable().await?;
        match ready.try_io(|fd| nix::unistd::read(fd, &mut buffer).map_err(Into::into)) {
            Ok(length) => {
                if router.borrow_mut().take(&buffer[..length?]) {
                    put.notify_one();
                }
            }
            Err(_would_block) => {}
        }
    }
}

/// Sends packets on whose time has come.
async fn release(router: Rc<RefCell<Router>>, put: Rc<Notify>) -> Result<()> {
    loop {
        let wait = router.borrow_mut().release();
        tokio::select! {
            () = put.notified() => {}
            () = sleep(wait.unwrap_or(Duration::MAX)) => {}
        }
    }
}

struct Router {
    path: Path,
    censor: Censor,
    devices: BTreeMap<Place, OwnedFd>,
    queue: Queue,
}

impl Router {
    /// Takes a packet from a device. True when one was put into the queue.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let now = self.path.clock.now();
        let Some(mut packet) = Packet::parse(bytes) else { return false };
        if !packet.hop() {
            return false;
        }
        if self.path.translates {
            packet = nat64::outward(packet);
        }
        let places = [packet.source(), packet.destination()].map(Place::of);
        let of_the_vantage = places.contains(&Some(Place::Vantage));
        if self.path.control_down && places.contains(&Some(Place::Abroad))
            || self.path.ipv6_broken && of_the_vantage && matches!(packet.ip, Header::V6(_))
        {
            return false;
        }
        let onward = if of_the_vantage { self.censor.inspect(packet, now) } else { vec![packet.into()] };
        let mut put = false;
        for Onward { packet, delay } in onward {
            let Some(packet) = self.at_the_edge(packet, now) else { continue };
            if delay > 0.0 {
                self.queue.put(now + delay, packet);
                put = true;
            } else {
                self.send(&packet);
            }
        }
        put
    }

    /// Sends what is due, and says how long the next packet has to wait.
    fn release(&mut self) -> Option<Duration> {
        while let Some(packet) = self.queue.take(self.path.clock.now()) {
            self.send(&packet);
        }
        let wait = self.queue.next_due()? - self.path.clock.now();
        Some(Duration::from_secs_f64(wait.max(0.0)))
    }

    /// What becomes of a packet at the host that it goes to or comes from, when that host fails by itself.
    fn at_the_edge(&self, packet: Packet, now: f64) -> Option<Packet> {
        let fault_of = |address| self.path.faults.get(&address).filter(|fault| holds(fault.from, fault.until, now));
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
        self.path.log.act(now, "fault", &format!("{:?}", fault.how));
        fate
    }

    fn send(&self, packet: &Packet) {
        let inward = self.path.translates.then(|| nat64::inward(packet)).flatten();
        let packet = inward.as_ref().unwrap_or(packet);
        let device = Place::of(packet.destination()).and_then(|place| self.devices.get(&place.house()));
        if let (Some(device), Some(bytes)) = (device, packet.to_bytes()) {
            // A full device drops, as a path does.
            let _ = nix::unistd::write(device, &bytes);
        }
    }
}
