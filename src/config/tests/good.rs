//! Good configurations: the defaults, the shipped files, every key.

use std::time::Duration;

use super::{Desk, ONE_SITE, file_name};
use crate::config::{
    ControlConfig, DetectConfig, ExperimentsConfig, Loaded, NetworkConfig, Overrides, Paths, ProbeConfig, ResolverSpec,
    Role, ServeConfig, StoreConfig, StoreUrl, ThrottlingConfig, TlsConfig, Via, load,
};
use crate::model::{CanaryScope, ExperimentKind, Status};

const SAMPLE: &str = include_str!("../../../blockspan.sample.toml");
const SHIPPED: &str = include_str!("../../../targets.toml");

fn loaded(targets: &str, config: &str) -> Loaded {
    Desk::with(targets, config).load().unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn without_a_config_file_everything_has_its_default() {
    let desk = Desk::new().file("targets.toml", ONE_SITE);
    let Loaded { config, files, warnings } = desk.load().unwrap();
    assert_eq!(files, [desk.path("targets.toml")]);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(config.probe.interval, Duration::from_secs(60));
    assert_eq!(config.probe.body_limit, 512 * 1024);
    assert_eq!(config.store.url, StoreUrl::Sqlite("blockspan.db".into()));
    assert_eq!(config.store.keep_measurements, Duration::from_secs(400 * 86_400));
    assert_eq!(config.serve.listen.to_string(), "127.0.0.1:9645");
    let [local] = config.vantages.as_slice() else { panic!("one vantage expected") };
    assert_eq!((local.id.as_str(), local.role, local.country.as_str()), ("local", Role::Probe, "ZZ"));
    assert_eq!(local.via, Via::Direct { interface: None, source: None });
    assert_eq!(local.resolvers, [ResolverSpec::System]);
    let resolvers: Vec<String> = config.control.resolvers.iter().map(ToString::to_string).collect();
    assert_eq!(
        resolvers,
        ["https://cloudflare-dns.com/dns-query@1.1.1.1:443", "https://dns.quad9.net/dns-query@9.9.9.9:443"]
    );
    let scopes = |scope| config.canaries.iter().filter(|canary| canary.scope == scope).count();
    assert_eq!((scopes(CanaryScope::Foreign), scopes(CanaryScope::Domestic)), (3, 2));
    assert!(config.canaries.iter().all(|canary| canary.country.is_some() == (canary.scope == CanaryScope::Domestic)));
    assert_eq!(config.sites[0].name, "example", "the id serves as the name");
}

#[test]
fn an_empty_config_file_is_as_good_as_none() {
    let none = Desk::new().file("targets.toml", ONE_SITE).load().unwrap().config;
    assert_eq!(loaded(ONE_SITE, "").config, none);
}

#[test]
fn the_sample_as_it_ships_gives_the_defaults() {
    assert_eq!(loaded(ONE_SITE, SAMPLE).config, loaded(ONE_SITE, "").config);
}

/// Lines with one `#` right before a key or a table header are the defaults; `##` and `# ` are words.
fn uncommented(sample: &str) -> String {
    let starts_a_value = |rest: &str| rest.starts_with("[[") || rest.starts_with(|c: char| c.is_ascii_lowercase());
    let lines = sample.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if starts_a_value(rest) => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_says_the_defaults_and_every_key() {
    let text = uncommented(SAMPLE);
    let (sections, rest) = text.split_once("\n[[vantage]]").unwrap();
    let (_, canaries) = rest.split_once("\n[[canary]]").unwrap();
    let defaults = loaded(ONE_SITE, "").config;
    assert_eq!(loaded(ONE_SITE, sections).config, defaults, "the sections");
    assert_eq!(loaded(ONE_SITE, &format!("[[canary]]{canaries}")).config.canaries, defaults.canaries);
    let (vantage, _) = rest.split_once("asn =").unwrap();
    assert_eq!(loaded(ONE_SITE, &format!("[[vantage]]{vantage}")).config.vantages, defaults.vantages);

    let whole = loaded(ONE_SITE, &text).config;
    let [local, berlin] = whole.vantages.as_slice() else { panic!("two vantages expected") };
    assert_eq!(local.asn, Some(9198));
    let source = Some("10.0.0.2".parse().unwrap());
    assert_eq!(local.via, Via::Direct { interface: Some("wg0".to_owned()), source });
    assert_eq!(berlin.role, Role::Control);
    for key in [
        "interval",
        "jitter",
        "dns_timeout",
        "tcp_timeout",
        "tls_timeout",
        "http_timeout",
        "quic",
        "quic_timeout",
        "url_timeout",
        "body_limit",
        "max_addresses",
        "max_in_flight",
        "confirm_after",
        "spread",
        "url",
        "keep_measurements",
        "listen",
        "unprotected",
        "behind_proxy",
        "per_minute",
        "extra_roots",
        "allow_private",
        "asn_files",
        "files",
        "resolvers",
        "helpers",
        "max_age",
        "unrelated_sni",
        "sni_elsewhere",
        "other_resolvers",
        "other_family",
        "other_host",
        "unrelated_name",
        "per_hour",
        "id",
        "role",
        "country",
        "asn",
        "via",
        "interface",
        "source",
        "scope",
    ] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{key} ="))), "the sample lacks {key}");
    }
}

#[test]
fn the_shipped_targets_are_good_and_hold_the_reports() {
    let Loaded { config, warnings, .. } = loaded(SHIPPED, "");
    assert_eq!(warnings, [""; 0]);
    let ids: Vec<&str> = config.sites.iter().map(|site| site.id.as_str()).collect();
    assert_eq!(ids, ["ratel", "zonakz", "fergana", "livejournal"]);
    let paper = "KIBHR, IPHR, Nota Bene, TIHR: briefing paper on Kazakhstan, April 2016";
    for site in &config.sites {
        assert_eq!(site.country.as_str(), "KZ");
        assert!(site.reported.iter().any(|report| report.citation == paper), "{}: the briefing paper", site.id);
        let mut ids: Vec<_> = site.reported_spans().into_iter().map(|span| span.span_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), site.reported.len(), "{}: each report is a span of its own", site.id);
    }
    let fergana = &config.sites[2];
    assert_eq!(fergana.urls.len(), 4);
    assert_eq!(fergana.reported[0].from.earliest.unwrap().to_string(), "2014-08-01T00:00:00.000Z");
    assert_eq!(fergana.reported[0].from.latest.unwrap().to_string(), "2014-08-31T23:59:59.999Z");
    assert_eq!(fergana.reported[0].as_of.unwrap().to_string(), "2016-04-01T00:00:00.000Z");
    assert_eq!(fergana.reported[0].to, None);
    let livejournal = &config.sites[3];
    let restored = livejournal.reported[1].to.unwrap();
    assert_eq!(restored.latest.unwrap().to_string(), "2015-11-30T23:59:59.999Z");
    assert!(livejournal.reported.iter().all(|report| report.status == Status::Blocked));
}

