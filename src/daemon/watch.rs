//! Noticing that files change: where editors replace them, and where they are links that something else turns.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tracing::warn;

/// Links that are followed, as many as the kernel follows.
const LINKS: usize = 40;

/// Watches the directories of files, and of the links that lead to them: an editor replaces a file rather than writing
/// into it, and a cluster turns the link of a mounted directory.
pub(super) struct FileWatch {
    trail: BTreeSet<PathBuf>,
    /// Every directory of the trail is watched.
    is_whole: bool,
    _watcher: Option<notify::RecommendedWatcher>,
}

impl FileWatch {
    /// From now on `changed` is told. Where watching is not possible the log says so.
    pub(super) fn start(files: &[PathBuf], changed: mpsc::Sender<()>) -> Self {
        let trail = trail(files);
        let wanted = trail.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let writes = event.kind.is_modify() || event.kind.is_create() || event.kind.is_remove();
            if writes && event.paths.iter().any(|path| wanted.contains(path)) {
                // A full channel means that a reload is already due.
                let _ = changed.try_send(());
            }
        });
        let cannot =
            |fault: &notify::Error| warn!("changes of configuration files are not all noticed, use SIGHUP: {fault}");
        let mut watcher = watcher.inspect_err(cannot).ok();
        let mut is_whole = watcher.is_some();
        let directories: BTreeSet<&Path> = trail.iter().filter_map(|path| path.parent()).collect();
        for directory in directories {
            let Some(watcher) = &mut watcher else { break };
            // One that cannot be watched does not end the watch over the others.
            is_whole &= watcher.watch(directory, RecursiveMode::NonRecursive).inspect_err(cannot).is_ok();
        }
        Self { trail, is_whole, _watcher: watcher }
    }

    /// Whether these files are watched, by the way on which they are reached now.
    pub(super) fn covers(&self, files: &[PathBuf]) -> bool {
        self.is_whole && self.trail == trail(files)
    }
}

/// Every path that leads elsewhere, or is another file, when one of `files` changes: the file, and each link on the way
/// there. Their directories are without links, as the events name them.
fn trail(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for file in files {
        let mut next = std::path::absolute(file).ok();
        for _ in 0..LINKS {
            let Some(path) = next.take() else { break };
            match first_link(&path) {
                Some((link, target)) => {
                    found.insert(by_real_directory(&link));
                    next = Some(target);
                }
                None => {
                    found.insert(by_real_directory(first_missing(&path)));
                }
            }
        }
    }
    found
}

/// The first part of a path that is not there: with it the rest may come. The path itself where all of it is there.
fn first_missing(path: &Path) -> &Path {
    let missing = path.ancestors().take_while(|part| !part.exists());
    missing.last().unwrap_or(path)
}

/// The first link of a path, and where the path leads by it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut above = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        let here = above.join(component);
        if let Ok(target) = here.read_link() {
            return Some((here, above.join(target).join(components.as_path())));
        }
        above = here;
    }
    None
}

fn by_real_directory(path: &Path) -> PathBuf {
    let real = path.parent().and_then(|parent| parent.canonicalize().ok());
    real.zip(path.file_name()).map_or_else(|| path.to_owned(), |(directory, name)| directory.join(name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    /// As a cluster lays a ConfigMap out: the file is a link through a link that is turned.
    fn mounted() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        for version in ["..1", "..2"] {
            fs::create_dir(at.join(version)).unwrap();
            fs::write(at.join(version).join("targets.toml"), version).unwrap();
        }
        symlink("..1", at.join("..data")).unwrap();
        symlink("..data/targets.toml", at.join("targets.toml")).unwrap();
        (dir, at)
    }

    fn turn(at: &Path, to: &str) {
        symlink(to, at.join("..data_tmp")).unwrap();
        fs::rename(at.join("..data_tmp"), at.join("..data")).unwrap();
    }

    #[test]
    fn the_trail_holds_every_link_on_the_way() {
        let (_dir, at) = mounted();
        let expected: BTreeSet<_> = ["targets.toml", "..data", "..1/targets.toml"].map(|name| at.join(name)).into();
        assert_eq!(trail(&[at.join("targets.toml")]), expected);
        // Also one that stands elsewhere, and a file that is not there.
        fs::create_dir(at.join("etc")).unwrap();
        symlink("../..2/targets.toml", at.join("etc/a.toml")).unwrap();
        let expected: BTreeSet<_> = ["etc/a.toml", "..2/targets.toml", "etc/b.toml"].map(|name| at.join(name)).into();
        assert_eq!(trail(&[at.join("etc/a.toml"), at.join("etc/b.toml")]), expected);
        // A directory that is to come is waited for.
        symlink("../..3/deep/targets.toml", at.join("etc/c.toml")).unwrap();
        let expected: BTreeSet<_> = ["etc/c.toml", "..3"].map(|name| at.join(name)).into();
        assert_eq!(trail(&[at.join("etc/c.toml")]), expected);
        // A circle ends.
        symlink("circle", at.join("circle")).unwrap();
        assert_eq!(trail(&[at.join("circle")]), [at.join("circle")].into());
    }

    #[tokio::test]
    async fn a_turned_link_and_a_change_behind_a_link_are_noticed() {
        let (_dir, at) = mounted();
        let files = [at.join("targets.toml")];
        let (changed, mut changes) = mpsc::channel(1);
        let watch = FileWatch::start(&files, changed.clone());
        assert!(watch.covers(&files));
        turn(&at, "..2");
        tokio::time::timeout(Duration::from_secs(20), changes.recv()).await.unwrap().unwrap();
        assert!(!watch.covers(&files), "it leads elsewhere now");
        // Nothing of the first watch is left to come when the second one is tried.
        drop(watch);
        let (changed, mut changes) = mpsc::channel(1);
        let watch = FileWatch::start(&files, changed);
        assert!(watch.covers(&files));
        assert!(changes.try_recv().is_err());
        fs::write(at.join("..2/targets.toml"), "more").unwrap();
        tokio::time::timeout(Duration::from_secs(20), changes.recv()).await.unwrap().unwrap();
    }
}
