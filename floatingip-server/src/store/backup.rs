//! Backups: every row of every table, of one moment, as a stream of frames with a checksum at its end.
//!
//! A copy of the database file would be larger, would have to be made without a server, and would be
//! bound to redb's layout. A backup is rows in a form of our own (in the module `column`), so it outlives both.

mod column;
mod copy;
mod fill;
mod frame;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::ReadableDatabase;
use redb::backends::InMemoryBackend;
use thiserror::Error;

pub(super) use self::column::Column;
pub use self::frame::ReadError;

use self::frame::{Frame, Frames};
use super::database::{self, DatabaseFile};
use super::error::OpenError;
use super::tables;
use crate::draft::Draft;

/// The socket in a server's folder where it gives backups.
pub const SOCKET: &str = "floatingip.backup";

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many tables.
    pub tables: u64,
    /// How many rows they have together.
    pub rows: u64,
}

/// Why a backup was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read to its end.
    #[error("the store cannot be read: check the disk")]
    Store(#[source] redb::Error),
    /// The backup cannot be written to its end.
    #[error("the backup cannot be written: check the free space where it goes")]
    Write(#[source] io::Error),
    /// A row that no reader of backups would take.
    #[error(
        "a row of the table `{table}` has {bytes} bytes, a backup takes up to {most}: report this"
    )]
    TooLong {
        /// Its table.
        table: String,
        /// How long its key or value is.
        bytes: usize,
        /// The longest that is taken.
        most: usize,
    },
}

