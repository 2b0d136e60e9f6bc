//! Backups of a server that runs: whoever connects to a socket in its folder is given one.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::store::backup::{self, Copier, CopyError, SOCKET, Summary};

/// How patient the server is with readers. While one reads, the file cannot use again what is freed.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Without any progress.
    stall: Duration,
    /// For a whole backup.
    whole: Duration,
}

const PATIENCE: Patience = Patience {
    stall: Duration::from_secs(30),
    whole: Duration::from_secs(60 * 60),
};

/// How long nobody is accepted after a fault of the socket.
const RESPITE: Duration = Duration::from_secs(1);
/// Writing goes by pieces of so many bytes.
const PIECE: usize = 1 << 16;

const BUSY: &str = "it gives one to somebody else just now; try again after that";

/// How many backups were asked for since the start, by what became of them. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    given: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    pub(super) fn given(&self) -> u64 {
        self.0.given.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    fn fails(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Gives backups, one at a time, until it is dropped.
#[derive(Debug)]
pub(super) struct Backups {
    door: Door,
    copier: Copier,
    tally: Tally,
    patience: Patience,
    place: Arc<Semaphore>,
}

impl Backups {
    /// Opens the socket in a folder that this process has locked: what is left of another one's goes.
    /// A server that cannot have the socket serves without.
    pub(super) fn open(dir: &Path, copier: Copier, tally: Tally) -> Option<Self> {
        Self::open_with(dir, copier, tally, PATIENCE)
            .inspect_err(|error| {
                let socket = dir.join(SOCKET);
                warn!(
                    "no backups while this server runs, as there is no socket {}: free the name, or choose a shorter --data-dir (the name of a socket has up to 107 bytes): {error}",
                    socket.display()
                );
            })
            .ok()
    }

    fn open_with(dir: &Path, copier: Copier, tally: Tally, patience: Patience) -> io::Result<Self> {
        Ok(Self {
            door: Door::open(dir.join(SOCKET))?,
            copier,
            tally,
            patience,
            place: Arc::new(Semaphore::new(1)),
        })
    }

    /// Has no end.
    pub(super) async fn serve(self) {
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = under_way.join_next() => {}
                stream = self.door.enter() => match stream {
                    Ok(stream) => self.receive(stream, &mut under_way),
                    Err(error) => {
                        error!("nobody can ask for a backup for now: {error}");
                        self.tally.fails();
                        tokio::time::sleep(RESPITE).await;
                    }
                },
            }
        }
    }

    fn receive(&self, stream: UnixStream, under_way: &mut JoinSet<()>) {
        match Arc::clone(&self.place).try_acquire_owned() {
            Ok(place) => {
                under_way.spawn(self.visit(stream, place));
            }
            Err(_) => self.send_away(&stream),
        }
    }

    fn visit(
        &self,
        stream: UnixStream,
        place: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + use<> {
        let (copier, tally, patience) = (self.copier.clone(), self.tally.clone(), self.patience);
        async move {
            let given = give(copier, stream, place, patience).await;
            match given {
                Ok(summary) => {
                    tally.0.given.fetch_add(1, Ordering::Relaxed);
                    info!(
                        tables = summary.tables,
                        rows = summary.rows,
                        "a backup is given"
                    );
                }
                Err(error) => {
                    tally.fails();
                    error!(
                        error = &error as &dyn std::error::Error,
                        "a backup is not given to its end"
                    );
                }
            }
        }
    }

    fn send_away(&self, stream: &UnixStream) {
        self.tally.fails();
        // A new connection has room for it; where not, its end tells.
        let told = stream
            .set_nonblocking(true)
            .and_then(|()| backup::refuse(stream, BUSY));
        match told {
            Ok(()) => warn!("a second backup was asked for meanwhile, and refused"),
            Err(error) => warn!("a second backup was asked for meanwhile, and cut off: {error}"),
        }
    }
}

/// Gives a backup in a thread that may block. Dropped, the connection is cut, which ends the thread.
async fn give(
    copier: Copier,
    stream: UnixStream,
    place: OwnedSemaphorePermit,
    patience: Patience,
) -> Result<Summary, CopyError> {
    let cut = Cut(stream.try_clone().map_err(CopyError::Write)?);
    stream
        .set_write_timeout(Some(patience.stall))
        .map_err(CopyError::Write)?;
    let giving = tokio::task::spawn_blocking(move || {
        let paced = Paced {
            stream,
            until: Instant::now() + patience.whole,
        };
        let given = copier.give(BufWriter::with_capacity(PIECE, &paced));
        // Free before the reader sees the end, and may come again.
        drop(place);
        given
    });
    let given = giving
        .await
        .unwrap_or_else(|error| Err(CopyError::Write(io::Error::other(error))));
    drop(cut);
    given
}

/// Cuts a connection, also for the thread that writes to it.
struct Cut(UnixStream);

impl Drop for Cut {
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection that has a time to end.
struct Paced {
    stream: UnixStream,
    until: Instant,
}

impl Write for &Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if Instant::now() > self.until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        (&self.stream).write(bytes).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                // A buffer before this would wait once more when it is dropped.
                let _ = self.stream.shutdown(Shutdown::Both);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The socket, of the server's user alone; gone when dropped.
#[derive(Debug)]
struct Door {
    listener: UnixListener,
    path: PathBuf,
    user: u32,
}

impl Door {
    fn open(path: PathBuf) -> io::Result<Self> {
        clear(&path)?;
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let user = fs::symlink_metadata(&path)?.uid();
        Ok(Self {
            listener,
            path,
            user,
        })
    }

    /// Waits for somebody who may read the folder. Others are let go: one may have come in before the
    /// socket had its mode.
    async fn enter(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let who = stream.peer_cred()?.uid();
            if who == self.user || who == 0 {
                let stream = stream.into_std()?;
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            warn!("the socket {} is left behind: {error}", self.path.display());
        }
    }
}

/// Takes away a socket that is left; never another file.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
