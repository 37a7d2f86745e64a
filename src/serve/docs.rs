//! `docs/metrics.md` as the metric table has it. A test keeps the file and the table the same.

use std::fmt::Write;

use super::families::{self, Family};
use crate::model::{ExperimentKind, ExperimentOutcome, Failure, Layer, Mechanism, PartialScope, Status};

/// The documentation of the metrics, Markdown.
pub fn metrics_markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for Family { name, kind, labels, help, .. } in families::ALL {
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.map_code().join(", ") };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{name}` | {} | {labels} | {help} |", kind.as_str());
    }
    page.push_str(PROCESS);
    page.push_str("\n## Upper bounds of the histograms, seconds\n\n");
    for family in families::ALL.iter().filter(|family| !family.buckets.is_empty()) {
        let bounds: Vec<String> = family.buckets.iter().map(f64::to_string).collect();
        let _ = writeln!(page, "- `{}`: {}", family.name, bounds.join(", "));
    }
    page.push_str("\n## Values of the closed labels\n\n");
    let statuses: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let layers: Vec<_> = Layer::ALL.iter().map(|layer| layer.as_str()).collect();
    let mechanisms: Vec<_> = Mechanism::ALL.iter().map(|mechanism| mechanism.as_str()).collect();
    let parts: Vec<_> = PartialScope::ALL.iter().map(|part| part.as_str()).collect();
    let kinds: Vec<_> = ExperimentKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let outcomes: Vec<_> = ExperimentOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    let sets: [(&str, &[&str]); 7] = [
        ("status", &statuses),
        ("layer", &layers),
        ("mechanism", &mechanisms),
        ("part", &parts),
        ("failure", Failure::LABELS),
        ("kind", &kinds),
        ("outcome", &outcomes),
    ];
    for (label, values) in sets {
        let _ = writeln!(page, "- `{label}`: {}", values.map_code().join(", "));
    }
    page.push_str(EXAMPLES);
    page
}

/// Words as inline code.
trait MapCode {
    fn map_code(&self) -> Vec<String>;
}

impl MapCode for [&str] {
    fn map_code(&self) -> Vec<String> {
        self.iter().map(|word| format!("`{word}`")).collect()
    }
}

const INTRODUCTION: &str = "\
# Metrics

Made from the table in `src/serve/families.rs`; a test keeps this page and the code the same (`BLESS=1 cargo test --lib
serve::docs` writes it anew). Scrape `/metrics` on the address that `[serve] listen` names.

Labels never hold free text. `site`, `url`, `vantage` and `control` take their values from the configuration: a series
appears as soon as it is configured (counters at 0, status `inconclusive`) and goes when a reload drops it. Of the failures, the
usual ones of each layer are there from the start; a rare one appears when it first happens.
";

const PROCESS: &str = "
Beside them, on Linux, the usual metrics of the process: `process_cpu_seconds_total`, `process_max_fds`, `process_open_fds`,
`process_resident_memory_bytes`, `process_start_time_seconds`, `process_threads`, `process_virtual_memory_bytes`.
";

const EXAMPLES: &str = r#"
## Questions

What is blocked now, and for how many days at least:

```promql
(time() - blockspan_blocked_since_timestamp_seconds) / 86400
```

Share of single measurements that failed by interference, per vantage:

```promql
sum by (vantage) (rate(blockspan_measurements_total{status="blocked"}[15m]))
  / sum by (vantage) (rate(blockspan_measurements_total[15m]))
```

TLS handshakes that met silence:

```promql
rate(blockspan_layer_failures_total{layer="tls", failure="generic_timeout_error"}[15m])
```

Vantages that have had no network for ten minutes:

```promql
max_over_time(blockspan_vantage_up[10m]) == 0
```
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_as_the_table_has_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let made = metrics_markdown();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == made, "docs/metrics.md is out of date: run `BLESS=1 cargo test --lib serve::docs`");
    }
}
