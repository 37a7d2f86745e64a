//! Lines that cannot be used: named, counted, left out.

/// Lines of one file that are named; more are only counted.
const NAMED: usize = 100;
/// Characters of what was wrong that are kept.
const LONGEST: usize = 160;

/// One line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1; 0 when the file as a whole is meant.
    pub line: u64,
    /// What is wrong with it. May hold text of the file, made printable.
    pub wrong: String,
}

/// The lines of one file that cannot be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BadLines {
    /// The first hundred.
    pub named: Vec<BadLine>,
    /// All of them, named or not.
    pub count: usize,
}

impl BadLines {
    /// One more.
    pub(super) fn add(&mut self, line: u64, wrong: impl AsRef<str>) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(BadLine { line, wrong: shown(wrong.as_ref()) });
        }
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Text of a file as it may stand in a message.
pub(super) fn shown(text: &str) -> String {
    let safe = crate::model::printable(text);
    let mut short: String = safe.chars().take(LONGEST).collect();
    if short.len() < safe.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_names_a_hundred_lines_and_counts_the_rest() {
        let mut bad = BadLines::default();
        for line in 1..=250 {
            bad.add(line, "\u{1b}[2J");
        }
        assert_eq!((bad.named.len(), bad.count), (100, 250));
        assert_eq!(bad.named[99], BadLine { line: 100, wrong: "\u{fffd}[2J".into() });
    }
}
