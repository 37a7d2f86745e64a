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
mod negative;
mod page;
mod resolution;
mod rule;
mod rules;
mod say;
mod seen;
mod table;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use crate::model::{CountryCode, Evidence, Measurement, RuleId, Verdict};

pub use knowledge::{BlockPageMark, InterceptionCa, InterceptionName, Knowledge, Sinkhole};
pub use page::rules_page;
pub use rule::Rule;
pub use say::quoted;
pub use table::rule_table;

/// The version of the rule set. Grows whenever the same evidence may be judged otherwise.
pub const RULESET: u32 = 1;

/// The opinion on `evidence`, seen from a vantage or about a site in `country` (block pages and sinkholes are known by
/// country). The same evidence always gives the same verdict. That the controls are recent enough is the caller's care.
pub fn judge(evidence: &Evidence, knowledge: &Knowledge, country: CountryCode) -> Verdict {
    let facts = facts::Facts::new(evidence, knowledge, country);
    let (rule, finding) = table::decide(&facts);
    Verdict {
        partial: Vec::new(),
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
    }
}

/// Whether a measurement needs controls and canaries to be judged: anything but a plain answer (status below 400) over
/// valid TLS, reached hop by hop through the vantage's own addresses. Clear-text answers always need a control to be
/// compared with.
pub fn needs_second_opinion(measurement: &Measurement) -> bool {
    static BUILT_IN: LazyLock<Knowledge> = LazyLock::new(|| Knowledge::new(Vec::new()));
    let seen = seen::Seen::new(measurement, &BUILT_IN);
    let plain = seen.authentic_own_answer().and_then(|exchange| exchange.status).is_some_and(|status| status < 400);
    !plain
}
