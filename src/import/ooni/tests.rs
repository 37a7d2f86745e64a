//! Documents in the shapes of both versions of the test, and documents that are none.

mod round_trip;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Mechanism, SiteId, Status};

fn sites() -> Vec<Site> {
    let site = Site {
        id: "fergana".parse::<SiteId>().unwrap(),
        name: "Fergana".to_owned(),
        country: "KZ".parse().unwrap(),
        category: None,
        urls: vec!["https://fergana.media/".parse().unwrap()],
        reported: Vec::new(),
    };
    vec![site]
}

fn judged_document(
    line: &[u8],
    sites: &[Site],
    knowledge: &Knowledge,
) -> Result<Result<(Evidence, Verdict), Skipped>, String> {
    Reader::new(&Hosts::of(sites), knowledge).read(line)
}

fn envelope(keys: &Value) -> Value {
    json!({
        "annotations": {"platform": "linux"}, "data_format_version": "0.2.0", "input": "https://www.fergana.media/",
        "measurement_start_time": "2023-06-01 10:20:30", "probe_asn": "AS9198", "probe_cc": "KZ",
        "probe_ip": "127.0.0.1", "report_id": "20230601T102000Z_webconnectivity_KZ_9198_n1_x", "test_name": "web_connectivity",
        "test_helpers": {"backend": {"address": "https://0.th.ooni.org", "type": "https"}},
        "test_runtime": 12.5, "test_start_time": "2023-06-01 10:20:00", "test_version": "0.5.20", "test_keys": keys,
    })
}

/// What a probe sees whose greeting ends with `failure` while the helper gets through. `version` 4 is the older shape.
fn keys(version: u8, failure: Option<&str>) -> Value {
    let answers = json!([{"answer_type": "A", "ipv4": "93.184.216.34", "ttl": null}]);
    let query = if version == 4 {
        json!({"answers": answers, "engine": "system", "failure": null, "hostname": "www.fergana.media", "query_type": "A"})
    } else {
        json!({"answers": answers, "engine": "getaddrinfo", "failure": null, "hostname": "www.fergana.media",
               "query_type": "ANY", "resolver_address": "", "t0": 0.0, "t": 0.02})
    };
    let mut connect =
        json!({"ip": "93.184.216.34", "port": 443, "status": {"failure": null, "success": true}, "t0": 0.03, "t": 0.1});
    if version == 4 {
        connect["status"]["blocked"] = json!(false);
    }
    // Bytes that are no certificate: the record of it has no names, which nothing here asks for.
    let chain = if failure.is_none() { json!([{"format": "base64", "data": "MAA="}]) } else { Value::Null };
    let request = json!({
        "failure": failure,
        "request": {"url": "https://www.fergana.media/", "method": "GET", "headers": {}},
        "response": if failure.is_none() {
            json!({"code": 200, "body": "<title>Fergana</title>", "body_is_truncated": false, "headers": {"Content-Type": "text/html"}})
        } else { Value::Null },
        "t0": 0.2, "t": 0.5,
    });
    json!({
        "queries": [query], "tcp_connect": [connect],
        "tls_handshakes": [{"address": "93.184.216.34:443", "failure": failure, "server_name": "www.fergana.media",
            "no_tls_verify": false, "peer_certificates": chain, "cipher_suite": "", "negotiated_protocol": "h2",
            "tls_version": "TLSv1.3", "t0": 0.1, "t": if failure.is_some() { 10.1 } else { 0.2 }}],
        "requests": [request],
        "control": {
            "tcp_connect": {"93.184.216.34:443": {"status": true, "failure": null}},
            "tls_handshake": {"93.184.216.34:443": {"server_name": "www.fergana.media", "status": true, "failure": null}},
            "http_request": {"body_length": 1533, "failure": null, "title": "Fergana", "headers": {"Content-Type": "text/html"}, "status_code": 200},
            "dns": {"failure": null, "addrs": ["93.184.216.34"]},
        },
        "control_failure": null, "dns_experiment_failure": null, "http_experiment_failure": failure,
        "blocking": if failure.is_some() { json!("http-failure") } else { json!(false) },
        "accessible": failure.is_none(),
    })
}

