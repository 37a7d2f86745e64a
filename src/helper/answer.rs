//! A measurement as a test helper tells it: every key that an OONI probe (Web Connectivity v0.4 and v0.5) reads, each
//! with its type.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use url::{Host, Url};

use super::ask::Ask;
use super::legacy;
use crate::model::{AddressOrigin, ControlId, DnsExchange, Elapsed, Failure, HttpExchange, Measurement, Pace};
use crate::probe::{control_report, last_failure};

/// Stands for no length and no status.
const NONE: i64 = -1;

/// Bits of `ip_info.flags`.
mod flag {
    pub(super) const BY_PROBE: u8 = 1;
    pub(super) const BY_HELPER: u8 = 2;
    pub(super) const BOGON: u8 = 4;
    pub(super) const VALID_FOR_DOMAIN: u8 = 8;
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    tcp_connect: BTreeMap<String, Connect>,
    tls_handshake: BTreeMap<String, Handshake>,
    quic_handshake: BTreeMap<String, Handshake>,
    http_request: Http,
    http3_request: Option<Http>,
    dns: Dns,
    ip_info: BTreeMap<IpAddr, IpInfo>,
    x_blockspan: OurOwn,
}

#[derive(Debug, Serialize)]
struct Connect {
    status: bool,
    failure: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Handshake {
    server_name: String,
    status: bool,
    failure: Option<String>,
}

#[derive(Debug, Serialize)]
struct Http {
    body_length: i64,
    discovered_h3_endpoint: String,
    failure: Option<&'static str>,
    title: String,
    headers: BTreeMap<String, String>,
    status_code: i64,
}

#[derive(Debug, Serialize)]
struct Dns {
    failure: Option<&'static str>,
    addrs: Vec<IpAddr>,
}

#[derive(Debug, Serialize)]
struct IpInfo {
    /// 0: not known. A probe has its own table.
    asn: u32,
    flags: u8,
}

/// What the protocol has no place for; an OONI probe passes it over.
#[derive(Debug, Serialize)]
struct OurOwn {
    final_url: Option<Url>,
    connect_seconds: Option<Elapsed>,
    handshake_seconds: Option<Elapsed>,
    first_byte_seconds: Option<Elapsed>,
    bytes_per_second: Option<f64>,
    leaf_sha256: Option<String>,
    body_truncated: bool,
}

impl Answer {
    /// Writes the answer to `ask`, which `measurement` was made for. `forbids` tells which addresses are off limits.
    pub(super) fn new(id: &ControlId, ask: &Ask, measurement: &Measurement, forbids: impl Fn(IpAddr) -> bool) -> Self {
        let report = control_report(id.clone(), measurement, None);
        let name = hostname(&ask.url);
        let handshake = |failure: &Option<Failure>| Handshake {
            server_name: name.clone(),
            status: failure.is_none(),
            failure: failure.as_ref().map(|failure| failure.as_ooni().into_owned()),
        };
        // Only the first hop, and only what says something of the address.
        let first: Vec<SocketAddr> = measurement.tcp.iter().filter(|tcp| tcp.hop == 0).map(|tcp| tcp.address).collect();
        let told = report.endpoints.iter().filter(|endpoint| first.contains(&endpoint.address));
        let tcp_connect = told.map(|endpoint| {
            let failure = endpoint.tcp_failure.as_ref().map(legacy::connect);
            (endpoint.address.to_string(), Connect { status: failure.is_none(), failure })
        });
        let cut = Some(Failure::Interrupted);
        let tls = measurement.tls.iter().filter(|tls| tls.hop == 0 && tls.failure != cut);
        let quic = measurement.quic.iter().filter(|quic| quic.hop == 0 && ask.quic);
        let addrs = report.dns.map(|dns| dns.addresses).unwrap_or_default();
        let looked_up: Vec<&DnsExchange> = measurement.dns.iter().filter(|dns| dns.hop == 0).collect();
        let pace = report.pace.unwrap_or_default();
        let found = report.http.as_ref();
        let unresolved = legacy::most_telling(&looked_up).filter(|_| addrs.is_empty());
        Self {
            tcp_connect: tcp_connect.collect(),
            tls_handshake: tls.map(|tls| (tls.address.to_string(), handshake(&tls.failure))).collect(),
            quic_handshake: quic.map(|quic| (quic.address.to_string(), handshake(&quic.failure))).collect(),
            http_request: Http::of(measurement, found.and_then(|http| http.failure.as_ref()), unresolved),
            http3_request: None,
            ip_info: ip_info(ask, measurement, &addrs, forbids),
            dns: Dns { failure: legacy::lookup(&looked_up).filter(|_| addrs.is_empty()), addrs },
            x_blockspan: OurOwn::of(measurement, pace, found.and_then(|http| http.leaf_sha256.clone())),
        }
    }

