//! Which plans were answered `Unknown`, and so may stand in the file already.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use floatingip_core::plan::Batch;
use floatingip_core::record::PlanId;
use floatingip_core::store::{Answer, Outcome};

/// The plans with an open doubt. A repeated write that cannot be made is not `Unavailable`
/// ("certainly not applied") while an earlier attempt may have been: it stays `Unknown`.
#[derive(Debug, Default)]
pub(super) struct Doubt(Mutex<HashSet<PlanId>>);

impl Doubt {
    /// The answers to a batch that was looked at: definite.
    pub(super) fn settled(&self, batch: &Batch, outcomes: Vec<Outcome>) -> Vec<Answer> {
        self.change(|plans| plans.remove(&batch.id));
        outcomes.into_iter().map(Answer::Definite).collect()
    }

    /// The answers to a batch that was not written this time.
    pub(super) fn not_written(&self, batch: &Batch) -> Vec<Answer> {
        let answer = if self.change(|plans| plans.contains(&batch.id)) {
            Answer::Unknown
        } else {
            Answer::Definite(Outcome::Unavailable)
        };
        vec![answer; batch.writes.len()]
    }

    /// The answers to a batch that was perhaps written.
    pub(super) fn unknown(&self, batch: &Batch) -> Vec<Answer> {
        self.change(|plans| plans.insert(batch.id));
        vec![Answer::Unknown; batch.writes.len()]
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashSet<PlanId>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
