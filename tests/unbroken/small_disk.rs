//! A disk of a few megabytes in memory, in a mount namespace of its own: it can be filled, freed, made read-only.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::unistd::Uid;

use crate::support::daemon::{Process, until};
use crate::support::place::Place;

/// A mounted disk; it ends with the process that holds its namespace.
pub(crate) struct SmallDisk {
    holder: Process,
    mounted_at: PathBuf,
}

impl SmallDisk {
    /// Mounts one in the directory `disk` of the place. None, said aloud, where this machine does not allow it.
    pub(crate) fn mount(place: &Place) -> Option<Self> {
        let mounted_at = place.path("disk");
        fs::create_dir(&mounted_at).unwrap();
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private"]);
        if !Uid::effective().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        let hold = "mount -t tmpfs -o size=2m,mode=0777 tmpfs \"$1\" && echo mounted && exec sleep 3600";
        unshare.args(["sh", "-c", hold, "sh"]).arg(&mounted_at).stdin(Stdio::null());
        let mut holder = Process::spawn(&mut unshare);
        let mounted = until("the disk is mounted or cannot be", || {
            let mounted = holder.output().0.contains("mounted");
            (mounted || holder.has_ended()).then_some(mounted)
        });
        if mounted {
            return Some(Self { holder, mounted_at });
        }
        // Not `eprintln!`, which the test harness swallows.
        let why = holder.said();
        let _ = writeln!(
            io::stderr(),
            "SKIPPED a test of a full disk: no mount namespace here ({}); needed: util-linux, and root or user namespaces",
            why.trim()
        );
        None
    }

    /// A file of the disk as it is seen from outside.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let inside = self.mounted_at.strip_prefix("/").unwrap().join(name);
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) {
        let mut filler = File::create(self.path("filler")).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.path("filler")).unwrap();
    }

    /// `command` as it is, but where the disk is.
    pub(crate) fn enter(&self, command: &Command) -> Command {
        let mut entered = Command::new("nsenter");
        entered.arg("--target").arg(self.holder.id().to_string()).arg("--mount");
        if !Uid::effective().is_root() {
            entered.args(["--user", "--preserve-credentials"]);
        }
        // A new mount namespace begins at its root.
        entered.args(["sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh"]);
        entered.arg(command.get_current_dir().unwrap()).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entered.env(name, value),
                None => entered.env_remove(name),
            };
        }
        entered.stdin(Stdio::null());
        entered
    }

    /// Runs a line of shell where the disk is, in its directory.
    pub(crate) fn shell(&self, line: &str) {
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]).current_dir(&self.mounted_at);
        let output = self.enter(&shell).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
