//! A drawing in the making: headings of layers, steps with a mark, notes, all wrapped to the width.

use anstyle::Style;

use super::super::look::{self, BAD, BOLD, DIM, GOOD, Look, NEUTRAL};
use super::super::text::{columns, wrap};
use super::super::words;
use crate::knowledge::Networks;
use crate::model::Elapsed;

/// Space left of what belongs to a layer.
const INDENT: usize = 4;
/// Room for a time, `10.0 s` or `320 ms`.
const TIME: usize = 7;
/// The most that a name takes before its line is broken: a bracketed IPv6 address with its port fits mostly.
pub(super) const NAME: usize = 34;
/// The least room for a text beside a name.
const TEXT: usize = 22;

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Well.
    Good,
    /// Not.
    Bad,
    /// It says nothing either way.
    None,
}

/// A drawing in the making.
pub(super) struct Sketch<'l> {
    pub(super) look: &'l Look,
    /// Room for names: as much as the longest of this drawing takes, within bounds.
    pub(super) name: usize,
    /// Which network an address belongs to, as far as it is known.
    pub(super) networks: &'l Networks,
    pub(super) out: String,
}

impl Sketch<'_> {
    /// A line as it is.
    pub(super) fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// The name of a layer, with what it is about.
    pub(super) fn heading(&mut self, layer: &str, about: &str) {
        let about = self.look.show(about, self.look.width.saturating_sub(12));
        let line = format!("  {} {}", self.look.paint(BOLD, format!("{layer:<9}")), self.look.paint(DIM, about));
        self.line(&line);
    }

    /// One step: mark, name, time and what came of it. Name and text may be hostile; a long text is wrapped under
    /// itself.
    pub(super) fn step(&mut self, mark: Mark, name: &str, time: Option<Elapsed>, text: &str) {
        let (sign, style) = match mark {
            Mark::Good => (self.look.pick("✓", "+"), GOOD),
            Mark::Bad => (self.look.pick("✗", "x"), BAD),
            Mark::None => (self.look.pick("–", "-"), NEUTRAL),
        };
        let room = self.look.width.saturating_sub(INDENT + 2 + 2 + TIME + 2);
        let width = self.name.min(room.saturating_sub(TEXT)).max(12);
        let name = self.look.show(name, room);
        let time = time.map(words::elapsed).unwrap_or_default();
        let head = format!("{:INDENT$}{} {name}", "", self.look.paint(style, sign));
        let start = INDENT + 2 + width + 2 + TIME + 2;
        let gap = " ".repeat(width.saturating_sub(columns(&name)));
        let mut lines = wrap(&self.look.show(text, 400), self.look.width.saturating_sub(start)).into_iter();
        let style = if mark == Mark::Bad { BAD } else { look::PLAIN };
        let paint = |line: Option<String>| line.map(|line| self.look.paint(style, line)).unwrap_or_default();
        let first = paint(lines.next());
        let mut rows = Vec::new();
        if columns(&name) > width {
            rows.push(head);
            rows.push(format!("{:indent$}  {time:>TIME$}  {first}", "", indent = INDENT + 2 + width));
        } else {
            rows.push(format!("{head}{gap}  {time:>TIME$}  {first}"));
        }
        for line in lines {
            rows.push(format!("{:start$}{}", "", self.look.paint(style, line)));
        }
        for row in rows {
            self.line(&row);
        }
    }

    /// More about the step above, wrapped under its text's name.
    pub(super) fn note(&mut self, text: &str) {
        let indent = INDENT + 2;
        for line in wrap(&self.look.show(text, 600), self.look.width.saturating_sub(indent)) {
            let line = format!("{:indent$}{}", "", self.look.paint(DIM, line));
            self.line(&line);
        }
    }

    /// Sentences under the verdict.
    pub(super) fn paragraph(&mut self, text: &str, indent: usize, style: Style) {
        for line in wrap(&self.look.show(text, 2_000), self.look.width.saturating_sub(indent)) {
            let line = format!("{:indent$}{}", "", self.look.paint(style, line));
            self.line(&line);
        }
    }
}
