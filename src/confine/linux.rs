//! Rights as Linux has them.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use nix::sys::resource::{Resource, setrlimit};

use super::{Confined, Needs, readable};

/// What this build knows of Landlock; an older kernel gives what it has.
const NEWEST: ABI = ABI::V6;

pub(super) fn confine(needs: &Needs) -> Confined {
    let mut confined = Confined { applied: Vec::new(), missing: Vec::new() };
    let mut note = |what, result: Result<(), String>| match result {
        Ok(()) => confined.applied.push(what),
        Err(why) => confined.missing.push(format!("{what}: {why}")),
    };
    note("no new privileges", nix::sys::prctl::set_no_new_privs().map_err(|error| error.to_string()));
    note("no core dumps", forbid_core_dumps());
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

/// What is in memory stays out of files: tokens and addresses are there.
fn forbid_core_dumps() -> Result<(), String> {
    // A service manager that has set it may have forbidden the call, too.
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let of_core = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    if of_core.is_some_and(|line| line.split_whitespace().take(2).eq(["0", "0"])) {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(|error| error.to_string())
}

/// Interfaces are bound without any since Linux 5.7; only a low port needs one.
fn drop_capabilities(low_port: bool) -> Result<(), String> {
    use caps::{CapSet, Capability, CapsHashSet, read, set};
    let words = |error: caps::errors::CapsError| error.to_string();
    let needed = if low_port { CapsHashSet::from([Capability::CAP_NET_BIND_SERVICE]) } else { CapsHashSet::new() };
    let none = CapsHashSet::new();
    // What is in force must be permitted: it is taken away first.
    for (of, kept) in [
        (CapSet::Ambient, &none),
        (CapSet::Inheritable, &none),
        (CapSet::Effective, &needed),
        (CapSet::Permitted, &needed),
    ] {
        let had = read(None, of).map_err(words)?;
        // A service manager that gave none may have forbidden the call, too.
        if !had.is_subset(kept) {
            set(None, of, &had.intersection(kept).copied().collect()).map_err(words)?;
        }
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
