//! The text of one file of the configuration, and where in it something stands.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The most that is read of one file: far above any real list, far below what could hurt.
pub(super) const SIZE_LIMIT: u64 = 4 * 1024 * 1024;

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Source {
    /// The path as it is shown.
    pub(super) path: PathBuf,
    /// All of its text.
    pub(super) text: String,
    /// Where each line begins, so that ten thousand faults are placed as quickly as one.
    line_starts: Vec<usize>,
}

/// A stretch of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The same in bytes of the file.
    pub span: Range<usize>,
}

impl Source {
    pub(super) fn new(path: PathBuf, text: String) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path, text, line_starts }
    }

    /// Line and column of a span. A span that leaves the text or splits a character is drawn in.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let start = self.boundary(span.start);
        let end = self.boundary(span.end).max(start);
        let line = self.line_starts.partition_point(|line_start| *line_start <= start);
        let line_start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(line_start..start).unwrap_or("").chars().count() + 1;
        Place { line, column, span: start..end }
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// All bytes of a file, at most [`SIZE_LIMIT`].
pub(super) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {} MiB", SIZE_LIMIT / (1024 * 1024)),
        ));
    }
    Ok(bytes)
}

/// An I/O error in plain words, without Rust's "(os error 2)".
pub(super) fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read by this process: look at its permissions; a running daemon may only read directories that it was started with".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_never_leave_the_text() {
        let source = Source::new(PathBuf::from("x"), "a\nüé = 1\n".to_owned());
        let place = source.place(&(4..6));
        assert_eq!((place.line, place.column), (2, 2));
        assert_eq!(source.place(&(3..4)).span, 2..4, "a split character is taken from its start");
        assert_eq!(source.place(&(900..1000)).line, 3);
        #[expect(clippy::reversed_empty_ranges)]
        let backwards = source.place(&(5..1));
        assert_eq!(backwards.span, 4..4);
    }
}
