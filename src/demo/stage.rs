//! The daemon's configuration for the demo: the same keys as in earnest, at a faster pace.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::world::{RESOLVER_NAME, World};
use crate::config::{
    CanaryConfig, Config, ControlConfig, DetectConfig, FingerprintsConfig, HelperServiceConfig, NetworkConfig,
    ProbeConfig, ResolverSpec, Role, ServeConfig, StoreConfig, StoreUrl, ThrottlingConfig, TlsConfig, VantageConfig,
    Via,
};
use crate::model::{CanaryScope, CountryCode, Site};

/// Every site of the world, the canary last.
pub(super) const SITES: &[&str] = &["news.demo", "blog.demo", "forum.demo", "canary.demo"];

/// The configuration.
pub(super) fn configuration(world: &World, folder: &Path) -> Result<Config, Box<dyn std::error::Error + Send + Sync>> {
    let url = |host: &str| Url::parse(&format!("https://{host}:{}/", world.port));
    let watched = &SITES[..SITES.len() - 1];
    let mut sites = Vec::new();
    for host in watched {
        sites.push(Site {
            id: host.trim_end_matches(".demo").parse()?,
            name: (*host).to_owned(),
            country: CountryCode::UNKNOWN,
            category: Some("NEWS".to_owned()),
            urls: vec![url(host)?],
            reported: Vec::new(),
        });
    }
    let encrypted = ResolverSpec::Dot { name: RESOLVER_NAME.to_owned(), address: world.encrypted };
    let vantage = |id: &str, role, via, resolver: ResolverSpec| -> Result<_, crate::model::InvalidId> {
        Ok(VantageConfig {
            id: id.parse()?,
            role,
            country: CountryCode::UNKNOWN,
            asn: None,
            via,
            resolvers: vec![resolver],
        })
    };
    Ok(Config {
        sites,
        probe: ProbeConfig {
            interval: Duration::from_secs(2),
            jitter: 0.1,
            dns_timeout: Duration::from_secs(1),
            tcp_timeout: Duration::from_secs(1),
            tls_timeout: Duration::from_millis(1200),
            http_timeout: Duration::from_secs(1),
            quic: false,
            quic_timeout: Duration::from_secs(1),
            url_timeout: Duration::from_secs(4),
            body_limit: 64 * 1024,
            max_addresses: 4,
            max_in_flight: 16,
        },
        detect: DetectConfig {
            confirm_after: [1, 2, 3, 4, 5, 6].map(Duration::from_secs).to_vec(),
            spread: Duration::from_secs(5),
        },
        throttling: ThrottlingConfig::default(),
        store: StoreConfig {
            url: StoreUrl::Sqlite(folder.join("demo.db")),
            keep_measurements: Duration::from_secs(86_400),
        },
        serve: ServeConfig {
            listen: (IpAddr::V4(Ipv4Addr::LOCALHOST), 0).into(),
            unprotected: false,
            tls: None,
            token_file: None,
            hosts: Vec::new(),
            cors: Vec::new(),
        },
        tls: TlsConfig { extra_roots: vec![folder.join("root.pem")] },
        network: NetworkConfig { allow_private: vec!["127.0.0.0/8".parse()?], ..NetworkConfig::default() },
        fingerprints: FingerprintsConfig::default(),
        vantages: vec![
            vantage(
                "here",
                Role::Probe,
                Via::Direct { interface: None, source: None },
                ResolverSpec::Udp(world.resolver),
            )?,
            vantage("abroad", Role::Control, Via::Socks5 { proxy: world.way_out.to_string() }, encrypted.clone())?,
        ],
        control: ControlConfig { resolvers: vec![encrypted], helpers: Vec::new(), max_age: Duration::from_secs(600) },
        canaries: vec![CanaryConfig { url: url("canary.demo")?, scope: CanaryScope::Foreign, country: None }],
        helper: HelperServiceConfig::default(),
        experiments: crate::config::ExperimentsConfig::default(),

        summary: Default::default(),

        webhooks: Vec::new(),
        log: crate::config::LogConfig::default(),
    })
}
