//! What was done since the store was opened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use floatingip_core::record::Version;
use floatingip_core::times::Times;

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
pub(super) struct Counters {
    batches: AtomicU64,
    commits: AtomicU64,
    failures: AtomicU64,
    last_commit_nanos: AtomicU64,
    pub(super) commit_times: Times,
    latest: Mutex<Option<Version>>,
}

impl Counters {
    pub(super) fn answered(&self) {
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, took: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.last_commit_nanos.store(nanos, Ordering::Relaxed);
        self.commit_times.add(took);
    }

    /// The version of the latest write; none where nobody knows it.
    pub(super) fn latest(&self) -> Option<Version> {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_latest(&self, version: Option<Version>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            batches: read(&self.batches),
            commits: read(&self.commits),
            failures: read(&self.failures),
            last_commit: Duration::from_nanos(read(&self.last_commit_nanos)),
        }
    }
}
