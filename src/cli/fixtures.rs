//! Evidence, spans and a configuration for tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{
    Config, ControlConfig, DetectConfig, FingerprintsConfig, HelperServiceConfig, NetworkConfig, ProbeConfig,
    ResolverSpec, Role, ServeConfig, StoreConfig, StoreUrl, ThrottlingConfig, TlsConfig, VantageConfig, Via,
};
use crate::model::*;

const RESOLVER: &str = "https://cloudflare-dns.com/dns-query@1.1.1.1:443";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn us(ms: u64) -> Elapsed {
    Elapsed::from_micros(ms * 1000)
}

fn site(id: &str, urls: &[&str], reported: Vec<Report>) -> Site {
    Site {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        country: "KZ".parse().unwrap(),
        category: None,
        urls: urls.iter().map(|url| url.parse().unwrap()).collect(),
        reported,
    }
}

pub(crate) fn report(from: Bracket, to: Option<Bracket>, as_of: &str, citation: &str) -> Report {
    Report {
        status: Status::Blocked,
        url: None,
        vantage: None,
        from,
        to,
        as_of: Some(at(as_of)),
        citation: citation.to_owned(),
        note: None,
    }
}

pub(crate) fn between(earliest: &str, latest: &str) -> Bracket {
    Bracket { earliest: Some(at(earliest)), latest: Some(at(latest)) }
}

pub(crate) const UNKNOWN: Bracket = Bracket { earliest: None, latest: None };

pub(crate) fn config() -> Config {
    let vantage = |id: &str, role| VantageConfig {
        id: id.parse().unwrap(),
        role,
        country: "KZ".parse().unwrap(),
        asn: None,
        via: Via::Direct { interface: None, source: None },
        resolvers: vec![ResolverSpec::System],
    };
    let paper = "KIBHR, IPHR, Nota Bene, TIHR: briefing paper on Kazakhstan, April 2016";
    let august = between("2014-08-01T00:00:00Z", "2014-08-31T23:59:59.999Z");
    let november = between("2015-11-01T00:00:00Z", "2015-11-30T23:59:59.999Z");
    Config {
        sites: vec![
            site(
                "fergana",
                &["https://fergana.media/", "https://fergana.agency/"],
                vec![report(august, None, "2016-04-01T00:00:00Z", paper)],
            ),
            site(
                "livejournal",
                &["https://www.livejournal.com/"],
                vec![report(UNKNOWN, Some(november), "2016-04-01T00:00:00Z", paper)],
            ),
        ],
        probe: ProbeConfig {
            interval: Duration::from_secs(60),
            jitter: 0.1,
            dns_timeout: Duration::from_secs(5),
            tcp_timeout: Duration::from_secs(10),
            tls_timeout: Duration::from_secs(10),
            http_timeout: Duration::from_secs(10),
            quic: true,
            quic_timeout: Duration::from_secs(10),
            url_timeout: Duration::from_secs(30),
            body_limit: 524_288,
            max_addresses: 6,
            max_in_flight: 64,
        },
        detect: DetectConfig { confirm_after: Vec::new(), spread: Duration::from_secs(120) },
        throttling: ThrottlingConfig::default(),
        store: StoreConfig {
            url: StoreUrl::Sqlite(PathBuf::from("blockspan.db")),
            keep_measurements: Duration::from_secs(86_400),
        },
        serve: ServeConfig {
            listen: "127.0.0.1:9645".parse().unwrap(),
            unprotected: false,
            tls: None,
            token_file: None,
            hosts: Vec::new(),
            cors: Vec::new(),
        },
        tls: TlsConfig { extra_roots: Vec::new() },
        network: NetworkConfig { allow_private: Vec::new(), ..NetworkConfig::default() },
        fingerprints: FingerprintsConfig::default(),
        vantages: vec![vantage("almaty-kt", Role::Probe), vantage("berlin", Role::Control)],
        control: ControlConfig { resolvers: Vec::new(), helpers: Vec::new(), max_age: Duration::from_secs(600) },
        canaries: Vec::new(),
        helper: HelperServiceConfig::default(),
        experiments: crate::config::ExperimentsConfig::default(),
        summary: crate::config::SummaryConfig::default(),
        webhooks: Vec::new(),
        log: crate::config::LogConfig::default(),
    }
}

