//! The vantage itself is at fault: no network, only domestic network, a wrong clock, a dead way out (DESIGN 4.2).

use crate::judge::facts::Facts;
use crate::judge::failing::is_local;
use crate::judge::rule::{Finding, Rule, rule};
use crate::judge::say;
use crate::model::{Failure, Measurement};

pub(in crate::judge) const RULES: &[Rule] = &[
    rule!(
        "vantage.interrupted",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        interrupted,
        "A step was cut off by our own doing and no answer came: the measurement ran out of its time, or the address had as many of our connections as one may have.",
        "DESIGN 3, 10"
    ),
    rule!(
        "vantage.proxy",
        Offline,
        Weak,
        0.95,
        0.0,
        proxy,
        "The vantage's own way out (its SOCKS proxy) failed for every step.",
        "DESIGN 4.2"
    ),
    rule!(
        "vantage.no_network",
        Offline,
        Weak,
        0.95,
        0.0,
        no_network,
        "Every step failed inside this machine: it has no network.",
        "DESIGN 4.2"
    ),
    rule!(
        "vantage.clock",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        clock,
        "The site's certificate is only out of date, and no canary answered while some showed such certificates too: the vantage's clock is probably wrong.",
        "DESIGN 4.2"
    ),
    rule!(
        "vantage.offline",
        Offline,
        Weak,
        0.95,
        0.0,
        offline,
        "The site fails and so do all canaries: no network, a captive portal, or a dead resolver.",
        "DESIGN 4.2"
    ),
    rule!(
        "vantage.domestic_only",
        Offline,
        Weak,
        0.95,
        0.0,
        domestic_only,
        "The site fails and so do all foreign canaries, while a domestic one answers: the country is cut off.",
        "DESIGN 4.2"
    ),
];

/// Every step's outcome.
fn outcomes(measurement: &Measurement) -> impl Iterator<Item = Option<&Failure>> {
    let dns = measurement.dns.iter().map(|step| step.failure.as_ref());
    let tcp = measurement.tcp.iter().filter(|step| !step.bogon).map(|step| step.failure.as_ref());
    let tls = measurement.tls.iter().map(|step| step.failure.as_ref());
    dns.chain(tcp).chain(tls).chain(measurement.http.iter().map(|step| step.failure.as_ref()))
}

fn interrupted(facts: &Facts<'_>) -> Option<Finding> {
    let cut = outcomes(facts.measurement).any(|failure| failure == Some(&Failure::Interrupted));
    (cut && facts.seen.answer().is_none()).then(|| {
        Finding::new("The measurement ran out of its time, or was held back by this machine itself, before its end.")
    })
}

fn proxy(facts: &Facts<'_>) -> Option<Finding> {
    let mut any = false;
    let all = outcomes(facts.measurement).all(|failure| {
        any = true;
        failure == Some(&Failure::ProxyFailed)
    });
    // Name resolution may go another way (encrypted resolvers outside the tunnel), so connections alone decide too.
    let mut tried = facts.measurement.tcp.iter().filter(|tcp| !tcp.bogon).peekable();
    let connections = tried.peek().is_some() && tried.all(|tcp| tcp.failure == Some(Failure::ProxyFailed));
    (any && all || connections).then(|| {
        Finding::new("The way out of this vantage (its SOCKS proxy) failed for every connection, which says nothing of the site.")
    })
}

fn no_network(facts: &Facts<'_>) -> Option<Finding> {
    let mut any = false;
    let inside = |failure: Option<&Failure>| {
        failure.is_some_and(|failure| {
            is_local(failure) || matches!(failure, Failure::NetworkUnreachable | Failure::HostUnreachable)
        })
    };
    let all = outcomes(facts.measurement).all(|failure| {
        any = true;
        inside(failure)
    });
    // An address given in the URL may be unreachable by itself; a resolver that cannot be reached as well is no chance.
    let asked = !facts.measurement.dns.is_empty();
    let down = outcomes(facts.measurement).any(|failure| failure == Some(&Failure::NetworkDown));
    (any && all && (asked || down) && !facts.canaries.fine())
        .then(|| Finding::new("Nothing left this machine: neither name servers nor addresses could be reached."))
}

fn clock(facts: &Facts<'_>) -> Option<Finding> {
    let about_dates = facts.failing.as_ref().is_some_and(|failing| failing.is_about_dates());
    (about_dates && facts.canaries.all_fail() && facts.canaries.out_of_date > 0).then(|| {
        Finding::new("The site's certificate is out of date here, and so are those of the canaries.")
            .and(Some("The clock of this machine is probably wrong.".into()))
    })
}

/// Nothing proves that the site works by an address of the vantage's own resolver; rules above have seen to that.
fn offline(facts: &Facts<'_>) -> Option<Finding> {
    facts.canaries.all_fail().then(|| {
        let resolver = facts.seen.is_authentic_anywhere().then(|| {
            "By an address that only the encrypted reference gave the site can be reached, so it is probably the vantage's own name server that is dead.".into()
        });
        Finding::new("The site fails, and so do all the unrelated sites asked to tell whether this vantage has a network.")
            .and(Some(say::canaries(facts)))
            .and(resolver)
    })
}

fn domestic_only(facts: &Facts<'_>) -> Option<Finding> {
    facts.canaries.domestic_only().then(|| {
        Finding::new("The site fails, and only domestic sites can be reached: the network is cut off from the world.")
            .and(Some(say::canaries(facts)))
    })
}
