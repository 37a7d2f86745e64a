//! What is wrong with a configuration, all of it at once.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::source::{self, Place, Source};

/// Faults, and warnings, that are kept: nobody reads more.
const MOST_KEPT: usize = 1000;

/// One thing that is wrong. Displays as one line, `FILE:LINE:COLUMN: MESSAGE`; [`ConfigErrors::render`] draws it
/// with the line it stands in.
#[derive(Debug, Clone)]
pub struct ConfigFault {
    /// The file, or what stands in for one: `command line`.
    pub file: PathBuf,
    /// Where in the file; None when the file as a whole is at fault (it cannot be read).
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What the marked text is; may be empty.
    pub label: String,
    /// What was expected, or what to do.
    pub help: Option<String>,
    /// Bytes at the end of the message, and whether the help, quote what stands in the file.
    pub(super) quoted: (usize, bool),
    /// Another place that has to do with it, and what it is.
    pub also: Option<Also>,
    pub(super) source: Option<Arc<Source>>,
}

/// A second place of a fault, such as the first use of a duplicate id.
#[derive(Debug, Clone)]
pub struct Also {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub place: Place,
    /// What stands there.
    pub label: String,
    pub(super) source: Arc<Source>,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at(), self.message)
    }
}

impl ConfigFault {
    fn at(&self) -> String {
        let file = clip(&self.file.to_string_lossy());
        match &self.place {
            Some(place) => format!("{file}:{}:{}:", place.line, place.column),
            None => format!("{file}:"),
        }
    }

    /// The same and what to do, as far as nothing is quoted of what stands in the file.
    pub(super) fn told(&self) -> String {
        let message = &self.message[..self.message.len() - self.quoted.0];
        let help = self.help.as_ref().filter(|_| !self.quoted.1).map(|help| format!("; {help}"));
        format!("{} {message}{}", self.at(), help.unwrap_or_default())
    }
}

/// All faults of a configuration, in order of file and place. Displays as plain text; [`ConfigErrors::render`] adds colour.
#[derive(Debug)]
pub struct ConfigErrors {
    /// At least one, at most a thousand.
    pub faults: Vec<ConfigFault>,
    /// Faults beyond those, counted only.
    pub beyond: usize,
    /// Every file that was read, good or bad: a watcher must see each of them mended.
    pub files: Vec<PathBuf>,
}

impl std::error::Error for ConfigErrors {}

/// What is wrong with one value, in the words that follow its name: "`interval` *is not a length of time*".
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: Option<String>,
    /// What the message ends with, and whether the help, quotes the value.
    pub(super) quoted: (String, bool),
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), label: String::new(), help: None, quoted: (String::new(), false) }
    }

    /// What the marked text is.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The text itself, after the message.
    pub(super) fn quoting(mut self, text: &str) -> Self {
        self.quoted.0 = format!(": `{}`", clip(text));
        self
    }

    /// What to write in its place, made of what stands there.
    pub(super) fn write(self, text: impl fmt::Display) -> Self {
        let mut wrong = self.help(format!("write \"{text}\""));
        wrong.quoted.1 = true;
        wrong
    }

    /// What should have stood there.
    pub(super) fn expected(self, expected: impl fmt::Display) -> Self {
        self.help(format!("expected {expected}"))
    }
}

/// Where faults, warnings and the names of the files read are gathered while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: RefCell<Vec<ConfigFault>>,
    beyond: Cell<usize>,
    warnings: RefCell<Vec<String>>,
    files: RefCell<Vec<PathBuf>>,
    /// Every key that was asked for, with its table: what `docs/configuration.md` must tell of.
    #[cfg(test)]
    pub(super) asked: RefCell<std::collections::BTreeSet<String>>,
}

