//! The daemon, and `check`, as processes against a small world on loopback.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use blockspan::model::Timestamp;
use nix::sys::signal::Signal;
use serde_json::Value;

use support::daemon::{Daemon, Process, until};
use support::place::Place;
use support::world::World;

/// Rounds so far apart that only the first one falls into a test.
const RARELY: &str = "interval = \"1h\"\ntls_timeout = \"2s\"";
/// As often as can be, and with little patience for a swallowed ClientHello.
const OFTEN: &str = "interval = \"1s\"\ntls_timeout = \"700ms\"";

/// What DESIGN 7 promises of `check --format json`.
const CHECK_FIELDS: [&str; 21] = [
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

fn lines(ndjson: &str) -> Vec<Value> {
    ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn history(place: &Place) -> Vec<Value> {
    serde_json::from_str(&place.good(&["history", "--source", "measured", "--format", "json"])).unwrap()
}

/// The keys of an object in the order in which they stand in the text.
fn keys_in_order(line: &str, object: &Value) -> Vec<String> {
    let at = |key: &str| line.find(&format!("\"{key}\":")).unwrap();
    let mut keys: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
    keys.sort_by_key(|key| at(key));
    keys
}

#[test]
fn once_records_every_url_and_the_commands_read_it() {
    let world = World::start();
    let place = world.place(&["news", "blog"], RARELY);
    let ended = place.run(&["run", "--once"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert_eq!((world.requests("news"), world.requests("blog")), (1, 1));

    let measurements = lines(&place.good(&["measurements", "--format", "ndjson"]));
    let mut sites: Vec<&str> = measurements.iter().map(|line| line["site"].as_str().unwrap()).collect();
    sites.sort_unstable();
    assert_eq!(sites, ["blog", "news"]);
    assert!(measurements.iter().all(|line| line["status"] == "accessible"), "{measurements:?}");
    assert!(measurements.iter().all(|line| line["vantage"] == "here"));

    let status = place.good(&["status"]);
    assert!(status.contains("Nothing is blocked.") && status.contains("2 accessible"), "{status}");
    let of_news = lines(&place.good(&["measurements", "news"]));
    assert_eq!(of_news.len(), 1);
    assert_eq!(history(&place), [] as [Value; 0]);
}

#[test]
fn it_says_where_to_look_and_answers_there() {
    let world = World::start();
    let place = world.place(&["news"], RARELY);
    let daemon = Daemon::start(&place);
    let said = daemon.process.said();
    assert!(said.contains("/metrics") && said.contains("blockspan.db"), "{said}");

    assert_eq!(daemon.get("/-/healthy").status, 200);
    until("it is ready", || (daemon.get("/-/ready").status == 200).then_some(()));
    let of_news = ["site=\"news\"", "vantage=\"here\"", "status=\"accessible\""];
    daemon.metric_becomes("blockspan_site_status", &of_news, 1.0);
    for other in ["blocked", "denied", "down", "offline", "inconclusive"] {
        let labels = ["site=\"news\"", &format!("status=\"{other}\"")];
        assert_eq!(daemon.metric("blockspan_site_status", &labels), Some(0.0), "{other}");
    }
    daemon.metric_becomes("blockspan_vantage_up", &["vantage=\"here\""], 1.0);
    assert_eq!(daemon.metric("blockspan_config_last_reload_successful", &[]), Some(1.0));
    let page = daemon.get("/");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("text/html"), "{}", page.head);
    assert!(page.body.contains("Site news") && page.body.contains("accessible"), "{}", page.body);
    assert_eq!(daemon.get("/nothing").status, 404);
    daemon.says("accessible");
}

#[test]
fn a_second_one_on_the_same_database_is_refused() {
    let world = World::start();
    let place = world.place(&["news"], RARELY);
    let first = Daemon::start(&place);
    let holder = format!("process {}", first.process.id());
    for arguments in [&["run", "--listen", "127.0.0.1:0"][..], &["run", "--once"]] {
        place.run(arguments).refused(1, &["in use by another blockspan", &holder, "--store"]);
    }
    assert_eq!(first.get("/-/healthy").status, 200);
}

#[test]
fn an_address_that_is_taken_is_told() {
    let world = World::start();
    let place = world.place(&["news"], RARELY);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.run(&["run", "--listen", &address]).refused(1, &["cannot serve on", &address, "--listen"]);
}

#[test]
fn sigterm_stops_it_in_order() {
    stops_in_order(Signal::SIGTERM);
}

#[test]
fn sigint_stops_it_in_order() {
    stops_in_order(Signal::SIGINT);
}

fn stops_in_order(signal: Signal) {
    let world = World::start();
    // A swallowed greeting: a measurement is under way when the signal comes.
    world.swallow("news", true);
    let place = world.place(&["blog", "news"], OFTEN);
    let daemon = Daemon::start(&place);
    daemon.metric_becomes("blockspan_site_status", &["site=\"blog\"", "status=\"accessible\""], 1.0);
    daemon.metric_becomes("blockspan_probes_in_flight", &[], 1.0);
    let said = daemon.stop(signal);
    assert!(said.contains(signal.as_str()) && said.contains("stopped in order"), "{said}");
    let before = lines(&place.good(&["measurements", "blog"]));
    assert!(!before.is_empty());
    // The database is whole and free for the next one.
    assert_eq!(place.run(&["run", "--once"]).code, Some(0));
    assert_eq!(lines(&place.good(&["measurements", "blog"])).len(), before.len() + 1);
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let world = World::start();
    world.swallow("news", true);
    let place = world.place(&["news"], "interval = \"1h\"\ntls_timeout = \"5s\"");
    let mut daemon = Daemon::start(&place);
    daemon.metric_becomes("blockspan_probes_in_flight", &[], 1.0);
    daemon.process.signal(Signal::SIGTERM);
    daemon.says("once more to stop at once");
    daemon.process.signal(Signal::SIGTERM);
    // Sooner than the five seconds that measurements get to finish.
    assert_eq!(daemon.process.wait(Duration::from_secs(4)), Some(1), "{}", daemon.process.said());
    // What was written before is whole.
    place.good(&["status"]);
}

#[test]
fn a_block_outlives_the_sudden_death_of_the_daemon() {
    let world = World::start();
    let place = world.place(&["news"], OFTEN);
    let of_news = |status: &str| ["site=\"news\"".to_owned(), format!("status=\"{status}\"")];
    let becomes = |daemon: &Daemon, status: &str| {
        let labels = of_news(status);
        daemon.metric_becomes("blockspan_site_status", &[&labels[0], &labels[1]], 1.0);
    };

    let mut daemon = Daemon::start(&place);
    becomes(&daemon, "accessible");
    let began = Timestamp::now();
    world.swallow("news", true);
    becomes(&daemon, "blocked");
    until("the span is in the record", || (!history(&place).is_empty()).then_some(()));
    daemon.process.signal(Signal::SIGKILL);
    assert_eq!(daemon.process.wait(Duration::from_secs(5)), None);
    let before = history(&place);
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(before[0]["ongoing"], true);

    let daemon = Daemon::start(&place);
    // Known from the record, before anything has been measured anew.
    assert_eq!(daemon.metric("blockspan_site_status", &["site=\"news\"", "status=\"blocked\""]), Some(1.0));
    until("the span goes on", || {
        (history(&place)[0]["measurements"].as_u64() > before[0]["measurements"].as_u64()).then_some(())
    });
    let ended = Timestamp::now();
    world.swallow("news", false);
    becomes(&daemon, "accessible");
    daemon.stop(Signal::SIGTERM);

    let after = history(&place);
    assert_eq!(after.len(), 1, "{after:?}");
    for unchanged in ["span_id", "site", "url", "vantage", "start", "mechanism"] {
        assert_eq!(after[0][unchanged], before[0][unchanged], "{unchanged}");
    }
    assert_eq!(after[0]["mechanism"], "tls.timeout");
    assert_eq!(after[0]["ongoing"], false);
    for (bound, instant) in [("start", began), ("end", ended)] {
        let side = |side: &str| after[0][bound][side].as_str().unwrap().parse::<Timestamp>().unwrap();
        assert!(side("earliest") <= instant && instant <= side("latest"), "{bound} was at {instant}: {after:?}");
    }
}

#[test]
fn a_site_is_added_without_a_restart() {
    let world = World::start();
    let place = world.place(&["news"], RARELY);
    let daemon = Daemon::start(&place);
    let measured = |name: &str| {
        let site = format!("site=\"{name}\"");
        daemon.metric_becomes("blockspan_site_status", &[&site, "status=\"accessible\""], 1.0);
    };
    measured("news");

    place.write("targets.toml", &world.targets(&["news", "asked"]));
    assert_eq!(daemon.post("/-/reload").status, 200);
    measured("asked");
    daemon.says("after a changed file");

    place.write("targets.toml", &world.targets(&["news", "asked", "noticed"]));
    measured("noticed");

    assert!(daemon.get("/").body.contains("Site noticed"));
    // A site that was taken out is no longer told of.
    place.write("targets.toml", &world.targets(&["asked"]));
    until("it is gone", || daemon.metric("blockspan_site_status", &["site=\"news\""]).is_none().then_some(()));
    assert_eq!(world.requests("asked"), 1, "a reload must not measure again what is not due");
}

#[test]
fn sighup_reads_the_files_again() {
    let world = World::start();
    let place = world.place(&["news"], RARELY);
    let daemon = Daemon::start(&place);
    // At once: from the first line on, a SIGHUP must not end the daemon, nor be lost.
    daemon.process.signal(Signal::SIGHUP);
    daemon.says("configuration read again after SIGHUP: nothing has changed");
    place.write("targets.toml", &world.targets(&["news", "hung-up"]));
    daemon.process.signal(Signal::SIGHUP);
    daemon.metric_becomes("blockspan_site_status", &["site=\"hung-up\"", "status=\"accessible\""], 1.0);
}

#[test]
fn a_bad_file_keeps_the_old_configuration() {
    let world = World::start();
    let place = world.place(&["news"], OFTEN);
    let daemon = Daemon::start(&place);
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"accessible\""], 1.0);

    place.write("blockspan.toml", "[probe]\nintervall = \"60s\"\ntls_timeout = \"soon\"\n");
    let answer = daemon.post("/-/reload");
    assert_eq!(answer.status, 500);
    for fault in ["blockspan.toml:2:1", "intervall", "expected one of", "blockspan.toml:3:15", "`tls_timeout`"] {
        assert!(answer.body.contains(fault), "`{fault}` is not in:\n{}", answer.body);
    }
    assert_eq!(daemon.metric("blockspan_config_last_reload_successful", &[]), Some(0.0));
    let page = daemon.get("/").body;
    assert!(page.contains("The configuration was refused") && page.contains("intervall"), "{page}");
    daemon.says("the old configuration goes on");
    let before = world.requests("news");
    until("it goes on measuring", || (world.requests("news") > before + 1).then_some(()));
    assert_eq!(daemon.get("/-/ready").status, 200);

    // The file that was bad is still watched: mending it is enough.
    place.write("blockspan.toml", &world.config(OFTEN));
    daemon.metric_becomes("blockspan_config_last_reload_successful", &[], 1.0);
    until("the page is mended", || (!daemon.get("/").body.contains("was refused")).then_some(()));
}

#[test]
fn only_a_post_reloads() {
    let world = World::start();
    let place = world.place(&["news"], RARELY);
    let daemon = Daemon::start(&place);
    assert_eq!(daemon.get("/-/reload").status, 405);
    assert!(!daemon.process.said().contains("read again"), "{}", daemon.process.said());
}

#[test]
fn check_tells_an_accessible_site() {
    let world = World::start();
    let place = world.place(&["news"], RARELY);
    let url = world.url("news");
    let json = place.good(&["check", &url, "--format", "json"]);
    let objects = lines(&json);
    assert_eq!(objects.len(), 1, "{json}");
    assert_eq!(keys_in_order(&json, &objects[0]), CHECK_FIELDS);
    let object = &objects[0];
    assert_eq!((&object["site"], &object["url"]), (&"news".into(), &url.as_str().into()));
    assert_eq!((&object["status"], &object["mechanism"]), (&"accessible".into(), &Value::Null));
    for layer in ["dns", "tcp", "tls", "http"] {
        assert!(!object[layer].as_array().unwrap().is_empty(), "{layer}: {json}");
    }

    let human = place.good(&["check", "news"]);
    assert!(human.contains("ACCESSIBLE") && human.contains(&url), "{human}");
    // `check` keeps no record.
    assert!(!place.path("blockspan.db").exists());
}

#[test]
fn check_tells_a_swallowed_client_hello() {
    let world = World::start();
    let place = world.place(&["news", "blog"], RARELY);
    world.swallow("news", true);
    let url = world.url("news");
    let ended = place.run(&["check", &url, "--format", "json"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let objects = lines(&ended.stdout);
    assert_eq!(objects.len(), 1);
    assert_eq!((&objects[0]["status"], &objects[0]["mechanism"]), (&"blocked".into(), &"tls.timeout".into()));
    assert_eq!(objects[0]["control"]["id"], "abroad");
    assert_eq!(objects[0]["control"]["status"], "accessible");
    assert!(!objects[0]["reasons"].as_array().unwrap().is_empty());

    // The worst of several decides.
    let both = place.run(&["check", "news", "blog"]);
    assert_eq!(both.code, Some(3), "{both:?}");
    assert!(both.stdout.contains("BLOCKED") && both.stdout.contains("ACCESSIBLE"), "{}", both.stdout);
}

#[test]
fn without_a_network_it_is_offline_and_never_blocked() {
    let world = World::start();
    let place = world.place(&["news"], RARELY);
    place.write("blockspan.toml", &world.config_without_network());
    let ended = place.run(&["check", "news", "--format", "json"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert_eq!(lines(&ended.stdout)[0]["status"], "offline", "{}", ended.stdout);

    // Nor does it become so by being measured again and again.
    let daemon = Daemon::start(&place);
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"offline\""], 1.0);
    let counted = ["vantage=\"here\"", "status=\"offline\""];
    until("it has measured twice", || (daemon.metric("blockspan_measurements_total", &counted)? >= 2.0).then_some(()));
    assert_eq!(daemon.metric("blockspan_vantage_up", &["vantage=\"here\""]), Some(0.0));
    assert_eq!(daemon.metric("blockspan_measurements_total", &["status=\"blocked\""]), Some(0.0));
    daemon.stop(Signal::SIGTERM);
    assert_eq!(history(&place).iter().filter(|span| span["status"] == "blocked").count(), 0);
}

#[test]
fn a_bad_configuration_starts_no_daemon() {
    let world = World::start();
    let place = world.place(&["news"], "interval = \"never\"");
    place.run(&["run"]).refused(2, &["blockspan.toml:2:12", "`interval` is not a length of time"]);
    assert!(!place.path("blockspan.db").exists());
    let missing =
        Process::spawn(&mut place.command(&["run", "--config", "nowhere.toml"])).wait(Duration::from_secs(10));
    assert_eq!(missing, Some(2));
}

#[test]
fn a_daemon_that_is_told_to_be_quiet_goes_on_measuring() {
    let world = World::start();
    let place = world.place(&["news"], OFTEN);
    let mut process = Process::spawn(&mut place.command(&["-qq", "run", "--listen", "127.0.0.1:0"]));
    until("it measures", || (world.requests("news") >= 3).then_some(()));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(Duration::from_secs(10)), Some(0), "{}", process.said());
    assert_eq!(process.said(), "");
}

#[test]
fn the_api_tells_sites_vantages_and_spans_and_joins_them() {
    let world = World::start();
    let place = world.place(&["news", "blog"], OFTEN);
    let daemon = Daemon::start(&place);
    until("it measures", || (world.requests("news") >= 2).then_some(()));
    world.swallow("news", true);
    daemon.says("BLOCKED");
    daemon.metric_becomes("blockspan_records_waiting", &[], 0.0);
    let get = |path: &str| -> Value {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    };
    let spans = until("the span is stored", || {
        let spans = get("/api/v1/spans?status=blocked");
        (!spans["spans"].as_array().unwrap().is_empty()).then_some(spans)
    });
    assert_eq!((&spans["spans"][0]["site"], &spans["next"]), (&"news".into(), &Value::Null));
    assert_eq!(get("/api/v1/spans?site=blog")["spans"], Value::Array(Vec::new()));
    assert_eq!(get("/api/v1/vantages")[0]["id"], "here");
    let sites = get("/api/v1/sites");
    assert_eq!(sites.as_array().unwrap().len(), 2);
    let joined = get("/api/v1/spans?by=country");
    assert_eq!(
        (&joined[0]["agreement"], &joined[0]["country"]),
        (&"one_network_only".into(), &"KZ".into()),
        "{joined}"
    );
    assert_eq!(get("/api/v1/spans?by=network")[0]["network"], "here");
    let missing = daemon.get("/api/v2/spans");
    assert!(missing.status == 404 && missing.body.contains("/api/v1/spans"), "{missing:?}");
}
