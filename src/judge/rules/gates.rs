//! What is missing for a comparison: without it nothing that does not prove itself becomes `blocked` (DESIGN 4.3).

use crate::judge::context::Consensus;
use crate::judge::facts::Facts;
use crate::judge::rule::{Finding, Rule, rule};
use crate::judge::say;

pub(in crate::judge) const RULES: &[Rule] = &[
    rule!(
        "no.control",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        no_control,
        "The site fails or answers in clear text, nothing proves itself, and no control could be asked.",
        "DESIGN 4.3"
    ),
    rule!(
        "no.canary",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        no_canary,
        "The site fails here and the control reaches it, but no foreign canary shows that this vantage reaches the world.",
        "DESIGN 4.2"
    ),
];

/// What this vantage saw, which bears no verdict by itself.
fn observed(facts: &Facts<'_>) -> Vec<String> {
    match &facts.failing {
        Some(failing) => say::failure(facts, failing),
        None => match facts.seen.answer() {
            Some(answer) => vec![format!(
                "An answer came from {} without a proof that it is the site's own (status {}).",
                answer.address,
                answer.status.unwrap_or_default()
            )],
            None => vec!["The site gave no whole answer.".into()],
        },
    }
}

fn no_control(facts: &Facts<'_>) -> Option<Finding> {
    (facts.controls.consensus() == Consensus::None).then(|| {
        let how = if facts.controls.reports.is_empty() {
            "No control was asked, so it cannot be told whether the site works elsewhere: add a vantage with role = \"control\" or a helper under [control]."
        } else {
            "No control could be asked, so it cannot be told whether the site works elsewhere."
        };
        let mut reasons = observed(facts);
        reasons.extend(say::controls(facts));
        reasons.push(how.into());
        let mut reasons = reasons.into_iter();
        Finding::new(reasons.next().unwrap_or_default()).and(reasons)
    })
}

fn no_canary(facts: &Facts<'_>) -> Option<Finding> {
    (!facts.canaries.fine() && facts.control_works().is_some()).then(|| {
        let mut reasons = observed(facts).into_iter();
        Finding::new(reasons.next().unwrap_or_default()).and(reasons).and(say::controls(facts)).and([
            say::canaries(facts),
            "Without a foreign canary that answers it cannot be told whether the fault is this vantage's own: add one with [[canary]].".into(),
        ])
    })
}