    /// Whether the site answered, for our own counts.
    pub(super) fn reached(&self) -> bool {
        self.http_request.failure.is_none()
    }
}

/// The host as Go's url.Hostname gives it: an IPv6 address without its brackets.
fn hostname(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        None => String::new(),
    }
}

fn ip_info(
    ask: &Ask,
    measurement: &Measurement,
    resolved: &[IpAddr],
    forbids: impl Fn(IpAddr) -> bool,
) -> BTreeMap<IpAddr, IpInfo> {
    let dialled = measurement.tcp.iter().filter(|tcp| tcp.hop == 0).map(|tcp| tcp.address.ip());
    let valid =
        |ip: IpAddr| measurement.tls.iter().any(|tls| tls.hop == 0 && tls.address.ip() == ip && tls.is_authentic());
    let flags = |ip: IpAddr| {
        let mut flags = 0;
        for (bit, set) in [
            (flag::BY_PROBE, ask.addresses.contains(&ip)),
            (flag::BY_HELPER, resolved.contains(&ip)),
            (flag::BOGON, forbids(ip)),
            (flag::VALID_FOR_DOMAIN, valid(ip)),
        ] {
            flags |= if set { bit } else { 0 };
        }
        flags
    };
    let all = ask.addresses.iter().copied().chain(resolved.iter().copied()).chain(dialled);
    all.map(|ip| (ip, IpInfo { asn: 0, flags: flags(ip) })).collect()
}

impl Http {
    /// The end of the redirect chain. `failure` is why its answer does not count, `unresolved` why there was no address
    /// to begin with, when there is such a reason.
    fn of(measurement: &Measurement, failure: Option<&Failure>, unresolved: Option<&Failure>) -> Self {
        let last = measurement.http.last();
        match (last.filter(|exchange| exchange.redirect.is_none() && exchange.status.is_some()), failure) {
            (Some(exchange), None) => Self::answered(measurement, exchange),
            (_, Some(failure)) => Self::failed(legacy::exchange(failure, looking_up(measurement))),
            (None, None) => match unresolved.filter(|_| last.is_none()) {
                Some(failure) => Self::failed(legacy::exchange(failure, true)),
                None => {
                    let own = own_part(measurement);
                    let failure = last_failure(&own).unwrap_or(Failure::HttpRequestFailed);
                    Self::failed(legacy::exchange(&failure, looking_up(&own)))
                }
            },
        }
    }

    fn failed(failure: &'static str) -> Self {
        Self {
            body_length: NONE,
            discovered_h3_endpoint: String::new(),
            failure: Some(failure),
            title: String::new(),
            headers: BTreeMap::new(),
            status_code: NONE,
        }
    }

    fn answered(measurement: &Measurement, exchange: &HttpExchange) -> Self {
        let length = exchange.body.as_ref().map_or(0, |body| body.length);
        Self {
            body_length: i64::try_from(length).unwrap_or(i64::MAX),
            discovered_h3_endpoint: measurement.http.first().and_then(h3_endpoint).unwrap_or_default(),
            failure: None,
            title: exchange.body.as_ref().and_then(|body| body.title.clone()).unwrap_or_default(),
            headers: headers(exchange),
            status_code: exchange.status.map_or(NONE, i64::from),
        }
    }
}

/// Whether it came to an end before there was an address to dial.
fn looking_up(measurement: &Measurement) -> bool {
    let hop = measurement.dns.iter().map(|dns| dns.hop).max().unwrap_or(0);
    !measurement.tcp.iter().any(|tcp| tcp.hop >= hop)
}

