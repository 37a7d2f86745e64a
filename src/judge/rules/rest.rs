//! What is left when no rule speaks.

use crate::judge::facts::Facts;
use crate::judge::rule::{Finding, Rule, rule};
use crate::judge::say;

use super::throttle;

/// The rule that always speaks.
pub(in crate::judge) const LAST: Rule = rule!(
    "evidence.insufficient",
    Inconclusive,
    Weak,
    0.0,
    0.0,
    last,
    "Nothing above speaks: steps were never made, or failed in a way that no rule knows (IPv6 without a way out, an unreadable answer).",
    "DESIGN 1"
);

pub(in crate::judge) const RULES: &[Rule] = &[LAST];

fn last(facts: &Facts<'_>) -> Option<Finding> {
    Some(finding(facts))
}

/// What it says.
pub(in crate::judge) fn finding(facts: &Facts<'_>) -> Finding {
    let seen = facts.failing.as_ref().map(|failing| say::failure(facts, failing)).unwrap_or_default();
    Finding::new("What was seen bears no verdict.").and(seen).and(throttle::doubts(facts)).and(say::controls(facts))
}
