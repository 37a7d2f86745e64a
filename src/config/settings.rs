//! `blockspan.toml`: how and from where. Every key has a default, and so has the file.

use super::document::Fields;
use super::types::{
    CanaryConfig, ControlConfig, DetectConfig, FingerprintsConfig, NetworkConfig, ProbeConfig, ServeConfig,
    StoreConfig, TlsConfig, VantageConfig,
};
use super::unique::Unique;
use super::{canary, control, detect, keep, knowledge, network, probe, vantage};

/// What `blockspan.toml` says.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) probe: ProbeConfig,
    pub(super) detect: DetectConfig,
    pub(super) store: StoreConfig,
    pub(super) serve: ServeConfig,
    pub(super) tls: TlsConfig,
    pub(super) network: NetworkConfig,
    pub(super) fingerprints: FingerprintsConfig,
    pub(super) vantages: Vec<VantageConfig>,
    pub(super) control: ControlConfig,
    pub(super) canaries: Vec<CanaryConfig>,
}

impl Default for Settings {
    fn default() -> Self {
        let control = ControlConfig::default();
        Self {
            probe: ProbeConfig::default(),
            detect: DetectConfig::default(),
            store: StoreConfig::default(),
            serve: ServeConfig::default(),
            tls: TlsConfig::default(),
            network: NetworkConfig::default(),
            fingerprints: FingerprintsConfig::default(),
            vantages: vantage::default(),
            control,
            canaries: canary::default(),
        }
    }
}

impl Settings {
    /// Reads the document.
    pub(super) fn read(root: &mut Fields<'_>) -> Self {
        let probe = root.section("probe", probe::read);
        let detect = root.section("detect", detect::read);
        let store = root.section("store", keep::read_store);
        let serve = root.section("serve", keep::read_serve);
        let tls = root.section("tls", network::read_tls);
        let network = root.section("network", network::read_network);
        let fingerprints = root.section("fingerprints", knowledge::read_fingerprints);
        let mut controls = Unique::new("id");
        let control = root.section("control", |fields| control::read(fields, &mut controls));
        let vantages = vantage::read(root, &control, &mut controls);
        let canaries = canary::read(root);
        Self { probe, detect, store, serve, tls, network, fingerprints, vantages, control, canaries }
    }
}
