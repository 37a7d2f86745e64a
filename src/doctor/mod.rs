//! Looks whether the instrument is sound, and says what to do where it is not. Facts are gathered by others; here they are
//! judged. Pure.

mod checks;

use serde::Serialize;

pub use checks::{
    Clock, Disk, Evidence, Life, Reach, clock, clock_offsets, daemon, disk, evidence, pages, reach, rulesets, spans,
};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Nothing could be told.
    Skipped,
    /// It works, and will not for ever, or not as well as it could.
    Warning,
    /// What it is for does not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found, in a sentence.
    pub found: String,
    /// Further findings.
    pub details: Vec<String>,
    /// What to do; null when there is nothing to do.
    pub advice: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), details: Vec::new(), advice: None }
    }

    /// Nothing could be told.
    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { state: State::Skipped, ..Self::ok(name, why) }
    }

    /// It works, but.
    pub fn warning(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Warning, advice: Some(advice.into()), ..Self::ok(name, found) }
    }

    /// It does not work.
    pub fn failed(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Failed, ..Self::warning(name, found, advice) }
    }

    fn with(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}
