//! The site itself is at fault (DESIGN 4.3).

use crate::judge::context::Consensus;
use crate::judge::facts::{Facts, OwnAnswer};
use crate::judge::resolution::Lookup;
use crate::judge::rule::{Finding, Rule, rule};
use crate::judge::say;
use crate::model::{ControlKind, Failure, Layer};

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
        "Every encrypted resolver that answers says that the name has no address, and no control reaches the site. The own resolver agrees, or gives an address where nobody proves to be the site, as some do for every name that does not exist.",
        "DESIGN 4.3; OONI web connectivity tests (a block page for a name that is gone)"
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
        "site.redirects",
        Down,
        Differential,
        0.9,
        0.0,
        redirects,
        "In clear text the site's redirects lead to no page, here and for every usable control.",
        "DESIGN 4.3"
    ),
    rule!(
        "site.tls_incompatible",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        incompatible,
        "The site turns our TLS library away for want of a common cipher, here and at every usable control, which has the same one: browsers have more.",
        "RFC 8446 section 6.2"
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
    agreed_no_name(facts).or_else(|| no_name_but_an_answer(facts))
}

fn agreed_no_name(facts: &Facts<'_>) -> Option<Finding> {
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

/// The name is gone, and whatever the own resolver gives instead does not prove to be the site.
fn no_name_but_an_answer(facts: &Facts<'_>) -> Option<Finding> {
    let hop = facts.seen.hops.first().filter(|hop| !hop.answer_is_authentic())?;
    let gone = |(_, failure): (&Lookup<'_>, &Failure)| *failure == Failure::DnsNxdomain;
    let addresses = hop.own.addresses();
    let everywhere = hop.reference.failure().is_some_and(gone) && facts.reference(hop).is_empty();
    (everywhere && !addresses.is_empty() && facts.controls.consensus() == Consensus::Fails).then(|| {
        Finding::new(format!("The encrypted resolvers know no {}.", say::host(hop))).and(say::controls(facts)).and(Some(
            format!(
                "The own name server gives {} all the same, where nobody proves to be the site: there is no site that could be blocked.",
                say::addresses(&addresses)
            ),
        ))
    })
}

fn redirects(facts: &Facts<'_>) -> Option<Finding> {
    let exchange = facts.seen.last().filter(|hop| !hop.answer_is_authentic())?.exchange?;
    let endless = |failure: &Failure| {
        matches!(
            failure,
            Failure::HttpTooManyRedirects
                | Failure::HttpInvalidRedirectLocationHost
                | Failure::HttpUnexpectedRedirectUrl
        )
    };
    exchange.failure.as_ref().filter(|failure| endless(failure))?;
    (facts.controls.consensus() == Consensus::Fails).then(|| {
        Finding::new(format!(
            "The redirects of {} lead to no page.",
            say::quoted(exchange.url.host_str().unwrap_or_default())
        ))
        .and(say::controls(facts))
    })
}

fn incompatible(facts: &Facts<'_>) -> Option<Finding> {
    let alert = facts.failing.as_ref()?.path.as_ref()?.tls?.alert.as_deref();
    matches!(alert, Some("handshake_failure" | "insufficient_security")).then_some(())?;
    let same_library = facts.controls.usable().all(|report| report.kind == ControlKind::Vantage);
    let finding = down(facts).filter(|_| same_library)?;
    Some(finding.and(Some("The alert is about ciphers, of which browsers have more than our TLS library.".into())))
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
