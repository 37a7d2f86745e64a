//! The data dictionary: what each column holds, as a page for people. Made of the columns themselves.

use std::fmt::Write;

use super::measurements::Measurements;
use super::spans::Spans;
use super::{Kind, Rows};

/// The page docs/data.md.
pub fn dictionary() -> String {
    let mut page = String::from(HEAD);
    table::<Spans>(&mut page, "Spans", "`blockspan history --format csv|parquet`");
    table::<Measurements>(&mut page, "Measurements", "`blockspan measurements --format csv|parquet`");
    page.push_str(TAIL);
    page
}

fn table<T: Rows>(page: &mut String, title: &str, command: &str) {
    // Writing to a String cannot fail.
    let _infallible = write!(page, "\n## {title}\n\n{command}\n\n| column | type | what it tells |\n|---|---|---|\n");
    for column in T::COLUMNS {
        let kind = match column.kind {
            Kind::Text => "text",
            Kind::Json => "JSON",
            Kind::Instant => "instant",
            Kind::Count => "integer",
            Kind::Real => "number",
            Kind::Truth => "boolean",
        };
        let _infallible = writeln!(page, "| `{}` | {kind} | {} |", column.name, column.meaning);
    }
}

const HEAD: &str = "\
# Data files

Flat rows for spreadsheets, DuckDB, pandas and R. This page is made of the program's own list of columns; a test holds it to it.

- **Instants** are UTC: in CSV RFC 3339 with milliseconds, in Parquet a timestamp of milliseconds adjusted to UTC.
- **Null** is an empty cell in CSV. Every column may be null.
- **Hostile text** comes from measured sites. In CSV a text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return has a
  leading apostrophe.
- **JSON** columns hold the parts of a measurement as `measurements --format ndjson` writes them; CSV leaves them out.
- The vantage's own addresses are never in these files.
- Parquet is compressed with Zstandard. Measurements have a row group a day (a long day has several), spans one for each
  100,000.
";

const TAIL: &str = "
## For example

```sql
-- DuckDB: how long each site was blocked in each month, at least
SELECT site, date_trunc('month', start_latest) AS month, sum(date_diff('second', start_latest, coalesce(end_earliest, last_observed))) AS seconds_at_least
FROM 'spans.parquet' WHERE source = 'measured' AND status = 'blocked' GROUP BY ALL ORDER BY ALL;
```

```python
import pandas
measurements = pandas.read_parquet(\"measurements.parquet\")
measurements.groupby([\"site\", \"status\"]).size()
```
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_columns_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/data.md");
        if std::env::var_os("BLOCKSPAN_WRITE").is_some() {
            std::fs::write(path, dictionary()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == dictionary(), "docs/data.md is old: BLOCKSPAN_WRITE=1 cargo test --lib the_page_is_what");
    }
}
