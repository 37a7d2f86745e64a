//! The rules in the order in which they are asked.

use std::sync::LazyLock;

use super::facts::Facts;
use super::rule::{Finding, Rule};
use super::rules::{
    authentic, cleartext, dns, experiments, gates, interception, layers, page_elsewhere, rest, site, throttle, vantage,
};

/// Strongest first (DESIGN 4): what is the site's own but slowed down beyond doubt, what proves itself good, what proves
/// itself bad beyond any fault of the vantage, the vantage's own faults, what else proves itself, the site's own faults,
/// what is missing for a comparison, and the comparison.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        throttle::ANSWERED,
        authentic::RULES,
        cleartext::MATCHING,
        interception::PROVEN,
        vantage::RULES,
        dns::PROVEN,
        cleartext::PROVEN,
        experiments::RULES,
        page_elsewhere::PROVEN,
        site::RULES,
        gates::RULES,
        page_elsewhere::NOT_BY_NAME,
        cleartext::DIFFERENTIAL,
        dns::DIFFERENTIAL,
        interception::DIFFERENTIAL,
        layers::RULES,
        throttle::UNFINISHED,
        rest::RULES,
    ]
    .concat()
});

/// Every rule of this build, in the order in which they are asked.
pub fn rule_table() -> &'static [Rule] {
    &RULES
}

/// The first rule that speaks, and what it says. The last rule always speaks.
pub(super) fn decide(facts: &Facts<'_>) -> (&'static Rule, Finding) {
    let speaks = |rule: &'static Rule| (rule.decide)(facts).map(|finding| (rule, finding));
    RULES.iter().find_map(speaks).unwrap_or_else(|| (&rest::LAST, rest::finding(facts)))
}
