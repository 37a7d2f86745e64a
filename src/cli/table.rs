//! Tables for people: as many columns as the width allows, the rest told above the table or under each row.
//!
//! Cells are kept in one text so that a hundred thousand rows cost a handful of allocations, and every width is
//! taken once.

use std::io::{self, Write};
use std::ops::Range;

use anstyle::Style;

use super::look::{BOLD, DIM, Look, PLAIN};
use super::text::{clip, columns, wrap};
use crate::export::{in_blocks, write_in_blocks};

/// Space between columns.
const GAP: usize = 2;
/// Indent of what is told under a row.
const INDENT: usize = 2;

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its heading.
    pub(super) title: &'static str,
    /// Numbers stand to the right.
    pub(super) right: bool,
    /// The higher, the sooner it leaves a table that is too wide.
    pub(super) rank: u8,
    /// Text before and after the cell when it is told under the row.
    pub(super) detail: (&'static str, &'static str),
}

impl Column {
    /// A column of text.
    pub(super) const fn of(title: &'static str, rank: u8, detail: (&'static str, &'static str)) -> Self {
        Self { title, right: false, rank, detail }
    }
}

/// Small, because there may be a million of them.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
    width: u32,
    /// The place of its style among those of the table.
    style: u32,
}

/// Rows in the making.
#[derive(Debug)]
pub(super) struct Table<'c> {
    columns: &'c [Column],
    text: String,
    cells: Vec<Cell>,
    styles: Vec<Style>,
}

/// Where each column is told.
#[derive(Debug, Default)]
struct Plan {
    /// In the rows, in order.
    inline: Vec<usize>,
    /// Once, above the table: it says the same in every row.
    caption: Vec<usize>,
    /// Under each row.
    detail: Vec<usize>,
}

impl<'c> Table<'c> {
    /// An empty table.
    pub(super) const fn new(columns: &'c [Column]) -> Self {
        Self { columns, text: String::new(), cells: Vec::new(), styles: Vec::new() }
    }

    /// Adds the next cell of the current row: `write` appends its text, which must be safe to show.
    pub(super) fn cell(&mut self, style: Style, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        let width = u32::try_from(columns(&self.text[start..])).unwrap_or(u32::MAX);
        let style = self.place(style);
        self.cells.push(Cell { start, end: self.text.len(), width, style });
    }

    /// Adds a row for each of `items`: `fill` adds its cells.
    pub(super) fn fill<T: Sync>(&mut self, items: &[T], fill: impl Fn(&mut Self, &T) + Sync) {
        let columns = self.columns;
        let part = |range: Range<usize>| {
            let mut part = Self::new(columns);
            items[range].iter().for_each(|item| fill(&mut part, item));
            part
        };
        let joined = in_blocks(items.len(), part, |part| {
            self.append(&part);
            Ok(())
        });
        debug_assert!(joined.is_ok(), "only an output can fail");
    }

    fn append(&mut self, part: &Self) {
        let offset = self.text.len();
        self.text.push_str(&part.text);
        let styles: Vec<u32> = part.styles.iter().map(|style| self.place(*style)).collect();
        self.cells.extend(part.cells.iter().map(|cell| Cell {
            start: cell.start + offset,
            end: cell.end + offset,
            style: styles.get(cell.style as usize).copied().unwrap_or(0),
            ..*cell
        }));
    }

    fn place(&mut self, style: Style) -> u32 {
        let place = self.styles.iter().position(|known| *known == style).unwrap_or_else(|| {
            self.styles.push(style);
            self.styles.len() - 1
        });
        u32::try_from(place).unwrap_or(0)
    }

    fn text(&self, cell: &Cell) -> &str {
        &self.text[cell.start..cell.end]
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, Cell> {
        self.cells.chunks_exact(self.columns.len().max(1))
    }

    /// Writes the table: within `look.width` on a terminal, as wide as it needs to be elsewhere.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(super) fn write(&self, look: &Look, out: &mut dyn Write) -> io::Result<()> {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| column.title.len()).collect();
        let mut used = vec![false; widths.len()];
        for row in self.rows() {
            for ((cell, width), used) in row.iter().zip(&mut widths).zip(&mut used) {
                *width = (*width).max(cell.width as usize);
                *used |= cell.width > 0;
            }
        }
        let limit = look.terminal.then_some(look.width);
        let plan = self.plan(&widths, &used, limit);
        if let (Some(limit), [only]) = (limit, plan.inline.as_slice()) {
            widths[*only] = widths[*only].min(limit);
        }
        self.write_caption(&plan, look, out)?;
        self.write_heading(&plan, &widths, look, out)?;
        self.write_rows(&plan, &widths, look, out)
    }

