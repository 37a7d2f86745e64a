//! What was seen: one URL, one vantage, one moment. Evidence only, no opinion.
//!
//! Every record says which hop of the redirect chain it belongs to (`hop`, 0 is the URL itself), when it began
//! (`started`, since the measurement's beginning) and how long it took (`elapsed`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::address::is_bogon;
use super::labels::labels;
use super::{Elapsed, Failure, MeasurementId, SiteId, Timestamp, VantageId};

labels! {
    /// Why a measurement was made.
    "trigger"
    pub enum Trigger {
        /// The interval came round.
        Scheduled => "scheduled",
        /// An anomaly is being confirmed.
        Confirmation => "confirmation",
        /// Someone asked (`check`, `/probe`).
        Manual => "manual",
        /// Made from a control vantage for another measurement.
        Control => "control",
    }
}

/// One URL, one vantage, one moment: everything seen at each layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Ordered by time of making.
    pub measurement_id: MeasurementId,
    /// The site that the URL belongs to.
    pub site: SiteId,
    /// The URL measured.
    pub url: Url,
    /// Where from.
    pub vantage: VantageId,
    /// Why.
    pub trigger: Trigger,
    /// When it began, by the wall clock.
    pub started_at: Timestamp,
    /// How long all of it took.
    #[serde(rename = "elapsed_seconds")]
    pub elapsed: Elapsed,
    /// Questions to name servers.
    pub dns: Vec<DnsExchange>,
    /// Connection attempts.
    pub tcp: Vec<TcpConnect>,
    /// TLS handshakes.
    pub tls: Vec<TlsHandshake>,
    /// HTTP exchanges, one a hop at most.
    pub http: Vec<HttpExchange>,
    /// QUIC handshakes.
    #[serde(default)]
    pub quic: Vec<QuicHandshake>,
}

impl Measurement {
    /// How long one takes at most where nobody gave `[probe] url_timeout` far more than its default: one that ended within a
    /// stretch of time is looked for so long before it.
    pub const LONGEST: Duration = Duration::from_secs(120);
}

labels! {
    /// How a question travelled.
    "DNS transport"
    pub enum DnsTransport {
        /// Datagrams, port 53.
        Udp => "udp",
        /// TCP, port 53 (RFC 7766).
        Tcp => "tcp",
        /// DNS over TLS (RFC 7858).
        Dot => "dot",
        /// DNS over HTTPS (RFC 8484).
        Doh => "doh",
    }
}

labels! {
    /// Whose resolver was asked.
    "DNS role"
    pub enum DnsRole {
        /// The vantage's own: what its users get.
        Own => "own",
        /// An encrypted resolver asked for reference.
        Control => "control",
    }
}

labels! {
    /// What was asked for.
    "query type"
    pub enum QueryType {
        /// IPv4 addresses.
        A => "A",
        /// IPv6 addresses.
        Aaaa => "AAAA",
    }
}

/// One question to one resolver, and every answer that came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DnsExchange {
    /// Position in the redirect chain.
    pub hop: u8,
    /// The resolver as configured: `system`, `udp://1.2.3.4:53`, `https://name/dns-query@ip:443`.
    pub resolver: String,
    /// Whose it is.
    pub role: DnsRole,
    /// How the question travelled.
    pub transport: DnsTransport,
    /// The name asked for, in its ASCII form.
    pub name: String,
    /// What was asked for.
    pub query_type: QueryType,
    /// Since the measurement's beginning.
    #[serde(rename = "started_seconds")]
    pub started: Elapsed,
    /// Until the first usable answer, or until giving up.
    #[serde(rename = "elapsed_seconds")]
    pub elapsed: Elapsed,
    /// Null when an answer with an address came.
    pub failure: Option<Failure>,
    /// Every answer, in order of arrival; over UDP also late and second ones.
    pub answers: Vec<DnsAnswer>,
}

