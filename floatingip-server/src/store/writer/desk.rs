//! The writer thread's side: what all callers asked for meanwhile becomes one transaction with one flush.

use std::cell::Cell;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use redb::{Database, Durability};
use tracing::error;

use super::super::Options;
use super::super::age::{Reading, RunningClock};
use super::super::apps::Apps;
use super::super::database::DatabaseFile;
use super::super::tables::{self, Tables};
use super::app::Shown;
use super::counters::Counters;
use super::doubt::Doubt;
use super::work::{Job, Verdict, Work};

/// The most jobs in one transaction. At a few writes a job it stays well below what a flush costs.
const GROUP: usize = 512;

/// How often the journal loses what is too old while nothing is written.
const TEND_EVERY: Duration = Duration::from_secs(60 * 60);

/// The writer thread's side.
pub(super) struct Desk {
    pub(super) file: Arc<DatabaseFile>,
    pub(super) options: Options,
    pub(super) clock: RunningClock,
    pub(super) doubt: Arc<Doubt>,
    pub(super) counters: Arc<Counters>,
    pub(super) apps: Apps,
    /// A commit whose outcome is not known may have changed apps: they are read again first.
    pub(super) apps_in_doubt: Cell<bool>,
}

/// What a transaction came to.
struct Done {
    verdicts: Vec<Verdict>,
    apps: Vec<Shown>,
}

/// Why a transaction came to nothing, as far as anybody knows.
enum Failure {
    /// It was given up before the commit.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// The commit was begun.
    Unknown(Box<dyn Error + Send + Sync>),
}

impl Desk {
    pub(super) fn serve(&self, jobs: &mpsc::Receiver<Job>) {
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
        let verdicts = match self.attempt(&group) {
            Ok(done) => {
                self.apps.take_in(done.apps);
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
        self.apps_in_doubt.set(true);
        if catch_unwind(AssertUnwindSafe(|| self.file.lose())).is_err() {
            error!("the database panicked while it was closed: the next opening repairs it");
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
            .map_err(|error| Failure::Unknown(redb::Error::from(error).into()))?;
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

/// Whether notes of draining addresses were changed, be it without an entry.
fn noted(verdicts: &[Verdict]) -> bool {
    let changed = |verdict: &Verdict| matches!(verdict, Verdict::Noted(changes) if *changes > 0);
    verdicts.iter().any(changed)
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