#[test]
fn every_section_is_read() {
    let desk = Desk::with(
        ONE_SITE,
        r#"
probe = { interval = "5s", jitter = 0, body_limit = 2048, max_addresses = 0x10 }
[detect]
confirm_after = []
spread = "30s"
[throttling]
enabled = false
samples = 5
over = "5s"
window = "1h"
sustained = "6s"
[store]
url = "sqlite:///var/lib/blockspan/record.db"
keep_measurements = "2w"
[serve]
listen = "[::1]:80"
[network]
allow_private = ["10.0.0.0/8", "fd00::/8"]
[control]
resolvers = ["tls://dns.example@192.0.2.1"]
helpers = [{ url = "https://helper.example/", token_file = "secret/token" }, { id = "b", url = "http://[::1]/" }]
max_age = "1m"
[summary]
networks = 3
merge_within = "6h"
[experiments]
sni_elsewhere = false
other_family = false
unrelated_name = "BÜCHER.example."
per_hour = 6
[[vantage]]
id = "tunnel"
via = "socks5://[::1]"
[[vantage]]
id = "friend"
role = "control"
[[canary]]
url = "https://stable.example/"
"#,
    )
    .file("secret/token", "s3cret\n");
    let Loaded { config, files, .. } = desk.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.probe.interval, Duration::from_secs(5));
    assert_eq!((config.probe.jitter, config.probe.body_limit, config.probe.max_addresses), (0.0, 2048, 16));
    assert_eq!(config.probe.max_in_flight, ProbeConfig::default().max_in_flight);
    assert_eq!(config.detect, DetectConfig { confirm_after: vec![], spread: Duration::from_secs(30) });
    let throttling = ThrottlingConfig {
        enabled: false,
        samples: 5,
        over: Duration::from_secs(5),
        window: Duration::from_secs(3600),
        sustained: Duration::from_secs(6),
    };
    assert_eq!(config.throttling, throttling);
    assert_eq!(config.store.url, StoreUrl::Sqlite("/var/lib/blockspan/record.db".into()));
    assert_eq!(config.network.allow_private.len(), 2);
    assert_eq!(config.control.helpers[0].id.as_str(), "helper.example");
    assert_eq!(config.control.helpers[0].token_file, Some(desk.path("secret/token")));
    let kinds = [
        ExperimentKind::UnrelatedSni,
        ExperimentKind::OtherResolvers,
        ExperimentKind::OtherHost,
        ExperimentKind::HostElsewhere,
    ];
    assert_eq!(config.experiments.kinds, kinds);
    assert_eq!((config.summary.networks, config.summary.merge_within), (3, Duration::from_secs(6 * 3600)));
    assert_eq!((config.experiments.unrelated_name.as_str(), config.experiments.per_hour), ("xn--bcher-kva.example", 6));
    assert_eq!(config.vantages[0].via, Via::Socks5 { proxy: "[::1]:1080".to_owned() });
    assert_eq!(config.vantages[0].resolvers, config.control.resolvers, "asked through the tunnel");
    assert_eq!(config.vantages[1].resolvers, config.control.resolvers, "a control does not ask who may be lying");
    assert_eq!(config.canaries.len(), 1, "those given replace the default ones");
    let names: Vec<String> = files.iter().map(|file| file_name(file)).collect();
    assert_eq!(names, ["targets.toml", "blockspan.toml", "token"]);
}

