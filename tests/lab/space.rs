//! A network namespace with one TUN device. It has no name, so nothing is left behind when the lab ends.

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns, unshare};

use crate::router::Clock;
use crate::sys;

/// A network namespace. It lives as long as this handle, a thread in it or a child in it.
pub(crate) struct Space {
    name: &'static str,
    net: OwnedFd,
}

impl Space {
    /// Makes a namespace whose TUN device leads to the router, and gives the device's descriptor.
    /// With an IPv6 address among them it has a route for that family too, and else nothing of it.
    pub(crate) fn make(name: &'static str, addresses: &[IpAddr]) -> Result<(Self, OwnedFd)> {
        let device = sys::DEVICE;
        let has_ipv6 = addresses.iter().any(IpAddr::is_ipv6);
        let mut batch = format!("link set lo up\nlink set {device} mtu 1500\n");
        if has_ipv6 {
            // Without addresses that it makes by itself the kernel has nobody to solicit on the path.
            batch += &format!("link set {device} addrgenmode none\n");
        }
        for address in addresses {
            // The first address is the one that connections of our own come from.
            batch += &match address {
                IpAddr::V4(_) => format!("addr add {address}/32 dev {device}\n"),
                IpAddr::V6(_) => format!("addr add {address}/128 dev {device} nodad\n"),
            };
        }
        batch += &format!("link set {device} up\n");
        if addresses.iter().any(IpAddr::is_ipv4) {
            batch += &format!("route add default dev {device}\n");
        }
        if has_ipv6 {
            batch += &format!("route add ::/0 dev {device}\n");
        }
        let making = thread::Builder::new().name(format!("make-{name}"));
        let made = making.spawn(move || -> Result<(OwnedFd, OwnedFd)> {
            unshare(CloneFlags::CLONE_NEWNET).context("unshare(CLONE_NEWNET)")?;
            let net = File::open("/proc/thread-self/ns/net").context("open /proc/thread-self/ns/net")?;
            // Fails on a kernel without IPv6, which is well when none is wanted.
            let disabled = if has_ipv6 { "0" } else { "1" };
            let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", disabled);
            let tun = sys::make_tun()?;
            run_ip(&batch)?;
            Ok((net.into(), tun))
        })?;
        let (net, tun) = made.join().map_err(|_| anyhow::anyhow!("thread of namespace {name} panicked"))??;
        Ok((Self { name, net }, tun))
    }

    /// Runs `work` in a thread that lives in the namespace. Sockets made there belong to it, and so do children.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let net = self.net()?;
        let builder = thread::Builder::new().name(self.name.to_owned());
        let handle = builder.spawn(move || {
            setns(&net, CloneFlags::CLONE_NEWNET).context("setns")?;
            Ok(work())
        })?;
        Ok(handle)
    }

    /// Runs `work` to its end in the namespace.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.spawn(work)?.join().map_err(|_| anyhow::anyhow!("work in namespace {} panicked", self.name))?
    }

    /// Takes its interface down for some time, in seconds of the scenario, and up again.
    pub(crate) fn take_down(&self, clock: Clock, [from, until]: [f64; 2]) -> Result<JoinHandle<Result<Result<()>>>> {
        self.spawn(move || {
            let device = sys::DEVICE;
            let wait = |until: f64| thread::sleep(Duration::from_secs_f64((until - clock.now()).max(0.0)));
            wait(from);
            run_ip(&format!("link set {device} down\n"))?;
            wait(until);
            // Its addresses stayed; its routes went.
            run_ip(&format!("link set {device} up\nroute add default dev {device}\n"))
        })
    }

    /// A descriptor of the namespace, for a child to enter.
    pub(crate) fn net(&self) -> Result<OwnedFd> {
        self.net.try_clone().context("duplicate the namespace's descriptor")
    }
}

fn run_ip(batch: &str) -> Result<()> {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("start `ip` (Debian package iproute2)")?;
    if let Some(mut stdin) = ip.stdin.take() {
        stdin.write_all(batch.as_bytes())?;
    }
    let output = ip.wait_with_output()?;
    if !output.status.success() {
        bail!("`ip` failed: {}\nfor:\n{batch}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
