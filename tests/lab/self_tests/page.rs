//! `docs/verdicts.md`: every situation of the lab and what the instrument says in it, as the scenarios hold it to.

use std::fmt::Write;

use anyhow::{Result, ensure};

use crate::expect::Check;
use crate::scenario::Scenario;
use crate::scenarios;

const HEAD: &str = "\
# What blockspan says, situation by situation

<!-- Generated from tests/lab/scenarios; do not edit. `BLOCKSPAN_WRITE=1 cargo test --test lab -- verdicts_page` writes it anew. -->

Each row is one measurement by the real binary in a small internet of network namespaces ([the lab](../tests/lab/README.md)), with real packets and, where
there is one, a real censor. `cargo test --test lab` runs them all and fails when one says anything else. An independent client without our code
proves that each situation is what it is said to be. The rules are told in [rules.md](rules.md).
";

fn row(page: &mut String, about: &str, check: &Check) -> std::fmt::Result {
    let text = about.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let mechanism = check.mechanism.as_deref().map(|how| format!(" `{how}`")).unwrap_or_default();
    let rule = check.rule.as_deref().map(|rule| format!("`{rule}`")).unwrap_or_default();
    let partial: Vec<String> = check.partial.iter().map(|scope| format!(" partly: {scope}")).collect();
    writeln!(page, "| {text} | {}{mechanism}{} | {rule} |", check.status, partial.concat())
}

fn page(scenarios: &[(String, std::sync::Arc<Scenario>)]) -> Result<String> {
    let mut page = String::from(HEAD);
    for (title, with_censor) in [("Somebody interferes", true), ("Nobody interferes", false)] {
        let chosen: Vec<_> = scenarios
            .iter()
            .filter(|(_, scenario)| scenario.has_a_censor() == with_censor && scenario.awaits.is_none())
            .filter_map(|(_, scenario)| scenario.check.as_ref().map(|check| (scenario, check)))
            .collect();
        let of = |status: &str| chosen.iter().filter(|(_, check)| check.status == status).count();
        let counts: Vec<String> = ["blocked", "accessible", "denied", "down", "offline", "inconclusive"]
            .into_iter()
            .filter(|status| of(status) > 0)
            .map(|status| format!("{} {status}", of(status)))
            .collect();
        writeln!(page, "\n## {title}: {} situations\n\n{}.\n", chosen.len(), counts.join(", "))?;
        writeln!(page, "| what happens | status | rule |\n|---|---|---|")?;
        for (scenario, check) in chosen {
            row(&mut page, &scenario.about, check)?;
        }
    }
    let awaiting: Vec<_> =
        scenarios.iter().filter_map(|(_, scenario)| Some((scenario, scenario.awaits.as_ref()?))).collect();
    if !awaiting.is_empty() {
        writeln!(page, "\n## Not yet\n\nHere an honest expert would say more than blockspan can.\n")?;
        for (scenario, why) in awaiting {
            writeln!(page, "- {} Wanting: {why}.", scenario.about.split_whitespace().collect::<Vec<_>>().join(" "))?;
        }
    }
    Ok(page)
}

pub(super) fn verdicts_page() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verdicts.md");
    let page = page(&scenarios()?)?;
    if std::env::var_os("BLOCKSPAN_WRITE").is_some() {
        std::fs::write(path, &page)?;
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    ensure!(
        stored == page,
        "docs/verdicts.md differs from the scenarios: run BLOCKSPAN_WRITE=1 cargo test --test lab -- verdicts_page"
    );
    Ok(())
}
