//! A measurement with its verdict as one JSON object (DESIGN 7).
//!
//! What would tell the vantage's own addresses is taken out (`scrub`); the record itself keeps it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

use super::json::to_json_line;
use super::scrub::Scrub;
use crate::knowledge::Networks;
use crate::model::{
    Baseline, CanaryReport, ControlReport, ControlSummary, DnsExchange, Elapsed, Evidence, Experiment, HttpExchange,
    MeasurementId, Mechanism, Pace, Partial, QuicHandshake, RuleId, SiteId, Status, TcpConnect, Timestamp,
    TlsHandshake, VantageId, Verdict,
};

/// The object of `check --format json`. Order and names of the fields are the contract.
#[derive(Serialize)]
pub(super) struct Judged<'a> {
    pub(super) measurement_id: MeasurementId,
    pub(super) site: &'a SiteId,
    pub(super) url: &'a url::Url,
    pub(super) vantage: &'a VantageId,
    pub(super) started_at: Timestamp,
    pub(super) elapsed_seconds: Elapsed,
    pub(super) status: Status,
    pub(super) mechanism: Option<Mechanism>,
    pub(super) confidence: f64,
    pub(super) rules: &'a [RuleId],
    pub(super) reasons: Vec<std::borrow::Cow<'a, str>>,
    pub(super) control: Option<&'a ControlSummary>,
    pub(super) partial: Vec<Partial>,
    pub(super) dns: Vec<DnsExchange>,
    pub(super) tcp: Vec<&'a TcpConnect>,
    pub(super) tls: &'a [TlsHandshake],
    pub(super) http: Vec<HttpExchange>,
    pub(super) quic: &'a [QuicHandshake],
    pub(super) experiments: Vec<Experiment>,
    pub(super) pace: Option<Pace>,
    pub(super) baseline: Option<Baseline>,
}

/// The same with all that the verdict rests on.
#[derive(Serialize)]
struct JudgedWithContext<'a> {
    #[serde(flatten)]
    judged: Judged<'a>,
    trigger: crate::model::Trigger,
    ruleset: u32,
    controls: &'a [ControlReport],
    canaries: Option<CanaryReport>,
}

impl<'a> Judged<'a> {
    pub(super) fn new(evidence: &'a Evidence, verdict: &'a Verdict) -> Self {
        let measurement = &evidence.measurement;
        let scrub = Scrub::new(evidence);
        Self {
            measurement_id: measurement.measurement_id,
            site: &measurement.site,
            url: &measurement.url,
            vantage: &measurement.vantage,
            started_at: measurement.started_at,
            elapsed_seconds: measurement.elapsed,
            status: verdict.status,
            mechanism: verdict.mechanism,
            confidence: verdict.confidence,
            rules: &verdict.rules,
            reasons: verdict.reasons.iter().map(|reason| scrub.text(reason)).collect(),
            control: verdict.control.as_ref(),
            partial: verdict.partial.iter().map(|partial| scrub.partial(partial)).collect(),
            dns: measurement.dns.iter().map(Scrub::dns).collect(),
            tcp: measurement.tcp.iter().filter(|tcp| !tcp.is_refused_as_own()).collect(),
            tls: &measurement.tls,
            http: measurement.http.iter().map(|exchange| scrub.http(exchange)).collect(),
            quic: &measurement.quic,
            experiments: evidence.experiments.iter().map(Scrub::experiment).collect(),
            pace: Pace::of(measurement),
            baseline: evidence.baseline,
        }
    }
}

/// Writes a measurement with its verdict as one line (`check --format json`).
///
/// # Errors
/// The output cannot be written.
pub fn measurement_json(evidence: &Evidence, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    to_json_line(&Judged::new(evidence, verdict), out)
}

/// The network of an address, as `networks` of `check --format json` tells it.
#[derive(Serialize)]
struct Network {
    asn: u32,
    name: String,
}

/// The same with the networks of its addresses. Look-ups, no evidence: a measurement does not hold them.
#[derive(Serialize)]
struct JudgedWithNetworks<'a> {
    #[serde(flatten)]
    judged: Judged<'a>,
    networks: BTreeMap<IpAddr, Network>,
}

/// Writes the same object with `networks`: for each address of the measurement that a table knows, its `asn` and the
/// `name` of that network.
///
/// # Errors
/// The output cannot be written.
pub fn measurement_with_networks_json(
    evidence: &Evidence,
    verdict: &Verdict,
    networks: &Networks,
    out: &mut dyn Write,
) -> io::Result<()> {
    let measurement = &evidence.measurement;
    let answered = measurement.dns.iter().flat_map(|exchange| &exchange.answers).flat_map(|answer| &answer.addresses);
    let dialled = measurement.tcp.iter().map(|tcp| tcp.address.ip());
    let network = |ip: IpAddr| {
        let asn = networks.asn(ip)?;
        Some((ip, Network { asn: asn.number, name: asn.name.to_string() }))
    };
    let networks = answered.copied().chain(dialled).filter_map(network).collect();
    to_json_line(&JudgedWithNetworks { judged: Judged::new(evidence, verdict), networks }, out)
}

