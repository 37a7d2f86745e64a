//! Who shows another page in clear text: the same request at an unrelated server tells whether its name alone calls it
//! forth. If it does, somebody on the path answers; if it does not, the page may be the site's own server's.

use std::collections::BTreeSet;

use super::cleartext;
use super::experiments::{self, REPEATED};
use crate::judge::facts::Facts;
use crate::judge::rule::{Finding, Rule, blocked, rule};
use crate::judge::say;
use crate::model::{Experiment, ExperimentKind, Failure, HttpExchange, Layer, answer_in_short};

/// Canaries at whose addresses the name must call the answer forth. A delivery network that serves the canary may serve
/// the site too, and gives the site's own page at any of its addresses; two canaries belong in different networks.
const CANARIES: usize = 2;

pub(in crate::judge) const PROVEN: &[Rule] = &[
    blocked!(
        "http.redirect.host_elsewhere",
        HttpRedirect,
        SelfProving,
        0.97,
        1.0,
        |facts| by_name(facts, true),
        "A clear-text request for the site is redirected, and at the addresses of two canaries gets the same answer or breaks off, where an unrelated name gets another answer: three times in the hour, none to the contrary.",
        "OONI ts-024 in clear text; DESIGN 4.4"
    ),
    blocked!(
        "http.blockpage.host_elsewhere",
        HttpBlockpage,
        SelfProving,
        0.97,
        1.0,
        |facts| by_name(facts, false),
        "A clear-text request for the site gets a page, and at the addresses of two canaries gets the same answer or breaks off, where an unrelated name gets another answer: three times in the hour, none to the contrary.",
        "OONI ts-024 in clear text; DESIGN 4.4"
    ),
];

pub(in crate::judge) const NOT_BY_NAME: &[Rule] = &[rule!(
    "http.page.not_by_name",
    Inconclusive,
    Weak,
    0.0,
    0.0,
    not_by_name,
    "Another page than the control's in clear text, but at a canary's address the site's name is answered just as an unrelated one, three times in the hour: nobody on the path looks at the name, and the site's own server may show visitors from here another page.",
    "DESIGN 4.6; OONI's known false positives in clear text"
)];

/// The first exchange, in clear text, and its pairs at a canary's address.
fn repeated<'e>(facts: &Facts<'e>) -> Option<(&'e HttpExchange, Vec<&'e Experiment>)> {
    let first = facts.seen.hops.first()?.exchange.filter(|exchange| exchange.url.scheme() == "http")?;
    let all = experiments::pairs(facts, ExperimentKind::HostElsewhere, first.url.host_str()?);
    (all.len() >= REPEATED).then_some((first, all))
}

fn by_name(facts: &Facts<'_>, wants_redirect: bool) -> Option<Finding> {
    let answer = cleartext::unproven(facts)?;
    let (first, all) = repeated(facts)?;
    let here = answer_in_short(first)?;
    let same = |pair: &&Experiment| pair.suspect.answer.as_ref() == Some(&here);
    let shows = |pair: &&Experiment| {
        (same(pair) || breaks_off(pair)) && pair.variant.answer.as_ref().is_some_and(|other| *other != here)
    };
    // The answer that comes here now is the one of the pairs; what only broke off must have done so with this measurement.
    let in_force = all.iter().any(|pair| same(pair) || pair.began() >= facts.measurement.started_at);
    let canaries: BTreeSet<&str> = all.iter().filter_map(|pair| pair.canary.as_deref()).collect();
    let departs = facts.seen.unproven_departure().is_some();
    let proven = canaries.len() >= CANARIES && in_force && all.iter().all(shows);
    (departs == wants_redirect && proven).then_some(())?;
    let (pair, times) = (all.first()?, all.len());
    let what = match all.iter().filter(|pair| same(pair)).count() {
        0 => "broke off",
        count if count == times => "got the same answer",
        _ => "got the same answer or broke off",
    };
    let shown = format!(
        "At the addresses of {} unrelated sites the request for {} {what}, where one for {} was answered otherwise, {times} of {times} times: somebody on the path looks for whoever names the site.",
        canaries.len(),
        say::quoted(&pair.suspect.name),
        say::quoted(&pair.variant.name),
    );
    Some(Finding::new(cleartext::sentence(answer)).and([shown]).and(say::controls(facts)))
}

/// The request for the site got no answer over a connection that stood.
fn breaks_off(pair: &Experiment) -> bool {
    let cut =
        matches!(pair.suspect.failure, Some(Failure::ConnectionReset | Failure::GenericTimeout | Failure::TimedOut));
    cut && pair.suspect.layer == Some(Layer::Http)
}

fn not_by_name(facts: &Facts<'_>) -> Option<Finding> {
    let answer = cleartext::unproven(facts).filter(|answer| cleartext::differs(facts, answer))?;
    let (_, all) = repeated(facts)?;
    let alike = |pair: &&Experiment| pair.suspect.answer.is_some() && pair.suspect.answer == pair.variant.answer;
    all.iter().all(alike).then_some(())?;
    let (pair, times) = (all.first()?, all.len());
    let shown = format!(
        "At the unrelated server {} the site's name was answered just as {}, {times} of {times} times: nobody on the path looks at the name, so that the site's own server may show this page to visitors from here.",
        pair.suspect.address?,
        say::quoted(&pair.variant.name),
    );
    Some(Finding::new(cleartext::sentence(answer)).and(say::controls(facts)).and([shown]))
}
