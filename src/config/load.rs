//! The door: both files and all that they name, read and checked as one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::control::check_own_token;
use super::document::Doc;
use super::fault::{ConfigErrors, Findings, Wrong, clip};
use super::helper::{Door, check_door};
use super::keep::{Guarded, check_open, listen, store_url};
use super::network::readable;
use super::source::Source;
use super::targets;
use super::types::Config;
use crate::model::Site;

/// Where `targets.toml` is looked for when nothing else is said.
pub const DEFAULT_TARGETS: &str = "targets.toml";

/// Where `blockspan.toml` is looked for when nothing else is said.
pub const DEFAULT_CONFIG: &str = "blockspan.toml";

/// What the command line says over the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--store`: as `[store] url`.
    pub store: Option<String>,
    /// `--listen`: as `[serve] listen`.
    pub listen: Option<String>,
}

/// Where a package puts both files.
const SYSTEM: &str = "/etc/blockspan";

/// Which files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What is measured. Must exist, unless only URLs are asked for.
    pub targets: PathBuf,
    /// Nothing but URLs is to be measured: without [`DEFAULT_TARGETS`] no site is listed. A file of another name must exist.
    pub only_urls: bool,
    /// How and from where. None: [`DEFAULT_CONFIG`] if it exists, else all defaults. A file named here must exist.
    pub config: Option<PathBuf>,
    /// What the command line says over the files.
    pub overrides: Overrides,
}

impl Paths {
    /// The same; but where none was named and the working directory has neither file, those of the system, if it has both.
    #[must_use]
    pub fn or_of_system(self) -> Self {
        self.or_of(Path::new(""), Path::new(SYSTEM))
    }

    fn or_of(self, here: &Path, system: &Path) -> Self {
        let is_named = self.config.is_some() || self.targets != Path::new(DEFAULT_TARGETS);
        // A directory that may not be entered holds nothing for us: `sudo -u blockspan` is typed in root's home, too.
        let is_there = |directory: &Path, file| directory.join(file).symlink_metadata().is_ok();
        let is_here = is_there(here, DEFAULT_TARGETS) || is_there(here, DEFAULT_CONFIG);
        if is_named || is_here || !is_there(system, DEFAULT_TARGETS) || !is_there(system, DEFAULT_CONFIG) {
            return self;
        }
        Self { targets: system.join(DEFAULT_TARGETS), config: Some(system.join(DEFAULT_CONFIG)), ..self }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            targets: PathBuf::from(DEFAULT_TARGETS),
            only_urls: false,
            config: None,
            overrides: Overrides::default(),
        }
    }
}

/// A configuration without fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every file that was read, for watching: both files, included lists, certificates and tokens.
    pub files: Vec<PathBuf>,
    /// What works but is likely not meant, each with its place.
    pub warnings: Vec<String>,
}

/// Reads the configuration whole. Every fault in every file is told at once; none is repaired silently.
pub fn load(paths: &Paths) -> Result<Loaded, ConfigErrors> {
    load_with_default(paths, Path::new(DEFAULT_CONFIG))
}

pub(super) fn load_with_default(paths: &Paths, default_config: &Path) -> Result<Loaded, ConfigErrors> {
    let findings = Findings::default();
    let needs_none = paths.only_urls && paths.targets == Path::new(DEFAULT_TARGETS);
    let sites = match missing(&paths.targets) {
        true if needs_none => Vec::new(),
        true => {
            report_missing_targets(&paths.targets, &findings);
            Vec::new()
        }
        false => targets::read(&paths.targets, &findings),
    };
    let mut settings = settings(paths.config.as_deref(), default_config, &findings, false);
    apply(&paths.overrides, &mut settings, &findings);
    finish(sites, settings, findings)
}

/// What the command line of `blockspan helper` says over `[helper]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelperOverrides {
    /// `--listen`: as `listen`.
    pub listen: Option<String>,
    /// `--token-file`: as `token_file`, but relative to the working directory.
    pub token_file: Option<PathBuf>,
    /// `--unprotected`: as `unprotected = true`.
    pub unprotected: bool,
}

/// Reads what a helper needs: the configuration without targets, which a helper has none of. `config` is as in [`Paths`].
pub fn load_helper(config: Option<&Path>, overrides: &HelperOverrides) -> Result<Loaded, ConfigErrors> {
    let findings = Findings::default();
    let default_config = Path::new(DEFAULT_CONFIG);
    let door_is_settled = *overrides != HelperOverrides::default();
    let mut settings = settings(config, default_config, &findings, door_is_settled);
    apply_helper(overrides, &mut settings, &findings);
    if settings.control.resolvers.is_empty() {
        let wrong = Wrong::new("a helper has nobody to look names up with: `resolvers` in [control] is empty")
            .help("leave it out for the default ones, or name encrypted resolvers");
        findings.file_fault(config.unwrap_or(default_config), wrong);
    }
    finish(Vec::new(), settings, findings)
}

