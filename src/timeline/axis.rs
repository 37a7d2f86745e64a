//! The time axis: which cell an instant falls into, and sensible ticks from seconds to centuries.

use jiff::civil::DateTime;

use super::shape::extent;
use crate::model::{Span, Timestamp};

const SECOND: i64 = 1_000;
const DAY: i64 = 86_400 * SECOND;

/// Cells left free at either end, for the signs beyond a bound.
const MARGIN: usize = 3;

/// Linear time over a number of cells.
#[derive(Debug)]
pub struct Axis {
    from: i64,
    to: i64,
    cells: usize,
}

/// The distance between ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Seconds, below a day.
    Seconds(i64),
    /// Whole days.
    Days(i64),
    /// Calendar months.
    Months(i32),
    /// Calendar years.
    Years(i32),
}

const STEPS: &[Step] = &[
    Step::Seconds(1),
    Step::Seconds(5),
    Step::Seconds(15),
    Step::Seconds(30),
    Step::Seconds(60),
    Step::Seconds(300),
    Step::Seconds(900),
    Step::Seconds(1_800),
    Step::Seconds(3_600),
    Step::Seconds(10_800),
    Step::Seconds(21_600),
    Step::Seconds(43_200),
    Step::Days(1),
    Step::Days(2),
    Step::Days(7),
    Step::Days(14),
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Years(1),
    Step::Years(2),
    Step::Years(5),
    Step::Years(10),
    Step::Years(20),
    Step::Years(50),
    Step::Years(100),
    Step::Years(500),
    Step::Years(1_000),
    Step::Years(5_000),
];

impl Step {
    /// Its length, or for months and years about so.
    const fn ms(self) -> i64 {
        match self {
            Self::Seconds(count) => count * SECOND,
            Self::Days(count) => count * DAY,
            Self::Months(count) => count as i64 * 30 * DAY,
            Self::Years(count) => count as i64 * 365 * DAY,
        }
    }

    /// Columns of its label.
    const fn label_width(self) -> usize {
        match self {
            Self::Seconds(count) if count < 60 => 8,
            Self::Seconds(_) => 5,
            Self::Days(_) => 10,
            Self::Months(_) => 7,
            Self::Years(_) => 4,
        }
    }

    /// The label of a tick.
    pub fn label(self, at: DateTime) -> String {
        let (year, month, day) = (at.year(), at.month(), at.day());
        match self {
            Self::Seconds(count) if count < 60 => format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()),
            Self::Seconds(_) => format!("{:02}:{:02}", at.hour(), at.minute()),
            Self::Days(_) => format!("{year:04}-{month:02}-{day:02}"),
            Self::Months(_) => format!("{year:04}-{month:02}"),
            Self::Years(_) => format!("{year:04}"),
        }
    }

    /// The last tick at or before an instant.
    fn floor(self, ms: i64) -> Option<i64> {
        let at = Timestamp::from_unix_ms(ms).to_civil();
        let first = |year: i16, month: i8| instant(DateTime::new(year, month, 1, 0, 0, 0, 0).ok()?);
        match self {
            Self::Seconds(_) => Some(ms.div_euclid(self.ms()) * self.ms()),
            // The epoch was a Thursday: weeks shall begin on Mondays.
            Self::Days(count) if count % 7 == 0 => Some((ms + 3 * DAY).div_euclid(self.ms()) * self.ms() - 3 * DAY),
            Self::Days(_) => Some(ms.div_euclid(self.ms()) * self.ms()),
            Self::Months(count) => {
                let month = (i32::from(at.month()) - 1).div_euclid(count) * count + 1;
                first(at.year(), i8::try_from(month).ok()?)
            }
            Self::Years(count) => first(i16::try_from(i32::from(at.year()).div_euclid(count) * count).ok()?, 1),
        }
    }

    /// The tick after one.
    fn next(self, ms: i64) -> Option<i64> {
        let add = |span: jiff::Span| instant(Timestamp::from_unix_ms(ms).to_civil().checked_add(span).ok()?);
        match self {
            Self::Seconds(_) | Self::Days(_) => ms.checked_add(self.ms()),
            Self::Months(count) => add(jiff::Span::new().months(count)),
            Self::Years(count) => add(jiff::Span::new().years(count)),
        }
    }
}

fn instant(civil: DateTime) -> Option<i64> {
    Timestamp::from_civil(civil).map(Timestamp::as_unix_ms)
}

