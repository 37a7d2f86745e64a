//! The API and the feed of a real daemon, tried by those who know such things: schemathesis sends what the description
//! allows and what it does not, feedparser reads the feed.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::process::Command;

use support::daemon::{Daemon, until};
use support::python::interpreter;
use support::world::World;

const READ_FEED: &str = r"
import sys, feedparser
feed = feedparser.parse(sys.argv[1])
assert not feed.bozo, feed.bozo_exception
assert feed.version == 'atom10', feed.version
assert feed.feed.id and feed.feed.title and feed.feed.updated_parsed
ids = [entry.id for entry in feed.entries]
assert len(ids) == len(set(ids))
times = [entry.updated_parsed for entry in feed.entries]
assert all(times) and times == sorted(times, reverse=True), times
assert all(entry.title and entry.content[0].value and entry.link for entry in feed.entries)
print(' '.join(entry.tags[0].term for entry in feed.entries))
";

#[test]
fn those_who_know_find_no_fault() {
    let Some(python) = interpreter("those_who_know_find_no_fault") else { return };
    let world = World::start();
    let place = world.place(&["news", "blog"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    world.swallow("news", true);
    let daemon = Daemon::start(&place);
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"blocked\""], 1.0);
    world.swallow("news", false);
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"blocked\""], 0.0);
    until("the end is in the record", || daemon.get("/feed.atom").body.contains("term=\"closed\"").then_some(()));

    let feed = format!("http://{}/feed.atom", daemon.address);
    let output = Command::new(&python).args(["-c", READ_FEED, &feed]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "closed opened");

    // An address that is too long is refused before anyone looks at what it asks for.
    place.write("schemathesis.toml", "[checks.negative_data_rejection]\nexpected-statuses = [400, 404, 405, 431]\n");
    let output = Command::new(python.with_file_name("st"))
        .current_dir(place.path("."))
        .args(["run", &format!("http://{}/api/v1/openapi.json", daemon.address)])
        .args(["--checks", "all", "--max-examples", "40", "--seed", "1", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // Its attempts can be of any length.
    let told: Vec<String> = said.lines().map(|line| line.chars().take(200).collect()).collect();
    assert!(output.status.success(), "{}\n{}", told.join("\n"), String::from_utf8_lossy(&output.stderr));
}