fn settings(config: Option<&Path>, default_config: &Path, findings: &Findings, door_is_settled: bool) -> Config {
    match config {
        Some(path) if missing(path) => {
            report_missing_file(path, "--config", findings);
            Config::without_file()
        }
        Some(path) => read_settings(path, findings, door_is_settled),
        None if missing(default_config) => Config::without_file(),
        None => read_settings(default_config, findings, door_is_settled),
    }
}

fn finish(sites: Vec<Site>, settings: Config, findings: Findings) -> Result<Loaded, ConfigErrors> {
    let (files, warnings) = findings.into_result()?;
    Ok(Loaded { config: Config { sites, ..settings }, files, warnings })
}

fn missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

pub(super) fn report_missing_targets(path: &Path, findings: &Findings) {
    if path != Path::new(DEFAULT_TARGETS) {
        return report_missing_file(path, "--targets", findings);
    }
    findings.reading(path);
    let wrong = Wrong::new("there is no targets.toml in this directory, so there is nothing to watch").help(
        "name yours with `--targets FILE`, copy the one that ships with blockspan to this directory, \
         or write one: [[site]] with `id = \"example\"` and `urls = [\"https://example.org/\"]`",
    );
    findings.file_fault(path, wrong);
}

fn report_missing_file(path: &Path, option: &str, findings: &Findings) {
    findings.reading(path);
    let shown = clip(&path.to_string_lossy());
    let wrong = Wrong::new(format!("cannot read {shown}: there is no such file"));
    findings.file_fault(path, wrong.help(format!("check the path after `{option}`")));
}

fn read_settings(path: &Path, findings: &Findings, door_is_settled: bool) -> Config {
    let Some(source) = findings.read_text(path) else { return Config::without_file() };
    Doc { source: &source, findings }
        .read(|root| Config::read(root, door_is_settled))
        .unwrap_or_else(Config::without_file)
}

fn apply(overrides: &Overrides, settings: &mut Config, findings: &Findings) {
    if let Some(text) = &overrides.store {
        override_with("--store", text, findings, |text, _| store_url(text).map(|url| settings.store.url = url));
    }
    if let Some(text) = &overrides.listen {
        override_with("--listen", text, findings, |text, doc| {
            let address = listen(text)?;
            check_open(doc, &(0..0), address, Guarded::of(&settings.serve))?;
            settings.serve.listen = address;
            Ok(())
        });
    }
}

fn apply_helper(overrides: &HelperOverrides, settings: &mut Config, findings: &Findings) {
    let helper = &mut settings.helper;
    helper.unprotected |= overrides.unprotected;
    if let Some(path) = &overrides.token_file {
        let shown = path.to_string_lossy();
        override_with("--token-file", &shown, findings, |_, doc| {
            doc.findings.reading(path);
            check_own_token(&readable(path).map_err(|wrong| Wrong { help: None, ..wrong })?)?;
            helper.token_file = Some(path.clone());
            Ok(())
        });
    }
    if let Some(text) = &overrides.listen {
        let has_token = helper.token_file.is_some() || overrides.token_file.is_some();
        let door = if has_token { Door::Token } else { Door::of(helper.unprotected) };
        override_with("--listen", text, findings, |text, doc| {
            let address = listen(text)?;
            check_door(doc, &(0..0), address, door)?;
            helper.listen = address;
            Ok(())
        });
    }
}

/// An option is shown in faults as a file of one line.
fn override_with(option: &str, text: &str, findings: &Findings, set: impl FnOnce(&str, Doc<'_>) -> Result<(), Wrong>) {
    let line = format!("{option} {text}");
    let span = option.len() + 1..line.len();
    let source = Arc::new(Source::new(PathBuf::from("command line"), line));
    let doc = Doc { source: &source, findings };
    if let Err(mut wrong) = set(text, doc) {
        wrong.message = format!("`{option}` {}", wrong.message);
        doc.fault(&span, wrong);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_taken_where_there_are_none_here_and_none_is_named() {
        let (here, system) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let chosen = |paths: &Paths| paths.clone().or_of(here.path(), system.path());
        let unnamed = Paths::default();
        std::fs::write(system.path().join(DEFAULT_TARGETS), "").unwrap();
        assert_eq!(chosen(&unnamed), unnamed, "a part of them is not taken");
        std::fs::write(system.path().join(DEFAULT_CONFIG), "").unwrap();
        let taken = chosen(&unnamed);
        assert_eq!(taken.targets, system.path().join(DEFAULT_TARGETS));
        assert_eq!(taken.config, Some(system.path().join(DEFAULT_CONFIG)));
        let named = Paths { config: Some("mine.toml".into()), ..Paths::default() };
        assert_eq!(chosen(&named), named);
        std::fs::write(here.path().join(DEFAULT_CONFIG), "").unwrap();
        assert_eq!(chosen(&unnamed), unnamed, "what is here counts");
    }
}
