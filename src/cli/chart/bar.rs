//! One row of a chart: what is painted into each of its cells.

use super::super::look::{Look, PLAIN, of_status};
use crate::model::{Span, Status, Timestamp, VantageSpan};
use crate::timeline::{Axis, Shape};

/// Cells over which an unstated bound is shown to fade.
const FADE: usize = 3;

/// What a cell says. A stronger one paints over a weaker one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ink {
    /// The site was reached, and nothing is recorded against it.
    Reached,
    /// The vantage told nothing for most of the cell's time.
    Silent,
    /// Beyond a bound that nobody stated.
    Unstated,
    /// Within a bracket.
    Possible,
    /// It began before the first observation.
    Before,
    /// It goes on.
    Ongoing,
    /// It was so before and after; between them the vantage told nothing.
    Unseen,
    /// It was so, at least for a part of the cell's time.
    Certain,
}

impl Ink {
    /// The sign that is drawn.
    pub(super) const fn sign(self, look: &Look) -> &'static str {
        match self {
            Self::Reached => look.pick("─", "-"),
            Self::Silent => look.pick("·", "."),
            Self::Unstated => "?",
            Self::Possible => look.pick("░", ":"),
            Self::Before => look.pick("◀", "<"),
            Self::Ongoing => look.pick("▶", ">"),
            Self::Unseen => look.pick("▒", "%"),
            Self::Certain => look.pick("█", "#"),
        }
    }
}

/// The cells of a row.
pub(super) struct Bar {
    cells: Vec<Option<(Ink, Status)>>,
    /// Milliseconds of each cell in which the vantage told nothing.
    silent: Vec<i64>,
}

impl Bar {
    /// An empty row.
    pub(super) fn new(cells: usize) -> Self {
        Self { cells: vec![None; cells], silent: vec![0; cells] }
    }

    fn put(&mut self, cell: usize, ink: Ink, status: Status) {
        if let Some(place) = self.cells.get_mut(cell)
            && place.is_none_or(|(there, _)| there < ink)
        {
            *place = Some((ink, status));
        }
    }

    fn fill(&mut self, axis: &Axis, from: i64, to: i64, ink: Ink, status: Status) {
        if let Some((first, last)) = axis.range(from, to) {
            (first..=last).for_each(|cell| self.put(cell, ink, status));
        }
    }

    /// Paints the cells in which the site was reached.
    pub(super) fn add_reached(&mut self, reached: &[bool]) {
        for (cell, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
            self.put(cell, Ink::Reached, Status::Accessible);
        }
    }

    /// Notes a stretch in which the vantage told nothing. What is certain of it counts: its end is not before the later
    /// bound of a start, and one that goes on does so until `now`.
    pub(super) fn add_silence(&mut self, silence: &VantageSpan, axis: &Axis, now: Timestamp) {
        let from = silence.start.latest.or(silence.start.earliest);
        let to = silence.end.map_or(Some(now), |end| end.earliest.or(end.latest));
        let (Some(from), Some(to)) = (from.map(Timestamp::as_unix_ms), to.map(Timestamp::as_unix_ms)) else { return };
        let Some((first, last)) = axis.range(from, to) else { return };
        for cell in first..=last {
            let (begins, ends) = axis.stretch(cell);
            self.silent[cell] += ends.min(to).saturating_sub(begins.max(from)).max(0);
        }
    }

    /// Paints the silences that were noted, when all else is painted.
    pub(super) fn paint_silences(&mut self, axis: &Axis) {
        for cell in 0..self.cells.len() {
            let (begins, ends) = axis.stretch(cell);
            if self.silent[cell] == 0 || self.silent[cell] < (ends - begins) / 2 {
                continue;
            }
            match &mut self.cells[cell] {
                Some((ink @ Ink::Certain, _)) => *ink = Ink::Unseen,
                Some((Ink::Reached, _)) => {}
                _ => self.put(cell, Ink::Silent, Status::Offline),
            }
        }
    }

    /// Paints a span.
    pub(super) fn add(&mut self, span: &Span, axis: &Axis) {
        let Some(shape) = Shape::of(span) else { return };
        // A part that is blocked is drawn as what is blocked.
        let status = if span.partial.is_some() { Status::Blocked } else { span.status };
        if shape.start_latest <= shape.end_earliest {
            self.fill(axis, shape.start_latest, shape.end_earliest, Ink::Certain, status);
        }
        match shape.start_earliest {
            Some(earliest) => self.fill(axis, earliest, shape.start_latest, Ink::Possible, status),
            None => {
                let first = axis.cell(shape.start_latest);
                let measured = span.citation.is_none();
                let cells = if measured { 1 } else { FADE };
                let ink = if measured { Ink::Before } else { Ink::Unstated };
                self.beside(first.map(|first| first.checked_sub(1)), cells, ink, status, |cell| cell.checked_sub(1));
            }
        }
        match shape.end_latest {
            Some(latest) => self.fill(axis, shape.end_earliest, latest, Ink::Possible, status),
            None => {
                let last = axis.cell(shape.end_earliest);
                let cells = if shape.ongoing { 1 } else { FADE };
                let ink = if shape.ongoing { Ink::Ongoing } else { Ink::Unstated };
                self.beside(last.map(|last| last.checked_add(1)), cells, ink, status, |cell| cell.checked_add(1));
            }
        }
    }

    /// Paints a few cells outwards from a bound, as far as the row goes.
    fn beside(
        &mut self,
        from: Option<Option<usize>>,
        count: usize,
        ink: Ink,
        status: Status,
        step: impl Fn(usize) -> Option<usize>,
    ) {
        let mut next = from.flatten();
        for _ in 0..count {
            let Some(cell) = next else { break };
            self.put(cell, ink, status);
            next = step(cell);
        }
    }

    /// What the row's cells say.
    pub(super) fn inks(&self) -> impl Iterator<Item = Ink> {
        self.cells.iter().filter_map(|cell| cell.map(|(ink, _)| ink))
    }

    /// The row as text; each run of one status in its colour.
    pub(super) fn draw(&self, look: &Look) -> String {
        let mut out = String::new();
        for run in self.cells.chunk_by(|a, b| a.map(|a| a.1) == b.map(|b| b.1)) {
            let text: String = run.iter().map(|cell| cell.map_or(" ", |(ink, _)| ink.sign(look))).collect();
            let style = run.first().copied().flatten().map_or(PLAIN, |(_, status)| of_status(status));
            out.push_str(&look.paint(style, text));
        }
        out
    }
}
