//! The store that lives as long as the process: for embedding, for tests, and as the plainest
//! reading of what [`Store`] asks for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::plan::{Batch, Entry, Write};
use crate::record::{PlanId, Target, Value, Version};
use crate::store::{Answer, LoadError, Outcome, Snapshot, Store};

mod history;

use history::History;
pub use history::{Change, Forgotten};

/// A store in memory. A clone is another handle of the same store, so that it outlives an engine
/// that is dropped and is shared by two.
///
/// Its versions come from one counter. A write costs the logarithm of the number of records.
///
/// ```
/// use floatingip_core::Store;
/// use floatingip_core::memory::MemoryStore;
/// use floatingip_core::plan::{Batch, Write};
/// use floatingip_core::record::{PlanId, PoolRecord, Version};
///
/// let store = MemoryStore::atomic();
/// let id = PlanId { incarnation: 1, serial: 1 };
/// let record = PoolRecord { size: 3, pre_allocate: false, owed: true, plan: Some(id) };
/// let write = Write::pool("blue".parse()?, None, Some(record));
/// let batch = Batch { id, writes: vec![write], in_order: false };
///
/// # floatingip_core::testing::block_on(async {
/// store.apply(&batch).await;
/// assert_eq!(store.load().await?.pools.len(), 1);
/// assert_eq!(store.changes_since(Version(0))?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore {
    atomic: bool,
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    /// How many changes a store remembers unless told otherwise.
    pub const HISTORY: usize = 4096;

    /// An empty store that applies a batch as a whole or not at all.
    pub fn atomic() -> Self {
        Self::new(true)
    }

    /// An empty store that applies each write of a batch by itself, as a cluster does.
    pub fn per_record() -> Self {
        Self::new(false)
    }

    fn new(atomic: bool) -> Self {
        Self {
            atomic,
            state: Arc::default(),
        }
    }

    /// Remembers at most the last `changes` changes from now on; `usize::MAX` is all of them, for
    /// tests that end. Holds for every handle of this store.
    #[must_use]
    pub fn with_history(self, changes: usize) -> Self {
        self.state().history.resize(changes);
        self
    }

    /// The newest version there is.
    pub fn version(&self) -> Version {
        self.state().version
    }

    /// What stands at a target.
    pub fn current(&self, target: &Target) -> Option<(Version, Value)> {
        self.state().records.get(target).cloned()
    }

    /// What changed after a version, the oldest change first: the echo that a watch would bring.
    ///
    /// # Errors
    /// [`Forgotten`] where changes after that version are no longer remembered.
    pub fn changes_since(&self, version: Version) -> Result<Vec<Change>, Forgotten> {
        self.state().history.since(version)
    }

    /// The remembered lines of the journal, the oldest first, with where they belong.
    pub fn journal(&self) -> Vec<(Target, Entry)> {
        self.state().history.journal()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics halfway through a change, so what a panicking thread left is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn atomic(&self) -> bool {
        self.atomic
    }

    async fn load(&self) -> Result<Snapshot, LoadError> {
        Ok(self.state().snapshot())
    }

    async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        let mut state = self.state();
        let outcomes = if self.atomic {
            state.apply_whole(batch)
        } else {
            state.apply_each(batch)
        };
        outcomes.into_iter().map(Answer::Definite).collect()
    }
}

#[derive(Debug, Default)]
struct State {
    version: Version,
    records: BTreeMap<Target, (Version, Value)>,
    history: History,
}

/// What a write would meet.
#[expect(
    clippy::large_enum_variant,
    reason = "a record is what nearly all of them carry"
)]
enum Verdict {
    Fits,
    /// It was made before, or there is nothing left to delete.
    Done(Version),
    Refused(Option<(Version, Value)>),
    /// The value is not of the target's kind.
    Misfit,
}

impl State {
    fn apply_each(&mut self, batch: &Batch) -> Vec<Outcome> {
        let mut stopped = false;
        let mut apply = |write| {
            let outcome = match self.judge(batch.id, write) {
                Verdict::Fits if stopped => Outcome::Unavailable,
                Verdict::Fits => Outcome::Applied(self.make(write)),
                other => other.outcome(),
            };
            stopped |= batch.in_order && !matches!(outcome, Outcome::Applied(_));
            outcome
        };
        batch.writes.iter().map(&mut apply).collect()
    }

    fn apply_whole(&mut self, batch: &Batch) -> Vec<Outcome> {
        let judge = |write| (write, self.judge(batch.id, write));
        let judged: Vec<(&Write, Verdict)> = batch.writes.iter().map(judge).collect();
        // One record of this plan proves that all of it was applied once. What others changed since
        // stays as they left it, even where an expectation happens to hold again.
        let before = judged
            .iter()
            .any(|(write, verdict)| matches!((&write.put, verdict), (Some(_), Verdict::Done(_))));
        let refused = |verdict: &Verdict| matches!(verdict, Verdict::Refused(_) | Verdict::Misfit);
        if !before && !judged.iter().any(|(_, verdict)| refused(verdict)) {
            return self.apply_each(batch);
        }
        let outcome = |(write, verdict): (&Write, Verdict)| match verdict {
            Verdict::Fits if before => Outcome::Refused(self.records.get(&write.target).cloned()),
            other => other.outcome(),
        };
        judged.into_iter().map(outcome).collect()
    }

    fn judge(&self, id: PlanId, write: &Write) -> Verdict {
        let misfit = |value| !belongs(&write.target, value);
        let current = self.records.get(&write.target);
        match (&write.put, current) {
            (Some(value), _) if misfit(value) => Verdict::Misfit,
            (None, None) => Verdict::Done(write.expect.unwrap_or(self.version)),
            (_, found) if found.map(|(version, _)| *version) == write.expect => Verdict::Fits,
            (Some(_), Some((version, value))) if value.plan() == Some(id) => {
                Verdict::Done(*version)
            }
            (_, found) => Verdict::Refused(found.cloned()),
        }
    }

    fn make(&mut self, write: &Write) -> Version {
        self.version = Version(self.version.0.saturating_add(1));
        match &write.put {
            Some(value) => self
                .records
                .insert(write.target.clone(), (self.version, value.clone())),
            None => self.records.remove(&write.target),
        };
        self.history.push(Change {
            target: write.target.clone(),
            version: self.version,
            value: write.put.clone(),
            entry: write.entry.clone(),
        });
        self.version
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            version: self.version,
            ..Snapshot::default()
        };
        for (target, (version, value)) in &self.records {
            match (target.clone(), value.clone()) {
                (Target::Address(ip), Value::Address(record)) => {
                    snapshot.addresses.push((ip, *version, record));
                }
                (Target::Pool(name), Value::Pool(record)) => {
                    snapshot.pools.push((name, *version, record));
                }
                // No write of the wrong kind was ever let in.
                (Target::Address(_), Value::Pool(_)) | (Target::Pool(_), Value::Address(_)) => {}
            }
        }
        snapshot
    }
}

impl Verdict {
    /// What becomes of the write if nothing is written.
    fn outcome(self) -> Outcome {
        match self {
            Self::Fits | Self::Misfit => Outcome::Unavailable,
            Self::Done(version) => Outcome::Applied(version),
            Self::Refused(found) => Outcome::Refused(found),
        }
    }
}

fn belongs(target: &Target, value: &Value) -> bool {
    matches!(
        (target, value),
        (Target::Address(_), Value::Address(_)) | (Target::Pool(_), Value::Pool(_))
    )
}

#[cfg(test)]
mod tests;
