//! Scenarios of one measurement: `blockspan check` against what must be seen.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::binary;
use crate::expect::Check;
use crate::files;
use crate::lab::Lab;
use crate::scenario::Scenario;

/// One URL may take 30 s by default and asks the control too; the lab's limits are far below this.
const LIMIT: Duration = Duration::from_secs(60);

/// Measures once and compares.
pub(crate) fn run(lab: &Lab, scenario: &Scenario, expected: &Check) -> Result<()> {
    let urls: Vec<_> = scenario.check.iter().chain(&scenario.check_also).map(|check| check.url.as_str()).collect();
    files::write(lab.dir()?, &scenario.setup, &urls)?;
    let args = ["check", &expected.url, "--vantage", files::VANTAGE, "--format", "json"];
    let finished = binary::run(lab, "check", &args, LIMIT)?;
    let lines: Vec<&str> = finished.stdout.lines().filter(|line| !line.trim().is_empty()).collect();
    ensure!(lines.len() == 1, "one object expected, {} lines came (exit {:?})", lines.len(), finished.exit);
    let seen: Value = serde_json::from_str(lines[0]).context("the line is not JSON")?;
    let faults = compare(expected, &seen, finished.exit);
    ensure!(faults.is_empty(), "{}\n{seen:#}", faults.join("\n"));
    Ok(())
}

/// Everything in which what was seen differs from what must be seen.
pub(crate) fn compare(expected: &Check, seen: &Value, exit: Option<i32>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut same = |what: &str, expected: Option<&str>, seen: Option<&str>| {
        if expected != seen {
            faults.push(format!("{what}: expected {}, saw {}", expected.unwrap_or("none"), seen.unwrap_or("none")));
        }
    };
    // Names that are not ASCII are shown as the DNS has them.
    let url = url::Url::parse(&expected.url).map_or_else(|_| expected.url.clone(), String::from);
    same("url", Some(&url), seen["url"].as_str());
    same("vantage", Some(files::VANTAGE), seen["vantage"].as_str());
    same("status", Some(&expected.status), seen["status"].as_str());
    same("mechanism", expected.mechanism.as_deref(), seen["mechanism"].as_str());
    if expected.control.is_some() {
        same("control's status", expected.control.as_deref(), seen["control"]["status"].as_str());
    }
    if exit != Some(expected.exit) {
        faults.push(format!("exit: expected {}, saw {exit:?}", expected.exit));
    }
    let mut partial: Vec<&str> =
        seen["partial"].as_array().into_iter().flatten().filter_map(|part| part["scope"].as_str()).collect();
    partial.sort_unstable();
    let mut expected_partial: Vec<&str> = expected.partial.iter().map(String::as_str).collect();
    expected_partial.sort_unstable();
    if partial != expected_partial {
        faults.push(format!("partial: expected {expected_partial:?}, saw {partial:?}"));
    }
    let rules: Vec<&str> = seen["rules"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(rule) = &expected.rule
        && !rules.contains(&rule.as_str())
    {
        faults.push(format!("rule: expected {rule}, saw {rules:?}"));
    }
    faults
}
