//! How things are drawn on this terminal: width, colour, and whether it can show more than ASCII.

use std::borrow::Cow;
use std::fmt;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};

use super::args::ColorWhen;
use super::text::clip;
use crate::doctor::State;
use crate::model::Status;
use crate::model::printable;

/// The width that drawings have where there is no terminal to ask.
const PLAIN_WIDTH: usize = 80;
/// Below this nothing can be drawn sensibly: longer lines are then the lesser evil.
const LEAST_WIDTH: usize = 40;
/// Beyond this a drawing is no longer read as one.
const MOST_WIDTH: usize = 400;

/// What the output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Escape sequences for colour are understood.
    pub(super) colour: bool,
    /// Characters beyond ASCII are shown.
    pub(super) unicode: bool,
    /// Columns of a drawing.
    pub(super) width: usize,
    /// Whether someone looks at it: tables then keep to `width`.
    pub(super) terminal: bool,
}

impl Look {
    /// The look of standard output; of a file when `to_file`.
    pub(super) fn detect(color: ColorWhen, to_file: bool) -> Self {
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal() && !to_file;
        let colour = match color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => terminal && anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
        };
        let width = if terminal {
            terminal_size::terminal_size().map_or(PLAIN_WIDTH, |(width, _)| usize::from(width.0))
        } else {
            PLAIN_WIDTH
        };
        Self { colour, unicode: locale_is_utf8(), width: width.clamp(LEAST_WIDTH, MOST_WIDTH), terminal }
    }

    /// `text` between the escapes of `style`, or bare.
    pub(super) fn paint<T: fmt::Display>(&self, style: Style, text: T) -> String {
        if self.colour && style != PLAIN { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    /// Hostile text made safe for this output, at most `limit` columns of it.
    pub(super) fn show(&self, text: &str, limit: usize) -> String {
        let safe = printable(text);
        let safe = if self.unicode || safe.is_ascii() {
            safe
        } else {
            Cow::Owned(safe.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect())
        };
        clip(&safe, limit, self.pick("…", "...")).into_owned()
    }

    /// `fancy` where it can be shown, otherwise `plain`.
    pub(super) const fn pick<'t>(&self, fancy: &'t str, plain: &'t str) -> &'t str {
        if self.unicode { fancy } else { plain }
    }
}

/// Whether the locale's character set is UTF-8 (POSIX: LC_ALL, then LC_CTYPE, then LANG).
fn locale_is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    set.is_some_and(|value| names_utf8(&value.to_string_lossy()))
}

fn names_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// No style.
pub(super) const PLAIN: Style = Style::new();
/// Headings.
pub(super) const BOLD: Style = Style::new().bold();
/// What matters less.
pub(super) const DIM: Style = Style::new().dimmed();
/// What is well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What is not.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// What tells nothing either way.
pub(super) const NEUTRAL: Style = AnsiColor::Yellow.on_default();

/// The colour of a status.
pub(super) const fn of_status(status: Status) -> Style {
    match status {
        Status::Accessible => GOOD,
        Status::Blocked => BAD,
        Status::Denied => AnsiColor::Magenta.on_default(),
        Status::Down => NEUTRAL,
        Status::Offline => AnsiColor::Blue.on_default(),
        Status::Inconclusive => AnsiColor::Cyan.on_default(),
    }
}

/// The colour of a check.
pub(super) const fn of_check(state: State) -> Style {
    match state {
        State::Ok => GOOD,
        State::Warning => NEUTRAL,
        State::Failed => BAD,
        State::Skipped => DIM,
    }
}

#[cfg(test)]
impl Look {
    /// A terminal of 80 columns without colour, for drawings in tests.
    pub(super) const fn plain() -> Self {
        Self { colour: false, unicode: true, width: 80, terminal: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_names_its_character_set() {
        assert!(names_utf8("en_GB.UTF-8") && names_utf8("kk_KZ.utf8"));
        assert!(!names_utf8("C") && !names_utf8("ru_RU.KOI8-R"));
    }

    #[test]
    fn without_utf8_nothing_beyond_ascii_is_shown() {
        let look = Look { unicode: false, ..Look::plain() };
        assert_eq!(look.show("Фергана\u{7} news", 40), "???????? news");
        assert_eq!(look.show("abcdefghij", 6), "abc...");
    }

    #[test]
    fn colour_is_put_around_text_only_when_wanted() {
        assert_eq!(Look::plain().paint(BAD, "x"), "x");
        assert_eq!(Look { colour: true, ..Look::plain() }.paint(BAD, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
