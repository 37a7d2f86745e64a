//! `doctor`: everything that blockspan rests on, looked at, and what to do.

use std::io::Write;

use super::args::{DoctorArgs, GlobalArgs, TellFormat};
use super::fault::{Exit, Fault};
use super::look::{BAD, BOLD, DIM, GOOD, Look, NEUTRAL, of_check};
use super::output::Output;
use super::progress::Line;
use super::text::wrap;
use super::words::count;
use super::{config_check, rooms};
use crate::config::{Loaded, StoreUrl};
use crate::daemon::detector;
use crate::doctor::{self, Check, ClockFacts, DaemonFacts, Depth, Described, Report, State, Summary};
use crate::export::to_json_line;
use crate::model::{Timestamp, printable};

/// Columns of the name of a check.
const NAME: usize = 13;
/// Columns before the text of a check: indent, mark, name.
const BEFORE: usize = 2 + 2 + NAME;

/// Runs `doctor`.
///
/// # Errors
/// The output cannot be written. What is wrong elsewhere is what it tells.
pub(super) fn run(global: &GlobalArgs, args: &DoctorArgs) -> Result<Exit, Fault> {
    let now = Timestamp::now();
    let mut line = Line::new(global);
    let checks = match rooms::load(global, None, false) {
        Ok(loaded) => all(loaded, args, now, &mut line),
        Err(Fault::Config(faults)) => without_configuration(&faults, now),
        Err(other) => return Err(other),
    };
    line.clear();
    let report = Report::new(now, checks);
    let mut output = Output::open(None)?;
    match args.format {
        TellFormat::Json => to_json_line(&report, &mut output)?,
        TellFormat::Human => write(&report, &Look::detect(global.color, false), &mut output)?,
    }
    output.finish()?;
    Ok(if report.ok { Exit::Good } else { Exit::Failed })
}

/// Every check under a configuration that can be used.
fn all(loaded: Loaded, args: &DoctorArgs, now: Timestamp, line: &mut Line) -> Vec<Check> {
    let Loaded { config, files, warnings } = loaded;
    let loose = doctor::loose_secrets(&config);
    let described = Described { summary: config_check::summary(&config), files, warnings, loose };
    let mut checks = doctor::on_configuration(Ok(&described));

    let StoreUrl::Sqlite(path) = config.store.url.clone();
    let place = doctor::look_at_place(&path);
    let depth = match (args.quick, args.full) {
        (true, _) => Depth::Quick,
        (_, true) => Depth::Full,
        _ => Depth::Usual,
    };
    let found = doctor::on_record(&path, depth, &detector(&config), now, &mut |doing, done, of| {
        line.show(doing, || share(done, of));
    });
    let tally = found.tally.as_ref();
    let age = tally.and_then(|tally| tally.oldest).map(|oldest| now.since(oldest).as_secs());
    checks.extend(doctor::on_place(&place, tally, age));
    checks.extend(found.checks);
    let newest = tally.and_then(|tally| tally.newest);

    let (life, steps) = rooms::life_and_clock(&config.store.url);
    line.show("looking for the daemon", String::new);
    let address = config.serve.listen;
    let (interval, longest) = (config.probe.interval, config.probe.url_timeout * 2);
    let looked = rooms::look_at_daemon(&path, &config.serve);
    match looked {
        Ok((holder, served)) => {
            let facts = DaemonFacts { life, holder, address, served, newest, now: Timestamp::now(), interval, longest };
            checks.extend(doctor::on_daemon(&facts));
        }
        Err(fault) => checks.extend(doctor::on_no_instrument(&fault.to_string())),
    }

    let mut clock =
        ClockFacts { now: Timestamp::now(), newest, steps, keeping: doctor::keeping(), offsets: None, out_of_date: 0 };
    if args.offline {
        checks.extend(doctor::on_reach_skipped("nobody was asked (--offline)"));
    } else {
        line.show("asking canaries, resolvers and controls", String::new);
        match rooms::reach(config) {
            Ok(reached) => {
                let told: Vec<_> = reached
                    .canaries
                    .iter()
                    .filter_map(|canary| canary.measurement.as_ref())
                    .map(doctor::offsets)
                    .collect();
                clock.out_of_date = told.iter().map(|(_, out_of_date)| out_of_date).sum();
                clock.offsets = Some(told.into_iter().flat_map(|(offsets, _)| offsets).collect());
                checks.extend(doctor::on_reach(&reached));
            }
            Err(fault) => checks.extend(doctor::on_no_instrument(&fault.to_string())),
        }
    }
    checks.extend(doctor::on_clock(&clock));
    checks
}

