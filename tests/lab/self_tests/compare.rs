//! The comparisons themselves: a wrong answer of the instrument must be caught.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::check;
use crate::expect::{Check, Story};
use crate::scenario::Scenario;
use crate::story::{self, OnRecord};

pub(super) fn wrong_check() -> Result<()> {
    let expected: Check = toml::from_str(
        r#"
        url = "https://news.lab/"
        status = "blocked"
        mechanism = "tls.timeout"
        rule = "some.rule"
        control = "accessible"
        exit = 3
        partial = ["address", "ipv6"]
        "#,
    )?;
    let right = json!({
        "url": "https://news.lab/", "vantage": "lab", "status": "blocked", "mechanism": "tls.timeout",
        "rules": ["some.rule"], "control": {"status": "accessible"},
        "partial": [{"scope": "ipv6"}, {"scope": "address"}],
    });
    ensure!(check::compare(&expected, &right, Some(3)).is_empty(), "the right answer is refused");
    ensure!(check::compare(&expected, &right, Some(0)).len() == 1, "a wrong exit code passes");
    for key in ["url", "vantage", "status", "mechanism", "rules", "control", "partial"] {
        let mut wrong = right.clone();
        wrong[key] = Value::Null;
        ensure!(check::compare(&expected, &wrong, Some(3)).len() == 1, "a wrong {key} passes");
    }
    Ok(())
}

/// Seconds of the scenario as an instant: it began at the epoch.
fn unix_ms(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

/// The rule above all others: without a censor no scenario may expect a block.
pub(super) fn nobody_blocks() -> Result<()> {
    let mut without = 0;
    for (name, scenario) in crate::scenarios()? {
        if scenario.has_a_censor() {
            continue;
        }
        without += 1;
        let blocked =
            scenario.check.as_ref().is_some_and(|check| check.status == "blocked" || check.mechanism.is_some());
        let spans = scenario.story.as_ref().is_some_and(|story| !story.spans.is_empty());
        ensure!(!blocked && !spans, "{name} has neither a censor nor a lie and expects a block");
    }
    ensure!(without >= 40, "only {without} scenarios without a censor");
    Ok(())
}

pub(super) fn wrong_story() -> Result<()> {
    let scenario: Scenario = toml::from_str(
        r#"
        about = "A self-test."
        [[censor]]
        id = "ban"
        when = { sni = "news.lab" }
        act = "drop"
        from = 10.0
        until = 30.0
        "#,
    )?;
    let expected: Story = toml::from_str(
        r#"
        url = "https://news.lab/"
        seconds = 50.0
        [[span]]
        status = "blocked"
        mechanism = "tls.timeout"
        truth = "ban"
        opened_within = 12.0
        closed_within = 12.0
        start_width = 5.0
        end_width = 5.0
        "#,
    )?;
    let right = json!({
        "url": "https://news.lab/", "vantage": "lab", "source": "measured", "status": "blocked",
        "mechanism": "tls.timeout", "ongoing": false,
        "start": {"earliest": "1970-01-01T00:00:08Z", "latest": "1970-01-01T00:00:12Z"},
        "end": {"earliest": "1970-01-01T00:00:29Z", "latest": "1970-01-01T00:00:32Z"},
    });
    let in_time = OnRecord { opened: Some(20.0), closed: Some(40.0) };
    let faults = |spans: &[Value], seen| story::compare(&expected, &scenario.rules, spans, &[seen], unix_ms).len();
    ensure!(faults(std::slice::from_ref(&right), in_time) == 0, "the right record is refused");
    ensure!(faults(&[], in_time) == 1, "a missing span passes");
    ensure!(faults(&[right.clone(), right.clone()], in_time) == 1, "a second span passes");
    let late = OnRecord { opened: Some(22.5), closed: Some(42.5) };
    ensure!(faults(std::slice::from_ref(&right), late) == 2, "late events pass");
    ensure!(faults(std::slice::from_ref(&right), OnRecord::default()) == 2, "events never seen pass");
    let wrong = [
        ("/status", json!("down")),
        ("/mechanism", json!("tls.reset")),
        ("/ongoing", json!(true)),
        ("/start/earliest", json!("1970-01-01T00:00:10.001Z")),
        ("/start/latest", json!("1970-01-01T00:00:09.999Z")),
        ("/start/earliest", json!(null)),
        ("/end/latest", json!("1970-01-01T00:00:29.5Z")),
        ("/end/latest", json!("1970-01-01T00:00:35Z")),
        ("/end", json!(null)),
    ];
    for (place, value) in wrong {
        let mut record = right.clone();
        if let Some(slot) = record.pointer_mut(place) {
            *slot = value.clone();
        }
        ensure!(faults(&[record], in_time) == 1, "{place} = {value} passes");
    }
    Ok(())
}

/// A silence that differs from the truth is told.
pub(super) fn wrong_silence() -> Result<()> {
    let expected: Story = toml::from_str(
        r#"
        url = "https://news.lab/"
        seconds = 50.0
        [[silence]]
        kind = "not_measuring"
        cause = "asleep"
        from = 10.0
        until = 30.0
        width = 5.0
        "#,
    )?;
    let right = json!({
        "kind": "not_measuring", "cause": "asleep",
        "start": {"earliest": "1970-01-01T00:00:08Z", "latest": "1970-01-01T00:00:12Z"},
        "end": {"earliest": "1970-01-01T00:00:29Z", "latest": "1970-01-01T00:00:32Z"},
    });
    let faults = |silences: &[Value]| story::compare_silences(&expected, silences, None, unix_ms).len();
    ensure!(faults(std::slice::from_ref(&right)) == 0, "the right record is refused");
    ensure!(faults(&[]) == 1, "a missing silence passes");
    ensure!(faults(&[right.clone(), right.clone()]) == 1, "a second silence passes");
    let wrong = [
        ("/kind", json!("offline")),
        ("/cause", json!(null)),
        ("/start/earliest", json!("1970-01-01T00:00:10.001Z")),
        ("/end/latest", json!("1970-01-01T00:00:35Z")),
        ("/end", json!(null)),
    ];
    for (place, value) in wrong {
        let mut record = right.clone();
        if let Some(slot) = record.pointer_mut(place) {
            *slot = value.clone();
        }
        ensure!(faults(&[record]) == 1, "{place} = {value} passes");
    }
    Ok(())
}
