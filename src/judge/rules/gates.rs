//! What is missing for a comparison: without it nothing that does not prove itself becomes `blocked` (DESIGN 4.3).

use crate::judge::context::Consensus;
use crate::judge::facts::Facts;
use crate::judge::rule::{Finding, Rule, rule};
use crate::judge::say;
use crate::judge::seen::Path;
use crate::model::Layer;

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
    rule!(
        "control.same_address",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        same_address,
        "A control reaches the site, but at the very addresses that fail here every control that tried them fails too: they are dead, not blocked.",
        "OONI pipeline v5, failure_ctrl_also_failing"
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

fn same_address(facts: &Facts<'_>) -> Option<Finding> {
    let failing = facts.failing.as_ref().filter(|failing| failing.layer <= Layer::Tls)?;
    let hop = facts.seen.hops.iter().find(|hop| hop.index == failing.hop)?;
    let counts = |path: &&Path<'_>| path.own && !path.bogon && facts.canaries.carries(path.address.ip());
    let mut failed = hop.paths.iter().filter(counts).peekable();
    failed.peek()?;
    failed.all(|path| facts.controls.fails_at(path.address)).then(|| {
        let mut reasons = observed(facts).into_iter();
        Finding::new(reasons.next().unwrap_or_default())
            .and(reasons)
            .and(say::controls(facts))
            .and(Some("At the addresses that fail here the control fails as well, so they seem to be dead.".into()))
    })
}