impl Axis {
    /// An axis of `cells` cells from `since` to `until`, or as far as spans and measurements reach.
    pub fn of<'s>(
        spans: impl Iterator<Item = &'s Span>,
        measured: impl Iterator<Item = (Timestamp, Timestamp)>,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        cells: usize,
    ) -> Self {
        let cells = cells.max(2 * MARGIN + 2);
        let measured = measured.map(|(first, last)| (first.as_unix_ms(), last.as_unix_ms()));
        let extents: Vec<(i64, i64)> = spans.map(extent).filter(|(from, _)| *from > i64::MIN).chain(measured).collect();
        let first = extents.iter().map(|(from, _)| *from).min().unwrap_or(0);
        let last = extents.iter().map(|(_, to)| *to).max().unwrap_or(first);
        // At least one millisecond a cell.
        let width = last.saturating_sub(first).max(i64::try_from(cells).unwrap_or(1));
        let margin = width / i64::try_from(cells - 2 * MARGIN).unwrap_or(1) * i64::try_from(MARGIN).unwrap_or(0) + 1;
        let from = since.map_or(first.saturating_sub(margin), Timestamp::as_unix_ms);
        let to = until.map_or(first.saturating_add(width).saturating_add(margin), Timestamp::as_unix_ms);
        let to = to.max(from.saturating_add(i64::try_from(cells).unwrap_or(1)));
        Self { from, to, cells }
    }

    /// How many cells there are.
    pub const fn cells(&self) -> usize {
        self.cells
    }

    /// The cell that an instant falls into; None beyond the axis.
    pub fn cell(&self, ms: i64) -> Option<usize> {
        (self.from..self.to).contains(&ms).then(|| self.clamped(ms))
    }

    /// The first instant of a cell and that of the next.
    pub fn stretch(&self, cell: usize) -> (i64, i64) {
        let width = i128::from(self.to) - i128::from(self.from);
        let cells = i128::try_from(self.cells).unwrap_or(1);
        let at = |cell: usize| {
            // Rounded up, as `clamped` rounds down.
            let past = (width * i128::try_from(cell).unwrap_or(0) + cells - 1) / cells;
            i64::try_from(i128::from(self.from) + past).unwrap_or(i64::MAX)
        };
        (at(cell), at(cell + 1))
    }

    /// The cells from one instant to another, both included; None when all of it lies beyond the axis.
    pub fn range(&self, from: i64, to: i64) -> Option<(usize, usize)> {
        (from <= to && from < self.to && to >= self.from).then(|| (self.clamped(from), self.clamped(to)))
    }

    /// The cell that an instant falls into, or the one at the edge beyond which it lies.
    pub fn clamped(&self, ms: i64) -> usize {
        let width = i128::from(self.to) - i128::from(self.from);
        let past = (i128::from(ms) - i128::from(self.from)).clamp(0, width.max(1) - 1);
        usize::try_from(past * i128::try_from(self.cells).unwrap_or(1) / width.max(1)).unwrap_or(0).min(self.cells - 1)
    }

    /// The first instant and the one after the last.
    pub fn bounds(&self) -> (Timestamp, Timestamp) {
        (Timestamp::from_unix_ms(self.from), Timestamp::from_unix_ms(self.to))
    }

    /// The finest step whose labels leave room between them, where a letter is as wide as `letter` cells.
    pub fn step(&self, letter: usize) -> Step {
        let width = i128::from(self.to) - i128::from(self.from);
        let cells = i128::try_from(self.cells).unwrap_or(1);
        let fits = |step: &&Step| {
            let room = i128::from(step.ms()) * cells / width.max(1);
            room >= i128::try_from((step.label_width() + 3) * letter).unwrap_or(i128::MAX)
        };
        STEPS.iter().find(fits).or(STEPS.last()).copied().unwrap_or(Step::Years(5_000))
    }

    /// The instants on which ticks fall (Unix milliseconds).
    pub fn ticks(&self, step: Step) -> Vec<i64> {
        let mut ticks = Vec::new();
        let mut at = step.floor(self.from);
        // There is never more than one tick a cell; the bound keeps a strange calendar from looping.
        while let Some(ms) = at.filter(|ms| *ms < self.to && ticks.len() <= self.cells) {
            if ms >= self.from {
                ticks.push(ms);
            }
            at = step.next(ms).filter(|next| *next > ms);
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn axis(from: &str, to: &str, cells: usize) -> Axis {
        let at = |text: &str| Some(text.parse().unwrap());
        Axis::of(std::iter::empty(), std::iter::empty(), at(from), at(to), cells)
    }

    #[test]
    fn ticks_fall_on_whole_units() {
        for (from, to, step, first) in [
            ("2026-11-24T20:00:03Z", "2026-11-24T20:01:00Z", Step::Seconds(15), "20:00:15"),
            ("2026-11-24T19:50:00Z", "2026-11-24T23:10:00Z", Step::Seconds(1_800), "20:00"),
            ("2026-11-03T00:00:00Z", "2026-11-24T00:00:00Z", Step::Days(7), "2026-11-09"),
            ("2026-01-03T00:00:00Z", "2026-11-24T00:00:00Z", Step::Months(2), "2026-03"),
            ("2010-06-01T00:00:00Z", "2026-11-24T00:00:00Z", Step::Years(2), "2012"),
        ] {
            let axis = axis(from, to, 60);
            assert_eq!(axis.step(1), step, "{from}");
            let tick = axis.ticks(step)[0];
            assert_eq!(step.label(Timestamp::from_unix_ms(tick).to_civil()), first);
        }
    }

    #[test]
    fn instants_fall_into_cells() {
        let axis = axis("2026-01-01T00:00:00Z", "2026-01-11T00:00:00Z", 10);
        let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_unix_ms();
        assert_eq!(axis.cell(ms("2026-01-01T00:00:00Z")), Some(0));
        assert_eq!(axis.cell(ms("2026-01-10T23:59:59Z")), Some(9));
        assert_eq!(axis.cell(ms("2026-01-11T00:00:00Z")), None);
        assert_eq!(axis.range(ms("2025-01-01T00:00:00Z"), ms("2026-01-03T12:00:00Z")), Some((0, 2)));
        assert_eq!(axis.range(ms("2025-01-01T00:00:00Z"), ms("2025-01-03T12:00:00Z")), None);
    }

    proptest! {
        #[test]
        fn no_axis_panics_or_passes_its_edge(from in any::<i64>(), to in any::<i64>(), cells in 1usize..200) {
            let at = |ms| Some(Timestamp::from_unix_ms(ms));
            let axis = Axis::of(std::iter::empty(), std::iter::empty(), at(from), at(to), cells);
            prop_assert!(axis.ticks(axis.step(1)).iter().all(|ms| axis.cell(*ms).is_some()));
            axis.range(to, from);
        }
    }
}
