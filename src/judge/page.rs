//! The rule table as a page for people: `docs/rules.md`.

use std::fmt::Write;

use super::{RULESET, partial_table, rule_table};

const HEAD: &str = "\
# The rules of the judge

<!-- Generated from src/judge; do not edit. `BLOCKSPAN_WRITE=1 cargo test rules_page` writes it anew. -->

The rules are asked in this order; the first that speaks decides. *Confidence* is how sure one measurement makes us;
*weight* is how much it counts as a trial of the sequential test. Both are lessened (times 0.7) when controls disagree or
the site answers them with a server error only, and again when the site proves itself from here at an address that the
own resolver did not give. What differs from the control counts less when foreign canaries fail as well, for then the line
itself may be losing packets: times 0.6 when one of three or more does, times 0.25 when more do, or one of two.

Three scales hold them together. Evidence that proves itself: 0.999 for a known certificate, 0.95 to 0.99 for names,
answers and pages, 0.9 where a rare fault could look alike. Evidence that differs from the control: up to 0.9, by how
seldom the failure happens by chance. No opinion: 0.

Weak, self-proving and differential are defined in the design: self-proving evidence needs no control; differential
evidence needs a control that works and at least one foreign canary that answers.
";

const PARTIAL_HEAD: &str = "
## Blocking of a part

These are asked beside the table above, all of them, when the verdict is `accessible` or `denied` and a foreign canary
answers. Each that speaks adds an entry to `partial`; the status stays what it is
([decision 006](decisions/006-partial-blocking.md)). A family, a resolver or QUIC that fails for the canaries too is the
vantage's own fault and gives no entry. Confidence is lessened (times 0.7) when controls disagree.

| rule | scope | confidence | speaks when | source |
|---|---|---|---|---|
";

/// The page, in Markdown.
pub fn rules_page() -> String {
    let mut page = format!("{HEAD}\nRule set version: {RULESET}. Rules: {}.\n\n", rule_table().len());
    page.push_str("| # | rule | verdict | strength | confidence | weight | speaks when | source |\n");
    page.push_str("|---|---|---|---|---|---|---|---|\n");
    for (index, rule) in rule_table().iter().enumerate() {
        let mechanism = rule.mechanism.map(|mechanism| format!(" `{mechanism}`")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| {} | `{}` | {}{mechanism} | {} | {} | {} | {} | {} |",
            index + 1,
            rule.id,
            rule.status,
            rule.strength,
            rule.confidence,
            rule.weight,
            rule.description,
            rule.source
        );
    }
    page.push_str(PARTIAL_HEAD);
    for rule in partial_table() {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            rule.id, rule.scope, rule.confidence, rule.description, rule.source
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
        let page = rules_page();
        if std::env::var_os("BLOCKSPAN_WRITE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(stored == page, "docs/rules.md differs from the rules: run BLOCKSPAN_WRITE=1 cargo test rules_page");
    }

    #[test]
    fn cells_do_not_break_the_table() {
        assert!(rule_table().iter().all(|rule| !rule.description.contains('|') && !rule.source.contains('|')));
        assert!(partial_table().iter().all(|rule| !rule.description.contains('|') && !rule.source.contains('|')));
    }
}