/// What can be told when it is not known where the record is, nor whom to ask.
fn without_configuration(faults: &str, now: Timestamp) -> Vec<Check> {
    let why = "not known before the configuration can be read";
    let clock =
        ClockFacts { now, newest: None, steps: Vec::new(), keeping: doctor::keeping(), offsets: None, out_of_date: 0 };
    let mut checks = doctor::on_configuration(Err(faults));
    checks.extend(doctor::on_record_skipped(why));
    checks.extend(doctor::on_reach_skipped(why));
    checks.extend(doctor::on_clock(&clock));
    checks
}

fn write(report: &Report, look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mut area = None;
    for check in &report.checks {
        if area != Some(check.area) {
            if area.is_some() {
                writeln!(out)?;
            }
            writeln!(out, "{}", look.paint(BOLD, check.area.title()))?;
            area = Some(check.area);
        }
        write_check(check, look, out)?;
    }
    let style = match report.summary {
        Summary { failed: 1.., .. } => BAD,
        Summary { warning: 1.., .. } => NEUTRAL,
        _ => GOOD,
    };
    writeln!(out, "\n{}", look.paint(style, told(&report.summary)))
}

fn write_check(check: &Check, look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mark = match check.state {
        State::Ok => look.pick("✓", "+"),
        State::Warning => "!",
        State::Failed => look.pick("✗", "x"),
        State::Skipped => look.pick("–", "-"),
    };
    let style = of_check(check.state);
    let head = look.paint(style, format!("{mark} {:<NAME$}", check.check));
    let text = match &check.subject {
        Some(subject) => format!("{subject}: {}", check.found),
        None => check.found.clone(),
    };
    let width = look.width.saturating_sub(BEFORE);
    let indent = " ".repeat(BEFORE);
    if text.contains('\n') {
        // Laid out already, with marks under what they mean.
        writeln!(out, "  {}", head.trim_end())?;
        for line in text.lines() {
            writeln!(out, "{}", format!("    {}", safe(line, look)).trim_end())?;
        }
    } else {
        let style = if check.state == State::Skipped { DIM } else { super::look::PLAIN };
        for (number, line) in wrap(&safe(&text, look), width).iter().enumerate() {
            let before = if number == 0 { format!("  {head}") } else { indent.clone() };
            writeln!(out, "{before}{}", look.paint(style, line))?;
        }
    }
    if let Some(advice) = &check.advice {
        let arrow = look.pick("→", "->");
        let hang = " ".repeat(super::text::columns(arrow) + 1);
        for (number, line) in wrap(&safe(advice, look), width.saturating_sub(hang.len())).iter().enumerate() {
            let before = if number == 0 { format!("{arrow} ") } else { hang.clone() };
            writeln!(out, "{indent}{before}{}", look.paint(BOLD, line))?;
        }
    }
    Ok(())
}

/// Text of the record and of the network made fit to be shown.
fn safe(text: &str, look: &Look) -> String {
    look.show(&printable(text), usize::MAX / 8)
}