    fn plan(&self, widths: &[usize], used: &[bool], limit: Option<usize>) -> Plan {
        let mut plan = Plan { inline: (0..widths.len()).filter(|&at| used[at]).collect(), ..Plan::default() };
        let Some(limit) = limit else { return plan };
        let mut total = plan.inline.iter().map(|&at| widths[at] + GAP).sum::<usize>().saturating_sub(GAP);
        let mut leaving = plan.inline.clone();
        leaving.sort_by_key(|&at| std::cmp::Reverse(self.columns[at].rank));
        let constant: Vec<bool> = (0..widths.len()).map(|at| total > limit && self.is_constant(at)).collect();
        for at in leaving
            .iter()
            .copied()
            .filter(|&at| constant[at])
            .chain(leaving.iter().copied().filter(|&at| !constant[at]))
        {
            if total <= limit || plan.inline.len() == 1 {
                break;
            }
            total -= widths[at] + GAP;
            plan.inline.retain(|&kept| kept != at);
            if constant[at] { plan.caption.push(at) } else { plan.detail.push(at) }
        }
        // A wide column that left late may have made room for narrow ones that left before it.
        for at in leaving.iter().rev().copied() {
            let fits = total + widths[at] + GAP <= limit;
            if fits && !plan.inline.contains(&at) {
                total += widths[at] + GAP;
                plan.inline.push(at);
                plan.caption.retain(|&told| told != at);
                plan.detail.retain(|&told| told != at);
            }
        }
        plan.inline.sort_unstable();
        plan.caption.sort_unstable();
        plan.detail.sort_unstable();
        plan
    }

    /// Whether the column says the same in every one of several rows.
    fn is_constant(&self, at: usize) -> bool {
        let mut cells = self.rows().map(|row| self.text(&row[at]));
        let first = cells.next();
        self.cells.len() > self.columns.len() && cells.all(|cell| Some(cell) == first)
    }

    fn write_caption(&self, plan: &Plan, look: &Look, out: &mut dyn Write) -> io::Result<()> {
        let Some(row) = self.rows().next() else { return Ok(()) };
        for &at in &plan.caption {
            let name = self.columns[at].title.to_lowercase();
            for line in wrap(&format!("{name}: {}", self.text(&row[at])), look.width) {
                writeln!(out, "{}", look.paint(DIM, line))?;
            }
        }
        Ok(())
    }

    fn write_heading(&self, plan: &Plan, widths: &[usize], look: &Look, out: &mut dyn Write) -> io::Result<()> {
        let mut line = String::new();
        for &at in &plan.inline {
            let column = &self.columns[at];
            let gap = if line.is_empty() { 0 } else { GAP };
            let width = widths[at];
            let title = column.title;
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(&if column.right { format!("{title:>width$}") } else { format!("{title:<width$}") });
        }
        writeln!(out, "{}", look.paint(BOLD, line.trim_end()))
    }

    fn write_rows(&self, plan: &Plan, widths: &[usize], look: &Look, out: &mut dyn Write) -> io::Result<()> {
        let columns = self.columns.len();
        write_in_blocks(self.rows().len(), out, |rows, text| {
            for row in self.cells[rows.start * columns..rows.end * columns].chunks_exact(columns) {
                self.push_row(text, row, plan, widths, look);
            }
        })
    }

    fn push_row(&self, line: &mut String, row: &[Cell], plan: &Plan, widths: &[usize], look: &Look) {
        // Space is owed until something follows it: no line ends in spaces.
        let mut owed = 0;
        for &at in &plan.inline {
            let cell = &row[at];
            let room = widths[at].saturating_sub(cell.width as usize);
            if cell.width == 0 {
                owed += room + GAP;
                continue;
            }
            let right = self.columns[at].right;
            push_spaces(line, owed + if right { room } else { 0 });
            self.push_cell(line, cell, widths[at], look);
            owed = GAP + if right { 0 } else { room };
        }
        line.push('\n');
        if !plan.detail.is_empty() {
            self.push_details(line, row, plan, look);
        }
    }

