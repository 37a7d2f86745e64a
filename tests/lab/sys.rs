//! The one unsafe corner of the lab: TUN devices, and a child started inside a namespace.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Name of the TUN device in every namespace: the only way out.
pub(crate) const DEVICE: &str = "path0";

/// Makes a TUN device in the calling thread's network namespace. Whole IP packets are read from and written to the
/// descriptor, which does not block. The device ends with the descriptor.
pub(crate) fn make_tun() -> io::Result<OwnedFd> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open("/dev/net/tun")
        .map_err(|error| io::Error::new(error.kind(), format!("open /dev/net/tun: {error}")))?;
    // SAFETY: ifreq is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(DEVICE.bytes()) {
        *slot = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the descriptor is open and the request lives through the call, which reads and writes no more than it.
    if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) } < 0 {
        let error = io::Error::last_os_error();
        return Err(io::Error::new(error.kind(), format!("TUNSETIFF: {error}")));
    }
    Ok(file.into())
}

/// Makes `command` run in the network namespace `net`, with `resolv_conf` (a path) in the place of `/etc/resolv.conf`
/// in a mount namespace of its own.
pub(crate) fn enter_before_exec(command: &mut Command, net: OwnedFd, resolv_conf: CString) {
    let enter = move || {
        setns(&net, CloneFlags::CLONE_NEWNET)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        let nothing: Option<&std::ffi::CStr> = None;
        mount(nothing, c"/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
        mount(Some(resolv_conf.as_c_str()), c"/etc/resolv.conf", nothing, MsFlags::MS_BIND, nothing)?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes system calls on values made before the fork; it neither
    // allocates nor takes a lock.
    unsafe { command.pre_exec(enter) };
}

/// Lets the calling task's runtime wait for packets of a device.
pub(crate) fn watch(device: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` keeps its descriptor open and the same until it is dropped, and `AsyncFd` owns it.
    let registered = unsafe { AsyncFd::register_with_interest(device, Interest::READABLE) };
    registered.map_err(|error| error.into_parts().1)
}