impl Findings {
    /// Something is wrong at a place of a file.
    pub(super) fn fault(&self, source: &Arc<Source>, span: &Range<usize>, wrong: Wrong, also: Option<Also>) {
        if self.full() {
            return;
        }
        self.faults.borrow_mut().push(ConfigFault {
            file: source.path.clone(),
            place: Some(source.place(span)),
            message: wrong.message + &wrong.quoted.0,
            label: wrong.label,
            help: wrong.help,
            quoted: (wrong.quoted.0.len(), wrong.quoted.1),
            also,
            source: Some(Arc::clone(source)),
        });
    }

    /// A file as a whole is at fault.
    pub(super) fn file_fault(&self, path: &Path, wrong: Wrong) {
        if self.full() {
            return;
        }
        self.faults.borrow_mut().push(ConfigFault {
            file: path.to_owned(),
            place: None,
            message: wrong.message + &wrong.quoted.0,
            label: wrong.label,
            help: wrong.help,
            quoted: (wrong.quoted.0.len(), wrong.quoted.1),
            also: None,
            source: None,
        });
    }

    /// Whether there are faults enough; then one more is only counted.
    fn full(&self) -> bool {
        let full = self.faults.borrow().len() >= MOST_KEPT;
        self.beyond.set(self.beyond.get() + usize::from(full));
        full
    }

    /// Something that works but is likely not meant.
    pub(super) fn warn(&self, source: &Source, span: &Range<usize>, message: impl fmt::Display) {
        if self.warnings.borrow().len() >= MOST_KEPT {
            return;
        }
        let line = source.place(span).line;
        let path = clip(&source.path.to_string_lossy());
        self.warnings.borrow_mut().push(format!("{path}:{line}: {message}"));
    }

    /// The same for a line of a file that is not kept as text; 0 for the file as a whole.
    pub(super) fn warn_line(&self, path: &Path, line: u64, message: impl fmt::Display) {
        if self.warnings.borrow().len() >= MOST_KEPT {
            return;
        }
        let path = clip(&path.to_string_lossy());
        let place = if line == 0 { path } else { format!("{path}:{line}") };
        self.warnings.borrow_mut().push(format!("{place}: {message}"));
    }

    /// A file is being read; the watcher must know.
    pub(super) fn reading(&self, path: &Path) {
        let mut files = self.files.borrow_mut();
        if !files.iter().any(|file| file == path) {
            files.push(path.to_owned());
        }
    }

    /// Reads a text file whole. None, and a fault, when that fails.
    pub(super) fn read_text(&self, path: &Path) -> Option<Arc<Source>> {
        self.reading(path);
        let bytes = match source::read_bytes(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let shown = clip(&path.to_string_lossy());
                self.file_fault(path, Wrong::new(format!("cannot read {shown}: {}", source::in_words(&error))));
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Some(Arc::new(Source::new(path.to_owned(), text))),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let line = error.as_bytes().iter().take(good).filter(|&&byte| byte == b'\n').count() + 1;
                let wrong = Wrong::new(format!("line {line} is not UTF-8")).expected("a text file in UTF-8");
                self.file_fault(path, wrong);
                None
            }
        }
    }

    /// What was gathered: the warnings and the files, or all faults in order of file and place.
    pub(super) fn into_result(self) -> Result<(Vec<PathBuf>, Vec<String>), ConfigErrors> {
        let files = self.files.into_inner();
        let mut faults = self.faults.into_inner();
        if faults.is_empty() {
            return Ok((files, self.warnings.into_inner()));
        }
        let rank = |fault: &ConfigFault| {
            let file = files.iter().position(|file| *file == fault.file).unwrap_or(usize::MAX);
            (file, fault.place.as_ref().map(|place| place.span.start))
        };
        faults.sort_by_key(rank);
        Err(ConfigErrors { faults, beyond: self.beyond.get(), files })
    }
}

/// A text from a file as it may stand in a message: no control characters, and not longer than a line bears.
pub(super) fn clip(text: &str) -> String {
    let mut clipped: String =
        text.chars().take(120).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(120).is_some() {
        clipped.push('…');
    }
    clipped
}
