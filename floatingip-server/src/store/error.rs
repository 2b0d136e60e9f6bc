//! Why a store cannot be opened or written, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the embedded store cannot be opened; each says what the operator has to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be made, read or written.
    #[error(
        "cannot use the data folder {dir}: make it writable for this user, or choose another with --data-dir"
    )]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A second server, or this one a second time.
    #[error(
        "the data folder {dir} is in use by another server: stop that one, or choose another folder with --data-dir"
    )]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// A later version of this software wrote it.
    #[error(
        "the store {path} has format {found}, this server reads formats up to {supported}: start the version that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that this server reads.
        supported: u64,
    },
    /// The file was altered from outside, cut off, or spoilt by the disk.
    #[error(
        "the store {path} is damaged: check the disk, keep a copy of the file, then put back a backup; without one, move it away to start empty, and reserve the addresses that are in use before any pod is started"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is nothing to read.
    #[error("there is no store at {path}: name the folder that the server uses with --data-dir")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file of the right name that something else wrote.
    #[error(
        "{path} is not a store of this server: move it away, or choose another folder with --data-dir"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The disk refuses to read or write.
    #[error(
        "the store {path} cannot be read or written: check the disk and the free space on it, then start again"
    )]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system gives no thread for the writer.
    #[error("the store's writer thread cannot be started: raise the limit of threads of this user")]
    Thread(#[source] io::Error),
    /// [`EmbeddedStore::close`](super::EmbeddedStore::close) was called.
    #[error("the store was closed: the server is on its way down")]
    Closed,
}

impl OpenError {
    pub(super) fn from_redb(path: &Path, error: impl Into<redb::Error>) -> Self {
        let path = path.to_path_buf();
        let dir = path.parent().unwrap_or(&path).to_path_buf();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
                Self::Locked { dir }
            }
            redb::Error::Io(source) if forbids(&source) => Self::Folder { dir, source },
            redb::Error::Io(error) if says_damage(&error) => Self::damaged(&path, error),
            error @ (redb::Error::Io(_)
            | redb::Error::Backend(_)
            | redb::Error::PreviousIo
            | redb::Error::DatabaseClosed
            | redb::Error::Unsupported) => Self::Disk {
                path,
                source: Box::new(error),
            },
            error => Self::damaged(&path, error),
        }
    }

    pub(super) fn damaged(
        path: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Damaged {
            path: path.to_path_buf(),
            source: source.into(),
        }
    }
}

/// The kinds that redb gives to a file that is no database (any more), or is shorter than it says.
fn says_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

fn forbids(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Why a document was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Certainly not written; the log has the cause.
    #[error("the document was not stored: check the disk and the free space on it")]
    Unavailable,
    /// Perhaps written; the log has the cause. Writing it again is harmless.
    #[error("the document was perhaps not stored: check the disk and the free space on it")]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redb_says_becomes_what_the_operator_has_to_do() {
        let path = Path::new("/data/floatingip.redb");
        let message = |error| OpenError::from_redb(path, error).to_string();
        let io = |kind: io::ErrorKind| redb::Error::Io(kind.into());
        for (error, remedy) in [
            (redb::Error::DatabaseAlreadyOpen, "/data is in use"),
            (io(io::ErrorKind::PermissionDenied), "make it writable"),
            (io(io::ErrorKind::StorageFull), "free space"),
            (redb::Error::PreviousIo, "check the disk"),
            (io(io::ErrorKind::InvalidData), "put back a backup"),
            (io(io::ErrorKind::UnexpectedEof), "put back a backup"),
            (redb::Error::Corrupted(String::new()), "put back a backup"),
        ] {
            let said = format!("{error:?}");
            let message = message(error);
            assert!(message.contains(remedy), "{said}: {message}");
        }
    }
}