#[test]
fn the_command_line_wins_over_the_file() {
    let desk = Desk::with(ONE_SITE, "[store]\nurl = \"sqlite://a.db\"\n[serve]\nlisten = \"127.0.0.1:1\"\n");
    let overrides = Overrides { store: Some("sqlite://b.db".to_owned()), listen: Some("127.0.0.1:2".to_owned()) };
    let config = desk.load_over(overrides).unwrap().config;
    assert_eq!(config.store.url, StoreUrl::Sqlite("b.db".into()));
    assert_eq!(
        config.serve,
        ServeConfig {
            listen: "127.0.0.1:2".parse().unwrap(),
            unprotected: false,
            tls: None,
            token_file: None,
            hosts: Vec::new(),
            cors: Vec::new()
        }
    );
}

#[test]
fn the_command_line_opens_to_the_network_only_where_the_file_allows_it() {
    let listen = |text: &str| Overrides { listen: Some(text.to_owned()), ..Overrides::default() };
    let closed = Desk::with(ONE_SITE, "");
    for open in ["0.0.0.0:9645", "[::]:9645", "192.0.2.1:80"] {
        let errors = closed.load_over(listen(open)).unwrap_err().to_string();
        assert!(errors.contains("`--listen` is open to the network"), "{errors}");
        let unwrapped = errors.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(unwrapped.contains("`unprotected = true`"), "{errors}");
        let allowed = Desk::with(ONE_SITE, "[serve]\nunprotected = true\n");
        let loaded = allowed.load_over(listen(open)).unwrap();
        assert_eq!(
            loaded.config.serve,
            ServeConfig {
                listen: open.parse().unwrap(),
                unprotected: true,
                tls: None,
                token_file: None,
                hosts: Vec::new(),
                cors: Vec::new()
            }
        );
        assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    }
    for loopback in ["127.8.9.10:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(closed.load_over(listen(loopback)).unwrap().warnings.is_empty(), "{loopback}");
    }
}

