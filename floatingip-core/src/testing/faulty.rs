//! A store whose writes fail the way networks and crashes make them fail, when the test says so.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::plan::Batch;
use crate::store::{Answer, LoadError, Outcome, Snapshot, Store};

/// What goes wrong with one write (with the batch as a whole, in a store that is atomic).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// `Unavailable`, and indeed not applied.
    Before,
    /// `Unknown`, and not applied.
    UnknownBefore,
    /// `Unknown`, but applied.
    UnknownAfter,
    /// `Unknown`, and held back: lands when the test delivers it, if its expectation holds then.
    Late,
    /// Applied and answered truthfully; a copy is held back and lands a second time.
    Twice,
    /// Like [`Fault::Late`], but lands before everything that was held back earlier.
    Reordered,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Before,
        Self::UnknownBefore,
        Self::UnknownAfter,
        Self::Late,
        Self::Twice,
        Self::Reordered,
    ];
}

/// How many faults of each kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Fault::ALL.len()]);

impl Counts {
    /// How many of one kind. [`Fault::Reordered`] counts as [`Fault::Late`] where there was nothing
    /// to overtake.
    pub fn of(&self, kind: Fault) -> u64 {
        let slots = Fault::ALL.iter().zip(self.0);
        slots
            .filter(|(fault, _)| **fault == kind)
            .map(|(_, count)| count)
            .sum()
    }

    fn add(&mut self, kind: Fault) {
        let slots = Fault::ALL.iter().zip(&mut self.0);
        for (_, count) in slots.filter(|(fault, _)| **fault == kind) {
            *count = count.saturating_add(1);
        }
    }
}

/// A store around another one that lets writes fail as a script says. Nothing in it is random and
/// nothing depends on time. A clone is another handle, with the same script and held back writes.
///
/// The script is asked once for every write, or once for every batch where the store is atomic, with
/// a number that counts those questions from 0. Writes of one batch are made one after the other.
///
/// ```
/// use floatingip_core::Store;
/// use floatingip_core::memory::MemoryStore;
/// use floatingip_core::store::Answer;
/// use floatingip_core::testing::fixture::{batch, create, ip, pod, record};
/// use floatingip_core::testing::{Fault, FaultyStore, block_on};
///
/// let store = FaultyStore::scripted(MemoryStore::per_record(), [Some(Fault::Late)]);
/// let batch = batch(1, [create(ip(1), record(pod("web").owner()))]);
/// assert_eq!(block_on(store.apply(&batch)), [Answer::Unknown]);
/// assert!(block_on(store.load())?.addresses.is_empty());
/// assert_eq!(block_on(store.deliver()), 1);
/// assert_eq!(block_on(store.load())?.addresses.len(), 1);
/// # Ok::<(), floatingip_core::store::LoadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FaultyStore<S> {
    inner: S,
    state: Arc<Mutex<State>>,
}

impl<S: Store> FaultyStore<S> {
    /// Around a store, with a script that decides by number and content of the write.
    pub fn new(
        inner: S,
        script: impl FnMut(u64, &Batch) -> Option<Fault> + Send + 'static,
    ) -> Self {
        Self {
            inner,
            state: Arc::new(Mutex::new(State {
                script: Box::new(script),
                asked: 0,
                held: VecDeque::new(),
                counts: Counts::default(),
            })),
        }
    }

    /// Around a store, with the faults of the first writes; after them nothing goes wrong any more.
    pub fn scripted<I>(inner: S, faults: I) -> Self
    where
        I: IntoIterator<Item = Option<Fault>, IntoIter: Send + 'static>,
    {
        let mut faults = faults.into_iter();
        Self::new(inner, move |_, _| faults.next().flatten())
    }

    /// The store without its faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The faults there were.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// How many writes are held back.
    pub fn held(&self) -> usize {
        self.state().held.len()
    }

    /// Lets everything that is held back land, in its order, and tells how many that were. Nobody
    /// hears the answers.
    pub async fn deliver(&self) -> usize {
        let mut landed = 0;
        while self.deliver_next().await {
            landed += 1;
        }
        landed
    }

    /// Lets the next held back write land; false if there is none.
    pub async fn deliver_next(&self) -> bool {
        let next = self.state().held.pop_front();
        if let Some(batch) = &next {
            self.inner.apply(batch).await;
        }
        next.is_some()
    }

    /// Forgets what is held back: it was lost on the way.
    pub fn lose(&self) {
        self.state().held.clear();
    }

    async fn apply_or_fail(&self, batch: &Batch) -> Vec<Answer> {
        let all = |answer: Answer| vec![answer; batch.writes.len()];
        let fault = self.state().next_fault(batch);
        match fault {
            Some(Fault::Before) => all(Answer::Definite(Outcome::Unavailable)),
            Some(Fault::UnknownBefore | Fault::Late | Fault::Reordered) => all(Answer::Unknown),
            Some(Fault::UnknownAfter) => {
                self.inner.apply(batch).await;
                all(Answer::Unknown)
            }
            Some(Fault::Twice) | None => self.inner.apply(batch).await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn atomic(&self) -> bool {
        self.inner.atomic()
    }

    async fn load(&self) -> Result<Snapshot, LoadError> {
        self.inner.load().await
    }

    async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        if self.atomic() {
            return self.apply_or_fail(batch).await;
        }
        let mut answers = Vec::with_capacity(batch.writes.len());
        let mut stopped = false;
        for write in &batch.writes {
            if stopped {
                answers.push(Answer::Definite(Outcome::Unavailable));
                continue;
            }
            let single = Batch {
                writes: vec![write.clone()],
                ..*batch
            };
            let answer = self.apply_or_fail(&single).await;
            let applied = matches!(answer[..], [Answer::Definite(Outcome::Applied(_))]);
            stopped = batch.in_order && !applied;
            answers.extend(answer);
        }
        answers
    }
}

struct State {
    script: Box<dyn Script>,
    asked: u64,
    held: VecDeque<Batch>,
    counts: Counts,
}

impl State {
    /// The fault of the next write; holds the write back where the fault does that.
    fn next_fault(&mut self, batch: &Batch) -> Option<Fault> {
        let number = self.asked;
        self.asked = number.saturating_add(1);
        let mut fault = (self.script)(number, batch)?;
        if fault == Fault::Reordered && self.held.is_empty() {
            fault = Fault::Late;
        }
        match fault {
            Fault::Late | Fault::Twice => self.held.push_back(batch.clone()),
            Fault::Reordered => self.held.push_front(batch.clone()),
            Fault::Before | Fault::UnknownBefore | Fault::UnknownAfter => {}
        }
        self.counts.add(fault);
        Some(fault)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("asked", &self.asked)
            .field("held", &self.held)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// Which fault hits the n-th write.
trait Script: FnMut(u64, &Batch) -> Option<Fault> + Send {}

impl<F: FnMut(u64, &Batch) -> Option<Fault> + Send> Script for F {}

#[cfg(test)]
mod tests;
