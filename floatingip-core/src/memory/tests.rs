use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::owner::Owner;
use crate::record::PoolRecord;
use crate::testing::block_on;
use crate::testing::contract;
use crate::testing::fixture::{
    at, batch, create, delete, ip, pod, pool_record, put_pool, record, update,
};

fn apply(store: &MemoryStore, batch: &Batch) -> Vec<Outcome> {
    let answers = block_on(store.apply(batch)).into_iter();
    answers
        .map(|answer| match answer {
            Answer::Definite(outcome) => outcome,
            Answer::Unknown => panic!("memory knows everything"),
        })
        .collect()
}

fn web() -> Owner {
    pod("web-0").of_statefulset("web").owner()
}

/// Addresses 1 to `count`, each created by a batch of its own.
fn filled(store: MemoryStore, count: u32) -> MemoryStore {
    for n in 1..=count {
        let created = apply(&store, &batch(n.into(), [create(ip(n), record(web()))]));
        assert_eq!(created, [Outcome::Applied(Version(n.into()))]);
    }
    store
}

#[test]
fn both_kinds_pass_the_contract() {
    block_on(contract::check_all(&mut async || MemoryStore::atomic())).unwrap();
    block_on(contract::check_all(&mut async || MemoryStore::per_record())).unwrap();
}

#[test]
fn what_another_handle_keeps_is_not_lost_with_this_one() {
    let store = MemoryStore::atomic();
    block_on(contract::reopen(store.clone(), async |closed| {
        drop(closed);
        store.clone()
    }))
    .unwrap();
}

#[test]
fn changes_are_told_in_order_with_deletions_and_journal() {
    let store = filled(MemoryStore::per_record(), 2);
    apply(&store, &batch(3, [put_pool("blue", None, pool_record(3))]));
    apply(&store, &batch(4, [delete(ip(1), Version(1))]));

    let changes = store.changes_since(Version(1)).unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|c| (c.target.to_string(), c.version.0, c.value.is_some()))
        .collect();
    let expected = [
        ("10.0.0.2", 2, true),
        ("pool blue", 3, true),
        ("10.0.0.1", 4, false),
    ];
    assert_eq!(
        told,
        expected.map(|(target, version, there)| (target.to_owned(), version, there))
    );
    let journal: Vec<Target> = store
        .journal()
        .into_iter()
        .map(|(target, _)| target)
        .collect();
    assert_eq!(
        journal,
        [at(ip(1)), at(ip(2)), at(ip(1))],
        "a pool has no journal"
    );
}

#[test]
fn what_changes_nothing_is_no_change() {
    let store = filled(MemoryStore::atomic(), 1);
    let again = batch(1, [create(ip(1), record(web()))]);
    assert_eq!(apply(&store, &again), [Outcome::Applied(Version(1))]);
    apply(&store, &batch(2, [create(ip(1), record(web()))]));
    apply(&store, &batch(3, [delete(ip(9), Version(1))]));
    assert_eq!(store.version(), Version(1));
    assert_eq!(store.changes_since(Version(1)), Ok(vec![]));
}

#[test]
fn history_is_bounded_and_says_what_it_forgot() {
    let store = filled(MemoryStore::atomic().with_history(3), 5);
    let forgotten = |since| Forgotten {
        since: Version(since),
        until: Version(2),
    };
    assert_eq!(store.changes_since(Version(0)), Err(forgotten(0)));
    assert_eq!(store.changes_since(Version(1)), Err(forgotten(1)));
    assert_eq!(store.changes_since(Version(2)).unwrap().len(), 3);
    assert_eq!(store.changes_since(Version(5)).unwrap().len(), 0);
    assert_eq!(store.changes_since(Version(u64::MAX)).unwrap().len(), 0);
    assert_eq!(store.journal().len(), 3);

    let none = store.with_history(0);
    assert!(none.changes_since(Version(4)).is_err());
    assert_eq!(none.changes_since(Version(5)), Ok(vec![]));
}

#[test]
fn a_value_of_the_wrong_kind_is_not_let_in() {
    let mut wrong = create(ip(1), record(web()));
    wrong.put = Some(Value::Pool(PoolRecord {
        size: 1,
        pre_allocate: false,
        owed: false,
        plan: None,
    }));
    let both = batch(1, [wrong, create(ip(2), record(web()))]);

    let whole = MemoryStore::atomic();
    assert_eq!(
        apply(&whole, &both),
        [Outcome::Unavailable, Outcome::Unavailable]
    );
    let each = MemoryStore::per_record();
    assert_eq!(
        apply(&each, &both),
        [Outcome::Unavailable, Outcome::Applied(Version(1))]
    );
    assert_eq!(each.current(&at(ip(1))), None);
}