fn told(summary: &Summary) -> String {
    let Summary { ok, warning, failed, skipped } = *summary;
    let parts = [
        (ok, format!("{ok} ok")),
        (warning, count(warning, "warning", "warnings")),
        (failed, format!("{failed} failed")),
        (skipped, format!("{skipped} skipped")),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
    format!("{}: {}.", count(ok + warning + failed + skipped, "check", "checks"), parts.join(", "))
}

fn share(done: u64, of: u64) -> String {
    (done * 100).checked_div(of).map_or_else(String::new, |share| format!(": {share} %"))
}

#[cfg(test)]
mod tests {
    use super::super::text::columns;
    use super::*;
    use crate::doctor::{Area, Draft};

    fn report() -> Report {
        let draft = Draft::of;
        Report::new(
            "2026-11-25T09:00:00Z".parse().unwrap(),
            vec![
                draft(Area::Configuration, "files").ok("4 sites, 5 URLs, 1 vantage, 3 controls, 2 canaries; read targets.toml"),
                draft(Area::Database, "pages").failed(
                    "Tree 5 page 12: btreeInitPage() returns error code 11\u{1b}[2J; Tree 5 page 13 cell 2: 2nd reference to page 13",
                    "keep a copy of the file and restore the latest good backup (`blockspan backup --help`)",
                ),
                draft(Area::Clock, "synchronised").warning("the system does not keep it in step", "let it be kept"),
                draft(Area::Reachability, "canary")
                    .about("https://www.wikipedia.org/ from almaty-home")
                    .ok("answers (foreign)"),
                draft(Area::Daemon, "reload").skipped("it does not tell"),
            ],
        )
    }

    fn drawn(report: &Report, look: &Look) -> String {
        let mut out = Vec::new();
        write(report, look, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_report_at_eighty_columns() {
        let told = drawn(&report(), &Look::plain());
        assert!(told.lines().all(|line| columns(line) <= 80), "{told}");
        insta::assert_snapshot!(told, @"
        Configuration
          ✓ files        4 sites, 5 URLs, 1 vantage, 3 controls, 2 canaries; read
                         targets.toml

        Database
          ✗ pages        Tree 5 page 12: btreeInitPage() returns error code 11�[2J; Tree
                         5 page 13 cell 2: 2nd reference to page 13
                         → keep a copy of the file and restore the latest good backup
                           (`blockspan backup --help`)

        Clock
          ! synchronised the system does not keep it in step
                         → let it be kept

        Reachability
          ✓ canary       https://www.wikipedia.org/ from almaty-home: answers (foreign)

        Daemon
          – reload       it does not tell

        5 checks: 2 ok, 1 warning, 1 failed, 1 skipped.
        ");
        let ascii = drawn(&report(), &Look { unicode: false, ..Look::plain() });
        assert!(ascii.is_ascii(), "{ascii}");
        assert!(drawn(&report(), &Look { colour: true, ..Look::plain() }).contains("\u{1b}[31m"));
    }

    #[test]
    fn faults_that_are_laid_out_stay_so() {
        let faults = "error: unknown key `nam`\n --> targets.toml:3:1\n  |\n3 | nam = \"A\"\n  | ^^^";
        let check = Draft::of(Area::Configuration, "files").failed(faults, "mend it");
        let told = drawn(&Report::new(Timestamp::from_unix_ms(0), vec![check]), &Look::plain());
        assert!(told.contains("\n    3 | nam = \"A\"\n      | ^^^\n"), "{told}");
    }

    #[test]
    fn the_json_is_what_the_page_says() {
        let json = serde_json::to_value(report()).unwrap();
        let page = include_str!("../../docs/care.md");
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for key in [keys(&json), keys(&json["summary"]), keys(&json["checks"][0])].concat() {
            assert!(page.contains(&format!("\"{key}\"")), "`{key}` is not in docs/care.md");
        }
        assert_eq!(json["checks"][1]["state"], "failed");
        assert_eq!(json["checks"][0]["subject"], serde_json::Value::Null);
        assert_eq!(json["checks"][0]["advice"], serde_json::Value::Null);
        assert_eq!((&json["ok"], &json["at"]), (&false.into(), &"2026-11-25T09:00:00.000Z".into()));
    }
}