/// A blocked span of the series fergana.media from almaty-kt.
pub(crate) fn span(start: Bracket, end: Option<Bracket>) -> Span {
    Span {
        span_id: SpanId::derived(&format!("{start:?}{end:?}")),
        site: "fergana".parse().unwrap(),
        url: Some("https://fergana.media/".parse().unwrap()),
        vantage: Some("almaty-kt".parse().unwrap()),
        source: SpanSource::Measured,
        status: Status::Blocked,
        mechanism: Some(Mechanism::TlsTimeout),
        partial: None,
        segments: Vec::new(),
        start,
        end,
        ongoing: end.is_none(),
        last_observed: end.map_or(Some(at("2026-11-25T09:12:00Z")), |end| end.earliest),
        measurements: 123,
        confidence: Some(0.9999),
        citation: None,
    }
}

/// A span that is still open and has changed its mechanism once.
pub(crate) fn changing_span() -> Span {
    Span {
        span_id: SpanId::derived("test"),
        segments: vec![
            Segment { from: at("2026-11-24T20:01:12Z"), mechanism: Mechanism::TlsReset },
            Segment { from: at("2026-11-24T21:00:00Z"), mechanism: Mechanism::TlsTimeout },
        ],
        ..span(between("2026-11-24T20:00:13Z", "2026-11-24T20:01:12Z"), None)
    }
}

fn dns(resolver: &str, role: DnsRole, ms: u64, failure: Option<Failure>, addresses: &[&str]) -> DnsExchange {
    let answer = DnsAnswer {
        source: None,
        ip_ttl: Some(58),
        latency: us(ms),
        rcode: Some(0),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        cnames: Vec::new(),
        record_ttl_seconds: Some(300),
        matches_question: true,
        raw: String::new(),
    };
    DnsExchange {
        hop: 0,
        resolver: resolver.to_owned(),
        role,
        transport: if resolver.starts_with("https") { DnsTransport::Doh } else { DnsTransport::Udp },
        name: "fergana.media".to_owned(),
        query_type: QueryType::A,
        started: us(0),
        elapsed: us(ms),
        answers: if addresses.is_empty() && failure.is_some() { Vec::new() } else { vec![answer] },
        failure,
    }
}

const ADDRESS: &str = "104.21.48.1:443";

fn address() -> SocketAddr {
    ADDRESS.parse().unwrap()
}

fn tcp(failure: Option<Failure>) -> TcpConnect {
    TcpConnect {
        hop: 0,
        address: address(),
        origin: AddressOrigin::Own,
        bogon: false,
        started: us(15),
        elapsed: us(41),
        failure,
    }
}

fn certificate(subject: &str, issuer: &str) -> CertificateRecord {
    CertificateRecord {
        der: "AAAA".to_owned(),
        sha256: "00".repeat(32),
        subject: subject.to_owned(),
        issuer: issuer.to_owned(),
        not_before: Some(at("2026-10-01T00:00:00Z")),
        not_after: Some(at("2026-12-30T00:00:00Z")),
        names: vec!["fergana.media".to_owned()],
    }
}

fn tls(failure: Option<Failure>, ms: u64) -> TlsHandshake {
    let whole = failure.is_none();
    TlsHandshake {
        hop: 0,
        address: address(),
        origin: AddressOrigin::Own,
        server_name: "fergana.media".to_owned(),
        started: us(56),
        elapsed: us(ms),
        failure,
        alert: None,
        version: whole.then(|| "TLSv1.3".to_owned()),
        cipher: whole.then(|| "TLS13_AES_128_GCM_SHA256".to_owned()),
        alpn: whole.then(|| "h2".to_owned()),
        chain: if whole { vec![certificate("CN=fergana.media", "C=US, O=Let's Encrypt, CN=R13")] } else { Vec::new() },
        faults: Vec::new(),
    }
}

fn http(url: &str, status: u16, title: &str) -> HttpExchange {
    HttpExchange {
        hop: 0,
        url: url.parse().unwrap(),
        address: address(),
        origin: AddressOrigin::Own,
        protocol: "h2".to_owned(),
        started: us(100),
        elapsed: us(320),
        first_byte: Some(us(210)),
        failure: None,
        status: Some(status),
        headers: Vec::new(),
        body: Some(Body {
            wire_length: None,
            length: 48_213,
            truncated: false,
            sha256: "00".repeat(32),
            title: Some(title.to_owned()),
            kept: None,
        }),
        redirect: None,
    }
}

