//! Whole configurations, good and bad.

mod bad;
mod good;
mod knowledge;
mod lists;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::load::load_with_default;
use super::{ConfigErrors, Loaded, Overrides, Paths};

/// One good site, so that only what is tested can be wrong.
const ONE_SITE: &str = "[[site]]\nid = \"example\"\nurls = [\"https://example.org/\"]\n";

/// A directory of its own that a configuration is read in.
struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    /// A desk with both files.
    fn with(targets: &str, config: &str) -> Self {
        Self::new().file("targets.toml", targets).file("blockspan.toml", config)
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self) -> Result<Loaded, ConfigErrors> {
        self.load_over(Overrides::default())
    }

    fn load_over(&self, overrides: Overrides) -> Result<Loaded, ConfigErrors> {
        let paths = Paths { targets: self.path("targets.toml"), only_urls: false, config: None, overrides };
        load_with_default(&paths, &self.path("blockspan.toml"))
    }

    /// The faults as `(file name, line, column, message)`; line and column 0 for a file as a whole.
    fn faults(&self) -> Vec<(String, usize, usize, String)> {
        let Err(errors) = self.load() else { return Vec::new() };
        errors
            .faults
            .iter()
            .map(|fault| {
                let (line, column) = fault.place.as_ref().map_or((0, 0), |place| (place.line, place.column));
                (file_name(&fault.file), line, column, fault.message.clone())
            })
            .collect()
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