/// Writes the same object with `trigger`, `ruleset`, `controls` and `canaries` (`measurements --format ndjson`).
///
/// # Errors
/// The output cannot be written.
pub fn measurement_with_context_json(evidence: &Evidence, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let whole = JudgedWithContext {
        judged: Judged::new(evidence, verdict),
        trigger: evidence.measurement.trigger,
        ruleset: verdict.ruleset,
        controls: &evidence.controls,
        canaries: evidence.canaries.as_ref().map(Scrub::canaries),
    };
    to_json_line(&whole, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures;

    fn keys(write: fn(&Evidence, &Verdict, &mut dyn Write) -> io::Result<()>) -> Vec<String> {
        let (evidence, verdict) = fixtures::clienthello_swallowed();
        let mut out = Vec::new();
        write(&evidence, &verdict, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut keys: Vec<(usize, String)> = object
            .as_object()
            .unwrap()
            .keys()
            .map(|key| (text.find(&format!("\"{key}\":")).unwrap(), key.clone()))
            .collect();
        keys.sort();
        keys.into_iter().map(|(_, key)| key).collect()
    }

    #[test]
    fn known_networks_stand_beside_their_addresses() {
        let table = "104.16.0.0,104.31.255.255,13335,Edge\n";
        let networks = Networks::new(vec![crate::knowledge::read_table(table.as_bytes()).unwrap().0]);
        let (evidence, verdict) = fixtures::nxdomain();
        let mut out = Vec::new();
        measurement_with_networks_json(&evidence, &verdict, &networks, &mut out).unwrap();
        let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(object["networks"], serde_json::json!({"104.21.48.1": {"asn": 13335, "name": "Edge"}}));
        assert_eq!(object["site"], "fergana");
    }

    #[test]
    fn the_fields_are_those_of_the_contract() {
        let contract = [
            "measurement_id",
            "site",
            "url",
            "vantage",
            "started_at",
            "elapsed_seconds",
            "status",
            "mechanism",
            "confidence",
            "rules",
            "reasons",
            "control",
            "partial",
            "dns",
            "tcp",
            "tls",
            "http",
            "quic",
            "experiments",
            "pace",
            "baseline",
        ];
        let mut found = keys(measurement_json);
        let mut wanted: Vec<String> = contract.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), wanted.len());
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted);
        let more = keys(measurement_with_context_json);
        for key in ["trigger", "ruleset", "controls", "canaries"] {
            assert!(more.iter().any(|found| found == key), "{key}");
        }
        assert_eq!(more.len(), contract.len() + 4);
    }

    #[test]
    fn experiments_are_told_without_the_local_name_server() {
        let (mut evidence, verdict) = fixtures::clienthello_swallowed();
        let attempt = |resolver: &str| crate::model::Attempt {
            answer: None,
            name: "fergana.media".into(),
            address: None,
            resolver: Some(resolver.into()),
            at: evidence.measurement.started_at,
            elapsed: Elapsed::default(),
            failure: None,
            layer: None,
        };
        let kind = crate::model::ExperimentKind::OtherResolvers;
        let (suspect, variant) = (attempt("udp://192.168.77.1:53"), attempt("tcp://192.168.77.1:53"));
        evidence.experiments = vec![Experiment { kind, canary: None, suspect, variant }];
        let mut out = Vec::new();
        measurement_json(&evidence, &verdict, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains("192.168.77.1") && text.contains("tcp://private"), "{text}");
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["experiments"][0]["kind"], "other_resolvers");
        assert_eq!(object["experiments"][0]["suspect"]["elapsed_seconds"], 0.0);
    }

    #[test]
    fn name_servers_of_a_local_network_stay_at_home() {
        let (mut evidence, verdict) = fixtures::clienthello_swallowed();
        let mut exchange = evidence.measurement.dns[0].clone();
        exchange.resolver = "udp://192.168.77.1:53".into();
        exchange.answers[0].source = Some("192.168.77.1:53".parse().unwrap());
        exchange.answers.push(exchange.answers[0].clone());
        exchange.answers[1].source = Some("9.9.9.9:53".parse().unwrap());
        exchange.answers[1].addresses = vec!["10.10.34.35".parse().unwrap()];
        evidence.measurement.dns = vec![exchange];
        evidence.canaries.as_mut().unwrap().results[0].resolvers = vec!["udp://192.168.77.1:53".into()];
        for write in [measurement_json, measurement_with_context_json] {
            let mut out = Vec::new();
            write(&evidence, &verdict, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(!text.contains("192.168.77.1"), "{text}");
            for kept in ["udp://private", "9.9.9.9:53", "10.10.34.35"] {
                assert!(text.contains(kept), "{kept}");
            }
        }
    }
}
