//! The configuration as the other rooms see it: whole, checked, every default filled in.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::knowledge::{Fingerprints, Networks};
use crate::model::{
    CanaryScope, ControlId, CountryCode, ExperimentKind, Site, SiteId, SpanEventKind, VantageId, WebhookId,
};

/// Everything the daemon and the commands need to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What is measured.
    pub sites: Vec<Site>,
    /// How one URL is measured, and how often.
    pub probe: ProbeConfig,
    /// When a suspicion is confirmed.
    pub detect: DetectConfig,
    /// How throttling is told.
    pub throttling: ThrottlingConfig,
    /// Where the record is kept.
    pub store: StoreConfig,
    /// Where pages and metrics are served.
    pub serve: ServeConfig,
    /// Trust beyond the Mozilla roots of the build.
    pub tls: TlsConfig,
    /// Which addresses count as public.
    pub network: NetworkConfig,
    /// Block pages and sinkholes that are known.
    pub fingerprints: FingerprintsConfig,
    /// Places that measurements are taken from, control vantages among them.
    pub vantages: Vec<VantageConfig>,
    /// Who is asked for a second opinion.
    pub control: ControlConfig,
    /// Sites that tell whether the vantage has a network.
    pub canaries: Vec<CanaryConfig>,
    /// How `blockspan helper` serves others.
    pub helper: HelperServiceConfig,
    /// Follow-up experiments.
    pub experiments: ExperimentsConfig,
    /// How spans are joined for a reader.
    pub summary: SummaryConfig,
    /// Who is told of span events.
    pub webhooks: Vec<WebhookConfig>,
    /// Which log lines are written.
    pub log: LogConfig,
}

/// `[log]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// A filter in tracing's syntax; empty: what the command line says.
    pub filter: String,
}

/// `[[webhook]]`
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Its name; how far it was told is kept under it.
    pub id: WebhookId,
    /// Where messages are posted. It may be a secret itself, so it is never shown.
    pub url: Url,
    /// The file that holds that, where it is one.
    pub url_file: Option<PathBuf>,
    /// The file with the secret that signs the messages.
    pub secret_file: Option<PathBuf>,
    /// Of which events it is told (default all).
    pub events: Vec<SpanEventKind>,
    /// Of which sites; empty: of all.
    pub sites: Vec<SiteId>,
    /// Wait before the first retry; it doubles each time, up to an hour (default 5 s).
    pub first_retry: Duration,
    /// A message that has failed is let go when its event is older than this (default 7 d).
    pub give_up_after: Duration,
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig").field("id", &self.id).field("sites", &self.sites).finish_non_exhaustive()
    }
}

/// `[summary]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryConfig {
    /// Distinct networks that must agree before a site is called blocked in a country (default 2).
    pub networks: usize,
    /// Gaps between spans of a series that `history --merge` passes over: shorter ones (default 1 h).
    pub merge_within: Duration,
}

/// `[probe]`
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeConfig {
    /// Time between two rounds of one URL from one vantage (default 60 s, at least 1 s).
    pub interval: Duration,
    /// Share of the interval by which rounds are shifted at random, 0 to 0.5 (default 0.1).
    pub jitter: f64,
    /// One question to one resolver (default 5 s).
    pub dns_timeout: Duration,
    /// One connection attempt (default 10 s).
    pub tcp_timeout: Duration,
    /// One TLS handshake (default 10 s).
    pub tls_timeout: Duration,
    /// One HTTP exchange (default 10 s).
    pub http_timeout: Duration,
    /// Whether sites that speak HTTP/3 are greeted over QUIC too (default true).
    pub quic: bool,
    /// One QUIC handshake (default 10 s, or `url_timeout` if that is shorter).
    pub quic_timeout: Duration,
    /// One URL, all of it (default 30 s).
    pub url_timeout: Duration,
    /// Bytes of a body that are read, after decoding (default 512 KiB).
    pub body_limit: u64,
    /// Addresses tried per hop (default 6).
    pub max_addresses: usize,
    /// Measurements under way at once (default 64).
    pub max_in_flight: usize,
}

