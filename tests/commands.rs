//! The commands as processes: exit codes, messages and data (DESIGN 7). Nothing here needs a network.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "commands/claims.rs"]
mod claims;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use support::daemon::Process;
use support::place::Place;
use support::world::World;

/// Two sites, each with one claim.
const TARGETS: &str = r#"
[[site]]
id = "fergana"
name = "Fergana News"
country = "KZ"
urls = ["https://fergana.test/"]

[[site.reported]]
status = "blocked"
url = "https://fergana.test/"
from = "2014-08"
as_of = "2016-04"
citation = "=paper, \"April\" 2016"

[[site]]
id = "livejournal"
urls = ["https://livejournal.test/"]

[[site.reported]]
status = "blocked"
vantage = "kazakhtelecom"
from = "2008-10-07"
to = "2010-11"
citation = "press"
"#;

/// Nothing is reached and nothing is waited for long: nobody answers on the discard port of this machine.
const NO_NETWORK: &str = r#"
[probe]
dns_timeout = "100ms"
url_timeout = "1s"
[control]
resolvers = []
[[vantage]]
id = "here"
resolvers = ["udp://127.0.0.1:9"]
[[canary]]
url = "https://canary.test/"
scope = "foreign"
"#;

const COMMANDS: [&[&str]; 14] = [
    &[],
    &["run"],
    &["check"],
    &["status"],
    &["history"],
    &["measurements"],
    &["helper"],
    &["rejudge"],
    &["backup"],
    &["doctor"],
    &["config", "check"],
    &["completions"],
    &["man"],
    &["demo"],
];

fn place() -> Place {
    Place::with(&[("targets.toml", TARGETS), ("blockspan.toml", NO_NETWORK)])
}

/// A directory with a database that one round without a network has made.
fn measured_place() -> Place {
    let place = place();
    place.good(&["run", "--once"]);
    place
}

fn reported(place: &Place, format: &str) -> String {
    place.good(&["history", "--source", "reported", "--format", format])
}

