//! Network namespaces.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

/// A network namespace that is held open.
#[derive(Debug)]
pub struct Netns {
    file: File,
    path: PathBuf,
    identity: Identity,
}

/// Which namespace it is, whatever the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// Why a namespace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// Nothing can be opened there.
    #[error("network namespace {path} cannot be opened: {error}")]
    Open {
        /// Where.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// It is no network namespace, or may not be entered.
    #[error("{path} cannot be entered as a network namespace: {error}")]
    Enter {
        /// Where.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// It is the one that this process is in.
    #[error("{0} is the host's own network namespace: a container needs one of its own")]
    Host(PathBuf),
}

impl Netns {
    /// Opens what is at `path`.
    ///
    /// # Errors
    /// It is not there, no network namespace, or the caller's own.
    pub fn open(path: &Path) -> Result<Self, NetnsError> {
        let path = path.to_owned();
        let open = |path: &Path| {
            let file = File::open(path)?;
            let meta = file.metadata()?;
            let identity = Identity {
                device: meta.dev(),
                inode: meta.ino(),
            };
            io::Result::Ok((file, identity))
        };
        let (file, identity) = match open(&path) {
            Ok(opened) => opened,
            Err(error) => return Err(NetnsError::Open { path, error }),
        };
        let host = Path::new("/proc/thread-self/ns/net");
        match open(host) {
            Ok((_, own)) if own == identity => return Err(NetnsError::Host(path)),
            Ok(_) => {}
            Err(error) => {
                let path = host.to_owned();
                return Err(NetnsError::Open { path, error });
            }
        }
        let netns = Self {
            file,
            path,
            identity,
        };
        netns.run(|| ())?;
        Ok(netns)
    }

    /// Runs `work` inside, on a thread of its own, so that the caller stays where it is whatever happens.
    ///
    /// # Errors
    /// It cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        let inside = || {
            move_into_link_name_space(self.fd(), Some(LinkNameSpaceType::Network))?;
            io::Result::Ok(work())
        };
        let entered = thread::scope(|scope| scope.spawn(inside).join());
        let entered = entered.unwrap_or_else(|_| Err(io::Error::other("its thread ended early")));
        entered.map_err(|error| NetnsError::Enter {
            path: self.path.clone(),
            error,
        })
    }

    /// Which one it is. A later one may have the same number, but not while this one lives.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// For messages that name it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Where it was found.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
