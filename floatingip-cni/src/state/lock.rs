//! The node's lock: one change of the host's links at a time, whatever process makes it.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};

use super::folder::sum;
use crate::spec::ContainerId;

/// The lock while it is held. The kernel takes it back when the process ends, however that comes.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why the lock is not held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another call of the plugin has held {path} for more than {} s; see whether one hangs (fuser {path})", limit.as_secs())]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        limit: Duration,
    },
    /// The file cannot be used.
    #[error("the lock {path} cannot be used: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
}

impl Lock {
    /// How long others are waited for: a `DEL` and the runtime's own limit have to fit behind it.
    pub const PATIENCE: Duration = Duration::from_secs(10);
    /// The kernel has no lock with a time limit, so it is asked again.
    const PAUSE: Duration = Duration::from_millis(5);
    /// How many locks all containers have together.
    const SHARED: u64 = 256;

    /// Waits for the lock of a folder, for at most `limit`.
    ///
    /// # Errors
    /// Another process has it all that time, or the file cannot be used.
    pub fn take(folder: &Path, limit: Duration) -> Result<Self, LockError> {
        Self::at(folder.join("lock"), limit)
    }

    /// The same for one container alone. Containers share a few hundred locks, so that their files need not be
    /// removed: two of them wait for each other once in a while.
    ///
    /// Programs that this process starts meanwhile hold it as well: where this one is killed, whoever comes next waits
    /// for what they are still doing. It ends for all of them when this value is dropped, so that what they leave behind
    /// on purpose keeps nobody waiting.
    ///
    /// # Errors
    /// Another process has it all that time, or the file cannot be used.
    pub fn of(folder: &Path, container: &ContainerId, limit: Duration) -> Result<Self, LockError> {
        let number = sum(container.as_str()) % Self::SHARED;
        let path = folder.join(format!("lock-{number:02x}"));
        let lock = Self::at(path.clone(), limit)?;
        let inherited = fcntl_setfd(&lock.file, FdFlags::empty());
        inherited.map_err(|error| LockError::File {
            path,
            error: error.into(),
        })?;
        Ok(lock)
    }

    fn at(path: PathBuf, limit: Duration) -> Result<Self, LockError> {
        let file = |error| LockError::File {
            path: path.clone(),
            error,
        };
        let opened = open(&path).map_err(file)?;
        let since = Instant::now();
        loop {
            match opened.try_lock() {
                Ok(()) => return Ok(Self { file: opened }),
                Err(TryLockError::Error(error)) => return Err(file(error)),
                Err(TryLockError::WouldBlock) if since.elapsed() >= limit => {
                    return Err(LockError::Busy { path, limit });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Self::PAUSE),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Where it fails, the file's end is the lock's.
        let _ = self.file.unlock();
    }
}

/// For this user alone: whoever can open it can hold the lock, and stop the plugin.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nobody_else_can_hold_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        drop(Lock::take(folder.path(), Duration::ZERO).unwrap());
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        drop(Lock::take(folder.path(), Duration::ZERO).unwrap());
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn the_lock_is_one_and_is_waited_for_no_longer_than_said() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path(), Lock::PATIENCE).unwrap();
        let second = Lock::take(folder.path(), Duration::ZERO);
        assert!(matches!(second, Err(LockError::Busy { .. })));
        drop(held);
        assert!(Lock::take(folder.path(), Duration::ZERO).is_ok());
    }

    #[test]
    fn a_container_waits_for_itself_and_for_no_more_than_a_few_others() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| {
            let container = name.parse().unwrap();
            Lock::of(folder.path(), &container, Duration::ZERO)
        };
        let held = of("c0").unwrap();
        assert!(matches!(of("c0"), Err(LockError::Busy { .. })));
        assert!(Lock::take(folder.path(), Duration::ZERO).is_ok());
        let busy = (1..=256).filter(|number| of(&format!("c{number}")).is_err());
        assert!(busy.count() < 16);
        drop(held);
        assert!(of("c0").is_ok());
        assert!(fs::read_dir(folder.path()).unwrap().count() <= 257);
    }
}