/// One answer to a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DnsAnswer {
    /// Where it came from. Null where the transport hides it (a proxy).
    pub source: Option<SocketAddr>,
    /// The IP TTL or hop limit it arrived with.
    pub ip_ttl: Option<u8>,
    /// Since the question was sent.
    #[serde(rename = "latency_seconds")]
    pub latency: Elapsed,
    /// Response code. Null when the bytes cannot be read.
    pub rcode: Option<u16>,
    /// The addresses given for the name asked for, CNAMEs followed within the answer.
    pub addresses: Vec<IpAddr>,
    /// The CNAME chain.
    pub cnames: Vec<String>,
    /// The smallest record TTL, seconds.
    pub record_ttl_seconds: Option<u32>,
    /// Whether source, id and question all match: false marks junk or a clumsy forgery.
    pub matches_question: bool,
    /// The message, base64.
    pub raw: String,
}

labels! {
    /// Who gave an address.
    "address origin"
    pub enum AddressOrigin {
        /// The vantage's own resolver (perhaps the control too), or the URL itself.
        Own => "own",
        /// Only the control, or who asked a control to try it.
        Control => "control",
    }
}

/// One connection attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpConnect {
    /// Position in the redirect chain.
    pub hop: u8,
    /// Where to.
    pub address: SocketAddr,
    /// Who gave the address.
    pub origin: AddressOrigin,
    /// The address cannot be public; it was recorded and not dialled (`failure` is then `dns_bogon_error`).
    pub bogon: bool,
    /// Since the measurement's beginning.
    #[serde(rename = "started_seconds")]
    pub started: Elapsed,
    /// Length of the attempt.
    #[serde(rename = "elapsed_seconds")]
    pub elapsed: Elapsed,
    /// Null when connected.
    pub failure: Option<Failure>,
}

impl TcpConnect {
    /// Whether it was refused though it may be public: it is this machine's own, or leads inward by way of its network.
    pub fn is_refused_as_own(&self) -> bool {
        self.bogon && !is_bogon(self.address.ip(), &[])
    }
}

labels! {
    /// One thing wrong with a certificate chain; all that apply are recorded.
    "certificate fault"
    pub enum CertificateFault {
        /// It leads to no trusted root.
        UnknownIssuer => "unknown_issuer",
        /// It is not for the name asked for.
        WrongName => "wrong_name",
        /// Its time is over.
        Expired => "expired",
        /// Its time has not come.
        NotYetValid => "not_yet_valid",
        /// The handshake is not signed by the certificate's key: the peer need not own it.
        BadSignature => "bad_signature",
        /// Malformed, of a refused version or algorithm, or revoked.
        Malformed => "malformed",
    }
}

/// One certificate of a chain as the peer sent it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// The certificate, DER in base64.
    pub der: String,
    /// SHA-256 of the DER, lower-case hex.
    pub sha256: String,
    /// Subject distinguished name (hostile text).
    pub subject: String,
    /// Issuer distinguished name (hostile text).
    pub issuer: String,
    /// Start of its time.
    pub not_before: Option<Timestamp>,
    /// End of its time.
    pub not_after: Option<Timestamp>,
    /// DNS names and addresses that it is for (hostile text).
    pub names: Vec<String>,
}

/// One TLS handshake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TlsHandshake {
    /// Position in the redirect chain.
    pub hop: u8,
    /// Where to.
    pub address: SocketAddr,
    /// Who gave the address.
    pub origin: AddressOrigin,
    /// The name sent (SNI).
    pub server_name: String,
    /// Since the measurement's beginning.
    #[serde(rename = "started_seconds")]
    pub started: Elapsed,
    /// Length of the handshake.
    #[serde(rename = "elapsed_seconds")]
    pub elapsed: Elapsed,
    /// Null when the handshake ended well *and* the chain is valid for the name. A chain with faults gives
    /// `ssl_unknown_authority`, `ssl_invalid_hostname` or `ssl_invalid_certificate`, though it went on to record.
    pub failure: Option<Failure>,
    /// The alert that came, by its name in RFC 8446 section 6.
    pub alert: Option<String>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: Option<String>,
    /// Cipher suite.
    pub cipher: Option<String>,
    /// Protocol agreed by ALPN.
    pub alpn: Option<String>,
    /// The chain as sent, leaf first; empty when none came.
    pub chain: Vec<CertificateRecord>,
    /// All that is wrong with it; empty when valid.
    pub faults: Vec<CertificateFault>,
}

