//! Whether the configuration can be used, and whether its secrets are kept.

use std::path::{Path, PathBuf};

use super::place::{EVERYONE, grants};
use super::{Area, Check, Draft};
use crate::config::Config;

/// A configuration without fault, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// What it holds.
    pub summary: String,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// What works but is likely not meant.
    pub warnings: Vec<String>,
    /// Files with a token, a key or a secret that everyone on this machine can read.
    pub loose: Vec<PathBuf>,
}

/// The files with a token, a key or a secret in them that others than their owner and its group can read: a service is
/// often given its secrets by its group.
pub fn loose_secrets(config: &Config) -> Vec<PathBuf> {
    let helpers = config.control.helpers.iter().filter_map(|helper| helper.token_file.as_deref());
    let own = [&config.helper.token_file, &config.serve.token_file].into_iter().filter_map(|file| file.as_deref());
    let key = config.serve.tls.as_ref().map(|(_, key)| key.as_path());
    let webhooks = config.webhooks.iter().flat_map(|hook| [&hook.secret_file, &hook.url_file]);
    let webhooks = webhooks.filter_map(|file| file.as_deref());
    let all = helpers.chain(own).chain(key).chain(webhooks);
    all.filter(|path| grants(path, EVERYONE)).map(Path::to_owned).collect()
}

/// The checks of the configuration; `found` is its faults as `config check` tells them, or what it holds.
pub fn on_configuration(found: Result<&Described, &str>) -> Vec<Check> {
    let files = Draft::of(Area::Configuration, "files");
    let described = match found {
        Ok(described) => described,
        Err(faults) => {
            return vec![
                files.failed(faults.trim_end(), "mend what is marked; `blockspan config check` shows it again"),
            ];
        }
    };
    let names: Vec<String> = described.files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
    let read = if names.is_empty() { String::new() } else { format!("; read {}", names.join(", ")) };
    let mut checks = vec![files.ok(format!("{}{read}", described.summary))];
    checks.extend(described.warnings.iter().map(|warning| {
        Draft::of(Area::Configuration, "warning").warning(warning.trim_end(), "change it, if it is not meant so")
    }));
    checks.extend(described.loose.iter().map(|path| {
        let path = path.to_string_lossy();
        Draft::of(Area::Configuration, "secret")
            .about(path.clone())
            .warning("everyone on this machine can read this secret", format!("chmod o= {path}"))
    }));
    checks
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::State;
    use super::*;
    use crate::config::WebhookConfig;

    #[test]
    fn secrets_that_everyone_can_read_are_found() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, mode: u32| {
            let path = dir.path().join(name);
            std::fs::write(&path, "x").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let mut config = Config::without_file();
        config.serve.token_file = Some(file("token", 0o644));
        config.serve.tls = Some((file("chain.pem", 0o644), file("key.pem", 0o604)));
        config.helper.token_file = Some(file("helper.token", 0o640));
        config.webhooks = vec![WebhookConfig {
            id: "newsroom".parse().unwrap(),
            url: "https://example.org/".parse().unwrap(),
            url_file: Some(file("hook.url", 0o644)),
            secret_file: Some(file("hook.secret", 0o600)),
            events: Vec::new(),
            sites: Vec::new(),
            first_retry: Duration::from_secs(1),
            give_up_after: Duration::from_secs(1),
        }];
        let loose = loose_secrets(&config);
        assert_eq!(loose, ["token", "key.pem", "hook.url"].map(|name| dir.path().join(name)));
    }

    #[test]
    fn faults_warnings_and_loose_secrets_are_told() {
        let described = Described {
            summary: "2 sites".to_owned(),
            files: vec!["targets.toml".into()],
            warnings: vec!["the control is the vantage".to_owned()],
            loose: vec!["token".into()],
        };
        let checks = on_configuration(Ok(&described));
        assert_eq!(checks[0].found, "2 sites; read targets.toml");
        let states: Vec<State> = checks.iter().map(|check| check.state).collect();
        assert_eq!(states, [State::Ok, State::Warning, State::Warning]);
        assert_eq!(checks[2].advice.as_deref(), Some("chmod o= token"));
        let checks = on_configuration(Err("error: unknown key\n"));
        assert_eq!((checks.len(), checks[0].state), (1, State::Failed));
    }
}
