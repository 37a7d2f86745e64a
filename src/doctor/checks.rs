//! The checks, each from its facts.

use std::time::Duration;

use super::Check;
use crate::model::{ClockStep, Measurement, Timestamp};

/// Room below which a disk is told to be short, in bytes.
const LITTLE_ROOM: u64 = 1 << 30;
/// The clock may be off by this much before it is told: brackets are made of seconds.
const MOST_OFFSET: f64 = 2.0;
/// Beyond this the record is wrong.
const WRONG_BY: f64 = 60.0;
/// A sign of life is due every ten seconds.
const NO_SIGN: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The disk that the record lies on.
#[derive(Debug, Clone, Copy)]
pub struct Disk {
    /// Bytes that are free for us.
    pub free: u64,
    /// Bytes of the record.
    pub used: u64,
    /// Who may read the record beside its owner.
    pub readable_by_others: bool,
}

/// Room and permissions.
pub fn disk(facts: &Disk) -> Check {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let found = format!("{} free, the record takes {}", mib(facts.free), mib(facts.used));
    if facts.free < LITTLE_ROOM / 16 {
        Check::failed("disk", found, "free some space now: soon nothing can be recorded")
    } else if facts.free < LITTLE_ROOM {
        Check::warning("disk", found, "free some space, or shorten `[store] keep_measurements`")
    } else if facts.readable_by_others {
        let told = format!("{found}; others on this machine may read it");
        Check::warning(
            "disk",
            told,
            "chmod 600 the record and the files beside it: it tells what is watched from where",
        )
    } else {
        Check::ok("disk", found)
    }
}

/// What SQLite found.
pub fn pages(found: Vec<String>) -> Check {
    if found.is_empty() {
        return Check::ok("database", "every page is sound");
    }
    let advice = "stop the daemon, keep a copy of the file, and restore the latest backup; or save what can be read with \
                  `sqlite3 FILE .recover`";
    Check::failed("database", "the file is damaged", advice).with(found)
}

/// Where spans disagree.
pub fn spans(found: Vec<String>) -> Check {
    if found.is_empty() {
        return Check::ok("spans", "bounds, states, journal and evidence agree");
    }
    let advice = "do not quote these spans; restore the latest backup, or let `blockspan rejudge --dry-run` tell what the \
                  evidence says";
    Check::failed("spans", "spans do not agree with the rest of the record", advice).with(found)
}

/// Evidence that was read back.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Measurements that were tried.
    pub tried: u64,
    /// Those that cannot be read.
    pub unreadable: Vec<String>,
}

/// Whether the evidence can be read.
pub fn evidence(facts: Evidence) -> Check {
    if facts.unreadable.is_empty() {
        return Check::ok("evidence", format!("the newest {} measurements can be read", facts.tried));
    }
    let advice = "keep a copy of the file and restore the latest backup: what cannot be read cannot be judged again";
    Check::failed("evidence", "measurements cannot be read", advice).with(facts.unreadable)
}

/// Which rules judged.
pub fn rulesets(found: &[(u32, u64)], current: u32) -> Check {
    let old: u64 = found.iter().filter(|(version, _)| *version < current).map(|(_, count)| count).sum();
    let newer = found.iter().any(|(version, _)| *version > current);
    if newer {
        return Check::warning(
            "rules",
            "a newer blockspan has judged here",
            "use that version, or judge again with this one",
        );
    }
    if old == 0 {
        return Check::ok("rules", format!("all verdicts are by rule set {current}"));
    }
    let found = format!("{old} verdicts are by older rules than rule set {current}");
    Check::warning(
        "rules",
        found,
        "look at `blockspan rejudge --dry-run`, then stop the daemon and run `blockspan rejudge`",
    )
}

/// What is known of the clock.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// The present.
    pub now: Option<Timestamp>,
    /// Beginning of the newest measurement.
    pub newest: Option<Timestamp>,
    /// What proven servers say minus what our clock says, seconds, one for each answer.
    pub offsets: Vec<f64>,
    /// Steps that were noticed.
    pub steps: Vec<ClockStep>,
    /// Whether the machine says that its clock is kept by NTP; None when it does not say.
    pub kept: Option<bool>,
}

