//! What is told: a list of checks, each with what was found and what to do.

use serde::Serialize;

use crate::model::Timestamp;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All is well.
    Ok,
    /// It works, but not for long, or not as it should.
    Warning,
    /// It does not work, or the record says what cannot be.
    Failed,
    /// It could not be looked at, or was not asked for.
    Skipped,
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// The files that say what to do.
    Configuration,
    /// The file that the record is in, and its disk.
    Database,
    /// What the record says, against its evidence.
    Spans,
    /// The clock that all bounds are told by.
    Clock,
    /// Those whom verdicts depend on.
    Reachability,
    /// The process that measures.
    Daemon,
}

impl Area {
    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Database => "Database",
            Self::Spans => "Spans",
            Self::Clock => "Clock",
            Self::Reachability => "Reachability",
            Self::Daemon => "Daemon",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about.
    pub area: Area,
    /// Its fixed name.
    pub check: &'static str,
    /// Which of several (a vantage, a resolver, a URL); null where there is only one.
    pub subject: Option<String>,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do, in one sentence; null when there is nothing to do.
    pub advice: Option<String>,
}

/// A check that has not come out yet.
#[derive(Debug, Clone)]
pub struct Draft {
    area: Area,
    check: &'static str,
    subject: Option<String>,
}

impl Draft {
    /// The check of this name.
    pub const fn of(area: Area, check: &'static str) -> Self {
        Self { area, check, subject: None }
    }

    /// The one of several that is about this.
    pub fn about(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// All is well.
    pub fn ok(self, found: impl Into<String>) -> Check {
        self.comes_out(State::Ok, found.into(), None)
    }

    /// It was not looked at; `found` says why.
    pub fn skipped(self, found: impl Into<String>) -> Check {
        self.comes_out(State::Skipped, found.into(), None)
    }

    /// Something to mind, and what to do about it.
    pub fn warning(self, found: impl Into<String>, advice: impl Into<String>) -> Check {
        self.comes_out(State::Warning, found.into(), Some(advice.into()))
    }

    /// Something is broken, and what to do about it.
    pub fn failed(self, found: impl Into<String>, advice: impl Into<String>) -> Check {
        self.comes_out(State::Failed, found.into(), Some(advice.into()))
    }

    fn comes_out(self, state: State, found: String, advice: Option<String>) -> Check {
        let Self { area, check, subject } = self;
        Check { area, check, subject, state, found, advice }
    }
}

/// How many checks came out how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// All is well.
    pub ok: usize,
    /// To be minded.
    pub warning: usize,
    /// Broken.
    pub failed: usize,
    /// Not looked at.
    pub skipped: usize,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// When it was looked.
    pub at: Timestamp,
    /// Whether nothing has failed.
    pub ok: bool,
    /// How many checks came out how.
    pub summary: Summary,
    /// The checks, in order of their areas.
    pub checks: Vec<Check>,
}

impl Report {
    /// The report of these checks.
    pub fn new(at: Timestamp, mut checks: Vec<Check>) -> Self {
        checks.sort_by_key(|check| check.area);
        let count = |state| checks.iter().filter(|check| check.state == state).count();
        let summary = Summary {
            ok: count(State::Ok),
            warning: count(State::Warning),
            failed: count(State::Failed),
            skipped: count(State::Skipped),
        };
        Self { at, ok: summary.failed == 0, summary, checks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_counted_and_in_order() {
        let draft = |area| Draft::of(area, "x");
        let report = Report::new(
            Timestamp::from_unix_ms(0),
            vec![
                draft(Area::Daemon).warning("a", "b"),
                draft(Area::Configuration).ok("a"),
                draft(Area::Spans).skipped("a"),
            ],
        );
        assert!(report.ok, "a warning is no failure");
        assert_eq!(report.summary, Summary { ok: 1, warning: 1, failed: 0, skipped: 1 });
        let areas: Vec<Area> = report.checks.iter().map(|check| check.area).collect();
        assert_eq!(areas, [Area::Configuration, Area::Spans, Area::Daemon]);
        assert!(!Report::new(Timestamp::from_unix_ms(0), vec![draft(Area::Clock).failed("a", "b")]).ok);
    }
}
