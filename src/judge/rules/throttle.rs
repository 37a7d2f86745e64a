//! The site's own answer comes, but far slower than it should. Its speed is no part of what valid TLS vouches for.
//!
//! A site that is slow for everybody, a congested line and a far-off server all look like throttling from one place. So
//! everything must point the same way: far slower than usual from here, no TCP handshake that is slower by as much (it
//! names no site, a congested line delays it too), fast at the control at the same time, and a foreign canary whose same
//! part is fast in the same round. Canaries are compared with the site in their own round and not with a past of theirs:
//! whoever shares a slow line is slow now. That it lasts is the sequential test's to see.

use crate::judge::facts::Facts;
use crate::judge::failing;
use crate::judge::rule::{Finding, Rule, blocked, rule};
use crate::judge::say;
use crate::judge::seen::{Hop, Path, Seen};
use crate::model::{
    CanaryScope, Elapsed, Experiment, ExperimentKind, Failure, HttpExchange, Layer, Pace, PacePart, SLOW_TIME,
    Slowness, TIMES_SLOWER,
};

use super::cleartext;

pub(in crate::judge) const ANSWERED: &[Rule] = &[
    blocked!(
        "throttled.same_address",
        Throttled,
        Differential,
        0.85,
        0.8,
        same_address,
        "The TLS handshake is slow, and repeatedly so only with the site's name: another name at the same address gets its answer at once. The control gets the site fast, and so is a foreign canary.",
        "Xue et al., IMC 2021; OONI report on Kazakhstan, 2023-04-28"
    ),
    blocked!(
        "throttled.differential",
        Throttled,
        Differential,
        0.75,
        0.7,
        differential,
        "The site's own answer is many times slower than usual from here (TLS handshake, page, or first byte in clear text), beyond what the TCP handshake explains, while the control gets it fast and a foreign canary is fast.",
        "OONI report on Kazakhstan, 2023-04-28; Xue et al., IMC 2021"
    ),
    rule!(
        "throttled.unclear",
        Accessible,
        SelfProving,
        0.95,
        0.0,
        unclear,
        "The site's own answer is many times slower than usual from here, and neither control nor canaries tell whether others share that. It bears no weight on throttling: it begins no span, and ends none.",
        "DESIGN 4.3"
    ),
];

pub(in crate::judge) const UNFINISHED: &[Rule] = &[blocked!(
    "throttled.unfinished",
    Throttled,
    Differential,
    0.75,
    0.7,
    unfinished,
    "The page keeps coming, but so much slower than usual that our own deadline cuts it off, while the control gets it fast and a foreign canary is fast.",
    "Xue et al., IMC 2021"
)];

/// Factor on a verdict when another name at the same address is as slow: the address is slowed, or the way to it.
const ANY_NAME: f64 = 0.7;
/// Experiments that must agree.
const REPEATED: usize = 2;

/// An answer and how fast it came.
struct Way<'f, 'e> {
    hop: &'f Hop<'e>,
    path: &'f Path<'e>,
    pace: Pace,
}

/// The site's own answer (or, in clear text, the page that the control gets), by an address of the own resolver.
fn answered<'f, 'e>(seen: &'f Seen<'e>, answer: &'e HttpExchange) -> Option<Way<'f, 'e>> {
    answer.status.filter(|status| *status < 400)?;
    let hop = seen.last()?;
    let path = hop.paths.iter().find(|path| path.own && path.http.is_some_and(|http| std::ptr::eq(http, answer)))?;
    let sound = path.authentic || !hop.https;
    sound.then(|| Way { hop, path, pace: Pace::of_exchange(answer, path.tcp, path.tls) })
}

fn way<'f, 'e>(facts: &'f Facts<'e>) -> Option<Way<'f, 'e>> {
    let answer = facts.seen.authentic_own_answer().or_else(|| cleartext::controls_page(facts))?;
    answered(&facts.seen, answer)
}

/// A page that our own deadline cut off while it was coming.
fn cut_off<'f, 'e>(facts: &'f Facts<'e>) -> Option<Way<'f, 'e>> {
    let failing = facts.failing.as_ref().filter(|failing| failing.layer == Layer::Http)?;
    let hop = facts.seen.hops.iter().find(|hop| hop.index == failing.hop)?;
    let path = failing.path.as_ref()?;
    let path = hop.paths.iter().find(|other| other.address == path.address)?;
    let http = path.http.filter(|http| failing::is_slow(http, &failing.failure))?;
    Some(Way { hop, path, pace: Pace::of_exchange(http, path.tcp, path.tls) })
}

/// Whether a plain answer is so slow that others must be asked.
pub(in crate::judge) fn is_remarkable(seen: &Seen<'_>, usual: &Pace) -> bool {
    let way = seen.authentic_own_answer().and_then(|answer| answered(seen, answer));
    way.is_some_and(|way| way.pace.against(usual).any(|slow| slow.is_remarkable()))
}

fn usual(facts: &Facts<'_>) -> Pace {
    facts.baseline.map(|baseline| baseline.pace).unwrap_or_default()
}

