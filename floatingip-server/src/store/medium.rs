//! What the database lies on: opened the first time and after each error, and read as the disk has it.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use redb::{Database, DatabaseError};
use rustix::fs::{Advice, fadvise};

use super::database::builder;

/// Where a database is, and how it is opened.
pub(super) trait Medium: Send + Sync {
    /// Has the system forget what it shows of the database and the disk may not have. Linux reports a
    /// failed flush once: from then on it takes what it could not write for written, goes on to show it, and
    /// writes it with no later flush.
    ///
    /// # Errors
    /// It shows it still.
    fn evict(&self) -> io::Result<()>;

    /// Opens the database, which nobody has open.
    ///
    /// # Errors
    /// Why it is not open.
    fn open(&self) -> Result<Database, DatabaseError>;
}

/// A medium of which nothing is remembered but what is there.
impl<F> Medium for F
where
    F: Fn() -> Result<Database, DatabaseError> + Send + Sync,
{
    fn evict(&self) -> io::Result<()> {
        Ok(())
    }

    fn open(&self) -> Result<Database, DatabaseError> {
        self()
    }
}

/// A file, which is there.
pub(super) struct OnFile(pub(super) PathBuf);

impl Medium for OnFile {
    /// Pages that are still to be written stay: the next flush writes them, or fails.
    fn evict(&self) -> io::Result<()> {
        let file = File::open(&self.0)?;
        Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
    }

    fn open(&self) -> Result<Database, DatabaseError> {
        builder().open(&self.0)
    }
}
