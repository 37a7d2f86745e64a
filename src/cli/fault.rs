//! How a command ends when it does not end well, and the exit codes (DESIGN 7).

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::model::Status;
use crate::model::printable;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Well; for `check`: everything is accessible.
    Good,
    /// It could not do what was asked.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// `check`: something is blocked.
    Blocked,
    /// `check`: something is down, or denied by its own server.
    DownOrDenied,
    /// `check`: the vantage is offline, or the evidence bears no opinion.
    OfflineOrInconclusive,
}

impl Exit {
    /// The end of a `check` that came to these opinions: the worst one wins, blocked before down before offline.
    pub(super) fn of_statuses(statuses: impl IntoIterator<Item = Status>) -> Self {
        let rank = |exit: &Self| match exit {
            Self::Blocked => 3,
            Self::DownOrDenied => 2,
            Self::OfflineOrInconclusive => 1,
            Self::Good | Self::Failed | Self::Usage => 0,
        };
        let of = |status| match status {
            Status::Accessible => Self::Good,
            Status::Blocked => Self::Blocked,
            Status::Down | Status::Denied => Self::DownOrDenied,
            Status::Offline | Status::Inconclusive => Self::OfflineOrInconclusive,
        };
        statuses.into_iter().map(of).max_by_key(rank).unwrap_or(Self::Good)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Blocked => 3,
            Exit::DownOrDenied => 4,
            Exit::OfflineOrInconclusive => 5,
        })
    }
}

/// Why a command could not do what was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The command line asks for something that cannot be: what, and what to do instead.
    Usage(String),
    /// The configuration is wrong. The text is whole and already laid out.
    Config(String),
    /// Something failed: what was being done, and why it failed.
    Failed(String, Option<Box<dyn Error + Send + Sync>>),
    /// Writing the output failed.
    Output(io::Error),
}

impl Fault {
    /// A failure while doing `what`.
    pub(super) fn failed(what: impl Into<String>, why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(what.into(), Some(why.into()))
    }

    /// The exit that it means. A reader that went away (`| head`) is no failure.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Config(_) => Exit::Usage,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Good,
            Self::Failed(..) | Self::Output(_) => Exit::Failed,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for Fault {
    /// The error and its causes, a line each, as they are printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, mut cause): (&str, Option<&(dyn Error + 'static)>) = match self {
            Self::Usage(text) => (text, None),
            Self::Config(text) => return f.write_str(text.trim_end()),
            Self::Failed(what, why) => (what, why.as_deref().map(|why| why as &(dyn Error + 'static))),
            Self::Output(error) => ("the output cannot be written", Some(error)),
        };
        write!(f, "error: {}", safe_lines(what))?;
        let mut last = what.to_owned();
        // A chain is short; the bound only guards against one that loops.
        for _ in 0..16 {
            let Some(error) = cause else { break };
            let text = error.to_string();
            // Many errors repeat their source in their own text: said once is enough.
            if !last.ends_with(&text) {
                write!(f, "\n  because: {}", safe_lines(&text))?;
            }
            last = text;
            cause = error.source();
        }
        Ok(())
    }
}

/// `text` made safe line by line, further lines indented below the first.
fn safe_lines(text: &str) -> String {
    text.trim_end().lines().map(printable).collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("`blockspan.db` cannot be opened")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_chain_is_printed_cause_by_cause() {
        let inner = io::Error::new(io::ErrorKind::PermissionDenied, "no \u{1b}[2Jaccess");
        let fault = Fault::failed("the record cannot be read", Outer(inner));
        assert_eq!(
            fault.to_string(),
            "error: the record cannot be read\n  because: `blockspan.db` cannot be opened\n  because: no \u{fffd}[2Jaccess"
        );
        assert_eq!(fault.exit(), Exit::Failed);
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        assert_eq!(Fault::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit(), Exit::Good);
        assert_eq!(Fault::from(io::Error::from(io::ErrorKind::StorageFull)).exit(), Exit::Failed);
        assert_eq!(Fault::Usage(String::new()).exit(), Exit::Usage);
    }

    #[test]
    fn the_worst_opinion_decides() {
        use Status::*;
        assert_eq!(Exit::of_statuses([]), Exit::Good);
        assert_eq!(Exit::of_statuses([Accessible, Accessible]), Exit::Good);
        assert_eq!(Exit::of_statuses([Offline, Accessible, Inconclusive]), Exit::OfflineOrInconclusive);
        assert_eq!(Exit::of_statuses([Offline, Denied]), Exit::DownOrDenied);
        assert_eq!(Exit::of_statuses([Down, Blocked, Offline]), Exit::Blocked);
    }
}
