//! A document as evidence: what its probe saw, and what the test helper saw at the same time.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use url::Url;

use super::certificates::Certificates;
use super::document::{Bytes, Connect, Control, Envelope, Exchange, Handshake, Keys, Query, Response};
use super::own::{self, Place};
use crate::model::{
    AddressOrigin, Body, CanaryReport, CanaryResult, CanaryScope, CertificateFault, CertificateRecord, ControlDns,
    ControlEndpoint, ControlHttp, ControlKind, ControlReport, DnsAnswer, DnsExchange, DnsRole, DnsTransport, Elapsed,
    Evidence, Failure, HttpExchange, Measurement, MeasurementId, QueryType, SiteId, TcpConnect, Timestamp,
    TlsHandshake, Trigger, is_bogon,
};

/// Records of one layer that are read; a document has a handful.
const MOST: usize = 64;
/// Bytes of a clear-text body that are kept for the fingerprints.
const MOST_KEPT: usize = 64 << 10;
/// Where the test helpers are, for documents that do not say.
const HELPER: &str = "https://th.ooni.org/";

/// The evidence in a document about `url` of `site`.
pub(super) fn of(
    envelope: &Envelope<'_>,
    site: &SiteId,
    url: Url,
    certificates: &mut Certificates,
) -> Result<Evidence, String> {
    let keys: Keys<'_> =
        serde_json::from_str(envelope.test_keys.get()).map_err(|error| format!("`test_keys`: {error}"))?;
    let started_at = instant(&envelope.measurement_start_time)
        .ok_or_else(|| format!("`measurement_start_time` is no time: `{}`", clip(&envelope.measurement_start_time)))?;
    let vantage = vantage(envelope);
    let measurement_id = identity(envelope, started_at);
    if let Some(own) = &keys.x_blockspan
        && let Some(evidence) = own::evidence(own)?
    {
        return own::placed(evidence, Place { site, url, vantage: &vantage, measurement_id });
    }
    let hops = Hops::new(&url, keys.requests.as_deref().unwrap_or_default());

    let dns: Vec<DnsExchange> = listed(&keys.queries).filter_map(|query| question(query, &hops)).collect();
    let own: BTreeSet<IpAddr> = dns
        .iter()
        .filter(|exchange| exchange.role == DnsRole::Own)
        .flat_map(|exchange| exchange.answers.iter().flat_map(|answer| answer.addresses.iter().copied()))
        .collect();
    let named = hops.addresses();
    let origin = |ip: IpAddr| {
        if own.contains(&ip) || named.contains(&ip) { AddressOrigin::Own } else { AddressOrigin::Control }
    };
    let tls: Vec<TlsHandshake> =
        listed(&keys.tls_handshakes).filter_map(|one| handshake(one, &hops, origin, certificates)).collect();
    let tcp: Vec<TcpConnect> = listed(&keys.tcp_connect).filter_map(|one| connect(one, &tls, origin)).collect();
    let http = exchanges(&keys, &hops, &tcp, &tls, origin);
    let unseen: Vec<TlsHandshake> = http.iter().filter_map(|http| verified_unseen(http, &tls)).collect();
    let tls = [tls, unseen].concat();
    let measurement = Measurement {
        measurement_id,
        site: site.clone(),
        url,
        vantage: vantage.parse().map_err(|_| format!("`{}` cannot name a vantage", clip(&vantage)))?,
        trigger: Trigger::Scheduled,
        started_at,
        elapsed: seconds(envelope.test_runtime),
        dns,
        tcp,
        tls,
        http,
        quic: Vec::new(),
    };
    let reached = keys.control_failure.is_none() && keys.control.is_some();
    let controls = match &keys.control {
        Some(control) => vec![helper(control, keys.control_failure.as_deref(), started_at)?],
        None => Vec::new(),
    };
    Ok(Evidence::new(measurement, controls, Some(canary(envelope.test_helpers, reached, started_at)?)))
}

