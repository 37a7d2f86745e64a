//! `deploy/prometheus` and `deploy/grafana` against a real Prometheus that scrapes a real daemon: every query of every
//! rule and panel is asked and answers with series.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use support::daemon::{Daemon, Process, until};
use support::place::Place;
use support::world::World;

const OFTEN: &str = "interval = \"1s\"\ntls_timeout = \"700ms\"";
/// What no sound instrument shows: held by the unit tests of the rules instead.
const BY_UNIT_TEST: [&str; 4] = ["StoreTroubled", "ScheduleLag", "ClockStepped", "WebhookNotTaken"];
/// The uid that the provisioned data source has.
const SOURCE: &str = "blockspan-prometheus";

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// Whether a program is there; says so loudly where it is not.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("SKIPPED: {program} is not installed (Debian packages prometheus, prometheus-alertmanager)");
    }
    found
}

fn promtool(arguments: &[&str], folder: &Path, input: Option<&str>) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}:\n{}", String::from_utf8_lossy(&said));
}

/// Name and expression of each rule of a file.
fn rules(file: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(deploy("prometheus").join(file)).unwrap();
    let mut rules = Vec::new();
    let mut lines = text.lines().peekable();
    let mut name = None;
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if let Some(named) = ["- alert: ", "- record: "].iter().find_map(|key| trimmed.strip_prefix(key)) {
            name = Some(named.to_owned());
        } else if let Some(expression) = trimmed.strip_prefix("expr: ") {
            let indent = line.len() - line.trim_start().len();
            let mut expression = expression.trim_start_matches('|').to_owned();
            while let Some(more) = lines.next_if(|more| more.len() - more.trim_start().len() > indent) {
                expression.push('\n');
                expression.push_str(more.trim());
            }
            rules.push((name.take().unwrap(), expression));
        }
    }
    rules
}

fn dashboards() -> Vec<(String, Value)> {
    let mut found: Vec<(String, Value)> = fs::read_dir(deploy("grafana/dashboards"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Where each query of a dashboard stands, and the query.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut queries = Vec::new();
    for panel in list(dashboard, "/panels") {
        for target in list(panel, "/targets") {
            queries.push((text(&panel["title"]), text(&target["expr"])));
        }
    }
    for annotation in list(dashboard, "/annotations/list") {
        queries.push((text(&annotation["name"]), text(&annotation["expr"])));
    }
    queries
}

/// As Grafana does before it asks; a chosen site is the one that is blocked.
fn substituted(query: &str) -> String {
    let mut query = query.replace("$__rate_interval", "20s").replace("site=\"$site\"", "site=\"news\"");
    for variable in ["$country", "$site", "$vantage", "$instance"] {
        query = query.replace(variable, ".*");
    }
    assert!(!query.contains('$'), "an unknown variable in {query}");
    query
}

#[test]
fn the_rules_are_sound_and_every_alert_has_a_unit_test() {
    if !has("promtool") {
        return;
    }
    let folder = deploy("prometheus");
    promtool(&["check", "config", "prometheus.yml"], &folder, None);
    promtool(&["check", "rules", "blockspan.rules.yml", "blockspan.alerts.yml"], &folder, None);
    promtool(&["test", "rules", "blockspan.test.yml"], &folder, None);
    let tests = fs::read_to_string(folder.join("blockspan.test.yml")).unwrap();
    let page = include_str!("../docs/monitoring.md");
    for (name, _) in rules("blockspan.alerts.yml") {
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name} has no unit test");
        assert!(page.contains(&format!("`{name}`")), "docs/monitoring.md says nothing of {name}");
    }
}

#[test]
fn alertmanager_sends_news_to_the_newsroom_and_trouble_to_the_operators() {
    if !has("amtool") {
        return;
    }
    let file = deploy("prometheus/alertmanager.yml");
    let amtool = |arguments: &[&str]| {
        let output = Command::new("amtool").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "amtool {arguments:?}: {said}");
        said
    };
    let file = file.to_str().unwrap();
    amtool(&["check-config", file]);
    for (name, _) in rules("blockspan.alerts.yml") {
        let alert = format!("alertname={name}");
        let receiver = if name.starts_with("Site") { "newsroom" } else { "operators" };
        let told = amtool(&["config", "routes", "test", "--config.file", file, "--verify.receivers", receiver, &alert]);
        assert!(told.contains(receiver), "{name}: {told}");
    }
}