#[test]
fn an_atomic_batch_that_was_applied_is_not_applied_again_in_part() {
    let store = MemoryStore::atomic();
    let both = batch(1, [1, 2].map(|n| create(ip(n), record(web()))));
    apply(&store, &both);
    apply(&store, &batch(2, [delete(ip(2), Version(2))]));

    // "Nothing there" holds again for the second address, but somebody deleted it on purpose.
    let again = [Outcome::Applied(Version(1)), Outcome::Refused(None)];
    assert_eq!(apply(&store, &both), again);
    assert_eq!(store.current(&at(ip(2))), None);
}

#[test]
fn ordered_writes_go_on_after_those_that_were_made_before() {
    let store = filled(MemoryStore::per_record(), 1);
    let both = batch(1, [1, 2].map(|n| create(ip(n), record(web()))));
    let in_order = Batch {
        in_order: true,
        ..both
    };
    assert_eq!(
        apply(&store, &in_order),
        [1, 2].map(|v| Outcome::Applied(Version(v)))
    );
    let update = update(ip(1), Version(1), record(web()));
    assert_eq!(
        apply(&store, &batch(3, [update])),
        [Outcome::Applied(Version(3))]
    );
    let [first, second] = &apply(&store, &in_order)[..] else {
        panic!("two answers")
    };
    assert!(
        matches!(first, Outcome::Refused(Some((Version(3), _)))),
        "{first:?}"
    );
    assert_eq!(
        *second,
        Outcome::Applied(Version(2)),
        "stopped, but it is there"
    );
}

/// A write of one of three addresses, right or wrong about what is there.
fn any_write() -> impl Strategy<Value = (u32, Option<u64>, bool)> {
    (0..3_u32, proptest::option::of(0..8_u64), any::<bool>())
}

/// The batch of a plan: at most one write per address.
fn batch_of(serial: u64, writes: &BTreeMap<u32, (Option<u64>, bool)>) -> Batch {
    let write = |(&n, &(expect, put)): (&u32, &(Option<u64>, bool))| {
        let owner = pod(&format!("pod-{serial}")).owner();
        let mut write = create(ip(n), record(owner));
        write.expect = expect.map(Version);
        write.put = write.put.filter(|_| put);
        write
    };
    batch(serial, writes.iter().map(write))
}

fn replayed(store: &MemoryStore) -> BTreeMap<Target, (Version, Value)> {
    let mut records = BTreeMap::new();
    for change in store.changes_since(Version(0)).unwrap() {
        match change.value {
            Some(value) => records.insert(change.target, (change.version, value)),
            None => records.remove(&change.target),
        };
    }
    records
}

proptest! {
    /// Few addresses, versions and plans, so that repeats, races and stale writes all happen.
    #[test]
    fn whatever_is_written_answers_are_true_and_changes_tell_all_of_it(
        atomic in any::<bool>(),
        steps in vec((1..6_u64, vec(any_write(), 0..4), any::<bool>()), 1..40),
    ) {
        let store = if atomic { MemoryStore::atomic() } else { MemoryStore::per_record() };
        for (serial, writes, in_order) in steps {
            let writes = writes.into_iter().map(|(n, expect, put)| (n, (expect, put))).collect();
            let batch = Batch { in_order, ..batch_of(serial, &writes) };
            let (before, version) = (replayed(&store), store.version());
            let outcomes = apply(&store, &batch);
            let after = replayed(&store);

            let changed = store.changes_since(version).unwrap();
            prop_assert!(changed.is_sorted_by(|left, right| left.version < right.version));
            for (write, outcome) in batch.writes.iter().zip(&outcomes) {
                let there = after.get(&write.target);
                let was_there = before.get(&write.target).map(|(version, _)| *version);
                let wrote = changed.iter().any(|change| change.target == write.target);
                prop_assert!(!wrote || was_there == write.expect, "against its expectation");
                prop_assert!(!wrote || matches!(outcome, Outcome::Applied(_)));
                match outcome {
                    Outcome::Applied(version) if write.put.is_some() => {
                        let (found, value) = there.unwrap();
                        prop_assert_eq!((found, value.plan()), (version, Some(batch.id)));
                    }
                    Outcome::Applied(_) => prop_assert_eq!(there, None),
                    Outcome::Refused(told) => prop_assert_eq!(told.as_ref(), there),
                    Outcome::Unavailable => prop_assert_eq!(there, before.get(&write.target)),
                }
            }
            let all = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied(_)));
            prop_assert!(!atomic || all || changed.is_empty(), "a part of an atomic batch");
            prop_assert_eq!(&after, &store.state().records);
        }
    }
}
