//! The commands (DESIGN 7).

use std::process::ExitCode;

/// Parses the command line, runs the command, and maps its end to an exit code.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
