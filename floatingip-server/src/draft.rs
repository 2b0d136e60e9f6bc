//! A file that has a name of its own until it is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The name of a file in the making. What bears it is removed with this, unless it was published:
/// whoever gives up on the way leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Draft {
    path: Option<PathBuf>,
}

impl Draft {
    /// Takes care of a file that is about to be made.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path: Some(path) }
    }

    /// Gives the flushed file its lasting name, which must be free, and flushes the folder.
    pub(crate) fn publish(mut self, to: &Path) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        match fs::hard_link(path, to) {
            // This name is removed with the draft.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // Some file systems know no second names.
            Err(_) if !to.try_exists()? => {
                fs::rename(path, to)?;
                self.path = None;
            }
            Err(error) => return Err(error),
        }
        drop(self);
        flush_folder_of(to)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // It may not have been made yet.
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes the names in the folder of a file survive a power loss.
fn flush_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|parent| *parent != Path::new(""));
    flush_folder(folder.unwrap_or_else(|| Path::new(".")))
}

/// Makes the names in a folder survive a power loss.
pub(crate) fn flush_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(file) => file.sync_all(),
        // A parent that this user may not read existed before, and is not ours to flush.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}
