//! The same write again: after an unknown answer a store recognises its own work.

use super::Checked;
use super::probe::{
    applied_all, applied_one, apply, apply_one, broken, current, ensure, expect_eq, load,
};
use super::writes::stamped;
use crate::store::{Outcome, Store};
use crate::testing::fixture::{
    at, batch, create, delete, ip, pod, pool_record, put_pool, record, update,
};

pub(super) async fn a_repeated_put_answers_as_the_first_time<S: Store>(store: &S) -> Checked {
    let web = pod("web-0").of_statefulset("web");
    let version = applied_one(store, 1, create(ip(1), record(web.owner()))).await?;
    let again = batch(
        2,
        [
            create(ip(2), record(web.owner())),
            update(ip(1), version, record(web.reserve())),
            put_pool("blue", None, pool_record(3)),
        ],
    );
    let first = apply(store, &again).await?;
    let before = load(store).await?;
    for _ in 0..2 {
        expect_eq(
            "the same answers again",
            &apply(store, &again).await?,
            &first,
        )?;
    }
    let after = load(store).await?;
    expect_eq("the same addresses", &after.addresses, &before.addresses)?;
    expect_eq("the same pools", &after.pools, &before.pools)
}

pub(super) async fn a_repeated_deletion_is_applied<S: Store>(store: &S) -> Checked {
    let version = applied_one(store, 1, create(ip(1), record(pod("web").owner()))).await?;
    for _ in 0..3 {
        let deleted = applied_one(store, 2, delete(ip(1), version)).await?;
        ensure(
            deleted >= version,
            "a deletion no older than what it deletes",
            &deleted,
        )?;
    }
    expect_eq("no record", &current(store, &at(ip(1))).await?, &None)
}

pub(super) async fn a_repeated_put_does_not_undo_a_later_change<S: Store>(store: &S) -> Checked {
    let web = pod("web-0").of_statefulset("web");
    let first = applied_one(store, 1, create(ip(1), record(web.owner()))).await?;
    let mine = update(ip(1), first, record(web.reserve()));
    let second = applied_one(store, 2, mine.clone()).await?;
    let theirs = update(ip(1), second, record(pod("other").owner()));
    let third = applied_one(store, 3, theirs.clone()).await?;

    let there = stamped(third, 3, theirs);
    let outcome = apply_one(store, 2, mine).await?;
    expect_eq(
        "the later change to be told",
        &outcome,
        &Outcome::Refused(there.clone()),
    )?;
    expect_eq(
        "the later change",
        &current(store, &at(ip(1))).await?,
        &there,
    )
}

pub(super) async fn a_repeated_deletion_spares_a_recreated_record<S: Store>(store: &S) -> Checked {
    let first = applied_one(store, 1, create(ip(1), record(pod("web").owner()))).await?;
    applied_one(store, 2, delete(ip(1), first)).await?;
    let theirs = create(ip(1), record(pod("other").owner()));
    let second = applied_one(store, 3, theirs.clone()).await?;

    let there = stamped(second, 3, theirs);
    let outcome = apply_one(store, 2, delete(ip(1), first)).await?;
    expect_eq(
        "the new record to be told",
        &outcome,
        &Outcome::Refused(there.clone()),
    )?;
    expect_eq("the new record", &current(store, &at(ip(1))).await?, &there)
}

pub(super) async fn another_plan_with_the_same_record_is_refused<S: Store>(store: &S) -> Checked {
    let write = create(ip(1), record(pod("web").owner()));
    let version = applied_one(store, 1, write.clone()).await?;
    let outcome = apply_one(store, 2, write.clone()).await?;
    let there = stamped(version, 1, write);
    expect_eq(
        "another plan's work not taken for its own",
        &outcome,
        &Outcome::Refused(there),
    )
}

/// Also of an atomic store: what carries the plan's id is applied, whatever became of the rest.
pub(super) async fn a_partly_overwritten_batch_answers_one_by_one<S: Store>(store: &S) -> Checked {
    let version = applied_one(store, 1, create(ip(3), record(pod("old").owner()))).await?;
    let mine = [1, 2].map(|n| create(ip(n), record(pod("web").owner())));
    let mine = batch(2, mine.into_iter().chain([delete(ip(3), version)]));
    let versions = applied_all(store, &mine).await?;
    let [first, second, _] = versions[..] else {
        return Err(broken("three answers".to_owned(), &versions));
    };
    let theirs = update(ip(2), second, record(pod("other").owner()));
    let third = applied_one(store, 3, theirs.clone()).await?;

    let outcomes = apply(store, &mine).await?;
    let kept = Outcome::Applied(first);
    expect_eq(
        "the untouched record to be told as applied",
        &outcomes.first(),
        &Some(&kept),
    )?;
    let refused = Outcome::Refused(stamped(third, 3, theirs));
    expect_eq(
        "the changed record to be told",
        &outcomes.get(1),
        &Some(&refused),
    )?;
    let deleted = matches!(outcomes.get(2), Some(Outcome::Applied(_)));
    ensure(
        deleted,
        "the deletion to be told as applied",
        &outcomes.get(2),
    )
}