/// Why it cannot be said that others do not share a slowness.
struct Doubt {
    /// They do share it; otherwise they do not tell.
    shared: bool,
    /// In words.
    why: String,
}

impl Doubt {
    fn shared(why: String) -> Self {
        Self { shared: true, why }
    }

    fn unknown(why: &str) -> Self {
        Self { shared: false, why: why.into() }
    }
}

/// That others do not share the slowness: a sentence each of the control and of a canary.
fn not_shared(facts: &Facts<'_>, slow: &Slowness) -> Result<[String; 2], Doubt> {
    match (control_is_fast(facts, slow), canary_is_fast(facts, slow)) {
        (Ok(control), Ok(canary)) => Ok([control, canary]),
        (Err(doubt), _) if doubt.shared => Err(doubt),
        (_, Err(doubt)) | (Err(doubt), _) => Err(doubt),
    }
}

fn control_is_fast(facts: &Facts<'_>, slow: &Slowness) -> Result<String, Doubt> {
    let answered = facts.controls.reports.iter().filter(|report| report.reached() == Some(true));
    let telling = answered.filter_map(|report| {
        let pace = report.pace.as_ref()?;
        Some((report, pace.part(slow.part)?, slow.is_shared_with(pace)?))
    });
    let mut fast = None;
    for (report, figure, shared) in telling {
        if shared {
            return Err(Doubt::shared(format!(
                "The control {} found it slow too ({}), so it is not slow from here only.",
                report.id,
                amount(slow.part, figure)
            )));
        }
        fast.get_or_insert_with(|| format!("The control {} got {}.", report.id, object(slow.part, figure)));
    }
    fast.ok_or_else(|| Doubt::unknown("No control tells how fast it got the site, so it may be slow everywhere."))
}

fn canary_is_fast(facts: &Facts<'_>, slow: &Slowness) -> Result<String, Doubt> {
    let results = facts.canary_report.iter().flat_map(|report| &report.results);
    let foreign = results.filter(|result| result.scope == CanaryScope::Foreign && result.failure.is_none());
    let mut telling: Vec<(String, f64, bool)> = foreign
        .filter_map(|result| {
            let pace = result.pace.as_ref()?;
            let host = say::quoted(result.url.host_str().unwrap_or_default());
            Some((host, pace.part(slow.part)?, slow.is_shared_with(pace)?))
        })
        .collect();
    telling.sort_by(|a, b| a.2.cmp(&b.2).then(a.1.total_cmp(&b.1)).then_with(|| a.0.cmp(&b.0)));
    match telling.first() {
        Some((host, figure, false)) => {
            Ok(format!("The foreign canary {host} was fast at the same time ({}).", amount(slow.part, *figure)))
        }
        Some((_, figure, true)) => Err(Doubt::shared(format!(
            "The foreign canaries are slow too ({} at best), so the line of this vantage seems to be.",
            amount(slow.part, *figure)
        ))),
        None => Err(Doubt::unknown("No foreign canary tells whether the line of this vantage is slow by itself.")),
    }
}

/// What is slow, by how much.
fn sentence(way: &Way<'_, '_>, slow: &Slowness) -> String {
    let (host, here) = (say::host(way.hop), amount(slow.part, slow.here));
    let times = slow.times().zip(slow.usual).filter(|(times, _)| *times >= 1.5);
    let against = times.map(|(times, usual)| {
        let slower = if slow.part == PacePart::Goodput { "times slower" } else { "times longer" };
        format!(", {times:.0} {slower} than usual ({})", amount(slow.part, usual))
    });
    let against = against.unwrap_or_default();
    let address = way.path.address;
    match slow.part {
        PacePart::Handshake => format!("The TLS handshake with {host} at {address} took {here}{against}."),
        PacePart::FirstByte => format!("{host} at {address} began to answer after {here}{against}."),
        PacePart::Goodput => format!("The page of {host} came from {address} at {here}{against}."),
    }
}

/// That the line to the site is no slower.
fn line(way: &Way<'_, '_>, usual: &Pace) -> Option<String> {
    let (here, usual) = (way.pace.connect?, usual.connect?);
    Some(format!("Connecting took {}, usually {}.", say::time(here), say::time(usual)))
}

fn amount(part: PacePart, figure: f64) -> String {
    match part {
        PacePart::Goodput if figure >= 1e6 => format!("{:.1} MB/s", figure / 1e6),
        PacePart::Goodput => format!("{:.1} kB/s", figure / 1e3),
        _ => say::time(Elapsed::from_micros((figure * 1e6) as u64)),
    }
}

fn object(part: PacePart, figure: f64) -> String {
    let amount = amount(part, figure);
    match part {
        PacePart::Handshake => format!("through the TLS handshake in {amount}"),
        PacePart::FirstByte => format!("the first byte after {amount}"),
        PacePart::Goodput => format!("the page at {amount}"),
    }
}