/// What the servers of one measurement said of the time, minus what our clock said, seconds. Only those that proved
/// themselves are heard.
pub fn clock_offsets(measurement: &Measurement) -> impl Iterator<Item = f64> {
    measurement.http.iter().filter(|exchange| measurement.is_authentic(exchange)).filter_map(|exchange| {
        let date = exchange.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("date"));
        let date = date.and_then(|(_, date)| jiff::fmt::rfc2822::parse(date).ok())?;
        let head = exchange.first_byte.unwrap_or(exchange.elapsed);
        let ours = measurement.started_at.as_unix_seconds() + exchange.started.as_seconds() + head.as_seconds();
        // The header has whole seconds: on average it is half a second behind.
        Some(date.timestamp().as_millisecond() as f64 / 1e3 + 0.5 - ours)
    })
}

/// Whether the clock can be trusted: brackets are quoted to the second.
pub fn clock(facts: &Clock) -> Check {
    let ntp = "have the clock kept: `timedatectl set-ntp true`, or install chrony";
    if let (Some(now), Some(newest)) = (facts.now, facts.newest)
        && newest > now.plus(DAY / 24)
    {
        let found = format!("the newest measurement was made at {newest}, which is still to come");
        return Check::failed("clock", found, "set the clock right; what was recorded ahead of time cannot be quoted");
    }
    let mut offsets = facts.offsets.clone();
    offsets.sort_by(f64::total_cmp);
    let off = offsets.get(offsets.len() / 2).copied();
    let recent = facts.steps.iter().filter(|step| facts.now.is_some_and(|now| now.since(step.at) < DAY)).count();
    match (off, facts.kept) {
        (Some(off), _) if off.abs() > WRONG_BY => {
            Check::failed("clock", format!("it is off by {off:+.0} s, as servers of proven sites say"), ntp)
        }
        (Some(off), _) if off.abs() > MOST_OFFSET => {
            Check::warning("clock", format!("it is off by {off:+.1} s, as servers of proven sites say"), ntp)
        }
        _ if recent > 0 => Check::warning("clock", format!("it was stepped {recent} times within a day"), ntp),
        (_, Some(false)) => Check::warning("clock", "the machine says that nothing keeps its clock", ntp),
        (Some(off), _) => {
            Check::ok("clock", format!("within {:.1} s of what servers of proven sites say", off.abs().max(1.0)))
        }
        (None, Some(true)) => Check::ok("clock", "the machine says that it is kept by NTP"),
        (None, None) => {
            Check::skipped("clock", "nothing tells: no proven answers are recorded, and the machine does not say")
        }
    }
}

/// The latest life of the daemon.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// The last sign of it.
    pub last_sign: Timestamp,
    /// It ended in order.
    pub ended: bool,
}

/// Whether the daemon is measuring.
pub fn daemon(life: Option<Life>, holder: Option<u32>, now: Timestamp) -> Check {
    let start = "start it: `blockspan run`, or the service";
    let ago = |at: Timestamp| format!("{} s", now.since(at).as_secs());
    match (life, holder) {
        (None, _) => Check::warning("daemon", "it has never measured into this record", start),
        (Some(life), _) if life.ended => Check::warning(
            "daemon",
            format!("it was stopped {} ago: nothing is being measured", ago(life.last_sign)),
            start,
        ),
        (Some(life), None) => {
            let found = format!("it broke off; its last sign of life was {} ago", ago(life.last_sign));
            Check::failed("daemon", found, "look into its log for why, then start it")
        }
        (Some(life), Some(pid)) if now.since(life.last_sign) > NO_SIGN => {
            let found =
                format!("process {pid} holds the record and has given no sign of life for {}", ago(life.last_sign));
            Check::failed(
                "daemon",
                found,
                "look into its log: the disk may be full, or the process halted; then restart it",
            )
        }
        (Some(life), Some(pid)) => {
            Check::ok("daemon", format!("process {pid} is measuring, last sign of life {} ago", ago(life.last_sign)))
        }
    }
}

/// What was reached when it was asked just now.
#[derive(Debug, Clone)]
pub struct Reach {
    /// A vantage or a control.
    pub who: String,
    /// (answered, asked).
    pub tally: (usize, usize),
    /// What failed and how.
    pub failures: Vec<String>,
}

