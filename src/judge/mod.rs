//! The opinion on one measurement, as a table of rules (DESIGN 4). Pure: no clock, no I/O, no randomness.
//!
//! Evidence is digested once into `facts::Facts`; then the rules are asked in order and the first that speaks
//! decides. Nothing depends on the order in which observations were recorded. To add a rule, add an entry to the
//! `RULES` of the file of its idea under `rules/`, cases to `tests.rs`, and regenerate `docs/rules.md`.

mod compare;
mod context;
mod denial;
mod facts;
mod failing;
mod knowledge;
mod marks;
mod negative;
mod page;
mod partial;
mod resolution;
mod rule;
mod rules;
mod say;
mod seen;
mod table;

#[cfg(test)]
mod experiment_tests;
#[cfg(test)]
mod knowledge_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
#[cfg(test)]
pub(crate) mod tests;

use crate::model::{Baseline, CanaryReport, CountryCode, Evidence, KnownAddresses, Measurement, RuleId, Verdict};

pub use knowledge::{CertificateHash, InterceptionCa, InterceptionName, Knowledge};
pub use page::rules_page;
pub use partial::{PartialRule, partial_table};
pub use rule::Rule;
pub use say::quoted;
pub use table::rule_table;

/// The version of the rule set. Grows whenever the same evidence may be judged otherwise.
pub const RULESET: u32 = 3;

/// The opinion on `evidence`, seen from a vantage or about a site in `country` (block pages and sinkholes are known by
/// country). The same evidence always gives the same verdict. That the controls are recent enough is the caller's care.
/// Its sentences hold no address but those of the site: a page that is quoted may tell who asked.
pub fn judge(evidence: &Evidence, knowledge: &Knowledge, country: CountryCode) -> Verdict {
    let facts = facts::Facts::new(evidence, knowledge, country);
    let (rule, finding) = table::decide(&facts);
    let finding = finding.and(rules::experiments::beside(&facts, rule.id));
    let verdict = Verdict {
        partial: partial::found(&facts, rule.status),
        measurement_id: evidence.measurement.measurement_id,
        status: rule.status,
        mechanism: rule.mechanism,
        confidence: rule.confidence * finding.trust,
        strength: rule.strength,
        weight: rule.weight * finding.trust,
        rules: vec![RuleId::of(rule.id)],
        reasons: finding.reasons,
        ruleset: RULESET,
        control: facts.controls.summary(),
    };
    KnownAddresses::of(evidence).hide_others_of(verdict)
}

/// Whether a measurement needs controls and canaries to be judged: anything but a plain answer (status below 400) over
/// valid TLS, reached hop by hop through the vantage's own addresses. Clear-text answers always need a control to be
/// compared with.
///
/// A plain answer needs them as well when a part of the way fails beside it: an address, a family, a resolver, QUIC.
/// `latest` is what the vantage's canaries last said. Where it does not show that IPv6, QUIC or that resolver works for
/// others, nothing is asked: a vantage without IPv6 would else have every site asked for at every round. So does an
/// answer that is far slower than `baseline`, or slow where nothing better is known; without a baseline at all paces are
/// not compared.
pub fn needs_second_opinion(
    measurement: &Measurement,
    latest: Option<&CanaryReport>,
    baseline: Option<&Baseline>,
    knowledge: &Knowledge,
    country: CountryCode,
) -> bool {
    let facts = facts::Facts::alone(measurement, latest, knowledge, country);
    let answer = facts.seen.authentic_own_answer().and_then(|exchange| exchange.status);
    let slow = || baseline.is_some_and(|usual| rules::throttle::is_remarkable(&facts.seen, &usual.pace));
    answer.is_none_or(|status| status >= 400) || partial::is_suspected(&facts) || slow()
}