impl TlsHandshake {
    /// A whole handshake over a chain that verifies for the name: the peer is authentic.
    pub fn is_authentic(&self) -> bool {
        self.failure.is_none() && self.faults.is_empty() && !self.chain.is_empty()
    }
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpExchange {
    /// Position in the redirect chain.
    pub hop: u8,
    /// The URL of this hop.
    pub url: Url,
    /// Where the request went.
    pub address: SocketAddr,
    /// Who gave the address.
    pub origin: AddressOrigin,
    /// `http/1.1` or `h2`.
    pub protocol: String,
    /// Since the measurement's beginning.
    #[serde(rename = "started_seconds")]
    pub started: Elapsed,
    /// From the request to the end of the body.
    #[serde(rename = "elapsed_seconds")]
    pub elapsed: Elapsed,
    /// From the request to the answer's head.
    #[serde(rename = "first_byte_seconds")]
    pub first_byte: Option<Elapsed>,
    /// Null when the answer is whole (or was cut at our own cap).
    pub failure: Option<Failure>,
    /// Status code.
    pub status: Option<u16>,
    /// Header fields in order (hostile text).
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Body>,
    /// Where the answer sends us on: the resolved URL.
    pub redirect: Option<Url>,
}

/// A body as far as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Bytes after decoding of Content-Encoding.
    pub length: u64,
    /// Bytes on the wire, before decoding; null in records older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_length: Option<u64>,
    /// Reading stopped at the cap.
    pub truncated: bool,
    /// SHA-256 of the decoded bytes, lower-case hex.
    pub sha256: String,
    /// The page's title (hostile text).
    pub title: Option<String>,
    /// The decoded bytes (zstd, base64); kept only when something is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

labels! {
    /// What told us that the site speaks HTTP/3.
    "QUIC hint"
    pub enum QuicHint {
        /// An Alt-Svc header field of its answer (RFC 7838).
        AltSvc => "alt_svc",
        /// Its HTTPS record in the DNS (RFC 9460).
        HttpsRecord => "https_record",
    }
}

/// One QUIC handshake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuicHandshake {
    /// Position in the redirect chain.
    pub hop: u8,
    /// Where to.
    pub address: SocketAddr,
    /// The name sent (SNI).
    pub server_name: String,
    /// Since the measurement's beginning.
    #[serde(rename = "started_seconds")]
    pub started: Elapsed,
    /// Length of the handshake.
    #[serde(rename = "elapsed_seconds")]
    pub elapsed: Elapsed,
    /// Null when the handshake ended well and the chain is valid for the name; named as for TLS.
    pub failure: Option<Failure>,
    /// Who gave the address.
    #[serde(default = "own")]
    pub origin: AddressOrigin,
    /// What told us to try.
    #[serde(default)]
    pub hint: Option<QuicHint>,
    /// Protocol agreed by ALPN (`h3`).
    #[serde(default)]
    pub alpn: Option<String>,
    /// Beside a failure: when this vantage last had a QUIC handshake with this host that ended well, if the prober
    /// remembers one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Timestamp>,
}

const fn own() -> AddressOrigin {
    AddressOrigin::Own
}

impl Measurement {
    /// The last exchange of the chain, if it got an answer and is not a redirect that should have been followed.
    pub fn final_answer(&self) -> Option<&HttpExchange> {
        self.http
            .last()
            .filter(|exchange| exchange.failure.is_none() && exchange.status.is_some() && exchange.redirect.is_none())
    }

    /// Whether the connection that carried `exchange` was authentic TLS.
    pub fn is_authentic(&self, exchange: &HttpExchange) -> bool {
        exchange.url.scheme() == "https"
            && self
                .tls
                .iter()
                .any(|tls| tls.hop == exchange.hop && tls.address == exchange.address && tls.is_authentic())
    }
}
