//! Scenarios that take time: the daemon runs while the censor starts and stops, and its record is compared with the
//! truth.

use std::process::Child;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::binary;
use crate::expect::{ExpectedSpan, Story};
use crate::files;
use crate::places;

use crate::lab::Lab;
use crate::router::Clock;
use crate::scenario::{Rule, Scenario};

/// Between two looks at the record.
const LOOK: Duration = Duration::from_millis(500);
/// The daemon must stop in order within 10 s (plus what a busy machine takes).
const STOP: Duration = Duration::from_secs(12);

/// When each span was first seen on record, in seconds since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OnRecord {
    pub(crate) opened: Option<f64>,
    pub(crate) closed: Option<f64>,
}

/// Runs the daemon through the story and compares its record.
pub(crate) fn run(lab: &Lab, scenario: &Scenario, story: &Story) -> Result<()> {
    files::write(lab.dir()?, &scenario.setup, &[&story.url])?;
    let mut run = 0;
    let mut daemon = Daemon(start(lab, run)?);
    let mut kills = story.kill_at.iter().copied().peekable();
    let mut on_record = vec![OnRecord::default(); story.spans.len()];
    ensure!(story.halt.is_none() || story.kill_at.is_empty(), "a story halts its daemon or kills it, not both");
    let halting = story.halt.map(|halt| halter(lab.clock, daemon.0.id(), halt));
    let unplugging = story.interface_down.map(|down| lab.vantage.take_down(lab.clock, down)).transpose()?;
    let mut move_at = story.resolver_moves_at;
    while lab.clock.now() < story.seconds {
        if move_at.take_if(|at| *at <= lab.clock.now()).is_some() {
            let text = files::resolv_conf(&scenario.setup, places::OTHER_RESOLVER);
            std::fs::write(lab.dir()?.join("resolv.conf"), text)?;
        }
        if let Some(status) = daemon.0.try_wait()? {
            bail!("the daemon ended by itself at {:.1} s: {status}", lab.clock.now());
        }
        if kills.next_if(|at| *at <= lab.clock.now()).is_some() {
            daemon.0.kill()?;
            daemon.0.wait()?;
            run += 1;
            daemon = Daemon(start(lab, run)?);
        }
        if let Ok(spans) = history(lab) {
            note(&mut on_record, &spans, lab.clock.now());
        }
        sleep(LOOK);
    }
    kill(Pid::from_raw(i32::try_from(daemon.0.id())?), Signal::SIGTERM)?;
    let status = binary::wait(&mut daemon.0, STOP)?.context("the daemon did not stop within 10 s of SIGTERM")?;
    ensure!(status.success(), "the daemon ended with {status} on SIGTERM");
    if let Some(unplugging) = unplugging {
        unplugging.join().map_err(|_| anyhow!("the interface was left as it was"))???;
    }
    let spans = history(lab)?;
    let truth = |seconds: f64| lab.clock.unix_ms(seconds);
    let mut faults = compare(story, &scenario.rules, &spans, &on_record, truth);
    let silences = silences(lab)?;
    let halted = halting.map(|halting| halting.join().map_err(|_| anyhow!("the halter broke off"))).transpose()?;
    faults.extend(compare_silences(story, &silences, halted.transpose()?, truth));
    ensure!(faults.is_empty(), "{}\n{:#}\n{:#}", faults.join("\n"), Value::from(spans), Value::from(silences));
    Ok(())
}

/// Halts the process and lets it go on, and tells when it truly did.
fn halter(clock: Clock, id: u32, [from, until]: [f64; 2]) -> JoinHandle<Result<[f64; 2]>> {
    spawn(move || {
        let process = Pid::from_raw(i32::try_from(id)?);
        let wait = |until: f64| sleep(Duration::from_secs_f64((until - clock.now()).max(0.0)));
        wait(from);
        kill(process, Signal::SIGSTOP)?;
        let halted = clock.now();
        wait(until);
        let going_on = clock.now();
        kill(process, Signal::SIGCONT)?;
        Ok([halted, going_on])
    })
}

/// The silences on record, but for those between two lives of the daemon.
fn silences(lab: &Lab) -> Result<Vec<Value>> {
    let args = ["history", "--silences", "--format", "json"];
    let finished = binary::run(lab, "silences", &args, Duration::from_secs(10))?;
    ensure!(finished.exit == Some(0), "history --silences ended with {:?}", finished.exit);
    let mut silences: Vec<Value> = serde_json::from_str(&finished.stdout).context("no JSON array of silences")?;
    silences.retain(|silence| silence["cause"] != "stopped" && silence["cause"] != "broke_off");
    Ok(silences)
}

/// Everything in which the silences on record differ from the truth; `halted` is when the daemon truly was.
pub(crate) fn compare_silences(
    story: &Story,
    silences: &[Value],
    halted: Option<[f64; 2]>,
    unix_ms: impl Fn(f64) -> i64,
) -> Vec<String> {
    let mut faults = Vec::new();
    if silences.len() != story.silences.len() {
        faults.push(format!("{} silences expected, {} on record", story.silences.len(), silences.len()));
    }
    for (number, (expected, silence)) in story.silences.iter().zip(silences).enumerate() {
        if silence["kind"] != expected.kind.as_str() || silence["cause"].as_str() != expected.cause.as_deref() {
            faults.push(format!("silence {number}: {} {:?} expected", expected.kind, expected.cause));
        }
        let of_halt = halted.filter(|_| expected.cause.as_deref() == Some("asleep"));
        let [from, until] = of_halt.unwrap_or([expected.from, expected.until]);
        for (key, truth) in [("start", from), ("end", until)] {
            if let Err(fault) = in_bracket(&silence[key], unix_ms(truth), Some(expected.width)) {
                faults.push(format!("silence {number}: {key}: {fault}"));
            }
        }
    }
    faults
}

