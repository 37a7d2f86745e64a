//! Interference with a part of the way, while the site can be reached (decision 006): an attribute of the verdict, never
//! its status. Every rule wants something that works beside what fails, and shows that the fault is not this vantage's
//! own (DESIGN 4.8).

use std::net::IpAddr;
use std::time::Duration;

use super::context::NotTried;
use super::facts::Facts;
use super::failing::{self, Failing, dns_mechanism};
use super::resolution::Lookup;
use super::rules::dns::{is_someone_else, two_answers};
use super::say;
use super::seen::{Hop, Path};
use crate::model::{AddressFamily, Failure, Layer, Mechanism, Partial, PartialScope, QuicHandshake, RuleId, Status};

/// One rule on a part of the way. All are asked; each that speaks gives one entry.
#[derive(Debug, Clone, Copy)]
pub struct PartialRule {
    /// Stable, dotted id.
    pub id: &'static str,
    /// The part.
    pub scope: PartialScope,
    /// How sure one measurement makes us, 0 to 1, when nothing lessens it.
    pub confidence: f64,
    /// When it speaks, in plain words.
    pub description: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    decide: fn(&Facts<'_>, Stage) -> Option<Found>,
}

/// What is asked of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Whether anything is worth a second opinion.
    Suspected,
    /// Whether the second opinion bears it out.
    Proven,
}

/// A rule's word.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    mechanism: Mechanism,
    /// Factor on the rule's confidence.
    trust: f64,
    reason: String,
}

const RULES: &[PartialRule] = &[
    PartialRule {
        id: "partial.ipv6",
        scope: PartialScope::Ipv6,
        confidence: 0.8,
        description: "Every IPv6 address of the site fails while IPv4 works; a control gets through at such an address, and a foreign canary is reached over IPv6.",
        source: "DESIGN 4.8",
        decide: |facts, stage| family(facts, AddressFamily::Ipv6, stage),
    },
    PartialRule {
        id: "partial.ipv4",
        scope: PartialScope::Ipv4,
        confidence: 0.8,
        description: "Every IPv4 address of the site fails while IPv6 works; a control gets through at such an address, and a foreign canary is reached over IPv4.",
        source: "DESIGN 4.8",
        decide: |facts, stage| family(facts, AddressFamily::Ipv4, stage),
    },
    PartialRule {
        id: "partial.address",
        scope: PartialScope::Address,
        confidence: 0.7,
        description: "Some addresses of one family fail while others of it work, and a control gets through at one that fails.",
        source: "DESIGN 4.5, 4.7",
        decide: address,
    },
    PartialRule {
        id: "partial.resolver",
        scope: PartialScope::Resolver,
        confidence: 0.85,
        description: "One of several own resolvers fails or lies, though it serves a foreign canary's name, while the site proves itself at an address that another one gave.",
        source: "DESIGN 4.1",
        decide: resolver,
    },
    PartialRule {
        id: "partial.injected",
        scope: PartialScope::Resolver,
        confidence: 0.9,
        description: "One datagram question got two different answers, at least one of which contradicts the reference, and the reader gets the site all the same (a relay, or the true answer won).",
        source: "OONI tq-002; OONI's QA scenario of a hijack through a transparent proxy",
        decide: injected,
    },
    PartialRule {
        id: "partial.quic",
        scope: PartialScope::Quic,
        confidence: 0.8,
        description: "A QUIC handshake is swallowed at an address where TLS works, a foreign canary is greeted over QUIC, and so is the site by a control, or (times 0.75) by this vantage within the last day.",
        source: "Elmenhorst et al., IMC 2021; DESIGN 3",
        decide: quic,
    },
];

/// Factor on a confidence that rests on this vantage's own better days alone.
const EARLIER: f64 = 0.75;
/// How long ago those may be.
const RECENTLY: Duration = Duration::from_secs(24 * 3600);

/// Every partial rule of this build.
pub const fn partial_table() -> &'static [PartialRule] {
    RULES
}

/// What the rules find, for a verdict of this status: only a site that can be reached is blocked in part.
pub(super) fn found(facts: &Facts<'_>, status: Status) -> Vec<Partial> {
    let reached = matches!(status, Status::Accessible | Status::Denied) && facts.seen.stuck().is_none();
    if !reached || !facts.canaries.fine() {
        return Vec::new();
    }
    let entry = |rule: &PartialRule| {
        (rule.decide)(facts, Stage::Proven).map(|found| Partial {
            scope: rule.scope,
            mechanism: found.mechanism,
            rule: RuleId::of(rule.id),
            confidence: rule.confidence * found.trust,
            reason: found.reason,
        })
    };
    RULES.iter().filter_map(entry).collect()
}

