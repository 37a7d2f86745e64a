//! The vantage's own resolver fails or lies while the reference tells the truth.

use std::net::IpAddr;

use crate::judge::facts::{Facts, OwnAnswer, Sunk};
use crate::judge::failing::dns_mechanism;
use crate::judge::negative::Negative;
use crate::judge::rule::{Finding, Rule, blocked, rule};
use crate::judge::say;
use crate::judge::seen::{Hop, Path};
use crate::model::{CertificateFault, Failure, Mechanism};

use super::layers::comparison;

pub(in crate::judge) const PROVEN: &[Rule] = &[
    blocked!(
        "dns.blockpage.known",
        DnsBlockpage,
        SelfProving,
        0.99,
        1.0,
        sinkhole,
        "The own resolver gives an address, or leads through a name, that is known as this country's block page or sinkhole.",
        "OONI blocking-fingerprints; the lists of [fingerprints]"
    ),
    blocked!(
        "dns.injected",
        DnsInjected,
        SelfProving,
        0.97,
        1.0,
        injected,
        "One datagram question got two different answers, at least one of which contradicts the reference.",
        "OONI tq-002; DESIGN 4.4"
    ),
    blocked!(
        "dns.bogon",
        DnsBogon,
        SelfProving,
        0.97,
        1.0,
        bogon,
        "The own resolver gives only addresses that cannot be public, while the reference has a public one.",
        "OONI pipeline v5, bogon_not_in_ctrl; DESIGN 4.4"
    ),
    rule!(
        "dns.negative_cache",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        negative_cache,
        "The own resolver says that there is no such name or address, and its answer bears the name's own zone and a time for which that may be believed, while the reference has an address: it may be true of some time ago.",
        "RFC 2308 sections 2 and 5"
    ),
    blocked!(
        "dns.nxdomain.proven",
        DnsNxdomain,
        SelfProving,
        0.98,
        1.0,
        nxdomain,
        "The own resolver says that the name does not exist, though no zone of the name's bears that out, while the site proves itself by valid TLS at an address that only the reference gave.",
        "DESIGN 4.1; RFC 2308 section 2"
    ),
    blocked!(
        "dns.empty.proven",
        DnsEmpty,
        SelfProving,
        0.96,
        1.0,
        empty,
        "The own resolver gives no address, though no zone of the name's bears that out, while the site proves itself by valid TLS at an address that only the reference gave.",
        "DESIGN 4.1; RFC 2308 section 2"
    ),
    blocked!(
        "dns.nxdomain.relayed",
        DnsNxdomain,
        Differential,
        0.85,
        0.8,
        nxdomain_relayed,
        "The own resolver says that the name does not exist but serves a foreign canary's, while the site proves itself at an address that only the reference gave. Whether a cache is to blame the answer does not show, so it is one trial and not a proof.",
        "DESIGN 4.1, 4.5; RFC 2308 section 5"
    ),
    blocked!(
        "dns.empty.relayed",
        DnsEmpty,
        Differential,
        0.85,
        0.8,
        empty_relayed,
        "The own resolver gives no address but serves a foreign canary's, while the site proves itself at an address that only the reference gave. Whether a cache is to blame the answer does not show, so it is one trial and not a proof.",
        "DESIGN 4.1, 4.5; RFC 2308 section 5"
    ),
    blocked!(
        "dns.refused.proven",
        DnsRefused,
        SelfProving,
        0.96,
        1.0,
        refused,
        "The own resolver refuses this name but serves a foreign canary's, while the site proves itself at an address that only the reference gave.",
        "DESIGN 4.1"
    ),
    blocked!(
        "dns.servfail.proven",
        DnsServfail,
        Differential,
        0.8,
        0.75,
        servfail,
        "The own resolver reports a failure for this name but serves a foreign canary's, while the site proves itself at an address that only the reference gave. Chance does that too, so it is one trial and not a proof.",
        "DESIGN 4.1, 4.5"
    ),
    blocked!(
        "dns.timeout.proven",
        DnsTimeout,
        Differential,
        0.8,
        0.75,
        timeout,
        "The own resolver stays silent for this name but serves a foreign canary's, while the site proves itself at an address that only the reference gave. A lost datagram does that too, so it is one trial and not a proof.",
        "DESIGN 4.1, 4.5"
    ),
    blocked!(
        "dns.forged.proven",
        DnsForged,
        SelfProving,
        0.95,
        1.0,
        forged,
        "The own resolver gives other public addresses, where a certificate is shown that is not the site's, while the site proves itself at an address that only the reference gave.",
        "DESIGN 4.1, 4.7"
    ),
    blocked!(
        "dns.forged.silent",
        DnsForged,
        Differential,
        0.85,
        0.8,
        forged_silent,
        "The own resolver gives other public addresses, where nothing answers or connections break off, while the site proves itself at an address that only the reference gave, and control and canaries work. A dead edge server looks the same once.",
        "DESIGN 4.5, 4.7"
    ),
];