/// Ends with the test, however that ends.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(lab: &Lab, run: u32) -> Result<Child> {
    binary::start(lab, &format!("daemon-{run}"), &["run"])
}

fn history(lab: &Lab) -> Result<Vec<Value>> {
    let args = ["history", "--source", "measured", "--format", "json"];
    let finished = binary::run(lab, "history", &args, Duration::from_secs(10))?;
    ensure!(finished.exit == Some(0), "history ended with {:?}", finished.exit);
    serde_json::from_str(&finished.stdout).context("history is not a JSON array")
}

fn note(on_record: &mut [OnRecord], spans: &[Value], now: f64) {
    for (seen, span) in on_record.iter_mut().zip(spans) {
        seen.opened.get_or_insert(now);
        if span["ongoing"] == Value::Bool(false) {
            seen.closed.get_or_insert(now);
        }
    }
}

/// Everything in which the record differs from the truth. `unix_ms` turns seconds of the scenario into instants.
pub(crate) fn compare(
    story: &Story,
    rules: &[Rule],
    spans: &[Value],
    on_record: &[OnRecord],
    unix_ms: impl Fn(f64) -> i64,
) -> Vec<String> {
    let mut faults = Vec::new();
    if spans.len() != story.spans.len() {
        faults.push(format!("{} spans expected, {} on record", story.spans.len(), spans.len()));
    }
    for (number, ((expected, span), seen)) in story.spans.iter().zip(spans).zip(on_record).enumerate() {
        let Some(rule) = rules.iter().find(|rule| rule.id == expected.truth) else {
            faults.push(format!("span {number}: the scenario has no rule {:?}", expected.truth));
            continue;
        };
        let said = compare_span(story, expected, rule, span, *seen, &unix_ms);
        faults.extend(said.into_iter().map(|fault| format!("span {number}: {fault}")));
    }
    faults
}

fn compare_span(
    story: &Story,
    expected: &ExpectedSpan,
    rule: &Rule,
    span: &Value,
    seen: OnRecord,
    unix_ms: impl Fn(f64) -> i64,
) -> Vec<String> {
    let mut faults = Vec::new();
    if span["partial"].as_str() != expected.partial.as_deref() {
        faults.push(format!("partial is {}, not {:?}", span["partial"], expected.partial));
    }
    let texts = [
        ("url", story.url.as_str()),
        ("vantage", files::VANTAGE),
        ("source", "measured"),
        ("status", expected.status.as_str()),
        ("mechanism", expected.mechanism.as_str()),
    ];
    for (key, text) in texts {
        if span[key] != text {
            faults.push(format!("{key}: expected {text}, saw {}", span[key]));
        }
    }
    if span["ongoing"] != expected.ongoing {
        faults.push(format!("ongoing: expected {}, saw {}", expected.ongoing, span["ongoing"]));
    }
    let mut event = |key: &str, truth: Option<f64>, recorded: Option<f64>, within: Option<f64>, width: Option<f64>| {
        let Some(truth) = truth else { return };
        if let Err(fault) = in_bracket(&span[key], unix_ms(truth), width) {
            faults.push(format!("{key}: {fault}"));
        }
        let late = recorded.map(|at| at - truth);
        if let Some(bound) = within
            && late.is_none_or(|late| late > bound)
        {
            faults.push(format!("{key}: on record within {bound} s of the truth expected, was {late:?}"));
        }
    };
    event("start", rule.from, seen.opened, Some(expected.opened_within), Some(expected.start_width));
    if expected.ongoing {
        if !span["end"].is_null() {
            faults.push(format!("end: none expected while it goes on, saw {}", span["end"]));
        }
    } else {
        event("end", rule.until, seen.closed, expected.closed_within, expected.end_width);
    }
    faults
}

/// Whether the bracket is closed on both sides, holds the true instant, and is narrow enough.
fn in_bracket(bracket: &Value, truth: i64, width: Option<f64>) -> Result<()> {
    let instant = |key: &str| -> Result<i64> {
        let text = bracket[key].as_str().with_context(|| format!("no {key} in {bracket}"))?;
        Ok(text.parse::<Timestamp>().with_context(|| format!("{key} {text}"))?.as_millisecond())
    };
    let (earliest, latest) = (instant("earliest")?, instant("latest")?);
    ensure!(
        earliest <= truth && truth <= latest,
        "the truth lies outside: {} ms after earliest, {} ms before latest",
        truth - earliest,
        latest - truth
    );
    let wide = (latest - earliest) as f64 / 1000.0;
    let most = width.unwrap_or(f64::INFINITY);
    ensure!(wide <= most, "{wide} s wide, at most {most} s expected");
    Ok(())
}
