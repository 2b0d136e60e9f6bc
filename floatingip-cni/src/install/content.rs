//! What is put under a name, and whose it is that is there already.

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use super::conflist::Conflist;
use super::kubeconfig;
use super::{InstallError, PROGRAM, failed};

/// Every build of this program has it, and no other program.
pub(super) const MARK: &[u8] =
    b"floatingip-cni, the program that installs itself: 6f1c2ad0b3f94e77";
/// More than this program will ever be, built for debugging too: a longer file is another's.
const LONGEST_PROGRAM: u64 = 512 * 1024 * 1024;
/// More than any conflist or kubeconfig has.
const LONGEST_CONFLIST: u64 = 1024 * 1024;
const PROGRAM_MODE: u32 = 0o755;
const CONFLIST_MODE: u32 = 0o644;
/// For root alone: who reads it may do what the service account may.
const KUBECONFIG_MODE: u32 = 0o600;

/// What is put under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The program.
    Program(Vec<u8>),
    /// A plugin's name: a link to the program beside it.
    Link,
    /// The conflist.
    Conflist(Vec<u8>),
    /// The kubeconfig, which has a secret.
    Kubeconfig(Vec<u8>),
}

/// What sort of file is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Program,
    Conflist,
    Kubeconfig,
}

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Ours,
    Foreign,
}

impl Content {
    pub(super) fn sort(&self) -> Sort {
        match self {
            Self::Program(_) | Self::Link => Sort::Program,
            Self::Conflist(_) => Sort::Conflist,
            Self::Kubeconfig(_) => Sort::Kubeconfig,
        }
    }

    /// Is it there already, exactly?
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        match self {
            Self::Program(bytes) => same(path, bytes, PROGRAM_MODE),
            Self::Conflist(bytes) => same(path, bytes, CONFLIST_MODE),
            Self::Kubeconfig(bytes) => same(path, bytes, KUBECONFIG_MODE),
            Self::Link => match fs::read_link(path) {
                Ok(target) => Ok(target == Path::new(PROGRAM)),
                // Absent, or no link.
                Err(_) => Ok(false),
            },
        }
    }

    /// Writes it to a file that is not there yet, and to the disk.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Program(bytes) => write(path, bytes, PROGRAM_MODE),
            Self::Conflist(bytes) => write(path, bytes, CONFLIST_MODE),
            Self::Kubeconfig(bytes) => write(path, bytes, KUBECONFIG_MODE),
            Self::Link => symlink(PROGRAM, path),
        }
    }
}

impl Found {
    /// Whose the file at a path is.
    pub(super) fn at(path: &Path, sort: Sort) -> Result<Self, InstallError> {
        let kind = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(failed(path)(error)),
        };
        if kind.is_dir() {
            return Err(InstallError::Folder(path.to_owned()));
        }
        let ours = if kind.is_symlink() {
            sort == Sort::Program && leads_to_us(path)
        } else {
            kind.is_file() && is_ours(path, sort).map_err(failed(path))?
        };
        Ok(if ours { Self::Ours } else { Self::Foreign })
    }
}

fn leads_to_us(link: &Path) -> bool {
    fs::read_link(link).is_ok_and(|target| target.file_name().is_some_and(|name| name == PROGRAM))
}

fn is_ours(path: &Path, sort: Sort) -> io::Result<bool> {
    let bytes = match read(path, sort) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(false),
        read => read?,
    };
    Ok(match sort {
        // Kept from the optimiser, which could make instructions of the mark.
        Sort::Program => contains(&bytes, black_box(MARK)),
        Sort::Conflist => Conflist::is_ours(&bytes),
        Sort::Kubeconfig => kubeconfig::is_ours(&bytes),
    })
}

/// A file that is not longer than one of its sort can be.
pub(super) fn read(path: &Path, sort: Sort) -> io::Result<Vec<u8>> {
    let longest = match sort {
        Sort::Program => LONGEST_PROGRAM,
        Sort::Conflist | Sort::Kubeconfig => LONGEST_CONFLIST,
    };
    let mut bytes = Vec::new();
    let length = File::open(path)?
        .take(longest + 1)
        .read_to_end(&mut bytes)?;
    if u64::try_from(length).is_ok_and(|length| length <= longest) {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

fn same(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let alike = metadata.is_file()
        && metadata.len() == length
        && metadata.permissions().mode() & 0o7777 == mode;
    Ok(alike && fs::read(path)? == bytes)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    // Whatever the umask is.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}
