//! Our verdict in the words of OONI's summary.

use serde_json::{Value, json};

use super::layers;
use crate::model::{DnsRole, Layer, Measurement, Mechanism, Status, Verdict};

/// The summary keys.
pub(super) struct Headline {
    pub(super) blocking: Value,
    pub(super) accessible: Option<bool>,
    pub(super) dns_consistency: Option<&'static str>,
    pub(super) dns_failure: Option<String>,
    pub(super) http_failure: Option<String>,
}

/// OONI has four words for a block and none for TLS, which it calls `http-failure`. What is neither blocked, down nor
/// accessible is null.
pub(super) fn of(measurement: &Measurement, verdict: &Verdict) -> Headline {
    let (blocking, accessible) = match (verdict.status, verdict.mechanism) {
        (Status::Blocked, Some(mechanism)) => (json!(word(mechanism)), Some(false)),
        (Status::Accessible | Status::Denied, _) => (json!(false), Some(true)),
        (Status::Down, _) => (json!(false), Some(false)),
        (Status::Blocked | Status::Offline | Status::Inconclusive, _) => (Value::Null, None),
    };
    let dns_blocked = verdict.mechanism.is_some_and(|mechanism| mechanism.layer() == Layer::Dns);
    let dns_consistency = match verdict.status {
        Status::Blocked if dns_blocked => Some("inconsistent"),
        Status::Offline | Status::Inconclusive => None,
        _ => Some("consistent"),
    };
    let mut own = measurement.dns.iter().filter(|exchange| exchange.role == DnsRole::Own && exchange.hop == 0);
    let resolved = own.clone().any(|exchange| exchange.failure.is_none());
    let dns_failure =
        if resolved { None } else { own.find_map(|exchange| exchange.failure.as_ref()).map(layers::failure) };
    Headline { blocking, accessible, dns_consistency, dns_failure, http_failure: deepest_failure(measurement) }
}

const fn word(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::DnsNxdomain
        | Mechanism::DnsRefused
        | Mechanism::DnsServfail
        | Mechanism::DnsTimeout
        | Mechanism::DnsEmpty
        | Mechanism::DnsBogon
        | Mechanism::DnsBlockpage
        | Mechanism::DnsForged
        | Mechanism::DnsInjected => "dns",
        Mechanism::TcpTimeout | Mechanism::TcpReset | Mechanism::TcpRefused | Mechanism::TcpUnreachable => "tcp_ip",
        Mechanism::HttpBlockpage | Mechanism::HttpRedirect | Mechanism::Http451 => "http-diff",
        Mechanism::TlsTimeout
        | Mechanism::TlsReset
        | Mechanism::TlsEof
        | Mechanism::TlsAlert
        | Mechanism::TlsMitm
        | Mechanism::HttpReset
        | Mechanism::HttpTimeout
        | Mechanism::HttpEof
        | Mechanism::HttpTruncated
        | Mechanism::QuicTimeout
        | Mechanism::Throttled => "http-failure",
    }
}

/// Why no whole answer came: the failure of the deepest layer that was tried. None when one came.
fn deepest_failure(measurement: &Measurement) -> Option<String> {
    if measurement.final_answer().is_some() {
        return None;
    }
    let http = measurement.http.last().and_then(|http| http.failure.as_ref());
    let tls = measurement.tls.iter().rev().find_map(|tls| tls.failure.as_ref());
    let tcp = measurement.tcp.iter().rev().find_map(|tcp| tcp.failure.as_ref());
    let dns = measurement.dns.iter().filter(|exchange| exchange.role == DnsRole::Own);
    let dns = dns.filter_map(|exchange| exchange.failure.as_ref()).next();
    http.or(tls).or(tcp).or(dns).map(layers::failure)
}
