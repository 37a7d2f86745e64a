//! What `deploy/` holds for service managers, held against them as far as that can be done here.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use support::daemon::{Daemon, Process, until};
use support::world::World;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

#[test]
fn the_unit_is_shut_in_as_far_as_the_issue_asks() {
    let unit = deploy("systemd/blockspan.service");
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).arg(&unit).output();
    let Ok(output) = analyze(&["security", "--offline=true", "--no-pager", "--threshold=15"]) else {
        eprintln!("SKIPPED: systemd-analyze is not installed (Debian package systemd)");
        return;
    };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "the exposure is above 1.5: {said}");
    let text = std::fs::read_to_string(&unit).unwrap();
    // What is written there is what the program takes.
    let command = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/blockspan ")).unwrap();
    for word in command.split(' ').filter(|word| word.starts_with("--")) {
        let help = Command::new(env!("CARGO_BIN_EXE_blockspan")).args(["run", "--help"]).output().unwrap();
        assert!(String::from_utf8_lossy(&help.stdout).contains(word), "{word}");
    }
}

#[test]
fn a_service_manager_is_told_that_it_is_ready_that_it_lives_and_that_it_stops() {
    let world = World::start();
    let place = world.place(&["news"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    let socket = place.path("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = place.command(&["run", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "400000").env_remove("WATCHDOG_PID");
    let daemon = Daemon::serving(Process::spawn(&mut command));
    let mut told = [0; 4096];
    let mut next = || {
        let length = manager.recv(&mut told).unwrap();
        String::from_utf8(told[..length].to_vec()).unwrap()
    };
    let ready = until("it is ready", || Some(next()).filter(|told| told.contains("READY=1")));
    assert!(ready.contains("STATUS=watching 1 sites"), "{ready}");
    for _ in 0..3 {
        assert_eq!(next().trim(), "WATCHDOG=1");
    }
    daemon.process.signal(Signal::SIGTERM);
    until("it stops", || Some(next()).filter(|told| told.contains("STOPPING=1")));
}

/// The values of an array in a Dockerfile's exec form.
fn exec_form(text: &str, keyword: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let line = joined.lines().find(|line| line.starts_with(keyword)).unwrap();
    serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
}

#[test]
fn the_image_copies_what_is_there_runs_without_rights_and_its_health_check_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(deploy("docker/Dockerfile")).unwrap();
    for line in text.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        for source in &words[..words.len() - 1] {
            assert!(root.join(source).exists(), "{line}: {source}");
        }
    }
    assert!(text.lines().any(|line| line == "USER 9645:9645"), "not root");
    let world = World::start();
    let place = world.place(&["news"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    let daemon = Daemon::start(&place);
    let check = |port: u16| {
        let words = exec_form(&text, "HEALTHCHECK");
        let words: Vec<String> = words.iter().map(|word| word.replace("9645", &port.to_string())).collect();
        Command::new(&words[0]).args(&words[1..]).output().unwrap().status.success()
    };
    assert!(check(daemon.address.port()), "healthy");
    daemon.stop(Signal::SIGTERM);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(!check(free), "nobody there");
    // The configuration of the image holds.
    let config = deploy("docker/blockspan.toml");
    assert_eq!(place.run(&["config", "check", "--config", config.to_str().unwrap()]).code, Some(0));
}

#[test]
fn the_dockerfile_is_as_its_linter_wants_it() {
    let Some(python) = support::python::interpreter("the_dockerfile_is_as_its_linter_wants_it") else { return };
    let hadolint = python.with_file_name("hadolint");
    let output = Command::new(hadolint)
        .args(["--no-color", "--failure-threshold", "style"])
        .arg(deploy("docker/Dockerfile"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn compose_mounts_what_is_there_and_kubernetes_takes_its_example() {
    let Some(python) = support::python::interpreter("compose_mounts_what_is_there_and_kubernetes_takes_its_example")
    else {
        return;
    };
    let script = r#"
import os, sys, tomllib, yaml
folder = sys.argv[1]
file = os.path.join(folder, "docker/compose.yml")
services = yaml.safe_load(open(file))["services"]
assert set(services) == {"blockspan", "prometheus", "alertmanager", "grafana"}
for name, service in services.items():
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
    assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        if source.startswith("."):
            assert os.path.exists(os.path.join(folder, "docker", source)), f"{name}: {source}"
assert services["blockspan"]["ulimits"]["core"] == 0
# Prometheus asks by a name that is answered to.
served = tomllib.load(open(os.path.join(folder, "docker/blockspan.toml"), "rb"))["serve"]
jobs = yaml.safe_load(open(os.path.join(folder, "docker/prometheus.yml")))["scrape_configs"]
for target in jobs[0]["static_configs"][0]["targets"]:
    assert target.split(":")[0] in served["hosts"], target
import kubernetes_validate
for document in yaml.safe_load_all(open(os.path.join(folder, "kubernetes/blockspan.yml"))):
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    print(document["kind"])
"#;
    let output = Command::new(python).args(["-c", script]).arg(deploy("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 5);
}

#[test]
fn every_direct_dependency_is_reviewed() {
    let page = include_str!("../docs/dependencies.md");
    let manifest: toml::Table = include_str!("../Cargo.toml").parse().unwrap();
    let linux = &manifest["target"]["cfg(target_os = \"linux\")"]["dependencies"];
    let all = [&manifest["dependencies"], linux].into_iter().flat_map(|table| table.as_table().unwrap());
    let mut count = 0;
    for (name, value) in all {
        let name = value.get("package").and_then(toml::Value::as_str).unwrap_or(name);
        assert!(page.contains(&format!("`{name}`")), "docs/dependencies.md says nothing of {name}");
        count += 1;
    }
    assert!(count > 50, "{count}");
}