/// The probe asks the test helper, which is abroad, from the network that it measures: whether it was reached tells
/// whether that network has a way out.
fn canary(helpers: Option<&RawValue>, reached: bool, at: Timestamp) -> Result<CanaryReport, String> {
    let named = helpers.and_then(|helpers| {
        let text = helpers.get();
        let from = text.find("https://")?;
        let to = text[from..].find('"')? + from;
        Url::parse(&text[from..to]).ok()
    });
    let url = match named {
        Some(url) => url,
        None => Url::parse(HELPER).map_err(|error| error.to_string())?,
    };
    let failure = (!reached).then_some(Failure::GenericTimeout);
    let scope = CanaryScope::Foreign;
    let result = CanaryResult::new(url, scope, failure);
    Ok(CanaryReport { at, results: vec![result] })
}

/// `AS9198-KZ`: the network is the vantage.
fn vantage(envelope: &Envelope<'_>) -> String {
    let number = envelope.probe_asn.strip_prefix("AS").and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
    let country = envelope.probe_cc.as_ref();
    let known = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    format!("AS{number}-{}", if known { country } else { "ZZ" })
}

/// The same document always gets the same id. It begins with the time of its beginning: ids that lie near each other are
/// found and stored faster.
fn identity(envelope: &Envelope<'_>, started_at: Timestamp) -> MeasurementId {
    let mut digest = Sha256::new();
    digest.update("ooni\n");
    match envelope.measurement_uid.as_deref().filter(|uid| !uid.is_empty()) {
        Some(uid) => digest.update(uid),
        None => {
            let parts = [envelope.report_id.as_deref(), envelope.input.as_deref(), Some(envelope.probe_asn.as_ref())];
            for part in parts.into_iter().flatten().chain([envelope.measurement_start_time.as_ref()]) {
                digest.update(part);
                digest.update("\n");
            }
            digest.update(Sha256::digest(envelope.test_keys.get()));
        }
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    bytes[..6].copy_from_slice(&started_at.as_unix_ms().to_be_bytes()[2..]);
    MeasurementId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The hosts of the redirect chain, in order; the first is that of the input.
struct Hops {
    urls: Vec<Url>,
}

impl Hops {
    fn new(input: &Url, requests: &[Exchange<'_>]) -> Self {
        let mut urls = vec![input.clone()];
        for request in requests.iter().rev().take(MOST) {
            let url = request.request.as_ref().and_then(|asked| Url::parse(&asked.url).ok());
            if let Some(url) = url.filter(|url| urls.last() != Some(url)) {
                urls.push(url);
            }
        }
        urls.truncate(usize::from(u8::MAX));
        Self { urls }
    }

    fn of_host(&self, host: &str) -> Option<u8> {
        let place = self
            .urls
            .iter()
            .position(|url| url.host_str().is_some_and(|name| name.trim_matches(['[', ']']) == host))?;
        u8::try_from(place).ok()
    }

    fn of_url(&self, url: &Url) -> u8 {
        self.urls.iter().position(|known| known == url).and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
    }

    /// Addresses that URLs of the chain name themselves.
    fn addresses(&self) -> BTreeSet<IpAddr> {
        let hosts = self.urls.iter().filter_map(Url::host_str);
        hosts.filter_map(|host| host.trim_matches(['[', ']']).parse().ok()).collect()
    }
}

fn question(query: &Query<'_>, hops: &Hops) -> Option<DnsExchange> {
    let hop = hops.of_host(&query.hostname)?;
    let engine = query.engine.as_deref().unwrap_or("system");
    let (transport, role) = match engine {
        "doh" => (DnsTransport::Doh, DnsRole::Control),
        "dot" => (DnsTransport::Dot, DnsRole::Control),
        "tcp" => (DnsTransport::Tcp, DnsRole::Own),
        _ => (DnsTransport::Udp, DnsRole::Own),
    };
    let resolver = match query.resolver_address.as_deref() {
        Some(address) if !address.is_empty() && matches!(engine, "udp" | "tcp" | "doh" | "dot") => {
            if address.contains("://") { address.to_owned() } else { format!("{engine}://{address}") }
        }
        _ => "system".to_owned(),
    };
    let answers = query.answers.as_deref().unwrap_or_default();
    let addresses: Vec<IpAddr> = answers
        .iter()
        .take(MOST)
        .flat_map(|answer| [&answer.ipv4, &answer.ipv6].into_iter().flatten())
        .filter_map(|ip| ip.parse().ok())
        .collect();
    let failure = query.failure.as_deref().map(failure_of);
    let latency = since(query.t0, query.t);
    let rcode = match &failure {
        None => Some(0),
        Some(Failure::DnsNxdomain) => Some(3),
        Some(Failure::DnsServfail) => Some(2),
        Some(Failure::DnsRefused) => Some(5),
        Some(Failure::DnsNoAnswer) => Some(0),
        Some(_) => None,
    };
    let answer = rcode.map(|rcode| DnsAnswer {
        source: None,
        ip_ttl: None,
        latency,
        rcode: Some(rcode),
        addresses,
        cnames: answers.iter().filter_map(|answer| answer.hostname.as_deref()).take(MOST).map(str::to_owned).collect(),
        record_ttl_seconds: answers.iter().filter_map(|answer| answer.ttl).min(),
        matches_question: true,
        raw: String::new(),
    });
    Some(DnsExchange {
        hop,
        resolver,
        role,
        transport,
        name: query.hostname.clone().into_owned(),
        query_type: if query.query_type == "AAAA" { QueryType::Aaaa } else { QueryType::A },
        started: seconds(query.t0),
        elapsed: latency,
        failure,
        answers: answer.into_iter().collect(),
    })
}

fn connect(one: &Connect<'_>, tls: &[TlsHandshake], origin: impl Fn(IpAddr) -> AddressOrigin) -> Option<TcpConnect> {
    let ip: IpAddr = one.ip.parse().ok()?;
    let address = SocketAddr::new(ip, one.port);
    let failure = match (&one.status.failure, one.status.success) {
        (Some(failure), _) => Some(failure_of(failure)),
        (None, Some(false)) => Some(Failure::Unknown("the document does not say".to_owned())),
        (None, _) => None,
    };
    Some(TcpConnect {
        // A connection does not say for which host it is; a handshake over it does.
        hop: tls.iter().find(|tls| tls.address == address).map_or(0, |tls| tls.hop),
        address,
        origin: origin(ip),
        bogon: is_bogon(ip, &[]),
        started: seconds(one.t0),
        elapsed: since(one.t0, one.t),
        failure,
    })
}

fn handshake(
    one: &Handshake<'_>,
    hops: &Hops,
    origin: impl Fn(IpAddr) -> AddressOrigin,
    certificates: &mut Certificates,
) -> Option<TlsHandshake> {
    if one.network.as_deref() == Some("udp") {
        return None;
    }
    // Old documents do not say where a handshake went: it cannot be laid at any address.
    let address: SocketAddr = one.address.as_deref()?.parse().ok()?;
    let server_name = one.server_name.as_deref().unwrap_or_default();
    let failure = one.failure.as_deref().map(failure_of);
    let faults = match &failure {
        Some(Failure::SslUnknownAuthority) => vec![CertificateFault::UnknownIssuer],
        Some(Failure::SslInvalidHostname) => vec![CertificateFault::WrongName],
        Some(Failure::SslInvalidCertificate) => vec![CertificateFault::Expired],
        None if one.no_tls_verify == Some(true) => vec![CertificateFault::UnknownIssuer],
        _ => Vec::new(),
    };
    let mut chain = one.peer_certificates.as_deref().map(|sent| certificates.chain(sent)).unwrap_or_default();
    if chain.is_empty() && failure.is_none() && faults.is_empty() {
        chain.push(unrecorded());
    }
    let told = |text: &Option<Cow<'_, str>>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(TlsHandshake {
        hop: hops.of_host(server_name).unwrap_or(0),
        address,
        origin: origin(address.ip()),
        server_name: server_name.to_owned(),
        started: seconds(one.t0),
        elapsed: since(one.t0, one.t),
        failure,
        alert: None,
        version: told(&one.tls_version),
        cipher: told(&one.cipher_suite),
        alpn: told(&one.negotiated_protocol),
        chain,
        faults,
    })
}

/// OONI's client verifies every chain unless it says otherwise: an answer over https proves a handshake that was good, also
/// in documents of the years in which handshakes were not recorded.
fn verified_unseen(http: &HttpExchange, tls: &[TlsHandshake]) -> Option<TlsHandshake> {
    let answered = http.url.scheme() == "https" && http.status.is_some();
    let seen = tls.iter().any(|tls| tls.hop == http.hop && tls.address == http.address);
    (answered && !seen).then(|| TlsHandshake {
        hop: http.hop,
        address: http.address,
        origin: http.origin,
        server_name: http.url.host_str().unwrap_or_default().to_owned(),
        started: http.started,
        elapsed: Elapsed::default(),
        failure: None,
        alert: None,
        version: None,
        cipher: None,
        alpn: None,
        chain: vec![unrecorded()],
        faults: Vec::new(),
    })
}

/// Stands for a certificate that the probe verified and did not record.
fn unrecorded() -> CertificateRecord {
    CertificateRecord {
        der: String::new(),
        sha256: String::new(),
        subject: "not recorded".to_owned(),
        issuer: "not recorded".to_owned(),
        not_before: None,
        not_after: None,
        names: Vec::new(),
    }
}

/// The exchanges in order of time. A document that failed before any request has one all the same, with the failure: it
/// tells nothing that the layers below do not, and is left out.
fn exchanges(
    keys: &Keys<'_>,
    hops: &Hops,
    tcp: &[TcpConnect],
    tls: &[TlsHandshake],
    origin: impl Fn(IpAddr) -> AddressOrigin,
) -> Vec<HttpExchange> {
    let mut exchanges: Vec<HttpExchange> = Vec::new();
    let requests = keys.requests.as_deref().unwrap_or_default();
    for request in requests.iter().rev().take(MOST) {
        let Some(url) = request.request.as_ref().and_then(|asked| Url::parse(&asked.url).ok()) else { continue };
        let hop = hops.of_url(&url);
        let secure = url.scheme() == "https";
        let carried = request.address.as_deref().and_then(|address| address.parse().ok());
        let response = request.response.as_ref();
        let code = response.and_then(|response| response.code).and_then(|code| u16::try_from(code).ok());
        let status = code.filter(|code| *code > 0);
        let ready = || {
            let shaken = tls.iter().find(|tls| tls.hop == hop && tls.failure.is_none()).map(|tls| tls.address);
            let port = url.port_or_known_default();
            let connected = tcp.iter().find(|tcp| tcp.failure.is_none() && Some(tcp.address.port()) == port);
            // In the first years handshakes were not recorded: an answer tells that there was one.
            let unrecorded = secure && status.is_some() && tls.is_empty();
            if secure && !unrecorded { shaken } else { connected.map(|tcp| tcp.address) }
        };
        // Where nothing connected or no handshake ended, no request was sent.
        let Some(address) = carried.or_else(ready) else { continue };
        let failure = request.failure.as_deref().map(failure_of);
        let headers = response.and_then(|response| response.headers.as_ref());
        let headers: Vec<(String, String)> = headers
            .into_iter()
            .flatten()
            .take(MOST)
            .map(|(name, value)| (name.to_ascii_lowercase(), text_of(value).into_owned()))
            .collect();
        let redirect = status.filter(|status| matches!(status, 301 | 302 | 303 | 307 | 308)).and_then(|_| {
            let location = headers.iter().find(|(name, _)| name == "location")?;
            url.join(&location.1).ok()
        });
        exchanges.push(HttpExchange {
            hop,
            address,
            origin: origin(address.ip()),
            protocol: match request.alpn.as_deref() {
                Some("h2") => "h2".to_owned(),
                _ => "http/1.1".to_owned(),
            },
            started: seconds(request.t0),
            elapsed: since(request.t0, request.t),
            first_byte: None,
            failure,
            status,
            headers,
            body: response.filter(|_| status.is_some()).map(|response| body_of(response, secure)),
            redirect,
            url,
        });
    }
    exchanges
}

fn body_of(response: &Response<'_>, secure: bool) -> Body {
    let bytes = response.body.as_ref().map(bytes_of).unwrap_or_default();
    Body {
        length: bytes.len() as u64,
        wire_length: None,
        truncated: response.body_is_truncated == Some(true),
        sha256: crate::probe::sha256_hex(&bytes),
        title: crate::probe::page_title(&bytes),
        // What came over verified TLS is the site's own and tells nothing of a censor.
        kept: if secure { None } else { crate::probe::kept_body(&bytes[..bytes.len().min(MOST_KEPT)]) },
    }
}

fn helper(control: &Control<'_>, failure: Option<&str>, at: Timestamp) -> Result<ControlReport, String> {
    let mut endpoints: Vec<ControlEndpoint> = Vec::new();
    let shaken = control.tls_handshake.as_ref();
    for (name, tried) in control.tcp_connect.iter().flatten().take(MOST) {
        let Ok(address) = name.parse::<SocketAddr>() else { continue };
        let tls = shaken.and_then(|shaken| shaken.get(name));
        let told = |endpoint: &super::document::Endpoint<'_>| match (&endpoint.failure, endpoint.status) {
            (Some(failure), _) => Some(failure_of(failure)),
            (None, Some(false)) => Some(Failure::GenericTimeout),
            (None, _) => None,
        };
        endpoints.push(ControlEndpoint {
            address,
            tcp_failure: told(tried),
            tls_tried: tls.is_some(),
            tls_failure: tls.and_then(told),
        });
    }
    let http = control.http_request.as_ref().map(|page| ControlHttp {
        status: page.status_code.and_then(|code| u16::try_from(code).ok()).filter(|code| *code > 0),
        failure: page.failure.as_deref().filter(|failure| !failure.is_empty()).map(failure_of),
        title: page.title.as_deref().filter(|title| !title.is_empty()).map(str::to_owned),
        header_names: page.headers.iter().flatten().take(MOST).map(|(name, _)| name.to_ascii_lowercase()).collect(),
        body_length: page.body_length.and_then(|length| u64::try_from(length).ok()),
        leaf_sha256: None,
        final_url: None,
    });
    let dns = control.dns.as_ref().map(|dns| ControlDns {
        failure: dns.failure.as_deref().filter(|failure| !failure.is_empty()).map(failure_of),
        addresses: dns.addrs.iter().flatten().take(MOST).filter_map(|address| address.parse().ok()).collect(),
    });
    Ok(ControlReport {
        id: "ooni-th".parse().map_err(|_| "no control can be named")?,
        kind: ControlKind::Helper,
        at,
        unusable: failure.map(failure_of),
        dns,
        endpoints,
        http,
        quic: Vec::new(),
        pace: None,
    })
}

