//! Walking a TOML document with its places: keys are taken out of a table one by one, each fault is noted and the
//! walk goes on, and what is left at the end of a table is unknown.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Findings, Wrong, clip};
use super::source::Source;
use super::suggest::nearest;

/// The most entries of one array.
const MOST_ENTRIES: usize = 10_000;

/// A value with its place.
pub(super) type Node<'d> = Spanned<DeValue<'d>>;

/// Something read, with the place it was read from.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// The file being read, and where its faults go.
#[derive(Clone, Copy)]
pub(super) struct Doc<'d> {
    pub(super) source: &'d Arc<Source>,
    pub(super) findings: &'d Findings,
}

impl<'d> Doc<'d> {
    /// Reads the whole document with `read`. With a syntax error anywhere, only the syntax errors are told: the rest
    /// cannot be trusted to be what was meant.
    pub(super) fn read<T>(self, read: impl FnOnce(&mut Fields<'d>) -> T) -> Option<T> {
        let (root, errors) = DeTable::parse_recoverable(&self.source.text);
        let mut last_line = 0;
        let mut errors: Vec<_> = errors.iter().map(|e| (e.span().unwrap_or(0..0), e.message())).collect();
        errors.sort_by_key(|(span, _)| span.start);
        for (span, message) in &errors {
            let line = self.source.place(span).line;
            // The parser's second complaint about a line is most often an echo of the first.
            if line != last_line {
                self.fault(span, syntax(message));
            }
            last_line = line;
        }
        if errors.iter().any(|(_, message)| *message != DUPLICATE_KEY) {
            return None;
        }
        let mut fields = Fields {
            doc: self,
            path: String::new(),
            title: String::new(),
            span: None,
            table: root.into_inner(),
            known: vec![],
        };
        let value = read(&mut fields);
        fields.finish();
        Some(value)
    }

    /// Something is wrong here.
    pub(super) fn fault(self, span: &Range<usize>, wrong: Wrong) {
        self.findings.fault(self.source, span, wrong, None);
    }

    /// Something works but is likely not meant.
    pub(super) fn warn(self, span: &Range<usize>, message: impl std::fmt::Display) {
        self.findings.warn(self.source, span, message);
    }
}

const DUPLICATE_KEY: &str = "duplicate key";

fn syntax(message: &str) -> Wrong {
    match message {
        DUPLICATE_KEY => Wrong::new("the same key or table twice").help("keep one of the two"),
        _ => match message.split_once(", expected ") {
            Some((message, expected)) => Wrong::new(format!("not TOML: {message}")).expected(expected),
            None => Wrong::new(format!("not TOML: {message}")),
        },
    }
}

/// A table being read.
pub(super) struct Fields<'d> {
    /// The file it stands in.
    pub(super) doc: Doc<'d>,
    /// Its keys from the document on: `site.reported`; empty for the document itself.
    path: String,
    /// How it is called in messages: `[probe]`, `[[site.reported]]`; empty for the document itself.
    title: String,
    /// Its header, or all of an inline table; None for the document itself and for a table that is not there.
    span: Option<Range<usize>>,
    table: DeTable<'d>,
    known: Vec<&'static str>,
}