pub(in crate::judge) const DIFFERENTIAL: &[Rule] = &[
    blocked!(
        "dns.forged.differential",
        DnsForged,
        Differential,
        0.85,
        0.85,
        forged_differential,
        "The own resolver gives other public addresses than the reference, and there the certificate is for another name, while the control reaches the site.",
        "OONI pipeline v5, tls_inconsistent_not_in_ctrl"
    ),
    blocked!(
        "dns.nxdomain.differential",
        DnsNxdomain,
        Differential,
        0.9,
        0.9,
        |facts| comparison(facts, Mechanism::DnsNxdomain),
        "The own resolver says that the name does not exist, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "dns.refused.differential",
        DnsRefused,
        Differential,
        0.9,
        0.9,
        |facts| comparison(facts, Mechanism::DnsRefused),
        "The own resolver refuses the name, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "dns.empty.differential",
        DnsEmpty,
        Differential,
        0.85,
        0.85,
        |facts| comparison(facts, Mechanism::DnsEmpty),
        "The own resolver gives no address, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "dns.servfail.differential",
        DnsServfail,
        Differential,
        0.75,
        0.75,
        |facts| comparison(facts, Mechanism::DnsServfail),
        "The own resolver reports a failure for the name, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "dns.timeout.differential",
        DnsTimeout,
        Differential,
        0.75,
        0.75,
        |facts| comparison(facts, Mechanism::DnsTimeout),
        "The own resolver stays silent for the name, while the control reaches the site.",
        "DESIGN 4.5"
    ),
];

fn stuck<'f, 'e>(facts: &'f Facts<'e>) -> Option<&'f Hop<'e>> {
    facts.seen.stuck()
}

fn sinkhole(facts: &Facts<'_>) -> Option<Finding> {
    let hop = stuck(facts)?;
    let OwnAnswer::Sinkhole(Sunk { lookup, what, fingerprint }) = facts.own_answer(hop) else { return None };
    Some(
        Finding::new(format!(
            "{} gave {what} for {}, which is known to lead to a block page ({}).",
            say::resolver(lookup),
            say::host(hop),
            say::fingerprint(fingerprint)
        ))
        .and(say::reference(&hop.reference)),
    )
}

fn injected(facts: &Facts<'_>) -> Option<Finding> {
    let hop = stuck(facts)?;
    two_answers(facts, hop).map(|sentence| Finding::new(sentence).and(say::reference(&hop.reference)))
}

/// Two different answers to one question, one of which contradicts the reference: somebody on the path answers, too.
pub(in crate::judge) fn two_answers<'e>(facts: &Facts<'e>, hop: &Hop<'e>) -> Option<String> {
    let reference = facts.reference(hop);
    let lookup = hop.own.lookups.iter().find(|lookup| lookup.conflict.is_some())?;
    let (first, second) = lookup.conflict?;
    // A certificate that verifies there, or the same network, settles it as well as the reference does: CDNs have many
    // addresses.
    let proven = |ip: IpAddr| hop.paths.iter().any(|path| path.authentic && path.address.ip().to_canonical() == ip);
    let agrees = |addresses: &[IpAddr]| {
        addresses
            .iter()
            .map(IpAddr::to_canonical)
            .any(|address| reference.contains(&address) || proven(address) || facts.shares_network(address, &reference))
    };
    let contradicted = !agrees(&first.addresses) || !agrees(&second.addresses);
    (contradicted && !reference.is_empty()).then(|| {
        format!(
            "{} sent two different answers to one question for {}: first {}, then {} ({} later).",
            say::resolver(lookup),
            say::host(hop),
            content(first.rcode, &first.addresses),
            content(second.rcode, &second.addresses),
            say::time(crate::model::Elapsed::from(
                second.latency.as_duration().saturating_sub(first.latency.as_duration())
            )),
        )
    })
}

