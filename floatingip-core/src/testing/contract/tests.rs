//! The suite is able to fail: stores that each break one promise, and the checks that say so.

use std::sync::Mutex;

use super::*;
use crate::memory::MemoryStore;
use crate::plan::Batch;
use crate::record::{Value, Version};
use crate::store::{Answer, LoadError, Outcome, Snapshot};
use crate::testing::block_on;

/// How a store breaks its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
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
struct Flawed {
    flaw: Flaw,
    inner: Mutex<MemoryStore>,
}

impl Flawed {
    fn new(flaw: Flaw) -> Self {
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
            Flaw::RefusesRepeatedPuts => batch.id.incarnation += inner.version().0 + 1,
            Flaw::DropsTheEndOfLargeBatches => batch.writes.truncate(999),
            Flaw::KeepsDeletedRecords => batch.writes.retain(|write| write.put.is_some()),
            Flaw::MixesAddressFamilies => {
                for write in &mut batch.writes {
                    if let crate::record::Target::Address(ip) = &mut write.target {
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
                record.updated_at = crate::WallTime::from_nanos(nanos - nanos % 1_000);
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

/// The checks that fail, by name.
fn failing(flaw: Flaw) -> Vec<&'static str> {
    let checked = block_on(check_all(&mut async || Flawed::new(flaw)));
    let violations = checked
        .err()
        .map(|broken| broken.violations)
        .unwrap_or_default();
    violations.iter().map(|violation| violation.check).collect()
}

#[test]
fn every_flaw_is_found_by_the_check_that_is_made_for_it() {
    let cases = [
        (
            Flaw::IgnoresExpectations,
            "a_create_over_a_record_is_refused_and_tells_who_is_there",
        ),
        (
            Flaw::HidesWhoIsThere,
            "a_write_at_another_version_is_refused_and_tells_who_is_there",
        ),
        (
            Flaw::RefusesRepeatedPuts,
            "a_repeated_put_answers_as_the_first_time",
        ),
        (
            Flaw::RefusesRepeatedDeletions,
            "a_repeated_deletion_is_applied",
        ),
        (
            Flaw::DeletesWhatWasRecreated,
            "a_repeated_deletion_spares_a_recreated_record",
        ),
        (
            Flaw::TakesWorkOfOthersForItsOwn,
            "another_plan_with_the_same_record_is_refused",
        ),
        (
            Flaw::RestartsVersionsWhenEmpty,
            "versions_grow_across_deletion_and_recreation",
        ),
        (Flaw::VersionStandsStill, "versions_grow_with_every_write"),
        (
            Flaw::AppliesPartOfAnAtomicBatch,
            "a_refused_write_meets_the_rest_as_the_store_says",
        ),
        (
            Flaw::ForgetsThatAnAtomicBatchWasApplied,
            "a_partly_overwritten_batch_answers_one_by_one",
        ),
        (
            Flaw::IgnoresOrder,
            "ordered_writes_stop_at_the_first_that_is_not_applied",
        ),
        (
            Flaw::RefusesAllForOne,
            "a_refused_write_meets_the_rest_as_the_store_says",
        ),
        (
            Flaw::AnswersBackwards,
            "answers_come_in_the_order_of_the_batch",
        ),
        (Flaw::AnswersTooFew, "a_created_record_is_there"),
        (Flaw::NeverKnows, "a_created_record_is_there"),
        (
            Flaw::DropsTheEndOfLargeBatches,
            "a_thousand_writes_are_one_batch",
        ),
        (Flaw::KeepsDeletedRecords, "a_deleted_record_is_gone"),
        (Flaw::LosesAttachments, "every_field_of_a_record_survives"),
        (Flaw::LosesNanoseconds, "every_field_of_a_record_survives"),
        (Flaw::LosesPoolFlags, "every_field_of_a_pool_survives"),
        (
            Flaw::MixesAddressFamilies,
            "both_address_families_survive_to_their_ends",
        ),
        (Flaw::LoadsTwice, "load_tells_everything_once"),
        (Flaw::SnapshotTooOld, "versions_grow_with_every_write"),
        (Flaw::CannotBeRead, "a_created_record_is_there"),
    ];
    for (flaw, check) in cases {
        let failing = failing(flaw);
        assert!(
            failing.contains(&check),
            "{flaw:?} is found by {failing:?} only"
        );
    }
}

#[test]
fn two_winners_on_one_target_are_found() {
    let check = "of_concurrent_batches_on_one_target_exactly_one_wins";
    for flaw in [Flaw::IgnoresExpectations, Flaw::TakesWorkOfOthersForItsOwn] {
        assert!(failing(flaw).contains(&check), "{flaw:?}");
    }
}

#[test]
fn a_violation_names_check_expectation_and_finding() {
    let broken = block_on(check_all(&mut async || Flawed::new(Flaw::LosesPoolFlags)));
    let broken = broken.unwrap_err();
    assert_eq!(broken.violations.len(), 1);
    let text = broken.to_string();
    for part in [
        "every_field_of_a_pool_survives",
        "expected",
        "owed: true",
        "found",
        "owed: false",
    ] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

/// A reopened store that differs from the closed one in some way.
fn reopened(spoil: impl Fn(&mut Batch)) -> Result<(), Violations> {
    block_on(reopen(
        MemoryStore::per_record(),
        async |closed: MemoryStore| {
            let opened = MemoryStore::per_record();
            for change in closed.changes_since(Version(0)).unwrap() {
                let id =
                    change
                        .value
                        .as_ref()
                        .and_then(Value::plan)
                        .unwrap_or(crate::record::PlanId {
                            incarnation: 0,
                            serial: 0,
                        });
                let expect = opened.current(&change.target).map(|(version, _)| version);
                let write = crate::plan::Write {
                    target: change.target,
                    expect,
                    put: change.value,
                    entry: None,
                };
                let mut batch = Batch {
                    id,
                    writes: vec![write],
                    in_order: false,
                };
                spoil(&mut batch);
                opened.apply(&batch).await;
            }
            opened
        },
    ))
}

#[test]
fn a_reopened_store_that_forgot_something_is_found() {
    assert_eq!(reopened(|_| ()), Ok(()));
    let forgets_pools = |batch: &mut Batch| {
        batch
            .writes
            .retain(|write| !matches!(write.put, Some(Value::Pool(_))));
    };
    let forgets_plans = |batch: &mut Batch| {
        for write in &mut batch.writes {
            if let Some(Value::Address(record)) = &mut write.put {
                record.plan = None;
            }
        }
    };
    let forgets_everything = |batch: &mut Batch| batch.writes.clear();
    assert!(reopened(forgets_pools).is_err());
    assert!(reopened(forgets_plans).is_err());
    assert!(reopened(forgets_everything).is_err());
}

#[test]
fn a_reopened_store_that_counts_on_from_the_records_left_is_found() {
    let deletes_unnoticed = |batch: &mut Batch| {
        let last = crate::testing::fixture::at(crate::testing::fixture::ip(2));
        batch.writes.retain(|write| write.target != last);
    };
    let broken = reopened(deletes_unnoticed).unwrap_err();
    assert!(
        broken.to_string().contains("versions that go on growing"),
        "{broken}"
    );
}