/// Whether controls and canaries could make one of the rules speak.
pub(super) fn is_suspected(facts: &Facts<'_>) -> bool {
    RULES.iter().any(|rule| (rule.decide)(facts, Stage::Suspected).is_some())
}

/// The addresses that users get at a hop.
fn own<'f, 'e>(hop: &'f Hop<'e>) -> impl Iterator<Item = &'f Path<'e>> {
    hop.paths.iter().filter(|path| path.own && !path.bogon)
}

fn works(hop: &Hop<'_>, path: &Path<'_>) -> bool {
    if hop.https { path.authentic } else { path.tcp.is_some_and(|tcp| tcp.failure.is_none()) }
}

/// What fails there as a censor would do it, before any request.
fn fails<'e>(facts: &Facts<'_>, hop: &Hop<'e>, path: &Path<'e>) -> Option<Failing<'e>> {
    let failing = Failing::on(hop, path, &facts.canaries)?;
    (failing.mechanism.is_some() && failing.layer <= Layer::Tls && !failing.is_about_dates()).then_some(failing)
}

/// The most telling of failures at whose addresses a control gets through, in words that begin with `lead`.
fn differential(facts: &Facts<'_>, hop: &Hop<'_>, failed: Vec<Failing<'_>>, stage: Stage, lead: &str) -> Option<Found> {
    let borne_out = failed.into_iter().filter_map(|failing| {
        let address = *failing::address(&failing)?;
        let control = facts.controls.gets_through(address, hop.https);
        (stage == Stage::Suspected || control.is_some()).then_some((failing, address, control))
    });
    let (failing, address, control) = borne_out
        .max_by(|(a, at, _), (b, bt, _)| failing::depth(a).cmp(&failing::depth(b)).then_with(|| bt.cmp(at)))?;
    let seen = failing.path.as_ref().map(|path| say::path_failure(hop, path, &failing)).unwrap_or_default();
    let control = control.map_or_else(Default::default, |(report, trust)| {
        (format!(" The control {} gets through at {address}.", report.id), trust)
    });
    Some(Found { mechanism: failing.mechanism?, trust: control.1, reason: format!("{lead} {seen}{}", control.0) })
}

fn family(facts: &Facts<'_>, family: AddressFamily, stage: Stage) -> Option<Found> {
    let of_it = |path: &Path<'_>| AddressFamily::of(path.address.ip()) == family;
    facts.seen.hops.iter().find_map(|hop| {
        let works_over = |wanted: bool| own(hop).any(|path| of_it(path) == wanted && works(hop, path));
        if works_over(true) || !works_over(false) {
            return None;
        }
        let failed: Vec<Failing<'_>> =
            own(hop).filter(|path| of_it(path)).filter_map(|path| fails(facts, hop, path)).collect();
        let (here, there) = match family {
            AddressFamily::Ipv4 => ("IPv4", "IPv6"),
            AddressFamily::Ipv6 => ("IPv6", "IPv4"),
        };
        let lead = format!("{} works over {there} and fails over {here}.", say::host(hop));
        differential(facts, hop, failed, stage, &lead)
    })
}

fn address(facts: &Facts<'_>, stage: Stage) -> Option<Found> {
    let in_family = |hop: &Hop<'_>, family: AddressFamily| {
        let all: Vec<&Path<'_>> = own(hop).filter(|path| AddressFamily::of(path.address.ip()) == family).collect();
        all.iter().any(|path| works(hop, path)).then_some(())?;
        let failed: Vec<Failing<'_>> = all.iter().filter_map(|path| fails(facts, hop, path)).collect();
        let name = if family == AddressFamily::Ipv6 { "IPv6" } else { "IPv4" };
        let lead = format!("{} of the {} {name} addresses of {} fail.", failed.len(), all.len(), say::host(hop));
        differential(facts, hop, failed, stage, &lead)
    };
    let places = facts.seen.hops.iter().flat_map(|hop| AddressFamily::ALL.iter().map(move |family| (hop, *family)));
    places.into_iter().find_map(|(hop, family)| in_family(hop, family))
}

fn resolver(facts: &Facts<'_>, _: Stage) -> Option<Found> {
    facts.seen.hops.iter().filter(|hop| hop.own.lookups.len() > 1).find_map(|hop| {
        let proven: Vec<IpAddr> =
            own(hop).filter(|path| path.authentic).map(|path| path.address.ip().to_canonical()).collect();
        let right = |lookup: &Lookup<'_>| lookup.addresses.iter().any(|ip| proven.contains(&ip.to_canonical()));
        let guide = hop.own.lookups.iter().find(|lookup| right(lookup))?;
        let wrong = hop.own.lookups.iter().filter(|lookup| !right(lookup) && facts.canaries.served_by(lookup.resolver));
        let (mechanism, sentence) = wrong.filter_map(|lookup| lie(facts, hop, lookup)).next()?;
        let guide = say::resolver(guide);
        let reason = format!(
            "{sentence} It serves other names. {guide} gave an address where {} proves itself.",
            say::host(hop)
        );
        Some(Found { mechanism, trust: 1.0, reason })
    })
}

