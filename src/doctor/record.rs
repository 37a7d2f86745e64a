//! The record itself: the file, its rows, and its spans against the evidence.

use std::path::Path;

use super::spans::Disorder;
use super::{Area, Check, Draft};
use crate::detect::Detector;
use crate::model::Timestamp;
use crate::rejudge::{AuditOrders, SeriesAudit, audit, ruleset};
use crate::store::{Archive, Examiner, Faults, StoreError, Tally};

/// How thoroughly the record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The pages without their indices, and no measurement.
    Quick,
    /// Small series whole, and the newest measurements of the others.
    Usual,
    /// Every measurement.
    Full,
}

/// Measurements that are opened at the usual depth: some seconds of work.
const USUAL_BUDGET: u64 = 20_000;

/// What else is known from the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordFound {
    /// The checks.
    pub checks: Vec<Check>,
    /// How its measurements are spread. None when there is no record, or it cannot be read.
    pub tally: Option<Tally>,
}

/// What to do about a record that is damaged.
const RESTORE: &str = "keep a copy of the file and restore the latest good backup (`blockspan backup --help`)";

const PAGES: Draft = Draft::of(Area::Database, "pages");
const REFERENCES: Draft = Draft::of(Area::Database, "references");
const DICTIONARIES: Draft = Draft::of(Area::Database, "dictionaries");
const MEASUREMENTS: Draft = Draft::of(Area::Database, "measurements");
const JOURNAL: Draft = Draft::of(Area::Spans, "journal");
const BOUNDS: Draft = Draft::of(Area::Spans, "bounds");
const OVERLAPS: Draft = Draft::of(Area::Spans, "overlaps");
const STATES: Draft = Draft::of(Area::Spans, "states");
const EVIDENCE: Draft = Draft::of(Area::Spans, "evidence");
const RULES: Draft = Draft::of(Area::Spans, "rules");