/// Why nothing was restored. Nothing is left of the attempt then but the folder and its lock file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The folder cannot be used, or another process uses it.
    #[error(transparent)]
    Folder(#[from] OpenError),
    /// There is a store already.
    #[error(
        "there is a store at {path}: nothing is ever restored over one; move it away, or choose another folder with --data-dir"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The backup is not what was written, or not for this version.
    #[error(transparent)]
    Backup(#[from] ReadError),
    /// Every frame is right, and what they hold is no store.
    #[error(
        "the backup holds no store that this server can read: take another one, and report this"
    )]
    Meaningless(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The new file cannot be written.
    #[error("{path} cannot be written: check the disk and the free space on it")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The way to backups of a store that is open. Clones are the same.
#[derive(Clone, Debug)]
pub struct Copier {
    file: Arc<DatabaseFile>,
}

impl Copier {
    pub(super) const fn new(file: Arc<DatabaseFile>) -> Self {
        Self { file }
    }

    /// Writes a backup of what is committed now; writes and reads of the store go on meanwhile. Blocks
    /// by disk and writer. Memory is bounded by the longest row; the file grows by what is changed
    /// meanwhile.
    ///
    /// # Errors
    /// See [`CopyError`]; also where the store is closed, or lost by a fault of the disk, meanwhile.
    pub fn copy(&self, out: impl Write) -> Result<Summary, CopyError> {
        let transaction = self.file.with(redb::Database::begin_read)?;
        let transaction = transaction.map_err(|error| CopyError::Store(error.into()))?;
        copy::copy(&transaction, out)
    }

    /// As [`Copier::copy`], to a reader who is told why where the store is at fault.
    ///
    /// # Errors
    /// See [`Copier::copy`].
    pub fn give(&self, mut out: impl Write) -> Result<Summary, CopyError> {
        let done = self.copy(&mut out);
        let told = match &done {
            Err(CopyError::Open(_)) => refuse(out, UNREADABLE),
            Err(CopyError::Store(_) | CopyError::TooLong { .. }) => frame::give_up(out, UNREADABLE),
            Ok(_) | Err(CopyError::Write(_)) => Ok(()),
        };
        // Else the end of the bytes tells.
        drop(told);
        done
    }
}

/// What a reader is told of a fault of the store.
const UNREADABLE: &str = "its store cannot be read, see its log, or it ends";

/// Tells a reader that there is no backup for it.
///
/// # Errors
/// It is gone.
pub fn refuse(mut out: impl Write, why: &str) -> io::Result<()> {
    frame::Sink::begin(&mut out)?;
    frame::give_up(out, why)
}

/// Copies a backup, and checks it on the way as [`check`] does.
///
/// # Errors
/// What is wrong with it, or that it cannot be written.
pub fn pass_on(backup: impl Read, out: impl Write) -> Result<Summary, PassError> {
    let mut passage = Passage {
        backup,
        out,
        fault: None,
    };
    let checked = check(&mut passage);
    if let Some(fault) = passage.fault {
        return Err(PassError::Write(fault));
    }
    let summary = checked?;
    passage.out.flush().map_err(PassError::Write)?;
    Ok(summary)
}

/// Why a backup was not passed on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PassError {
    /// It is not whole, or cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error("the backup cannot be written: check the free space where it goes")]
    Write(#[source] io::Error),
}

/// Writes what is read from it.
struct Passage<R, W> {
    backup: R,
    out: W,
    /// Why it could not be written.
    fault: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Passage<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.backup.read(buffer)?;
        let piece = buffer.get(..read).unwrap_or_default();
        if let Err(fault) = self.out.write_all(piece) {
            self.fault = Some(fault);
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(read)
    }
}

/// Writes a backup of the store in a folder that no server uses. Memory is bounded by the longest row.
///
/// # Errors
/// [`OpenError::Locked`] where a server uses the folder, [`OpenError::Missing`] where there is no
/// store; else see [`CopyError`]. What was written then is no backup.
pub fn back_up(dir: &Path, out: impl Write) -> Result<Summary, CopyError> {
    let file = Arc::new(DatabaseFile::there_in_folder(dir)?);
    let done = Copier::new(Arc::clone(&file)).copy(out);
    file.close();
    done
}

/// Reads a backup to its end and checks all that can be told from its bytes: every frame, the counts,
/// and the checksum. Memory is bounded by the longest row.
///
/// # Errors
/// What is wrong with it.
pub fn check(backup: impl Read) -> Result<Summary, ReadError> {
    let mut frames = Frames::begin(backup)?;
    loop {
        if let Frame::End(summary) = frames.next()? {
            return Ok(summary);
        }
    }
}

/// Makes a store from a backup, in a folder that has none and that is made if need be. The file gets
/// its name once everything was checked, opened and flushed.
///
/// # Errors
/// See [`RestoreError`]: there is no store then.
pub fn restore(dir: &Path, backup: impl Read) -> Result<Summary, RestoreError> {
    let lock = database::lock_folder(dir)?;
    let path = dir.join(database::FILE);
    let disk = |source: io::Error| RestoreError::Disk {
        path: path.clone(),
        source: Box::new(source),
    };
    if path.try_exists().map_err(disk)? {
        return Err(RestoreError::Exists { path });
    }
    // Looked at before anything is made: most mistakes are files that are no backups.
    let mut frames = Frames::begin(backup)?;
    let new = database::clear_draft(dir).map_err(disk)?;
    let draft = Draft::at(new.clone());
    let summary = fill::fill(&new, &mut frames)?;
    reopen(&new)?;
    draft.publish(&path).map_err(disk)?;
    database::flush_folders(dir).map_err(disk)?;
    drop(lock);
    Ok(summary)
}

/// Does what [`restore`] does, in memory and for nobody: for fuzzing.
///
/// # Errors
/// See [`RestoreError`].
pub fn rehearse(backup: impl Read) -> Result<Summary, RestoreError> {
    let memory = Path::new("memory");
    let mut frames = Frames::begin(backup)?;
    let database = database::builder().create_with_backend(InMemoryBackend::new());
    let database = database.map_err(|error| OpenError::from_redb(memory, error))?;
    let summary = fill::rows(&database, &mut frames).map_err(|fault| fault.at(memory))?;
    prove(&database, memory)?;
    Ok(summary)
}

/// The checksum that ends a backup, of all bytes before it: for fuzzing.
pub fn checksum(body: &[u8]) -> u32 {
    crc32fast::hash(body)
}

/// Opens what was restored, which verifies every page, and proves it.
fn reopen(new: &Path) -> Result<(), RestoreError> {
    let failed = |error| meaningless(OpenError::from_redb(new, error));
    let database = database::builder().open(new);
    let database = database.map_err(|error| failed(redb::Error::from(error)))?;
    prove(&database, new)?;
    database.close().map_err(|error| failed(error.into()))
}

/// Loads every record, as a server would.
fn prove(database: &redb::Database, path: &Path) -> Result<(), RestoreError> {
    tables::check(database, path).map_err(meaningless)?;
    tables::snapshot(database).map_err(meaningless)?;
    tables::apps(database).map_err(meaningless)?;
    Ok(())
}

fn meaningless(error: impl std::error::Error + Send + Sync + 'static) -> RestoreError {
    RestoreError::Meaningless(Box::new(error))
}

#[cfg(test)]
mod tests;
