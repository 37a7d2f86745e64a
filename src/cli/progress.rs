//! One line on the terminal that tells what is being done and how far it has come.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::args::GlobalArgs;

/// Time between two lines of one kind.
const PACE: Duration = Duration::from_millis(100);

/// The line; only where standard error is a terminal and nobody asked for quiet.
pub(super) struct Line {
    is_wanted: bool,
    shown: Option<(Instant, &'static str)>,
}

impl Line {
    pub(super) fn new(global: &GlobalArgs) -> Self {
        Self { is_wanted: std::io::stderr().is_terminal() && global.quiet == 0, shown: None }
    }

    /// Shows that `doing` is under way, and `rest` of it; at once when it is something new.
    pub(super) fn show(&mut self, doing: &'static str, rest: impl FnOnce() -> String) {
        let is_same = self.shown.is_some_and(|(shown, was)| was == doing && shown.elapsed() < PACE);
        if !self.is_wanted || is_same {
            return;
        }
        self.shown = Some((Instant::now(), doing));
        eprint!("\r\u{1b}[K{doing}{}", rest());
    }

    pub(super) fn clear(&self) {
        if self.shown.is_some() {
            eprint!("\r\u{1b}[K");
        }
    }
}