fn measurement() -> Measurement {
    Measurement {
        measurement_id: MeasurementId(uuid::Uuid::from_u128(1)),
        site: "fergana".parse().unwrap(),
        url: "https://fergana.media/".parse().unwrap(),
        vantage: "almaty-kt".parse().unwrap(),
        trigger: Trigger::Manual,
        started_at: at("2026-11-24T20:00:00Z"),
        elapsed: us(432),
        dns: vec![
            dns("system", DnsRole::Own, 12, None, &["104.21.48.1"]),
            dns(RESOLVER, DnsRole::Control, 31, None, &["104.21.48.1", "172.67.176.9"]),
        ],
        tcp: Vec::new(),
        tls: Vec::new(),
        http: Vec::new(),
        quic: Vec::new(),
    }
}

fn control() -> ControlReport {
    ControlReport {
        pace: None,
        quic: Vec::new(),
        id: "berlin".parse().unwrap(),
        kind: ControlKind::Vantage,
        at: at("2026-11-24T20:00:11Z"),
        unusable: None,
        dns: Some(ControlDns { failure: None, addresses: vec!["104.21.48.1".parse().unwrap()] }),
        endpoints: vec![ControlEndpoint { address: address(), tcp_failure: None, tls_tried: true, tls_failure: None }],
        http: Some(ControlHttp {
            final_url: None,
            failure: None,
            status: Some(200),
            title: Some("Фергана - международное агентство новостей".to_owned()),
            header_names: Vec::new(),
            body_length: Some(48_213),
            leaf_sha256: None,
        }),
    }
}

fn canaries(foreign: Option<Failure>, domestic: Option<Failure>) -> CanaryReport {
    let result = |url: &str, scope, failure| CanaryResult::new(url.parse().unwrap(), scope, failure);
    CanaryReport {
        at: at("2026-11-24T20:00:10Z"),
        results: vec![
            result("https://www.wikipedia.org/", CanaryScope::Foreign, foreign.clone()),
            result("https://www.debian.org/", CanaryScope::Foreign, foreign),
            result("https://egov.kz/", CanaryScope::Domestic, domestic),
        ],
    }
}

fn verdict(status: Status, mechanism: Option<Mechanism>, confidence: f64, rule: &'static str, why: &[&str]) -> Verdict {
    Verdict {
        partial: Vec::new(),
        measurement_id: MeasurementId(uuid::Uuid::from_u128(1)),
        status,
        mechanism,
        confidence,
        strength: Strength::Differential,
        weight: 0.5,
        rules: vec![RuleId::of(rule)],
        reasons: why.iter().map(ToString::to_string).collect(),
        ruleset: 1,
        control: None,
    }
}

pub(crate) fn accessible() -> (Evidence, Verdict) {
    let url = "https://fergana.media/";
    let measurement = Measurement {
        tcp: vec![tcp(None)],
        tls: vec![tls(None, 44)],
        http: vec![http(url, 200, "Фергана - международное агентство новостей")],
        ..measurement()
    };
    let why = ["The certificate is valid for fergana.media, so the answer comes from the site itself."];
    (Evidence::new(measurement, Vec::new(), None), verdict(Status::Accessible, None, 0.999, "tls.authentic", &why))
}

pub(crate) fn quic_swallowed() -> (Evidence, Verdict) {
    let (evidence, verdict) = accessible();
    let quic = QuicHandshake {
        hop: 0,
        address: address(),
        server_name: "fergana.media".to_owned(),
        started: us(50),
        elapsed: us(10_000),
        failure: Some(Failure::GenericTimeout),
        origin: AddressOrigin::Own,
        hint: Some(QuicHint::AltSvc),
        alpn: None,
        last_good: Some(at("2026-11-24T14:00:00Z")),
    };
    let greeted = ControlReport { quic: vec![ControlQuic { address: address(), failure: None }], ..control() };
    let mut canaries = canaries(None, None);
    canaries.results[0].families = vec![AddressFamily::Ipv4, AddressFamily::Ipv6];
    canaries.results[0].quic = Some(CanaryQuic { failure: None });
    let partial = Partial {
        scope: PartialScope::Quic,
        mechanism: Mechanism::QuicTimeout,
        rule: RuleId::of("partial.quic"),
        confidence: 0.8,
        reason: "Over QUIC nothing came back, while TLS works there and a control is greeted over QUIC.".to_owned(),
    };
    let measurement = Measurement { quic: vec![quic], ..evidence.measurement };
    (Evidence::new(measurement, vec![greeted], Some(canaries)), Verdict { partial: vec![partial], ..verdict })
}