impl<'d> Fields<'d> {
    /// The place of the table's header.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone().unwrap_or(0..0)
    }

    fn path_to(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn take(&mut self, key: &'static str) -> Option<Node<'d>> {
        self.known.push(key);
        #[cfg(test)]
        self.doc.findings.asked.borrow_mut().insert(self.path_to(key));
        self.table.remove(key)
    }

    /// The value of a key that may be absent. None, too, when it is wrong.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node<'d>) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let node = self.take(key)?;
        self.read_node(&format!("`{key}`"), &node, read)
    }

    /// The value of a key that has a default.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Node<'d>) -> Result<T, Wrong>,
    ) -> T {
        self.optional(key, read).map_or(default, |at| at.value)
    }

    /// The value of a key that must be there; `example` is a line to write.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Node<'d>) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.optional(key, read)
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A key that must be there is not; `example` is a line to write.
    pub(super) fn missing(&mut self, key: &'static str, example: &str) {
        let wrong = Wrong::new(format!("{} has no `{key}`", self.title))
            .label(format!("`{key}` is missing"))
            .help(format!("add a line such as: {example}"));
        self.known.push(key);
        self.doc.fault(&self.span(), wrong);
    }

    /// The entries of an array, wrong ones left out. None when the key is absent.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Node<'d>) -> Result<T, Wrong>,
    ) -> Option<Vec<At<T>>> {
        let node = self.take(key)?;
        let Some(array) = node.get_ref().as_array() else {
            self.wrong_type(key, &node, "an array in [ ]");
            return None;
        };
        if let Some(extra) = array.get(MOST_ENTRIES) {
            let wrong = Wrong::new(format!("`{key}` is too long")).expected(format!("at most {MOST_ENTRIES} entries"));
            self.doc.fault(&extra.span(), wrong);
            return None;
        }
        let name = format!("an entry of `{key}`");
        Some(array.iter().filter_map(|entry| self.read_node(&name, entry, &read)).collect())
    }

    /// Like [`Fields::list`], for an array that may not be empty when it is there.
    pub(super) fn filled_list<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Node<'d>) -> Result<T, Wrong>,
    ) -> Option<Vec<At<T>>> {
        if let Some(node) = self.table.get(key).filter(|node| node.get_ref().as_array().is_some_and(|a| a.is_empty())) {
            self.doc.fault(&node.span(), Wrong::new(format!("`{key}` is empty")).expected("at least one entry"));
        }
        self.list(key, read)
    }

    /// A table of its own, `[key]`. An absent one is read as an empty one, so that it gives the defaults.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Fields<'d>) -> T) -> T {
        let path = self.path_to(key);
        let title = format!("[{path}]");
        let (span, table) = match self.take(key) {
            None => (None, DeTable::new()),
            Some(node) => {
                let span = node.span();
                match node.into_inner() {
                    DeValue::Table(table) => (Some(span), table),
                    other => {
                        self.wrong_type(key, &Spanned::new(span, other), &format!("a table: {title}"));
                        (None, DeTable::new())
                    }
                }
            }
        };
        let mut fields = Fields { doc: self.doc, path, title, span, table, known: Vec::new() };
        let value = read(&mut fields);
        fields.finish();
        value
    }

    /// Each table of an array of tables, `[[key]]`. None when the key is absent.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Fields<'d>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let node = self.take(key)?;
        let path = self.path_to(key);
        let title = format!("[[{path}]]");
        let DeValue::Array(array) = node.get_ref() else {
            self.wrong_type(key, &node, &format!("an array of tables: {title}"));
            return None;
        };
        let mut values = Vec::new();
        for entry in array.iter() {
            let DeValue::Table(table) = entry.get_ref() else {
                self.wrong_type(key, entry, &format!("a table: {title} or {{ … }}"));
                continue;
            };
            let (path, title, table) = (path.clone(), title.clone(), table.clone());
            let mut fields = Fields { doc: self.doc, path, title, span: Some(entry.span()), table, known: Vec::new() };
            values.extend(read(&mut fields));
            fields.finish();
        }
        Some(values)
    }

    fn read_node<T>(
        &self,
        name: &str,
        node: &Node<'d>,
        read: impl FnOnce(&Node<'d>) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        match read(node) {
            Ok(value) => Some(At { value, span: node.span() }),
            Err(mut wrong) => {
                wrong.message = format!("{name} {}", wrong.message);
                self.doc.fault(&node.span(), wrong);
                None
            }
        }
    }

    fn wrong_type(&self, key: &str, node: &Node<'d>, expected: &str) {
        let mut wrong = wrong_type(node, expected);
        wrong.message = format!("`{key}` {}", wrong.message);
        self.doc.fault(&node.span(), wrong);
    }

    /// Whatever was not taken is unknown.
    fn finish(self) {
        let place = if self.title.is_empty() { String::new() } else { format!(" in {}", self.title) };
        for key in self.table.keys() {
            let name = key.get_ref();
            let wrong = Wrong::new(format!("unknown key `{}`{place}", clip(name)));
            let wrong = match (nearest(name, self.known.iter().copied()), belongs_elsewhere(name)) {
                (Some(meant), _) => wrong.label(format!("did you mean `{meant}`?")),
                (None, Some(file)) if self.title.is_empty() => wrong.label(format!("this belongs in {file}")),
                _ => wrong.label("not known here"),
            };
            self.doc.fault(&key.span(), wrong.expected(format!("one of: {}", self.known.join(", "))));
        }
    }
}

/// The file that a section belongs in, for a section that stands in the wrong one.
fn belongs_elsewhere(key: &str) -> Option<&'static str> {
    match key {
        "site" | "include" => Some("targets.toml"),
        "probe" | "detect" | "store" | "serve" | "tls" | "network" | "fingerprints" | "vantage" | "control"
        | "canary" | "helper" | "experiments" | "throttling" | "summary" => Some("blockspan.toml"),
        _ => None,
    }
}

/// A value of another type than the key wants.
pub(super) fn wrong_type(node: &Node<'_>, expected: &str) -> Wrong {
    let found = match node.get_ref() {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    Wrong::new("has the wrong type").label(format!("this is {found}")).expected(expected)
}
