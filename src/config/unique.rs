//! Names that may be used only once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::document::Doc;
use super::fault::{Also, Wrong, clip};
use super::source::Source;

/// Names that may be used once, with the place of their first use.
pub(super) struct Unique {
    what: &'static str,
    first: HashMap<String, (Arc<Source>, Range<usize>)>,
}

impl Unique {
    /// `what` is what the names name: "site id".
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, first: HashMap::new() }
    }

    /// Claims a name; a second claim is a fault that shows the first one.
    pub(super) fn claim(&mut self, doc: Doc<'_>, name: &str, span: &Range<usize>) -> bool {
        if let Some((source, first)) = self.first.get(name) {
            let wrong = Wrong::new(format!("{} `{}` is used twice", self.what, clip(name))).label("used again here");
            let also = Also {
                file: source.path.clone(),
                place: source.place(first),
                label: "first used here".to_owned(),
                source: Arc::clone(source),
            };
            doc.findings.fault(doc.source, span, wrong, Some(also));
            return false;
        }
        self.first.insert(name.to_owned(), (Arc::clone(doc.source), span.clone()));
        true
    }
}
