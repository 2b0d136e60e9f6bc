//! What a kill has left, looked at in a copy: whoever opens the file repairs it, and that is for the next
//! server to do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redb::{Builder, DatabaseError};
use tempfile::TempDir;

/// The database in a folder.
const FILE: &str = "floatingip.redb";

/// A copy of a data folder.
#[derive(Debug)]
pub(super) struct Left(TempDir);

impl Left {
    pub(super) fn by(folder: &Path) -> io::Result<Self> {
        let copy = tempfile::tempdir()?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // Sockets stay behind too.
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
            }
        }
        Ok(Self(copy))
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder().join(FILE)
    }

    /// Whether whoever opens it has to repair it.
    pub(super) fn is_torn(&self) -> Result<bool, redb::Error> {
        let mut builder = Builder::new();
        builder.set_repair_callback(|repair| repair.abort());
        match builder.open(self.file()) {
            Ok(_) => Ok(false),
            Err(DatabaseError::RepairAborted) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