/// How experiments with another name at the same address went, of those in which the site's own name was slow: (the
/// other one was fast, it was slow as well), with the latest fast one.
fn other_name<'e>(facts: &Facts<'e>, way: &Way<'_, '_>) -> (usize, usize, Option<&'e Experiment>) {
    let slow = |experiment: &&Experiment| {
        experiment.kind == ExperimentKind::UnrelatedSni
            && experiment.suspect.address == Some(way.path.address)
            && experiment.suspect.failure.is_none()
            && experiment.suspect.elapsed >= SLOW_TIME
    };
    let (mut fast, mut as_slow, mut latest) = (0, 0, None);
    for experiment in facts.experiments.iter().filter(slow) {
        let (suspect, variant) = (experiment.suspect.elapsed.as_seconds(), experiment.variant.elapsed.as_seconds());
        if experiment.variant.failure.is_none() && variant * TIMES_SLOWER <= suspect {
            (fast, latest) = (fast + 1, Some(experiment));
        } else if experiment.variant.failure.as_ref().is_none_or(Failure::is_timeout) && variant * 2.0 >= suspect {
            as_slow += 1;
        }
    }
    (fast, as_slow, latest)
}

fn same_address(facts: &Facts<'_>) -> Option<Finding> {
    let way = way(facts)?;
    let slow = way.pace.against(&usual(facts)).find(|slow| slow.part == PacePart::Handshake && slow.is_slow())?;
    let (fast, as_slow, latest) = other_name(facts, &way);
    let latest = latest.filter(|_| fast >= REPEATED && as_slow == 0)?;
    let trust = facts.differential()?;
    let others = not_shared(facts, &slow).ok()?;
    let experiment = format!(
        "With the name {} in the greeting the same address answered within {}, with the site's own name only after {}; so it went {fast} times.",
        say::quoted(&latest.variant.name),
        say::time(latest.variant.elapsed),
        say::time(latest.suspect.elapsed)
    );
    Some(Finding::new(sentence(&way, &slow)).and([experiment]).and(others).trusted(trust))
}

fn differential(facts: &Facts<'_>) -> Option<Finding> {
    slowed(facts, &way(facts)?)
}

fn unfinished(facts: &Facts<'_>) -> Option<Finding> {
    slowed(facts, &cut_off(facts)?)
}

/// Far slower than usual in a part of which others tell nothing.
fn unclear(facts: &Facts<'_>) -> Option<Finding> {
    let way = way(facts)?;
    let large = way.pace.against(&usual(facts)).filter(Slowness::is_large);
    let (slow, doubt) = large
        .filter_map(|slow| not_shared(facts, &slow).err().map(|doubt| (slow, doubt)))
        .find(|(_, doubt)| !doubt.shared)?;
    Some(Finding::new(sentence(&way, &slow)).and([doubt.why]).and(say::controls(facts)).and([say::canaries(facts)]))
}

/// The part that is slower than usual by most and fast for others.
fn slowed(facts: &Facts<'_>, way: &Way<'_, '_>) -> Option<Finding> {
    let trust = facts.differential()?;
    let usual = usual(facts);
    let large = way.pace.against(&usual).filter(Slowness::is_large);
    let mut confirmed: Vec<(Slowness, [String; 2])> =
        large.filter_map(|slow| not_shared(facts, &slow).ok().map(|others| (slow, others))).collect();
    confirmed.sort_by(|(a, _), (b, _)| b.times().partial_cmp(&a.times()).unwrap_or(std::cmp::Ordering::Equal));
    let mut sentences = confirmed.iter().map(|(slow, _)| sentence(way, slow));
    let first = sentences.next()?;
    let others = confirmed.first().map(|(_, others)| others.clone())?;
    let (fast, as_slow, _) = other_name(facts, way);
    let any_name = as_slow > fast;
    let trust = if any_name { trust * ANY_NAME } else { trust };
    Some(
        Finding::new(first)
            .and(sentences)
            .and(others)
            .and(line(way, &usual))
            .and(any_name.then(|| {
                "Another name at the same address is as slow: the address is slowed down, or the way to it.".into()
            }))
            .and(Some(say::canaries(facts)))
            .trusted(trust),
    )
}

/// That it was slow, and why that is not called throttling. For verdicts that are not `throttled`.
pub(super) fn doubts(facts: &Facts<'_>) -> Vec<String> {
    let Some(way) = way(facts).or_else(|| cut_off(facts)) else { return Vec::new() };
    let usual = usual(facts);
    let Some(slow) = way.pace.against(&usual).find(Slowness::is_remarkable) else { return Vec::new() };
    let why = match not_shared(facts, &slow) {
        Err(doubt) => doubt.why,
        Ok([control, _]) if slow.usual.is_none() => {
            format!(
                "{control} How fast it usually is from here is not known yet, so it cannot be told from a slow way."
            )
        }
        Ok([control, _]) => {
            format!("{control} It was not clearly faster before, so it cannot be told from a slow way.")
        }
    };
    vec![sentence(&way, &slow), why]
}
