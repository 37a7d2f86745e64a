//! A measurement as a document of OONI's Web Connectivity (data format 0.2.0), one JSON object.
//!
//! The layers stand where OONI's readers look for them. What a verdict rests on and the format has no place for
//! (canaries, several controls, experiments, paces) goes into `test_keys.x_blockspan`: keys that begin with `x_` are free
//! for every test. Our importer reads that part back and judges it like any other evidence.

mod headline;
mod layers;

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::json::to_json_line;
use super::scrub::Scrub;
use crate::model::{ControlKind, ControlReport, CountryCode, DnsRole, Evidence, Measurement, Timestamp, Verdict};

/// The version of the data format.
const DATA_FORMAT: &str = "0.2.0";
/// The version of `x_blockspan`.
const OWN_FORMAT: u32 = 1;
/// What OONI's probe writes for a resolver that it does not know.
const NO_RESOLVER: &str = "127.0.0.2";

/// The network that a measurement was made from, as an OONI document tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeNetwork {
    /// Its number; 0 when unknown.
    pub asn: u32,
    /// Its country; `ZZ` when unknown.
    pub country: CountryCode,
}

/// Writes a measurement with its verdict as one line (`measurements --format ooni`).
///
/// # Errors
/// The output cannot be written.
pub fn measurement_ooni(
    evidence: &Evidence,
    verdict: &Verdict,
    network: ProbeNetwork,
    out: &mut dyn Write,
) -> io::Result<()> {
    let scrub = Scrub::new(evidence);
    let shown = scrub.evidence(evidence);
    to_json_line(&document(&shown, verdict, &scrub, network)?, out)
}

fn document(evidence: &Evidence, verdict: &Verdict, scrub: &Scrub, network: ProbeNetwork) -> io::Result<Value> {
    let measurement = &evidence.measurement;
    let time = civil(measurement.started_at);
    let resolver = own_resolver(measurement).unwrap_or(NO_RESOLVER);
    let mut document = json!({
        "annotations": annotations(evidence, verdict, scrub),
        "data_format_version": DATA_FORMAT,
        "extensions": {"dnst": 0, "httpt": 0, "netevents": 0, "tcpconnect": 0, "tlshandshake": 0},
        "input": measurement.url,
        "measurement_start_time": time,
        "measurement_uid": uid(measurement, network),
        "options": [],
        "probe_asn": format!("AS{}", network.asn),
        "probe_cc": network.country,
        "probe_ip": "127.0.0.1",
        "probe_network_name": "",
        "report_id": report_id(measurement, network),
        "resolver_asn": "AS0",
        "resolver_ip": resolver,
        "resolver_network_name": "",
        "software_name": env!("CARGO_PKG_NAME"),
        "software_version": env!("CARGO_PKG_VERSION"),
        "test_keys": test_keys(evidence, verdict, resolver)?,
        "test_name": "web_connectivity",
        "test_runtime": measurement.elapsed,
        "test_start_time": time,
        "test_version": "0.5.28",
    });
    if let Some(helper) = evidence.controls.iter().find(|control| control.kind == ControlKind::Helper) {
        document["test_helpers"] = json!({"backend": {"address": helper.id, "type": "https"}});
    }
    Ok(document)
}

