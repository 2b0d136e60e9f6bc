//! The embedded store of the standalone mode: one folder with one database file.
//!
//! The database is redb: pure Rust, one file, transactions that survive power loss, checksums on
//! every page, and an honest word on failed commits.

mod age;
mod apps;
pub mod backup;
mod database;
mod error;
mod format;
mod journal;
mod keep;
mod medium;
mod tables;
mod writer;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use floatingip_core::Store;
use floatingip_core::plan::{Batch, Entry};
use floatingip_core::record::Version;
use floatingip_core::store::{Answer, LoadError, Snapshot};
use floatingip_core::times::Times;
use floatingip_core::{Topology, WallTime};
use redb::{DatabaseError, StorageBackend};
use tokio::sync::oneshot;

pub use self::apps::{AppChange, AppError, AppRow, Apps, MOST_APPS, MOST_NAMED_NODES, Told};
pub use self::error::{DocumentError, OpenError};
pub use self::format::FormatError;
pub use self::writer::Counts;

use crate::backend::{History, HistoryQuestion};

use self::age::RunningClock;
use self::database::DatabaseFile;
use self::writer::Writer;

/// Records, journal and documents in one database file, written by one thread.
///
/// Batches that arrive while a commit is under way are written together by the next one, each as a
/// whole or not at all, with its journal entries, and answered after the flush to the disk.
///
/// # When the disk fails
/// A batch is answered `Unavailable` if nothing was committed, and `Unknown` if the commit had begun
/// (until a repetition finds out). The file is then closed; the next call opens it again, which
/// repairs it. Until that works everything is `Unavailable`, and the log says what to do.
///
/// Documents, apps and notes of what drains wait ten seconds for a disk that hangs, by the clock of a tokio
/// runtime: they need one with time. How long a batch waits is its caller's to say.
///
/// ```
/// use floatingip_core::Store;
/// use floatingip_server::store::{EmbeddedStore, OpenError};
///
/// # let folder = tempfile::tempdir()?;
/// # let data_dir = folder.path().join("data");
/// let store = EmbeddedStore::open(&data_dir)?;
/// assert!(store.atomic());
/// assert!(matches!(
///     EmbeddedStore::open(&data_dir),
///     Err(OpenError::Locked { .. })
/// ));
/// store.close();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EmbeddedStore {
    file: Arc<DatabaseFile>,
    writer: Writer,
    batch_times: Times,
    apps: Apps,
}

/// How a store is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most entries of the journal; the oldest go first.
    pub journal_limit: u64,
    /// The most bytes of them, as they stand in the file with their keys.
    pub journal_bytes: u64,
    /// Entries that are older go too, to the hour; none keeps them as long as there is room. Age counts
    /// while a server runs; a time without one counts at most a day.
    pub journal_age: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            journal_limit: 1_000_000,
            journal_bytes: 512 << 20,
            journal_age: Some(Duration::from_secs(90 * 24 * 60 * 60)),
        }
    }
}