#[test]
fn grafana_finds_what_the_dashboards_name() {
    let source = fs::read_to_string(deploy("grafana/provisioning/datasources/blockspan.yml")).unwrap();
    assert!(source.contains(&format!("uid: {SOURCE}")));
    let all = dashboards();
    assert!(all.len() >= 4);
    for (name, dashboard) in &all {
        assert_eq!(dashboard["uid"], name.as_str(), "a file is called like its dashboard");
        assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39 && dashboard.get("__inputs").is_none(), "{name}");
        assert!(dashboard.get("id").is_none_or(Value::is_null), "{name}: an id belongs to one Grafana");
        let mut ids = BTreeSet::new();
        let mut taken: Vec<[u64; 4]> = Vec::new();
        for panel in list(dashboard, "/panels") {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: two panels of one id");
            let place = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            assert!(place[0] + place[2] <= 24, "{name}: {} is too wide", panel["title"]);
            let apart = |other: &[u64; 4]| {
                place[0] + place[2] <= other[0]
                    || other[0] + other[2] <= place[0]
                    || place[1] + place[3] <= other[1]
                    || other[1] + other[3] <= place[1]
            };
            assert!(taken.iter().all(apart), "{name}: {} lies upon another panel", panel["title"]);
            taken.push(place);
            assert!(list(panel, "/targets").next().is_some(), "{name}: {} asks nothing", panel["title"]);
        }
        let mut sources = Vec::new();
        named(dashboard, &mut sources);
        assert!(sources.iter().all(|uid| uid == SOURCE) && !sources.is_empty(), "{name}: {sources:?}");
        let known: BTreeSet<String> = list(dashboard, "/templating/list")
            .map(|variable| format!("${}", variable["name"].as_str().unwrap()))
            .chain(["$__rate_interval".to_owned()])
            .collect();
        for (title, query) in queries(dashboard) {
            for used in query.match_indices('$').map(|(at, _)| &query[at..]) {
                let end = used[1..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(used.len(), |end| end + 1);
                assert!(known.contains(&used[..end]), "{name}, {title}: no variable {}", &used[..end]);
            }
        }
    }
}

/// The uid of every data source that is named anywhere.
fn named(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(uid) = fields.get("datasource").and_then(|source| source["uid"].as_str()) {
                found.push(uid.to_owned());
            }
            fields.values().for_each(|field| named(field, found));
        }
        Value::Array(values) => values.iter().for_each(|value| named(value, found)),
        _ => {}
    }
}

/// A running Prometheus.
struct Prometheus {
    port: u16,
    _process: Process,
}

impl Prometheus {
    /// The configuration that we ship, but that it scrapes these and does so every second.
    fn start(place: &Place, targets: &[String]) -> Self {
        for file in ["blockspan.rules.yml", "blockspan.alerts.yml"] {
            fs::copy(deploy("prometheus").join(file), place.path(file)).unwrap();
        }
        let targets = targets.iter().map(|target| format!("\"{target}\"")).collect::<Vec<_>>().join(", ");
        let config = fs::read_to_string(deploy("prometheus/prometheus.yml")).unwrap();
        let config = config.replace("30s", "1s").replace("\"127.0.0.1:9645\"", &targets);
        place.write("prometheus.yml", &config);
        let mut command = Command::new("prometheus");
        command.current_dir(place.path(".")).args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"]);
        let (port, process) = serving(&command, "/-/ready", "Prometheus Server is Ready.");
        Self { port, _process: process }
    }

    /// The series that a query gives now.
    fn ask(&self, query: &str) -> Result<Vec<Value>, String> {
        let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let answer = get(self.port, &format!("/api/v1/query?query={encoded}")).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default()),
            _ => Err(answer["error"].to_string()),
        }
    }
}

