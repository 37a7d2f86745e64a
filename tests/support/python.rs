//! The Python with the readers of our files and of the API, at fixed versions.

use std::path::PathBuf;

/// The interpreter that `BLOCKSPAN_PYTHON` names (`tests/run files` makes it); None, said aloud, where there is none.
pub fn interpreter(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("BLOCKSPAN_PYTHON").map(PathBuf::from);
    if named.is_none() {
        eprintln!("SKIPPED: {test} needs BLOCKSPAN_PYTHON (`tests/run files` makes that interpreter)");
    }
    named
}
