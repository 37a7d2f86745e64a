//! `blockspan.toml`: how and from where. Every key has a default, and so has the file.

use super::document::Fields;
use super::types::{
    Config, ControlConfig, DetectConfig, ExperimentsConfig, FingerprintsConfig, HelperServiceConfig, LogConfig,
    NetworkConfig, ProbeConfig, ServeConfig, StoreConfig, SummaryConfig, ThrottlingConfig, TlsConfig,
};
use super::unique::Unique;
use super::{
    canary, control, detect, experiments, helper, keep, knowledge, log, network, probe, summary, throttling, vantage,
    webhook,
};

impl Config {
    /// What an absent or empty `blockspan.toml` says; there are no sites in it.
    pub(crate) fn without_file() -> Self {
        Self {
            sites: Vec::new(),
            probe: ProbeConfig::default(),
            detect: DetectConfig::default(),
            throttling: ThrottlingConfig::default(),
            store: StoreConfig::default(),
            serve: ServeConfig::default(),
            tls: TlsConfig::default(),
            network: NetworkConfig::default(),
            fingerprints: FingerprintsConfig::default(),
            vantages: vantage::default(),
            control: ControlConfig::default(),
            canaries: canary::default(),
            helper: HelperServiceConfig::default(),
            experiments: ExperimentsConfig::default(),
            summary: SummaryConfig::default(),
            webhooks: Vec::new(),
            log: LogConfig::default(),
        }
    }

    /// Reads the document, which names no sites. `door_is_settled` tells that the command line has its say on who may reach the helper.
    pub(super) fn read(root: &mut Fields<'_>, door_is_settled: bool) -> Self {
        let probe = root.section("probe", probe::read);
        let detect = root.section("detect", detect::read);
        let throttling = root.section("throttling", throttling::read);
        let store = root.section("store", keep::read_store);
        let serve = root.section("serve", keep::read_serve);
        let tls = root.section("tls", network::read_tls);
        let network = root.section("network", network::read_network);
        let fingerprints = root.section("fingerprints", knowledge::read_fingerprints);
        let mut controls = Unique::new("id");
        let control = root.section("control", |fields| control::read(fields, &mut controls));
        let vantages = vantage::read(root, &control, &mut controls);
        let canaries = canary::read(root);
        let helper = root.section("helper", |fields| helper::read(fields, door_is_settled));
        let experiments = root.section("experiments", experiments::read);
        let summary = root.section("summary", summary::read);
        let webhooks = webhook::read(root);
        let log = root.section("log", log::read);
        Self {
            sites: Vec::new(),
            probe,
            detect,
            throttling,
            store,
            serve,
            tls,
            network,
            fingerprints,
            vantages,
            control,
            canaries,
            helper,
            experiments,
            summary,
            webhooks,
            log,
        }
    }
}