/// Whether vantages reach their canaries, or controls the first of them.
pub fn reach(name: &'static str, facts: &[Reach]) -> Check {
    if facts.is_empty() {
        return Check::skipped(name, "none is configured");
    }
    let details: Vec<String> = facts
        .iter()
        .flat_map(|reach| reach.failures.iter().map(move |failure| format!("{}: {failure}", reach.who)))
        .collect();
    let dead: Vec<&str> = facts.iter().filter(|reach| reach.tally.0 == 0).map(|reach| reach.who.as_str()).collect();
    let (answered, asked) = facts.iter().fold((0, 0), |sum, reach| (sum.0 + reach.tally.0, sum.1 + reach.tally.1));
    let found = format!("{answered} of {asked} answered");
    let advice = if name == "controls" {
        "see that the control works by itself (tunnel up, helper running, token right); without one only evidence that proves \
         itself says `blocked`"
    } else {
        "see whether the network, its name servers, or the canary itself is at fault; canaries that are blocked here must be \
         replaced under [[canary]]"
    };
    if dead.is_empty() && answered == asked {
        Check::ok(name, found)
    } else if dead.is_empty() {
        Check::warning(name, found, advice).with(details)
    } else {
        Check::failed(name, format!("{found}; nothing through {}", dead.join(", ")), advice).with(details)
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_ms(second * 1000)
    }

    #[test]
    fn a_disk_is_told_before_it_is_full() {
        let state = |free: u64, others: bool| disk(&Disk { free, used: 1 << 20, readable_by_others: others }).state;
        assert_eq!(state(10 << 30, false), State::Ok);
        assert_eq!(state(10 << 30, true), State::Warning);
        assert_eq!(state(500 << 20, false), State::Warning);
        assert_eq!(state(5 << 20, false), State::Failed);
    }

    #[test]
    fn one_odd_server_does_not_make_the_clock_wrong() {
        let of =
            |offsets: &[f64]| clock(&Clock { now: Some(at(0)), offsets: offsets.to_vec(), ..Clock::default() }).state;
        assert_eq!(of(&[0.4, -0.5, 86_400.0]), State::Ok);
        assert_eq!(of(&[5.0, 5.1, 4.8]), State::Warning);
        assert_eq!(of(&[3600.0, 3601.0, 0.1]), State::Failed);
        assert_eq!(of(&[]), State::Skipped);
        let step = ClockStep { at: at(-60), before: at(-3660), by_ms: 3_600_000 };
        assert_eq!(clock(&Clock { now: Some(at(0)), steps: vec![step], ..Clock::default() }).state, State::Warning);
        assert_eq!(
            clock(&Clock { now: Some(at(0)), newest: Some(at(86_400)), ..Clock::default() }).state,
            State::Failed
        );
        assert_eq!(clock(&Clock { kept: Some(true), ..Clock::default() }).state, State::Ok);
    }

    #[test]
    fn a_daemon_is_alive_when_it_says_so() {
        let life = |last: i64, ended: bool| Some(Life { last_sign: at(last), ended });
        assert_eq!(daemon(None, None, at(100)).state, State::Warning);
        assert_eq!(daemon(life(95, false), Some(7), at(100)).state, State::Ok);
        assert_eq!(daemon(life(5, false), Some(7), at(100)).state, State::Failed);
        assert_eq!(daemon(life(95, false), None, at(100)).state, State::Failed);
        assert_eq!(daemon(life(95, true), None, at(100)).state, State::Warning);
    }

    #[test]
    fn who_reaches_nothing_is_named() {
        let of = |who: &str, answered, asked| Reach {
            who: who.into(),
            tally: (answered, asked),
            failures: vec!["x: silent".into()],
        };
        assert_eq!(reach("canaries", &[]).state, State::Skipped);
        assert_eq!(reach("canaries", &[of("home", 3, 3)]).state, State::Ok);
        assert_eq!(reach("canaries", &[of("home", 2, 3)]).state, State::Warning);
        let failed = reach("canaries", &[of("home", 3, 3), of("work", 0, 3)]);
        assert_eq!(failed.state, State::Failed);
        assert!(failed.found.contains("work") && failed.advice.is_some() && failed.details.len() == 2, "{failed:?}");
    }

    #[test]
    fn every_trouble_comes_with_advice() {
        for check in [pages(vec!["x".into()]), spans(vec!["x".into()]), rulesets(&[(1, 5)], 3), rulesets(&[(9, 5)], 3)]
        {
            assert!(check.state >= State::Warning && check.advice.is_some(), "{check:?}");
        }
        assert_eq!(rulesets(&[(3, 5)], 3).state, State::Ok);
        assert_eq!(pages(Vec::new()).state, State::Ok);
    }
}
