//! Work: a plan on its way to being settled. It cannot get lost: dropped early, it is left for later.

use super::{Orchestrator, Timer};
use crate::engine::Settled;
use crate::fact::World;
use crate::plan::{Batch, Plan};
use crate::store::{Answer, Outcome, Store};

/// A plan with the answers it has so far.
#[derive(Debug)]
pub(super) struct Left {
    plan: Plan,
    outcomes: Vec<Option<Outcome>>,
}

/// The same while somebody works on it.
pub(super) struct Work<'a, S: Store, T: Timer, W: World + Send + Sync> {
    owner: &'a Orchestrator<S, T, W>,
    left: Option<Left>,
}

impl<'a, S: Store, T: Timer, W: World + Send + Sync> Work<'a, S, T, W> {
    pub(super) fn new(owner: &'a Orchestrator<S, T, W>, plan: Plan) -> Self {
        let outcomes = vec![None; plan.batch().writes.len()];
        Self {
            owner,
            left: Some(Left { plan, outcomes }),
        }
    }

    pub(super) fn resume(owner: &'a Orchestrator<S, T, W>, left: Left) -> Self {
        Self {
            owner,
            left: Some(left),
        }
    }

    /// Makes the writes that have no definite answer yet; says whether all have one now.
    pub(super) async fn advance(&mut self) -> bool {
        let Some(batch) = self.left.as_ref().map(Left::open) else {
            return true;
        };
        if batch.writes.is_empty() {
            return true;
        }
        let answers = self.owner.store.apply(&batch).await;
        self.left.as_mut().is_none_or(|left| left.take(answers))
    }

    /// Ends it. What has no definite answer stays held.
    pub(super) fn settle(mut self) -> Settled {
        let Some(Left { plan, outcomes }) = self.left.take() else {
            return Settled::default();
        };
        let definite = outcomes.into_iter().flatten().collect();
        self.owner
            .engine()
            .settle(plan, definite, self.owner.timer.now())
    }
}

impl<S: Store, T: Timer, W: World + Send + Sync> Drop for Work<'_, S, T, W> {
    fn drop(&mut self) {
        if let Some(left) = self.left.take() {
            self.owner.left().push_back(left);
        }
    }
}

impl Left {
    /// The writes whose outcome is not certain.
    fn open(&self) -> Batch {
        let batch = self.plan.batch();
        let writes = batch.writes.iter().zip(&self.outcomes);
        let open = writes.filter(|(_, outcome)| outcome.is_none());
        Batch {
            id: batch.id,
            writes: open.map(|(write, _)| write.clone()).collect(),
            in_order: batch.in_order,
        }
    }

    /// Takes in answers to the open writes, in their order; says whether none is open any more.
    fn take(&mut self, answers: Vec<Answer>) -> bool {
        let open = self.outcomes.iter_mut().filter(|outcome| outcome.is_none());
        for (place, answer) in open.zip(answers) {
            if let Answer::Definite(outcome) = answer {
                *place = Some(outcome);
            }
        }
        self.outcomes.iter().all(Option::is_some)
    }
}