/// Reads the record at `path` and checks it. `report` gets what is being done, with the measurements done and those in
/// all where they are counted.
pub fn on_record(
    path: &Path,
    depth: Depth,
    detector: &Detector,
    now: Timestamp,
    report: &mut dyn FnMut(&'static str, u64, u64),
) -> RecordFound {
    let opened = Draft::of(Area::Database, "record");
    let examiner = match Examiner::open(path) {
        Ok(examiner) => examiner,
        Err(error) => return RecordFound { checks: vec![on_unopened(opened, &error)], tally: None },
    };
    let week_ago = now.minus(std::time::Duration::from_secs(super::place::WEEK_SECONDS));
    let tally = examiner.tally(week_ago);
    let mut checks = vec![match &tally {
        Ok(tally) => opened.ok(format!(
            "schema {}; {} measurements of {} series, {} spans",
            Examiner::schema(),
            tally.measurements,
            tally.series,
            tally.spans
        )),
        Err(error) => opened.failed(error.to_string(), RESTORE),
    }];

    report("checking the pages", 0, 0);
    let pages = examiner.pages(depth == Depth::Quick);
    checks.push(on_faults(PAGES, &pages, "sound", RESTORE));
    report("checking the references", 0, 0);
    checks.push(on_faults(REFERENCES, &examiner.dangling(), "every row finds what it names", RESTORE));
    checks.push(on_dictionaries(&examiner));
    checks.push(on_faults(
        JOURNAL,
        &examiner.journal(),
        "what it names is there, and what is there it names",
        "something other than blockspan has changed the record: restore the latest good backup",
    ));
    checks.push(on_rules(&examiner.rule_sets()));
    drop(examiner);
    checks.extend(on_evidence(path, depth, detector, now, report));
    RecordFound { checks, tally: tally.ok() }
}

/// The checks of the record that were not made, and why.
pub fn on_record_skipped(why: &str) -> Vec<Check> {
    vec![Draft::of(Area::Database, "record").skipped(why)]
}

fn on_unopened(opened: Draft, error: &StoreError) -> Check {
    match error {
        StoreError::NothingRecorded { .. } => {
            opened.warning("there is no record yet", "start `blockspan run`, or name the record with --store")
        }
        StoreError::Older { .. } => opened.warning(error.to_string(), "make a backup, then start `blockspan run` once"),
        StoreError::Newer { .. } => opened.failed(error.to_string(), "upgrade blockspan"),
        StoreError::Location { advice, .. } => opened.failed(error.to_string(), *advice),
        StoreError::NotOurs { .. } => {
            opened.failed(error.to_string(), "name the file of the record, or restore the latest good backup there")
        }
        _ => opened.failed(error.to_string(), RESTORE),
    }
}

fn on_faults(draft: Draft, found: &Result<Faults, StoreError>, fine: &str, advice: &str) -> Check {
    match found {
        Ok(faults) if faults.count == 0 => draft.ok(fine),
        Ok(faults) => draft.failed(listed(faults), advice),
        Err(error) => draft.failed(error.to_string(), advice),
    }
}

/// The faults that are named, and how many there are beside them.
fn listed(faults: &Faults) -> String {
    let more = faults.count.saturating_sub(faults.named.len() as u64);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{}{rest}", faults.named.join("; "))
}

fn on_dictionaries(examiner: &Examiner) -> Check {
    match examiner.dictionaries() {
        Ok((number, faults)) if faults.count == 0 => DICTIONARIES.ok(format!("{number}, all readable")),
        Ok((_, faults)) => DICTIONARIES.failed(listed(&faults), RESTORE),
        Err(error) => DICTIONARIES.failed(error.to_string(), RESTORE),
    }
}

fn on_rules(found: &Result<Vec<(u32, u64)>, StoreError>) -> Check {
    let sets = match found {
        Ok(sets) => sets,
        Err(error) => return RULES.failed(error.to_string(), RESTORE),
    };
    let of = |wanted: &dyn Fn(u32) -> bool| -> u64 {
        sets.iter().filter(|(set, _)| wanted(*set)).map(|(_, number)| number).sum()
    };
    let (older, newer) = (of(&|set| set < ruleset()), of(&|set| set > ruleset()));
    if newer > 0 {
        return RULES.warning(
            format!("{newer} measurements were judged by newer rules than rule set {} of this build", ruleset()),
            "use the newer blockspan again",
        );
    }
    if older > 0 {
        return RULES.warning(
            format!("{older} measurements were judged by rules older than rule set {}", ruleset()),
            "see what today's rules say with `blockspan rejudge --dry-run`, then stop the daemon and run `blockspan rejudge`",
        );
    }
    RULES.ok(format!("all verdicts are by rule set {}", ruleset()))
}

/// Opens the measurements and holds the spans against them.
fn on_evidence(
    path: &Path,
    depth: Depth,
    detector: &Detector,
    now: Timestamp,
    report: &mut dyn FnMut(&'static str, u64, u64),
) -> Vec<Check> {
    let budget = match depth {
        // The spans and states are looked at all the same.
        Depth::Quick => 0,
        Depth::Usual => USUAL_BUDGET,
        Depth::Full => u64::MAX,
    };
    let audited = Archive::open_to_look(path, now, ruleset()).and_then(|mut archive| {
        let mut tell = |done, of| report("reading the measurements", done, of);
        audit(&mut archive, &AuditOrders { detector, budget, sample: depth != Depth::Quick }, &mut tell)
    });
    match audited {
        Ok(audited) => judge(&audited, depth, now),
        Err(error) => vec![MEASUREMENTS.failed(error.to_string(), RESTORE)],
    }
}

/// What the audit of each series amounts to.
fn judge(audited: &[Result<SeriesAudit, StoreError>], depth: Depth, now: Timestamp) -> Vec<Check> {
    let mut damaged = Faults::default();
    let mut disorder = Disorder::default();
    let (mut opened, mut kept, mut series) = (0, 0, 0);
    for audited in audited {
        match audited {
            Ok(audit) => {
                (opened, kept, series) = (opened + audit.opened, kept + audit.measurements, series + 1);
                damaged.count += audit.damaged.count;
                damaged.named.extend(audit.damaged.named.iter().cloned());
                disorder.look(audit, now);
            }
            Err(error) => damaged.add(|| error.to_string()),
        }
    }
    damaged.named.truncate(5);
    let measurements = if damaged.count > 0 {
        MEASUREMENTS.failed(listed(&damaged), RESTORE)
    } else if depth == Depth::Quick {
        MEASUREMENTS.skipped("not opened (--quick)")
    } else if opened < kept {
        MEASUREMENTS.ok(format!("{opened} of {kept} were opened and are readable; --full opens all"))
    } else {
        MEASUREMENTS.ok(format!("all {kept} are readable"))
    };
    let changed = "something other than blockspan has changed the record: restore the latest good backup";
    let by_clock = "if the clock was set back then, the bounds cannot be told; else restore the latest good backup";
    let draft = |draft: Draft, faults: &Faults, fine: &str, advice: &str| {
        if faults.count == 0 { draft.ok(fine) } else { draft.failed(listed(faults), advice) }
    };
    let evidence = if disorder.replay.count > 0 {
        EVIDENCE.warning(
            listed(&disorder.replay),
            "if [detect] or [throttling] was another then, or measurements were lost, this is why; else compare with a \
             backup",
        )
    } else if disorder.replayed == 0 && series > 0 {
        EVIDENCE.skipped(if depth == Depth::Quick {
            "not replayed (--quick)"
        } else {
            "no series is small enough or whole enough to be replayed; --full replays all that are whole"
        })
    } else {
        let of = disorder.replayed;
        EVIDENCE.ok(format!("the verdicts of {of} of {series} series were replayed and give the same spans"))
    };
    vec![
        measurements,
        draft(BOUNDS, &disorder.bounds, "in order, none in the future", by_clock),
        draft(OVERLAPS, &disorder.overlaps, "no two spans of a series at once", changed),
        draft(STATES, &disorder.open, "what is open is open in the spans and in the state of the test", changed),
        evidence,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::store::sample::{at, key, span};

    fn sound() -> SeriesAudit {
        let open = span(0, 5, 10);
        SeriesAudit {
            key: key(0),
            measurements: 30,
            opened: 30,
            damaged: Faults::default(),
            spans: vec![open.clone()],
            held_open: Some(open.clone()),
            replay: Some(crate::rejudge::Replay { begins: at(0), pruned: false, spans: vec![open] }),
        }
    }

    fn states(audited: &[Result<SeriesAudit, StoreError>], depth: Depth) -> Vec<State> {
        let checks = judge(audited, depth, at(1000));
        for check in &checks {
            assert_eq!(matches!(check.state, State::Ok | State::Skipped), check.advice.is_none(), "{check:?}");
        }
        checks.iter().map(|check| check.state).collect()
    }

    #[test]
    fn each_fault_of_a_series_lands_in_its_check() {
        use State::{Failed, Ok as Good, Skipped, Warning};
        let damaged = Faults { count: 7, named: vec!["measurement x".to_owned()] };
        let lost = StoreError::Damaged { path: "a.db".into(), row: "series 1".to_owned(), problem: "no".to_owned() };
        let sampled = SeriesAudit { opened: 10, replay: None, ..sound() };
        for (audited, depth, wanted) in [
            (Ok(sound()), Depth::Usual, [Good, Good, Good, Good, Good]),
            (Ok(sampled.clone()), Depth::Usual, [Good, Good, Good, Good, Skipped]),
            (Ok(SeriesAudit { opened: 0, ..sampled }), Depth::Quick, [Skipped, Good, Good, Good, Skipped]),
            (Ok(SeriesAudit { damaged, replay: None, ..sound() }), Depth::Usual, [Failed, Good, Good, Good, Skipped]),
            (Err(lost), Depth::Usual, [Failed, Good, Good, Good, Good]),
            (Ok(SeriesAudit { held_open: None, ..sound() }), Depth::Usual, [Good, Good, Good, Failed, Good]),
            (
                Ok(SeriesAudit { spans: vec![], held_open: None, ..sound() }),
                Depth::Full,
                [Good, Good, Good, Good, Warning],
            ),
        ] {
            assert_eq!(states(std::slice::from_ref(&audited), depth), wanted, "{audited:?}");
        }
        assert_eq!(states(&[], Depth::Usual), [Good; 5]);
    }

    #[test]
    fn rules_of_another_build_are_told() {
        let state = |sets: &[(u32, u64)]| on_rules(&Ok(sets.to_vec())).state;
        assert_eq!(state(&[(ruleset(), 5)]), State::Ok);
        assert_eq!(state(&[]), State::Ok);
        assert_eq!(state(&[(ruleset() - 1, 5), (ruleset(), 5)]), State::Warning);
        assert_eq!(state(&[(ruleset() + 1, 5)]), State::Warning);
    }

    #[test]
    fn a_record_that_cannot_be_opened_is_told_with_what_to_do() {
        let path = std::path::PathBuf::from("a.db");
        let state = |error: &StoreError| on_unopened(Draft::of(Area::Database, "record"), error).state;
        assert_eq!(state(&StoreError::NothingRecorded { path: path.clone() }), State::Warning);
        assert_eq!(state(&StoreError::Older { path: path.clone(), found: 1, known: 2 }), State::Warning);
        assert_eq!(state(&StoreError::Newer { path: path.clone(), found: 3, known: 2 }), State::Failed);
        assert_eq!(state(&StoreError::NotOurs { path, found: "a letter".to_owned() }), State::Failed);
    }
}
