//! Whether the file that was opened is still the one that its name leads to.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::StoreError;

/// Which file it is, whatever it is called: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whereabouts(u64, u64);

impl Whereabouts {
    /// Of the file that is at `path` now.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let here = |metadata: Metadata| Self(metadata.dev(), metadata.ino());
        path.metadata().map(here).map_err(|_| StoreError::Gone { path: path.to_owned() })
    }

    /// Refuses when another file, or none, is at `path`.
    pub(super) fn check(self, path: &Path) -> Result<(), StoreError> {
        if Self::of(path)? == self { Ok(()) } else { Err(StoreError::Gone { path: path.to_owned() }) }
    }
}
