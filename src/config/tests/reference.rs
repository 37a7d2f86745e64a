//! `docs/configuration.md`: made of the sample, and held against every key that is read.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::super::document::Doc;
use super::super::fault::Findings;
use super::super::source::Source;
use super::super::types::Config;

const SAMPLE: &str = include_str!("../../../blockspan.sample.toml");
const TARGETS: &str = include_str!("targets.md");

/// A key with its value in the sample: the default, or only an example.
struct Key {
    name: String,
    value: String,
    is_default: bool,
}

/// Keys that share a meaning.
struct Row {
    keys: Vec<Key>,
    meaning: String,
}

/// A table of the sample with what is said of it.
struct Table {
    title: String,
    about: String,
    rows: Vec<Row>,
}

fn key(text: &str, is_default: bool) -> Option<Key> {
    let (name, value) = text.split_once(" = ")?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    is_name.then(|| Key { name: name.to_owned(), value: value.to_owned(), is_default })
}

/// The tables of the sample in their order; an array of tables is taken where it is first explained.
fn tables() -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let (mut words, mut fresh, mut example) = (String::new(), true, false);
    for line in SAMPLE.lines() {
        let header = line.trim_start_matches('#');
        if header.starts_with('[') && !line.starts_with("# ") && !line.starts_with("## ") {
            let title = header.to_owned();
            if !tables.iter().any(|table| table.title == title) {
                tables.push(Table { title, about: std::mem::take(&mut words), rows: Vec::new() });
            }
            (words, fresh, example) = (String::new(), true, false);
            continue;
        }
        let found = match (line.strip_prefix("## "), line.strip_prefix('#')) {
            (Some(rest), _) => key(rest, false),
            (None, Some(rest)) if !rest.starts_with(' ') => key(rest, !example),
            _ => None,
        };
        let Some(table) = tables.last_mut() else { continue };
        match found {
            Some(key) if table.rows.iter().any(|row| row.keys.iter().any(|known| known.name == key.name)) => {}
            Some(key) => {
                if fresh {
                    table.rows.push(Row { keys: Vec::new(), meaning: std::mem::take(&mut words) });
                }
                fresh = false;
                table.rows.last_mut().unwrap().keys.push(key);
            }
            None if line.is_empty() || line == "#" => (words, fresh) = (String::new(), true),
            None => {
                if !fresh {
                    (words, fresh) = (String::new(), true);
                }
                example = example || line.starts_with("## ");
                let more = line.trim_start_matches('#').trim();
                if !words.is_empty() {
                    words.push(' ');
                }
                words.push_str(
                    more.trim_start_matches("More keys. ").trim_start_matches("More keys, without a default. "),
                );
            }
        }
    }
    tables
}

fn page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Generated from blockspan.sample.toml and src/config; do not edit. `BLOCKSPAN_WRITE=1 cargo test --lib configuration_page` writes it anew. -->\n\n\
         `targets.toml` says what is measured, `blockspan.toml` how and from where. Both are TOML. Unknown keys, bad values and\n\
         duplicate names are refused at start and by `blockspan config check`, all at once, each with its place. A running daemon reads\n\
         the files again when they change, on SIGHUP and on `POST /-/reload`; a bad file changes nothing. `[store]` and `[serve]` take\n\
         effect at the next start. Lengths are written `500ms`, `90s`, `1h30m`, `400d`. Paths of files are relative to the file that names them;\n\
         a running daemon may only read the directories of the files that it was started with.\n\n",
    );
    page.push_str(TARGETS);
    page.push_str("\n## `blockspan.toml`\n");
    for Table { title, about, rows } in tables() {
        let _ = write!(page, "\n### `{title}`\n\n");
        if !about.is_empty() {
            let _ = write!(page, "{about}\n\n");
        }
        page.push_str("| key | default | meaning |\n|---|---|---|\n");
        for Row { keys, meaning } in rows {
            let list = |of: &dyn Fn(&Key) -> String| keys.iter().map(of).collect::<Vec<_>>().join("<br>");
            let names = list(&|key| format!("`{}`", key.name));
            let values = list(&|key| {
                let value = key.value.replace('|', "\\|");
                if key.is_default { format!("`{value}`") } else { format!("none; for example `{value}`") }
            });
            let _ = writeln!(page, "| {names} | {values} | {} |", meaning.replace('|', "\\|"));
        }
    }
    page
}

#[test]
fn the_configuration_page_is_what_the_sample_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os("BLOCKSPAN_WRITE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let hint = "run `BLOCKSPAN_WRITE=1 cargo test --lib configuration_page`";
    assert!(
        std::fs::read_to_string(&path).is_ok_and(|kept| kept == page()),
        "docs/configuration.md is out of date: {hint}"
    );
}

/// Every key that the readers ask for, as `table.key`.
fn asked() -> BTreeSet<String> {
    let findings = Findings::default();
    let read = |text: &str, targets: bool| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.toml");
        std::fs::write(&path, text).unwrap();
        if targets {
            super::super::targets::read(&path, &findings);
            return;
        }
        let source = Arc::new(Source::new(path, text.to_owned()));
        Doc { source: &source, findings: &findings }.read(|root| Config::read(root, false));
    };
    read(
        "[[vantage]]\nid = \"a\"\n[[canary]]\nurl = \"https://a.example/\"\n[[webhook]]\nid = \"a\"\nurl_file = \"x\"\n[control]\nhelpers = [{}]\n",
        false,
    );
    read("[[webhook]]\nid = \"a\"\n", false);
    read("[[site]]\nid = \"a\"\nurls = [\"https://a.example/\"]\n[[site.reported]]\n", true);
    let tables = ["vantage", "canary", "webhook", "site", "site.reported"];
    let keys = findings.asked.borrow().clone();
    let is_table = |key: &str| tables.contains(&key) || keys.iter().any(|other| other.starts_with(&format!("{key}.")));
    keys.iter().filter(|key| !is_table(key)).cloned().collect()
}

#[test]
fn every_key_that_is_read_is_on_the_configuration_page() {
    let page = page();
    let keys = asked();
    assert!(keys.len() > 60, "{keys:?}");
    for key in keys {
        let (table, name) = key.rsplit_once('.').unwrap_or(("", &key));
        let heading = |open: &str, close: &str| page.find(&format!("### `{open}{table}{close}`"));
        let section = heading("[", "]").or_else(|| heading("[[", "]]"));
        let text = match section {
            Some(at) => page[at..].split("\n### ").next().unwrap(),
            // What is written within another table, or in no table, is told where that one is.
            None => page.as_str(),
        };
        assert!(text.contains(&format!("`{name}`")) || text.contains(&format!("{name} = ")), "{key} is told nowhere");
    }
}