#[test]
fn what_is_likely_not_meant_is_warned_of() {
    for (targets, config, warning) in [
        (
            ONE_SITE,
            "[serve]\nlisten = \"0.0.0.0:9645\"\nunprotected = true\n",
            "blockspan.toml:2: page, metrics and reload are open to the network",
        ),
        (
            ONE_SITE,
            "[probe]\nurl_timeout = \"8s\"\ntcp_timeout = \"9s\"\ntls_timeout = \"8s\"\nhttp_timeout = \"8s\"\n",
            "blockspan.toml:1: `tcp_timeout` (9s) can never run out",
        ),
        (ONE_SITE, "[probe]\nquic_timeout = \"31s\"\n", "blockspan.toml:1: `quic_timeout` (31s) can never run out"),
        (
            ONE_SITE,
            "[throttling]\nover = \"2d\"\nwindow = \"1d\"\n",
            "blockspan.toml:1: `over` is longer than `window`",
        ),
        (ONE_SITE, "[network]\nallow_private = [\"0.0.0.0/0\"]\n", "blockspan.toml:2: every address counts as public"),
        (
            ONE_SITE,
            "[[canary]]\nurl = \"https://a.example/\"\nscope = \"domestic\"\n",
            "blockspan.toml:1: no foreign canary",
        ),
        (
            &format!("{ONE_SITE}[[site]]\nid = \"b\"\nurls = [\"https://example.org\"]\n"),
            "",
            "targets.toml:6: https://example.org/ is measured twice: site example has it too",
        ),
        (&format!("include = [\"lists/*.csv\"]\n{ONE_SITE}"), "", "targets.toml:1: no file matches this `include`"),
    ] {
        let desk = Desk::with(targets, config).file("lists/readme", "");
        let warnings = desk.load().unwrap_or_else(|errors| panic!("{errors}")).warnings;
        let [only] = warnings.as_slice() else { panic!("{warnings:?} is not one warning: {warning}") };
        assert!(only.contains(warning), "{only} does not contain {warning}");
    }
}

#[test]
fn the_defaults_are_those_of_the_types() {
    let config = loaded(ONE_SITE, "").config;
    assert_eq!(config.probe, ProbeConfig::default());
    assert_eq!(config.detect, DetectConfig::default());
    assert_eq!(config.throttling, ThrottlingConfig::default());
    assert_eq!(config.store, StoreConfig::default());
    assert_eq!(config.tls, TlsConfig::default());
    assert_eq!(config.network, NetworkConfig::default());
    assert_eq!(config.control, ControlConfig::default());
    assert_eq!(config.experiments, ExperimentsConfig::default());
    assert_eq!(config.summary, crate::config::SummaryConfig::default());
}

#[test]
fn a_good_root_certificate_is_taken() {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    let desk = Desk::with(ONE_SITE, "[tls]\nextra_roots = [\"ca.pem\"]\n").file("ca.pem", pem);
    let loaded = desk.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.config.tls.extra_roots, [desk.path("ca.pem")]);
    assert!(loaded.files.contains(&desk.path("ca.pem")), "it is watched");
}

#[test]
fn a_named_file_must_exist() {
    let desk = Desk::with(ONE_SITE, "");
    let paths = |targets: &str, config: &str| Paths {
        targets: desk.path(targets),
        only_urls: false,
        config: Some(desk.path(config)),
        overrides: Overrides::default(),
    };
    assert!(load(&paths("targets.toml", "blockspan.toml")).is_ok());
    let errors = load(&paths("other.toml", "another.toml")).unwrap_err();
    let messages: Vec<&str> = errors.faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages.iter().all(|message| message.contains("there is no such file")), "{messages:?}");
    assert_eq!(errors.files.len(), 2, "a watcher must see them appear");
}
