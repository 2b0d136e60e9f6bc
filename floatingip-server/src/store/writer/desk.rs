//! The writer thread's side: what all callers asked for meanwhile becomes one transaction with one flush.

use std::cell::Cell;
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
    Unavailable(redb::Error),
    /// The commit was begun.
    Unknown(redb::Error),
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
        let verdicts = match self.file.with(|database| self.attempt(database, &group)) {
            Ok(Ok(done)) => {
                self.apps.take_in(done.apps);
                done.verdicts
            }
            Ok(Err(failure)) => {
                self.counters.failed();
                self.apps_in_doubt.set(true);
                self.file.lose();
                vec![failure.reported(); group.len()]
            }
            Err(error) => {
                self.counters.failed();
                error!(
                    error = &error as &dyn std::error::Error,
                    "the store cannot be opened again"
                );
                vec![Verdict::Unavailable; group.len()]
            }
        };
        for (job, verdict) in group.into_iter().zip(verdicts) {
            if matches!(job.work, Work::Batch(..)) {
                self.counters.answered();
            }
            job.work.answer(verdict, &self.doubt);
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
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Unavailable(error.into())
    }
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
            error = error as &dyn std::error::Error,
            "the store was not written: check the disk and the free space on it"
        );
        verdict
    }
}
