//! `floatingip-cni install` and `uninstall`: puts the plugins on a node, and takes them away again.
//!
//! A runtime takes a conflist the moment that it is there. So it comes last and goes first, and whatever is put under a
//! name is written beside it and then renamed: whoever looks finds the former file or the new one, whole. What is to
//! be done is a list of [`Step`]s, decided from what is there; a run that was killed is gone on with by the next.

mod arguments;
mod conflist;
mod content;
mod keep;
mod kubeconfig;
mod plan;
mod step;
#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

pub use arguments::{Command, Node, Source, USAGE, UsageError, User};
pub use conflist::{Conflist, ConflistError};
pub use content::Content;
pub use keep::{Ending, keep};
pub use kubeconfig::Account;
pub use plan::{install, uninstall};
pub use step::{Step, carry_out};

use content::Sort;

/// The program's own name; the plugins' names are links to it.
pub const PROGRAM: &str = "floatingip-cni";

/// Why the plugins are not, or not wholly, where they should be.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The kernel refuses.
    #[error(
        "{path} cannot be used: {error}; mount the node's folders so that they can be written, or name others with \
         --bin-dir and --conf-dir"
    )]
    File {
        /// Where.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// What was to be installed cannot be read.
    #[error("{path}, which is to be installed, cannot be read: {error}")]
    Source {
        /// Which file.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// A folder that cannot be made.
    #[error(
        "nothing was changed: the folder {path} cannot be made or written, because of {above}: {error}; mount the node's \
         folders so that they can be written, or name others with --bin-dir and --conf-dir"
    )]
    NoFolder {
        /// The folder.
        path: PathBuf,
        /// What is there of it.
        above: PathBuf,
        /// Why that will not do.
        error: io::Error,
    },
    /// The service account cannot be read.
    #[error(
        "{path} cannot be read, of the service account whose kubeconfig is wanted: {error}; let the pod mount it \
         (automountServiceAccountToken), or name its folder with --service-account"
    )]
    Account {
        /// Which file.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// The API server is not known.
    #[error(
        "nothing was changed: --service-account is for a pod, and KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which \
         a kubelet sets there, do not say where the API server is"
    )]
    NoServer,
    /// There is nothing that could be kept.
    #[error(
        "nothing was changed: --keep is for a pod with a service account, whose token a kubelet renews; without one there is \
         nothing to stay for"
    )]
    NothingToKeep,
    /// A conflist that the plugin would refuse.
    #[error("nothing was changed: {path} {error}")]
    Conflist {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: ConflistError,
    },
    /// A folder where a file has to be.
    #[error("nothing was changed: {0} is a folder; move it away")]
    Folder(PathBuf),
    /// Another process does the same.
    #[error("another install or uninstall is at work in {0}: run this again once it has ended")]
    Busy(PathBuf),
}

/// Does what was asked for, and tells what was done, a line for each thing.
///
/// # Errors
/// A file cannot be read or written, or a conflist is wrong.
pub fn run(command: &Command) -> Result<Vec<String>, InstallError> {
    match command {
        Command::Help => Ok(vec![USAGE.to_owned()]),
        Command::Install { node, source, user } => put(node, source, user),
        Command::Uninstall { node } => {
            let _lock = lock(&node.bin)?;
            done(&uninstall(node)?)
        }
    }
}

fn put(node: &Node, source: &Source, user: &User) -> Result<Vec<String>, InstallError> {
    let conflist = source.conflist()?;
    let account = user.account()?;
    let kubeconfig = account.map(|account| account.kubeconfig()).transpose()?;
    let program = own_program()?;
    let folders = [&node.bin, &node.conf];
    folders.iter().try_for_each(|folder| can_be_made(folder))?;
    for folder in folders {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    let _lock = lock(&node.bin)?;
    done(&install(node, program, kubeconfig, conflist)?)
}

/// Before the first of several is made: what is there of it is a folder, in which this user may write.
fn can_be_made(folder: &Path) -> Result<(), InstallError> {
    let above = folder.ancestors().find(|it| it.symlink_metadata().is_ok());
    let above = above.unwrap_or_else(|| Path::new("."));
    let refused = |error| InstallError::NoFolder {
        path: folder.to_owned(),
        above: above.to_owned(),
        error,
    };
    if !fs::metadata(above).map_err(refused)?.is_dir() {
        return Err(refused(io::ErrorKind::NotADirectory.into()));
    }
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    access(above, wanted).map_err(|error| refused(error.into()))
}

fn done(steps: &[Step]) -> Result<Vec<String>, InstallError> {
    carry_out(steps)?;
    let told: Vec<_> = steps.iter().filter_map(Step::told).collect();
    match told.as_slice() {
        [] => Ok(vec!["nothing to do: all is as it should be".to_owned()]),
        _ => Ok(told),
    }
}

fn own_program() -> Result<Vec<u8>, InstallError> {
    let path = std::env::current_exe().map_err(|error| InstallError::Source {
        path: PROGRAM.into(),
        error,
    })?;
    content::read(&path, Sort::Program).map_err(|error| InstallError::Source { path, error })
}

/// One at a time: the folder itself is locked, so nothing is left in it. The kernel takes the lock back when the
/// process ends. Nothing to lock is nothing to disturb.
fn lock(folder: &Path) -> Result<Option<File>, InstallError> {
    let opened = match File::open(folder) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(folder)(error)),
    };
    match opened.try_lock() {
        Ok(()) => Ok(Some(opened)),
        Err(TryLockError::WouldBlock) => Err(InstallError::Busy(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(folder)(error)),
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> InstallError {
    move |error| InstallError::File {
        path: path.to_owned(),
        error,
    }
}