pub(crate) fn clienthello_swallowed() -> (Evidence, Verdict) {
    let measurement = Measurement {
        elapsed: us(10_200),
        tcp: vec![tcp(None)],
        tls: vec![tls(Some(Failure::GenericTimeout), 10_000)],
        ..measurement()
    };
    let why = [
        "TCP to 104.21.48.1:443 connects, then nothing answers the ClientHello that names fergana.media.",
        "The control berlin got the page from the same address within the same minute.",
        "The canaries answer, so the vantage has a network.",
    ];
    let summary =
        ControlSummary { id: "berlin".parse().unwrap(), status: Status::Accessible, at: at("2026-11-24T20:00:11Z") };
    let blocked = verdict(Status::Blocked, Some(Mechanism::TlsTimeout), 0.97, "tls.timeout.differential", &why);
    (
        Evidence::new(measurement, vec![control()], Some(canaries(None, None))),
        Verdict { control: Some(summary), ..blocked },
    )
}

pub(crate) fn nxdomain() -> (Evidence, Verdict) {
    let own = dns("udp://212.154.163.162:53", DnsRole::Own, 9, Some(Failure::DnsNxdomain), &[]);
    let mut aaaa = own.clone();
    aaaa.query_type = QueryType::Aaaa;
    let mut from_control = tcp(None);
    from_control.origin = AddressOrigin::Control;
    let mut authentic = tls(None, 44);
    authentic.origin = AddressOrigin::Control;
    let mut page = http("https://fergana.media/", 200, "Фергана");
    page.origin = AddressOrigin::Control;
    let reference = measurement().dns.remove(1);
    let measurement = Measurement {
        dns: vec![own, aaaa, reference],
        tcp: vec![from_control],
        tls: vec![authentic],
        http: vec![page],
        ..measurement()
    };
    let why = [
        "The vantage's resolver says that the name does not exist; at the address that the reference gives, a valid certificate answers.",
    ];
    (
        Evidence::new(measurement, Vec::new(), Some(canaries(None, None))),
        verdict(Status::Blocked, Some(Mechanism::DnsNxdomain), 0.995, "dns.nxdomain.proven", &why),
    )
}

pub(crate) fn intercepted() -> (Evidence, Verdict) {
    let mut handshake = tls(None, 51);
    handshake.failure = Some(Failure::SslUnknownAuthority);
    handshake.chain = vec![certificate("CN=fergana.media\u{1b}[2J", "C=KZ, CN=Qaznet Trust Network\u{202e}")];
    handshake.faults = vec![CertificateFault::UnknownIssuer, CertificateFault::BadSignature];
    let mut page = http("https://fergana.media/", 302, "moved");
    page.redirect = Some("http://blocked.example/".parse().unwrap());
    let mut second = http("http://blocked.example/", 200, "Доступ\u{7} ограничен");
    second.hop = 1;
    second.address = "212.154.0.1:80".parse().unwrap();
    second.protocol = "http/1.1".to_owned();
    let mut resolved = dns("system", DnsRole::Own, 7, None, &["212.154.0.1"]);
    resolved.hop = 1;
    resolved.name = "blocked.example".to_owned();
    let mut connected = tcp(None);
    connected.hop = 1;
    connected.address = second.address;
    let mut whole = measurement();
    whole.dns.push(resolved);
    let measurement =
        Measurement { tcp: vec![tcp(None), connected], tls: vec![handshake], http: vec![page, second], ..whole };
    let why = ["The certificate was issued by Qaznet Trust Network, a known interception authority of Kazakhstan."];
    (
        Evidence::new(measurement, Vec::new(), Some(canaries(None, None))),
        verdict(Status::Blocked, Some(Mechanism::TlsMitm), 1.0, "tls.mitm.known_ca", &why),
    )
}

pub(crate) fn offline() -> (Evidence, Verdict) {
    let measurement = Measurement {
        elapsed: us(5_004),
        dns: vec![
            dns("system", DnsRole::Own, 5_000, Some(Failure::GenericTimeout), &[]),
            dns(RESOLVER, DnsRole::Control, 1, Some(Failure::NetworkUnreachable), &[]),
        ],
        ..measurement()
    };
    let dead = ControlReport {
        unusable: Some(Failure::ProxyFailed),
        dns: None,
        endpoints: Vec::new(),
        http: None,
        ..control()
    };
    let lost = Some(Failure::NetworkUnreachable);
    (
        Evidence::new(measurement, vec![dead], Some(canaries(lost.clone(), lost))),
        verdict(Status::Offline, None, 0.99, "canary.all_fail", &["No canary answers: the vantage has no network."]),
    )
}
