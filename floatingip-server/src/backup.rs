//! `backup` and `restore` on the command line.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use thiserror::Error;
use tracing::info;

use crate::args::{Backup, Restore};
use crate::draft::Draft;
use crate::store::OpenError;
use crate::store::backup::{self, CopyError, PassError, ReadError, RestoreError, SOCKET, Summary};

/// Reading and writing goes by pieces of so many bytes.
const PIECE: usize = 1 << 16;
/// How long a server may send nothing.
const STALL: Duration = Duration::from_secs(60);

/// Why there is no backup.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The name is taken.
    #[error("{file} is there already and is left as it is: choose another name with --to")]
    Exists {
        /// The name.
        file: PathBuf,
    },
    /// The file cannot be made or kept.
    #[error(
        "cannot write {file}: choose a folder that this user may write, with enough free space, with --to"
    )]
    File {
        /// The name.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// Whoever uses the folder gives no backups.
    #[error(
        "{dir} is in use, and nobody answers at the socket {SOCKET} in it: run this as the server's user; where the server's log says that it has no socket, stop the server meanwhile, or start it with a shorter --data-dir"
    )]
    Unanswered {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The connection to the server that uses the folder was of no more use.
    #[error("the server broke off, or sends nothing: see its log, then try again")]
    Silent(#[source] io::Error),
    /// The server that uses the folder did not give it to its end.
    #[error(transparent)]
    Pass(#[from] PassError),
}

impl BackupError {
    /// The exit code of the process: 2 where the same command never works, 1 where it may later.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Exists { .. } | Self::Copy(CopyError::Open(OpenError::Missing { .. })) => {
                ExitCode::from(2)
            }
            _ => ExitCode::FAILURE,
        }
    }
}

/// Writes a backup to a file that is not there yet, or to standard output.
///
/// # Errors
/// Why there is none; no file is left then.
pub fn run(settings: &Backup) -> Result<(), BackupError> {
    let summary = if settings.to == Path::new("-") {
        take(&settings.data_dir, io::stdout().lock())?
    } else {
        to_file(settings)?
    };
    told(summary, "the backup is written");
    Ok(())
}

fn to_file(settings: &Backup) -> Result<Summary, BackupError> {
    let file = &settings.to;
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists { file: file.clone() },
        _ => BackupError::File {
            file: file.clone(),
            source,
        },
    };
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { file: file.clone() });
    }
    let (draft, made) = draft_of(file).map_err(failed)?;
    let mut out = BufWriter::with_capacity(PIECE, made);
    let summary = take(&settings.data_dir, &mut out)?;
    out.flush().map_err(failed)?;
    out.get_ref().sync_all().map_err(failed)?;
    draft.publish(file).map_err(failed)?;
    Ok(summary)
}

/// Copies the store, or has the server that uses it do so.
fn take(dir: &Path, mut out: impl Write) -> Result<Summary, BackupError> {
    match backup::back_up(dir, &mut out) {
        Err(CopyError::Open(OpenError::Locked { .. })) => ask(dir, out),
        taken => Ok(taken?),
    }
}

fn ask(dir: &Path, out: impl Write) -> Result<Summary, BackupError> {
    let stream = UnixStream::connect(dir.join(SOCKET)).and_then(|stream| {
        stream.set_read_timeout(Some(STALL))?;
        Ok(stream)
    });
    let stream = stream.map_err(|source| BackupError::Unanswered {
        dir: dir.to_path_buf(),
        source,
    })?;
    let passed = backup::pass_on(BufReader::with_capacity(PIECE, stream), out);
    passed.map_err(|error| match error {
        PassError::Read(ReadError::Io(source)) => BackupError::Silent(source),
        error => error.into(),
    })
}

/// A file beside the one that is asked for, which nobody else may read: it tells who has which address.
fn draft_of(file: &Path) -> io::Result<(Draft, File)> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{:08x}.part", fastrand::u32(..)));
    let path = PathBuf::from(name);
    let mut options = File::options();
    let made = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    Ok((Draft::at(path), made))
}

/// Makes a store from a backup.
///
/// # Errors
/// Why there is none.
pub fn restore(settings: &Restore) -> Result<(), RestoreError> {
    let summary = if settings.from == Path::new("-") {
        backup::restore(&settings.data_dir, io::stdin().lock())?
    } else {
        let file = File::open(&settings.from).map_err(ReadError::Io)?;
        backup::restore(&settings.data_dir, BufReader::with_capacity(PIECE, file))?
    };
    told(summary, "the store is restored");
    Ok(())
}

/// The exit code of a restore that failed: 2 where the same command never works, 1 where it may later.
pub(crate) fn exit_code(error: &RestoreError) -> ExitCode {
    match error {
        RestoreError::Exists { .. } | RestoreError::Backup(_) | RestoreError::Meaningless(_) => {
            ExitCode::from(2)
        }
        _ => ExitCode::FAILURE,
    }
}

fn told(summary: Summary, what: &str) {
    info!(tables = summary.tables, rows = summary.rows, "{what}");
}
