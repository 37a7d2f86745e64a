//! `import ooni` as a process: files of all kinds, again and again, beside a running daemon.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use support::daemon::{Daemon, until};
use support::place::Place;
use support::world::World;

const TARGETS: &str =
    "[[site]]\nid = \"fergana\"\nname = \"Fergana\"\ncountry = \"KZ\"\nurls = [\"https://fergana.media/\"]\n";

/// A document of day `day` of 2023, measured from network `asn`: the site answers, or its greeting is swallowed.
fn document(day: u32, asn: u32, blocked: bool) -> String {
    let start = format!("2023-{:02}-{:02} 10:20:30", 1 + day / 28, 1 + day % 28);
    let failure = if blocked { json!("generic_timeout_error") } else { Value::Null };
    let response =
        if blocked { Value::Null } else { json!({"code": 200, "body": "<title>Fergana</title>", "headers": {}}) };
    json!({
        "data_format_version": "0.2.0", "input": "https://fergana.media/", "measurement_start_time": start,
        "probe_asn": format!("AS{asn}"), "probe_cc": "KZ", "report_id": format!("r{day}-{asn}"), "test_name": "web_connectivity",
        "test_runtime": 10.0, "test_keys": {
            "queries": [{"answers": [{"answer_type": "A", "ipv4": "93.184.216.34"}], "engine": "system", "failure": null,
                "hostname": "fergana.media", "query_type": "A"}],
            "tcp_connect": [{"ip": "93.184.216.34", "port": 443, "status": {"failure": null, "success": true}}],
            "tls_handshakes": [{"address": "93.184.216.34:443", "failure": failure, "server_name": "fergana.media"}],
            "requests": [{"failure": failure, "request": {"url": "https://fergana.media/"}, "response": response}],
            "control": {"tcp_connect": {"93.184.216.34:443": {"status": true, "failure": null}},
                "http_request": {"status_code": 200, "failure": null, "title": "Fergana", "headers": {}, "body_length": 100},
                "dns": {"failure": null, "addrs": ["93.184.216.34"]}},
            "control_failure": null,
        },
    })
    .to_string()
}

/// A year of one network, one measurement a day: blocked from day 60 to day 199.
fn year(asn: u32) -> Vec<String> {
    (0..300).map(|day| document(day, asn, (60..200).contains(&day))).collect()
}

