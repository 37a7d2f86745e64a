//! The files that the program writes, read by others: OONI's own library, DuckDB and pandas, and by our importer.
//!
//! What needs Python runs in the interpreter that `BLOCKSPAN_PYTHON` names (`tests/run files` makes it); without it those
//! tests say that they are skipped.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use support::place::Place;
use support::python::interpreter;
use support::world::World;

const TARGETS: &str = "[[site]]\nid = \"fergana\"\nname = \"Fergana\"\ncountry = \"KZ\"\nurls = [\"https://fergana.media/\"]\n\
    [[site]]\nid = \"ratel\"\nname = \"Ratel\"\ncountry = \"KZ\"\nurls = [\"http://ratel.kz/\"]\n";
const ADDRESS: &str = "93.184.216.34";
/// Days that are measured; the block lies in the middle third.
const DAYS: u32 = 60;

/// What a network meets at a site in the days of its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Page,
    Nxdomain,
    Forged,
    Tcp(&'static str),
    Tls(&'static str),
    Stranger,
    BlockPage,
    Down,
}

const BLOCKS: [(u32, Met, &str); 8] = [
    (101, Met::Nxdomain, "dns.nxdomain"),
    (102, Met::Forged, "dns.forged"),
    (103, Met::Tcp("generic_timeout_error"), "tcp.timeout"),
    (104, Met::Tcp("connection_reset"), "tcp.reset"),
    (105, Met::Tls("generic_timeout_error"), "tls.timeout"),
    (106, Met::Tls("connection_reset"), "tls.reset"),
    (107, Met::Stranger, "tls.mitm"),
    (108, Met::BlockPage, "http.blockpage"),
];

/// A document of day `day` from network `asn`, as OONI's probe writes it.
fn document(day: u32, asn: u32, met: Met) -> String {
    let clear = met == Met::BlockPage || asn == 108;
    let (url, host, port) =
        if clear { ("http://ratel.kz/", "ratel.kz", 80) } else { ("https://fergana.media/", "fergana.media", 443) };
    let endpoint = format!("{ADDRESS}:{port}");
    let good = json!({"answers": [{"answer_type": "A", "ipv4": ADDRESS}], "engine": "getaddrinfo", "failure": null,
        "hostname": host, "query_type": "A", "t0": 0.0, "t": 0.02});
    let mut own = good.clone();
    let mut queries = Vec::new();
    let (mut tcp, mut tls): (Option<&str>, Option<&str>) = (None, None);
    let mut dialled = ADDRESS;
    match met {
        Met::Nxdomain => {
            own["answers"] = Value::Null;
            own["failure"] = json!("dns_nxdomain_error");
        }
        Met::Forged => {
            own["answers"][0]["ipv4"] = json!("92.47.1.1");
            dialled = "92.47.1.1";
            tls = Some("ssl_unknown_authority");
        }
        Met::Tcp(failure) => tcp = Some(failure),
        Met::Tls(failure) => tls = Some(failure),
        Met::Stranger => tls = Some("ssl_unknown_authority"),
        Met::Down => tcp = Some("generic_timeout_error"),
        Met::Page | Met::BlockPage => {}
    }
    queries.push(own);
    if met == Met::Forged {
        let mut reference = good;
        reference["engine"] = json!("doh");
        reference["resolver_address"] = json!("https://dns.google/dns-query");
        queries.push(reference);
    }
    let failure = tcp.or(tls);
    let at = format!("{dialled}:{port}");
    let connects = if met == Met::Nxdomain {
        json!([])
    } else {
        json!([{"ip": dialled, "port": port, "status": {"failure": tcp, "success": tcp.is_none()}, "t0": 0.03, "t": 0.07}])
    };
    let chain = json!([{"format": "base64", "data": "MAA="}]);
    let handshakes = if clear || tcp.is_some() || met == Met::Nxdomain {
        json!([])
    } else {
        json!([{"address": at, "failure": tls, "server_name": host, "tls_version": "TLSv1.3", "negotiated_protocol": "h2",
            "peer_certificates": chain, "t0": 0.1, "t": 0.4}])
    };
    // At the address that the reference gives, the site proves itself.
    let (mut connects, mut handshakes) = (connects, handshakes);
    let mut carried = at.clone();
    if met == Met::Forged {
        carried = endpoint.clone();
        let connect =
            json!({"ip": ADDRESS, "port": port, "status": {"failure": null, "success": true}, "t0": 0.4, "t": 0.44});
        connects.as_array_mut().unwrap().push(connect);
        handshakes.as_array_mut().unwrap().push(
            json!({"address": endpoint, "failure": null, "server_name": host, "tls_version": "TLSv1.3",
            "negotiated_protocol": "h2", "peer_certificates": [{"format": "base64", "data": "MAA="}], "t0": 0.44, "t": 0.5}),
        );
    }
    let unanswered = (failure.is_some() && met != Met::Forged) || met == Met::Nxdomain;
    let title =
        if met == Met::BlockPage { "Доступ ограничен" } else { "Independent news of the region" };
    let headers = if met == Met::BlockPage { json!({}) } else { json!({"X-Region-Node": "3"}) };
    let requests = if unanswered {
        json!([])
    } else {
        json!([{"address": carried, "failure": null, "request": {"url": url, "method": "GET"}, "t0": 0.4, "t": 0.9,
            "response": {"code": 200, "body": format!("<title>{title}</title>"), "headers": headers}}])
    };
    let page = if met == Met::Down {
        json!({"status_code": -1, "failure": "generic_timeout_error", "title": "", "headers": {}, "body_length": -1})
    } else {
        json!({"status_code": 200, "failure": null, "title": "Independent news of the region",
            "headers": {"X-Region-Node": "3"}, "body_length": 4000})
    };
    let down = (met == Met::Down).then_some("generic_timeout_error");
    let start = format!("2026-{:02}-{:02} 10:20:30", 1 + day / 28, 1 + day % 28);
    let mut document = json!({
        "data_format_version": "0.2.0", "input": url, "measurement_start_time": start, "probe_asn": format!("AS{asn}"),
        "probe_cc": "KZ", "report_id": format!("r{day}-{asn}"), "test_name": "web_connectivity", "test_runtime": 10.0,
        "test_keys": {
            "queries": queries, "tcp_connect": connects, "tls_handshakes": handshakes, "requests": requests,
            "control": {"tcp_connect": {}, "tls_handshake": {}, "http_request": page,
                "dns": {"failure": null, "addrs": [ADDRESS]}},
            "control_failure": null,
        },
    });
    document["test_keys"]["control"]["tcp_connect"][&endpoint] = json!({"status": down.is_none(), "failure": down});
    if !clear {
        document["test_keys"]["control"]["tls_handshake"][&endpoint] =
            json!({"status": down.is_none(), "failure": down});
    }
    document.to_string()
}

/// A record of many networks, each with its own kind of block, one that is down, and one whose helper is not reached.
fn record() -> Place {
    let mut lines = Vec::new();
    let blocks = BLOCKS.iter().map(|(asn, met, _)| (*asn, *met)).chain([(109, Met::Down), (110, Met::Page)]);
    for (asn, met) in blocks {
        for day in 0..DAYS {
            let inside = (DAYS / 3..2 * DAYS / 3).contains(&day);
            lines.push(document(day, asn, if inside { met } else { Met::Page }));
        }
    }
    let place = Place::with(&[("targets.toml", TARGETS)]);
    place.write("in.jsonl", &lines.join("\n"));
    place.good(&["import", "ooni", "in.jsonl"]);
    place
}

fn objects(ndjson: &str) -> Vec<Value> {
    ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a measurement was judged, by when, where and of what it is.
fn verdicts(place: &Place) -> Vec<String> {
    let mut told: Vec<String> = objects(&place.good(&["measurements"]))
        .iter()
        .map(|line| {
            let keys =
                ["started_at", "site", "vantage", "url", "status", "mechanism", "confidence", "rules", "partial"];
            keys.map(|key| line[key].to_string()).join(" ")
        })
        .collect();
    told.sort();
    told
}

/// The spans without their names and those of their measurements.
fn spans(place: &Place) -> Vec<String> {
    let list: Vec<Value> =
        serde_json::from_str(&place.good(&["history", "--source", "ooni", "--format", "json"])).unwrap();
    let mut told: Vec<String> = list
        .into_iter()
        .map(|mut span| {
            span.as_object_mut().unwrap().remove("span_id");
            span.to_string()
        })
        .collect();
    told.sort();
    told
}

#[test]
fn our_own_documents_give_the_same_verdicts_and_spans_again() {
    let first = record();
    first.good(&["measurements", "--format", "ooni", "--output", "out.jsonl"]);
    let second = Place::with(&[("targets.toml", TARGETS)]);
    second.write("out.jsonl", &first.read("out.jsonl"));
    let told: Value = serde_json::from_str(&second.good(&["import", "ooni", "out.jsonl", "--format", "json"])).unwrap();
    assert_eq!((&told["imported"], &told["bad"]), (&json!(DAYS * 10), &json!(0)), "{told}");
    assert_eq!(verdicts(&second), verdicts(&first));
    let found = spans(&first);
    for (asn, _, mechanism) in BLOCKS {
        let of = |span: &&String| span.contains(&format!("AS{asn}-KZ")) && span.contains(mechanism);
        assert!(found.iter().any(|span| of(&span)), "AS{asn} {mechanism}: {found:#?}");
    }
    assert_eq!(found.len(), BLOCKS.len(), "neither a site that is down nor one that answers is blocked: {found:#?}");
    assert_eq!(spans(&second), found);
    // Once more, and from the export of the second: nothing is lost on the way.
    second.good(&["measurements", "--format", "ooni", "--output", "again.jsonl"]);
    let third = Place::with(&[("targets.toml", TARGETS)]);
    third.write("again.jsonl", &second.read("again.jsonl"));
    third.good(&["import", "ooni", "again.jsonl"]);
    assert_eq!((verdicts(&third), spans(&third)), (verdicts(&first), found));
}

#[test]
fn what_the_daemon_measured_comes_back_with_its_verdict() {
    let world = World::start();
    world.swallow("blog", true);
    let place = world.place(&["news", "blog"], "interval = \"1h\"\ntls_timeout = \"2s\"");
    assert_eq!(place.run(&["run", "--once"]).code, Some(0));
    place.good(&["measurements", "--format", "ooni", "--output", "out.jsonl"]);
    // The same configuration: that loopback may be measured is part of what the judge knows.
    let other = world.place(&["news", "blog"], "");
    other.write("out.jsonl", &place.read("out.jsonl"));
    other.good(&["import", "ooni", "out.jsonl"]);
    let told = |place: &Place| {
        let mut told: Vec<String> = objects(&place.good(&["measurements"]))
            .iter()
            .map(|line| {
                ["site", "started_at", "status", "mechanism", "rules"].map(|key| line[key].to_string()).join(" ")
            })
            .collect();
        told.sort();
        told
    };
    assert_eq!(told(&other), told(&place));
    assert!(told(&place).iter().any(|line| line.contains("tls.timeout")), "{:?}", told(&place));
    assert!(objects(&other.good(&["measurements"])).iter().all(|line| line["vantage"] == "AS0-KZ"));
}

/// The output of a script with the interpreter of the tests, or nothing, said aloud, where there is none.
fn python(test: &str, script: &str, place: &Place) -> Option<String> {
    let python = interpreter(test)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(script);
    let pages = ["research.md", "data.md"].map(|page| Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page));
    let ended = Command::new(&python).arg("-I").arg(&script).args(pages).current_dir(place.path(".")).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{}: {stdout}{stderr}", script.display());
    Some(stdout.into_owned())
}

#[test]
fn oonidata_loads_our_documents_with_every_layer() {
    let place = record();
    place.good(&["measurements", "--format", "ooni", "--output", "out.jsonl"]);
    let Some(told) = python("oonidata_loads_our_documents_with_every_layer", "ooni.py", &place) else { return };
    let told: Value = serde_json::from_str(&told).unwrap();
    let wanted = objects(&place.read("out.jsonl"));
    let count = |layer: &str| -> usize {
        wanted.iter().map(|document| document["test_keys"][layer].as_array().map_or(0, Vec::len)).sum()
    };
    assert_eq!(told["documents"], json!(wanted.len()));
    for layer in ["queries", "tcp_connect", "tls_handshakes", "requests", "network_events"] {
        assert!(count(layer) > 100, "{layer}");
        assert_eq!(told[layer], json!(count(layer)), "{layer}");
    }
    let blocking: Vec<&str> = told["blocking"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(blocking, ["dns", "http-diff", "http-failure", "tcp_ip"]);
    assert_eq!(told["controls"], json!(wanted.len()));
}

#[test]
fn duckdb_and_pandas_read_the_same_from_every_format() {
    let place = record();
    for format in ["parquet", "csv", "ndjson"] {
        place.good(&["measurements", "--format", format, "--output", &format!("measurements.{format}")]);
        let all = ["history", "--source", "all", "--format", format, "--output", &format!("spans.{format}")];
        place.good(&all);
    }
    let Some(told) = python("duckdb_and_pandas_read_the_same_from_every_format", "tables.py", &place) else { return };
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told, json!({"measurements": DAYS * 10, "spans": BLOCKS.len()}));
}

#[test]
fn the_schemas_hold_what_is_written_and_nothing_else() {
    let place = record();
    place.good(&["measurements", "--output", "measurements.ndjson"]);
    place.good(&["history", "--source", "all", "--format", "ndjson", "--output", "spans.ndjson"]);
    place.good(&["measurements", "--format", "ooni", "--output", "out.jsonl"]);
    // What a daemon measures has more layers than an imported document.
    let world = World::start();
    let own = world.place(&["news", "blog"], "interval = \"1h\"\ntls_timeout = \"700ms\"");
    world.swallow("news", true);
    own.good(&["run", "--once"]);
    place.write("own.ndjson", &own.good(&["measurements"]));
    place.write("check.ndjson", &own.run(&["check", "news", "blog", "--format", "json"]).stdout);
    let Some(told) = python("the_schemas_hold_what_is_written_and_nothing_else", "schemas.py", &place) else { return };
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told,
        json!({"span": BLOCKS.len(), "measurement": DAYS * 10 + 2, "check": 2, "ooni-annotations": DAYS * 10})
    );
}
