//! Who shows another page in clear text: the same request at an unrelated server tells whether its name alone calls it
//! forth. If it does, somebody on the path answers; if it does not, the page may be the site's own server's.

use super::cleartext;
use crate::judge::facts::Facts;
use crate::judge::rule::{Finding, Rule, blocked, rule};
use crate::judge::say;
use crate::model::{Experiment, ExperimentKind, ExperimentOutcome, HttpExchange, answer_in_short};

/// Pairs that are needed, as for the other experiments.
const REPEATED: usize = 3;

pub(in crate::judge) const PROVEN: &[Rule] = &[
    blocked!(
        "http.redirect.host_elsewhere",
        HttpRedirect,
        SelfProving,
        0.97,
        1.0,
        |facts| by_name(facts, true),
        "The redirect that a clear-text request for the site gets comes at a canary's address too, where an unrelated name gets another answer: three times in the hour, none to the contrary.",
        "OONI ts-024 in clear text; DESIGN 4.4"
    ),
    blocked!(
        "http.blockpage.host_elsewhere",
        HttpBlockpage,
        SelfProving,
        0.97,
        1.0,
        |facts| by_name(facts, false),
        "The page that a clear-text request for the site gets comes at a canary's address too, where an unrelated name gets another answer: three times in the hour, none to the contrary.",
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
fn pairs<'e>(facts: &Facts<'e>) -> Option<(&'e HttpExchange, Vec<&'e Experiment>)> {
    let first = facts.seen.hops.first()?.exchange.filter(|exchange| exchange.url.scheme() == "http")?;
    let name = first.url.host_str()?;
    let same = |pair: &&Experiment| {
        pair.kind == ExperimentKind::HostElsewhere
            && pair.suspect.name.eq_ignore_ascii_case(name)
            && pair.outcome() != ExperimentOutcome::Void
    };
    let all: Vec<&Experiment> = facts.experiments.iter().filter(same).collect();
    (all.len() >= REPEATED).then_some((first, all))
}

fn by_name(facts: &Facts<'_>, wants_redirect: bool) -> Option<Finding> {
    let answer = cleartext::unproven(facts)?;
    let (first, all) = pairs(facts)?;
    let here = answer_in_short(first)?;
    let shows = |pair: &&Experiment| {
        pair.suspect.answer.as_ref() == Some(&here) && pair.variant.answer.as_ref().is_some_and(|other| *other != here)
    };
    let departs = facts.seen.unproven_departure().is_some();
    (departs == wants_redirect && all.iter().all(shows)).then_some(())?;
    let (pair, times) = (all.first()?, all.len());
    let shown = format!(
        "The same answer came to the request for {} at the unrelated server {}, where one for {} was answered otherwise, {times} of {times} times: somebody on the path answers whoever names the site.",
        say::quoted(&pair.suspect.name),
        pair.suspect.address?,
        say::quoted(&pair.variant.name),
    );
    Some(Finding::new(cleartext::sentence(answer)).and([shown]).and(say::controls(facts)))
}

fn not_by_name(facts: &Facts<'_>) -> Option<Finding> {
    let answer = cleartext::unproven(facts).filter(|answer| cleartext::differs(facts, answer))?;
    let (_, all) = pairs(facts)?;
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