fn content(rcode: Option<u16>, addresses: &[IpAddr]) -> String {
    match rcode {
        Some(0) | None => say::addresses(addresses),
        Some(3) => "“no such name”".into(),
        Some(code) => format!("an error (code {code})"),
    }
}

fn bogon(facts: &Facts<'_>) -> Option<Finding> {
    let hop = stuck(facts)?;
    let reference = facts.reference(hop);
    let sentence = match facts.own_answer(hop) {
        OwnAnswer::Bogon(ip) => {
            let who = hop.own.giver(ip).map_or_else(|| "The own name server".into(), say::resolver);
            format!("{who} gave {ip} for {}, which cannot be a public address.", say::host(hop))
        }
        OwnAnswer::Failed(lookup, failure @ Failure::DnsBogon) => say::dns_failure(lookup, failure, hop),
        _ => return None,
    };
    let answer = || format!("The reference gives {}.", say::addresses(&reference));
    (!reference.is_empty())
        .then(|| Finding::new(sentence).and(Some(say::reference(&hop.reference).unwrap_or_else(answer))))
}

/// The own resolver fails with this mechanism, and the site proves itself at an address that only the reference gave.
fn proven(facts: &Facts<'_>, mechanism: Mechanism) -> Option<Finding> {
    let hop = stuck(facts).filter(|hop| hop.is_proven_elsewhere())?;
    let OwnAnswer::Failed(lookup, failure) = facts.own_answer(hop) else { return None };
    (dns_mechanism(failure) == Some(mechanism)).then(|| {
        Finding::new(say::dns_failure(lookup, failure, hop))
            .and(say::reference(&hop.reference))
            .and(say::proven_elsewhere(hop))
    })
}

/// As [`proven`], and a foreign canary shows that the resolver is not simply dead.
fn proven_and_alive(facts: &Facts<'_>, mechanism: Mechanism) -> Option<Finding> {
    let finding = proven(facts, mechanism)?.trusted(facts.canaries.trust()?);
    Some(finding.and(Some(format!("{} So the name server works for others.", say::canaries(facts)))))
}

/// What the answer without an address shows of itself, at the hop where the own resolver gives none.
fn negative(facts: &Facts<'_>) -> Option<Negative> {
    let hop = stuck(facts)?;
    let OwnAnswer::Failed(lookup, Failure::DnsNxdomain | Failure::DnsNoAnswer) = facts.own_answer(hop) else {
        return None;
    };
    Some(lookup.refusal.map_or(Negative::Unclear, |answer| Negative::of(answer, &hop.host, facts.knowledge)))
}

fn negative_cache(facts: &Facts<'_>) -> Option<Finding> {
    let hop = stuck(facts).filter(|hop| !facts.reference(hop).is_empty())?;
    let Some(Negative::Plausible { zone, ttl_seconds }) = negative(facts) else { return None };
    let (lookup, failure) = hop.own.failure()?;
    Some(
        Finding::new(say::dns_failure(lookup, failure, hop))
            .and(Some(format!(
                "The answer bears the zone {} and may be believed for {ttl_seconds} s, so it may be a true one of some time ago that the name server still holds.",
                say::quoted(&zone)
            )))
            .and(say::reference(&hop.reference))
            .and(say::proven_elsewhere(hop).filter(|_| hop.is_proven_elsewhere())),
    )
}

/// As [`proven`], and the answer shows itself forged.
fn proven_and_forged(facts: &Facts<'_>, mechanism: Mechanism) -> Option<Finding> {
    let how = match negative(facts).filter(Negative::is_forged)? {
        Negative::OtherZone(zone) => {
            format!("The answer bears the zone {}, which the name does not lie in.", say::quoted(&zone))
        }
        _ => "The answer bears no zone that says so, as a true one does.".into(),
    };
    proven(facts, mechanism).map(|finding| finding.and(Some(how)))
}

fn nxdomain(facts: &Facts<'_>) -> Option<Finding> {
    proven_and_forged(facts, Mechanism::DnsNxdomain)
}

fn empty(facts: &Facts<'_>) -> Option<Finding> {
    proven_and_forged(facts, Mechanism::DnsEmpty)
}

