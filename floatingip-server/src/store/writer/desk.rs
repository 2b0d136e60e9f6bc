//! The writer thread's side: what all callers asked for meanwhile becomes one transaction with one flush.

use std::cell::Cell;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use floatingip_core::record::Version;
use redb::{Database, Durability, WriteTransaction};
use tracing::error;

use super::super::Options;
use super::super::age::{Reading, RunningClock};
use super::super::apps::Apps;
use super::super::database::DatabaseFile;
use super::super::tables::{self, Tables};
use super::app::Shown;
use super::counters::Counters;
use super::doubt::Doubt;
use super::gathering::Gathering;
use super::work::{Job, Verdict, Work};

/// How often the journal loses what is too old while nothing is changed.
const TEND_EVERY: Duration = Duration::from_secs(60 * 60);

/// The writer thread's side.
pub(super) struct Desk {
    file: Arc<DatabaseFile>,
    options: Options,
    clock: RunningClock,
    doubt: Arc<Doubt>,
    counters: Arc<Counters>,
    apps: Apps,
    /// A commit whose outcome is not known may have changed apps: they are read again first.
    apps_in_doubt: Cell<bool>,
    /// When nothing more of the journal was to go, by the clock.
    settled: Cell<Duration>,
}

/// What a transaction came to.
struct Done {
    verdicts: Vec<Verdict>,
    apps: Vec<Shown>,
    /// The latest one in use.
    version: Version,
    /// There is something to commit.
    changed: bool,
    /// The journal has nothing more that is to go.
    settled: bool,
}

impl Done {
    const fn at(version: Version) -> Self {
        Self {
            verdicts: Vec::new(),
            apps: Vec::new(),
            version,
            changed: false,
            settled: false,
        }
    }
}

/// Why a transaction came to nothing, as far as anybody knows.
enum Failure {
    /// It was given up before the commit.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// The commit was begun.
    Unknown(Box<dyn Error + Send + Sync>),
}

impl Desk {
    pub(super) fn new(
        file: Arc<DatabaseFile>,
        options: Options,
        clock: RunningClock,
        apps: Apps,
    ) -> Self {
        Self {
            file,
            options,
            settled: Cell::new(clock.elapsed()),
            clock,
            doubt: Arc::default(),
            counters: Arc::default(),
            apps,
            apps_in_doubt: Cell::new(false),
        }
    }

    pub(super) fn doubt(&self) -> Arc<Doubt> {
        Arc::clone(&self.doubt)
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    pub(super) fn serve(&self, jobs: &mpsc::Receiver<Job>) {
        let mut gathering = Gathering::default();
        loop {
            let commit = self.counters.counts().last_commit;
            let group =
                match gathering.next(|wait| jobs.recv_timeout(wait), self.until_due(), commit) {
                    Ok(group) => group,
                    // Nobody asks for anything: the journal is looked after.
                    Err(RecvTimeoutError::Timeout) => Vec::new(),
                    Err(RecvTimeoutError::Disconnected) => break,
                };
            self.write(group);
        }
    }

    fn write(&self, group: Vec<Job>) {
        let verdicts = match self.attempt(&group) {
            Ok(done) => {
                self.apps.take_in(done.apps);
                self.counters.set_latest(Some(done.version));
                done.verdicts
            }
            Err(failure) => {
                self.give_up();
                vec![failure.reported(); group.len()]
            }
        };
        for (job, verdict) in group.into_iter().zip(verdicts) {
            if matches!(job.work, Work::Batch(..)) {
                self.counters.answered();
            }
            job.work.answer(verdict, &self.doubt);
        }
    }

    /// Does all jobs of a group, each on top of the former ones, and commits once. Where redb panics over
    /// what it finds in the file, the attempt ends and not the thread.
    fn attempt(&self, group: &[Job]) -> Result<Done, Failure> {
        let work = |database: &Database| {
            self.settle_doubt(database)?;
            caught(Failure::Unknown, || self.transact(database, group))
        };
        caught(Failure::Unavailable, || {
            let opened = self.file.with(work);
            opened.map_err(|error| Failure::Unavailable(error.into()))?
        })
    }

    /// Nothing is written before it is known what the file has: what is shown of apps would be something
    /// else.
    fn settle_doubt(&self, database: &Database) -> Result<(), Failure> {
        if self.apps_in_doubt.get() {
            let rows = tables::apps(database);
            let rows = rows.map_err(|error| Failure::Unavailable(error.into()))?;
            self.apps.replace(rows);
            self.apps_in_doubt.set(false);
        }
        Ok(())
    }

    /// Whoever comes next opens the file again.
    fn give_up(&self) {
        self.counters.failed();
        self.counters.set_latest(None);
        self.apps_in_doubt.set(true);
        self.rest();
        if catch_unwind(AssertUnwindSafe(|| self.file.lose())).is_err() {
            error!("the database panicked while it was closed: the next opening repairs it");
        }
    }

    fn transact(&self, database: &Database, group: &[Job]) -> Result<Done, Failure> {
        let start = Instant::now();
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let done = self.perform(&transaction, group)?;
        if !done.changed {
            transaction.abort()?;
            return Ok(done);
        }
        let committed = transaction.commit().map_err(redb::Error::from);
        committed.map_err(|error| Failure::Unknown(error.into()))?;
        self.counters.committed(start.elapsed());
        if done.settled {
            self.rest();
        }
        Ok(done)
    }

    fn perform(&self, transaction: &WriteTransaction, group: &[Job]) -> Result<Done, redb::Error> {
        let mut tables = Tables::open(transaction)?;
        let reading = self.read_clock(&mut tables)?;
        let before = tables.version()?;
        let mut done = Done::at(before);
        for job in group {
            let (verdict, shown) = job.work.perform(&mut tables, &mut done.version)?;
            done.changed |= job.work.is_unversioned() || verdict.is_noted();
            done.verdicts.push(verdict);
            done.apps.extend(shown);
        }
        if done.version != before {
            tables.set_version(done.version)?;
        }
        if done.version != before || self.until_due().is_zero() {
            done.changed = true;
            done.settled = tables.settle_journal(&self.options)?;
            if let Some(reading) = reading {
                tables.set_reading(reading)?;
            }
        }
        Ok(done)
    }

    /// How long the journal need not be looked after.
    fn until_due(&self) -> Duration {
        let Some(_) = self.options.journal_age else {
            return Duration::MAX;
        };
        let since = self.clock.elapsed().saturating_sub(self.settled.get());
        TEND_EVERY.saturating_sub(since)
    }

    /// The journal is left alone for a while.
    fn rest(&self) {
        self.settled.set(self.clock.elapsed());
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
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Unavailable(Box::new(error.into()))
    }
}

/// What the work comes to, or a failure of that sort where redb panics over what it finds in the file.
fn caught<T>(
    failure: fn(Box<dyn Error + Send + Sync>) -> Failure,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let what = "the database panicked; the file is opened again".to_owned();
        Err(failure(redb::Error::Corrupted(what).into()))
    })
}

impl Failure {
    /// What every job of the group is told; the operator is told the cause.
    fn reported(&self) -> Verdict {
        let (verdict, error) = match self {
            Self::Unavailable(error) => (Verdict::Unavailable, error),
            Self::Unknown(error) => (Verdict::Unknown, error),
        };
        error!(
            error = &**error as &dyn Error,
            "the store was not written: check the disk and the free space on it"
        );
        verdict
    }
}
