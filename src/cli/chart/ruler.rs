//! The time axis of a chart as lines of text.

use super::super::look::Look;
use crate::model::Timestamp;
use crate::timeline::{Axis, Step};

/// The axis as lines: a rule with ticks, their labels, and below hours and minutes the day.
pub(super) fn draw(axis: &Axis, look: &Look) -> Vec<String> {
    let step = axis.step(1);
    let ticks = axis.ticks(step);
    let mut rule: Vec<&str> = vec![look.pick("─", "-"); axis.cells()];
    let mut labels = Line::new(axis.cells());
    let mut days = Line::new(axis.cells());
    let mut day = None;
    for ms in ticks {
        let cell = axis.clamped(ms);
        rule[cell] = look.pick("┬", "+");
        let civil = Timestamp::from_unix_ms(ms).to_civil();
        let told = labels.put(cell, &step.label(civil));
        if told
            && matches!(step, Step::Seconds(_))
            && day != Some(civil.date())
            && days.put(cell, &Step::Days(1).label(civil))
        {
            day = Some(civil.date());
        }
    }
    if day.is_none() && matches!(step, Step::Seconds(_)) {
        let civil = axis.bounds().0.to_civil();
        days.put(0, &Step::Days(1).label(civil));
    }
    let mut lines = vec![rule.concat(), labels.text()];
    if !days.is_empty() {
        lines.push(format!("{} UTC", days.text()));
    }
    // The zone follows the last day; it is left out where it would pass the edge.
    lines.retain(|line| !line.is_empty());
    for line in &mut lines {
        if line.chars().count() > axis.cells() {
            *line = line.trim_end_matches(" UTC").to_owned();
        }
    }
    lines
}

/// Labels on one line that do not run into each other.
struct Line {
    text: String,
    cells: usize,
}

impl Line {
    const fn new(cells: usize) -> Self {
        Self { text: String::new(), cells }
    }

    /// Puts a label at a cell, if there is room.
    fn put(&mut self, cell: usize, label: &str) -> bool {
        let gap = usize::from(!self.text.is_empty());
        if self.text.len() + gap > cell || cell + label.len() > self.cells {
            return false;
        }
        self.text.push_str(&" ".repeat(cell - self.text.len()));
        self.text.push_str(label);
        true
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_axis_panics_or_passes_its_edge(from in any::<i64>(), to in any::<i64>(), cells in 1usize..200) {
            let at = |ms| Some(Timestamp::from_unix_ms(ms));
            let axis = Axis::of(std::iter::empty(), std::iter::empty(), at(from), at(to), cells);
            for line in draw(&axis, &Look::plain()) {
                prop_assert!(line.chars().count() <= axis.cells());
            }
        }
    }
}