fn files(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn all_faults_of_all_files_are_told_at_once() {
    let targets = "[[site]]\nid = \"a\"\nnam = \"A\"\nurls = [\"https://a.test/\", \"htp:/a\"]\n\
                   [[site]]\nid = \"a\"\nurls = [\"https://b.test/\"]\n";
    let config = "[probe]\ninterval = \"0s\"\nintervall = \"60s\"\ntls_timeout = \"ten\"\n";
    let place = Place::with(&[("targets.toml", targets), ("blockspan.toml", config)]);
    let said = [
        "unknown key `nam`",
        "targets.toml:3:1",
        "did you mean `name`?",
        "targets.toml:4:28",
        "htp:/a",
        "site id `a` is used twice",
        "targets.toml:6:6",
        "targets.toml:2:6",
        "`interval` is zero",
        "blockspan.toml:2:12",
        "unknown key `intervall`",
        "blockspan.toml:3:1",
        "`tls_timeout` is not a length of time",
        "blockspan.toml:4:15",
        // The text in question is marked in its line.
        "3 | nam = \"A\"\n  | ^^^",
        "4 | tls_timeout = \"ten\"\n  |               ^^^^^",
        "6 faults",
    ];
    for command in [&["config", "check"][..], &["status"], &["history"], &["check", "a"], &["measurements"]] {
        let ended = place.run(command);
        ended.refused(2, &said);
        assert_eq!(ended.stdout, "", "{command:?}");
    }
    // A service's errors go into a log, which shows nothing of the files.
    let ended = place.run(&["run"]);
    let (of_lines, told): (Vec<&str>, Vec<&str>) = said.iter().partition(|text| {
        text.contains(" | ") || ["htp:/a", "targets.toml:2:6", "6 faults", "did you mean `name`?"].contains(text)
    });
    ended.refused(2, &told);
    ended.refused(2, &["`blockspan config check` shows the lines"]);
    for text in of_lines.into_iter().chain(["\"ten\""]) {
        assert!(!ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
    assert!(!place.path("blockspan.db").exists());
}

#[test]
fn one_file_can_hold_every_kind_of_fault() {
    let targets = "includ = []\n[[site]]\nid = \"a\"\nurls = [\"ftp://a.test/\"]\n[[site]]\nid = \"a\"\nurls = []\n\
                   [[site.reported]]\nstatus = \"blokked\"\nfrom = \"2015-13\"\ncitation = \"c\"\n";
    let place = Place::with(&[("targets.toml", targets)]);
    let ended = place.run(&["config", "check"]);
    let at = ["targets.toml:1:1", "targets.toml:4:9", "targets.toml:6:6", "targets.toml:9:10", "targets.toml:10:8"];
    ended.refused(2, &at);
    ended.refused(2, &["`includ`", "ftp://a.test/", "used twice", "blokked", "2015-13"]);
}

#[test]
fn a_file_that_is_not_toml_is_told_by_place() {
    let place = Place::with(&[("targets.toml", "[[site]\nid = 1\n")]);
    place.run(&["status"]).refused(2, &["targets.toml:1:"]);
    let binary = place.path("targets.toml");
    fs::write(binary, b"id = \"\xff\"\n").unwrap();
    place.run(&["status"]).refused(2, &["targets.toml", "UTF-8"]);
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_what_to_do() {
    let place = Place::new();
    if Path::new("/etc/blockspan/targets.toml").exists() {
        eprintln!(
            "SKIPPED in part: a blockspan is installed on this machine, whose files are taken where there are none"
        );
    } else {
        place.run(&["status"]).refused(2, &["there is no targets.toml", "--targets"]);
    }
    place
        .run(&["--targets", "nowhere.toml", "run"])
        .refused(2, &["cannot read nowhere.toml: there is no such file", "--targets"]);
    fs::create_dir(place.path("folder")).unwrap();
    place.run(&["--targets", "folder", "status"]).refused(2, &["cannot read folder"]);
    place.write("targets.toml", TARGETS);
    place.run(&["--config", "nowhere.toml", "status"]).refused(2, &["nowhere.toml", "--config"]);
    // Without --config a missing blockspan.toml is nothing to complain about.
    place.good(&["status"]);
}

#[test]
fn faults_on_the_command_line_are_told_too() {
    let place = place();
    place.run(&["--store", "mysql://x", "status"]).refused(2, &["mysql://x", "sqlite://"]);
    place.run(&["run", "--listen", "nowhere"]).refused(2, &["`--listen` is not an address", "127.0.0.1:9645"]);
    place.run(&["histroy"]).refused(2, &["histroy", "history"]);
    place.run(&["history", "--format", "xml"]).refused(2, &["xml", "chart"]);
    place.run(&["history", "--since", "soon"]).refused(2, &["soon", "expected"]);
    place.run(&["history", "--status", "blokked"]).refused(2, &["blokked", "blocked"]);
    place.run(&["check"]).refused(2, &["URL|SITE"]);
}

#[test]
fn an_unknown_site_is_answered_with_near_ones() {
    let place = place();
    for command in ["check", "history"] {
        let ended = place.run(&[command, "fergna"]);
        ended.refused(2, &["there is no site `fergna`", "Did you mean `fergana`?"]);
        assert_eq!(ended.stdout, "");
        place.run(&[command, "nosuch"]).refused(2, &["`nosuch`", "`fergana`", "`livejournal`"]);
    }
    place.run(&["check", "fergana", "--vantage", "heer"]).refused(2, &["`heer`", "`here`"]);
    place.run(&["check", "ftp://fergana.test/"]).refused(2, &["ftp://fergana.test/", "https://"]);
    let place = measured_place();
    place.run(&["measurements", "fergna"]).refused(2, &["Did you mean `fergana`?"]);
}

#[test]
fn what_is_no_database_of_ours_is_left_alone() {
    let place = place();
    place.write("text.db", "dear diary, and so on and on");
    let foreign = rusqlite::Connection::open(place.path("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE secrets (text)").unwrap();
    drop(foreign);
    for (file, what) in [("text.db", "not an SQLite file"), ("foreign.db", "another program")] {
        let before = fs::read(place.path(file)).unwrap();
        let store = format!("sqlite://{file}");
        for command in [&["status"][..], &["history"], &["measurements"], &["run", "--once"]] {
            let ended = place.run(&[command, &["--store", &store]].concat());
            ended.refused(1, &["is not a blockspan database", what, file, "--store"]);
            assert_eq!(ended.stdout, "");
        }
        assert_eq!(fs::read(place.path(file)).unwrap(), before, "{file}");
    }
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let place = measured_place();
    let version = |pragma: Option<u32>| -> u32 {
        let connection = rusqlite::Connection::open(place.path("blockspan.db")).unwrap();
        if let Some(version) = pragma {
            connection.pragma_update(None, "user_version", version).unwrap();
        }
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    };
    let ours = version(None);
    version(Some(ours + 1));
    for command in [&["status"][..], &["history"], &["measurements"], &["run", "--once"]] {
        let found = format!("schema {}", ours + 1);
        place.run(command).refused(1, &["newer blockspan", &found, "upgrade"]);
    }
    assert_eq!(version(Some(ours)), ours);
    place.good(&["status"]);
}

#[test]
fn a_place_that_cannot_hold_a_database_is_told() {
    let place = place();
    fs::create_dir(place.path("folder")).unwrap();
    place.run(&["run", "--once", "--store", "sqlite://folder"]).refused(1, &["it is a directory", "--store"]);
    place.run(&["run", "--once", "--store", "sqlite://no/such/x.db"]).refused(1, &["no/such", "create that directory"]);
}

#[test]
fn output_goes_to_a_file() {
    let place = place();
    let printed = reported(&place, "csv");
    let out = place.good(&["history", "--source", "reported", "--format", "csv", "-o", "spans.csv"]);
    assert_eq!(out, "");
    assert_eq!(place.read("spans.csv"), printed);
    place
        .run(&["history", "--source", "reported", "-o", "no/such/spans.csv"])
        .refused(1, &["no/such/spans.csv", "cannot be written"]);

    let place = measured_place();
    place.good(&["measurements", "-o", "evidence.ndjson"]);
    assert_eq!(place.read("evidence.ndjson"), place.good(&["measurements"]));
}

#[test]
fn selectors_select() {
    let place = place();
    let count = |arguments: &[&str]| {
        let mut all = vec!["history", "--source", "reported", "--format", "ndjson"];
        all.extend(arguments);
        place.good(&all).lines().count()
    };
    assert_eq!(count(&[]), 2);
    assert_eq!(count(&["fergana"]), 1);
    assert_eq!(count(&["fergana", "livejournal"]), 2);
    assert_eq!(count(&["--status", "down"]), 0);
    assert_eq!(count(&["--vantage", "kazakhtelecom"]), 1);
    assert_eq!(count(&["--until", "2009"]), 1);
    assert_eq!(count(&["--since", "2012"]), 1);
}

#[test]
fn before_any_measurement_it_says_so() {
    let place = place();
    assert!(place.good(&["status"]).contains("never measured yet"));
    let json: Vec<Value> =
        place.good(&["status", "--format", "json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.len(), 2);
    assert!(json.iter().all(|line| line["status"].is_null() && line["vantage"] == "here"));
    let ended = place.run(&["history", "--source", "measured", "--format", "json"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "[]\n"));
    assert!(ended.stderr.contains("there is no `blockspan.db` yet"), "{}", ended.stderr);
    place.run(&["measurements"]).refused(1, &["there is no `blockspan.db` yet", "blockspan run"]);
    assert!(!place.path("blockspan.db").exists(), "reading makes no database");
}

#[test]
fn without_a_network_it_is_offline() {
    let place = measured_place();
    let status = place.good(&["status"]);
    assert!(status.contains("Nothing is known to be blocked.") && status.contains("2 offline"), "{status}");
    let measurements = place.good(&["measurements"]);
    assert_eq!(measurements.lines().count(), 2);
    for line in measurements.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["status"], "offline", "{line}");
        assert!(line["canaries"].is_object() && line["trigger"] == "scheduled", "{line}");
    }
    assert_eq!(place.run(&["check", "fergana"]).code, Some(5));
}

#[test]
fn a_url_is_checked_where_there_is_no_list() {
    let world = World::start();
    let place = Place::with(&[("blockspan.toml", &world.config("")), ("root.pem", world.root_pem())]);
    let url = world.url("news");
    let said = place.good(&["check", &url]);
    assert!(said.contains(&url) && said.contains("status 200"), "{said}");
    place.run(&["check", &url, "--targets", "mine.toml"]).refused(2, &["mine.toml", "no such file"]);
    place.run(&["check", &url, "news"]).refused(2, &["there is no targets.toml"]);
}

#[test]
fn config_check_tells_good_from_bad() {
    let place = place();
    let good = place.good(&["config", "check"]);
    assert!(good.contains("2 sites, 2 URLs, 1 vantage, 0 controls, 1 canary"), "{good}");
    assert!(good.contains("read targets.toml") && good.contains("read blockspan.toml"), "{good}");
    place.write("blockspan.toml", "[prob]\n");
    place.run(&["config", "check"]).refused(2, &["blockspan.toml:1:2", "`prob`", "`probe`"]);
}

#[test]
fn config_check_lists_what_lists_and_tables_hold() {
    let place = place();
    place
        .write("blockspan.toml", "[fingerprints]\nfiles = [\"ours.csv\"]\n[network]\nasn_files = [\"networks.tsv\"]\n");
    place.write(
        "ours.csv",
        "name,scope,location_found,pattern_type,pattern\na,isp,dns,full,203.0.113.9\nb,isp,body,regexp,(?=x)\u{1b}[2J\n",
    );
    place.write("networks.tsv", "192.0.2.0\t192.0.2.255\t64500\tKZ\tEXAMPLE\n");
    let ended = place.run(&["config", "check"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("read ours.csv: OONI fingerprints, 1 entry, 1 line left out"), "{}", ended.stdout);
    assert!(ended.stdout.contains("read networks.tsv: ranges, 1 entry\n"), "{}", ended.stdout);
    assert!(
        ended.stderr.contains("warning: ours.csv:3: left out:") && !ended.stderr.contains('\u{1b}'),
        "{}",
        ended.stderr
    );
    place.write("ours.csv", "not a list\n");
    place.run(&["config", "check"]).refused(2, &["blockspan.toml:2:10", "no known format", "OONI's CSV"]);
}

#[test]
fn the_shipped_files_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = Place::new();
    for file in ["targets.toml", "blockspan.sample.toml"] {
        fs::copy(root.join(file), place.path(file)).unwrap();
    }
    let ended = place.run(&["config", "check"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    place.good(&["config", "check", "--config", "blockspan.sample.toml"]);
    let claims: Vec<Value> = serde_json::from_str(&reported(&place, "json")).unwrap();
    for site in ["ratel", "zonakz", "fergana", "livejournal"] {
        let of_site = claims.iter().filter(|claim| claim["site"] == site);
        let of_paper = of_site.filter(|claim| claim["citation"].as_str().unwrap().starts_with("KIBHR, IPHR"));
        assert_eq!(of_paper.count(), 1, "{site}");
    }
}

#[test]
fn completions_and_manual_are_printed() {
    let place = Place::new();
    for (shell, sign) in
        [("bash", "complete -F _blockspan"), ("zsh", "#compdef blockspan"), ("fish", "complete -c blockspan")]
    {
        let script = place.good(&["completions", shell]);
        assert!(script.contains(sign) && script.contains("measurements"), "{shell}");
    }
    place.run(&["completions", "tcsh"]).refused(2, &["tcsh", "bash"]);
    let manual = place.good(&["man"]);
    assert!(manual.contains(".TH blockspan 1") && manual.contains("history"), "{manual}");
    place.good(&["man", "--dir", "pages"]);
    let pages = files(&place.path("pages"));
    assert!(pages.contains("blockspan.1") && pages.contains("blockspan-config-check.1"), "{pages:?}");
}

#[test]
fn every_command_has_help_and_needs_no_files_for_it() {
    let place = Place::new();
    for command in COMMANDS {
        for help in ["--help", "-h"] {
            let text = place.good(&[command, &[help]].concat());
            assert!(text.contains("Usage: blockspan") && text.contains("--targets"), "{command:?}\n{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{command:?}\n{text}");
        }
    }
    assert!(place.good(&["--version"]).starts_with("blockspan "));
    assert!(files(&place.path(".")).is_empty());
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut targets = TARGETS.to_owned();
    // More than a pipe holds, so that the writer meets its closed end.
    for index in 0..2000 {
        targets += &format!(
            "[[site]]\nid = \"s{index}\"\nurls = [\"https://s{index}.test/\"]\n[[site.reported]]\nstatus = \"blocked\"\nfrom = \"2014\"\ncitation = \"c\"\n"
        );
    }
    let place = Place::with(&[("targets.toml", &targets), ("blockspan.toml", NO_NETWORK)]);
    for command in [
        &["history", "--source", "reported"][..],
        &["history", "--source", "reported", "--format", "json"],
        &["history", "--source", "reported", "--format", "ndjson"],
        &["history", "--source", "reported", "--format", "csv"],
        &["history", "--source", "reported", "--format", "chart"],
        &["status", "--format", "json"],
    ] {
        let mut child = place.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut some = [0u8; 1];
        child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{command:?}");
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let place = place();
    let to_full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = place.command(&["history", "--source", "reported", "--format", "json"]);
    let output = command.stdout(to_full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("the output cannot be written"));
}

#[test]
fn colour_only_when_it_is_wanted() {
    let place = place();
    let plain = place.good(&["history", "--source", "reported"]);
    let coloured = place.good(&["history", "--source", "reported", "--color", "always"]);
    assert!(!plain.contains('\u{1b}') && coloured.contains('\u{1b}'));
    place.write("blockspan.toml", "[prob]\n");
    let faults = place.run(&["status", "--color", "always"]);
    assert!(faults.stderr.contains('\u{1b}'), "{}", faults.stderr);
    let mut forced = Process::spawn(place.command(&["status", "--color", "never"]).env("CLICOLOR_FORCE", "1"));
    assert_eq!(forced.wait(Duration::from_secs(10)), Some(2));
    assert!(!forced.said().contains('\u{1b}'));
}
