//! What fails with the site's name and works with another one, again and again: the name is what is looked at (DESIGN 4.4).
//!
//! A server that turns its own name away answers with an alert; that is no silence and no proof. What looks like a
//! block by name and is none is a front end that keeps silent for one dead site behind it and answers for all others.
//! So a control that does not reach the site either takes the proof away, unless the name fails at a canary's address
//! too, where the site's servers have no part in it.

use crate::judge::context::Consensus;
use crate::judge::facts::Facts;
use crate::judge::failing::Failing;
use crate::judge::rule::{Finding, Rule, blocked};
use crate::judge::say;
use crate::model::{Experiment, ExperimentKind, ExperimentOutcome, Failure, Layer, Mechanism};

/// Pairs that are needed: at 5 % loss, three failures with three successes beside them come by chance once in 10,000
/// times, and a server that answers every second connection shows them once in 64.
pub(super) const REPEATED: usize = 3;

pub(in crate::judge) const RULES: &[Rule] = &[
    blocked!(
        "tls.timeout.sni_elsewhere",
        TlsTimeout,
        SelfProving,
        0.98,
        1.0,
        |facts| elsewhere(facts, Mechanism::TlsTimeout),
        "The ClientHello that names the site is swallowed, at a canary's address too, where one with an unrelated name is answered: three times in the hour, none to the contrary.",
        "OONI ts-024; DESIGN 4.4"
    ),
    blocked!(
        "tls.reset.sni_elsewhere",
        TlsReset,
        SelfProving,
        0.98,
        1.0,
        |facts| elsewhere(facts, Mechanism::TlsReset),
        "The connection is reset after the ClientHello that names the site, at a canary's address too, where one with an unrelated name is answered: three times in the hour, none to the contrary.",
        "OONI ts-024; DESIGN 4.4"
    ),
    blocked!(
        "tls.eof.sni_elsewhere",
        TlsEof,
        SelfProving,
        0.98,
        1.0,
        |facts| elsewhere(facts, Mechanism::TlsEof),
        "The connection is closed after the ClientHello that names the site, at a canary's address too, where one with an unrelated name is answered: three times in the hour, none to the contrary.",
        "OONI ts-024; DESIGN 4.4"
    ),
    blocked!(
        "tls.timeout.sni",
        TlsTimeout,
        SelfProving,
        0.9,
        1.0,
        |facts| at_home(facts, Mechanism::TlsTimeout),
        "The ClientHello that names the site is swallowed, while one with an unrelated name is answered at the same address: three times in the hour, none to the contrary, and no control fails too.",
        "OONI ts-024; DESIGN 4.4"
    ),
    blocked!(
        "tls.reset.sni",
        TlsReset,
        SelfProving,
        0.9,
        1.0,
        |facts| at_home(facts, Mechanism::TlsReset),
        "The connection is reset after the ClientHello that names the site, while one with an unrelated name is answered at the same address: three times in the hour, none to the contrary, and no control fails too.",
        "OONI ts-024; DESIGN 4.4"
    ),
    blocked!(
        "tls.eof.sni",
        TlsEof,
        SelfProving,
        0.9,
        1.0,
        |facts| at_home(facts, Mechanism::TlsEof),
        "The connection is closed after the ClientHello that names the site, while one with an unrelated name is answered at the same address: three times in the hour, none to the contrary, and no control fails too.",
        "OONI ts-024; DESIGN 4.4"
    ),
    blocked!(
        "http.reset.host",
        HttpReset,
        SelfProving,
        0.9,
        1.0,
        |facts| by_host(facts, Mechanism::HttpReset),
        "The connection is reset after the request that names the site, while one for an unrelated host is answered at the same address: three times in the hour, none to the contrary, and no control fails too.",
        "DESIGN 4.4"
    ),
    blocked!(
        "http.eof.host",
        HttpEof,
        SelfProving,
        0.9,
        1.0,
        |facts| by_host(facts, Mechanism::HttpEof),
        "The connection is closed after the request that names the site, while one for an unrelated host is answered at the same address: three times in the hour, none to the contrary, and no control fails too.",
        "DESIGN 4.4"
    ),
    blocked!(
        "http.timeout.host",
        HttpTimeout,
        SelfProving,
        0.9,
        1.0,
        |facts| by_host(facts, Mechanism::HttpTimeout),
        "The request that names the site is swallowed, while one for an unrelated host is answered at the same address: three times in the hour, none to the contrary, and a control reaches the site (a hanging application behind a healthy front end looks the same).",
        "DESIGN 4.4"
    ),
];

