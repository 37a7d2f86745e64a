//! `doctor`: whether the instrument is sound, and what to do where it is not.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::args::{DoctorArgs, GlobalArgs, TellFormat};
use super::fault::{Exit, Fault};
use super::look::{BAD, BOLD, DIM, GOOD, Look, NEUTRAL};
use super::output::Output;
use super::rooms;
use super::text::wrap;
use crate::config::{Config, StoreUrl};
use crate::doctor::{self, Check, State};
use crate::export::to_json_line;
use crate::model::{Timestamp, printable};
use crate::rejudge;
use crate::store::{Examiner, Reader, StoreError, file_bytes, holder};

/// Newest measurements that are read back, unless all are asked for.
const SAMPLE: u64 = 2_000;

/// The object of `doctor --format json`.
#[derive(Serialize)]
struct Told<'c> {
    worst: State,
    checks: &'c [Check],
}

/// Runs `doctor`.
///
/// # Errors
/// Only when its own output cannot be written: all that is wrong with the instrument is a finding.
pub(super) fn run(global: &GlobalArgs, args: &DoctorArgs) -> Result<Exit, Fault> {
    let mut checks = Vec::new();
    match super::load(global) {
        Err(fault) => {
            let advice = "mend the files: `blockspan config check` tells all faults with their places";
            checks.push(Check::failed("configuration", printable(fault.to_string().trim()).into_owned(), advice));
        }
        Ok(loaded) => {
            checks.push(match loaded.warnings.len() {
                0 => {
                    let files = super::words::count(loaded.files.len(), "file", "files");
                    Check::ok("configuration", format!("{files} read without a fault"))
                }
                count => Check::warning("configuration", format!("{count} warnings"), "see `blockspan config check`"),
            });
            let StoreUrl::Sqlite(path) = &loaded.config.store.url;
            checks.extend(of_record(path, args));
            if args.offline {
                checks.push(Check::skipped("canaries", "not asked: --offline"));
                checks.push(Check::skipped("controls", "not asked: --offline"));
            } else {
                checks.extend(of_network(&loaded.config)?);
            }
        }
    }
    let worst = checks.iter().map(|check| check.state).max().unwrap_or(State::Ok);
    let mut output = Output::open(None)?;
    match args.format {
        TellFormat::Json => to_json_line(&Told { worst, checks: &checks }, &mut output)?,
        TellFormat::Human => write(&checks, &Look::detect(global.color, false), &mut output)?,
    }
    output.finish()?;
    Ok(if worst == State::Failed { Exit::Failed } else { Exit::Good })
}

fn of_record(path: &Path, args: &DoctorArgs) -> Vec<Check> {
    let examiner = match Examiner::open(path) {
        Ok(examiner) => examiner,
        Err(StoreError::NothingRecorded { .. }) => {
            let found = format!("there is no {} yet", path.display());
            return vec![Check::warning("database", found, "start `blockspan run`: it makes the record")];
        }
        Err(error) => {
            let advice = "mend what is said, or name another file with --store";
            return vec![Check::failed("database", error.to_string(), advice)];
        }
    };
    let now = Timestamp::now();
    let most = if args.full { u64::MAX } else { SAMPLE };
    let unreadable = |name: &'static str, error: &StoreError| {
        Check::failed(name, error.to_string(), "keep a copy of the file and restore the latest backup")
    };
    let or =
        |name: &'static str, check: Result<Check, StoreError>| check.unwrap_or_else(|error| unreadable(name, &error));
    let mut checks = vec![disk(path)];
    checks.push(or("database", examiner.pages(!args.full).map(doctor::pages)));
    checks.push(or("spans", examiner.spans(now).map(doctor::spans)));
    let evidence = examiner.evidence(most).map(|(tried, unreadable)| doctor::Evidence { tried, unreadable });
    checks.push(or("evidence", evidence.map(doctor::evidence)));
    checks.push(or("rules", examiner.rulesets().map(|found| doctor::rulesets(&found, rejudge::ruleset()))));
    let clock = clock_facts(path, &examiner, now);
    checks.push(or("clock", clock.map(|facts| doctor::clock(&facts))));
    let life = Reader::open(path).and_then(|reader| reader.last_life());
    let life =
        life.map(|life| life.map(|life| doctor::Life { last_sign: life.last_sign, ended: life.ended.is_some() }));
    checks.push(or("daemon", life.map(|life| doctor::daemon(life, holder(path), now))));
    checks
}