fn place() -> Place {
    Place::with(&[("targets.toml", TARGETS)])
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn spans(place: &Place) -> Vec<Value> {
    serde_json::from_str(&place.good(&["history", "--source", "ooni", "--format", "json"])).unwrap()
}

#[test]
fn a_year_in_any_order_is_one_block_with_a_day_on_either_side() {
    let place = place();
    // The second half first.
    let lines = year(9198);
    place.write("b.jsonl", &lines[150..].join("\n"));
    place.write("a.jsonl", &format!("{}\nno document\n{{\"a\": 1}}\n", lines[..150].join("\n")));
    let told =
        json_of(&place.good(&["import", "ooni", "b.jsonl", "a.jsonl", "--bad", "bad.jsonl", "--format", "json"]));
    assert_eq!((&told["imported"], &told["bad"], &told["spans"]), (&300.into(), &2.into(), &1.into()), "{told}");
    assert_eq!((&told["bad_lines"][0][0], &told["bad_lines"][0][1]), (&"a.jsonl".into(), &151.into()), "{told}");
    assert_eq!(place.read("bad.jsonl"), "no document\n{\"a\": 1}\n");

    let found = spans(&place);
    assert_eq!(found.len(), 1);
    let span = &found[0];
    assert_eq!(
        (&span["vantage"], &span["source"], &span["mechanism"]),
        (&"AS9198-KZ".into(), &"ooni".into(), &"tls.timeout".into())
    );
    let day = |text: &Value| text.as_str().unwrap()[..10].to_owned();
    assert_eq!(day(&span["start"]["earliest"]), "2023-03-04", "the last good day");
    assert_eq!(day(&span["end"]["latest"]), "2023-08-05", "the first good day: {span}");
    assert_eq!(span["measurements"], 140);

    // Nothing changes by importing again: neither by the files nor by their documents.
    let again = json_of(&place.good(&["import", "ooni", "a.jsonl", "b.jsonl", "--format", "json"]));
    assert_eq!((&again["files_known"], &again["imported"]), (&2.into(), &0.into()), "{again}");
    let anew = json_of(&place.good(&["import", "ooni", "--again", "a.jsonl", "b.jsonl", "--format", "json"]));
    assert_eq!(
        (&anew["lines"], &anew["spans_new"], &anew["spans_gone"]),
        (&302.into(), &0.into(), &0.into()),
        "{anew}"
    );
    assert_eq!(spans(&place), found);
    assert_eq!(place.good(&["measurements"]).lines().count(), 300);
    // One dictionary serves the series, also the next time.
    let record = rusqlite::Connection::open(place.path("blockspan.db")).unwrap();
    let count = |sql: &str| record.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM dictionary"), 1);
    assert_eq!(count("SELECT count(*) FROM measurement WHERE dictionary IS NULL"), 0);
    let chart = place.good(&["history", "fergana", "--format", "chart"]);
    assert!(chart.contains("ooni AS9198-KZ"), "{chart}");
}

#[test]
fn packed_files_and_standard_input_are_told_by_what_they_are() {
    let place = place();
    let text = year(9198).join("\n");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    std::fs::write(place.path("one"), gz.finish().unwrap()).unwrap();
    std::fs::write(place.path("two"), zstd::encode_all(year(29355).join("\n").as_bytes(), 1).unwrap()).unwrap();
    let told = json_of(&place.good(&["import", "ooni", "one", "two", "--format", "json"]));
    assert_eq!((&told["imported"], &told["spans"]), (&600.into(), &2.into()), "{told}");
    let mut child = place
        .command(&["import", "ooni", "-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(year(21299).join("\n").as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(json_of(&String::from_utf8(ended.stdout).unwrap())["imported"], 300);
    let by_country = json_of(&place.good(&["history", "--by", "country", "--source", "ooni", "--format", "json"]));
    assert_eq!(
        (&by_country[0]["agreement"], &by_country[0]["networks_watched"]),
        (&"agreed".into(), &3.into()),
        "{by_country}"
    );
}

#[test]
fn wrong_input_is_refused_with_what_to_do() {
    let place = place();
    place.write("letter.txt", "Dear editor,\nthese are no measurements.\n");
    place.run(&["import", "ooni", "letter.txt"]).refused(1, &["no line could be read"]);
    place.run(&["import", "ooni", "missing.jsonl"]).refused(1, &["missing.jsonl cannot be read"]);
    place.run(&["import", "ooni", "--site", "fergna", "letter.txt"]).refused(2, &["fergana"]);
    place.run(&["import", "ooni", "."]).refused(1, &["it is a directory"]);
    place.write("blockspan.toml", "[[vantage]]\nid = \"AS9198-KZ\"\n");
    place.run(&["config", "check"]).refused(2, &["name of an imported network", "another pseudonym"]);
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let place = place();
    let mut lines = Vec::new();
    for asn in 1..=40 {
        lines.extend(year(asn));
    }
    place.write("all.jsonl", &lines.join("\n"));
    let mut command = place.command(&["import", "ooni", "all.jsonl"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("something is in the record", || {
        let reader = blockspan::store::Reader::open(&place.path("blockspan.db")).ok()?;
        (reader.watched(&blockspan::store::SpanFilter::default()).ok()?.len() > 2).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let told = json_of(&place.good(&["import", "ooni", "all.jsonl", "--format", "json"]));
    assert!(told["lines_known"].as_u64().unwrap() > 0, "{told}");
    assert_eq!(told["lines_known"].as_u64().unwrap() + told["lines"].as_u64().unwrap(), 12_000, "{told}");
    let found = spans(&place);
    assert_eq!(found.len(), 40, "one block a network");
    assert!(found.iter().all(|span| span["measurements"] == 140));
    assert_eq!(place.good(&["measurements"]).lines().count(), 12_000);
}

#[test]
fn a_daemon_that_measures_meanwhile_loses_nothing() {
    let world = World::start();
    let place = world.place(&["news", "blog"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    place.write("targets.toml", &format!("{TARGETS}{}", world.targets(&["news", "blog"])));
    // The listed site of the import is not there in this small world: it is down, and no concern of this test.
    let daemon = Daemon::start(&place);
    let mut lines = Vec::new();
    for asn in 1..=20 {
        lines.extend(year(asn));
    }
    place.write("all.jsonl", &lines.join("\n"));
    let told = json_of(&place.good(&["import", "ooni", "all.jsonl", "--format", "json"]));
    assert_eq!((&told["imported"], &told["spans"]), (&6000.into(), &20.into()), "{told}");
    std::thread::sleep(Duration::from_secs(2));
    daemon.metric_becomes("blockspan_records_waiting", &[], 0.0);
    assert_eq!(daemon.metric("blockspan_records_dropped_total", &[]), Some(0.0));
    let said = daemon.stop(Signal::SIGTERM);
    assert!(!said.contains("cannot store"), "{said}");
    // What is old is not what is past its time: the daemon keeps what was imported, and does not go on with it.
    let daemon = Daemon::start(&place);
    std::thread::sleep(Duration::from_secs(2));
    daemon.stop(Signal::SIGTERM);
    assert_eq!(spans(&place).len(), 20);
}