/// `[detect]`
#[derive(Debug, Clone, PartialEq)]
pub struct DetectConfig {
    /// Waits after the first anomaly at which confirmation probes are made, each jittered by ±20 %.
    /// Default 10, 25, 45, 75, 105, 135, 165, 195 s.
    pub confirm_after: Vec<Duration>,
    /// Time over which evidence that does not prove itself must be spread before a span is opened or closed
    /// (default 2 min: residual blocking and bursts of loss make hasty repeats worthless).
    pub spread: Duration,
}

/// `[throttling]`
#[derive(Debug, Clone, PartialEq)]
pub struct ThrottlingConfig {
    /// Whether paces are learnt and compared at all (default true).
    pub enabled: bool,
    /// Good measurements that a usual pace must rest on, 1 to 32 (default 30).
    pub samples: u32,
    /// Time that they must be spread over (default 1 d: evenings are slower than nights).
    pub over: Duration,
    /// How far back the usual pace looks (default 14 d).
    pub window: Duration,
    /// How long slowness must last before a throttled span is opened, and ordinary pace before it is closed (default
    /// 15 min).
    pub sustained: Duration,
}

/// Where the record is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite://PATH`: one file; the path is relative to the working directory unless it begins with `/`.
    Sqlite(PathBuf),
}

/// `[store]`
#[derive(Debug, Clone, PartialEq)]
pub struct StoreConfig {
    /// Default `sqlite://blockspan.db`.
    pub url: StoreUrl,
    /// How long measurements are kept (default 400 d); spans are kept for ever.
    pub keep_measurements: Duration,
}

/// `[serve]`
#[derive(Debug, Clone, PartialEq)]
pub struct ServeConfig {
    /// Default 127.0.0.1:9645.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that others can reach without TLS and a token (default false).
    pub unprotected: bool,
    /// The certificate chain and its key, PEM files; without them all comes in clear text.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The file with the token that is asked for; None: nobody is asked.
    pub token_file: Option<PathBuf>,
    /// Names that it answers to, beside `localhost` and its address: those of a proxy in front of it, for one.
    pub hosts: Vec<String>,
    /// Origins whose pages may read the API and the feed (CORS); none by default, `*` is everyone.
    pub cors: Vec<String>,
}

/// `[tls]`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TlsConfig {
    /// PEM files whose certificates count as roots beside Mozilla's.
    pub extra_roots: Vec<PathBuf>,
}

/// `[network]`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkConfig {
    /// Ranges that count as public in every rule.
    pub allow_private: Vec<IpNet>,
    /// Tables that tell the network of an address.
    pub asn_files: Vec<KnownFile>,
    /// What they hold.
    pub networks: Arc<Networks>,
}

/// A list or table as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// Where it is.
    pub path: PathBuf,
    /// How its format is called.
    pub format: &'static str,
    /// How many entries it has; None where that is not told without reading all of it.
    pub entries: Option<usize>,
    /// Lines that cannot be used and were left out.
    pub skipped: usize,
}

/// `[fingerprints]`
#[derive(Debug, Clone, PartialEq)]
pub struct FingerprintsConfig {
    /// The lists beside the one of the binary.
    pub files: Vec<KnownFile>,
    /// All fingerprints, those of the binary among them.
    pub known: Arc<Fingerprints>,
}

/// What a vantage is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sites are measured from it.
    Probe,
    /// It is asked for a second opinion.
    Control,
}

