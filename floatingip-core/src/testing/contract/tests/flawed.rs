//! A good store with one flaw put around it.

use std::sync::Mutex;

use crate::memory::MemoryStore;
use crate::plan::Batch;
use crate::record::{Target, Version};
use crate::store::{Answer, LoadError, Outcome, Snapshot, Store};
use crate::time::WallTime;

/// How a store breaks its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    IgnoresExpectations,
    HidesWhoIsThere,
    RefusesRepeatedPuts,
    RefusesRepeatedDeletions,
    DeletesWhatWasRecreated,
    TakesWorkOfOthersForItsOwn,
    RestartsVersionsWhenEmpty,
    VersionStandsStill,
    AppliesPartOfAnAtomicBatch,
    ForgetsThatAnAtomicBatchWasApplied,
    IgnoresOrder,
    StopsOrderedWritesTooEarly,
    RefusesAllForOne,
    AnswersBackwards,
    AnswersTooFew,
    NeverKnows,
    DropsTheEndOfLargeBatches,
    KeepsDeletedRecords,
    LosesAttachments,
    LosesNanoseconds,
    LosesPoolFlags,
    MixesAddressFamilies,
    LoadsTwice,
    SnapshotTooOld,
    CannotBeRead,
}

/// A good store with one flaw put around it.
pub(super) struct Flawed {
    flaw: Flaw,
    inner: Mutex<MemoryStore>,
}

impl Flawed {
    pub(super) fn new(flaw: Flaw) -> Self {
        let atomic = matches!(
            flaw,
            Flaw::ForgetsThatAnAtomicBatchWasApplied | Flaw::VersionStandsStill
        );
        let inner = if atomic {
            MemoryStore::atomic()
        } else {
            MemoryStore::per_record()
        };
        Self {
            flaw,
            inner: Mutex::new(inner),
        }
    }

    fn inner(&self) -> MemoryStore {
        self.inner.lock().unwrap().clone()
    }

    /// Changes the batch before the good store sees it.
    fn spoil_batch(&self, batch: &mut Batch) {
        let inner = self.inner();
        match self.flaw {
            Flaw::IgnoresExpectations => {
                for write in &mut batch.writes {
                    write.expect = inner.current(&write.target).map(|(version, _)| version);
                }
            }
            Flaw::DeletesWhatWasRecreated => {
                for write in batch.writes.iter_mut().filter(|write| write.put.is_none()) {
                    write.expect = inner.current(&write.target).map(|(version, _)| version);
                }
            }
            Flaw::IgnoresOrder => batch.in_order = false,
            Flaw::StopsOrderedWritesTooEarly if batch.in_order => batch.writes.truncate(1),
            Flaw::RefusesRepeatedPuts => batch.id.incarnation += inner.version().0 + 1,
            Flaw::DropsTheEndOfLargeBatches => batch.writes.truncate(999),
            Flaw::KeepsDeletedRecords => batch.writes.retain(|write| write.put.is_some()),
            Flaw::MixesAddressFamilies => {
                for write in &mut batch.writes {
                    if let Target::Address(ip) = &mut write.target {
                        *ip = ip.to_canonical();
                    }
                }
            }
            _ => {}
        }
    }

    /// Changes what the good store answered to `batch`.
    fn spoil_answers(&self, before: &MemoryStore, batch: &Batch, answers: &mut Vec<Answer>) {
        match self.flaw {
            Flaw::AnswersBackwards => answers.reverse(),
            Flaw::StopsOrderedWritesTooEarly => {
                answers.resize(batch.writes.len(), Answer::Definite(Outcome::Unavailable));
            }
            Flaw::AnswersTooFew => drop(answers.pop()),
            Flaw::NeverKnows => answers.fill(Answer::Unknown),
            Flaw::DropsTheEndOfLargeBatches | Flaw::KeepsDeletedRecords => {
                answers.resize(
                    batch.writes.len(),
                    Answer::Definite(Outcome::Applied(before.version())),
                );
            }
            _ => {}
        }
        for (answer, write) in answers.iter_mut().zip(&batch.writes) {
            let Answer::Definite(outcome) = answer else {
                continue;
            };
            self.spoil_outcome(outcome, batch, write.put.is_none());
        }
    }

    fn spoil_outcome(&self, outcome: &mut Outcome, batch: &Batch, deletion: bool) {
        match (self.flaw, &*outcome) {
            (Flaw::HidesWhoIsThere, Outcome::Refused(_)) => *outcome = Outcome::Refused(None),
            (Flaw::TakesWorkOfOthersForItsOwn, Outcome::Refused(Some((version, value))))
                if value
                    .plan()
                    .is_some_and(|plan| plan.incarnation == batch.id.incarnation) =>
            {
                *outcome = Outcome::Applied(*version);
            }
            (Flaw::VersionStandsStill, Outcome::Applied(_)) => {
                *outcome = Outcome::Applied(Version(1));
            }
            (Flaw::RefusesRepeatedDeletions, Outcome::Applied(version))
                if deletion && *version < self.inner().version() =>
            {
                *outcome = Outcome::Refused(None);
            }
            _ => {}
        }
    }

    /// Changes what is loaded.
    fn spoil_snapshot(&self, snapshot: &mut Snapshot) {
        let Snapshot {
            addresses,
            pools,
            version,
        } = snapshot;
        match self.flaw {
            Flaw::LosesAttachments => addresses.iter_mut().for_each(|(.., r)| r.attachment = None),
            Flaw::LosesNanoseconds => addresses.iter_mut().for_each(|(.., record)| {
                let nanos = record.updated_at.as_nanos();
                record.updated_at = WallTime::from_nanos(nanos - nanos % 1_000);
            }),
            Flaw::LosesPoolFlags => pools
                .iter_mut()
                .for_each(|(.., record)| record.owed = false),
            Flaw::LoadsTwice => addresses.extend(addresses.clone()),
            Flaw::SnapshotTooOld => version.0 = version.0.saturating_sub(1),
            _ => {}
        }
    }
}

impl Store for Flawed {
    fn atomic(&self) -> bool {
        self.flaw == Flaw::AppliesPartOfAnAtomicBatch || self.inner().atomic()
    }

    async fn load(&self) -> Result<Snapshot, LoadError> {
        if self.flaw == Flaw::CannotBeRead {
            return Err(LoadError::Unavailable("the disk is gone".into()));
        }
        let mut snapshot = self.inner().load().await?;
        self.spoil_snapshot(&mut snapshot);
        Ok(snapshot)
    }

    async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        let inner = self.inner();
        let empty = inner.load().await.is_ok_and(|all| all.addresses.is_empty());
        if self.flaw == Flaw::RestartsVersionsWhenEmpty && empty {
            *self.inner.lock().unwrap() = MemoryStore::per_record();
        }
        let mut spoilt = batch.clone();
        self.spoil_batch(&mut spoilt);
        let mut answers = self.inner().apply(&spoilt).await;
        self.spoil_answers(&inner, batch, &mut answers);
        let refused = |answer: &Answer| matches!(answer, Answer::Definite(Outcome::Refused(_)));
        let one_for_all = self.flaw == Flaw::RefusesAllForOne
            || self.flaw == Flaw::ForgetsThatAnAtomicBatchWasApplied;
        if one_for_all && answers.iter().any(refused) {
            for answer in answers.iter_mut().filter(|answer| !refused(answer)) {
                *answer = Answer::Definite(Outcome::Unavailable);
            }
        }
        answers
    }
}