impl EmbeddedStore {
    /// Opens the store in a folder, which is made if need be, and verifies the whole file.
    ///
    /// # Errors
    /// See [`OpenError`]: nothing was changed then.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(dir, Options::default())
    }

    /// As [`EmbeddedStore::open`], with other options than the default ones.
    ///
    /// # Errors
    /// See [`OpenError`]: nothing was changed then.
    pub fn open_with(dir: &Path, options: Options) -> Result<Self, OpenError> {
        Self::start(DatabaseFile::in_folder(dir)?, options)
    }

    /// A store without a folder, which ends with the process: to try things out.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::start(DatabaseFile::in_memory()?, Options::default())
    }

    /// A store on another kind of disk than a file, which `open` opens at first and after each error:
    /// for tests and benchmarks of disks that fail or are slow. What a failed flush has not written must not
    /// be shown by what is opened after it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn on_disk<B: StorageBackend>(
        open: impl Fn() -> io::Result<B> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let opener = move || {
            let disk = open().map_err(|error| DatabaseError::Storage(error.into()))?;
            database::builder().create_with_backend(disk)
        };
        let path = PathBuf::from("disk");
        let file = DatabaseFile::on_medium(path, Box::new(opener), None)?;
        Self::start(file, Options::default())
    }

    fn start(file: DatabaseFile, options: Options) -> Result<Self, OpenError> {
        Self::start_at(file, options, RunningClock::system())
    }

    fn start_at(
        file: DatabaseFile,
        options: Options,
        clock: RunningClock,
    ) -> Result<Self, OpenError> {
        let file = Arc::new(file);
        let apps = Apps::default();
        let writer = Writer::start(Arc::clone(&file), options, clock, apps.clone());
        Ok(Self {
            file,
            writer: writer.map_err(OpenError::Thread)?,
            batch_times: Times::default(),
            apps,
        })
    }

    /// Stores a text under a name, in the place of the former one. Durable when it returns.
    ///
    /// # Errors
    /// Whether it was written, as far as that is known.
    pub async fn put_document(&self, name: &str, text: &str) -> Result<(), DocumentError> {
        self.writer.put_document(name, text).await
    }

    /// The text that was stored under a name. Reads the disk in the caller's thread.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn document(&self, name: &str) -> Result<Option<String>, LoadError> {
        read(&self.file, |database| tables::document(database, name))
    }

    /// The apps that were told of, and will be. For the start, before any of them is changed: reads
    /// the disk in the caller's thread.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn apps(&self) -> Result<Apps, LoadError> {
        self.apps.replace(read(&self.file, tables::apps)?);
        Ok(self.apps.clone())
    }

    /// Changes what is kept of an app. Durable, and shown by [`EmbeddedStore::apps`], when it returns.
    ///
    /// # Errors
    /// Whether it was written, as far as that is known.
    pub async fn change_app(&self, change: AppChange) -> Result<(), AppError> {
        self.writer.change_app(change).await
    }

    /// Tells the journal which owned addresses the configuration does not have any more, and which it has
    /// again, as far as that is news; the entries are dated `at`. Answers with how many those were. Durable
    /// when it returns; to be repeated after an error.
    ///
    /// Which configuration is in force is asked again and again, for it may change meanwhile. Costs nothing
    /// where neither it (the same `Arc`) nor anything in the store has changed since the last time.
    ///
    /// # Errors
    /// Whether all of it was written, as far as that is known.
    pub async fn note_drains(
        &self,
        in_force: impl Fn() -> Arc<Topology>,
        at: WallTime,
    ) -> Result<usize, DocumentError> {
        self.writer.note_drains(in_force, at).await
    }

    /// The journal's latest entries of an address, at most so many, the latest first, each with the
    /// version of the write it tells of. Reads the disk in the caller's thread, in time
    /// proportional to the entries returned.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn history(&self, ip: IpAddr, most: usize) -> Result<Vec<(Version, Entry)>, LoadError> {
        read(&self.file, |database| tables::history(database, ip, most))
    }

    /// What the journal says to a question about an address. Reads the disk in the caller's thread, in
    /// time proportional to the entries returned; where a moment is asked for, to the address's changes
    /// since then.
    ///
    /// The order of changes is that of their versions, for a clock may have been set back: whoever had an
    /// address at a moment is whom the last change names that is dated then or earlier.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn journal(&self, question: &HistoryQuestion) -> Result<History, LoadError> {
        read(&self.file, |database| journal::answer(database, question))
    }

    /// The way to backups of it while it is open.
    pub fn copier(&self) -> backup::Copier {
        backup::Copier::new(Arc::clone(&self.file))
    }

    /// How long batches took from being queued to their answer.
    pub fn batch_times(&self) -> &Times {
        &self.batch_times
    }

    /// How long commits took, from the first batch's reading to the end of the flush.
    pub fn commit_times(&self) -> &Times {
        self.writer.commit_times()
    }

    /// How many batches and documents wait to be written or are being written.
    pub fn queue(&self) -> usize {
        self.writer.queue()
    }

    /// Whether anything can still be written: not once it is closed, nor after its writer broke down, which
    /// only another start mends.
    pub fn is_writable(&self) -> bool {
        self.writer.goes_on()
    }

    /// What was done since the store was opened, for metrics.
    pub fn counts(&self) -> Counts {
        self.writer.counts()
    }

    /// Takes no more writes, writes and answers those that wait, and lets the folder's file go.
    /// Blocks meanwhile. Dropping the store does the same.
    pub fn close(&self) {
        self.writer.close();
        self.file.close();
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for EmbeddedStore {
    fn atomic(&self) -> bool {
        true
    }

    /// Reads in a thread of its own, so that no executor is held up; works with any.
    async fn load(&self) -> Result<Snapshot, LoadError> {
        let (reply, answer) = oneshot::channel();
        let file = Arc::clone(&self.file);
        thread::Builder::new()
            .name("store-load".to_owned())
            .spawn(move || reply.send(read(&file, tables::snapshot)))
            .map_err(|error| LoadError::Unavailable(Box::new(error)))?;
        answer
            .await
            .unwrap_or_else(|error| Err(LoadError::Unavailable(Box::new(error))))
    }

    /// A caller that drops the future gets no answer; what was queued is written all the same.
    async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        let begun = Instant::now();
        let answers = self.writer.apply(batch).await;
        self.batch_times.add(begun.elapsed());
        answers
    }
}

fn read<T>(
    file: &DatabaseFile,
    work: impl FnOnce(&redb::Database) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    let found = file.with(work).unwrap_or_else(|error| match error {
        damaged @ OpenError::Damaged { .. } => Err(LoadError::Damaged {
            place: "the database file".to_owned(),
            source: Box::new(damaged),
        }),
        error => Err(LoadError::Unavailable(Box::new(error))),
    });
    if matches!(found, Err(LoadError::Unavailable(_))) {
        file.lose();
    }
    found
}

#[cfg(test)]
pub(crate) mod tests;