/// The experiments of one kind on `name` that say something.
pub(super) fn pairs<'e>(facts: &Facts<'e>, kind: ExperimentKind, name: &str) -> Vec<&'e Experiment> {
    let same = |pair: &&Experiment| pair.kind == kind && pair.suspect.name.eq_ignore_ascii_case(name);
    let told = |pair: &&Experiment| pair.outcome() != ExperimentOutcome::Void;
    facts.experiments.iter().filter(same).filter(told).collect()
}

/// What the suspect's failure amounts to at the layer where the names travel.
fn mechanism(pair: &Experiment) -> Option<Mechanism> {
    let failure = pair.suspect.failure.as_ref()?;
    Some(match (pair.suspect.layer?, failure) {
        (Layer::Tls, Failure::GenericTimeout | Failure::TimedOut) => Mechanism::TlsTimeout,
        (Layer::Tls, Failure::ConnectionReset) => Mechanism::TlsReset,
        (Layer::Tls, Failure::Eof) => Mechanism::TlsEof,
        (Layer::Http, Failure::GenericTimeout | Failure::TimedOut) => Mechanism::HttpTimeout,
        (Layer::Http, Failure::ConnectionReset) => Mechanism::HttpReset,
        (Layer::Http, Failure::Eof) => Mechanism::HttpEof,
        _ => return None,
    })
}

/// The pair shows that the name makes the difference.
fn shows(pair: &Experiment) -> bool {
    pair.outcome() == ExperimentOutcome::SuspectFails && mechanism(pair).is_some()
}

/// Repeated, none to the contrary, and shown again with this very measurement: a block that has ended since, followed
/// by a chance failure, must not be taken for one in force.
fn is_proof(facts: &Facts<'_>, all: &[&Experiment], wanted: impl Fn(&Experiment) -> bool) -> Option<usize> {
    let alike = || all.iter().filter(|pair| wanted(pair));
    let fresh = alike().any(|pair| pair.began() >= facts.measurement.started_at);
    (alike().count() >= REPEATED && all.iter().all(|pair| shows(pair)) && fresh).then(|| alike().count())
}

/// The measurement fails that way, and the name itself is answered at no address of the hop.
fn failing<'f, 'e>(facts: &'f Facts<'e>, mechanism: Mechanism) -> Option<(&'f Failing<'e>, &'f str)> {
    let failing = facts.failing.as_ref().filter(|failing| failing.mechanism == Some(mechanism))?;
    let hop = facts.seen.hops.iter().find(|hop| hop.index == failing.hop)?;
    let answered = hop.paths.iter().filter_map(|path| path.tls).any(|tls| !tls.chain.is_empty() || tls.alert.is_some());
    (!answered).then_some((failing, hop.host.as_str()))
}

fn finding(facts: &Facts<'_>, failing: &Failing<'_>, shown: String) -> Finding {
    let mut reasons = say::failure(facts, failing).into_iter();
    Finding::new(reasons.next().unwrap_or_default()).and(reasons).and([shown]).and(say::controls(facts))
}

fn elsewhere(facts: &Facts<'_>, wanted: Mechanism) -> Option<Finding> {
    let (failing, name) = failing(facts, wanted)?;
    let all = pairs(facts, ExperimentKind::SniElsewhere, name);
    let times = is_proof(facts, &all, |pair| mechanism(pair) == Some(wanted))?;
    let pair = all.first()?;
    let (other, address) = (say::quoted(&pair.variant.name), pair.suspect.address?);
    let shown = format!(
        "At {address}, the address of an unrelated site, the same greeting failed {times} of {times} times, while one that names {other} was answered: the name is looked at on the way, and the site's servers have no part in it."
    );
    Some(finding(facts, failing, shown))
}

fn at_home(facts: &Facts<'_>, wanted: Mechanism) -> Option<Finding> {
    let (failing, name) = failing(facts, wanted)?;
    let consensus = facts.controls.consensus();
    // Where the name passes at another server, a dead site behind its own front end explains as much as a censor.
    let passes_elsewhere =
        pairs(facts, ExperimentKind::SniElsewhere, name).iter().any(|pair| pair.suspect.failure.is_none());
    if consensus == Consensus::Fails || passes_elsewhere && facts.control_works().is_none() {
        return None;
    }
    same_address(facts, failing, ExperimentKind::UnrelatedSni, name, wanted)
}

