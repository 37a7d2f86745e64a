//! The site itself is at fault (DESIGN 4.3).

use crate::judge::context::Consensus;
use crate::judge::facts::{Facts, OwnAnswer};
use crate::judge::rule::{Finding, Rule, rule};
use crate::judge::say;
use crate::model::{Failure, Layer};

pub(in crate::judge) const RULES: &[Rule] = &[
    rule!(
        "control.differs",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        differs,
        "No control got a page, but one got past the layer at which it fails here: the site has trouble, and perhaps not only that.",
        "DESIGN 4.3"
    ),
    rule!(
        "site.no_name",
        Down,
        Differential,
        0.9,
        0.0,
        no_name,
        "The own resolver and every encrypted resolver that answers agree that the name has no address, and no control reaches the site.",
        "DESIGN 4.3"
    ),
    rule!(
        "site.bogon",
        Down,
        Differential,
        0.9,
        0.0,
        bogon,
        "The own resolver gives addresses that cannot be public, and so does the reference: the site publishes them.",
        "OONI pipeline v5, bogon_in_ctrl"
    ),
    rule!(
        "site.down",
        Down,
        Differential,
        0.9,
        0.0,
        down,
        "The site fails here and for every usable control.",
        "DESIGN 4.3"
    ),
];

fn differs(facts: &Facts<'_>) -> Option<Finding> {
    let failing = facts.failing.as_ref()?;
    (facts.controls.consensus() == Consensus::Fails).then_some(())?;
    let report = facts.controls.gets_past(failing.layer)?;
    let passed = if failing.layer == Layer::Dns { "resolved the name" } else { "got further than this vantage" };
    Some(
        Finding::new(format!("The control {} {passed}, but got no page either.", report.id))
            .and(say::failure(facts, failing)),
    )
}

fn no_name(facts: &Facts<'_>) -> Option<Finding> {
    let hop = facts.seen.stuck()?;
    let same = |failure: &Failure| {
        matches!(failure, Failure::DnsNxdomain | Failure::DnsServfail | Failure::DnsNoAnswer | Failure::DnsRefused)
    };
    let (lookup, failure) = hop.own.failure().filter(|(_, failure)| same(failure))?;
    hop.reference.failure().filter(|(_, failure)| same(failure))?;
    (facts.control_works().is_none() && facts.reference(hop).is_empty()).then(|| {
        Finding::new(say::dns_failure(lookup, failure, hop))
            .and(Some("The encrypted resolvers know no address for it either.".into()))
            .and(say::controls(facts))
    })
}

fn bogon(facts: &Facts<'_>) -> Option<Finding> {
    let hop = facts.seen.stuck()?;
    let OwnAnswer::Bogon(ip) = facts.own_answer(hop) else { return None };
    let published = hop.reference.addresses().iter().any(|address| facts.knowledge.is_bogon(*address));
    (published && facts.reference(hop).is_empty() && facts.control_works().is_none()).then(|| {
        Finding::new(format!("{} resolves to {ip}, which cannot be public.", say::host(hop)))
            .and(Some("The encrypted resolvers give such an address too, so the site itself publishes it.".into()))
    })
}

fn down(facts: &Facts<'_>) -> Option<Finding> {
    let failing = facts.failing.as_ref()?;
    let everywhere = facts.controls.consensus() == Consensus::Fails && !facts.seen.is_authentic_anywhere();
    everywhere.then(|| {
        let mut reasons = say::failure(facts, failing).into_iter();
        let first = reasons.next().unwrap_or_else(|| "The site fails here.".into());
        Finding::new(first).and(reasons).and(say::controls(facts))
    })
}
