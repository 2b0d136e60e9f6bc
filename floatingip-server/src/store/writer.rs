//! Group commit: one thread writes what all callers submitted meanwhile in one transaction, and
//! flushes once for all of them.

mod app;
mod batch;
mod doubt;
mod drains;

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use floatingip_core::plan::Batch;
use floatingip_core::record::Version;
use floatingip_core::store::Answer;
use floatingip_core::times::Times;
use floatingip_core::{Topology, WallTime};
use redb::{Database, Durability};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::error;

use self::app::Shown;
use self::batch::Verdict;
use self::doubt::Doubt;
use super::Options;
use super::age::{Reading, RunningClock};
use super::apps::{AppChange, AppError, Apps};
use super::database::DatabaseFile;
use super::error::DocumentError;
use super::format;
use super::tables::{self, Tables};

/// Callers beyond these wait before they may queue: what is in memory for the writer is bounded.
const QUEUE: usize = 1024;

/// The most jobs in one transaction. At a few writes a job it stays well below what a flush costs.
const GROUP: usize = 512;

/// How often the journal loses what is too old while nothing is written.
const TEND_EVERY: Duration = Duration::from_secs(60 * 60);

/// The way to the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    room: Arc<Semaphore>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    doubt: Arc<Doubt>,
    counters: Arc<Counters>,
}

/// What the store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Batches that were answered. Documents are not counted.
    pub batches: u64,
    /// Transactions that were committed, each with one flush to the disk.
    pub commits: u64,
    /// Transactions that failed; their batches were answered `Unavailable` or `Unknown`.
    pub failures: u64,
    /// How long the last commit took, from the first batch's reading to the end of the flush.
    pub last_commit: Duration,
}

#[derive(Debug, Default)]
struct Counters {
    batches: AtomicU64,
    commits: AtomicU64,
    failures: AtomicU64,
    last_commit_nanos: AtomicU64,
    commit_times: Times,
}

struct Job {
    work: Work,
    _room: OwnedSemaphorePermit,
}

enum Work {
    Batch(Batch, oneshot::Sender<Vec<Answer>>),
    Document {
        name: String,
        text: String,
        reply: oneshot::Sender<Result<(), DocumentError>>,
    },
    App(AppChange, oneshot::Sender<Result<(), AppError>>),
    Drains {
        topology: Arc<Topology>,
        at: WallTime,
        reply: oneshot::Sender<Result<usize, DocumentError>>,
    },
}

/// What a transaction came to.
struct Done {
    verdicts: Vec<Verdict>,
    apps: Vec<Shown>,
}

/// Why a transaction came to nothing, as far as anybody knows.
enum Failure {
    /// It was given up before the commit.
    Unavailable(redb::Error),
    /// The commit was begun.
    Unknown(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Unavailable(error.into())
    }
}

impl Writer {
    pub(super) fn start(
        file: Arc<DatabaseFile>,
        options: Options,
        clock: RunningClock,
        apps: Apps,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let doubt = Arc::new(Doubt::default());
        let counters = Arc::new(Counters::default());
        let desk = Desk {
            file,
            options,
            clock,
            doubt: Arc::clone(&doubt),
            counters: Arc::clone(&counters),
            apps,
            apps_in_doubt: Cell::new(false),
        };
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || desk.serve(&receiver))?;
        Ok(Self {
            room: Arc::new(Semaphore::new(QUEUE)),
            jobs: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            doubt,
            counters,
        })
    }

    pub(super) async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        if batch.writes.is_empty() {
            return Vec::new();
        }
        let (reply, answer) = oneshot::channel();
        if !self.submit(Work::Batch(batch.clone(), reply)).await {
            return self.doubt.not_written(batch);
        }
        // No answer: the writer thread is gone, at nobody knows which point.
        answer.await.unwrap_or_else(|_| self.doubt.unknown(batch))
    }

    pub(super) async fn put_document(&self, name: &str, text: &str) -> Result<(), DocumentError> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Document {
            name: name.to_owned(),
            text: text.to_owned(),
            reply,
        };
        if !self.submit(work).await {
            return Err(DocumentError::Unavailable);
        }
        answer.await.unwrap_or(Err(DocumentError::Unknown))
    }

    pub(super) async fn change_app(&self, change: AppChange) -> Result<(), AppError> {
        let (reply, answer) = oneshot::channel();
        if !self.submit(Work::App(change, reply)).await {
            return Err(AppError::Unavailable);
        }
        answer.await.unwrap_or(Err(AppError::Unknown))
    }

    /// Notes what drains under a configuration; see [`drains::perform`].
    pub(super) async fn note_drains(
        &self,
        topology: Arc<Topology>,
        at: WallTime,
    ) -> Result<usize, DocumentError> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Drains {
            topology,
            at,
            reply,
        };
        if !self.submit(work).await {
            return Err(DocumentError::Unavailable);
        }
        answer.await.unwrap_or(Err(DocumentError::Unknown))
    }

    /// Queues work, when there is room; false once the writer is closed.
    async fn submit(&self, work: Work) -> bool {
        let Ok(room) = Arc::clone(&self.room).acquire_owned().await else {
            return false;
        };
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref()
            .is_some_and(|jobs| jobs.send(Job { work, _room: room }).is_ok())
    }

    /// Takes nothing more, writes what is queued, and ends the thread.
    pub(super) fn close(&self) {
        self.room.close();
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("the store's writer thread had panicked");
        }
    }

    /// How many jobs wait or are being written.
    pub(super) fn queue(&self) -> usize {
        QUEUE.saturating_sub(self.room.available_permits())
    }

    pub(super) fn commit_times(&self) -> &Times {
        &self.counters.commit_times
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            batches: read(&self.counters.batches),
            commits: read(&self.counters.commits),
            failures: read(&self.counters.failures),
            last_commit: Duration::from_nanos(read(&self.counters.last_commit_nanos)),
        }
    }
}

