//! The real binary, run in the vantage's namespace.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::lab::Lab;
use crate::space::Space;
use crate::sys;

/// Names another build to test than the one that cargo made for this run.
const OTHER_BINARY: &str = "BLOCKSPAN_LAB_BINARY";

const POLL: Duration = Duration::from_millis(20);

/// A command that has ended.
pub(crate) struct Finished {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
}

/// Makes `command` run in `space` with its own `/etc/resolv.conf`.
pub(crate) fn enter(command: &mut Command, space: &Space, resolv_conf: &Path) -> Result<()> {
    let resolv_conf = CString::new(resolv_conf.as_os_str().as_bytes())?;
    sys::enter_before_exec(command, space.net()?, resolv_conf);
    Ok(())
}

/// Starts `blockspan ARGS` with the lab's configuration. Its output goes to `NAME.stdout` and `NAME.stderr` in the
/// lab's directory.
pub(crate) fn start(lab: &Lab, name: &str, args: &[&str]) -> Result<Child> {
    let dir = lab.dir()?;
    let binary = std::env::var_os(OTHER_BINARY).unwrap_or_else(|| env!("CARGO_BIN_EXE_blockspan").into());
    let mut command = Command::new(binary);
    command.args(args).arg("--config").arg(dir.join("blockspan.toml")).arg("--targets").arg(dir.join("targets.toml"));
    command.current_dir(dir).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir).env("RUST_BACKTRACE", "1");
    command.env("BLOCKSPAN_LOG_FORMAT", "human");
    command.stdin(Stdio::null());
    command.stdout(File::create(dir.join(format!("{name}.stdout")))?);
    command.stderr(File::create(dir.join(format!("{name}.stderr")))?);
    enter(&mut command, &lab.vantage, &dir.join("resolv.conf"))?;
    command.spawn().with_context(|| format!("start blockspan {}", args.join(" ")))
}

/// Runs `blockspan ARGS` to its end, at most `limit`.
pub(crate) fn run(lab: &Lab, name: &str, args: &[&str], limit: Duration) -> Result<Finished> {
    let mut child = start(lab, name, args)?;
    let Some(status) = wait(&mut child, limit)? else {
        child.kill()?;
        child.wait()?;
        bail!("blockspan {} did not end within {limit:?}", args.join(" "));
    };
    let stdout = std::fs::read(lab.dir()?.join(format!("{name}.stdout")))?;
    Ok(Finished { exit: status.code(), stdout: String::from_utf8(stdout).context("stdout is not UTF-8")? })
}

/// Waits for the end of `child`; None when it goes on after `limit`.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(POLL);
    }
}