fn judged(document: &Value) -> (Evidence, Verdict) {
    let line = serde_json::to_vec(document).unwrap();
    judged_document(&line, &sites(), &Knowledge::new(Vec::new())).unwrap().unwrap()
}

#[test]
fn both_shapes_are_judged_as_our_own_measurements_are() {
    for version in [4, 5] {
        let cases = [
            (None, Status::Accessible, None),
            (Some("connection_reset"), Status::Blocked, Some(Mechanism::TlsReset)),
            (Some("generic_timeout_error"), Status::Blocked, Some(Mechanism::TlsTimeout)),
        ];
        for (failure, status, mechanism) in cases {
            let (evidence, verdict) = judged(&envelope(&keys(version, failure)));
            let told = format!("version {version}, {failure:?}: {:?}", verdict.reasons);
            assert_eq!((verdict.status, verdict.mechanism), (status, mechanism), "{told}");
            assert_eq!(evidence.measurement.vantage.as_str(), "AS9198-KZ");
            assert_eq!(evidence.measurement.site.as_str(), "fergana");
            assert_eq!(evidence.measurement.started_at.to_string(), "2023-06-01T10:20:30.000Z");
            assert_eq!(evidence.measurement.elapsed.as_seconds(), 12.5);
            assert_eq!(evidence.controls[0].id.as_str(), "ooni-th");
        }
    }
}

#[test]
fn an_answer_over_https_proves_a_handshake_that_was_not_recorded() {
    let mut old = keys(4, None);
    old["tls_handshakes"] = Value::Null;
    let (evidence, verdict) = judged(&envelope(&old));
    assert_eq!(verdict.status, Status::Accessible, "{:?}", verdict.reasons);
    assert_eq!(evidence.measurement.tls[0].chain[0].subject, "not recorded");
    old["requests"][0]["request"]["url"] = json!("http://www.fergana.media/");
    assert!(judged(&envelope(&old)).0.measurement.tls.is_empty());
}

#[test]
fn without_control_or_helper_nothing_is_called_blocked() {
    let failing = keys(5, Some("generic_timeout_error"));
    let mut no_control = failing.clone();
    no_control["control"] = Value::Null;
    let mut unreachable = failing.clone();
    unreachable["control_failure"] = json!("generic_timeout_error");
    unreachable["control"] = json!({});
    let mut down = failing;
    down["control"]["tls_handshake"]["93.184.216.34:443"] =
        json!({"status": false, "failure": "generic_timeout_error"});
    down["control"]["http_request"] = json!({"failure": "generic_timeout_error", "status_code": -1, "body_length": -1});
    for (keys, name) in
        [(no_control, "no control"), (unreachable, "helper not reached"), (down, "fails for the helper too")]
    {
        let (_, verdict) = judged(&envelope(&keys));
        assert_ne!(verdict.status, Status::Blocked, "{name}: {:?}", verdict.reasons);
    }
}

#[test]
fn a_lie_of_the_resolver_is_told_where_the_helper_knows_better() {
    let mut keys = keys(4, None);
    keys["queries"][0]["failure"] = json!("dns_nxdomain_error");
    keys["queries"][0]["answers"] = Value::Null;
    keys["tcp_connect"] = json!([]);
    keys["tls_handshakes"] = json!([]);
    keys["requests"] =
        json!([{"failure": "dns_nxdomain_error", "request": {"url": "https://www.fergana.media/"}, "response": null}]);
    keys["dns_experiment_failure"] = json!("dns_nxdomain_error");
    let (evidence, verdict) = judged(&envelope(&keys));
    assert_eq!(evidence.measurement.dns[0].answers[0].rcode, Some(3));
    assert!(evidence.measurement.http.is_empty(), "no request was sent");
    // How a lone NXDOMAIN weighs is the judge's: it must not be taken for an answer of the site.
    assert!(matches!(verdict.status, Status::Blocked | Status::Inconclusive), "{:?}", verdict.reasons);
}

#[test]
fn the_same_document_has_the_same_id_and_another_has_another() {
    let id = |document: &Value| judged(document).0.measurement.measurement_id;
    let first = envelope(&keys(5, None));
    assert_eq!(id(&first), id(&first.clone()));
    let mut later = first.clone();
    later["measurement_start_time"] = json!("2023-06-01 10:20:31");
    assert_ne!(id(&first), id(&later));
    let mut named = first.clone();
    named["measurement_uid"] = json!("20230601102030.123456_KZ_webconnectivity_0123456789abcdef");
    let mut renamed = named.clone();
    renamed["report_id"] = json!("");
    assert_eq!(id(&named), id(&renamed), "the uid alone tells");
}