/// The measurement without what was tried only for the asker: that is no reason for the exchange to have failed.
fn own_part(measurement: &Measurement) -> Measurement {
    let mut own = measurement.clone();
    let port = measurement.url.port_or_known_default();
    let is_own = |hop: u8, address: SocketAddr, origin: AddressOrigin| {
        hop > 0 || (Some(address.port()) == port && origin == AddressOrigin::Own)
    };
    own.tcp.retain(|tcp| is_own(tcp.hop, tcp.address, tcp.origin));
    own.tls.retain(|tls| is_own(tls.hop, tls.address, tls.origin));
    own
}

/// The first value of each field, its name written as Go writes it.
fn headers(exchange: &HttpExchange) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in &exchange.headers {
        let words: Vec<String> = name.split('-').map(capitalised).collect();
        headers.entry(words.join("-")).or_insert_with(|| value.clone());
    }
    headers
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + &letters.as_str().to_ascii_lowercase(),
        None => String::new(),
    }
}

/// Where the site says that it speaks HTTP/3 (Alt-Svc, RFC 7838 section 3), as `host:port`.
fn h3_endpoint(first: &HttpExchange) -> Option<String> {
    let (_, field) = first.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("alt-svc"))?;
    let authority = field.split(',').find_map(|service| {
        let (protocol, rest) = service.trim().split_once('=')?;
        (protocol == "h3").then(|| rest.split(';').next().unwrap_or_default().trim().trim_matches('"'))
    })?;
    let (host, port) = authority.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    match host {
        "" => first.url.host_str().map(|host| format!("{host}:{port}")),
        other => Some(format!("{other}:{port}")),
    }
}

impl OurOwn {
    fn of(measurement: &Measurement, pace: Pace, leaf_sha256: Option<String>) -> Self {
        let answer = measurement.final_answer();
        Self {
            final_url: answer.map(|exchange| exchange.url.clone()),
            connect_seconds: pace.connect,
            handshake_seconds: pace.handshake,
            first_byte_seconds: pace.first_byte,
            bytes_per_second: pace.bytes_per_second,
            leaf_sha256,
            body_truncated: answer.and_then(|exchange| exchange.body.as_ref()).is_some_and(|body| body.truncated),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn exchange(url: &str, headers: &[(&str, &str)]) -> HttpExchange {
        HttpExchange {
            hop: 0,
            url: url.parse().unwrap(),
            address: "192.0.2.1:443".parse().unwrap(),
            origin: AddressOrigin::Own,
            protocol: "h2".into(),
            started: Duration::ZERO.into(),
            elapsed: Duration::ZERO.into(),
            first_byte: None,
            failure: None,
            status: Some(200),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: None,
            redirect: None,
        }
    }

    #[test]
    fn names_of_fields_are_written_as_go_writes_them() {
        let exchange = exchange(
            "https://site.example/",
            &[
                ("content-type", "a"),
                ("x-xss-PROTECTION", "b"),
                ("set-cookie", "first"),
                ("set-cookie", "second"),
                ("etag", ""),
            ],
        );
        let headers = headers(&exchange);
        let told: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(told, [("Content-Type", "a"), ("Etag", ""), ("Set-Cookie", "first"), ("X-Xss-Protection", "b")]);
    }

    #[test]
    fn http3_is_discovered() {
        for (field, expected) in [
            (r#"h3=":443"; ma=86400"#, Some("site.example:443")),
            (r#"h2=":443", h3=":8443""#, Some("site.example:8443")),
            (r#"h3-29=":443",h3="alt.example:443";persist=1"#, Some("alt.example:443")),
            (r#"h3-29=":443""#, None),
            ("clear", None),
            ("h3", None),
            (r#"h3="nonsense""#, None),
            (r#"h3=":99999""#, None),
        ] {
            let exchange = exchange("https://site.example:444/", &[("alt-svc", field)]);
            assert_eq!(h3_endpoint(&exchange).as_deref(), expected, "{field}");
        }
        let literal = exchange("https://[2606:4700::1]/", &[("Alt-Svc", r#"h3=":443""#)]);
        assert_eq!(h3_endpoint(&literal).as_deref(), Some("[2606:4700::1]:443"));
    }
}