fn injected(facts: &Facts<'_>, _: Stage) -> Option<Found> {
    let sentence = facts.seen.hops.iter().find_map(|hop| two_answers(facts, hop))?;
    let reason = format!("{sentence} Somebody on the path answers beside the name server, though the site is reached.");
    Some(Found { mechanism: Mechanism::DnsInjected, trust: 1.0, reason })
}

/// How a resolver keeps its users from the site.
fn lie<'e>(facts: &Facts<'e>, hop: &Hop<'e>, lookup: &Lookup<'e>) -> Option<(Mechanism, String)> {
    if let Some(failure) = &lookup.failure {
        return Some((dns_mechanism(failure)?, say::dns_failure(lookup, failure, hop)));
    }
    let addresses: Vec<IpAddr> = lookup.addresses.iter().map(IpAddr::to_canonical).collect();
    let gave = |what: &str| {
        format!("{} gave {} for {}, {what}.", say::resolver(lookup), say::addresses(&addresses), say::host(hop))
    };
    if addresses.iter().any(|ip| facts.knowledge.sinkhole(facts.country, *ip).is_some()) {
        return Some((Mechanism::DnsBlockpage, gave("a known block page address")));
    }
    if addresses.iter().all(|ip| facts.knowledge.is_bogon(*ip)) {
        return Some((Mechanism::DnsBogon, gave("which cannot be public")));
    }
    let reference = facts.reference(hop);
    let elsewhere = addresses.iter().all(|ip| !reference.contains(ip));
    let stranger = own(hop).any(|path| addresses.contains(&path.address.ip().to_canonical()) && is_someone_else(path));
    let mechanism = if lookup.conflict.is_some() { Mechanism::DnsInjected } else { Mechanism::DnsForged };
    (elsewhere && stranger).then(|| (mechanism, gave("where a certificate is shown that is not the site's")))
}

fn quic(facts: &Facts<'_>, stage: Stage) -> Option<Found> {
    let mut greetings: Vec<&QuicHandshake> = facts.measurement.quic.iter().collect();
    greetings.sort_by(|a, b| {
        (a.hop, a.address).cmp(&(b.hop, b.address)).then_with(|| format!("{a:?}").cmp(&format!("{b:?}")))
    });
    let like = |a: &QuicHandshake, b: &QuicHandshake| a.hop == b.hop && a.address.is_ipv6() == b.address.is_ipv6();
    let swallowed = |quic: &QuicHandshake| {
        quic.failure.as_ref().is_some_and(Failure::is_timeout)
            && !greetings.iter().any(|other| other.failure.is_none() && like(other, quic))
    };
    facts.canaries.quic_works().then_some(())?;
    greetings.iter().filter(|quic| swallowed(quic)).find_map(|quic| {
        let hop = facts.seen.hops.iter().find(|hop| hop.index == quic.hop)?;
        own(hop).find(|path| path.address.ip() == quic.address.ip() && path.authentic)?;
        let seen = format!(
            "{} offers HTTP/3, but over QUIC nothing came back from {} within {}, while TLS works there.",
            say::host(hop),
            quic.address,
            say::time(quic.elapsed)
        );
        let (trust, others) = match stage {
            Stage::Suspected => (1.0, String::new()),
            Stage::Proven => greeted_elsewhere(facts, quic)?,
        };
        let reason = format!("{seen}{others} A foreign canary is greeted over QUIC from here.");
        Some(Found { mechanism: Mechanism::QuicTimeout, trust, reason })
    })
}

/// That QUIC to the site works: for a control now, or, when none could try, from here not long ago.
fn greeted_elsewhere(facts: &Facts<'_>, quic: &QuicHandshake) -> Option<(f64, String)> {
    match facts.controls.greets_over_quic() {
        Ok(greeted) => {
            greeted.map(|(report, trust)| (trust, format!(" The control {} is greeted over QUIC.", report.id)))
        }
        Err(NotTried) => {
            let began = facts.measurement.started_at;
            let good = quic.last_good.filter(|good| began.since(*good) <= RECENTLY)?;
            Some((EARLIER, format!(" At {good} it was greeted over QUIC from here.")))
        }
    }
}

#[cfg(test)]
mod tests;
