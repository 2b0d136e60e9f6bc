//! The suite is able to fail: stores that each break one promise, and the checks that say so.

use std::collections::BTreeSet;

use super::*;
use crate::memory::MemoryStore;
use crate::plan::{Batch, Write};
use crate::record::{PlanId, Value, Version};
use crate::testing::block_on;
use crate::testing::fixture::{at, ip};

mod flawed;

use flawed::{Flaw, Flawed};

/// The checks that fail, by name.
fn failing(flaw: Flaw) -> Vec<&'static str> {
    let checked = block_on(check_all(&mut async || Flawed::new(flaw)));
    let violations = checked
        .err()
        .map(|broken| broken.violations)
        .unwrap_or_default();
    violations.iter().map(|violation| violation.check).collect()
}

/// Each flaw with the check that is made for it.
const CASES: &[(Flaw, &str)] = &[
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
        Flaw::StopsOrderedWritesTooEarly,
        "ordered_writes_that_fit_are_all_made_and_recognised",
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

#[test]
fn every_flaw_is_found_by_the_check_that_is_made_for_it() {
    for (flaw, check) in CASES {
        let failing = failing(*flaw);
        assert!(
            failing.contains(check),
            "{flaw:?} is found by {failing:?} only"
        );
    }
}

#[test]
fn every_check_is_able_to_fail() {
    let found: BTreeSet<_> = CASES.iter().flat_map(|(flaw, _)| failing(*flaw)).collect();
    let all = checks::<MemoryStore>().into_iter().map(|(name, _)| name);
    let never: Vec<_> = all.filter(|name| !found.contains(name)).collect();
    assert_eq!(never, [""; 0]);
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
                let id = change
                    .value
                    .as_ref()
                    .and_then(Value::plan)
                    .unwrap_or(PlanId {
                        incarnation: 0,
                        serial: 0,
                    });
                let expect = opened.current(&change.target).map(|(version, _)| version);
                let write = Write {
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
        let last = at(ip(2));
        batch.writes.retain(|write| write.target != last);
    };
    let broken = reopened(deletes_unnoticed).unwrap_err();
    assert!(
        broken.to_string().contains("versions that go on growing"),
        "{broken}"
    );
}
