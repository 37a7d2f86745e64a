//! What the process gives up at start: it reads hostile bytes all day and needs few rights to do so.
//!
//! New privileges (`no_new_privs`), all capabilities, and by Landlock (<https://landlock.io>) every file but its own, as
//! far as the kernel goes along. It must be called before there are threads: a thread that is there keeps its rights.

#[cfg(target_os = "linux")]
mod linux;

use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a system's own name look-up, time zones and process figures are read from. All of `/run`: the directory that
/// `/etc/resolv.conf` leads to may not be there yet, and what is not there cannot be allowed.
const SYSTEM: [&str; 9] =
    ["/etc", "/usr", "/lib", "/lib64", "/proc", "/sys/fs/cgroup", "/run", "/dev/null", "/dev/urandom"];

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
    #[cfg(target_os = "linux")]
    return linux::confine(needs);
    #[cfg(not(target_os = "linux"))]
    Confined { applied: Vec::new(), missing: vec!["this system has no way for it".to_owned()] }
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
    // Some systems keep it elsewhere and link to it.
    let resolv_conf = PathBuf::from("/etc/resolv.conf");
    let files = needs.read.iter().chain([&resolv_conf]);
    SYSTEM.iter().map(PathBuf::from).chain(files.flat_map(directory)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
