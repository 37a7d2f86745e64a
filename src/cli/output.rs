//! Where data goes: standard output, or a file that appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::fault::Fault;

/// Bytes gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// The data of a command. Nothing is complete before `finish`.
pub(super) enum Output {
    /// Standard output.
    Stdout(BufWriter<io::Stdout>),
    /// A temporary file beside the wanted one.
    File(Pending),
}

/// A file on its way to its name; taken away again when it does not get there.
pub(super) struct Pending {
    writer: BufWriter<File>,
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl Output {
    /// Standard output, or the file at `path`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Fault> {
        match path {
            None => Ok(Self::Stdout(BufWriter::with_capacity(BUFFER, io::stdout()))),
            Some(path) => Pending::create(path)
                .map(Self::File)
                .map_err(|error| Fault::failed(format!("`{}` cannot be written", path.display()), error)),
        }
    }

    /// Writes what is left; a file gets its name.
    ///
    /// # Errors
    /// The output cannot be written; the file then does not appear, and one that was there stays as it was.
    pub(super) fn finish(self) -> Result<(), Fault> {
        match self {
            Self::Stdout(mut writer) => Ok(writer.flush()?),
            Self::File(pending) => {
                let path = pending.path.clone();
                pending
                    .settle()
                    .map_err(|error| Fault::failed(format!("`{}` cannot be written", path.display()), error))
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(writer) => writer.write(bytes),
            Self::File(pending) => pending.writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(writer) => writer.flush(),
            Self::File(pending) => pending.writer.flush(),
        }
    }
}

impl Pending {
    fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
        if path.is_dir() {
            return Err(io::Error::other("it is a directory"));
        }
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        let writer = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { writer, temporary: Some(temporary), path: path.to_owned() })
    }

    fn settle(mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing is left to tell it to: the command already ends with the error that brought us here.
            let _gone = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spans.csv");
        fs::write(&path, "old").unwrap();

        let mut abandoned = Output::open(Some(&path)).unwrap();
        abandoned.write_all(b"half").unwrap();
        drop(abandoned);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");

        let mut output = Output::open(Some(&path)).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for bad in [dir.path().to_owned(), dir.path().join("no/such/dir/f"), PathBuf::from("/")] {
            let fault = Output::open(Some(&bad)).err().unwrap();
            assert!(fault.to_string().contains("cannot be written"), "{fault}");
        }
    }
}
