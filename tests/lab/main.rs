//! The lab: the real binary in a small internet of network namespaces (see README.md beside this file).

mod binary;
mod check;
mod expect;
mod files;
mod lab;
mod places;
mod privilege;
mod quic_client;
mod router;
mod rule;
mod scenario;
mod self_tests;
mod space;
mod story;
mod sys;
mod witness;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use lab::Lab;
use scenario::Scenario;

/// Scenarios run at once unless `--test-threads` says otherwise: they mostly wait.
const THREADS: usize = 8;

/// Set to make a machine without namespaces a failure instead of a skip.
const REQUIRE: &str = "BLOCKSPAN_LAB_REQUIRE";

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(THREADS);
    let skip = if args.list { None } else { privilege::acquire().err().map(|error| format!("{error:#}")) };
    if let Some(reason) = &skip {
        eprintln!("\n==== THE LAB IS NOT RUN: no scenario is tested ====\n{reason}\n");
        eprintln!("(set {REQUIRE}=1 to make this a failure)\n");
    }
    let awaited_too = args.include_ignored || args.ignored;
    let trials = match trials(&skip.map(Arc::from), awaited_too) {
        Ok(trials) => trials,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    libtest_mimic::run(&args, trials).exit_code()
}

/// All tests. Scenarios that await something run only with `awaited_too`.
fn trials(skip: &Option<Arc<str>>, awaited_too: bool) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for (name, test) in self_tests::PURE {
        trials.push(trial(format!("self::{name}"), None, test));
    }
    for (name, test) in self_tests::IN_LAB {
        trials.push(trial(format!("self::{name}"), skip.clone(), test));
    }
    let mut scenarios = scenarios()?;
    // Stories last longest, so they start first.
    scenarios.sort_by_key(|(_, scenario)| scenario.story.is_none());
    for (name, scenario) in scenarios {
        let skip = if scenario.speaks_ipv6() { skip.clone().or_else(no_ipv6) } else { skip.clone() };
        ensure!(scenario.check.is_some() || scenario.story.is_some(), "scenario {name} has neither check nor story");
        if scenario.witness.is_some() {
            let scenario = scenario.clone();
            trials.push(trial(format!("self::witness::{name}"), skip.clone(), move || witness::run(&scenario)));
        }
        trials.push(match scenario.awaits.clone().filter(|_| !awaited_too) {
            Some(reason) => Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason))),
            None => trial(name, skip.clone(), move || run(&scenario)),
        });
    }
    Ok(trials)
}

/// Why a scenario with IPv6 cannot run on this machine.
fn no_ipv6() -> Option<Arc<str>> {
    (!Path::new("/proc/sys/net/ipv6").exists()).then(|| "the kernel of this machine has no IPv6".into())
}

fn trial(name: String, skip: Option<Arc<str>>, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::ignorable_test(name, move || match skip {
        Some(reason) if std::env::var_os(REQUIRE).is_some() => Err(Failed::from(reason.as_ref())),
        Some(reason) => Ok(Completion::ignored_with(format!("the lab cannot be built here: {reason}"))),
        None => test().map(|()| Completion::Completed).map_err(|error| Failed::from(format!("{error:#}"))),
    })
}

/// Every scenario with its name.
fn scenarios() -> Result<Vec<(String, Arc<Scenario>)>> {
    let mut scenarios = Vec::new();
    for path in scenario_files()? {
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("name of a scenario")?.to_owned();
        scenarios.push((name, Arc::new(Scenario::read(&path)?)));
    }
    Ok(scenarios)
}

fn scenario_files() -> Result<Vec<PathBuf>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/scenarios");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs a scenario against the binary; the error carries all that is needed to see why.
fn run(scenario: &Scenario) -> Result<()> {
    let lab = Lab::build(scenario)?;
    let mut result = Ok(());
    for expected in scenario.check.iter().chain(&scenario.check_also) {
        result = result.and_then(|()| check::run(&lab, scenario, expected));
    }
    if let Some(story) = &scenario.story {
        result = result.and_then(|()| story::run(&lab, scenario, story));
    }
    result.map_err(|error| anyhow::anyhow!("{}\n\n{error:#}\n\n{}", scenario.about, lab.story()))
}
