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
    writes: Vec<State>,
}

/// What is known of one write.
#[expect(
    clippy::large_enum_variant,
    reason = "a record is what nearly all of them come to carry"
)]
#[derive(Clone, Debug)]
enum State {
    /// Certainly not applied so far.
    Fresh,
    /// Tried, without a definite answer: it may have been applied, or may still be.
    Doubtful,
    Definite(Outcome),
}

/// The same while somebody works on it.
pub(super) struct Work<'a, S: Store, T: Timer, W: World + Send + Sync> {
    owner: &'a Orchestrator<S, T, W>,
    left: Option<Left>,
}

impl<'a, S: Store, T: Timer, W: World + Send + Sync> Work<'a, S, T, W> {
    pub(super) fn new(owner: &'a Orchestrator<S, T, W>, plan: Plan) -> Self {
        let writes = vec![State::Fresh; plan.batch().writes.len()];
        Self::resume(owner, Left { plan, writes })
    }

    pub(super) fn resume(owner: &'a Orchestrator<S, T, W>, left: Left) -> Self {
        Self {
            owner,
            left: Some(left),
        }
    }

    /// Makes the writes that have no definite answer yet; says whether all have one now.
    pub(super) async fn advance(&mut self) -> bool {
        let Some(left) = self.left.as_mut().filter(|left| left.is_open()) else {
            return true;
        };
        let (batch, before) = left.attempt();
        let answers = self.owner.store.apply(&batch).await;
        left.take(before, answers, self.owner.store.atomic());
        !left.is_open()
    }

    /// Ends it. What has no definite answer stays held.
    pub(super) fn settle(mut self) -> Settled {
        let Some(Left { plan, writes }) = self.left.take() else {
            return Settled::default();
        };
        let definite = writes.into_iter().map_while(State::definite).collect();
        let now = self.owner.timer.now();
        self.owner.engine().settle(plan, definite, now)
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
    fn is_open(&self) -> bool {
        self.writes.iter().any(State::is_open)
    }

    /// The writes whose outcome is not certain, and what was known of them. From now on they are in
    /// doubt: whoever stops waiting for the store does not stop the store.
    fn attempt(&mut self) -> (Batch, Vec<State>) {
        let batch = self.plan.batch();
        let each = batch.writes.iter().zip(&self.writes);
        let open = each.filter(|(_, state)| state.is_open());
        let batch = Batch {
            id: batch.id,
            writes: open.map(|(write, _)| write.clone()).collect(),
            in_order: batch.in_order,
        };
        let open = self.writes.iter_mut().filter(|state| state.is_open());
        let before = open.map(|state| std::mem::replace(state, State::Doubtful));
        (batch, before.collect())
    }

    /// Takes in answers to the open writes, in their order.
    fn take(&mut self, before: Vec<State>, answers: Vec<Answer>, atomic: bool) {
        let in_order = self.plan.batch().in_order;
        let mut refused = atomic && answers.iter().any(is_refused);
        let mut waits = false;
        let open = self.writes.iter_mut().filter(|state| state.is_open());
        for ((state, before), answer) in open.zip(before).zip(answers) {
            refused |= in_order && is_refused(&answer);
            *state = match answer {
                Answer::Unknown => State::Doubtful,
                // It was not its turn, and it is when the writes before it are certain.
                Answer::Definite(Outcome::Unavailable) if waits => before,
                // This attempt did nothing, which says nothing of the one before it; but a refusal
                // answers everything that depends on it.
                Answer::Definite(Outcome::Unavailable) if before.is_doubtful() && !refused => {
                    before
                }
                Answer::Definite(outcome) => State::Definite(outcome),
            };
            waits |= in_order && state.is_open();
        }
    }
}

impl State {
    const fn is_open(&self) -> bool {
        !matches!(self, Self::Definite(_))
    }

    const fn is_doubtful(&self) -> bool {
        matches!(self, Self::Doubtful)
    }

    fn definite(self) -> Option<Outcome> {
        match self {
            Self::Definite(outcome) => Some(outcome),
            Self::Fresh | Self::Doubtful => None,
        }
    }
}

const fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Answer::Definite(Outcome::Refused(_)))
}
