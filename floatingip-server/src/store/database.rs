//! The open database file: one owner, opened again after an error of the disk.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError};
use tracing::{error, info};

use super::error::OpenError;
use super::medium::{Medium, OnFile};
use super::tables;
use crate::draft::flush_folder;

pub(super) const FILE: &str = "floatingip.redb";
const NEW_FILE: &str = "floatingip.redb.new";
const LOCK_FILE: &str = "floatingip.lock";

/// redb's default of 1 GiB is much for a server that keeps everything it decides by in memory.
const CACHE_BYTES: usize = 64 << 20;

/// The database, or the way to it. redb refuses all further writes after a failed one, until the
/// file is opened again, which repairs what the failure left.
pub(super) struct DatabaseFile {
    path: PathBuf,
    medium: Box<dyn Medium>,
    state: RwLock<State>,
    /// Held until this is closed, also between two openings of the database.
    lock: Mutex<Option<File>>,
}

enum State {
    Open(Database),
    /// An error was met: to be opened again by whoever comes next.
    Lost,
    Closed,
}

impl fmt::Debug for DatabaseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl DatabaseFile {
    /// Locks the folder, and opens the file in it; makes both if need be. The lock file stays behind,
    /// unlocked, when the server ends.
    pub(super) fn in_folder(dir: &Path) -> Result<Self, OpenError> {
        let lock = lock_folder(dir)?;
        let path = dir.join(FILE);
        if !is_there(dir, &path)? {
            create(dir, &path)?;
        }
        Self::locked(path, lock)
    }

    /// Locks the folder and opens the file in it; makes neither.
    pub(super) fn there_in_folder(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        if !is_there(dir, &path)? {
            return Err(OpenError::Missing { path });
        }
        let lock = lock(dir)?;
        Self::locked(path, lock)
    }

    fn locked(path: PathBuf, lock: File) -> Result<Self, OpenError> {
        let medium = OnFile(path.clone());
        Self::on_medium(path, Box::new(medium), Some(lock))
    }

    /// A database that nobody else sees and that is gone when it is closed.
    pub(super) fn in_memory() -> Result<Self, OpenError> {
        let open = || builder().create_with_backend(InMemoryBackend::new());
        Self::on_medium(PathBuf::from("memory"), Box::new(open), None)
    }

    /// Opens by other means than a file: what tests with a failing disk need.
    pub(super) fn on_medium(
        path: PathBuf,
        medium: Box<dyn Medium>,
        lock: Option<File>,
    ) -> Result<Self, OpenError> {
        let state = RwLock::new(State::Lost);
        let file = Self {
            path,
            medium,
            state,
            lock: Mutex::new(lock),
        };
        file.reopen()?;
        Ok(file)
    }

    /// Does `work` with the database, which is opened first where it was lost.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Database) -> T) -> Result<T, OpenError> {
        loop {
            match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
                State::Open(database) => return Ok(work(database)),
                State::Closed => return Err(OpenError::Closed),
                State::Lost => {}
            }
            self.reopen()?;
            info!(path = %self.path.display(), "the store is open again");
        }
    }

    /// Gives the database up after an error; the next [`DatabaseFile::with`] opens it again.
    pub(super) fn lose(&self) {
        self.leave(State::Lost);
    }

    /// Closes the database for good, and lets the folder go.
    pub(super) fn close(&self) {
        self.leave(State::Closed);
        drop(
            self.lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    fn leave(&self, next: State) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Closed) {
            return;
        }
        if let State::Open(database) = std::mem::replace(&mut *state, next)
            && let Err(error) = database.close()
        {
            // Nothing that was acknowledged depends on it: the next opening repairs the file.
            error!(path = %self.path.display(), %error, "the store was not closed cleanly");
        }
    }

    fn reopen(&self) -> Result<(), OpenError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Lost) {
            let database = self.open_as_on_disk()?;
            tables::prepare(&database, &self.path)?;
            *state = State::Open(database);
        }
        Ok(())
    }

    /// A server that was started again after an error of the disk is told no more by the system than one
    /// that goes on.
    fn open_as_on_disk(&self) -> Result<Database, OpenError> {
        let failed = |error| OpenError::from_redb(&self.path, error);
        let evicted = self.medium.evict();
        evicted.map_err(|error| failed(DatabaseError::Storage(error.into())))?;
        self.medium.open().map_err(failed)
    }
}

pub(super) fn builder() -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder
        .set_cache_size(CACHE_BYTES)
        // Else redb trusts a file that was closed cleanly, and may panic where it was altered since.
        .set_check_integrity_on_open(true);
    builder
}

/// Makes the folder if need be, and locks it until the answer is dropped.
pub(super) fn lock_folder(dir: &Path) -> Result<File, OpenError> {
    // Who owns which address is for the server's user alone; a folder that is there stays as it is.
    let private = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    private.map_err(folder_error(dir))?;
    lock(dir)
}

fn folder_error(dir: &Path) -> impl Fn(io::Error) -> OpenError + '_ {
    |source| OpenError::Folder {
        dir: dir.to_path_buf(),
        source,
    }
}

fn is_there(dir: &Path, path: &Path) -> Result<bool, OpenError> {
    path.try_exists().map_err(folder_error(dir))
}

/// The lock of the folder. redb locks its file too, but this one also covers the moments when the
/// file is being made or opened again.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let failed = folder_error(dir);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join(LOCK_FILE))
        .map_err(&failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_path_buf(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Makes the file under another name first: a server that is killed meanwhile leaves nothing that
/// looks like a damaged store.
fn create(dir: &Path, path: &Path) -> Result<(), OpenError> {
    let disk = |source: io::Error| OpenError::Disk {
        path: path.to_path_buf(),
        source: Box::new(source),
    };
    let draft = clear_draft(dir).map_err(disk)?;
    let database = builder()
        .create(&draft)
        .map_err(|error| OpenError::from_redb(path, error))?;
    tables::prepare(&database, &draft)?;
    database
        .close()
        .map_err(|error| OpenError::from_redb(path, error))?;
    fs::rename(&draft, path).map_err(disk)?;
    flush_folders(dir).map_err(disk)
}

/// The name of a file in the making, free of what one who was killed has left there.
pub(super) fn clear_draft(dir: &Path) -> io::Result<PathBuf> {
    let draft = dir.join(NEW_FILE);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(draft),
    }
}

/// The names of a new folder and of a new file survive a power loss only once they are flushed.
pub(super) fn flush_folders(dir: &Path) -> io::Result<()> {
    let parent = dir.canonicalize()?;
    for folder in [Some(parent.as_path()), parent.parent()]
        .into_iter()
        .flatten()
    {
        flush_folder(folder)?;
    }
    Ok(())
}
