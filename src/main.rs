//! The `blockspan` command: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    blockspan::cli::main()
}