    fn push_cell(&self, line: &mut String, cell: &Cell, width: usize, look: &Look) {
        let text = self.text(cell);
        let fits = cell.width as usize <= width;
        let style = self.styles.get(cell.style as usize).copied().unwrap_or(PLAIN);
        let painted = look.colour && style != PLAIN;
        if fits && !painted {
            line.push_str(text);
        } else {
            line.push_str(&look.paint(style, clip(text, width, look.pick("…", "..."))));
        }
    }

    fn push_details(&self, line: &mut String, row: &[Cell], plan: &Plan, look: &Look) {
        // The dot stays at the end of a line: a no-break space holds it to the word before.
        let separator = look.pick("\u{a0}· ", "; ");
        let mut details = String::new();
        for &at in &plan.detail {
            let text = self.text(&row[at]);
            if text.is_empty() {
                continue;
            }
            if !details.is_empty() {
                details.push_str(separator);
            }
            let (before, after) = self.columns[at].detail;
            details.push_str(before);
            details.push_str(text);
            details.push_str(after);
        }
        if details.is_empty() {
            return;
        }
        for part in wrap(&details, look.width.saturating_sub(INDENT)) {
            push_spaces(line, INDENT);
            line.push_str(&look.paint(DIM, part));
            line.push('\n');
        }
    }
}

fn push_spaces(line: &mut String, count: usize) {
    const SPACES: &str = "                                                                ";
    let mut left = count;
    while left > 0 {
        let part = left.min(SPACES.len());
        line.push_str(&SPACES[..part]);
        left -= part;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::printable;

    const COLUMNS: [Column; 4] = [
        Column { title: "SITE", right: false, rank: 0, detail: ("", "") },
        Column { title: "N", right: true, rank: 1, detail: ("", " measurements") },
        Column { title: "STATUS", right: false, rank: 2, detail: ("", "") },
        Column { title: "SOURCE", right: false, rank: 9, detail: ("says ", "") },
    ];

    fn draw(rows: &[[&str; 4]], look: &Look) -> String {
        let mut table = Table::new(&COLUMNS);
        for text in rows.iter().flatten() {
            table.cell(PLAIN, |out| out.push_str(&printable(text)));
        }
        let mut out = Vec::new();
        table.write(look, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_fits_stands_in_columns() {
        let rows = [["fergana", "12", "blocked", ""], ["livejournal", "3", "", ""]];
        insta::assert_snapshot!(draw(&rows, &Look::plain()), @"
        SITE          N  STATUS
        fergana      12  blocked
        livejournal   3
        ");
    }

    #[test]
    fn what_does_not_fit_is_told_above_or_under_the_row() {
        let rows = [
            ["fergana", "12", "blocked", "a long title of a paper that was written in April"],
            ["livejournal", "3", "blocked", "another paper"],
            ["ratel", "3", "blocked", ""],
        ];
        insta::assert_snapshot!(draw(&rows, &Look { width: 40, ..Look::plain() }), @"
        SITE          N  STATUS
        fergana      12  blocked
          says a long title of a paper that was
          written in April
        livejournal   3  blocked
          says another paper
        ratel         3  blocked
        ");
        let wide = draw(&rows, &Look { terminal: false, ..Look::plain() });
        assert_eq!(wide.lines().count(), 4, "piped output is one line a row\n{wide}");
    }

    proptest! {
        #[test]
        fn it_keeps_to_the_terminal(
            rows in prop::collection::vec(prop::array::uniform4(".{0,60}"), 0..6), width in 40usize..120, colour: bool,
        ) {
            let rows: Vec<[&str; 4]> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
            let drawn = draw(&rows, &Look { width, ..Look::plain() });
            for line in drawn.lines() {
                prop_assert!(columns(line) <= width, "{} > {width}: {line:?}", columns(line));
            }
            let _coloured = draw(&rows, &Look { width, colour, ..Look::plain() });
        }
    }
}