/// A failure string, those of the first years among them.
fn failure_of(text: &str) -> Failure {
    match text {
        "dns_name_error" => Failure::DnsNxdomain,
        "connection_refused_error" => Failure::ConnectionRefused,
        "tcp_timed_out_error" | "deferred_timeout_error" | "timeout_error" => Failure::GenericTimeout,
        "response_never_received" => Failure::Eof,
        "connect_error" | "unknown_error" | "dns_lookup_error" => Failure::Unknown(text.to_owned()),
        other => Failure::from_ooni(other),
    }
}

fn bytes_of<'d>(bytes: &'d Bytes<'_>) -> Cow<'d, [u8]> {
    match bytes {
        Bytes::Text(text) => Cow::Borrowed(text.as_bytes()),
        Bytes::Base64 { data } => Cow::Owned(STANDARD.decode(data.as_bytes()).unwrap_or_default()),
    }
}

fn text_of<'d>(bytes: &'d Bytes<'_>) -> Cow<'d, str> {
    match bytes_of(bytes) {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn listed<T>(list: &Option<Vec<T>>) -> impl Iterator<Item = &T> {
    list.iter().flatten().take(MOST)
}

/// `2020-10-29 04:34:59`, UTC; also with a `T` and a `Z`.
fn instant(text: &str) -> Option<Timestamp> {
    let civil: jiff::civil::DateTime = text.trim_end_matches('Z').parse().ok()?;
    Timestamp::from_civil(civil)
}

fn seconds(seconds: Option<f64>) -> Elapsed {
    let seconds = seconds.filter(|seconds| seconds.is_finite()).unwrap_or(0.0);
    Elapsed::from(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
}

fn since(from: Option<f64>, to: Option<f64>) -> Elapsed {
    seconds(to.map(|to| to - from.unwrap_or(0.0)))
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}
