//! What the process gives up at start: it reads hostile bytes all day and needs few rights to do so.
//!
//! New privileges (`no_new_privs`), all capabilities, and by Landlock (<https://landlock.io>) every file but its own, as
//! far as the kernel goes along. It must be called before there are threads: a thread that is there keeps its rights.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// What this build knows of Landlock; an older kernel gives what it has.
const NEWEST: ABI = ABI::V6;

/// What a system's own name look-up, time zones and process figures are read from.
const SYSTEM: [&str; 11] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/proc",
    "/sys/fs/cgroup",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/dev/null",
    "/dev/urandom",
];

/// Which files the process still needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files that are read, also when they are replaced: their directories stay readable.
    pub read: Vec<PathBuf>,
    /// Directories in which files are made, written and removed.
    pub write: Vec<PathBuf>,
    /// Whether a port below 1024 is served.
    pub low_port: bool,
}

/// What was given up, in words for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confined {
    /// What holds now.
    pub applied: Vec<&'static str>,
    /// What does not, and why.
    pub missing: Vec<String>,
}

/// Gives up what is not needed. Never fails: what the kernel does not go along with is told.
pub fn confine(needs: &Needs) -> Confined {
    let mut confined = Confined { applied: Vec::new(), missing: Vec::new() };
    let mut note = |what, result: Result<(), String>| match result {
        Ok(()) => confined.applied.push(what),
        Err(why) => confined.missing.push(format!("{what}: {why}")),
    };
    note("no new privileges", nix::sys::prctl::set_no_new_privs().map_err(|error| error.to_string()));
    note("no capabilities", drop_capabilities(needs.low_port));
    let (what, result) = match restrict_files(needs) {
        Ok(RulesetStatus::FullyEnforced) => ("only its own files (Landlock)", Ok(())),
        Ok(RulesetStatus::PartiallyEnforced) => {
            ("only its own files (Landlock, as far as this kernel knows it)", Ok(()))
        }
        Ok(RulesetStatus::NotEnforced) => ("only its own files", Err("this kernel has no Landlock".to_owned())),
        Err(error) => ("only its own files", Err(error.to_string())),
    };
    note(what, result);
    confined
}

/// Interfaces are bound without any since Linux 5.7; only a low port needs one.
fn drop_capabilities(low_port: bool) -> Result<(), String> {
    use caps::{CapSet, Capability, CapsHashSet, clear, read, set};
    let words = |error: caps::errors::CapsError| error.to_string();
    clear(None, CapSet::Ambient).map_err(words)?;
    clear(None, CapSet::Inheritable).map_err(words)?;
    let kept = if low_port { CapsHashSet::from([Capability::CAP_NET_BIND_SERVICE]) } else { CapsHashSet::new() };
    // What is in force must be permitted: it is taken away first.
    for of in [CapSet::Effective, CapSet::Permitted] {
        let had = read(None, of).map_err(words)?;
        set(None, of, &had.intersection(&kept).copied().collect()).map_err(words)?;
    }
    Ok(())
}

fn restrict_files(needs: &Needs) -> Result<RulesetStatus, RulesetError> {
    let all = AccessFs::from_all(NEWEST);
    let read = AccessFs::from_read(NEWEST) & !AccessFs::Execute;
    let write =
        read | (AccessFs::from_write(NEWEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeFifo));
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for path in readable(needs) {
        ruleset = allow(ruleset, &path, read)?;
    }
    for path in &needs.write {
        ruleset = allow(ruleset, path, write)?;
    }
    // Output that is thrown away is written too.
    ruleset = allow(ruleset, Path::new("/dev/null"), AccessFs::from_file(NEWEST) & !AccessFs::Execute)?;
    Ok(ruleset.restrict_self()?.ruleset)
}

/// What is not there needs no leave.
fn allow(
    ruleset: landlock::RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<landlock::RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(ruleset) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    ruleset.add_rule(PathBeneath::new(opened, access))
}

/// The directories of the files that are read: an editor replaces a file, and a reload must find the new one.
fn readable(needs: &Needs) -> BTreeSet<PathBuf> {
    let directory = |file: &PathBuf| {
        // What a link leads to counts too: certificates and configurations are often linked.
        let real = file.canonicalize().unwrap_or_else(|_| file.clone());
        [file.clone(), real].map(|file| match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        })
    };
    SYSTEM.iter().map(PathBuf::from).chain(needs.read.iter().flat_map(directory)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_of_files_stay_readable_and_so_do_those_of_what_they_are_linked_to() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("a.toml"), "").unwrap();
        let link = dir.path().join("link.toml");
        std::os::unix::fs::symlink(real.join("a.toml"), &link).unwrap();
        let all = readable(&Needs { read: vec![link, "targets.toml".into()], write: Vec::new(), low_port: false });
        for wanted in [dir.path(), &real.canonicalize().unwrap(), Path::new("."), Path::new("/etc")] {
            assert!(all.contains(wanted), "{wanted:?} is not in {all:?}");
        }
        assert!(!all.contains(Path::new("/")));
    }
}