fn nxdomain_relayed(facts: &Facts<'_>) -> Option<Finding> {
    proven_and_alive(facts, Mechanism::DnsNxdomain)
}

fn empty_relayed(facts: &Facts<'_>) -> Option<Finding> {
    proven_and_alive(facts, Mechanism::DnsEmpty)
}

fn refused(facts: &Facts<'_>) -> Option<Finding> {
    proven_and_alive(facts, Mechanism::DnsRefused)
}

fn servfail(facts: &Facts<'_>) -> Option<Finding> {
    proven_and_alive(facts, Mechanism::DnsServfail)
}

fn timeout(facts: &Facts<'_>) -> Option<Finding> {
    proven_and_alive(facts, Mechanism::DnsTimeout)
}

/// Something at the address shows a certificate that is not the site's. A refusal or a reset proves nothing of the kind:
/// a mirror of the site's own that restarts does that. Nor do wrong dates.
pub(in crate::judge) fn is_someone_else(path: &Path<'_>) -> bool {
    let not_the_sites = |fault: &CertificateFault| {
        matches!(fault, CertificateFault::UnknownIssuer | CertificateFault::WrongName | CertificateFault::BadSignature)
    };
    !path.authentic && path.tls.is_some_and(|tls| tls.faults.iter().any(not_the_sites))
}

fn different<'f, 'e>(facts: &'f Facts<'e>) -> Option<(&'f Hop<'e>, Vec<IpAddr>)> {
    let hop = stuck(facts)?;
    match facts.own_answer(hop) {
        OwnAnswer::Different(addresses) => Some((hop, addresses)),
        _ => None,
    }
}

fn forgery(facts: &Facts<'_>, hop: &Hop<'_>, addresses: &[IpAddr]) -> Finding {
    let who = addresses.first().and_then(|ip| hop.own.giver(*ip));
    let who = who.map_or_else(|| "The own name server".into(), say::resolver);
    let failure = facts.failing.as_ref().map(|failing| say::failure(facts, failing)).unwrap_or_default();
    Finding::new(format!("{who} gave {} for {}, where the site is not.", say::addresses(addresses), say::host(hop)))
        .and(failure)
        .and(addresses.iter().find_map(|ip| say::listed(facts, *ip)))
        .and(say::reference(&hop.reference))
        .and(say::proven_elsewhere(hop))
}

fn forged(facts: &Facts<'_>) -> Option<Finding> {
    let (hop, addresses) = different(facts).filter(|(hop, _)| hop.is_proven_elsewhere())?;
    let mut own = hop.paths.iter().filter(|path| path.own && !path.bogon);
    own.any(is_someone_else).then(|| forgery(facts, hop, &addresses))
}

fn forged_silent(facts: &Facts<'_>) -> Option<Finding> {
    let (hop, addresses) = different(facts).filter(|(hop, _)| hop.is_proven_elsewhere())?;
    facts.failing.as_ref().filter(|failing| !failing.is_about_dates())?;
    // A mirror that is dead for a control as well was not put there by the name server.
    let mut own = hop.paths.iter().filter(|path| path.own && !path.bogon);
    if own.all(|path| facts.controls.fails_at(path.address)) {
        return None;
    }
    let trust = facts.differential()?;
    Some(forgery(facts, hop, &addresses).and(say::controls(facts)).and(Some(say::canaries(facts))).trusted(trust))
}

fn forged_differential(facts: &Facts<'_>) -> Option<Finding> {
    let (hop, addresses) = different(facts)?;
    let wrong_name = |path: &&Path<'_>| path.tls.is_some_and(|tls| tls.faults.contains(&CertificateFault::WrongName));
    // The same wrong certificate at the reference's addresses means that it is put in on the path, not by the resolver.
    let on_path = hop.paths.iter().filter(|path| !path.own).any(|path| wrong_name(&path));
    hop.paths.iter().filter(|path| path.own && !path.bogon).find(wrong_name).filter(|_| !on_path)?;
    let finding = comparison(facts, Mechanism::TlsMitm)?;
    let who = addresses.first().and_then(|ip| hop.own.giver(*ip));
    let who = who.map_or_else(|| "The own name server".into(), say::resolver);
    Some(finding.and(Some(format!("{who} gave {}, which the reference does not give.", say::addresses(&addresses)))))
}
