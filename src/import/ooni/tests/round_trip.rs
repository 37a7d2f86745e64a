//! What `measurements --format ooni` writes, read back.

use serde_json::Value;

use super::super::{Hosts, Reader};
use crate::export::{ProbeNetwork, measurement_ooni};
use crate::judge::Knowledge;
use crate::judge::tests::judged_cases;
use crate::model::{CountryCode, Evidence, Site, Status, Verdict};

fn document(evidence: &Evidence, country: CountryCode, verdict: &Verdict) -> Value {
    let mut line = Vec::new();
    measurement_ooni(evidence, verdict, ProbeNetwork { asn: 9198, country }, &mut line).unwrap();
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one document a line");
    serde_json::from_slice(&line).unwrap()
}

fn try_read(document: &Value, evidence: &Evidence) -> Result<(Evidence, Verdict), String> {
    let measurement = &evidence.measurement;
    let site = Site {
        id: measurement.site.clone(),
        name: "Site".to_owned(),
        country: "KZ".parse().unwrap(),
        category: None,
        urls: vec![measurement.url.clone()],
        reported: Vec::new(),
    };
    let (hosts, knowledge) = (Hosts::of([&site]), Knowledge::new(Vec::new()));
    Reader::new(&hosts, &knowledge).read(document.to_string().as_bytes()).map(Result::unwrap)
}

fn read(document: &Value, evidence: &Evidence) -> (Evidence, Verdict) {
    try_read(document, evidence).unwrap()
}

fn without_ours(mut document: Value) -> Value {
    document["test_keys"].as_object_mut().unwrap().remove("x_blockspan");
    document
}

#[test]
fn every_verdict_of_the_judge_comes_back_the_same() {
    let cases = judged_cases();
    for status in Status::ALL {
        assert!(cases.iter().any(|(_, _, _, verdict)| verdict.status == *status), "no case is {status}");
    }
    let mut wrong = Vec::new();
    for (what, evidence, country, verdict) in &cases {
        let (placed, back) = read(&document(evidence, *country, verdict), evidence);
        assert_eq!(placed.measurement.vantage.as_str(), format!("AS9198-{country}"));
        assert_eq!(placed.measurement.started_at, evidence.measurement.started_at);
        let told = |verdict: &Verdict| {
            let rules = verdict.rules.clone();
            (
                verdict.status,
                verdict.mechanism,
                rules,
                verdict.weight.to_bits(),
                verdict.strength,
                verdict.partial.clone(),
            )
        };
        if told(&back) != told(verdict) {
            wrong.push(format!("{what}: {:?} instead of {:?}", told(&back), told(verdict)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_layers_alone_bear_most_verdicts_and_the_plain_ones_all() {
    let cases = judged_cases();
    let mut seen = std::collections::BTreeSet::new();
    let mut differ = 0;
    for (_, evidence, country, verdict) in &cases {
        let (_, back) = read(&without_ours(document(evidence, *country, verdict)), evidence);
        if (back.status, back.mechanism) == (verdict.status, verdict.mechanism) {
            seen.insert(
                verdict.mechanism.map_or_else(|| verdict.status.to_string(), |mechanism| mechanism.to_string()),
            );
        } else {
            differ += 1;
        }
    }
    for plain in [
        "accessible",
        "denied",
        "down",
        "inconclusive",
        "dns.nxdomain",
        "dns.forged",
        "tcp.timeout",
        "tcp.reset",
        "tls.timeout",
        "tls.reset",
        "tls.mitm",
        "http.blockpage",
        "http.reset",
    ] {
        assert!(seen.contains(plain), "{plain} is in none of {seen:?}");
    }
    // What is lost are the canaries, where a redirect led the control, second resolvers.
    assert!(differ * 2 < cases.len(), "{differ} of {} differ", cases.len());
}

#[test]
fn ooni_sees_its_own_words() {
    for (what, evidence, country, verdict) in &judged_cases() {
        let document = document(evidence, *country, verdict);
        let keys = &document["test_keys"];
        let wanted = match (verdict.status, verdict.mechanism.map(|mechanism| mechanism.to_string())) {
            (Status::Blocked, Some(how)) if how.starts_with("dns.") => ["dns", "false"],
            (Status::Blocked, Some(how)) if how.starts_with("tcp.") => ["tcp_ip", "false"],
            (Status::Blocked, Some(how)) if matches!(&*how, "http.blockpage" | "http.redirect" | "http.451") => {
                ["http-diff", "false"]
            }
            (Status::Blocked, _) => ["http-failure", "false"],
            (Status::Accessible | Status::Denied, _) => ["false", "true"],
            (Status::Down, _) => ["false", "false"],
            _ => ["null", "null"],
        };
        let blocking = keys["blocking"].as_str().map_or_else(|| keys["blocking"].to_string(), str::to_owned);
        assert_eq!([blocking.as_str(), &keys["accessible"].to_string()], wanted, "{what}");
        assert_eq!(document["annotations"]["blockspan_status"], verdict.status.as_str(), "{what}");
        assert!(document["annotations"].as_object().unwrap().values().all(Value::is_string), "{what}");
        assert_eq!(document["probe_ip"], "127.0.0.1");
        let layers = ["queries", "tcp_connect", "tls_handshakes", "requests", "network_events"];
        assert!(layers.iter().all(|layer| keys[layer].is_array()), "{what}");
    }
}

#[test]
fn name_servers_of_a_local_network_and_the_visitor_stay_at_home() {
    let (_, mut evidence, country, verdict) = judged_cases().swap_remove(0);
    let me = "198.51.100.77";
    evidence.measurement.dns[0].resolver = "udp://192.168.77.1:53".into();
    evidence.measurement.dns[0].answers[0].source = Some("192.168.77.1:53".parse().unwrap());
    evidence.measurement.http[0].headers = vec![("x-client-ip".into(), me.into()), ("via".into(), format!("for {me}"))];
    let text = document(&evidence, country, &verdict).to_string();
    assert!(!text.contains("192.168.77.1") && !text.contains(me), "{text}");
}

#[test]
fn what_is_ours_is_bounded_and_later_forms_are_left_aside() {
    let (_, evidence, country, verdict) = judged_cases().swap_remove(0);
    let good = document(&evidence, country, &verdict);

    let mut later = good.clone();
    later["test_keys"]["x_blockspan"] = serde_json::json!({"version": 2, "evidence": {"another": "form"}});
    assert_eq!(read(&later, &evidence).1.status, read(&without_ours(good.clone()), &evidence).1.status);

    let mut wrong = good.clone();
    wrong["test_keys"]["x_blockspan"]["evidence"]["measurement"]["tcp"] = serde_json::json!(7);
    let problem = try_read(&wrong, &evidence).unwrap_err();
    assert!(problem.contains("`test_keys.x_blockspan.evidence`: invalid type"), "{problem}");

    let mut many = good;
    let tcp = &mut many["test_keys"]["x_blockspan"]["evidence"]["measurement"]["tcp"];
    *tcp = Value::Array(vec![tcp[0].clone(); 1025]);
    let problem = try_read(&many, &evidence).unwrap_err();
    assert!(problem.contains("1025 records of `tcp`"), "{problem}");
}