fn disk(path: &Path) -> Check {
    use std::os::unix::fs::PermissionsExt;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let room = nix::sys::statvfs::statvfs(folder);
    let mode = path.metadata().map(|metadata| metadata.permissions().mode());
    match (room, mode) {
        (Ok(room), Ok(mode)) => doctor::disk(&doctor::Disk {
            free: room.blocks_available().saturating_mul(room.fragment_size()),
            used: file_bytes(path),
            readable_by_others: mode & 0o077 != 0,
        }),
        (Err(error), _) => Check::skipped("disk", error.to_string()),
        (_, Err(error)) => Check::skipped("disk", error.to_string()),
    }
}

/// What the record and the machine tell of the clock. Answers over verified TLS bear the time of the server.
fn clock_facts(path: &Path, examiner: &Examiner, now: Timestamp) -> Result<doctor::Clock, StoreError> {
    let reader = Reader::open(path)?;
    Ok(doctor::Clock {
        now: Some(now),
        newest: examiner.newest()?,
        offsets: rooms::clock_offsets(&reader, now)?,
        steps: reader.clock_steps()?,
        kept: kept_by_the_machine(),
    })
}

/// What systemd-timesyncd leaves behind when it has set the clock. Other keepers of clocks leave nothing that we know.
fn kept_by_the_machine() -> Option<bool> {
    Path::new("/run/systemd/timesync/synchronized").exists().then_some(true)
}

fn of_network(config: &Config) -> Result<Vec<Check>, Fault> {
    let reached = rooms::reach(config)?;
    Ok(vec![doctor::reach("canaries", &reached.canaries), doctor::reach("controls", &reached.controls)])
}

fn write(checks: &[Check], look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in checks {
        let (sign, style) = match check.state {
            State::Ok => (look.pick("✓", "+"), GOOD),
            State::Skipped => (look.pick("–", "-"), DIM),
            State::Warning => ("!", NEUTRAL),
            State::Failed => (look.pick("✗", "x"), BAD),
        };
        let indent = width + 4;
        let room = look.width.saturating_sub(indent).max(20);
        let found = look.show(&check.found, 2_000);
        for (number, line) in wrap(&found, room).into_iter().enumerate() {
            if number == 0 {
                writeln!(
                    out,
                    "{} {}{:gap$}  {line}",
                    look.paint(style, sign),
                    look.paint(BOLD, check.name),
                    "",
                    gap = width - check.name.len()
                )?;
            } else {
                writeln!(out, "{:indent$}{line}", "")?;
            }
        }
        for detail in &check.details {
            for line in wrap(&look.show(detail, 500), room) {
                writeln!(out, "{:indent$}{}", "", look.paint(DIM, line))?;
            }
        }
        for line in check.advice.iter().flat_map(|advice| wrap(&format!("{} {advice}", look.pick("→", "->")), room)) {
            writeln!(out, "{:indent$}{line}", "")?;
        }
    }
    let failed = checks.iter().filter(|check| check.state == State::Failed).count();
    let warned = checks.iter().filter(|check| check.state == State::Warning).count();
    let summary = match (failed, warned) {
        (0, 0) => "Nothing is wrong.".to_owned(),
        (0, warned) => format!("Nothing has failed; {}.", super::words::count(warned, "warning", "warnings")),
        (failed, warned) => format!("{failed} failed, {}.", super::words::count(warned, "warning", "warnings")),
    };
    writeln!(out, "\n{}", look.paint(BOLD, summary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_at_eighty_columns() {
        let checks = [
            Check::ok("database", "every page is sound"),
            Check::failed(
                "spans",
                "spans do not agree with the rest of the record",
                "do not quote these spans; restore the latest backup, or let `blockspan rejudge --dry-run` tell",
            ),
            Check::skipped("canaries", "not asked: --offline"),
        ];
        let mut out = Vec::new();
        write(&checks, &Look::plain(), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"
        ✓ database  every page is sound
        ✗ spans     spans do not agree with the rest of the record
                    → do not quote these spans; restore the latest backup, or let
                    `blockspan rejudge --dry-run` tell
        – canaries  not asked: --offline

        1 failed, 0 warnings.
        ");
    }
}
