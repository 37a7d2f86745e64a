//! Whether this machine lets us build the lab, and becoming root of an own user namespace where we are not root.

use std::fs;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};

use crate::binary;
use crate::space::Space;

/// Takes what privileges the lab needs. Must be called before any thread is made. The error says what is missing and
/// what to do about it.
pub(crate) fn acquire() -> Result<()> {
    if !Uid::effective().is_root() {
        become_root_of_own_namespace().context(
            "not root, and no user namespace to be root of; allow them (sysctl kernel.unprivileged_userns_clone=1, \
             kernel.apparmor_restrict_unprivileged_userns=0) or run the tests as root",
        )?;
    }
    try_it().context(
        "network namespaces with TUN devices cannot be made here; needed: /dev/net/tun readable and writable for this \
         user (modprobe tun; chmod 0666 /dev/net/tun), iproute2, an /etc/resolv.conf to mount over, and in a container \
         CAP_NET_ADMIN and CAP_SYS_ADMIN",
    )
}

fn become_root_of_own_namespace() -> Result<()> {
    let (user, group) = (Uid::effective(), Gid::effective());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).context("unshare(CLONE_NEWUSER | CLONE_NEWNS)")?;
    fs::write("/proc/self/setgroups", "deny").context("write /proc/self/setgroups")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).context("write /proc/self/uid_map")?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).context("write /proc/self/gid_map")?;
    Ok(())
}

/// Everything that every scenario does to the machine, once, in small.
fn try_it() -> Result<()> {
    let (space, _tun) = Space::make("trial", &[])?;
    let dir = tempfile::tempdir()?;
    let resolv_conf = dir.path().join("resolv.conf");
    fs::write(&resolv_conf, "nameserver 198.18.2.53\n")?;
    let mut command = std::process::Command::new("cat");
    command.arg("/etc/resolv.conf");
    binary::enter(&mut command, &space, &resolv_conf)?;
    let output = command.output().context("start a child in the namespace")?;
    if output.stdout != fs::read(&resolv_conf)? {
        bail!("the child saw another /etc/resolv.conf than the one mounted for it");
    }
    Ok(())
}
