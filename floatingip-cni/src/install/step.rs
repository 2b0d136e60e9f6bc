//! The steps of installing and of taking away. After each of them a runtime finds plugins that work, or none.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::{InstallError, failed};

/// One change of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove what a run that was killed had written beside a name.
    Sweep(PathBuf),
    /// Write what is to have a name beside it.
    Stage {
        /// The name.
        path: PathBuf,
        /// What it is to have.
        content: Content,
    },
    /// Give another's file a second name, in the place of one that was kept before: the other has replaced that itself.
    Keep(PathBuf),
    /// Give what was written beside a name that name, in the place of what has it.
    Place(PathBuf),
    /// Remove a file.
    Remove(PathBuf),
    /// Give another's file its name again.
    PutBack(PathBuf),
    /// Remove the second name of another's file that has its own.
    Forget(PathBuf),
    /// Another's file: nothing is done.
    Leave(PathBuf),
}

/// All of them, in order. When one fails, what was written beside names is removed again.
///
/// # Errors
/// The kernel refuses one; those before it are done.
pub fn carry_out(steps: &[Step]) -> Result<(), InstallError> {
    let done = steps.iter().try_for_each(Step::carry_out);
    if done.is_err() {
        for step in steps {
            step.withdraw();
        }
    }
    done
}

impl Step {
    /// Does it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn carry_out(&self) -> Result<(), InstallError> {
        let (path, done) = match self {
            Self::Sweep(path) => (path, absent(&staged(path))),
            Self::Stage { path, content } => (path, content.write(&staged(path))),
            Self::Keep(path) => (path, keep(path)),
            Self::Place(path) => (path, rename(&staged(path), path)),
            Self::Remove(path) => (path, absent(path).and_then(|()| flush(path))),
            Self::PutBack(path) => (path, rename(&kept(path), path)),
            Self::Forget(path) => (path, absent(&kept(path))),
            Self::Leave(path) => (path, Ok(())),
        };
        done.map_err(failed(path))
    }

    /// What it did, for people; nothing for what they need not know.
    pub fn told(&self) -> Option<String> {
        match self {
            Self::Sweep(_) | Self::Stage { .. } | Self::Forget(_) => None,
            Self::Keep(path) => {
                let (path, kept) = (path.display(), kept(path));
                let kept = kept.display();
                Some(format!("{path} is not of floatingip: kept as {kept}"))
            }
            Self::Place(path) => Some(format!("installed {}", path.display())),
            Self::Remove(path) => Some(format!("removed {}", path.display())),
            Self::PutBack(path) => Some(format!("put back {} as it was before", path.display())),
            Self::Leave(path) => Some(format!("left {}: not of floatingip", path.display())),
        }
    }

    fn withdraw(&self) {
        if let Self::Stage { path, .. } = self {
            // The failure that led here is told; the next run removes what is left.
            let _ = absent(&staged(path));
        }
    }
}

/// Where another's file is kept. Runtimes read no conflists of such a name.
pub(super) fn kept(path: &Path) -> PathBuf {
    beside(path, "", ".before-floatingip")
}

/// Where a file is written before it gets its name. Runtimes read no conflists of such a name.
pub(super) fn staged(path: &Path) -> PathBuf {
    beside(path, ".", ".new")
}

fn beside(path: &Path, before: &str, after: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let mut full = OsString::from(before);
    full.push(name);
    full.push(after);
    path.with_file_name(full)
}

/// By a second name: the other's plugin can be called until ours takes its place.
fn keep(path: &Path) -> io::Result<()> {
    absent(&kept(path))?;
    fs::hard_link(path, kept(path))?;
    flush(path)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    flush(to)
}

fn absent(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes the folder of a file to the disk.
fn flush(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