/// The body of an answer. HTTP/1.0, so that it does not come in chunks.
fn get(port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).ok_or_else(|| io::Error::other("no answer"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server on a free port, and on another one where somebody took that meanwhile; gives the port once `path`
/// says there what only this server says.
fn serving(command: &Command, path: &str, says: &str) -> (u16, Process) {
    for _ in 0..5 {
        let port = free_port();
        let mut again = Command::new(command.get_program());
        again.current_dir(command.get_current_dir().unwrap()).args(command.get_args());
        let mut process = Process::spawn(again.arg(format!("--web.listen-address=127.0.0.1:{port}")));
        let serves = until("the server answers or has ended", || match get(port, path) {
            Ok(body) if body.trim() == says => Some(true),
            _ => process.has_ended().then_some(false),
        });
        if serves {
            return (port, process);
        }
        eprintln!("{command:?} did not start:\n{}", process.said());
    }
    panic!("{command:?} does not start");
}

#[test]
fn every_query_of_every_rule_and_panel_answers_with_series() {
    if !has("prometheus") || !has("promtool") {
        return;
    }
    let world = World::start();
    let place = world.place(&["news", "forum", "blog"], OFTEN);
    // Two networks that are censored alike, one vantage without any, a control and a receiver that are not there.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = place.read("blockspan.toml").replace("id = \"here\"\n", "id = \"here\"\nasn = 9198\n");
    let resolvers = config.lines().find(|line| line.starts_with("resolvers = [\"udp://")).unwrap().to_owned();
    let further = format!(
        "[[vantage]]\nid = \"there\"\ncountry = \"KZ\"\nasn = 21299\n{resolvers}\n\
         [[vantage]]\nid = \"dark\"\ncountry = \"KZ\"\nasn = 29355\nresolvers = [\"udp://{}\"]\n\
         [[vantage]]\nid = \"gone\"\nrole = \"control\"\nvia = \"socks5://127.0.0.1:{}\"\nresolvers = [\"tcp://127.0.0.1:9\"]\n\
         [[webhook]]\nid = \"away\"\nurl = \"http://127.0.0.1:{}/\"\nfirst_retry = \"1s\"\n",
        silent.local_addr().unwrap(),
        free_port(),
        free_port()
    );
    place.write("blockspan.toml", &format!("{config}{further}"));
    world.swallow("news", true);
    world.swallow("forum", true);
    let daemon = Daemon::start(&place);
    let nobody = format!("127.0.0.1:{}", free_port());
    let prometheus = Prometheus::start(&place, &[daemon.address.to_string(), nobody]);
    promtool(&["check", "metrics"], Path::new("."), Some(&daemon.get("/metrics").body));

    for site in ["news", "forum"] {
        for vantage in ["here", "there"] {
            let labels = [format!("site=\"{site}\""), format!("vantage=\"{vantage}\"")];
            let labels: Vec<&str> = labels.iter().map(String::as_str).chain(["status=\"blocked\""]).collect();
            daemon.metric_becomes("blockspan_site_status", &labels, 1.0);
        }
    }
    until("it has been scraped blocked", || {
        let seen = prometheus.ask("count(blockspan_site_status{site=\"forum\", status=\"blocked\"} == 1) >= 2").ok()?;
        (!seen.is_empty()).then_some(())
    });
    world.swallow("forum", false);
    for vantage in ["here", "there"] {
        let labels = ["site=\"forum\"", &format!("vantage=\"{vantage}\""), "status=\"blocked\""];
        daemon.metric_becomes("blockspan_site_status", &labels, 0.0);
    }
    daemon.metric_becomes("blockspan_vantage_silent", &["vantage=\"dark\"", "kind=\"offline\""], 1.0);
    place.write("blockspan.toml", "[prob]\n");
    daemon.says("the old configuration goes on");

    let mut asked: Vec<(String, String)> = Vec::new();
    for file in ["blockspan.rules.yml", "blockspan.alerts.yml"] {
        asked.extend(rules(file).into_iter().filter(|(name, _)| !BY_UNIT_TEST.contains(&name.as_str())));
    }
    assert!(asked.len() >= 13, "{asked:?}");
    for (name, dashboard) in dashboards() {
        asked.extend(
            queries(&dashboard).into_iter().map(|(title, query)| (format!("{name}: {title}"), substituted(&query))),
        );
        for variable in list(&dashboard, "/templating/list") {
            let definition = substituted(variable["definition"].as_str().unwrap());
            let (metric, label) = definition.strip_prefix("label_values(").unwrap().rsplit_once(", ").unwrap();
            let query = format!("count by ({}) ({metric})", label.trim_end_matches(')'));
            asked.push((format!("{name}: variable {}", variable["name"]), query));
        }
    }
    for (page, text) in
        [("metrics.md", include_str!("../docs/metrics.md")), ("research.md", include_str!("../docs/research.md"))]
    {
        let examples = text.split("```promql\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
        asked.extend(examples.map(|query| (page.to_owned(), query)));
    }
    assert!(asked.iter().filter(|(page, _)| page.ends_with(".md")).count() >= 9);
    let patience = Instant::now();
    let mut wanting = asked;
    while !wanting.is_empty() {
        wanting.retain(|(_, query)| prometheus.ask(query).map_or(true, |series| series.is_empty()));
        if patience.elapsed() > Duration::from_secs(90) {
            break;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    let told: Vec<String> =
        wanting.iter().map(|(what, query)| format!("{what}: {query}: {:?}", prometheus.ask(query))).collect();
    assert!(told.is_empty(), "no series for:\n{}", told.join("\n"));

    // What fires does so for what is so, once Prometheus has scraped the end of the block from both vantages.
    let true_alerts: BTreeMap<&str, BTreeSet<&str>> = [
        ("SiteBlocked", ["news"].into()),
        ("SiteBlockedInCountry", ["news"].into()),
        ("SiteUnblocked", ["forum"].into()),
    ]
    .into();
    until("the alerts fire for what is so", || {
        let firing = prometheus.ask("ALERTS{alertstate=\"firing\"}").ok()?;
        let sites = |name: &str| -> BTreeSet<&str> {
            let of_name = firing.iter().filter(|series| series["metric"]["alertname"] == name);
            of_name.filter_map(|series| series["metric"]["site"].as_str()).collect()
        };
        let reload = firing.iter().any(|series| series["metric"]["alertname"] == "ConfigReloadFailed");
        (reload && true_alerts.iter().all(|(name, expected)| sites(name) == *expected)).then_some(())
    });
    // It was blocked once from each: an alert that fired for it again would tell a block that never was.
    let spans: Value = serde_json::from_str(&daemon.get("/api/v1/spans?site=forum").body).unwrap();
    let blocked = list(&spans, "/spans").filter(|span| span["status"] == "blocked").count();
    assert_eq!(blocked, 2, "{spans:#}");
}

/// The value of a sample that is written exactly so.
fn value(page: &str, sample: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn a_probe_tells_what_blackbox_exporter_tells_and_a_verdict() {
    let world = World::start();
    let place = world.place(&["news", "blog"], "interval = \"1h\"\ntls_timeout = \"2s\"");
    world.swallow("blog", true);
    let daemon = Daemon::start(&place);
    let probe = |query: &str| daemon.get(&format!("/probe?{query}"));
    let news: String = url::form_urlencoded::byte_serialize(world.url("news").as_bytes()).collect();
    let ours = probe(&format!("target={news}&module=http_2xx"));
    assert_eq!(ours.status, 200, "{ours:?}");
    assert!(ours.head.contains("content-type: text/plain; version=0.0.4"), "{}", ours.head);
    assert_eq!(value(&ours.body, "probe_success"), Some(1.0), "{}", ours.body);
    assert_eq!(value(&ours.body, "blockspan_probe_status{status=\"accessible\",vantage=\"here\"}"), Some(1.0));
    if has("promtool") {
        promtool(&["check", "metrics"], Path::new("."), Some(&ours.body));
    }

    // What is blocked fails, and the person who asks is told why.
    let blog: String = url::form_urlencoded::byte_serialize(world.url("blog").as_bytes()).collect();
    let blocked = probe(&format!("target={blog}&debug=true")).body;
    assert_eq!(value(&blocked, "probe_success"), Some(0.0), "{blocked}");
    assert_eq!(value(&blocked, "blockspan_probe_status{status=\"blocked\",vantage=\"here\"}"), Some(1.0), "{blocked}");
    assert!(blocked.contains("# blocked by tls.timeout"), "{blocked}");

    for (query, said) in [
        ("", "Target parameter is missing"),
        ("target=https%3A%2F%2Felsewhere.example%2F", "not a URL of the target list"),
        (&format!("target={news}&module=icmp"), "Unknown module"),
        (&format!("target={news}&vantage=nowhere"), "no vantage of that name"),
        (&format!("target={news}&modul=x"), "unknown field"),
    ] {
        let answer = probe(query);
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert!(answer.body.contains(said), "{query}: {answer:?}");
    }

    if !has("prometheus-blackbox-exporter") {
        return;
    }
    let host = url::Url::parse(&world.url("news")).unwrap();
    let (name, at) = (host.host_str().unwrap(), host.port().unwrap());
    place.write(
        "blackbox.yml",
        &format!(
            "modules:\n  http_2xx:\n    prober: http\n    http:\n      headers: {{ Host: {name} }}\n      \
             preferred_ip_protocol: ip4\n      tls_config: {{ ca_file: root.pem, server_name: {name} }}\n"
        ),
    );
    let mut command = Command::new("prometheus-blackbox-exporter");
    command.current_dir(place.path(".")).arg("--config.file=blackbox.yml");
    let (port, _exporter) = serving(&command, "/-/healthy", "Healthy");
    // It cannot be told our resolver: the address stands in the place of the name.
    let theirs = get(port, &format!("/probe?module=http_2xx&target=https%3A%2F%2F127.0.0.2%3A{at}%2F")).unwrap();
    for common in [
        "probe_success",
        "probe_http_status_code",
        "probe_http_ssl",
        "probe_http_redirects",
        "probe_ip_protocol",
        "probe_ssl_earliest_cert_expiry",
        "probe_http_uncompressed_body_length",
        "probe_tls_version_info{version=\"TLS 1.3\"}",
    ] {
        let (one, other) = (value(&ours.body, common), value(&theirs, common));
        assert!(one.is_some() && one == other, "{common}: {one:?}, {other:?}\n{}\n{theirs}", ours.body);
    }
    for both in ["probe_duration_seconds", "probe_dns_lookup_time_seconds", "probe_http_version"]
        .into_iter()
        .map(str::to_owned)
        .chain(
            ["resolve", "connect", "tls", "processing", "transfer"]
                .map(|phase| format!("probe_http_duration_seconds{{phase=\"{phase}\"}}")),
        )
    {
        for page in [&ours.body, &theirs] {
            assert!(value(page, &both).is_some_and(|value| (0.0..10.0).contains(&value)), "{both}: {page}");
        }
    }
}