#[test]
fn what_is_not_wanted_is_skipped_and_what_is_wrong_is_said() {
    let read = |document: &Value| {
        judged_document(&serde_json::to_vec(document).unwrap(), &sites(), &Knowledge::new(Vec::new()))
    };
    let good = envelope(&keys(5, None));
    let with = |key: &str, value: Value| {
        let mut document = good.clone();
        document[key] = value;
        document
    };
    assert_eq!(read(&with("test_name", json!("telegram"))).unwrap().unwrap_err(), Skipped::OtherTest);
    assert_eq!(read(&with("input", json!("https://example.org/"))).unwrap().unwrap_err(), Skipped::OtherSite);
    assert!(read(&with("input", Value::Null)).unwrap_err().contains("`input`"));
    assert!(read(&with("measurement_start_time", json!("yesterday"))).unwrap_err().contains("measurement_start_time"));
    assert!(read(&with("test_keys", json!({"queries": 5}))).unwrap_err().contains("test_keys"));
    let (evidence, _) = judged(&with("probe_asn", json!("nonsense")));
    assert_eq!(evidence.measurement.vantage.as_str(), "AS0-KZ");
    for empty in [json!({}), json!({"queries": null, "requests": null, "control": null, "tls_handshakes": null})] {
        assert_ne!(judged(&envelope(&empty)).1.status, Status::Blocked);
    }
}

#[test]
fn real_documents_are_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/facts/ooni-samples");
    let Ok(files) = std::fs::read_dir(folder) else {
        eprintln!("SKIPPED: there are no real documents beside the checkout");
        return;
    };
    let mut seen = 0;
    for file in files.filter_map(Result::ok).filter(|file| file.path().extension().is_some_and(|end| end == "json")) {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let Some(url) = document["input"].as_str().and_then(|input| Url::parse(input).ok()) else { continue };
        let site = Site { urls: vec![url], ..sites().remove(0) };
        let line = serde_json::to_vec(&document).unwrap();
        let read = judged_document(&line, &[site], &Knowledge::new(Vec::new()));
        let read = read.unwrap_or_else(|problem| panic!("{}: {problem}", file.path().display()));
        if let Ok((_, verdict)) = read {
            let theirs = (&document["test_keys"]["blocking"], &document["test_keys"]["accessible"]);
            println!("{}: {} {:?}; OONI: {theirs:?}", file.path().display(), verdict.status, verdict.mechanism);
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn bytes_of_any_kind_are_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _read = judged_document(&bytes, &sites(), &Knowledge::new(Vec::new()));
    }

    #[test]
    fn a_document_with_any_part_changed_is_no_trouble(at in any::<prop::sample::Index>(), to in 0..9usize, version in 4u8..=5) {
        let mut document = envelope(&keys(version, Some("connection_reset")));
        let odd = [
            Value::Null, json!(true), json!(-1), json!(1e300), json!("\u{202e}\u{0}x"), json!([]), json!({}),
            json!(["a", 1]), json!({"data": "?", "failure": 7}),
        ];
        let count = places(&mut document, usize::MAX, &Value::Null);
        places(&mut document, at.index(count), &odd[to]);
        let line = serde_json::to_vec(&document).unwrap();
        let _read = judged_document(&line, &sites(), &Knowledge::new(Vec::new()));
        let cut = at.index(line.len());
        let _cut = judged_document(&line[..cut], &sites(), &Knowledge::new(Vec::new()));
    }
}

/// Puts `value` at the place with this number, counted through all of the document; gives how many places there are.
fn places(document: &mut Value, number: usize, value: &Value) -> usize {
    fn walk(at: &mut Value, next: &mut usize, number: usize, value: &Value) {
        if *next == number {
            *at = value.clone();
        }
        *next += 1;
        match at {
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, next, number, value)),
            Value::Object(items) => items.values_mut().for_each(|item| walk(item, next, number, value)),
            _ => {}
        }
    }
    let mut next = 0;
    walk(document, &mut next, number, value);
    next
}