/// The writer thread's side.
struct Desk {
    file: Arc<DatabaseFile>,
    options: Options,
    clock: RunningClock,
    doubt: Arc<Doubt>,
    counters: Arc<Counters>,
    apps: Apps,
    /// A commit whose outcome is not known may have changed apps: they are read again first.
    apps_in_doubt: Cell<bool>,
}

impl Desk {
    fn serve(&self, jobs: &mpsc::Receiver<Job>) {
        loop {
            match jobs.recv_timeout(TEND_EVERY) {
                Ok(first) => {
                    let mut group = vec![first];
                    group.extend(jobs.try_iter().take(GROUP - 1));
                    self.write(group);
                }
                Err(RecvTimeoutError::Timeout) if self.options.journal_age.is_some() => {
                    self.write(Vec::new());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    fn write(&self, group: Vec<Job>) {
        let verdicts = match self.file.with(|database| self.attempt(database, &group)) {
            Ok(Ok(done)) => {
                self.apps.take_in(done.apps);
                done.verdicts
            }
            Ok(Err(failure)) => {
                Counters::add(&self.counters.failures);
                self.apps_in_doubt.set(true);
                self.file.lose();
                vec![failure.reported(); group.len()]
            }
            Err(error) => {
                Counters::add(&self.counters.failures);
                error!(
                    error = &error as &dyn std::error::Error,
                    "the store cannot be opened again"
                );
                vec![Verdict::Unavailable; group.len()]
            }
        };
        for (job, verdict) in group.into_iter().zip(verdicts) {
            self.answer(job.work, verdict);
        }
    }

    /// Does all jobs of a group, each on top of the former ones, and commits once.
    /// A transaction that does not take the thread along if redb panics over what it finds in the file.
    fn attempt(&self, database: &Database, group: &[Job]) -> Result<Done, Failure> {
        self.settle_doubt(database);
        let unwound = catch_unwind(AssertUnwindSafe(|| self.transact(database, group)));
        unwound.unwrap_or_else(|_| {
            let what = "the database panicked; the file is opened again".to_owned();
            Err(Failure::Unknown(redb::Error::Corrupted(what)))
        })
    }

    fn settle_doubt(&self, database: &Database) {
        if !self.apps_in_doubt.get() {
            return;
        }
        match tables::apps(database) {
            Ok(rows) => {
                self.apps.replace(rows);
                self.apps_in_doubt.set(false);
            }
            Err(error) => error!(%error, "the apps cannot be read again; the last known ones hold"),
        }
    }

    fn transact(&self, database: &Database, group: &[Job]) -> Result<Done, Failure> {
        let start = Instant::now();
        // Nobody has asked for anything: the journal is looked after.
        let tend = group.is_empty();
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let before;
        let after;
        let mut verdicts = Vec::with_capacity(group.len());
        let mut apps = Vec::new();
        {
            let mut tables = Tables::open(&transaction)?;
            before = tables.version()?;
            let reading = self.read_clock(&mut tables)?;
            let mut version = before;
            for job in group {
                let (verdict, shown) = job.work.perform(&mut tables, &mut version)?;
                verdicts.push(verdict);
                apps.extend(shown);
            }
            after = version;
            if after != before {
                tables.set_version(after)?;
            }
            if after != before || tend {
                tables.settle_journal(&self.options)?;
                if let Some(reading) = reading {
                    tables.set_reading(reading)?;
                }
            }
        }
        let unversioned = || group.iter().any(|job| job.work.is_unversioned()) || noted(&verdicts);
        if after == before && !tend && !unversioned() {
            transaction.abort()?;
            return Ok(Done { verdicts, apps });
        }
        transaction
            .commit()
            .map_err(|error| Failure::Unknown(error.into()))?;
        self.counters.committed(start.elapsed());
        Ok(Done { verdicts, apps })
    }

    /// Sets the time that the journal's new entries are of; None where no age is measured.
    fn read_clock(&self, tables: &mut Tables<'_>) -> Result<Option<Reading>, redb::Error> {
        let stored = tables.reading()?;
        tables.journal.now = stored.unwrap_or_default().clock;
        if self.options.journal_age.is_none() {
            return Ok(None);
        }
        let reading = self.clock.read(stored);
        tables.journal.now = reading.clock;
        Ok(Some(reading))
    }

    fn answer(&self, work: Work, verdict: Verdict) {
        // A caller that went away misses its answer, and nothing else.
        match work {
            Work::Batch(batch, reply) => {
                Counters::add(&self.counters.batches);
                let answers = match verdict {
                    Verdict::Answers(outcomes) => self.doubt.settled(&batch, outcomes),
                    Verdict::Unavailable | Verdict::Full | Verdict::Noted(_) => {
                        self.doubt.not_written(&batch)
                    }
                    Verdict::Unknown => self.doubt.unknown(&batch),
                };
                let _ = reply.send(answers);
            }
            Work::Document { reply, .. } => {
                let _ = reply.send(match verdict {
                    Verdict::Answers(_) | Verdict::Noted(_) => Ok(()),
                    Verdict::Unavailable | Verdict::Full => Err(DocumentError::Unavailable),
                    Verdict::Unknown => Err(DocumentError::Unknown),
                });
            }
            Work::Drains { reply, .. } => {
                let _ = reply.send(match verdict {
                    Verdict::Noted(changes) => Ok(changes),
                    Verdict::Unknown => Err(DocumentError::Unknown),
                    _ => Err(DocumentError::Unavailable),
                });
            }
            Work::App(_, reply) => {
                let _ = reply.send(match verdict {
                    Verdict::Answers(_) | Verdict::Noted(_) => Ok(()),
                    Verdict::Unavailable => Err(AppError::Unavailable),
                    Verdict::Unknown => Err(AppError::Unknown),
                    Verdict::Full => Err(AppError::Full),
                });
            }
        }
    }
}

/// Whether notes of draining addresses were changed, be it without an entry.
fn noted(verdicts: &[Verdict]) -> bool {
    let changed = |verdict: &Verdict| matches!(verdict, Verdict::Noted(changes) if *changes > 0);
    verdicts.iter().any(changed)
}

impl Work {
    fn perform(
        &self,
        tables: &mut Tables<'_>,
        version: &mut Version,
    ) -> Result<(Verdict, Option<Shown>), redb::Error> {
        Ok(match self {
            Self::Batch(batch, _) => (batch::perform(batch, tables, version)?, None),
            Self::Document { name, text, .. } => {
                let Ok(bytes) = format::document_bytes(name, text) else {
                    return Ok((Verdict::Unavailable, None));
                };
                tables.documents.insert(name.as_str(), bytes.as_slice())?;
                (Verdict::Answers(Vec::new()), None)
            }
            Self::App(change, _) => app::perform(change, tables, version)?,
            Self::Drains { topology, at, .. } => {
                let changes = drains::perform(topology, *at, tables, version)?;
                (Verdict::Noted(changes), None)
            }
        })
    }

    /// Whether it writes without taking a version.
    fn is_unversioned(&self) -> bool {
        matches!(self, Self::Document { .. })
    }
}

impl Failure {
    /// What every job of the group is told; the operator is told the cause.
    fn reported(&self) -> Verdict {
        let (verdict, error) = match self {
            Self::Unavailable(error) => (Verdict::Unavailable, error),
            Self::Unknown(error) => (Verdict::Unknown, error),
        };
        error!(
            error = error as &dyn std::error::Error,
            "the store was not written: check the disk and the free space on it"
        );
        verdict
    }
}

impl Counters {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn committed(&self, took: Duration) {
        Self::add(&self.commits);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.last_commit_nanos.store(nanos, Ordering::Relaxed);
        self.commit_times.add(took);
    }
}