/// `[[vantage]]`
#[derive(Debug, Clone, PartialEq)]
pub struct VantageConfig {
    /// A pseudonym.
    pub id: VantageId,
    /// What it is for (`role`, default probe).
    pub role: Role,
    /// Where it is; `ZZ` when not told.
    pub country: CountryCode,
    /// Its network's number.
    pub asn: Option<u32>,
    /// The network path.
    pub via: Via,
    /// Its own resolvers, in order. `["system"]` for a direct vantage by default; the encrypted control resolvers for
    /// a SOCKS5 vantage (asked through the tunnel) and for a control (its reference must not come from the resolvers
    /// that may be lying).
    pub resolvers: Vec<ResolverSpec>,
}

/// The network path of a vantage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// This machine's network.
    Direct {
        /// Bound to this interface (SO_BINDTODEVICE).
        interface: Option<String>,
        /// Bound to this source address.
        source: Option<IpAddr>,
    },
    /// Through a SOCKS5 proxy (RFC 1928).
    Socks5 {
        /// The proxy: `host:port`.
        proxy: String,
    },
}

/// One resolver and how it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ResolverSpec {
    /// The name servers of `/etc/resolv.conf`, read anew each round.
    System,
    /// Datagrams.
    Udp(SocketAddr),
    /// TCP (RFC 7766).
    Tcp(SocketAddr),
    /// DNS over TLS (RFC 7858).
    Dot {
        /// Name that the certificate must bear.
        name: String,
        /// Where to.
        address: SocketAddr,
    },
    /// DNS over HTTPS (RFC 8484).
    Doh {
        /// The endpoint, for example `https://dns.quad9.net/dns-query`.
        url: Url,
        /// Where to.
        address: SocketAddr,
    },
}

impl fmt::Display for ResolverSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Dot { name, address } => write!(f, "tls://{name}@{address}"),
            Self::Doh { url, address } => write!(f, "{url}@{address}"),
        }
    }
}

/// `[control]`
#[derive(Debug, Clone, PartialEq)]
pub struct ControlConfig {
    /// Encrypted resolvers (DoT or DoH) whose answers are the reference. Default Cloudflare and Quad9; may be empty.
    pub resolvers: Vec<ResolverSpec>,
    /// Helpers that speak the OONI test-helper protocol.
    pub helpers: Vec<HelperConfig>,
    /// How long a control's answer may be used (default 10 min).
    pub max_age: Duration,
}

/// One entry of `[control] helpers`.
#[derive(Debug, Clone, PartialEq)]
pub struct HelperConfig {
    /// The host of its URL unless named.
    pub id: ControlId,
    /// Its endpoint.
    pub url: Url,
    /// File that holds a bearer token.
    pub token_file: Option<PathBuf>,
}

/// `[helper]`
#[derive(Debug, Clone, PartialEq)]
pub struct HelperServiceConfig {
    /// Where `blockspan helper` listens (default 127.0.0.1:9646).
    pub listen: SocketAddr,
    /// File that holds the bearer token which askers must bring; None: no token is asked for.
    pub token_file: Option<PathBuf>,
    /// Whether `listen` may be an address that others can reach, though no token is asked for (default false).
    pub unprotected: bool,
    /// Whether askers come through a proxy that names them in X-Forwarded-For (default false).
    pub behind_proxy: bool,
    /// Requests that one asker's network (/24, or /56 of IPv6) may make a minute, all at once at most (default 300).
    pub per_minute: u32,
    /// Measurements under way at once for others (default 64).
    pub max_in_flight: usize,
}

/// `[[canary]]`
#[derive(Debug, Clone, PartialEq)]
pub struct CanaryConfig {
    /// A stable unrelated site.
    pub url: Url,
    /// Where it stands.
    pub scope: CanaryScope,
    /// Domestic canaries serve only the vantages of this country; None: all.
    pub country: Option<CountryCode>,
}

/// `[experiments]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimentsConfig {
    /// The kinds that may be made; all by default.
    pub kinds: Vec<ExperimentKind>,
    /// The name that nobody blocks and no watched site bears (default `example.org`, RFC 2606).
    pub unrelated_name: String,
    /// Experiments per site and hour, all its URLs and vantages together (default 60).
    pub per_hour: usize,
}