/// Our verdict; values are strings, as the format demands.
fn annotations(evidence: &Evidence, verdict: &Verdict, scrub: &Scrub) -> Value {
    let mut told = Map::new();
    let mut tell = |name: &str, value: String| told.insert(format!("blockspan_{name}"), Value::String(value));
    tell("measurement_id", evidence.measurement.measurement_id.to_string());
    tell("site", evidence.measurement.site.to_string());
    tell("vantage", evidence.measurement.vantage.to_string());
    tell("status", verdict.status.to_string());
    if let Some(mechanism) = verdict.mechanism {
        tell("mechanism", mechanism.to_string());
    }
    tell("confidence", verdict.confidence.to_string());
    tell("rules", verdict.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    let reasons: Vec<_> = verdict.reasons.iter().map(|reason| scrub.text(reason)).collect();
    tell("reasons", reasons.join(" "));
    tell("ruleset", verdict.ruleset.to_string());
    if !verdict.partial.is_empty() {
        let parts = verdict.partial.iter().map(|partial| format!("{}:{}", partial.scope, partial.mechanism));
        tell("partial", parts.collect::<Vec<_>>().join(" "));
    }
    Value::Object(told)
}

fn test_keys(evidence: &Evidence, verdict: &Verdict, resolver: &str) -> io::Result<Value> {
    let measurement = &evidence.measurement;
    let control = spokesman(&evidence.controls);
    let headline = headline::of(measurement, verdict);
    let control_failure = match control {
        None => Some("unknown_failure: no control was asked".to_owned()),
        Some(control) => control.unusable.as_ref().map(layers::failure),
    };
    let evidence_json = serde_json::to_value(evidence).map_err(io::Error::other)?;
    Ok(json!({
        "agent": "redirect",
        "client_resolver": resolver,
        "retries": null,
        "socksproxy": null,
        "network_events": layers::network_events(measurement),
        "queries": layers::queries(measurement),
        "x_dns_duplicate_responses": layers::duplicates(measurement),
        "tcp_connect": layers::tcp_connect(measurement),
        "tls_handshakes": layers::tls_handshakes(measurement),
        "requests": layers::requests(measurement),
        "x_control_request": layers::control_request(measurement),
        "control": control.map(layers::control),
        "control_failure": control_failure,
        "dns_experiment_failure": headline.dns_failure,
        "dns_consistency": headline.dns_consistency,
        "http_experiment_failure": headline.http_failure,
        "body_length_match": null,
        "headers_match": null,
        "status_code_match": null,
        "title_match": null,
        "blocking": headline.blocking,
        "accessible": headline.accessible,
        "x_blockspan": {"version": OWN_FORMAT, "evidence": evidence_json},
    }))
}

/// The one control that the format has room for: the first that could be asked.
fn spokesman(controls: &[ControlReport]) -> Option<&ControlReport> {
    controls.iter().find(|control| control.unusable.is_none()).or_else(|| controls.first())
}

/// The address of the first of the vantage's own resolvers that may be shown.
fn own_resolver(measurement: &Measurement) -> Option<&str> {
    let own = measurement.dns.iter().filter(|exchange| exchange.role == DnsRole::Own);
    own.filter_map(|exchange| {
        let address = exchange.resolver.split_once("://")?.1;
        let socket: std::net::SocketAddr = address.parse().ok()?;
        let host = address.rsplit_once(':')?.0.trim_matches(['[', ']']);
        (!crate::model::is_private(socket.ip())).then_some(host)
    })
    .next()
}

/// `2026-03-02 10:20:30`, UTC.
fn civil(at: Timestamp) -> String {
    at.to_civil().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The last 16 hex digits of the measurement's id: those that chance chose.
fn tail(measurement: &Measurement) -> String {
    let id = measurement.measurement_id.0.simple().to_string();
    id[16..].to_owned()
}

/// In the shape of the ids that OONI's backend gives, and the same each time.
fn uid(measurement: &Measurement, network: ProbeNetwork) -> String {
    let at = measurement.started_at.to_civil();
    let (time, tail) = (at.strftime("%Y%m%d%H%M%S.%6f"), tail(measurement));
    format!("{time}_{}_webconnectivity_{tail}", network.country)
}

fn report_id(measurement: &Measurement, network: ProbeNetwork) -> String {
    let at = measurement.started_at.to_civil().strftime("%Y%m%dT%H%M%SZ").to_string();
    format!("{at}_webconnectivity_{}_{}_n1_{}", network.country, network.asn, tail(measurement))
}
