//! Group commit: one thread writes what all callers submitted meanwhile in one transaction, and
//! flushes once for all of them.

mod app;
mod batch;
mod counters;
mod desk;
mod doubt;
mod drains;
mod gathering;
mod rounds;
mod work;

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use floatingip_core::plan::Batch;
use floatingip_core::store::Answer;
use floatingip_core::times::Times;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::error;

pub use self::counters::Counts;
#[cfg(test)]
pub(super) use self::drains::Place;

use self::counters::Counters;
use self::desk::Desk;
use self::doubt::Doubt;
use self::rounds::Rounds;
use self::work::{Job, Work};
use super::Options;
use super::age::RunningClock;
use super::apps::{AppChange, AppError, Apps};
use super::database::DatabaseFile;
use super::error::DocumentError;

/// Callers beyond these wait before they may queue: what is in memory for the writer is bounded.
const QUEUE: usize = 1024;

/// How long a caller waits for what no orchestrator looks after: as long as an orchestrator's operations
/// wait by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a caller was told nothing.
#[derive(Clone, Copy, Debug)]
enum Silence {
    /// There was no room, or there is no writer any more: certainly not written.
    NotQueued,
    /// Perhaps written, or it will be.
    Unanswered,
}

/// The way to the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    room: Arc<Semaphore>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: RwLock<Option<thread::JoinHandle<()>>>,
    doubt: Arc<Doubt>,
    counters: Arc<Counters>,
    rounds: Rounds,
}

impl Writer {
    pub(super) fn start(
        file: Arc<DatabaseFile>,
        options: Options,
        clock: RunningClock,
        apps: Apps,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let desk = Desk::new(file, options, clock, apps);
        let (doubt, counters) = (desk.doubt(), desk.counters());
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || desk.serve(&receiver))?;
        Ok(Self {
            room: Arc::new(Semaphore::new(QUEUE)),
            jobs: Mutex::new(Some(sender)),
            thread: RwLock::new(Some(thread)),
            doubt,
            counters,
            rounds: Rounds::default(),
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
        let (name, text) = (name.to_owned(), text.to_owned());
        self.ask(|reply| Work::Document { name, text, reply }).await
    }

    pub(super) async fn change_app(&self, change: AppChange) -> Result<(), AppError> {
        self.ask(|reply| Work::App(change, reply)).await
    }

    /// Has work done that nobody repeats, and waits for it as long as patience lasts.
    async fn ask<T, E: From<Silence>>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Work,
    ) -> Result<T, E> {
        let end = Instant::now() + PATIENCE;
        let (reply, answer) = oneshot::channel();
        let queued = timeout_at(end, self.submit(work(reply))).await;
        if !queued.unwrap_or_else(|_| overdue(false)) {
            return Err(Silence::NotQueued.into());
        }
        match timeout_at(end, answer).await {
            Ok(Ok(answer)) => answer,
            // The writer thread is gone, at nobody knows which point.
            Ok(Err(_)) => Err(Silence::Unanswered.into()),
            Err(_) => overdue(Err(Silence::Unanswered.into())),
        }
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
        let mut thread = self.thread.write().unwrap_or_else(PoisonError::into_inner);
        if thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("the store's writer thread had panicked");
        }
    }

    /// Whether there is a writer thread, and will be.
    pub(super) fn goes_on(&self) -> bool {
        // Who closes it has the lock meanwhile.
        let Ok(thread) = self.thread.try_read() else {
            return false;
        };
        thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// How many jobs wait or are being written.
    pub(super) fn queue(&self) -> usize {
        QUEUE.saturating_sub(self.room.available_permits())
    }

    pub(super) fn commit_times(&self) -> &Times {
        &self.counters.commit_times
    }

    pub(super) fn counts(&self) -> Counts {
        self.counters.counts()
    }
}

fn overdue<T>(answer: T) -> T {
    error!(
        "the store has not answered for {} s: check whether the disk hangs",
        PATIENCE.as_secs()
    );
    answer
}

impl From<Silence> for DocumentError {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::NotQueued => Self::Unavailable,
            Silence::Unanswered => Self::Unknown,
        }
    }
}

impl From<Silence> for AppError {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::NotQueued => Self::Unavailable,
            Silence::Unanswered => Self::Unknown,
        }
    }
}