fn by_host(facts: &Facts<'_>, wanted: Mechanism) -> Option<Finding> {
    let (failing, name) = failing(facts, wanted)?;
    let told = match facts.controls.consensus() {
        Consensus::Fails => false,
        Consensus::None => wanted != Mechanism::HttpTimeout,
        Consensus::Works { .. } => true,
    };
    told.then(|| same_address(facts, failing, ExperimentKind::OtherHost, name, wanted))?
}

fn same_address(
    facts: &Facts<'_>,
    failing: &Failing<'_>,
    kind: ExperimentKind,
    name: &str,
    wanted: Mechanism,
) -> Option<Finding> {
    let hop = facts.seen.hops.iter().find(|hop| hop.index == failing.hop)?;
    let all = pairs(facts, kind, name);
    let ours = hop.paths.iter().filter(|path| path.own && !path.bogon).map(|path| path.address);
    let (times, address) = ours
        .filter_map(|address| {
            let there = |pair: &Experiment| pair.suspect.address == Some(address) && mechanism(pair) == Some(wanted);
            is_proof(facts, &all, there).map(|times| (times, address))
        })
        .max_by_key(|(times, address)| (*times, std::cmp::Reverse(*address)))?;
    let other = say::quoted(&all.first()?.variant.name);
    let what = if kind == ExperimentKind::OtherHost { "a request for" } else { "a greeting that names" };
    let shown = format!(
        "At the same address {address} {what} {other} was answered {times} of {times} times, and the one for {} failed each time: it is the name that makes the difference.",
        say::host(hop)
    );
    Some(finding(facts, failing, shown))
}

/// What experiments say beside the rule that decides: at most one sentence a kind.
pub(in crate::judge) fn beside(facts: &Facts<'_>, deciding: &str) -> Vec<String> {
    let Some(failing) = facts.failing.as_ref() else { return Vec::new() };
    let Some(hop) = facts.seen.hops.iter().find(|hop| hop.index == failing.hop) else { return Vec::new() };
    let decided = RULES.iter().any(|rule| rule.id == deciding);
    let sentence = |kind: ExperimentKind| {
        let all = pairs(facts, kind, &hop.host);
        let of = all.len();
        let count = |outcome| all.iter().filter(|pair| pair.outcome() == outcome).count();
        let variant = say::quoted(&all.first()?.variant.name);
        let both = count(ExperimentOutcome::BothFail);
        let neither = count(ExperimentOutcome::NeitherFails);
        let only = count(ExperimentOutcome::SuspectFails);
        match kind {
            ExperimentKind::UnrelatedSni | ExperimentKind::OtherHost if !decided && both > 0 => Some(format!(
                "At the same address {variant} failed as well, {both} of {of} times: the address is dead or blocked as a whole, and nothing shows that the name is to blame."
            )),
            ExperimentKind::UnrelatedSni | ExperimentKind::OtherHost if !decided && neither > 0 => {
                Some(format!("Tried again at the same address, the site answered {neither} of {of} times."))
            }
            ExperimentKind::UnrelatedSni | ExperimentKind::OtherHost if !decided && only > 0 => Some(format!(
                "At the same address {variant} was answered {only} of {of} times while the site's own name failed."
            )),
            ExperimentKind::SniElsewhere if !decided && neither > 0 => Some(format!(
                "At an unrelated server the site's name was answered {neither} of {of} times: it is not blocked everywhere."
            )),
            ExperimentKind::OtherResolvers if only > 0 => Some(format!(
                "Over TCP the same name server gave an address {only} of {of} times: what the datagrams say may not be its own word."
            )),
            ExperimentKind::OtherFamily if only > 0 => {
                let family = if all.first()?.suspect.address?.is_ipv4() { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
                Some(format!(
                    "Over {} the site proved itself {only} of {of} times, so that only {} is affected.",
                    family.0, family.1
                ))
            }
            _ => None,
        }
    };
    ExperimentKind::ALL.iter().copied().filter_map(sentence).collect()
}
